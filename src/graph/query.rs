//! Answers to single questions about the graph: who needs whom, and through whom.
//!
//! All follow the edges of both sorts whatever their state, as selectors do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::workspace::PackageId;

use super::{Edge, Graph};

impl Graph {
    /// The edges that leave `packages`, sorted.
    #[must_use]
    pub fn edges_from(&self, packages: &[PackageId]) -> Vec<&Edge> {
        packages.iter().flat_map(|&id| self.edges_of(id)).collect()
    }

    /// The edges that lead to `packages`, sorted.
    #[must_use]
    pub fn edges_to(&self, packages: &[PackageId]) -> Vec<&Edge> {
        let packages: BTreeSet<PackageId> = packages.iter().copied().collect();
        self.edges.iter().filter(|edge| edge.to.is_some_and(|to| packages.contains(&to))).collect()
    }

    /// A shortest chain of edges by which one of `from` needs one of `to`: the first of several in the order of the edges;
    /// empty when a package is in both; `None` when there is none.
    #[must_use]
    pub fn path(&self, from: &[PackageId], to: &[PackageId]) -> Option<Vec<&Edge>> {
        let targets: BTreeSet<PackageId> = to.iter().copied().collect();
        let mut reached: BTreeMap<PackageId, Option<&Edge>> = from.iter().map(|&id| (id, None)).collect();
        let mut open: VecDeque<PackageId> = reached.keys().copied().collect();
        while let Some(id) = open.pop_front() {
            if targets.contains(&id) {
                let mut chain = Vec::new();
                let mut at = id;
                while let Some(edge) = reached[&at] {
                    chain.push(edge);
                    at = edge.from;
                }
                chain.reverse();
                return Some(chain);
            }
            for edge in self.edges_of(id) {
                if let Some(to) = edge.to.filter(|to| !reached.contains_key(to)) {
                    reached.insert(to, Some(edge));
                    open.push_back(to);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::bare;
    use super::*;

    fn id(at: usize) -> PackageId {
        PackageId(u32::try_from(at).unwrap())
    }

    /// The number of edges from one package to another, by Floyd and Warshall.
    fn distance(count: usize, edges: &[(usize, usize)], from: usize, to: usize) -> Option<usize> {
        let mut table = vec![vec![usize::MAX; count]; count];
        for (at, row) in table.iter_mut().enumerate() {
            row[at] = 0;
        }
        for &(a, b) in edges {
            table[a][b] = table[a][b].min(1);
        }
        for middle in 0..count {
            for a in 0..count {
                for b in 0..count {
                    let through = table[a][middle].saturating_add(table[middle][b]);
                    table[a][b] = table[a][b].min(through);
                }
            }
        }
        Some(table[from][to]).filter(|&distance| distance != usize::MAX)
    }

    proptest! {
        #[test]
        fn a_path_is_a_chain_of_edges_and_none_is_shorter(
            edges in prop::collection::vec((0..9usize, 0..9usize), 0..24),
            (from, to) in (0..9usize, 0..9usize),
        ) {
            let (_, graph) = bare(9, &edges);
            let path = graph.path(&[id(from)], &[id(to)]);
            prop_assert_eq!(path.as_ref().map(Vec::len), distance(9, &edges, from, to));
            let mut at = id(from);
            for edge in path.unwrap_or_default() {
                prop_assert_eq!(edge.from, at);
                at = edge.to.unwrap();
            }
        }

        #[test]
        fn what_is_used_is_what_is_needed_seen_from_the_other_end(
            edges in prop::collection::vec((0..9usize, 0..9usize), 0..24),
            at in 0..9usize,
        ) {
            let (_, graph) = bare(9, &edges);
            let uses: BTreeSet<PackageId> = graph.edges_to(&[id(at)]).iter().map(|edge| edge.from).collect();
            for other in 0..9 {
                let needed = graph.edges_from(&[id(other)]).iter().any(|edge| edge.to == Some(id(at)));
                prop_assert_eq!(uses.contains(&id(other)), needed);
            }
        }
    }
}
