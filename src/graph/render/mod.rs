//! The graph as text: for Graphviz, for programs, and for Mermaid.
//!
//! All show the same packages: all of them, or those selected with all that they need. Sorted, so that the same
//! repository gives the same bytes. The page for a browser is made elsewhere (`page`), since it shows plans, too.

mod dot;
mod edges;
mod json;
mod mermaid;

use std::collections::BTreeMap;

use crate::git::Tags;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

use super::{Edge, Graph, State};

pub use dot::{DotOptions, dot};
pub use edges::{EdgesJson, edges_json, edges_text};
pub use json::{Json, JsonEdge, json};
pub use mermaid::mermaid;

/// How the arrow between two packages is drawn; of several edges between them the first of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A current image, which orders builds.
    Image,
    /// A pin to another tag.
    Stale,
    /// An input.
    Input,
    /// A current image in a stage that no build reaches.
    Unused,
}

impl Line {
    /// None for an edge that leads to no package.
    fn of(edge: &Edge) -> Option<(PackageId, Self)> {
        let to = edge.to?;
        Some(match edge.state {
            State::Current if edge.platforms.is_empty() => (to, Self::Unused),
            State::Current => (to, Self::Image),
            State::Stale => (to, Self::Stale),
            State::Input => (to, Self::Input),
            State::External | State::Unresolved => return None,
        })
    }
}

/// The packages to show: all, or those `selected` with all that they need; sorted.
#[must_use]
pub fn shown(graph: &Graph, workspace: &Workspace, selected: Option<&[PackageId]>) -> Vec<PackageId> {
    selected.map_or_else(|| workspace.ids().collect(), |selected| graph.with_needed(selected))
}

/// One arrow for each pair of packages of which the first, one of `shown`, needs something of the second.
#[must_use]
pub fn lines(graph: &Graph, shown: &[PackageId]) -> BTreeMap<(PackageId, PackageId), Line> {
    let mut lines = BTreeMap::new();
    for edge in shown.iter().flat_map(|&id| graph.edges_of(id)) {
        if let Some((to, line)) = Line::of(edge) {
            let strongest = lines.entry((edge.from, to)).or_insert(line);
            *strongest = line.min(*strongest);
        }
    }
    lines
}

/// Everything that is wrong with a package, in the order in which it was found out.
pub fn problems<'a>(
    graph: &'a Graph,
    workspace: &'a Workspace,
    tags: &'a Tags,
    id: PackageId,
) -> impl Iterator<Item = &'a Problem> {
    let package = workspace.package(id);
    let tag = tags.packages.get(id.index()).and_then(|tag| tag.as_ref()?.as_ref().err());
    let own = package.problems.iter().chain(tag).chain(&package.dockerfile_problem);
    own.chain(graph.problems.get(&id).into_iter().flatten())
}

#[cfg(test)]
mod testing {
    use super::super::testing::{Pkg, Repo, repo};

    /// One of everything: current, stale and input edges, a dirty package and two with problems.
    pub(super) fn small() -> Repo {
        repo([
            Pkg::new("pkg/base").from("debian:12").arches(&["arm64", "amd64"]).dirty(),
            Pkg::new("pkg/lost").unreadable(),
            Pkg::new("pkg/mid").dockerfile("FROM t/base:now\nCOPY --from=t/old:then / /\n").source("/r/pkg/base/x"),
            Pkg::new("pkg/old").untagged(),
            Pkg::new("pkg/user").yml("b.yml").from("t/mid:now"),
        ])
    }
}
