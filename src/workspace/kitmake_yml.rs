//! kitmake.yml: the optional file at the root of a workspace.
//!
//! It is for people who know kitmake, so it is read strictly: unknown keys, unknown platforms and entries that name
//! nothing are errors with their place. Without the file everything works on the build ymls alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use miette::LabeledSpan;
use serde::Deserialize;
use serde_yaml::{DeserializeError, Location, Spanned};

use super::error::Error;
use super::fields::{closest, list};
use super::{child, lexical, reason};
use crate::image::{Platform, Reference};
use crate::problem::{Problem, SourceFile, span};

/// What the file is called.
pub(super) const FILE_NAME: &str = "kitmake.yml";

/// What a kitmake.yml says; all of it is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KitmakeYml {
    /// Further build ymls by directory: `packages: {DIR: [YML, ...]}`. The build.yml of such a directory, if it has
    /// one, stays a package beside them. Directories are relative to the root, ymls to their directory.
    pub packages: BTreeMap<String, Vec<String>>,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<String>,
    /// Registry hosts that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// The platforms that are meant where none are asked for; empty means the builder's own.
    pub platforms: Vec<Platform>,
}

/// The file as written.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    packages: Option<Listed>,
    registry: Option<Spanned<String>>,
    insecure_registries: Option<Vec<Spanned<String>>>,
    platforms: Option<Vec<Spanned<String>>>,
}

/// `packages` as written.
type Listed = IndexMap<Spanned<String>, Option<Vec<Spanned<String>>>>;

/// Reads the kitmake.yml of a root; its defaults if there is none.
pub(super) fn read(root: &Path) -> Result<KitmakeYml, Problem> {
    match std::fs::read_to_string(root.join(FILE_NAME)) {
        Ok(text) => parse(&SourceFile::new(FILE_NAME, text), &|path| root.join(path).exists()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(KitmakeYml::default()),
        Err(error) => Err(Error::Unreadable { path: FILE_NAME.to_owned(), reason: reason(&error) }.into()),
    }
}

/// Reads the text of a kitmake.yml; `exists` says of a path relative to the root whether anything is there.
pub fn parse(source: &SourceFile, exists: &dyn Fn(&str) -> bool) -> Result<KitmakeYml, Problem> {
    let options = serde_yaml::options! { with_snippet: false };
    let file = match serde_yaml::from_str_with_options::<Option<File>>(&source.text, options) {
        Ok(file) => file.unwrap_or_default(),
        Err(error) => return Err(syntax(source, &error)),
    };
    let registry = file.registry.map(|registry| check_host(source, registry, true)).transpose()?;
    let insecure = file.insecure_registries.into_iter().flatten().map(|host| check_host(source, host, false));
    let insecure_registries = insecure.collect::<Result<_, _>>()?;
    let platforms = file.platforms.into_iter().flatten().map(|platform| match platform.value.parse() {
        Ok(parsed) => Ok(parsed),
        Err(error) => Err(invalid(source, platform.referenced, format!("{error}"), "write it as linux/ARCH")),
    });
    let platforms = platforms.collect::<Result<_, _>>()?;
    let packages = packages(source, file.packages.unwrap_or_default(), exists)?;
    Ok(KitmakeYml { packages, registry, insecure_registries, platforms })
}

fn packages(
    source: &SourceFile,
    written: Listed,
    exists: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut labels = Vec::new();
    let mut missing = |location, message: &str| {
        labels.push(LabeledSpan::new_with_span(Some(message.to_owned()), span(&range(source, location))));
    };
    for (directory, ymls) in written {
        let Some(path) = lexical(&directory.value).filter(|_| !directory.value.starts_with('/')) else {
            missing(directory.referenced, "not below the root");
            continue;
        };
        if !exists(&path) {
            missing(directory.referenced, "no such directory");
            continue;
        }
        let listed = packages.entry(path.clone()).or_default();
        for yml in ymls.into_iter().flatten() {
            match lexical(&yml.value).filter(|clean| !yml.value.starts_with('/') && clean != ".") {
                None => missing(yml.referenced, "not below the directory"),
                Some(clean) if !exists(&child(&path, &clean)) => missing(yml.referenced, "no such file"),
                Some(clean) if listed.contains(&clean) => {}
                Some(clean) => listed.push(clean),
            }
        }
    }
    if labels.is_empty() {
        Ok(packages)
    } else {
        Err(Error::MissingListed { source_code: source.named(), labels }.into())
    }
}

/// `HOST`, or `HOST/PREFIX` where a prefix is allowed.
fn check_host(source: &SourceFile, host: Spanned<String>, prefix: bool) -> Result<String, Problem> {
    let named = format!("{}/x", host.value).parse::<Reference>();
    if named.is_ok_and(|image| image.host().is_some() && (prefix || !host.value.contains('/'))) {
        return Ok(host.value);
    }
    let form = if prefix { "HOST[:PORT][/PREFIX]" } else { "HOST[:PORT]" };
    let message = format!("`{}` is not a registry of the form {form}", host.value);
    let help = "leave the scheme out; a host has a dot or a port, or is `localhost`";
    Err(invalid(source, host.referenced, message, help))
}

fn invalid(source: &SourceFile, location: Location, message: String, help: &str) -> Problem {
    let span = span(&range(source, location));
    Error::InvalidValue { message, help: help.to_owned(), source_code: source.named(), span }.into()
}

/// What the YAML library says, in our words where people meet it often.
fn syntax(source: &SourceFile, error: &DeserializeError) -> Problem {
    let error = error.without_snippet();
    let (source_code, range) = (source.named(), error.location().map_or(0..0, |location| range(source, location)));
    let span = span(&range);
    if let DeserializeError::SerdeUnknownField { field, expected, .. } = error {
        let mut expected = expected.clone();
        expected.sort_unstable();
        let help = match closest(field, &expected) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys of kitmake.yml are {}", list(&expected)),
        };
        return Error::UnknownKey { key: field.clone(), place: FILE_NAME.to_owned(), help, source_code, span }.into();
    }
    let message = error.to_string();
    Error::InvalidYaml { path: source.path.clone(), message, source_code, span }.into()
}

/// The byte range of a place that the YAML library names.
fn range(source: &SourceFile, location: Location) -> Range<usize> {
    let offset = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = offset(location.span().byte_offset());
    let range = start..start.saturating_add(offset(location.span().byte_len()));
    if source.text.get(range.clone()).is_some() { range } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<KitmakeYml, Problem> {
        super::parse(&SourceFile::new(FILE_NAME, text), &|path| path.starts_with("pkg/a"))
    }

    /// The code of the error, its help, and the texts that it points at.
    fn refused(text: &str) -> (String, String, Vec<String>) {
        let problem = parse(text).unwrap_err();
        let diagnostic = problem.diagnostic();
        let at =
            diagnostic.labels().unwrap().map(|label| text[label.offset()..label.offset() + label.len()].to_owned());
        let help = diagnostic.help().map(|help| help.to_string()).unwrap_or_default();
        (problem.code(), help, at.collect())
    }

    #[test]
    fn everything_is_optional() {
        for text in
            ["", "# nothing\n", "---\n", "{}", "~", "packages:\nregistry:\nplatforms:\ninsecure-registries: ~\n"]
        {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Ok(KitmakeYml::default()));
        }
    }

    #[test]
    fn every_key_is_read() {
        let text = "
packages:
  ./pkg/a/: [build-kvm.yml, ./sub/x.yml, build-kvm.yml]
  pkg/a2:
registry: reg.io:5000/mirror
insecure-registries: [127.0.0.1:5000]
platforms: [linux/amd64, linux/arm/v7]
";
        let expected = KitmakeYml {
            packages: BTreeMap::from([
                ("pkg/a".to_owned(), vec!["build-kvm.yml".to_owned(), "sub/x.yml".to_owned()]),
                ("pkg/a2".to_owned(), Vec::new()),
            ]),
            registry: Some("reg.io:5000/mirror".to_owned()),
            insecure_registries: vec!["127.0.0.1:5000".to_owned()],
            platforms: vec![Platform::linux("amd64"), "linux/arm/v7".parse().unwrap()],
        };
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let (code, help, at) = refused("registry: a.io\nplatform: [linux/amd64]\n");
        assert_eq!((code.as_str(), help.as_str()), ("workspace::unknown_key", "did you mean `platforms`?"));
        assert_eq!(at, ["platform"]);
        assert!(refused("zzz: 1\n").1.contains("`insecure-registries`, `packages`, `platforms`, `registry`"));
    }

    #[test]
    fn what_is_not_there_is_pointed_at_all_at_once() {
        let (code, _, at) =
            refused("packages:\n  pkg/a: [x.yml, ../y.yml]\n  nope: [z.yml]\n  /abs: []\n  ../up: []\n");
        assert_eq!(code, "workspace::missing_listed");
        assert_eq!(at, ["../y.yml", "nope", "/abs", "../up"]);
    }

    #[test]
    fn a_wrong_value_is_pointed_at() {
        for (text, code, at) in [
            ("registry: https://a.io\n", "workspace::invalid_value", "https://a.io"),
            ("registry: mirror\n", "workspace::invalid_value", "mirror"),
            ("insecure-registries: [a.io/x]\n", "workspace::invalid_value", "a.io/x"),
            ("platforms: [amd64]\n", "workspace::invalid_value", "amd64"),
            ("platforms: linux/amd64\n", "workspace::invalid_yaml", "linux/amd64"),
            ("registry: a.io\nregistry: b.io\n", "workspace::invalid_yaml", "registry"),
        ] {
            let refused = refused(text);
            assert_eq!((refused.0.as_str(), refused.2), (code, vec![at.to_owned()]), "{text}");
        }
        assert_eq!(refused("registry: [\n").0, "workspace::invalid_yaml");
        assert_eq!(refused("- a\n").0, "workspace::invalid_yaml");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            drop(parse(&text));
        }

        #[test]
        fn no_text_in_the_alphabet_of_yaml_panics(
            text in "((packages|registry|platforms|pkg/a|x\\.yml|[-: \\n\\[\\]{},&*!|>'\"?ü~])){0,12}"
        ) {
            drop(parse(&text));
        }
    }
}
