//! kitmake.yml as it is written: every key and its type.
//!
//! The doc comments of the fields are the descriptions in the JSON Schema, which is made from these types.

use std::fmt;
use std::ops::Range;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::misfit;
use crate::problem::{Problem, SourceFile};

/// A text with its place.
pub(super) type Text = Spanned<String>;

/// The optional file at the root of a monorepo of `LinuxKit` packages that says what a build.yml cannot.
#[derive(Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "kitmake.yml"))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// The org of build ymls that give none, instead of `linuxkit`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) org: Option<Text>,
    /// The platforms that are meant where the command line names none, such as `linux/amd64`.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) platforms: Option<Vec<Text>>,
    /// `HOST[:PORT][/PREFIX]` where images without a host in their name live.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) registry: Option<Text>,
    /// Registry hosts (`HOST[:PORT]`) that may be spoken to without TLS.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) insecure_registries: Option<Vec<Text>>,
    /// PEM files of certificate authorities to trust besides those of the system, absolute or relative to the root.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) certificate_authorities: Option<Vec<Text>>,
    /// Registry host to the places (`HOST[:PORT][/PREFIX]`) to read from instead, tried in this order before the
    /// registry itself.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, Option<Vec<String>>>>"))]
    pub(super) mirrors: Option<IndexMap<Text, Option<Vec<Text>>>>,
    /// What is said of packages, by directory relative to the root, or `DIRECTORY:YML` for one yml of it.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, Option<Written>>>"))]
    pub(super) packages: Option<IndexMap<Text, Option<Written>>>,
    /// Named choices: for each directory the build yml that makes its package under `--profile NAME`.
    #[cfg_attr(
        test,
        schemars(
            with = "Option<std::collections::BTreeMap<String, Option<std::collections::BTreeMap<String, String>>>>"
        )
    )]
    pub(super) profiles: Option<IndexMap<Text, Option<IndexMap<Text, Text>>>>,
    /// Stale pins that are meant to be stale.
    pub(super) stale_pins: Option<Vec<Pin>>,
    /// Whether images are signed and signatures are asked for, or a mapping that says more about it.
    pub(super) content_trust: Option<TrustWritten>,
}

/// Whether images are signed and signatures are asked for: a yes or no, or a mapping.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(untagged))]
pub(super) enum TrustWritten {
    /// A yes or no, with the defaults of docker for the rest.
    Short(bool),
    /// Everything that can be said.
    Long(Box<Trust>),
}

/// How images are signed and signatures are asked for.
#[derive(Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "content-trust"))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Trust {
    /// `false` keeps the rest for where `DOCKER_CONTENT_TRUST` switches it on.
    pub(super) enabled: Option<bool>,
    /// The URL of the notary server, instead of that of docker.io or of the registry of the image.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) server: Option<Text>,
    /// A PEM file with the only certificate authority that may vouch for the server; relative to the root, or `~/FILE`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) ca_file: Option<Text>,
    /// A command for the shell whose first line of output is the passphrase of the delegation key.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) passphrase_command: Option<Text>,
    /// Where keys and trust data lie instead of docker's own directory; relative to the root, or `~/DIRECTORY`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) directory: Option<Text>,
}

/// What is said of the packages of a directory: the further build ymls, or a mapping.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(untagged))]
pub(super) enum Written {
    /// Further build ymls of the directory, relative to it.
    Short(#[cfg_attr(test, schemars(with = "Vec<String>"))] Vec<Text>),
    /// Everything that can be said.
    Long(Box<Long>),
}

/// What is said of the packages of a directory.
#[derive(Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "package"))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Long {
    /// Further build ymls of the directory, relative to it; each makes a package of its own.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) build_ymls: Option<Vec<Text>>,
    /// The build yml that makes the package of the directory, instead of its build.yml.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) build_yml: Option<Text>,
    /// The image of a directory without a build.yml: it makes the directory a package.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) image: Option<Text>,
    /// With `image`: the org of the image.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) org: Option<Text>,
    /// With `image`: whether build steps may use the network.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub(super) network: Option<Spanned<bool>>,
    /// With `image`: the architectures it is built for.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) arches: Option<Vec<Text>>,
    /// The hash instead of the tree hash, as `--hash`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) hash: Option<Text>,
    /// The tag instead of that of the build yml, as `--tag`: text with `{{.Hash}}` in it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) tag: Option<Text>,
    /// A file of `KEY=VALUE` lines below the directory, as `--build-arg-file`; it wins over `buildArgs`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) build_arg_file: Option<Text>,
    /// What of the directory does not enter the build context, as patterns of a .gitignore.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) exclude: Option<Vec<Text>>,
}

/// A stale pin that is meant to be stale.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "stale-pin"))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Pin {
    /// The Dockerfile, relative to the root.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) file: Text,
    /// The image with or without its tag; any stale pin of the file if this is left out.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) image: Option<Text>,
    /// Why it may stay as it is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) reason: Text,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of build ymls or a mapping")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Written, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Written::Short)
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Written, A::Error> {
                Long::deserialize(MapAccessDeserializer::new(entries)).map(|long| Written::Long(Box::new(long)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for TrustWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TrustWritten;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a mapping")
            }

            fn visit_bool<E>(self, enabled: bool) -> Result<TrustWritten, E> {
                Ok(TrustWritten::Short(enabled))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<TrustWritten, A::Error> {
                let long = Trust::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(TrustWritten::Long(Box::new(long)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads the text of a kitmake.yml.
pub(super) fn read(source: &SourceFile) -> Result<File, Problem> {
    let options = serde_yaml::options! { with_snippet: false };
    match serde_yaml::from_str_with_options::<Option<File>>(&source.text, options) {
        Ok(file) => Ok(file.unwrap_or_default()),
        Err(error) => Err(misfit::problem(source, &error)),
    }
}

/// The byte range of a place that the YAML library names.
pub(super) fn range(source: &SourceFile, location: Location) -> Range<usize> {
    let offset = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = offset(location.span().byte_offset());
    let range = start..start.saturating_add(offset(location.span().byte_len()));
    if source.text.get(range.clone()).is_some() { range } else { 0..0 }
}
