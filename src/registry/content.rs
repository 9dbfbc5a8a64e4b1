//! What a registry stores, as bytes and as read: manifests, indexes and image configurations.
//!
//! The bytes are what counts, since the digest is theirs; reading never changes them. Of what is read only the fields
//! that are used are required, and unknown ones are ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::descriptor::{Descriptor, media_type, platform};
use super::error::Error;
use super::index::Index;
use crate::hex::hex;
use crate::image::Platform;
use crate::problem::Problem;

/// A manifest or index as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is called by content.
    pub descriptor: Descriptor,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// A manifest as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An image for several platforms.
    Index(Index),
    /// An image for one platform, which only its configuration names.
    Image(Image),
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// The image configuration, a blob.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Annotations by name.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// The part of an image configuration that is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// What the image runs on; `None` if it does not say so properly.
    pub platform: Option<Platform>,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads it.
    ///
    /// # Errors
    /// When the fields its media type requires are missing or of the wrong type. `about` is the reference it was asked
    /// for as, which the error names.
    pub fn content(&self, about: &str) -> Result<Content, Problem> {
        let read = match kind(&self.bytes) {
            Ok(Kind::Index) => Index::parse(&self.bytes).map(Content::Index),
            Ok(Kind::Image) => serde_json::from_slice(&self.bytes).map(Content::Image),
            Err(reason) => return Err(Error::Malformed { about: about.to_owned(), reason }.into()),
        };
        read.map_err(|error| Error::Malformed { about: about.to_owned(), reason: error.to_string() }.into())
    }
}

impl ImageConfig {
    /// Reads an image configuration.
    ///
    /// # Errors
    /// When it is no JSON object or its labels are not text. `about` is the image it belongs to, which the error names.
    pub fn parse(bytes: &[u8], about: &str) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            os: String,
            #[serde(default)]
            architecture: String,
            variant: Option<String>,
            config: Option<Config>,
        }
        #[derive(Deserialize)]
        struct Config {
            #[serde(rename = "Labels")]
            labels: Option<BTreeMap<String, String>>,
        }
        let file: File = serde_json::from_slice(bytes)
            .map_err(|error| Error::Malformed { about: about.to_owned(), reason: error.to_string() })?;
        let labels = file.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Self { platform: platform(&file.os, &file.architecture, file.variant.as_deref()), labels })
    }
}

/// The digest of content.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// Whether a text is a digest that can be checked.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// The media type of a body that was sent as `content_type`; the error says why it is no manifest.
///
/// What the body says of itself counts only where the header says nothing of use: the header is what the distribution
/// specification goes by, but some registries call every manifest JSON.
pub(super) fn media_type_of(bytes: &[u8], content_type: Option<&str>) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        media_type: Option<String>,
    }

    let kind = kind(bytes)?;
    if let Some(known) = known(content_type) {
        return Ok(known.to_owned());
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(match (known(head.media_type.as_deref()), kind) {
        (Some(known), _) => known,
        (None, Kind::Index) => media_type::OCI_INDEX,
        (None, Kind::Image) => media_type::OCI_MANIFEST,
    }
    .to_owned())
}

/// The media type of a manifest that a `Content-Type` names, without its parameters.
pub(super) fn known(content_type: Option<&str>) -> Option<&'static str> {
    let named = content_type?.split(';').next()?.trim();
    media_type::ALL.into_iter().find(|known| known.eq_ignore_ascii_case(named))
}

enum Kind {
    Index,
    Image,
}

/// What a body is by its fields.
fn kind(bytes: &[u8]) -> Result<Kind, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        schema_version: Option<u64>,
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }

    let shape: Shape = serde_json::from_slice(bytes).map_err(|_| "no JSON object of a manifest".to_owned())?;
    match shape {
        Shape { schema_version: Some(2), manifests: Some(_), .. } => Ok(Kind::Index),
        Shape { schema_version: Some(2), config: Some(_), layers: Some(_), .. } => Ok(Kind::Image),
        Shape { schema_version: Some(2), .. } => Err("neither an index nor the manifest of an image".to_owned()),
        Shape { schema_version: Some(1), .. } => Err("a manifest of the long outdated schema 1".to_owned()),
        Shape { .. } => Err("no manifest".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

    fn manifest(bytes: &[u8]) -> Manifest {
        let descriptor =
            Descriptor { media_type: String::new(), digest: digest(bytes), size: bytes.len().try_into().unwrap() };
        Manifest { descriptor, bytes: bytes.to_vec() }
    }

    #[test]
    fn the_digest_is_the_sha256_of_the_bytes() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(is_digest(&digest(b"x")));
        for other in ["", "sha256:", "sha512:00", &digest(b"x").to_uppercase(), &digest(b"x")[1..]] {
            assert!(!is_digest(other), "{other}");
        }
    }

    #[test]
    fn the_header_decides_the_media_type_and_the_body_where_it_does_not() {
        let list = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::DOCKER_LIST);
        let list = list.as_bytes();
        let with_parameter = format!("{}; charset=utf-8", media_type::OCI_INDEX);
        assert_eq!(media_type_of(list, Some(&with_parameter)), Ok(media_type::OCI_INDEX.to_owned()));
        assert_eq!(media_type_of(list, Some("application/json")), Ok(media_type::DOCKER_LIST.to_owned()));
        assert_eq!(media_type_of(INDEX, None), Ok(media_type::OCI_INDEX.to_owned()));
    }

    #[test]
    fn what_is_no_manifest_is_told_apart() {
        for body in [
            &b""[..],
            b"<html>",
            b"[]",
            b"{}",
            br#"{"schemaVersion":1,"manifests":[]}"#,
            br#"{"schemaVersion":2}"#,
            br#"{"schemaVersion":2,"config":null,"layers":[]}"#,
        ] {
            assert!(media_type_of(body, Some(media_type::OCI_INDEX)).is_err(), "{}", String::from_utf8_lossy(body));
            assert!(manifest(body).content("a:1").is_err());
        }
    }

    #[test]
    fn a_manifest_is_read_as_what_it_is() {
        assert!(matches!(manifest(INDEX).content("a:1"), Ok(Content::Index(index)) if index.entries().is_empty()));
        let config = format!(r#"{{"mediaType":"c","digest":"{}","size":2}}"#, digest(b"{}"));
        let body = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        let Ok(Content::Image(image)) = manifest(body.as_bytes()).content("a:1") else { panic!("no image") };
        assert_eq!(image.config.digest, digest(b"{}"));
    }

    #[test]
    fn an_image_configuration_gives_platform_and_labels() {
        let body = br#"{"architecture":"arm","os":"linux","variant":"v7","config":{"Labels":{"a":"b"},"Cmd":null}}"#;
        let config = ImageConfig::parse(body, "a:1").unwrap();
        assert_eq!(config.platform.map(|platform| platform.to_string()).as_deref(), Some("linux/arm/v7"));
        assert_eq!(config.labels, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let bare = ImageConfig::parse(br#"{"config":{"Labels":null}}"#, "a:1").unwrap();
        assert_eq!(bare, ImageConfig { platform: None, labels: BTreeMap::new() });
        assert!(ImageConfig::parse(b"[1]", "a:1").is_err());
    }
}
