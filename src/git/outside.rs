//! The files of a build context that its tree hash does not see.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Tags;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Context path (as the build sees it, without leading `/`) to the file on disk: whatever git does not track, ignored
/// files included, and tracked files that differ from the commit. A path that does not exist on disk was deleted.
pub type OutsideTree = BTreeMap<String, PathBuf>;

/// For each of `packages`, in the same order, the files outside its tree; extra sources under their destination.
///
/// # Errors
/// When git cannot be asked.
pub fn outside_tree(workspace: &Workspace, tags: &Tags, packages: &[PackageId]) -> Result<Vec<OutsideTree>, Problem> {
    unimplemented!("{workspace:?} {tags:?} {packages:?}")
}
