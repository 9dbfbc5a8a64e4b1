//! The nodes that a plan is about: the selected ones and all that they need, on the platforms they are needed on.

use std::collections::{BTreeMap, BTreeSet};

use super::node::IdleReason;
use super::{Inputs, Platforms};
use crate::graph::{Graph, State};
use crate::image::Platform;
use crate::workspace::{PackageId, Workspace};

/// The nodes of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Asked for.
    pub selected: BTreeSet<(PackageId, Platform)>,
    /// Asked for, or needed by one that is.
    pub nodes: BTreeSet<(PackageId, Platform)>,
    /// All packages asked for, also those with no platform at all.
    pub packages: BTreeSet<PackageId>,
    /// The packages asked for that are wanted on no platform, or list none.
    pub idle: BTreeMap<PackageId, IdleReason>,
}

impl Demand {
    /// The packages of all nodes and those asked for, sorted.
    #[must_use]
    pub fn all_packages(&self) -> BTreeSet<PackageId> {
        self.packages.iter().copied().chain(self.nodes.iter().map(|(package, _)| *package)).collect()
    }
}

/// The platforms that a package's yml lists.
pub(super) fn arches(workspace: &Workspace, package: PackageId) -> impl Iterator<Item = Platform> {
    let build = workspace.package(package).build.as_ref();
    build.into_iter().flat_map(|build| build.arches.iter().map(|arch| Platform::linux(&arch.value)))
}

/// Walks from the selected packages along current image edges. A platform in `skipped` is wanted of no selected package,
/// however the platforms were chosen; a package that is built from another on it still needs it there.
#[must_use]
pub fn demand(
    workspace: &Workspace,
    graph: &Graph,
    selected: &[PackageId],
    platforms: &Platforms,
    skipped: &[Platform],
    builder: &Platform,
) -> Demand {
    let mut demand = Demand { packages: selected.iter().copied().collect(), ..Demand::default() };
    for &package in selected {
        let mut wanted: Vec<Platform> = match platforms {
            Platforms::Own => vec![builder.clone()],
            Platforms::Arches => arches(workspace, package).collect(),
            Platforms::These(platforms) => platforms.clone(),
        };
        wanted.retain(|platform| !skipped.iter().any(|skipped| skipped.normal() == platform.normal()));
        if workspace.package(package).build.as_ref().is_some_and(|build| build.arches.is_empty()) {
            demand.idle.insert(package, IdleReason::NoArches);
        } else if wanted.is_empty() && workspace.package(package).build.is_some() {
            demand.idle.insert(package, IdleReason::AllSkipped);
        }
        demand.selected.extend(wanted.into_iter().map(|platform| (package, platform)));
    }
    let mut open: Vec<(PackageId, Platform)> = demand.selected.iter().cloned().collect();
    while let Some(node) = open.pop() {
        if !demand.nodes.insert(node.clone()) {
            continue;
        }
        open.extend(needs(graph, &node).map(|(package, platform)| (package, platform.clone())));
    }
    demand
}

/// The nodes whose image a node is built from, as often as its Dockerfile names them.
pub(super) fn needs<'a>(
    graph: &'a Graph,
    node: &(PackageId, Platform),
) -> impl Iterator<Item = (PackageId, &'a Platform)> + use<'a> {
    let references = graph.nodes.get(node).map_or(&[][..], |inputs| &inputs.references);
    references
        .iter()
        .filter(|reference| reference.state == State::Current && reference.image.reached)
        .filter_map(|reference| Some((reference.package?, &reference.image.platform)))
}

/// Whether anything of a demand would, if it is built, run programs of another platform than the builder's own.
#[must_use]
pub fn foreign_programs(graph: &Graph, demand: &Demand, builder: &Platform) -> bool {
    let nodes = demand.nodes.iter().filter_map(|node| graph.nodes.get(node));
    nodes.flat_map(|node| &node.runs).any(|platform| platform.normal() != builder.normal())
}

/// The packages whose image a node of the demand is pinned to, and of which nobody knows whether the pin is to what is
/// here, since their build yml or their tag is wrong.
pub(super) fn unnamed(inputs: Inputs<'_>, demand: &Demand) -> BTreeSet<PackageId> {
    let nodes = demand.nodes.iter().filter_map(|node| inputs.graph.nodes.get(node));
    nodes
        .flat_map(|node| &node.references)
        .filter(|reference| reference.state == State::Stale && reference.image.reached)
        .filter(|reference| !reference.image.expanded.as_ref().is_ok_and(|image| image.contains('@')))
        .filter_map(|reference| reference.package)
        .filter(|package| inputs.tags.get(*package).is_none())
        .collect()
}

/// The index of each node of a demand in the list of nodes, which is sorted like the demand.
pub(super) fn positions(demand: &Demand) -> BTreeMap<(PackageId, Platform), usize> {
    demand.nodes.iter().cloned().enumerate().map(|(position, node)| (node, position)).collect()
}
