//! What git knows about one repository, asked once.
//!
//! A constant number of processes per repository, run at the same time: is this a work tree, the trees of the revisions,
//! a line per revision about its commit, what differs from `HEAD`, what is untracked. The last two are limited to the
//! directories concerned while these are few. Nothing is written, the index is not refreshed.
//!
//! A modified file is what `git diff HEAD` shows: a staged change that is undone in the work tree is none, while a mode, a
//! deletion, a new staged or intended file and an unresolved merge are. Rename detection is off, since it would show a
//! file that moved to another package under its new name only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;

use super::process::{command, failed, limited_to, read, run, split_nul};
use super::trees::{Tree, read_trees};
use super::{Commit, Error};
use crate::problem::Problem;

/// The revision that is checked out.
pub(super) const HEAD_REVISION: &str = "HEAD";

/// More directories than this are not listed one by one, but by their parents.
const LIMITS: usize = 64;

/// What is to be known about a repository; paths are relative to its top level.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    /// Whose entries in the tree are wanted.
    pub paths: BTreeSet<Vec<u8>>,
    /// Where differences and untracked files are wanted.
    pub scopes: BTreeSet<Vec<u8>>,
}

/// What git answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is a repository.
    Snapshot(Snapshot),
    /// git does not take it for one, in its words.
    NoRepository(String),
}

/// The state of a repository.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Relative to the top level and sorted: tracked files that differ from `HEAD`.
    pub modified: Vec<Vec<u8>>,
    /// Relative to the top level and sorted: files neither tracked nor ignored; a nested repository ends with `/`.
    pub untracked: Vec<Vec<u8>>,
    /// Whether `HEAD` names no commit yet.
    pub unborn: bool,
    revisions: BTreeMap<String, Revision>,
}

#[derive(Debug)]
struct Revision {
    tree: Option<Tree>,
    commit: Option<Commit>,
}

/// What a revision has at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// The revision names no commit.
    NoCommit,
    /// Nothing.
    Absent,
    /// A tree, or whatever else is there, with this id.
    Id(&'a str),
}

impl Snapshot {
    /// A repository whose `HEAD` has this tree, with nothing beside it.
    pub(super) fn clean(tree: Option<Tree>, commit: Option<Commit>) -> Self {
        let revisions = BTreeMap::from([(HEAD_REVISION.to_owned(), Revision { tree, commit })]);
        Self { modified: Vec::new(), untracked: Vec::new(), unborn: false, revisions }
    }

    /// The id at a path.
    pub(super) fn entry(&self, revision: &str, path: &[u8]) -> Entry<'_> {
        match self.revisions.get(revision).and_then(|revision| revision.tree.as_ref()) {
            None => Entry::NoCommit,
            Some(tree) if path.is_empty() => Entry::Id(&tree.id),
            Some(tree) => tree.entries.get(path).map_or(Entry::Absent, |id| Entry::Id(id)),
        }
    }

    /// The commit of a revision.
    pub(super) fn commit(&self, revision: &str) -> Option<&Commit> {
        self.revisions.get(revision).and_then(|revision| revision.commit.as_ref())
    }
}

/// The names of a sorted list that lie strictly below a directory.
pub(super) fn below<'a>(sorted: &'a [Vec<u8>], directory: &[u8]) -> &'a [Vec<u8>] {
    if directory.is_empty() {
        return sorted;
    }
    let mut prefix = directory.to_vec();
    prefix.push(b'/');
    let start = sorted.partition_point(|name| *name < prefix);
    let length = sorted[start..].partition_point(|name| name.starts_with(&prefix));
    &sorted[start..start + length]
}

/// The names of a sorted list that are a path or lie below it.
pub(super) fn at_or_below<'a>(sorted: &'a [Vec<u8>], path: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let exact = sorted.binary_search_by(|name| name.as_slice().cmp(path)).ok().map(|at| &sorted[at]);
    exact.into_iter().chain(below(sorted, path)).map(Vec::as_slice)
}

/// Asks git about the repository whose work tree has its top level at `top`. `HEAD` must be among the revisions.
pub(super) fn ask(top: &Path, question: &Question, revisions: &[&str]) -> Result<Answer, Problem> {
    let limits = limits(&question.scopes);
    let (probe, trees, commits, modified, untracked) = thread::scope(|scope| {
        let trees = scope.spawn(|| read_trees(top, revisions, &question.paths));
        let modified = scope.spawn(|| list_modified(top, &limits));
        let untracked = scope.spawn(|| list_untracked(top, &question.scopes));
        let commits: Result<Vec<_>, _> = revisions.iter().map(|revision| read_commit(top, revision)).collect();
        (probe(top), join(trees), commits, join(modified), join(untracked))
    });
    // Whatever else failed, failed because of this.
    if let Some(reason) = probe? {
        return Ok(Answer::NoRepository(reason));
    }
    let (trees, commits) = (trees?, commits?);
    let revisions: BTreeMap<String, Revision> = revisions
        .iter()
        .zip(trees.into_iter().zip(commits))
        .map(|(name, (tree, commit))| ((*name).to_owned(), Revision { tree, commit }))
        .collect();
    let unborn = revisions.get("HEAD").is_none_or(|head| head.tree.is_none());
    let modified = if unborn { Vec::new() } else { modified? };
    Ok(Answer::Snapshot(Snapshot { modified, untracked: untracked?, unborn, revisions }))
}

/// Asks what is tracked below directories, in the order of the index and once per stage.
pub(super) fn list_tracked(top: &Path, scopes: &BTreeSet<Vec<u8>>) -> Result<Vec<Vec<u8>>, Problem> {
    list(top, &["ls-files", "-z"], &limits(scopes))
}

/// Asks what is neither tracked nor ignored below directories.
pub(super) fn list_untracked(top: &Path, scopes: &BTreeSet<Vec<u8>>) -> Result<Vec<Vec<u8>>, Problem> {
    list(top, &["ls-files", "--others", "--exclude-standard", "-z"], &limits(scopes))
}

/// Asks what is untracked below directories, ignored or not.
pub(super) fn list_untracked_and_ignored(top: &Path, scopes: &BTreeSet<Vec<u8>>) -> Result<Vec<Vec<u8>>, Problem> {
    list(top, &["ls-files", "--others", "-z"], &limits(scopes))
}

/// Asks which submodules are below directories.
pub(super) fn list_gitlinks(top: &Path, scopes: &BTreeSet<Vec<u8>>) -> Result<Vec<Vec<u8>>, Problem> {
    // `MODE ID STAGE`, a tab, the path.
    let entries = list(top, &["ls-files", "-s", "-z"], &limits(scopes))?;
    let links = entries.iter().filter(|entry| entry.starts_with(b"160000 "));
    Ok(links.filter_map(|entry| Some(entry.splitn(2, |&byte| byte == b'\t').nth(1)?.to_vec())).collect())
}

/// Asks whether git quotes names that are not ASCII.
pub(super) fn quotes_non_ascii(top: &Path) -> Result<bool, Problem> {
    let output = run(&mut command(top, ["config", "--type=bool", "--get", "core.quotePath"]))?;
    Ok(output.stdout.trim_ascii() != b"false")
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// `None` when this is a work tree with its top level here, else why git takes it for no repository.
fn probe(top: &Path) -> Result<Option<String>, Problem> {
    let directory = || top.display().to_string();
    let mut git = command(top, ["rev-parse", "--is-inside-work-tree", "--show-toplevel"]);
    let output = run(&mut git)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (inside, shown) = stdout.split_once('\n').unwrap_or((&stdout, ""));
    if inside == "false" {
        return Err(Error::NotInWorkTree { directory: directory() }.into());
    }
    if output.status.success() {
        let shown = shown.strip_suffix('\n').unwrap_or(shown);
        if Path::new(shown) != top && PathBuf::from(shown).canonicalize().ok().as_deref() != Some(top) {
            return Err(Error::WorkTreeElsewhere { directory: directory(), top: shown.to_owned() }.into());
        }
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("dubious ownership") || stderr.contains("unsafe repository") {
        return Err(Error::DubiousOwnership { directory: directory() }.into());
    }
    if stderr.contains("not a git repository") {
        return Ok(Some(stderr.lines().next_back().unwrap_or_default().to_owned()));
    }
    Err(failed(top, &git, &output.stderr))
}

/// What is known of the commit that a revision names.
pub(super) fn read_commit(top: &Path, revision: &str) -> Result<Option<Commit>, Problem> {
    if revision.starts_with('-') {
        return Ok(None);
    }
    let arguments =
        ["rev-list", "-1", "--abbrev=12", "--date=format-local:%Y%m%d%H%M%S", "--format=%H %ct %cd-%h", revision, "--"];
    let output = run(&mut command(top, arguments))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = stdout.lines().next_back().unwrap_or_default().split(' ').collect();
    Ok(match words[..] {
        [id, time, version] if output.status.success() => time.parse().ok().map(|time| Commit {
            id: id.to_owned(),
            time,
            go_package_version: format!("v0.0.0-{version}"),
        }),
        _ => None,
    })
}

fn list_modified(top: &Path, limits: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Problem> {
    list(top, &["diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", "HEAD"], limits)
}

/// A sorted list of names; git's own order is that of bytes already, in which sorting keeps repeated names together.
fn list(top: &Path, arguments: &[&str], limits: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Problem> {
    let mut names = split_nul(&read(top, &mut command(top, limited_to(arguments, limits)))?);
    names.sort();
    Ok(names)
}

/// At most [`LIMITS`] directories that contain all the scopes; none when that is the whole repository.
fn limits(scopes: &BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut limits = scopes.clone();
    loop {
        if limits.contains(&b""[..]) {
            return Vec::new();
        }
        let outer: BTreeSet<Vec<u8>> =
            limits.iter().filter(|path| !parents(path).any(|parent| limits.contains(parent))).cloned().collect();
        if outer.len() <= LIMITS {
            return outer.into_iter().collect();
        }
        limits = outer.iter().map(|path| parents(path).next().unwrap_or_default().to_vec()).collect();
    }
}

/// The directories above a path, the nearest first, without the top level unless it is the only one.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(slash, _)| &path[..slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_directory_is_not_confused_with_its_neighbours() {
        let sorted = names(&["pkg/a", "pkg/a-b/x", "pkg/a/x", "pkg/a/y", "pkg/a0"]);
        assert_eq!(below(&sorted, b"pkg/a"), names(&["pkg/a/x", "pkg/a/y"]));
        assert_eq!(at_or_below(&sorted, b"pkg/a").count(), 3);
        assert_eq!(below(&sorted, b""), sorted);
        assert!(below(&sorted, b"pkg/b").is_empty());
    }

    #[test]
    fn many_directories_are_listed_by_their_parents() {
        let few: BTreeSet<_> = names(&["pkg/a", "pkg/a/sub", "pkg/a-b", "lib"]).into_iter().collect();
        assert_eq!(limits(&few), names(&["lib", "pkg/a", "pkg/a-b"]));
        let many: BTreeSet<_> = (0..100).map(|n| format!("pkg/{n}").into_bytes()).collect();
        assert_eq!(limits(&many), names(&["pkg"]));
        let top: BTreeSet<_> = (0..100).map(|n| format!("{n}").into_bytes()).collect();
        assert!(limits(&top).is_empty());
    }
}
