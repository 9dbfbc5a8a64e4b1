//! Where the repositories of submodules are, and what they have at a commit.
//!
//! The repository of a submodule is that of its checkout, or what is kept of it below the git directory of the repository
//! around it. Either may lack the commit that is asked for; then nothing is known of it but this commit, and nothing is
//! fetched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::process::{command, run, split_nul};
use crate::path::clean;
use crate::problem::Problem;

/// What git is told so that a git directory is all of the repository, wherever its work tree was once.
pub(super) const BARE: [&str; 2] = ["--git-dir=.", "--work-tree=."];

/// The names of submodules by their paths, as the `.gitmodules` with this id has them.
pub(super) fn names(git_directory: &Path, gitmodules: &str) -> Result<BTreeMap<Vec<u8>, String>, Problem> {
    let question = ["config", "--blob", gitmodules, "-z", "--get-regexp", r"^submodule\..*\.path$"];
    let output = run(&mut command(git_directory, BARE.iter().chain(&question)))?;
    let mut names = BTreeMap::new();
    // `submodule.NAME.path`, a line feed, the path. What is malformed has no names.
    for entry in split_nul(&output.stdout) {
        let mut parts = entry.splitn(2, |&byte| byte == b'\n');
        let (Some(key), Some(path)) = (parts.next(), parts.next()) else { continue };
        let key = String::from_utf8_lossy(key);
        let name = key.strip_prefix("submodule.").and_then(|rest| rest.strip_suffix(".path"));
        names.extend(name.map(|name| (path.to_vec(), name.to_owned())));
    }
    Ok(names)
}

/// The git directories that the submodule `name` may have: of its checkout at `place`, and those kept by the repository
/// around it.
pub(super) fn git_directories(around: &Path, name: &str, place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let dot_git = place.join(".git");
    if let Ok(text) = std::fs::read(&dot_git) {
        let path = text.strip_prefix(b"gitdir: ").map(|path| Path::new(OsStr::from_bytes(path.trim_ascii_end())));
        found.extend(path.map(|path| clean(&place.join(path))));
    } else {
        found.push(dot_git);
    }
    // A name with `..` in it would lead out of where submodules are kept; git refuses it as well.
    if Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        let common = std::fs::read(around.join("commondir")).ok();
        let common = common.map(|path| clean(&around.join(OsStr::from_bytes(path.trim_ascii_end()))));
        found.extend([Some(around.to_owned()), common].into_iter().flatten().map(|at| at.join("modules").join(name)));
    }
    found.retain(|directory| directory.join("HEAD").exists());
    found.dedup();
    found
}

/// The listing of a commit, as `ls-tree` gives it; `None` if the repository lacks something of it.
pub(super) fn listing(git_directory: &Path, commit: &str) -> Result<Option<Vec<u8>>, Problem> {
    let question = ["ls-tree", "-r", "-t", "-z", "--full-tree", commit];
    let mut git = command(git_directory, BARE.iter().chain(&question));
    let output = run(git.env("GIT_NO_LAZY_FETCH", "1"))?;
    Ok(output.status.success().then_some(output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_is_looked_for_where_it_is_checked_out_or_kept_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        for directory in ["git/modules/a/b", "git/worktrees/w/modules/a/b", "out", "work/plain/.git", "work/empty"] {
            std::fs::create_dir_all(base.join(directory)).unwrap();
            std::fs::write(base.join(directory).join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        std::fs::remove_file(base.join("work/empty/HEAD")).unwrap();
        std::fs::write(base.join("git/worktrees/w/commondir"), "../..\n").unwrap();
        std::fs::create_dir_all(base.join("work/linked")).unwrap();
        std::fs::write(base.join("work/linked/.git"), "gitdir: ../../git/modules/a/b\n").unwrap();
        let found = |around: &str, name: &str, place: &str| -> Vec<String> {
            let found = git_directories(&base.join(around), name, &base.join(place)).into_iter();
            found.map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect()
        };
        assert_eq!(found("git", "a/b", "work/empty"), ["git/modules/a/b"]);
        assert_eq!(found("git", "a/b", "work/linked"), ["git/modules/a/b"]);
        assert_eq!(found("git", "a/b", "work/plain"), ["work/plain/.git", "git/modules/a/b"]);
        assert_eq!(found("git/worktrees/w", "a/b", "gone"), ["git/worktrees/w/modules/a/b", "git/modules/a/b"]);
        for name in ["../../out", "/out", "", "a"] {
            assert!(found("git", name, "work/empty").is_empty(), "{name}");
        }
    }
}
