//! In which order packages can be built, by the current image edges alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use crate::workspace::PackageId;

use super::Graph;

impl Graph {
    /// The packages with each after all that it needs, and the smallest id first where there is a choice. Packages on a
    /// cycle, and all that need them, are left out.
    #[must_use]
    pub fn topological(&self) -> Vec<PackageId> {
        let mut missing: Vec<usize> = self.order.node_indices().map(|node| self.needs_of(node.index())).collect();
        let needs_nothing = |&(_, &missing): &(usize, &usize)| missing == 0;
        let mut ready: BinaryHeap<Reverse<usize>> =
            missing.iter().enumerate().filter(needs_nothing).map(|(index, _)| Reverse(index)).collect();
        let mut sorted = Vec::with_capacity(missing.len());
        while let Some(Reverse(index)) = ready.pop() {
            let node = NodeIndex::new(index);
            sorted.push(self.order[node]);
            for dependent in self.order.neighbors(node) {
                missing[dependent.index()] -= 1;
                if missing[dependent.index()] == 0 {
                    ready.push(Reverse(dependent.index()));
                }
            }
        }
        sorted
    }

    /// For each package the length of the longest chain of packages that it needs: 0 for one that needs none. `None` for
    /// packages on a cycle and all that need them.
    #[must_use]
    pub fn levels(&self) -> Vec<Option<usize>> {
        let mut levels = vec![None; self.order.node_count()];
        for id in self.topological() {
            let needed = self.order.neighbors_directed(Self::node(id), Direction::Incoming);
            let below = needed.filter_map(|node| levels[node.index()]).map(|level: usize| level + 1).max();
            levels[id.index()] = Some(below.unwrap_or(0));
        }
        levels
    }

    fn needs_of(&self, index: usize) -> usize {
        let node = NodeIndex::new(index);
        self.order.neighbors_directed(node, Direction::Incoming).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::bare;

    /// Any graph without a cycle: whoever needs has the higher place, and the places are shuffled over the packages.
    fn acyclic() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
        (1usize..40).prop_flat_map(|count| {
            let names = Just((0..count).collect::<Vec<usize>>()).prop_shuffle();
            let pairs = prop::collection::vec((0..count, 0..count), 0..120);
            (names, pairs).prop_map(move |(names, pairs)| {
                let ordered = pairs.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b)));
                (count, ordered.map(|(high, low)| (names[high], names[low])).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn each_package_stands_once_and_after_all_it_needs((count, needs) in acyclic()) {
            let (_, graph) = bare(count, &needs);
            let sorted = graph.topological();
            let mut place = vec![None; count];
            for (at, id) in sorted.iter().enumerate() {
                prop_assert!(place[id.index()].replace(at).is_none());
            }
            prop_assert!(place.iter().all(Option::is_some));
            for &(from, to) in &needs {
                prop_assert!(place[from] > place[to]);
            }
        }

        #[test]
        fn the_level_is_the_longest_chain((count, needs) in acyclic()) {
            let (_, graph) = bare(count, &needs);
            let mut longest = vec![0; count];
            // Relaxing as often as there are packages is enough for any chain.
            for _ in 0..count {
                for &(from, to) in &needs {
                    longest[from] = longest[from].max(longest[to] + 1);
                }
            }
            let levels: Vec<usize> = graph.levels().into_iter().map(Option::unwrap).collect();
            prop_assert_eq!(levels, longest);
        }
    }

    #[test]
    fn of_what_can_be_built_the_smallest_comes_first() {
        let (_, graph) = bare(4, &[(0, 3)]);
        let places: Vec<u32> = graph.topological().into_iter().map(|id| id.0).collect();
        assert_eq!(places, [1, 2, 3, 0]);
    }

    #[test]
    fn a_cycle_and_what_needs_it_are_left_out() {
        let (_, graph) = bare(5, &[(0, 1), (1, 0), (2, 0), (1, 3)]);
        let places: Vec<u32> = graph.topological().into_iter().map(|id| id.0).collect();
        assert_eq!(places, [3, 4]);
        assert_eq!(graph.levels(), [None, None, None, Some(0), Some(0)]);
    }
}
