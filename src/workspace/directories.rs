//! Directories on disk that may be packages, wherever they lie.
//!
//! Only the build yml of each and the kitmake.yml of the root are read, and no other package.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Diagnostic;

use super::{BUILD_YML, Disk, KitmakeYml, Options, Package, PackageId, PackageName, Workspace, config, package};
use crate::path::clean;
use crate::problem::{Class, Fault, Problem};

/// Why a directory is no package.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Lacking {
    /// Nothing is there.
    #[error("`{directory}` is not a directory")]
    #[diagnostic(
        code(show_tag::no_directory),
        help("name the directories of packages, relative to the current directory")
    )]
    Directory {
        /// Relative to the root where it lies below.
        directory: String,
    },

    /// There is no build yml.
    #[error("`{directory}` has no `{yml}`")]
    #[diagnostic(code(show_tag::no_yml), help("`--build-yml FILE` names another file than build.yml"))]
    Yml {
        /// Relative to the root where it lies below.
        directory: String,
        /// Relative to the directory.
        yml: String,
    },
}

impl Fault for Lacking {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// Directories around or below a root.
#[derive(Debug)]
pub struct Directories<'a> {
    root: &'a Path,
    options: &'a Options,
    config: KitmakeYml,
    /// The yml of each directory that has another one than build.yml.
    choices: BTreeMap<String, String>,
}

impl<'a> Directories<'a> {
    /// Reads the kitmake.yml of the root.
    ///
    /// # Errors
    /// When it is wrong, or lacks the profile.
    pub fn new(root: &'a Path, options: &'a Options) -> Result<Self, Problem> {
        let config = config(root)?;
        let choices = config.choices(options.profile.as_deref())?.into_iter();
        let choices = choices.map(|(path, yml)| (path.to_owned(), yml.to_owned())).collect();
        Ok(Self { root, options, config, choices })
    }

    /// What an absolute directory lacks to be a package.
    #[must_use]
    pub fn lacking(&self, directory: &Path) -> Option<Lacking> {
        let (path, yml) = self.named(directory);
        if !directory.is_dir() {
            Some(Lacking::Directory { directory: path })
        } else if !directory.join(yml).exists() && (yml != BUILD_YML || self.config.declared(&path).is_none()) {
            Some(Lacking::Yml { directory: path, yml: yml.to_owned() })
        } else {
            None
        }
    }

    /// A workspace of exactly the packages in these absolute directories, and their ids in the order given.
    #[must_use]
    pub fn read(self, directories: impl Iterator<Item = PathBuf>) -> (Workspace, Vec<PackageId>) {
        let mut packages: BTreeMap<PackageName, Package> = BTreeMap::new();
        let mut names = Vec::new();
        for directory in directories {
            let (path, yml) = self.named(&directory);
            let name = PackageName::new(&path, yml);
            packages.entry(name.clone()).or_insert_with(|| match self.lacking(&directory) {
                Some(lacking) => Package { problems: vec![lacking.into()], ..Package::new(&path, yml) },
                None => package(self.root, &path, yml, &self.config, self.options.strict),
            });
            names.push(name);
        }
        let ids: BTreeMap<PackageName, PackageId> = packages.keys().cloned().zip((0..).map(PackageId)).collect();
        let order = names.iter().filter_map(|name| ids.get(name).copied()).collect();
        let (root, packages) = (self.root.to_owned(), packages.into_values().collect());
        let (config, files) = (self.config, Arc::new(Disk));
        (Workspace { root, packages, config, rewritten: BTreeMap::new(), files }, order)
    }

    /// As a package is named (relative to the root where it lies below, else absolute), and its yml.
    fn named(&self, directory: &Path) -> (String, &str) {
        let absolute = clean(directory);
        let path = match absolute.strip_prefix(self.root) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.to_string_lossy().into_owned(),
            Err(_) => absolute.to_string_lossy().into_owned(),
        };
        let chosen = self.options.build_yml.as_ref().or_else(|| self.choices.get(&path));
        let yml = chosen.map_or(BUILD_YML, String::as_str);
        (path, yml)
    }
}
