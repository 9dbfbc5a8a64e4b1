//! The workspace: every package below the root, as read from disk or from a revision of git.
//!
//! A package is a directory plus one build yml. A package that cannot be read is still listed, with its problems: only a
//! plan that needs it fails. Nothing here asks git for a tag or follows a reference to another package.

mod build_args;
pub mod build_yml;
mod directories;
mod disk;
mod docker_images;
pub mod dockerfile;
mod error;
mod fields;
mod files;
mod find;
mod image_config;
pub mod kitmake_yml;
mod located;
mod yaml;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::image::Reference;
use crate::problem::{Problem, SourceFile};
pub use build_args::ArgFile;
pub use build_yml::BuildYml;
pub use directories::{Directories, Lacking};
pub use disk::Disk;
pub use dockerfile::Dockerfile;
pub use error::Error;
pub use files::{Broken, Files};
pub use find::{Options, config, find_root, package, read, read_from};
pub use kitmake_yml::{KitmakeYml, Overrides};

/// The build yml of a directory where no other is named.
const BUILD_YML: &str = "build.yml";

/// A package by its place in [`Workspace::packages`], which is sorted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub u32);

impl PackageId {
    /// The place in any table with one entry per package.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a package is called: `path`, or `path:yml` where the yml is not `build.yml`. The path is relative to the root,
/// with `/`; the root itself is `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(Arc<str>);

impl PackageName {
    /// The name of the package that `yml` makes in the directory `path`.
    #[must_use]
    pub fn new(path: &str, yml: &str) -> Self {
        if yml == BUILD_YML { Self(path.into()) } else { Self(format!("{path}:{yml}").into()) }
    }

    /// As printed and as selected.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for PackageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A directory plus one build yml.
#[derive(Debug, Clone)]
pub struct Package {
    /// What it is called.
    pub name: PackageName,
    /// The directory relative to the root, with `/`; the root itself is `.`.
    pub path: String,
    /// The build yml relative to the directory, `build.yml` by default.
    pub yml: String,
    /// Whether it is what its directory means where no yml is named: the one of its `build.yml`, unless another is chosen.
    pub default: bool,
    /// What the yml says; `None` when it cannot be read, and then `problems` says why.
    pub build: Option<BuildYml>,
    /// Org and image without a tag, where they can be read and are a legal name, even if the rest of the yml is wrong: what
    /// refers to them needs this package.
    pub identity: Option<Reference>,
    /// The Dockerfile; `None` when it cannot be read, and then `dockerfile_problem` says why.
    pub dockerfile: Option<Dockerfile>,
    /// Why the package cannot be named at all: errors of its yml.
    pub problems: Vec<Problem>,
    /// What kitmake.yml says of it.
    pub overrides: Overrides,
    /// Files of build args; what a later one says wins, and each wins over the yml.
    pub build_args: Vec<ArgFile>,
    /// Why the package cannot be built although it has a tag: its Dockerfile is missing or wrong, or a file of build args.
    pub dockerfile_problem: Option<Problem>,
    /// What the missing Dockerfile is made from, relative to the root: making it is a step of the repository's own.
    pub template: Option<String>,
    /// What is odd but stops nothing, such as unknown keys.
    pub warnings: Vec<Problem>,
}

impl Package {
    /// A package of which nothing is known yet.
    #[must_use]
    pub fn new(path: &str, yml: &str) -> Self {
        Self {
            name: PackageName::new(path, yml),
            path: path.to_owned(),
            yml: yml.to_owned(),
            default: yml == BUILD_YML,
            build: None,
            identity: None,
            dockerfile: None,
            problems: Vec::new(),
            overrides: Overrides::default(),
            build_args: Vec::new(),
            dockerfile_problem: None,
            template: None,
            warnings: Vec::new(),
        }
    }

    /// Why nobody knows what it names, if its files cannot be read. A Dockerfile that is yet to be made from its template names
    /// nothing so far.
    pub fn unread(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.dockerfile_problem.iter().filter(|_| self.template.is_none()))
    }

    /// Whether nobody knows what its image is called, so that what names it seems to name something else.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        self.build.is_none() && self.identity.is_none()
    }
}

/// A package that something is wrong with.
#[derive(Debug, Clone)]
pub struct Faulty {
    /// What it is called.
    pub name: PackageName,
    /// All that is wrong; never empty.
    pub problems: Vec<Problem>,
}

/// All packages below a root.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The absolute path of the root.
    pub root: PathBuf,
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// The `kitmake.yml` of the root, or its defaults.
    pub config: KitmakeYml,
    /// Files that are taken to have another text than on disk, by absolute path.
    pub rewritten: BTreeMap<PathBuf, Arc<str>>,
    /// Where they were read from.
    pub files: Arc<dyn Files>,
}

impl Workspace {
    /// The ids of all packages, in the order of their names.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = PackageId> + use<> {
        (0..u32::try_from(self.packages.len()).expect("a repository has fewer than 2^32 packages")).map(PackageId)
    }

    /// A package by its id.
    #[must_use]
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.index()]
    }

    /// Makes each of these packages what its directory means, as if kitmake.yml had chosen its yml; but the package that
    /// was it stays.
    pub fn choose(&mut self, chosen: &[PackageId]) {
        let chosen: BTreeMap<String, PackageId> =
            chosen.iter().map(|&id| (self.package(id).path.clone(), id)).collect();
        for id in self.ids() {
            let package = &mut self.packages[id.index()];
            if let Some(&chosen) = chosen.get(&package.path) {
                package.default = chosen == id;
            }
        }
    }

    /// Gives packages a further file of build args.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn add_build_args(&mut self, packages: &[PackageId], file: &Path) -> Result<(), Problem> {
        let shown = file.strip_prefix(&self.root).unwrap_or(file).display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| Error::UnreadableBuildArgs {
            path: shown.clone(),
            reason: reason(&error),
            help: "`--build-arg-file` names a file of `KEY=VALUE` lines, relative to the current directory".to_owned(),
            source_code: None,
            span: None,
        })?;
        let parsed = ArgFile::parse(SourceFile::new(shown, text));
        for id in packages {
            self.packages[id.index()].build_args.push(parsed.clone());
        }
        Ok(())
    }

    /// The absolute directory of a package.
    #[must_use]
    pub fn directory(&self, id: PackageId) -> PathBuf {
        join(&self.root, &self.package(id).path)
    }
}

/// `path` below `root`, without a trailing `.` component.
fn join(root: &Path, path: &str) -> PathBuf {
    if path == "." { root.to_owned() } else { root.join(path) }
}

/// `name` in the directory `path`, both relative and with `/`.
fn child(path: &str, name: &str) -> String {
    if path == "." { name.to_owned() } else { format!("{path}/{name}") }
}

/// A directory relative to the root that can be no package.
pub(crate) fn path_not_utf8(path: &str) -> Broken {
    (path.to_owned(), Error::PathNotUtf8 { path: path.to_owned() }.into())
}

/// What went wrong with a file, without numbers of the system where a word says it.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// A relative path with `/` without empty, `.` and `..` components; `None` if it leads out of where it starts.
fn lexical(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}
