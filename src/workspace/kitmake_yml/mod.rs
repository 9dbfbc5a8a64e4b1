//! kitmake.yml: the optional file at the root of a workspace.
//!
//! It is for people who know kitmake, so it is read strictly: unknown keys, unknown platforms and entries that name
//! nothing are errors with their place. Without the file everything works on the build ymls alone. What it says is part
//! of the repository: who a package is follows from it as from the build ymls, while the command line only changes what
//! is written.

mod check;
mod file;
mod misfit;

use std::collections::BTreeMap;
use std::path::Path;

use super::build_yml::Located;
use super::error::Error;
use super::files::Files;
use super::{BuildYml, reason};
use crate::image::{Platform, Reference};
use crate::problem::{Problem, SourceFile};

/// What the file is called.
pub(super) const FILE_NAME: &str = "kitmake.yml";

/// What a kitmake.yml says; all of it is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KitmakeYml {
    /// The file itself, for diagnostics; empty if there is none.
    pub source: SourceFile,
    /// The org of build ymls that give none.
    pub org: Option<String>,
    /// What is said of packages, by the directory relative to the root, or by `directory:yml`.
    pub packages: BTreeMap<String, Entry>,
    /// Named choices of build ymls by directory.
    pub profiles: BTreeMap<String, BTreeMap<String, String>>,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<String>,
    /// Registry hosts that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// PEM files of certificate authorities to be trusted, absolute or relative to the root.
    pub certificate_authorities: Vec<String>,
    /// Registry host to the places, `HOST[/PREFIX]`, that are read from first, in their order.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// The platforms that are meant where none are asked for; empty means the builder's own.
    pub platforms: Vec<Platform>,
    /// Stale pins that are meant to be stale.
    pub stale_pins: Vec<StalePin>,
    /// How images are signed and signatures are asked for.
    pub content_trust: ContentTrust,
}

/// How images are signed and signatures are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentTrust {
    /// Whether it is done at all; `None` if nothing is said of it.
    pub enabled: Option<bool>,
    /// The URL of the notary server.
    pub server: Option<String>,
    /// The certificate authority of the server, as a PEM file: absolute, relative to the root, or below `~/`.
    pub ca_file: Option<String>,
    /// A command for the shell that prints the passphrase of the delegation key.
    pub passphrase_command: Option<String>,
    /// Where keys and trust data lie: absolute, relative to the root, or below `~/`.
    pub directory: Option<String>,
}

/// What is said of the packages of a directory, or of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Further build ymls, relative to the directory.
    pub build_ymls: Vec<String>,
    /// The build yml that makes the package of the directory instead of its build.yml.
    pub build_yml: Option<String>,
    /// The package that the directory is without having a build.yml.
    pub declared: Option<BuildYml>,
    /// What changes the packages.
    pub overrides: Overrides,
}

/// What is said of a package beside its build yml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Used verbatim instead of the tree hash.
    pub hash: Option<String>,
    /// A template that wins over that of the build yml.
    pub tag: Option<Located<String>>,
    /// A file of build args, relative to the package directory.
    pub build_arg_file: Option<Located<String>>,
    /// Patterns of a .gitignore for what does not enter the build context.
    pub exclude: Vec<Located<String>>,
}

/// A stale pin that is meant to be stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalePin {
    /// The Dockerfile, relative to the root.
    pub file: String,
    /// The image, with a tag if only that one is meant; any image if it is left out.
    pub image: Option<Reference>,
    /// Why.
    pub reason: String,
}

impl StalePin {
    /// Whether it is meant for an image that this file, relative to the root, names.
    #[must_use]
    pub fn allows(&self, file: &str, image: &str) -> bool {
        let Ok(image) = image.parse::<Reference>() else { return false };
        let means = |meant: &Reference| {
            meant.same_repository(&image)
                && meant.tag().is_none_or(|tag| image.tag() == Some(tag))
                && meant.digest().is_none_or(|digest| image.digest() == Some(digest))
        };
        self.file == file && self.image.as_ref().is_none_or(means)
    }
}

impl KitmakeYml {
    /// What is said of the package that `yml` makes in the directory `path`: what is said of the yml before what is said
    /// of its directory; exclusions of both count.
    #[must_use]
    pub fn overrides(&self, path: &str, yml: &str) -> Overrides {
        let of = |name: &str| self.packages.get(name).map(|entry| entry.overrides.clone());
        let Overrides { hash, tag, build_arg_file, mut exclude } = of(path).unwrap_or_default();
        let own = of(&format!("{path}:{yml}")).unwrap_or_default();
        exclude.extend(own.exclude);
        Overrides {
            hash: own.hash.or(hash),
            tag: own.tag.or(tag),
            build_arg_file: own.build_arg_file.or(build_arg_file),
            exclude,
        }
    }

    /// The package that a directory is without a build yml.
    #[must_use]
    pub fn declared(&self, path: &str) -> Option<&BuildYml> {
        self.packages.get(path).and_then(|entry| entry.declared.as_ref())
    }

    /// The build yml of each directory whose package another one than build.yml makes.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn choices(&self, profile: Option<&str>) -> Result<BTreeMap<&str, &str>, Problem> {
        let mut choices = BTreeMap::new();
        for (path, entry) in &self.packages {
            choices.extend(entry.build_yml.as_deref().map(|yml| (path.as_str(), yml)));
        }
        if let Some(name) = profile {
            let Some(profile) = self.profiles.get(name) else { return Err(self.unknown_profile(name)) };
            choices.extend(profile.iter().map(|(path, yml)| (path.as_str(), yml.as_str())));
        }
        Ok(choices)
    }

    fn unknown_profile(&self, name: &str) -> Problem {
        let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        let help = match super::fields::closest(name, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if names.is_empty() => format!("`profiles` of {FILE_NAME} names none"),
            None => format!("the profiles are {}", super::fields::list(&names)),
        };
        Error::UnknownProfile { name: name.to_owned(), help }.into()
    }

    /// Why a stale pin may stay as it is; `None` if it may not. `file` is relative to the root.
    #[must_use]
    pub fn allows(&self, file: &str, image: &str) -> Option<&str> {
        self.stale_pins.iter().find(|pin| pin.allows(file, image)).map(|pin| pin.reason.as_str())
    }
}

/// Reads the kitmake.yml of a root; its defaults if there is none.
pub(super) fn read(files: &dyn Files, root: &Path) -> Result<KitmakeYml, Problem> {
    match files.read(&root.join(FILE_NAME)) {
        Ok(text) => parse(&SourceFile::new(FILE_NAME, text), &|path| files.real(&root.join(path)).is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(KitmakeYml::default()),
        Err(error) => Err(Error::Unreadable { path: FILE_NAME.to_owned(), reason: reason(&error) }.into()),
    }
}

/// Reads the text of a kitmake.yml; `exists` says of a path relative to the root whether anything is there.
pub fn parse(source: &SourceFile, exists: &dyn Fn(&str) -> bool) -> Result<KitmakeYml, Problem> {
    check::check(source, file::read(source)?, exists)
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
