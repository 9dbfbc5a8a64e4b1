//! What of a push stays behind: packages that what is pushed is built on and that the registry will not have. Whoever has the
//! repository and not this builder can then use what is pushed, and not build what pins them.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Decided;
use super::demand::arches;
use super::node::{Node, Place, Reason};
use super::publication::Publication;
use super::{Inputs, Platforms, Request};
use crate::image::Platform;
use crate::workspace::{PackageId, PackageName};

/// A package that the registry will not have for some platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// Its name.
    pub name: PackageName,
    /// These platforms.
    pub platforms: BTreeSet<Platform>,
    /// Whether a push of it by its name alone may be for other platforms.
    pub is_elsewhere: bool,
    /// Whether the registry has another image in its place, which no push replaces unasked.
    pub is_replaced: bool,
    /// Whether a push of it pushes these platforms: it lists them.
    pub is_pushable: bool,
}

/// These packages, sorted. What is dirty is none of them: with it nothing is pushed. Where the registry was not asked, or did not
/// answer, nobody knows.
pub(super) fn unpublished(
    inputs: Inputs<'_>,
    request: &Request,
    decided: &Decided,
    publications: &[Publication],
) -> Vec<Unpublished> {
    let mut found: BTreeMap<PackageId, Vec<&Node>> = BTreeMap::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut open: Vec<usize> = publications.iter().flat_map(|due| due.pushes.iter().copied()).collect();
    while let Some(user) = open.pop() {
        for needed in decided.needs(inputs.graph, user).filter(|&needed| seen.insert(needed)) {
            let (node, published) = (&decided.nodes[needed], &decided.settled[needed].published);
            let lacks = published.arch_tag.is_no() && published.index.is_no();
            // What the registry has others can be built on, whatever that is built on.
            if !node.selected && (decided.is_built(needed) || lacks) {
                found.entry(node.package).or_default().push(node);
                open.push(needed);
            }
        }
    }
    let of = |(package, nodes): (PackageId, Vec<&Node>)| {
        let platforms: BTreeSet<Platform> = nodes.iter().map(|node| node.platform.clone()).collect();
        let listed: BTreeSet<Platform> = arches(inputs.workspace, package).collect();
        Unpublished {
            name: inputs.workspace.package(package).name.clone(),
            is_elsewhere: request.platforms != Platforms::Own || !platforms.iter().eq([&request.builder]),
            is_replaced: nodes.into_iter().any(is_replaced),
            is_pushable: platforms.is_subset(&listed),
            platforms,
        }
    };
    found.into_iter().map(of).collect()
}

/// Whether the registry has an image in the place of a node that was made from other inputs.
fn is_replaced(node: &Node) -> bool {
    node.others.iter().any(|place: &Place| place.is_registry())
        || node.reasons.iter().any(|reason| matches!(reason, Reason::Outdated(_) | Reason::OutdatedInRegistry(_)))
}
