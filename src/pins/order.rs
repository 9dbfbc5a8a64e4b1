//! Which tags follow from which.
//!
//! The tag of a package follows from its files, and so from the tag of each package that a pin in one of them names. A pin
//! through which a tag would follow from itself can have no right value. Where leaving the stale pins of such a loop alone is
//! enough to open it, the present ones are kept up to date; else all pins of the loop are left alone.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A pin as far as order is concerned.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The file it stands in.
    pub(super) file: usize,
    /// The package that it names.
    pub(super) target: usize,
    /// Whether it names another tag than the present one.
    pub(super) stale: bool,
}

/// The order in which tags follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The pins that are left alone, by place, each with the packages of its loop; one that leads back at once names a single
    /// package.
    pub(super) loops: BTreeMap<usize, Vec<usize>>,
    /// For each package, after how many rounds its tag is known.
    pub(super) packages: Vec<usize>,
    /// For each file, after how many rounds all tags in it are known; 0 if it has no pin.
    pub(super) files: Vec<usize>,
}

/// `covers` has, for each file, the packages whose tag follows from it; there are `packages` packages.
pub(super) fn order(links: &[Link], covers: &[Vec<usize>], packages: usize) -> Order {
    let mut left = BTreeMap::new();
    for only_stale in [true, false] {
        let components = components(links, covers, packages, &left);
        let mut found = BTreeMap::new();
        for (place, link) in links.iter().enumerate().filter(|(place, _)| !left.contains_key(place)) {
            let component = &components[link.target];
            let returns = covers[link.file].iter().any(|package| component.contains(package));
            if returns && (link.stale || !only_stale) {
                found.insert(place, component.iter().copied().collect());
            }
        }
        left.extend(found);
    }
    let kept: Vec<&Link> =
        links.iter().enumerate().filter(|(place, _)| !left.contains_key(place)).map(|(_, link)| link).collect();
    let (packages, files) = rounds(&kept, covers, packages);
    Order { loops: left, packages, files }
}

/// The packages that each package shares a loop with; itself alone if it is in none.
fn components(
    links: &[Link],
    covers: &[Vec<usize>],
    packages: usize,
    left: &BTreeMap<usize, Vec<usize>>,
) -> Vec<BTreeSet<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in 0..packages {
        graph.add_node(());
    }
    let mut joined = BTreeSet::new();
    for (_, link) in links.iter().enumerate().filter(|(place, _)| !left.contains_key(place)) {
        for &package in &covers[link.file] {
            if joined.insert((package, link.target)) {
                graph.add_edge(NodeIndex::new(package), NodeIndex::new(link.target), ());
            }
        }
    }
    let mut components = vec![BTreeSet::new(); packages];
    for component in tarjan_scc(&graph) {
        let component: BTreeSet<usize> = component.into_iter().map(NodeIndex::index).collect();
        for &package in &component {
            components[package].clone_from(&component);
        }
    }
    components
}

/// The rounds of packages and files, where no tag follows from itself.
fn rounds(links: &[&Link], covers: &[Vec<usize>], packages: usize) -> (Vec<usize>, Vec<usize>) {
    let mut named_in = vec![Vec::new(); packages];
    let mut open = vec![0_usize; covers.len()];
    for link in links {
        named_in[link.target].push(link.file);
        open[link.file] += 1;
    }
    let mut waiting = vec![0_usize; packages];
    for (covering, _) in covers.iter().zip(&open).filter(|(_, open)| **open > 0) {
        for &package in covering {
            waiting[package] += 1;
        }
    }
    let (mut of_packages, mut of_files) = (vec![0; packages], vec![0; covers.len()]);
    let mut ready: Vec<usize> = (0..packages).filter(|&package| waiting[package] == 0).collect();
    while let Some(package) = ready.pop() {
        for &file in &named_in[package] {
            of_files[file] = of_files[file].max(of_packages[package] + 1);
            open[file] -= 1;
            if open[file] > 0 {
                continue;
            }
            for &covering in &covers[file] {
                of_packages[covering] = of_packages[covering].max(of_files[file]);
                waiting[covering] -= 1;
                if waiting[covering] == 0 {
                    ready.push(covering);
                }
            }
        }
    }
    (of_packages, of_files)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One file for each package, with a link to each that it names.
    fn of(needs: &[(usize, usize, bool)], packages: usize) -> Order {
        let links: Vec<Link> = needs.iter().map(|&(file, target, stale)| Link { file, target, stale }).collect();
        let covers: Vec<Vec<usize>> = (0..packages).map(|package| vec![package]).collect();
        order(&links, &covers, packages)
    }

    #[test]
    fn a_chain_takes_a_round_for_each_of_its_links() {
        let order = of(&[(1, 0, true), (2, 1, false), (2, 0, true), (3, 2, false)], 4);
        assert_eq!((order.packages, order.files), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
        assert!(order.loops.is_empty());
    }

    #[test]
    fn a_package_that_names_itself_is_a_loop_of_one() {
        let order = of(&[(0, 0, true), (1, 0, false)], 2);
        assert_eq!(order.loops, [(0, vec![0])].into());
        assert_eq!(order.packages, [0, 1]);
    }

    #[test]
    fn a_loop_is_opened_at_its_stale_pins_where_that_is_enough() {
        let order = of(&[(0, 1, true), (1, 0, false)], 2);
        assert_eq!(order.loops, [(0, vec![0, 1])].into());
        let order = of(&[(0, 1, false), (1, 0, false), (2, 1, true)], 3);
        assert_eq!(order.loops.keys().copied().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_shared_file_is_part_of_each_package_that_has_it() {
        // Package 1 has the files of package 0 as an extra source, and file 0 names package 1.
        let links = [Link { file: 0, target: 1, stale: false }];
        let order = order(&links, &[vec![0, 1], vec![1]], 2);
        assert_eq!(order.loops, [(0, vec![1])].into());
    }

    proptest! {
        #[test]
        fn whatever_is_named_is_known_a_round_before(
            packages in 1_usize..20,
            needs in prop::collection::vec((0_usize..20, 0_usize..20, any::<bool>()), 0..60),
            shared in prop::collection::vec((0_usize..20, 0_usize..20), 0..10),
        ) {
            let needs = needs.into_iter().map(|(a, b, stale)| (a % packages, b % packages, stale));
            let links: Vec<Link> = needs.map(|(file, target, stale)| Link { file, target, stale }).collect();
            let mut covers: Vec<Vec<usize>> = (0..packages).map(|package| vec![package]).collect();
            for (file, package) in shared {
                let (file, package) = (file % packages, package % packages);
                if !covers[file].contains(&package) {
                    covers[file].push(package);
                }
            }
            let order = order(&links, &covers, packages);
            for (place, link) in links.iter().enumerate() {
                if order.loops.contains_key(&place) {
                    prop_assert!(order.loops[&place].contains(&link.target));
                    continue;
                }
                prop_assert!(order.files[link.file] > order.packages[link.target]);
                for &package in &covers[link.file] {
                    prop_assert!(order.packages[package] >= order.files[link.file]);
                    prop_assert!(order.packages[package] > order.packages[link.target]);
                }
            }
        }
    }
}
