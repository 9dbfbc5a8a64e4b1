//! What git has of directories of a work tree, whatever they are: a package that cannot be read has no tag to say it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Dirt;
use super::locate::{Locator, Place, Spot, TreePath};
use super::snapshot::{Answer, Entry};
use super::subject::{HEAD, View, dirt};
use super::tag::{Questions, ask};
use crate::problem::Problem;

/// A directory of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// What the commit has there; `None` for nothing.
    pub tree: Option<String>,
    /// How it differs from that; empty when it does not.
    pub dirt: Vec<Dirt>,
}

/// What git has of these directories, which are absolute and clean. Those of which it has nothing to say are left out: they are
/// in no repository, in one without a commit, or at a place where git has no path for them.
///
/// # Errors
/// When there is no git.
pub fn directories(paths: &BTreeSet<PathBuf>) -> Result<BTreeMap<PathBuf, Directory>, Problem> {
    let mut locator = Locator::default();
    let mut questions = Questions::new();
    let mut found = Vec::new();
    for path in paths {
        let Some(spot) = spot(&mut locator, path) else { continue };
        let TreePath::Within(inside) = &spot.path else { continue };
        let question = questions.entry(spot.top.clone()).or_default();
        question.scopes.extend([spot.content.clone(), inside.clone()]);
        question.paths.insert(inside.clone());
        found.push((path, spot));
    }
    let answers = ask(questions, &[HEAD])?;
    let directory = |(path, spot): (&PathBuf, Spot)| {
        let Some(Ok(Answer::Snapshot(snapshot))) = answers.get(&spot.top) else { return None };
        let TreePath::Within(inside) = &spot.path else { return None };
        let tree = match snapshot.entry(HEAD, inside) {
            Entry::Id(id) => Some(id.to_owned()),
            Entry::Absent => None,
            Entry::NoCommit => return None,
        };
        Some((path.clone(), Directory { tree, dirt: dirt(snapshot, View::OWN, &spot.path) }))
    };
    Ok(found.into_iter().filter_map(directory).collect())
}

/// Where a directory is, or would be if it were there.
fn spot(locator: &mut Locator, path: &Path) -> Option<Spot> {
    let existing = path.ancestors().find_map(|above| Some((above, locator.locate(above).ok()?)));
    let (above, Place::WorkTree(mut spot)) = existing? else { return None };
    for part in path.strip_prefix(above).ok()?.components() {
        let add = |to: &mut Vec<u8>| {
            if !to.is_empty() {
                to.push(b'/');
            }
            to.extend_from_slice(part.as_os_str().as_bytes());
        };
        add(&mut spot.content);
        if let TreePath::Within(inside) = &mut spot.path {
            add(inside);
        }
    }
    Some(spot)
}
