//! Names of packages in selectors: a directory, `directory:yml`, a glob or an image name.
//!
//! A directory means the package that is its default, or all its packages if none is, and all packages below it. In a glob `*`
//! stays within a folder, and `**` does not. Paths are tried relative to the root, then to the working directory, and one that
//! begins with `.` or `..` only there; image names come last. A package that cannot be read has its path as a name all the same.
//! Marks and revisions are not known here.

use globset::{GlobBuilder, GlobMatcher};

use crate::image::Reference;
use crate::workspace::{Package, PackageId, PackageName, Workspace};

use super::super::paths;
use super::fault::SelectorFault;

/// The package that the build yml `yml` makes in `directory`, both as in its name.
#[must_use]
pub fn package_at(workspace: &Workspace, directory: &str, yml: &str) -> Option<PackageId> {
    let name = PackageName::new(directory, yml);
    workspace.ids().nth(workspace.packages.binary_search_by(|package| package.name.cmp(&name)).ok()?)
}

/// A name, understood.
#[derive(Debug)]
pub(super) struct Name {
    /// What it may mean; the first that names a package is what it means.
    meanings: Vec<Meaning>,
}

#[derive(Debug)]
enum Meaning {
    /// A directory relative to the root.
    Place(String),
    /// One package.
    Package(PackageName),
    /// On package names and package directories.
    Glob(Box<GlobMatcher>),
    /// On image names with their org.
    ImageGlob(Box<GlobMatcher>),
    /// An image name, with or without its org and registry.
    Image(String),
}

impl Name {
    pub(super) fn parse(text: &str, workspace: &Workspace, current: &str) -> Result<Self, SelectorFault> {
        if text.is_empty() {
            // An unset variable of a script must not mean everything.
            return Ok(Self { meanings: Vec::new() });
        }
        let (files, root) = (&*workspace.files, &workspace.root);
        let here = root.join(current);
        // A yml stands behind the last colon and may lie in a folder of its own, so only the directory is cleaned.
        let (directory, yml) = match text.rsplit_once(':') {
            Some((directory, yml)) => (directory, Some(yml)),
            None => (text, None),
        };
        let from_here = matches!(directory.split('/').next(), Some("." | ".."));
        let bases = if from_here { vec![here] } else { vec![root.to_owned(), here] };
        let directories = bases.iter().filter_map(|base| paths::below(files, root, &base.join(directory)));
        let mut meanings = Vec::new();
        if is_glob(text) {
            for directory in directories {
                meanings.push(match yml {
                    Some(yml) => Meaning::Glob(matcher(&format!("{directory}:{yml}"))?),
                    None => Meaning::Glob(matcher(&directory)?),
                });
            }
            meanings.push(Meaning::ImageGlob(matcher(text)?));
        } else {
            meanings.extend(directories.map(|directory| match yml {
                Some(yml) => Meaning::Package(PackageName::new(&directory, yml)),
                None => Meaning::Place(directory),
            }));
            meanings.push(Meaning::Image(text.to_owned()));
        }
        Ok(Self { meanings })
    }

    pub(super) fn packages(&self, workspace: &Workspace) -> Vec<PackageId> {
        self.meanings
            .iter()
            .map(|meaning| meaning.packages(workspace))
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }
}

impl Meaning {
    fn packages(&self, workspace: &Workspace) -> Vec<PackageId> {
        let all = || workspace.ids().map(|id| (id, workspace.package(id)));
        let of = |is_meant: &dyn Fn(&Package) -> bool| -> Vec<PackageId> {
            all().filter(|(_, package)| is_meant(package)).map(|(id, _)| id).collect()
        };
        match self {
            Self::Place(place) => {
                let has_default = all().any(|(_, package)| package.path == *place && package.default);
                of(&|package| {
                    let is_chosen = package.path != *place || package.default || !has_default;
                    is_chosen && paths::is_within(&package.path, place)
                })
            }
            Self::Package(name) => of(&|package| package.name == *name),
            Self::Glob(glob) => of(&|package| glob.is_match(package.name.as_str()) || glob.is_match(&package.path)),
            Self::ImageGlob(glob) => of(&|package| image(package).is_some_and(|image| glob.is_match(image))),
            Self::Image(name) => {
                let reference = name.parse::<Reference>().ok().filter(|it| it.tag().is_none() && it.digest().is_none());
                of(&|package| {
                    let same = |image: String| {
                        let image = image.parse::<Reference>();
                        image.is_ok_and(|image| reference.as_ref().is_some_and(|name| name.same_repository(&image)))
                    };
                    package.build.as_ref().is_some_and(|build| build.image == *name) || image(package).is_some_and(same)
                })
            }
        }
    }
}

/// Org and image of a package that can be read.
pub(super) fn image(package: &Package) -> Option<String> {
    package.build.as_ref().map(|build| format!("{}/{}", build.org, build.image))
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

fn matcher(glob: &str) -> Result<Box<GlobMatcher>, SelectorFault> {
    match GlobBuilder::new(glob).literal_separator(true).build() {
        Ok(glob) => Ok(Box::new(glob.compile_matcher())),
        Err(error) => {
            Err(SelectorFault::BadGlob { text: glob.to_owned(), reason: error.kind().to_string().to_lowercase() })
        }
    }
}
