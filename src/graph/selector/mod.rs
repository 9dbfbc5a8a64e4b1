//! Selectors: which packages a command is about.
//!
//! A selector is a name with marks around it. The name is a directory, `directory:yml`, a glob or an image name
//! (`name`), or `[REVISION]` for what has changed since. `NAME...` is that with all that it needs, `...NAME` that with all
//! that needs it, and `^` beside the dots leaves out the named package itself. `!` before all of it takes away instead of
//! adding. The order of selectors never matters: what is selected is all that is named without `!`, less all that is
//! named with it.
//!
//! Names are looked up in the workspace before there is a graph, since `--build-yml` and files of build args change what
//! the graph is made from; marks are followed in the graph afterwards. They follow the edges of both sorts, whatever
//! their state: who is stale on a package needs it still.

mod fault;
mod name;
mod term;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

use super::Graph;
use fault::SelectorFault;
use name::Name;
use term::{Base, Term};

pub use name::package_at;

/// The packages that have changed since each revision that selectors name.
pub type Changed = BTreeMap<String, Vec<PackageId>>;

/// Selectors whose names are looked up, and whose marks are not yet followed.
#[derive(Debug, Clone)]
pub struct Named {
    including: Vec<(Term, Vec<PackageId>)>,
    excluding: Vec<(Term, Vec<PackageId>)>,
}

/// Looks up the names in `selectors`. `current` is the working directory relative to the root (`.` for the root itself): a
/// path is tried relative to the root first, then to it. With `yml`, a name means the packages that this build yml makes
/// in the directories it names; directories without it are passed over as long as each name has one with it.
///
/// # Errors
/// When a name names nothing, with the nearest one as a suggestion.
pub fn named(workspace: &Workspace, selectors: &[String], current: &str, yml: Option<&str>) -> Result<Named, Problem> {
    let mut named = Named { including: Vec::new(), excluding: Vec::new() };
    let mut unknown = Vec::new();
    for text in selectors {
        let term = Term::parse(text);
        let Base::Name(base) = &term.base else {
            named.list(&term).push((term, Vec::new()));
            continue;
        };
        let mut found = Name::parse(base, workspace, current)?.packages(workspace);
        if found.is_empty() {
            unknown.push(term);
            continue;
        }
        if let Some(yml) = yml {
            let made: Vec<PackageId> =
                found.iter().filter_map(|&id| package_at(workspace, &workspace.package(id).path, yml)).collect();
            if term.excludes {
                found.extend(made);
            } else if made.is_empty() {
                return Err(SelectorFault::no_such_yml(workspace, &found, base, yml).into());
            } else {
                found = made;
            }
        }
        found.sort_unstable();
        found.dedup();
        named.list(&term).push((term, found));
    }
    if unknown.is_empty() { Ok(named) } else { Err(SelectorFault::unknown(workspace, &unknown).into()) }
}

impl Named {
    fn list(&mut self, term: &Term) -> &mut Vec<(Term, Vec<PackageId>)> {
        if term.excludes { &mut self.excluding } else { &mut self.including }
    }

    /// The revisions that something is to be compared with.
    #[must_use]
    pub fn revisions(&self) -> BTreeSet<&str> {
        self.including.iter().chain(&self.excluding).filter_map(|(term, _)| term.revision()).collect()
    }

    /// Whether the names alone say what is selected.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.including.iter().chain(&self.excluding).all(|(term, _)| term.is_name())
    }

    /// The packages that are named, sorted; no mark but `!` is looked at, and no revision.
    #[must_use]
    pub fn packages(&self) -> Vec<PackageId> {
        let excluded: BTreeSet<PackageId> =
            self.excluding.iter().filter(|(term, _)| term.is_name()).flat_map(|(_, found)| found).copied().collect();
        let named: BTreeSet<PackageId> = self.including.iter().flat_map(|(_, found)| found).copied().collect();
        named.difference(&excluded).copied().collect()
    }

    /// The packages that are selected, sorted, if the names alone say which; `None` if the graph or a revision has to be
    /// looked at.
    ///
    /// # Errors
    /// When nothing is left of what the names name.
    #[must_use]
    pub fn settled(&self) -> Option<Result<Vec<PackageId>, Problem>> {
        let all = |terms: &[(Term, Vec<PackageId>)]| terms.iter().flat_map(|(_, found)| found).copied().collect();
        self.is_settled().then(|| self.less(&all(&self.including), &all(&self.excluding)))
    }

    /// The packages that are selected, sorted. None only where a revision is named, since that nothing has changed is no
    /// mistake; [`Named::nothing`] then says so.
    ///
    /// # Errors
    /// When nothing is left of what the names name.
    pub fn select(&self, graph: &Graph, changed: &Changed) -> Result<Vec<PackageId>, Problem> {
        let all = |terms: &[(Term, Vec<PackageId>)]| {
            terms.iter().flat_map(|(term, found)| term.follow(graph, found, changed)).collect()
        };
        self.less(&all(&self.including), &all(&self.excluding))
    }

    /// What is left of `including` without `excluding`.
    fn less(
        &self,
        including: &BTreeSet<PackageId>,
        excluding: &BTreeSet<PackageId>,
    ) -> Result<Vec<PackageId>, Problem> {
        let selected: Vec<PackageId> = including.difference(excluding).copied().collect();
        if selected.is_empty() && self.including.iter().all(|(term, _)| term.revision().is_none()) {
            let texts = |terms: &[(Term, Vec<PackageId>)]| -> Vec<String> {
                terms.iter().map(|(term, _)| term.text.clone()).collect()
            };
            let (includes, excludes) = (texts(&self.including), texts(&self.excluding));
            return Err(SelectorFault::empty(including.is_empty(), &includes, &excludes).into());
        }
        Ok(selected)
    }

    /// The packages that cannot be read and on whose edges hangs what is selected, sorted.
    #[must_use]
    pub fn unsure(&self, workspace: &Workspace, graph: &Graph, changed: &Changed) -> Vec<PackageId> {
        let all = |terms: &[(Term, Vec<PackageId>)]| -> BTreeSet<PackageId> {
            terms.iter().flat_map(|(term, found)| term.follow(graph, found, changed)).collect()
        };
        let (including, excluding) = (all(&self.including), all(&self.excluding));
        let mut unsure = BTreeSet::new();
        for (term, found) in self.including.iter().chain(&self.excluding) {
            unsure.extend(term.unread_needs(workspace, graph, found, changed));
            let users = term.unread_users(workspace, graph, found, changed);
            if users.is_empty() {
                continue;
            }
            // One more package that needs what is named brings only those along that need it in turn.
            let would_change = |id: &PackageId| including.contains(id) == term.excludes && !excluding.contains(id);
            let changing: Vec<PackageId> = workspace.ids().filter(would_change).collect();
            let changing: BTreeSet<PackageId> = graph.with_needed(&changing).into_iter().collect();
            let brings_some = |id: &PackageId| workspace.package(*id).is_nameless() || changing.contains(id);
            unsure.extend(users.into_iter().filter(brings_some));
        }
        unsure.into_iter().collect()
    }

    /// Why nothing is selected, if that is so because nothing has changed.
    #[must_use]
    pub fn nothing(&self) -> String {
        let revisions: BTreeSet<&str> = self.including.iter().filter_map(|(term, _)| term.revision()).collect();
        let revisions: Vec<String> = revisions.into_iter().map(|revision| format!("`{revision}`")).collect();
        let excluded = if self.excluding.is_empty() { "" } else { " but for what is excluded" };
        format!("nothing is selected: nothing has changed since {}{excluded}", revisions.join(" and "))
    }
}
