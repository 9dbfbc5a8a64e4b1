//! The disk: packages found in parallel, under git's ignore rules.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use ignore::{WalkBuilder, WalkState};

use super::error::Error;
use super::files::{Broken, Files};
use super::{path_not_utf8, reason};
use crate::process::git_command;

/// Files as they are now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path.metadata()?.is_file() { std::fs::read_to_string(path) } else { Err(io::Error::other("it is no file")) }
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn has(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        let entries = directory.read_dir().into_iter().flatten();
        entries.filter_map(Result::ok).map(|entry| entry.file_name()).collect()
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }

    fn find(&self, root: &Path, names: &[&str]) -> Vec<Result<String, Broken>> {
        let (mut walked, tracked) = std::thread::scope(|scope| {
            let tracked = scope.spawn(|| tracked(root, names));
            (walk(root, names), tracked.join().unwrap_or_default())
        });
        let known: BTreeSet<&String> = walked.iter().flatten().collect();
        let hidden: Vec<_> = tracked.into_iter().filter(|path| !known.contains(path)).map(Ok).collect();
        walked.extend(hidden);
        walked
    }
}

/// The directories with one of `names` that git's ignore rules do not hide, in no order.
fn walk(root: &Path, names: &[&str]) -> Vec<Result<String, Broken>> {
    // A root that is a symbolic link is entered; none below it is.
    let base = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut builder = WalkBuilder::new(&base);
    builder.standard_filters(false).parents(true).git_ignore(true).git_exclude(true).git_global(true);
    // Not the walker's own rule for hidden entries: an ignore rule such as `!.x` would override it.
    builder.filter_entry(|entry| {
        let directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        directory && (entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b"."))
    });
    let (sender, found) = mpsc::channel();
    builder.build_parallel().run(|| {
        let (sender, base) = (sender.clone(), &base);
        Box::new(move |entry| {
            let found = match entry {
                Ok(entry) if names.iter().any(|name| entry.path().join(name).is_file()) => {
                    Some(relative(base, entry.path()))
                }
                Ok(_) => None,
                Err(error) => unreadable(base, &error).map(Err),
            };
            if let Some(found) = found {
                sender.send(found).expect("the receiver lives until the walk is over");
            }
            WalkState::Continue
        })
    });
    drop(sender);
    found.into_iter().collect()
}

/// The path below `base` with `/`; the base itself is `.`.
fn relative(base: &Path, path: &Path) -> Result<String, Broken> {
    let path = path.strip_prefix(base).unwrap_or(path);
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    match parts {
        Some(parts) if parts.is_empty() => Ok(".".to_owned()),
        Some(parts) => Ok(parts.join("/")),
        None => Err(path_not_utf8(&path.to_string_lossy())),
    }
}

/// A directory that could not be read; malformed ignore rules and what vanished meanwhile are passed over, as by git.
fn unreadable(base: &Path, error: &ignore::Error) -> Option<Broken> {
    let mut path = None;
    let mut inner = error;
    loop {
        match inner {
            ignore::Error::WithDepth { err, .. } => inner = err,
            ignore::Error::WithPath { path: at, err } => {
                path = Some(at);
                inner = err;
            }
            ignore::Error::Io(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = relative(base, path?).unwrap_or_else(|(path, _)| path);
                return Some((path.clone(), Error::Unreadable { path, reason: reason(error) }.into()));
            }
            _ => return None,
        }
    }
}

/// The directories outside hidden ones with one of `names` that git tracks, on disk or not; none if git has no say.
fn tracked(root: &Path, names: &[&str]) -> Vec<String> {
    let patterns = names.iter().map(|name| format!(":(glob)**/{}", name.replace(['*', '?', '[', '\\'], "?")));
    let mut command = git_command(root, ["ls-files", "-z", "--"]);
    let Ok(output) = command.args(patterns).env_remove("GIT_LITERAL_PATHSPECS").output() else { return Vec::new() };
    if !output.status.success() {
        return Vec::new();
    }
    // The walk has met what is not UTF-8, unless it is also ignored: nobody can mean such a package.
    output
        .stdout
        .split(|&byte| byte == 0)
        .filter_map(|path| std::str::from_utf8(path).ok())
        .filter_map(|path| {
            names
                .iter()
                .filter_map(|name| path.strip_suffix(name))
                .find_map(|directory| if directory.is_empty() { Some(".") } else { directory.strip_suffix('/') })
        })
        .filter(|directory| *directory == "." || !directory.split('/').any(|part| part.starts_with('.')))
        .map(str::to_owned)
        .collect()
}
