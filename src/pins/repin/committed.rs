//! The tags that packages will have when the work tree is committed, and the files that git does not track.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::DirtyTags;
use super::pass::Pass;
use crate::git::{Dirt, Future, PackageTag, TagOptions, Tags, top_level};
use crate::path::clean;
use crate::pins::Error;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// The tags that packages will have when the changes of the work tree are committed; `None` if there is no change.
pub fn committed(
    workspace: &Workspace,
    tags: &Tags,
    options: &TagOptions,
    future: &mut Future,
    include_untracked: bool,
) -> Result<Option<Tags>, Problem> {
    let is_clean = |tag: &Option<Result<PackageTag, Problem>>| match tag {
        Some(Ok(tag)) => !tag.is_dirty(),
        Some(Err(_)) => false,
        None => true,
    };
    if tags.packages.iter().all(is_clean) {
        return Ok(None);
    }
    if include_untracked {
        for (top, names) in untracked(workspace, tags, workspace.ids()) {
            future.add(&top, &names)?;
        }
    }
    let all: Vec<PackageId> = workspace.ids().collect();
    future.tags(workspace, &all, options).map(Some)
}

/// The untracked files that the tags of pinned packages would lack, which is an error, or that they count.
pub(super) fn untracked_pins(pass: &Pass<'_>) -> Result<BTreeSet<String>, Problem> {
    let DirtyTags::Committed { include_untracked } = pass.request.dirty else { return Ok(BTreeSet::new()) };
    let workspace = pass.request.workspace;
    let pinned: BTreeSet<PackageId> = (pass.live.iter().enumerate())
        .filter(|(place, _)| !pass.loops.contains_key(place))
        .filter_map(|(_, (pin, _))| pin.package.filter(|package| pass.carried[package.index()]))
        .collect();
    // A package that was added and never committed has a tag by now, unless it was not even added.
    let is_added = |id: PackageId| pass.request.tags.get(id).is_none() && pass.tags.get(id).is_some();
    let with = |id: &PackageId| {
        (include_untracked || !is_added(*id)) && !untracked(workspace, pass.request.tags, [*id]).is_empty()
    };
    let packages: Vec<PackageId> = pinned.into_iter().filter(with).collect();
    let found = untracked(workspace, pass.request.tags, packages.iter().copied());
    let names: BTreeSet<String> =
        found.into_values().flatten().map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
    if names.is_empty() || include_untracked {
        return Ok(names);
    }
    let quoted =
        |names: &mut dyn Iterator<Item = String>| names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let packages = quoted(&mut packages.iter().map(|&id| workspace.package(id).name.to_string()));
    Err(Error::Untracked { packages, files: quoted(&mut names.into_iter()) }.into())
}

/// What git does not track of packages and their extra sources, by the top of the repository. A package of which nothing
/// is committed is its directory.
fn untracked(
    workspace: &Workspace,
    tags: &Tags,
    packages: impl IntoIterator<Item = PackageId>,
) -> BTreeMap<PathBuf, BTreeSet<Vec<u8>>> {
    let mut found: BTreeMap<PathBuf, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for id in packages {
        let directory = clean(&workspace.directory(id));
        match &tags.packages[id.index()] {
            Some(Ok(tag)) => {
                let sources = tag.extra_sources.iter().map(|source| (source.source.as_path(), &source.dirt));
                for (directory, dirt) in [(directory.as_path(), &tag.dirt)].into_iter().chain(sources) {
                    let names = dirt.iter().filter_map(|dirt| match dirt {
                        Dirt::Untracked(name) => Some(name.as_bytes().to_vec()),
                        _ => None,
                    });
                    let names: BTreeSet<Vec<u8>> = names.collect();
                    if let Some(top) = top_level(directory).filter(|_| !names.is_empty()) {
                        found.entry(top).or_default().extend(names);
                    }
                }
            }
            Some(Err(problem)) if problem.code() == "git::not_committed" => {
                let real = directory.canonicalize().unwrap_or(directory);
                if let Some(top) = top_level(&real)
                    && let Ok(inside) = real.strip_prefix(&top)
                {
                    found.entry(top.clone()).or_default().insert(inside.as_os_str().as_bytes().to_vec());
                }
            }
            _ => {}
        }
    }
    found
}
