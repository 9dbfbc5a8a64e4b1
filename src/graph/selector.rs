//! Selectors: which packages a command is about.

use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// The packages that `selectors` name, sorted; a path, a glob, an image name, or a folder for all below it.
/// `current` is the working directory relative to the root (`.` for the root itself): a selector is tried relative to
/// the root first, then to it.
///
/// # Errors
/// When a selector names nothing, with the nearest name as a suggestion.
pub fn select(workspace: &Workspace, selectors: &[String], current: &str) -> Result<Vec<PackageId>, Problem> {
    unimplemented!("{workspace:?} {selectors:?} {current:?}")
}
