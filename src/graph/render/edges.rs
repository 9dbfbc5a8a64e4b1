//! Single edges, one per line or as a list for programs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::JsonEdge;
use crate::graph::{Edge, State};
use crate::wording::columns;
use crate::workspace::{PackageName, Workspace};

/// The version of [`EdgesJson`]: it changes when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// Edges as `--format json` prints them.
#[derive(Debug, Serialize)]
pub struct EdgesJson<'a> {
    schema_version: u32,
    edges: Vec<JsonEdge<'a>>,
    /// The packages that cannot be read in full and may have more edges that belong here.
    unread: BTreeSet<PackageName>,
}

/// Edges for JSON, in the order given; `unread` are the packages because of which they may not be all.
#[must_use]
pub fn edges_json<'a>(workspace: &'a Workspace, edges: &[&'a Edge], unread: BTreeSet<PackageName>) -> EdgesJson<'a> {
    let edges = edges.iter().map(|edge| JsonEdge::new(workspace, edge)).collect();
    EdgesJson { schema_version: SCHEMA_VERSION, edges, unread }
}

/// One line per edge in the order given: who needs whom (or which image that is made elsewhere), the kind of the edge with
/// what is odd about it, and where it is written.
#[must_use]
pub fn edges_text(workspace: &Workspace, edges: &[&Edge]) -> String {
    let rows: Vec<[String; 4]> = edges.iter().map(|edge| row(workspace, edge)).collect();
    columns(&rows).map(|line| line + "\n").collect()
}

fn row(workspace: &Workspace, edge: &Edge) -> [String; 4] {
    let name = |id| workspace.package(id).name.to_string();
    let odd = match edge.state {
        State::Stale if edge.to == Some(edge.from) => ", self",
        State::Stale => ", stale",
        State::Unresolved => ", unresolved",
        _ if edge.platforms.is_empty() => ", in no build",
        State::Current | State::External | State::Input => "",
    };
    let to = edge.to.map_or_else(|| edge.reference.clone(), name);
    [name(edge.from), to, format!("{}{odd}", edge.kind.name()), format!("{}:{}", edge.file, edge.line)]
}

#[cfg(test)]
mod tests {
    use super::super::testing::small;
    use super::*;

    #[test]
    fn a_line_says_who_needs_whom_how_and_where() {
        let repo = small();
        let edges: Vec<&Edge> = repo.graph.edges.iter().collect();
        insta::assert_snapshot!(edges_text(&repo.workspace, &edges), @r"
        pkg/base        debian:12  from              pkg/base/Dockerfile:1
        pkg/mid         pkg/base   from              pkg/mid/Dockerfile:1
        pkg/mid         pkg/old    copy-from, stale  pkg/mid/Dockerfile:2
        pkg/mid         pkg/base   extra-source      pkg/mid/build.yml:1
        pkg/user:b.yml  pkg/mid    from              pkg/user/Dockerfile:1
        ");
    }

    #[test]
    fn json_has_the_fields_of_the_graph() {
        let repo = small();
        let edges: Vec<&Edge> = repo.graph.edges_of(repo.id("pkg/user:b.yml")).collect();
        let json = serde_json::to_value(edges_json(&repo.workspace, &edges, BTreeSet::new())).unwrap();
        let whole =
            serde_json::to_value(super::super::json(&repo.graph, &repo.workspace, &repo.tags, None, BTreeSet::new()))
                .unwrap();
        assert_eq!(json["edges"].as_array().unwrap().len(), 1);
        assert!(whole["edges"].as_array().unwrap().contains(&json["edges"][0]));
    }
}
