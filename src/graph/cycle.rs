//! Cycles among current image edges, shown whole.
//!
//! Only an image that its user's Dockerfile names by the computed tag can be part of a cycle, so in practice the loop goes
//! through an `@lkt:` build arg or a literal tag: a tree hash cannot contain itself. Of each strongly connected group one
//! loop is shown, a shortest one through its first package.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::problem::{Class, Fault, Problem, span};
use crate::workspace::{PackageId, Workspace};

use super::{Edge, Graph};

/// A loop of packages that need each other's images.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("a cycle of images: {shown}")]
#[diagnostic(code(graph::cycle), help("{help}"))]
struct Cycle {
    /// `a -> b -> a`
    shown: String,
    help: String,
    #[related]
    edges: Vec<Link>,
}

/// One edge of the loop.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{file}:{line}: `{from}` needs `{reference}`, which is `{to}`")]
struct Link {
    file: String,
    line: u32,
    from: String,
    to: String,
    reference: String,
    #[source_code]
    source_file: Option<NamedSource<Arc<str>>>,
    #[label("the image of `{to}`")]
    at: Option<SourceSpan>,
}

impl Fault for Cycle {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// One problem per strongly connected group, for each package of the group.
pub(super) fn problems(workspace: &Workspace, graph: &Graph) -> Vec<(PackageId, Problem)> {
    let mut problems = Vec::new();
    for group in groups(&graph.order) {
        let round = shortest_loop(&graph.order, &group);
        let problem = Problem::from(cycle(workspace, graph, &group, &round));
        problems.extend(group.into_iter().map(|node| (graph.order[node], problem.clone())));
    }
    problems
}

/// The strongly connected groups that contain a loop, each sorted, in the order of their first packages.
///
/// Kosaraju's algorithm, because petgraph runs Tarjan's by recursion: a chain of many thousand packages would overflow the
/// stack of a thread.
fn groups(order: &DiGraph<PackageId, usize>) -> Vec<Vec<NodeIndex>> {
    let is_loop = |group: &Vec<NodeIndex>| group.len() > 1 || order.contains_edge(group[0], group[0]);
    let mut groups: Vec<Vec<NodeIndex>> = kosaraju_scc(order).into_iter().filter(is_loop).collect();
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    groups
}

/// The edges of a shortest loop through the first package of a sorted group: the first edge leaves that package for
/// something that it needs, the last one comes back to it.
fn shortest_loop(order: &DiGraph<PackageId, usize>, group: &[NodeIndex]) -> Vec<usize> {
    let first = group[0];
    // For each package found, the one that needs it and the edge between them.
    let mut found: BTreeMap<NodeIndex, (NodeIndex, usize)> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        if found.contains_key(&first) {
            break;
        }
        let mut needed: Vec<(NodeIndex, usize)> = order
            .edges_directed(node, Direction::Incoming)
            .map(|edge| (petgraph::visit::EdgeRef::source(&edge), *edge.weight()))
            .filter(|(needed, _)| group.binary_search(needed).is_ok())
            .collect();
        needed.sort_unstable();
        for (needed, edge) in needed {
            found.entry(needed).or_insert_with(|| {
                queue.push_back(needed);
                (node, edge)
            });
        }
    }
    let mut edges = Vec::new();
    let mut node = first;
    while let Some(&(user, edge)) = found.get(&node) {
        edges.push(edge);
        node = user;
        if node == first {
            break;
        }
    }
    edges.reverse();
    edges
}

fn cycle(workspace: &Workspace, graph: &Graph, group: &[NodeIndex], round: &[usize]) -> Cycle {
    let name = |id: PackageId| workspace.package(id).name.to_string();
    let edges: Vec<&Edge> = round.iter().map(|&index| &graph.edges[index]).collect();
    let on_loop: Vec<PackageId> = edges.iter().map(|edge| edge.from).collect();
    let mut names: Vec<String> = on_loop.iter().map(|&id| name(id)).collect();
    names.extend(on_loop.first().map(|&id| name(id)));
    let others: Vec<String> =
        group.iter().map(|&node| graph.order[node]).filter(|id| !on_loop.contains(id)).map(name).collect();
    let mut help = "take away one of these references, or pin it to a published tag".to_owned();
    if !others.is_empty() {
        help = format!("{help}; further loops go through {}", others.join(", "));
    }
    Cycle {
        shown: names.join(" -> "),
        help,
        edges: edges.into_iter().map(|edge| link(workspace, graph, edge)).collect(),
    }
}

fn link(workspace: &Workspace, graph: &Graph, edge: &Edge) -> Link {
    let written = edge.platforms.first().and_then(|platform| {
        let inputs = graph.nodes.get(&(edge.from, platform.clone()))?;
        let is_it = |reference: &&super::NodeReference| {
            reference.image.line == edge.line && reference.image.expanded.as_ref() == Ok(&edge.reference)
        };
        inputs.references.iter().find(is_it)
    });
    let source = workspace.package(edge.from).dockerfile.as_ref().map(|file| &file.source);
    Link {
        file: edge.file.clone(),
        line: edge.line,
        from: workspace.package(edge.from).name.to_string(),
        to: edge.to.map(|to| workspace.package(to).name.to_string()).unwrap_or_default(),
        reference: edge.reference.clone(),
        source_file: source.filter(|_| written.is_some()).map(crate::problem::SourceFile::named),
        at: written.map(|reference| span(reference.image.written_at())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::bare;
    use super::*;

    /// The length of a shortest loop through `start`, by paths of growing length.
    fn shortest_through(start: usize, count: usize, needs: &[(usize, usize)]) -> Option<usize> {
        let mut reached = vec![false; count];
        reached[start] = true;
        for length in 1..=count {
            let mut next = vec![false; count];
            for &(from, to) in needs {
                next[to] |= reached[from];
            }
            if next[start] {
                return Some(length);
            }
            reached = next;
        }
        None
    }

    proptest! {
        #[test]
        fn a_cycle_is_found_if_there_is_one_and_shown_as_a_real_loop(
            needs in prop::collection::vec((0usize..12, 0usize..12), 0..25),
        ) {
            let (workspace, graph) = bare(12, &needs);
            let groups = groups(&graph.order);
            let on_some_loop: Vec<usize> = (0..12).filter(|&start| shortest_through(start, 12, &needs).is_some()).collect();
            let mut members: Vec<usize> = groups.iter().flatten().map(|node| node.index()).collect();
            members.sort_unstable();
            prop_assert_eq!(&members, &on_some_loop);
            let with_problem: Vec<usize> = {
                let mut ids: Vec<usize> = problems(&workspace, &graph).iter().map(|(id, _)| id.index()).collect();
                ids.sort_unstable();
                ids
            };
            prop_assert_eq!(with_problem, on_some_loop);
            for group in groups {
                let round: Vec<&Edge> = shortest_loop(&graph.order, &group).iter().map(|&edge| &graph.edges[edge]).collect();
                prop_assert_eq!(Some(round.len()), shortest_through(group[0].index(), 12, &needs));
                prop_assert_eq!(round[0].from.index(), group[0].index());
                for (edge, next) in round.iter().zip(round.iter().cycle().skip(1)) {
                    prop_assert_eq!(edge.to, Some(next.from));
                }
            }
        }
    }

    #[test]
    fn further_loops_of_the_group_are_mentioned() {
        let (workspace, graph) = bare(3, &[(0, 1), (1, 0), (1, 2), (2, 1)]);
        let problems = problems(&workspace, &graph);
        assert_eq!(problems.len(), 3);
        assert_eq!(problems[2].1.to_string(), "a cycle of images: p000000 -> p000001 -> p000000");
        assert!(problems[2].1.diagnostic().help().unwrap().to_string().ends_with("go through p000002"));
    }

    #[test]
    fn a_very_long_chain_is_no_danger_to_the_stack() {
        let needs: Vec<(usize, usize)> = (1..50_000).map(|from| (from, from - 1)).collect();
        let (workspace, graph) = bare(50_000, &needs);
        assert!(problems(&workspace, &graph).is_empty());
        assert_eq!(graph.levels()[49_999], Some(49_999));
    }
}
