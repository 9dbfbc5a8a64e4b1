//! How git is started, wherever something is asked of it.
//!
//! Every process runs at a directory that is named, takes no optional lock (so that it disturbs no other git), and sees
//! paths literally. The variables by which a hook says which repository it runs for are not passed on: a repository is
//! found from the directory, and a package may lie in another one than the hook's.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A git command at a directory, which stands as the third of its arguments.
pub(crate) fn git_command<S: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("git");
    command.arg("--no-optional-locks").arg("-C").arg(directory).args(arguments);
    command.env("LC_ALL", "C").env("GIT_LITERAL_PATHSPECS", "1").stdin(Stdio::null());
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    command
}
