//! What of a push stays behind: packages that what is pushed is built on and that the registry will not have. Whoever has the
//! repository and not this builder can then use what is pushed, and not build what pins them.

use std::collections::BTreeSet;

use super::Inputs;
use super::decide::Decided;
use super::publication::Publication;
use crate::workspace::{PackageId, PackageName};

/// The names of these packages, sorted. What is dirty is none of them: with it nothing is pushed. Where the registry was not
/// asked, or did not answer, nobody knows.
pub(super) fn unpublished(inputs: Inputs<'_>, decided: &Decided, publications: &[Publication]) -> Vec<PackageName> {
    let mut found: BTreeSet<PackageId> = BTreeSet::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut open: Vec<usize> = publications.iter().flat_map(|due| due.pushes.iter().copied()).collect();
    while let Some(user) = open.pop() {
        for needed in decided.needs(inputs.graph, user).filter(|&needed| seen.insert(needed)) {
            let (node, published) = (&decided.nodes[needed], &decided.settled[needed].published);
            let lacks = published.arch_tag.is_no() && published.index.is_no();
            // What the registry has others can be built on, whatever that is built on.
            if !node.selected && (decided.is_built(needed) || lacks) {
                found.insert(node.package);
                open.push(needed);
            }
        }
    }
    found.into_iter().map(|package| inputs.workspace.package(package).name.clone()).collect()
}
