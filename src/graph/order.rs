//! In which order packages can be built, by the current image edges alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;

use crate::workspace::PackageId;

use super::Graph;

impl Graph {
    /// The packages with each after all that it needs, and the smallest id first where there is a choice. Packages on a
    /// cycle, and all that need them, are left out.
    #[must_use]
    pub fn topological(&self) -> Vec<PackageId> {
        let mut missing: Vec<usize> = self.order.node_indices().map(|node| self.needs_of(node.index())).collect();
        let none = |&(_, &missing): &(usize, &usize)| missing == 0;
        let mut ready: BinaryHeap<Reverse<usize>> =
            missing.iter().enumerate().filter(none).map(|(index, _)| Reverse(index)).collect();
        let mut sorted = Vec::with_capacity(missing.len());
        while let Some(Reverse(index)) = ready.pop() {
            let node = petgraph::graph::NodeIndex::new(index);
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
        let node = petgraph::graph::NodeIndex::new(index);
        self.order.neighbors_directed(node, Direction::Incoming).count()
    }
}
