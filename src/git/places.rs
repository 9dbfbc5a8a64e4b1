//! Where directories are for git: on disk, or in a revision that is not checked out.

use std::path::Path;

use super::Error;
use super::locate::{Locator, Place, Spot, TreePath};
use super::revision::{Content, Revision};
use crate::problem::Problem;

/// Who is asked.
#[derive(Debug)]
pub(super) enum Places<'a> {
    /// The disk.
    Disk(Locator),
    /// The objects of a revision.
    Revision(&'a Revision),
}

impl Places<'_> {
    /// Where an absolute, clean path is.
    ///
    /// # Errors
    /// When there is no directory.
    pub(super) fn locate(&mut self, directory: &Path) -> Result<Place, Problem> {
        let revision = match self {
            Self::Disk(locator) => return locator.locate(directory),
            Self::Revision(revision) => revision,
        };
        match (revision.content(directory), revision.inside(directory)) {
            (Content::Id(_), Some(path)) => Ok(Place::WorkTree(Spot {
                top: revision.top().to_owned(),
                path: TreePath::Within(path.clone()),
                content: path,
            })),
            (Content::Elsewhere | Content::Unlisted { .. }, _) | (_, None) => Ok(Place::Outside),
            (Content::Nothing, Some(_)) => {
                let reason = format!("no such directory at `{}`", revision.name());
                Err(Error::Unreadable { file: directory.display().to_string(), reason }.into())
            }
        }
    }

    /// What git, run in the repository at `top`, takes an absolute, clean path for.
    pub(super) fn tree_path(&mut self, top: &Path, path: &Path) -> TreePath {
        match self {
            Self::Disk(locator) => locator.tree_path(top, path),
            Self::Revision(revision) => revision.inside(path).map_or(TreePath::Elsewhere, TreePath::Within),
        }
    }

    /// Why a directory in no repository is no extra source.
    pub(super) fn outside(&self) -> &'static str {
        match self {
            Self::Disk(_) => "is not in a git repository",
            Self::Revision(_) => "lies outside the repository, of which alone the objects are looked at",
        }
    }
}
