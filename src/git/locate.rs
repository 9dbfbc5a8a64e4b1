//! Finds the repository of a directory and the path that git means by it, without running git.
//!
//! The repository is that of the real directory: the nearest `.git` above it. The path inside is lexical, as in git: a
//! package that is itself a symbolic link inside the repository is the link, while a link above the repository does not
//! matter. A worktree or a submodule has a `.git` file and is a repository of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::path::clean;
use crate::problem::Problem;

/// Where a directory is, for git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In no repository.
    Outside,
    /// In a bare repository or below `.git`.
    GitDirectory,
    /// In a work tree.
    WorkTree(Spot),
}

/// A directory in a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// The top level, a real path.
    pub top: PathBuf,
    /// The path that git has a tree entry for.
    pub path: TreePath,
    /// The real directory relative to the top level, which is where its files are listed. Differs from `path` when a
    /// symbolic link is in between.
    pub content: Vec<u8>,
}

/// What git takes an absolute path for; relative to the top level, with `/`; empty for the top level itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TreePath {
    /// A path in the tree.
    Within(Vec<u8>),
    /// The top level under another name than its real one.
    TopThroughSymlink,
    /// No ancestor of the path is the top level.
    Elsewhere,
}

impl TreePath {
    /// The path as a limit for listings; `None` if there is none.
    pub(super) fn scope(&self) -> Option<&[u8]> {
        match self {
            Self::Within(path) => Some(path),
            Self::TopThroughSymlink => Some(b""),
            Self::Elsewhere => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Nothing,
    GitDirectory,
    Repository(PathBuf),
}

/// Remembers what it saw, so that ten thousand siblings cost a handful of system calls each.
#[derive(Debug, Default)]
pub(super) struct Locator {
    // Keyed by text: paths compare component by component, which is slow.
    real: BTreeMap<OsString, Option<PathBuf>>,
    found: BTreeMap<OsString, Found>,
}

impl Locator {
    /// Where an absolute, clean path is.
    ///
    /// # Errors
    /// When there is no directory.
    pub(super) fn locate(&mut self, directory: &Path) -> Result<Place, Problem> {
        let unreadable = |reason: String| Error::Unreadable { file: directory.display().to_string(), reason };
        let real = self.real(directory).ok_or_else(|| unreadable("no such directory".to_owned()))?;
        Ok(match self.find(&real) {
            Found::Nothing => Place::Outside,
            Found::GitDirectory => Place::GitDirectory,
            Found::Repository(top) => {
                let content = real.strip_prefix(&top).unwrap_or(Path::new("")).as_os_str().as_bytes().to_vec();
                Place::WorkTree(Spot { path: self.tree_path(&top, directory), content, top })
            }
        })
    }

    /// What git, run in the repository at `top`, takes an absolute, clean path for.
    pub(super) fn tree_path(&mut self, top: &Path, path: &Path) -> TreePath {
        if let Ok(inside) = path.strip_prefix(top) {
            return TreePath::Within(inside.as_os_str().as_bytes().to_vec());
        }
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            if self.real(ancestor).as_deref() == Some(top) {
                return match path.strip_prefix(ancestor) {
                    Ok(inside) if !inside.as_os_str().is_empty() => {
                        TreePath::Within(inside.as_os_str().as_bytes().to_vec())
                    }
                    _ => TreePath::TopThroughSymlink,
                };
            }
        }
        TreePath::Elsewhere
    }

    /// The path without symbolic links; `None` if it does not exist.
    fn real(&mut self, path: &Path) -> Option<PathBuf> {
        if let Some(real) = self.real.get(path.as_os_str()) {
            return real.clone();
        }
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.real(parent).and_then(|parent| {
                let here = parent.join(name);
                match here.symlink_metadata() {
                    Ok(metadata) if metadata.is_symlink() => here.canonicalize().ok(),
                    Ok(_) => Some(here),
                    Err(_) => None,
                }
            }),
            _ => Some(path.to_owned()),
        };
        self.real.insert(path.as_os_str().to_owned(), real.clone());
        real
    }

    fn find(&mut self, real: &Path) -> Found {
        if let Some(found) = self.found.get(real.as_os_str()) {
            return found.clone();
        }
        let dot_git = real.join(".git");
        let found = match dot_git.metadata() {
            Ok(metadata) if metadata.is_file() || is_git_directory(&dot_git) => Found::Repository(real.to_owned()),
            _ if is_git_directory(real) => Found::GitDirectory,
            _ => real.parent().map_or(Found::Nothing, |parent| self.find(parent)),
        };
        self.found.insert(real.as_os_str().to_owned(), found.clone());
        found
    }
}

/// What git takes for a repository: `HEAD`, with `objects` and `refs` in it or in the directory that `commondir` names.
fn is_git_directory(path: &Path) -> bool {
    path.join("HEAD").symlink_metadata().is_ok()
        && (path.join("commondir").is_file() || (path.join("objects").is_dir() && path.join("refs").is_dir()))
}

/// The top level of the work tree that a directory lies in, a real path.
#[must_use]
pub fn top_level(directory: &Path) -> Option<PathBuf> {
    match Locator::default().locate(&clean(directory)) {
        Ok(Place::WorkTree(spot)) => Some(spot.top),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_repository_wins_and_a_link_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        for directory in ["r/.git/objects", "r/.git/refs", "r/pkg/a", "r/pkg/sub/in", "r/empty/.git", "out"] {
            std::fs::create_dir_all(base.join(directory)).unwrap();
        }
        std::fs::write(base.join("r/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(base.join("r/pkg/sub/.git"), "gitdir: elsewhere\n").unwrap();
        std::os::unix::fs::symlink("a", base.join("r/pkg/link")).unwrap();
        std::os::unix::fs::symlink(base.join("r"), base.join("alias")).unwrap();
        let mut locator = Locator::default();
        let mut spot = |path: &str| match locator.locate(&base.join(path)) {
            Ok(Place::WorkTree(spot)) => (spot.top.strip_prefix(&base).unwrap().to_owned(), spot.path, spot.content),
            other => panic!("{path}: {other:?}"),
        };
        let within = |path: &str| TreePath::Within(path.into());
        assert_eq!(spot("r/pkg/a"), ("r".into(), within("pkg/a"), b"pkg/a".to_vec()));
        assert_eq!(spot("r/pkg/link"), ("r".into(), within("pkg/link"), b"pkg/a".to_vec()));
        assert_eq!(spot("alias/pkg/a"), ("r".into(), within("pkg/a"), b"pkg/a".to_vec()));
        assert_eq!(spot("alias"), ("r".into(), TreePath::TopThroughSymlink, Vec::new()));
        assert_eq!(spot("r"), ("r".into(), within(""), Vec::new()));
        assert_eq!(spot("r/pkg/sub/in"), ("r/pkg/sub".into(), within("in"), b"in".to_vec()));
        assert_eq!(spot("r/empty"), ("r".into(), within("empty"), b"empty".to_vec()));
        assert_eq!(locator.locate(&base.join("r/.git/refs")).ok(), Some(Place::GitDirectory));
        assert_eq!(locator.locate(&base.join("out")).ok(), Some(Place::Outside));
        assert!(locator.locate(&base.join("nowhere")).is_err());
    }
}
