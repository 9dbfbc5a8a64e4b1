//! The tags that packages will have when the work tree is committed, and the files that git does not track.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::DirtyTags;
use super::pass::Pass;
use crate::git::{Dirt, Future, PackageTag, TagOptions, Tags, Untracked, is_uncommitted, top_level};
use crate::path::clean;
use crate::pins::Error;
use crate::pins::files::{directories, real};
use crate::problem::Problem;
use crate::wording::and_more;
use crate::workspace::{PackageId, Workspace};

/// How many names an error lists.
const LISTED: usize = 10;

/// The tags that packages will have when the changes of the work tree are committed; `None` if there is no change.
pub fn committed(
    workspace: &Workspace,
    tags: &Tags,
    options: &TagOptions,
    future: &mut Future,
) -> Result<Option<Tags>, Problem> {
    let is_clean = |tag: &Option<Result<PackageTag, Problem>>| match tag {
        Some(Ok(tag)) => !tag.is_dirty(),
        Some(Err(_)) => false,
        None => true,
    };
    if tags.packages.iter().all(is_clean) {
        return Ok(None);
    }
    let all: Vec<PackageId> = workspace.ids().collect();
    future.tags(workspace, &all, options).map(Some)
}

/// Names by the top of the repository that they are relative to.
type Names = BTreeMap<PathBuf, BTreeSet<Vec<u8>>>;

/// What git does not track of packages and of their extra sources.
#[derive(Debug, Default)]
pub(super) struct UntrackedFiles(BTreeMap<PackageId, Names>);

impl UntrackedFiles {
    /// Of all packages that have a tag or could have one.
    pub(super) fn of(workspace: &Workspace, tags: &Tags, future: &mut Future) -> Result<Self, Problem> {
        let mut found: BTreeMap<PackageId, Names> = BTreeMap::new();
        let mut uncommitted: BTreeMap<PackageId, BTreeSet<PathBuf>> = BTreeMap::new();
        for id in workspace.ids() {
            match &tags.packages[id.index()] {
                Some(Ok(tag)) => {
                    let names = of_tag(&clean(&workspace.directory(id)), tag);
                    if !names.is_empty() {
                        found.insert(id, names);
                    }
                }
                // Nobody has looked at its files, some of which may have been added.
                Some(Err(problem)) if is_uncommitted(problem) => {
                    uncommitted.insert(id, directories(workspace, id).map(|directory| real(&directory)).collect());
                }
                _ => {}
            }
        }
        let listed = future.untracked(&uncommitted.values().flatten().cloned().collect())?;
        for (id, directories) in uncommitted {
            for Untracked { top, names } in directories.iter().filter_map(|directory| listed.get(directory)) {
                if !names.is_empty() {
                    found.entry(id).or_default().entry(top.clone()).or_default().extend(names.iter().cloned());
                }
            }
        }
        Ok(Self(found))
    }

    /// Takes all of it in.
    pub(super) fn add(&self, future: &mut Future) -> Result<(), Problem> {
        let mut all = Names::new();
        for (top, names) in self.0.values().flatten() {
            all.entry(top.clone()).or_default().extend(names.iter().cloned());
        }
        all.iter().try_for_each(|(top, names)| future.add(top, names))
    }

    /// The files that the tags of pinned packages would lack, which is an error, or that they count.
    pub(super) fn of_pinned(&self, pass: &Pass<'_>) -> Result<BTreeSet<String>, Problem> {
        let DirtyTags::Committed { include_untracked } = pass.request.dirty else { return Ok(BTreeSet::new()) };
        let pinned: BTreeSet<PackageId> = (pass.live.iter().enumerate())
            .filter(|(place, _)| !pass.loops.contains_key(place))
            .filter_map(|(_, (pin, _))| pin.package.filter(|package| pass.carried[package.index()]))
            .collect();
        let of_these = self.0.iter().filter(|(id, _)| pinned.contains(id));
        let (mut packages, mut files) = (Vec::new(), BTreeSet::new());
        for (&id, names) in of_these {
            packages.push(pass.request.workspace.package(id).name.to_string());
            files.extend(names.values().flatten().map(|name| String::from_utf8_lossy(name).into_owned()));
        }
        if files.is_empty() || include_untracked {
            return Ok(files);
        }
        Err(Error::Untracked { packages: listed(packages.iter()), files: listed(files.iter()) }.into())
    }
}

/// What git does not track of a package with a tag.
fn of_tag(directory: &Path, tag: &PackageTag) -> Names {
    let mut found = Names::new();
    let sources = tag.extra_sources.iter().map(|source| (source.source.as_path(), &source.dirt));
    for (directory, dirt) in [(directory, &tag.dirt)].into_iter().chain(sources) {
        let names = dirt.iter().filter_map(|dirt| match dirt {
            Dirt::Untracked(name) => Some(name.as_bytes().to_vec()),
            _ => None,
        });
        let names: BTreeSet<Vec<u8>> = names.collect();
        if let Some(top) = top_level(directory).filter(|_| !names.is_empty()) {
            found.entry(top).or_default().extend(names);
        }
    }
    found
}

/// The first of many, quoted, and how many more there are.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = and_more(names.len().saturating_sub(LISTED));
    names.take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ") + &more
}
