//! Where the files of a workspace are read from: the disk, or somewhere else that looks like one.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// A directory relative to the root that could not be looked at, and why.
pub type Broken = (String, Problem);

/// Files and directories by their absolute paths; symbolic links are followed.
pub trait Files: fmt::Debug + Send + Sync {
    /// The text of a file; a pipe or device, which could be waited for without end, is none.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Whether there is a file.
    fn is_file(&self, path: &Path) -> bool;

    /// Whether there is a directory.
    fn is_dir(&self, path: &Path) -> bool;

    /// Whether there is anything at all, be it a link that leads nowhere.
    fn has(&self, path: &Path) -> bool;

    /// The names in a directory, in no order; none where it cannot be read.
    fn names(&self, directory: &Path) -> Vec<OsString>;

    /// The path without symbolic links, if it exists.
    fn real(&self, path: &Path) -> Option<PathBuf>;

    /// The directories below `root` that are not hidden and have a file of one of `names`, relative to it and in no order.
    fn find(&self, root: &Path, names: &[&str]) -> Vec<Result<String, Broken>>;
}
