//! Which tags a package had before, along the first parents of `HEAD`, and what changed since one of them.
//!
//! Three processes for a package, however long its history. Nothing is fetched: what a shallow or partial clone lacks is
//! said to be lacking. The build yml is taken as it is now, so a former tag is that of former files under today's rules.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use sha1::{Digest as _, Sha1};

use super::locate::{Locator, Place};
use super::process::{cannot_run, command, failed, limited_to, read, run, split_nul};
use super::{PackageTag, Tags};
use crate::hex::hex;
use crate::path::clean;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Commits that are looked at.
const COMMITS: usize = 400;

/// The former tags of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The newest first, each with the newest commit that has it; the present tag is not among them. Of a dirty package that
    /// is another one than `HEAD` has.
    pub former: Vec<Former>,
    /// Why there are no more.
    pub end: End,
    place: Paths,
    dirty: bool,
}

/// A tag that a package had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The full id of the commit.
    pub commit: String,
    /// The tag.
    pub tag: String,
}

/// Why a history goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It is all of it.
    Beginning,
    /// So many commits were looked at.
    Limit,
    /// The clone is shallow.
    Shallow,
    /// The clone lacks trees of former commits.
    ObjectsAbsent,
}

/// A file that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Changed {
    /// Relative to the top level of the repository.
    pub path: String,
    /// git's letter for it: `A`, `D`, `M`, `T`.
    pub status: String,
}

/// The paths that make up the tag of a package, in the order in which they do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Paths {
    top: PathBuf,
    paths: Vec<Vec<u8>>,
}

/// The former tags of a package; `None` if it has none that could be known: outside git, with a tag that does not contain
/// the tree hash, or with extra sources of another repository.
///
/// # Errors
/// When git cannot be asked.
pub fn history(workspace: &Workspace, tags: &Tags, package: PackageId) -> Result<Option<History>, Problem> {
    let Some(tag) = tags.get(package) else { return Ok(None) };
    let has_one = tag.content_tag && tag.commit.is_some();
    let Some(place) = paths(workspace, package, tag)?.filter(|_| has_one) else { return Ok(None) };
    let top = &place.top;
    let limit = format!("-n{COMMITS}");
    let mut log = command(top, limited_to(&["log", "--first-parent", "--format=%H", &limit], &place.paths));
    log.env("GIT_NO_LAZY_FETCH", "1");
    let output = run(&mut log)?;
    // It ends at the first tree that it lacks; what it wrote until then is right.
    let broken_off = !output.status.success();
    if broken_off && !is_partial(top)? {
        return Err(failed(top, &log, &output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let commits: Vec<&str> = text.lines().collect();
    let trees = trees(&place, &commits)?;
    let mut former: Vec<Former> = Vec::new();
    let mut end = if commits.len() < COMMITS { End::Beginning } else { End::Limit };
    let present = tag.output.as_str().rsplit(':').next().unwrap_or_default();
    let mut known = BTreeSet::from([present.to_owned()]);
    let mut lacking = broken_off;
    for (commit, ids) in commits.iter().zip(trees.chunks(place.paths.len())) {
        let Some(hash) = combined(ids) else {
            // A directory that was not there yet looks the same, and has no tag either.
            lacking = true;
            continue;
        };
        let tag = present.replace(&tag.hash, &hash);
        if known.insert(tag.clone()) {
            former.push(Former { commit: (*commit).to_owned(), tag });
        }
    }
    if end == End::Beginning && is_shallow(top)? {
        end = End::Shallow;
    } else if lacking && is_partial(top)? {
        end = End::ObjectsAbsent;
    }
    Ok(Some(History { former, end, place, dirty: tag.is_dirty() }))
}

impl History {
    /// The files of the package that differ between a commit and `HEAD`; of a dirty package, what is in the work tree.
    ///
    /// # Errors
    /// When git cannot be asked, or lacks an object that it takes to compare.
    pub fn changed_since(&self, commit: &str) -> Result<Vec<Changed>, Problem> {
        let Paths { top, paths } = &self.place;
        let mut arguments = vec!["diff", "--no-ext-diff", "--no-renames", "--name-status", "-z", commit];
        if !self.dirty {
            arguments.push("HEAD");
        }
        let mut git = command(top, limited_to(&arguments, paths));
        git.env("GIT_NO_LAZY_FETCH", "1");
        let words = split_nul(&read(top, &mut git)?);
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let pairs = words.chunks_exact(2);
        let mut changed: Vec<Changed> =
            pairs.map(|pair| Changed { status: text(&pair[0]), path: text(&pair[1]) }).collect();
        if self.dirty {
            let mut others = command(top, limited_to(&["ls-files", "--others", "--exclude-standard", "-z"], paths));
            let untracked = split_nul(&read(top, &mut others)?);
            changed.extend(untracked.iter().map(|path| Changed { status: "A".to_owned(), path: text(path) }));
        }
        Ok(changed)
    }
}

fn paths(workspace: &Workspace, package: PackageId, tag: &PackageTag) -> Result<Option<Paths>, Problem> {
    let mut locator = Locator::default();
    let directories = [clean(&workspace.directory(package))];
    let mut found: Option<Paths> = None;
    for directory in directories.iter().chain(tag.extra_sources.iter().map(|source| &source.source)) {
        let Place::WorkTree(spot) = locator.locate(directory)? else { return Ok(None) };
        let Some(path) = spot.path.scope().filter(|path| !path.contains(&b'\n')) else { return Ok(None) };
        let place = found.get_or_insert_with(|| Paths { top: spot.top.clone(), paths: Vec::new() });
        if place.top != spot.top {
            return Ok(None);
        }
        place.paths.push(path.to_vec());
    }
    Ok(found)
}

/// For each commit the ids of all paths; `None` where there is nothing at a path, or git lacks an object on the way.
fn trees(place: &Paths, commits: &[&str]) -> Result<Vec<Option<String>>, Problem> {
    let mut git = command(&place.top, ["cat-file", "--batch-check=%(objectname)"]);
    git.env("GIT_NO_LAZY_FETCH", "1");
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = git.spawn().map_err(|error| cannot_run(&error))?;
    let mut input = Vec::new();
    for commit in commits {
        for path in &place.paths {
            input.extend_from_slice(commit.as_bytes());
            input.push(b':');
            input.extend_from_slice(path);
            input.push(b'\n');
        }
    }
    let pipe = child.stdin.take();
    let output = thread::scope(|scope| {
        // Neither pipe holds all of it.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(&input)));
        child.wait_with_output()
    });
    let output = output.map_err(|error| cannot_run(&error))?;
    if !output.status.success() {
        return Err(failed(&place.top, &git, &output.stderr));
    }
    let is_id = |line: &&[u8]| line.len() >= 40 && line.iter().all(u8::is_ascii_hexdigit);
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let ids = lines.map(|line| Some(line).filter(is_id).map(|id| String::from_utf8_lossy(id).into_owned()));
    Ok(ids.take(commits.len() * place.paths.len()).collect())
}

/// The hash that the ids make up, as for the present tag.
fn combined(ids: &[Option<String>]) -> Option<String> {
    match ids {
        [id] => id.clone(),
        ids => {
            let mut combined = Sha1::new();
            for id in ids {
                combined.update(id.as_ref()?);
            }
            Some(hex(&combined.finalize()))
        }
    }
}

fn is_shallow(top: &Path) -> Result<bool, Problem> {
    Ok(read(top, &mut command(top, ["rev-parse", "--is-shallow-repository"]))?.trim_ascii() == b"true")
}

/// Whether a clone left objects out on purpose.
fn is_partial(top: &Path) -> Result<bool, Problem> {
    let arguments = ["config", "--get-regexp", r"^remote\..*\.(promisor|partialclonefilter)$"];
    let output = run(&mut command(top, arguments.map(OsStr::new)))?;
    Ok(!output.stdout.trim_ascii().is_empty())
}
