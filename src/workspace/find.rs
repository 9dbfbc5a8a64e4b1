//! Finds the packages below a root.

use std::path::Path;

use super::Workspace;
use crate::problem::Problem;

/// How strict to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Unknown keys are errors instead of warnings.
    pub strict: bool,
}

/// Reads every package below `root`, in parallel.
pub fn read(root: &Path, options: Options) -> Result<Workspace, Problem> {
    unimplemented!("{root:?} {options:?}")
}
