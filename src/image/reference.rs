//! An image reference: `[host/]path[:tag][@digest]`.
//!
//! The grammar is that of the OCI distribution specification as Docker applies it: the first component is a registry
//! host only if it has a dot or a colon or is `localhost`; an image without a host lives on docker.io, and there a
//! single component means `library/`. A [`Reference`] keeps what was written; [`Reference::canonical`] expands it, so
//! that two spellings of one image compare equal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Platform;

const DOCKER_IO: &str = "docker.io";

/// `[host/]path[:tag][@digest]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    host: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// The registry host as written, with its port; `None` means docker.io.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The repository within the registry, as written.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, such as `sha256:…`, if one is written.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Host and path without tag and digest, as written.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}/{}", self.path),
            None => self.path.clone(),
        }
    }

    /// The same image with another tag and without a digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The `tag-arch` of this image: its tag with architecture and variant of a platform as a suffix, without a digest.
    #[must_use]
    pub fn arch_tag(&self, platform: &Platform) -> Self {
        let (tag, variant) = (self.tag().unwrap_or("latest"), platform.variant().unwrap_or_default());
        self.with_tag(&format!("{tag}-{}{variant}", platform.architecture()))
    }

    /// The registry host and the repository on it, with the defaults of docker.io filled in.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let host = self.host.clone().unwrap_or_else(|| DOCKER_IO.to_owned());
        let host = if host == "index.docker.io" { DOCKER_IO.to_owned() } else { host };
        let path = if host == DOCKER_IO && !self.path.contains('/') {
            format!("library/{}", self.path)
        } else {
            self.path.clone()
        };
        Self { host: Some(host), path, ..self.clone() }
    }

    /// Whether both name the same repository, whatever tag or digest they carry.
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        let (a, b) = (self.canonical(), other.canonical());
        a.host == b.host && a.path == b.path
    }

    /// The same image on another registry: an image without a host is looked for under `registry`, which is
    /// `HOST[/PREFIX]`; an image with a host stays where it is.
    #[must_use]
    pub fn on(&self, registry: Option<&str>) -> Self {
        let (None, Some(registry)) = (&self.host, registry) else { return self.clone() };
        let (host, prefix) = registry.split_once('/').map_or((registry, None), |(host, prefix)| (host, Some(prefix)));
        let path = match prefix {
            Some(prefix) => format!("{prefix}/{}", self.path),
            None => self.path.clone(),
        };
        Self { host: Some(host.to_owned()), path, ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A text that is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct InvalidReference {
    /// What was to be read.
    pub text: String,
    /// The rule of the grammar that it breaks.
    pub reason: &'static str,
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| InvalidReference { text: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(invalid("a digest is `sha256:` and 64 hexadecimal digits"));
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(
                "a tag is 1 to 128 letters, digits, `_`, `.` or `-`, and does not begin with `.` or `-`",
            ));
        }
        let (host, path) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
            _ => (None, name),
        };
        if host.is_some_and(|host| !is_host(host)) {
            return Err(invalid("the registry is a host name or address with an optional port"));
        }
        if path.is_empty() || !path.split('/').all(is_path_component) {
            return Err(invalid(
                "a name is lower-case letters and digits, with single `.`, `_`, `__` or `-` between them, in components separated by `/`",
            ));
        }
        Ok(Self {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", _)) => 64,
        Some(("sha512", _)) => 128,
        _ => return false,
    };
    text.split_once(':').is_some_and(|(_, hex)| {
        hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    name.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let separator = |byte: u8| b"._-".contains(&byte);
    if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || separator(byte)) {
        return false;
    }
    let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| !separator(byte));
    if !alphanumeric(text.bytes().next()) || !alphanumeric(text.bytes().last()) {
        return false;
    }
    text.split(|c: char| c.is_ascii_alphanumeric())
        .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_parsed_prints_the_same() {
        let digest = "a".repeat(64);
        for text in [
            "alpine".to_owned(),
            "linuxkit/alpine:0123abc".to_owned(),
            "127.77.0.1:5000/fixtures/base:v1-amd64".to_owned(),
            "localhost/x".to_owned(),
            "[::1]:5000/a/b__c:T".to_owned(),
            format!("docker.io/library/a:1@sha256:{digest}"),
        ] {
            assert_eq!(parse(&text).to_string(), text);
        }
    }

    #[test]
    fn a_colon_before_a_slash_is_a_port() {
        let reference = parse("reg.io:5000/x/y");
        assert_eq!((reference.host(), reference.path(), reference.tag()), (Some("reg.io:5000"), "x/y", None));
    }

    #[test]
    fn spellings_of_one_image_have_one_canonical_form() {
        assert_eq!(parse("alpine:3").canonical().to_string(), "docker.io/library/alpine:3");
        assert!(parse("docker.io/linuxkit/init:a").same_repository(&parse("linuxkit/init:b")));
        assert!(!parse("linuxkit/init").same_repository(&parse("quay.io/linuxkit/init")));
    }

    #[test]
    fn the_tag_of_an_architecture_has_its_variant_and_no_digest() {
        let pinned = parse(&format!("reg.io/a:1@sha256:{}", "a".repeat(64)));
        let suffixed = |platform: &str| pinned.arch_tag(&platform.parse().unwrap()).to_string();
        assert_eq!([suffixed("linux/arm64"), suffixed("linux/arm/v6")], ["reg.io/a:1-arm64", "reg.io/a:1-armv6"]);
        assert_eq!(parse("a").arch_tag(&Platform::linux("amd64")).to_string(), "a:latest-amd64");
    }

    #[test]
    fn only_an_image_without_a_host_moves_to_another_registry() {
        assert_eq!(
            parse("linuxkit/init:a").on(Some("127.0.0.1:5000/mirror")).to_string(),
            "127.0.0.1:5000/mirror/linuxkit/init:a"
        );
        assert_eq!(parse("quay.io/x:a").on(Some("127.0.0.1:5000")).to_string(), "quay.io/x:a");
        assert_eq!(parse("linuxkit/init:a").on(None).to_string(), "linuxkit/init:a");
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for text in [
            "",
            "Upper/case",
            "a//b",
            "a:",
            "a:.x",
            "a@sha256:00",
            "-a",
            "a/-b",
            "a..b",
            "host:port/x",
            "a b",
            "${X}",
            "/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
