//! What differs between two states of a repository: the packages that are made from something else, and those that this
//! touches without their own doing.
//!
//! Compared is what git determines of a package's key: its tree, its extra sources, its Dockerfile, its build args after
//! resolution, and what kitmake.yml says of it; beside that its name, its tag and its platforms. Each state is compared as it
//! is: neither is older. Nothing is read here that was not read for the states already, and nothing is asked but what the
//! two trees have at a path. What cannot be compared counts as changed, with the reason.

mod part;
mod render;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use serde::Serialize;

use crate::git::{Directory, Revision, Tags};
use crate::graph::{Graph, State};
use crate::image::{Platform, Reference};
use crate::workspace::{PackageId, PackageName, Workspace};

pub use part::directories_without_tag;
pub use render::{Named, json, names, text};

/// One state of a repository.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its packages.
    pub workspace: &'a Workspace,
    /// Their tags.
    pub tags: &'a Tags,
    /// What they need.
    pub graph: &'a Graph,
    /// Where it was read from; `None` for the work tree.
    pub revision: Option<&'a Revision>,
    /// Of the work tree, what git has of [`directories_without_tag`].
    pub directories: Option<&'a BTreeMap<PathBuf, Directory>>,
}

/// Why a package is made from something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// It was not there.
    New,
    /// It is there no longer.
    Removed,
    /// Files of its directory differ.
    Files {
        /// How many; 0 where nobody has both lists.
        count: usize,
        /// The first of them, relative to the directory.
        first: Vec<String>,
    },
    /// It differs from the commit in the work tree.
    Dirty,
    /// Files of an extra source differ, or it was added or removed.
    ExtraSource {
        /// Relative to the root.
        source: String,
        /// How many files; 0 where nobody has both lists.
        count: usize,
        /// The first of them, relative to the source.
        first: Vec<String>,
    },
    /// A build arg has another value.
    BuildArg {
        /// Its name.
        name: String,
        /// `None` if it was not set.
        before: Option<String>,
        /// `None` if it is not set.
        after: Option<String>,
        /// The package whose image the value is, if it is one (`@lkt:`).
        package: Option<PackageName>,
    },
    /// Something else that the key is made from.
    Field {
        /// What it is called in build.yml or kitmake.yml.
        name: &'static str,
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
    /// It lists other platforms.
    Platforms {
        /// Those it did not list.
        added: Vec<Platform>,
        /// Those it lists no longer.
        removed: Vec<Platform>,
    },
    /// It lies in a submodule that is another commit, and not both commits are here, so that no more can be told.
    Submodule {
        /// Relative to the root.
        submodule: String,
        /// The extra source that lies there, relative to the root; `None` for the package itself.
        source: Option<String>,
        /// The commits that are not here.
        absent: Vec<String>,
    },
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A package that is made from something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is called.
    #[serde(rename = "id")]
    pub name: PackageName,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// Whether the later state shows it: it is not gone, and does not lie where nobody can look.
    #[serde(skip)]
    pub is_there: bool,
}

/// A package that did not change itself, but is built on one that did by a pin that stays right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Follower {
    /// What it is called.
    #[serde(rename = "id")]
    pub name: PackageName,
    /// The package that it is built on and that has changed or follows one.
    pub on: PackageName,
}

/// A pin that was right before and is not any longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StalePin {
    /// The package whose Dockerfile has the pin.
    #[serde(rename = "id")]
    pub name: PackageName,
    /// The Dockerfile, relative to the root.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// As it stands there.
    pub reference: String,
    /// The package that it names.
    pub package: PackageName,
    /// What the package is now, if it has a tag.
    pub current: Option<String>,
}

/// What differs between two states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// Sorted by name.
    pub changed: Vec<Change>,
    /// Sorted by name.
    pub followers: Vec<Follower>,
    /// Sorted by name, then file and line.
    pub stale: Vec<StalePin>,
    /// Submodules whose commit differs and that are not here with both, relative to the root: packages in them are not
    /// compared. Those that one of them shows are listed as changed.
    pub submodules: Vec<String>,
}

impl Affected {
    /// Leaves out what is of no package of these.
    pub fn keep(&mut self, packages: &BTreeSet<PackageName>) {
        self.changed.retain(|change| packages.contains(&change.name));
        self.followers.retain(|follower| packages.contains(&follower.name));
        self.stale.retain(|pin| packages.contains(&pin.name));
    }
}

/// Compares two states of the same root.
#[must_use]
pub fn compare(before: Side<'_>, after: Side<'_>) -> Affected {
    let ids = |side: Side<'_>| -> BTreeMap<PackageName, PackageId> {
        side.workspace.ids().map(|id| (side.workspace.package(id).name.clone(), id)).collect()
    };
    let (old, new) = (ids(before), ids(after));
    let names: BTreeSet<&PackageName> = old.keys().chain(new.keys()).collect();
    let mut changed = Vec::new();
    for name in names {
        let reasons = match (old.get(name), new.get(name)) {
            (None, Some(&id)) => part::appeared(before, after, id),
            (Some(&id), None) => part::disappeared(before, after, id),
            (Some(&old), Some(&new)) => part::reasons((before, old), (after, new)),
            (None, None) => Vec::new(),
        };
        if !reasons.is_empty() {
            changed.push(Change { name: name.clone(), reasons, is_there: new.contains_key(name) });
        }
    }
    let now = |name: &PackageName| new.get(name).copied();
    let changed_ids: BTreeSet<PackageId> = changed.iter().filter_map(|change| now(&change.name)).collect();
    Affected {
        followers: followers(before, after, &old, &changed_ids),
        stale: stale(before, after, &old),
        submodules: submodules(before, after),
        changed,
    }
}

/// The packages of the later state that are changed, sorted.
#[must_use]
pub fn changed_ids(workspace: &Workspace, affected: &Affected) -> Vec<PackageId> {
    let names: BTreeSet<&PackageName> = affected.changed.iter().map(|change| &change.name).collect();
    workspace.ids().filter(|&id| names.contains(&workspace.package(id).name)).collect()
}

/// Their keys change with the key of what they are built on, though nobody touched them: the tag of that says nothing of its
/// content, or what changed is not in the tag. Where the tag is another one, a pin to it is new itself, or it names what it
/// named before, when it was stale.
fn followers(
    before: Side<'_>,
    after: Side<'_>,
    old: &BTreeMap<PackageName, PackageId>,
    changed: &BTreeSet<PackageId>,
) -> Vec<Follower> {
    let name = |id: PackageId| after.workspace.package(id).name.clone();
    let keeps_tag = |id: PackageId| {
        let was = old.get(&name(id)).and_then(|&id| before.tags.get(id));
        was.zip(after.tags.get(id)).is_none_or(|(was, is)| was.identity == is.identity)
    };
    let mut reached: BTreeMap<PackageId, PackageId> = BTreeMap::new();
    let mut open: VecDeque<PackageId> = changed.iter().copied().filter(|&id| keeps_tag(id)).collect();
    let dependents = after.graph.dependents_where_listed(after.workspace);
    while let Some(id) = open.pop_front() {
        for &dependent in &dependents[id.index()] {
            if !changed.contains(&dependent) && !reached.contains_key(&dependent) {
                reached.insert(dependent, id);
                open.push_back(dependent);
            }
        }
    }
    reached.into_iter().map(|(id, on)| Follower { name: name(id), on: name(on) }).collect()
}

/// Pins of the later state to what a package was called in the earlier one.
fn stale(before: Side<'_>, after: Side<'_>, old: &BTreeMap<PackageName, PackageId>) -> Vec<StalePin> {
    let name = |id: PackageId| &after.workspace.package(id).name;
    let mut stale = BTreeSet::new();
    for edge in after.graph.edges.iter().filter(|edge| edge.state == State::Stale) {
        let Some(to) = edge.to.filter(|&to| to != edge.from) else { continue };
        let Ok(reference) = edge.reference.parse::<Reference>() else { continue };
        let was = old.get(name(to)).and_then(|&id| before.tags.get(id)?.identity.reference().ok());
        if was.is_some_and(|was| was.canonical() == reference.canonical()) {
            stale.insert(StalePin {
                name: name(edge.from).clone(),
                file: edge.file.clone(),
                line: edge.line,
                reference: edge.reference.clone(),
                package: name(to).clone(),
                current: after.tags.get(to).map(|tag| tag.identity.to_string()),
            });
        }
    }
    stale.into_iter().collect()
}

fn submodules(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let (Some(before), Some(now)) = (before.revision, after.revision) else { return Vec::new() };
    let of = |revision: &Revision| -> BTreeMap<PathBuf, (String, bool)> {
        revision.submodules().map(|(path, commit, is_here)| (path, (commit.to_owned(), is_here))).collect()
    };
    let (before, now) = (of(before), of(now));
    let all: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let root = &after.workspace.root;
    let moved_unseen = |path: &PathBuf| {
        let (was, is) = (before.get(path), now.get(path));
        let moved = was.map(|(commit, _)| commit) != is.map(|(commit, _)| commit);
        moved && was.into_iter().chain(is).any(|(_, is_here)| !is_here)
    };
    let unseen = all.into_iter().filter(|path| moved_unseen(path));
    unseen.filter_map(|path| path.strip_prefix(root).ok()).map(|path| path.display().to_string()).collect()
}
