//! What of a package is still to be published: images to push, an index to write, a release to make.
//!
//! Said of packages and not of nodes, since an index and what hangs on it are of all platforms together. Nothing dirty is
//! ever among it. Whether the plan may do what is due is for `assemble` to say, and in which steps for `publish`.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Decided;
use super::demand::{Demand, arches};
use super::node::State;
use super::trusted::is_notarized;
use super::{Inputs, Publish, Request};
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Released};
use crate::workspace::{PackageId, Workspace};

/// The architectures of which linuxkit looks for a `tag-arch` when it makes an index, those of former years included.
const KNOWN: [&str; 5] = ["amd64", "arm64", "ppc64le", "riscv64", "s390x"];

/// What is due of one package.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    pub(super) package: PackageId,
    /// The index, as the registry has it.
    pub(super) to: Reference,
    /// The nodes that the index must list.
    pub(super) members: Vec<usize>,
    /// Those of them that are pushed.
    pub(super) pushes: BTreeSet<usize>,
    /// Whether the index is to be written.
    pub(super) index: bool,
    /// Whether another tag is to be given to the index.
    pub(super) release: Due,
    /// The tags that are to be added to the trust data.
    pub(super) notarize: Vec<Reference>,
    /// Whether something is to be signed.
    pub(super) sign: bool,
}

/// Whether a tag is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It is right, or nobody asked for it.
    No,
    /// Nothing has it, or what has it may lose it.
    Yes,
    /// Something else has it and keeps it.
    Taken,
}

/// The platforms whose `tag-arch` belongs into the index of a package if the registry has it: those that linuxkit knows
/// and those that the package lists.
#[must_use]
pub fn indexed_platforms(workspace: &Workspace, package: PackageId) -> BTreeSet<Platform> {
    KNOWN.into_iter().map(Platform::linux).chain(arches(workspace, package)).collect()
}

/// What is due of all packages that are asked for, sorted.
pub(super) fn publications(
    inputs: Inputs<'_>,
    request: &Request,
    demand: &Demand,
    decided: &Decided,
) -> Vec<Publication> {
    let Some(publish) = &request.publish else { return Vec::new() };
    let mut members: BTreeMap<PackageId, Vec<usize>> = BTreeMap::new();
    for (index, node) in decided.nodes.iter().enumerate() {
        if decided.is_publishable(index) {
            members.entry(node.package).or_default().push(index);
        }
    }
    if request.only_index() {
        let listed = demand.packages.iter().filter(|&&package| arches(inputs.workspace, package).next().is_some());
        for &package in listed {
            members.entry(package).or_default();
        }
    }
    for (package, to) in built_elsewhere(inputs, request, demand, decided) {
        if !inputs.facts.listing(&to).is_no() || matches!(inputs.facts.release(&to), Fact::Unknown(_)) {
            members.entry(package).or_default();
        }
    }
    let publications = members.into_iter().filter_map(|(package, members)| {
        let tag = inputs.tags.get(package).filter(|tag| !tag.is_dirty())?;
        let to = tag.output.reference().ok()?.on(request.registry.as_deref());
        Some(publication(inputs, publish, decided, Publication::new(package, to, members)))
    });
    publications.collect()
}

/// The packages that are to be released and are built on none of the platforms that are asked for, with their indexes: a
/// release is of an index, whoever pushed what it lists.
pub(super) fn built_elsewhere(
    inputs: Inputs<'_>,
    request: &Request,
    demand: &Demand,
    decided: &Decided,
) -> Vec<(PackageId, Reference)> {
    if request.only_index() || request.publish.as_ref().is_none_or(|publish| publish.release.is_none()) {
        return Vec::new();
    }
    let mut elsewhere: BTreeMap<PackageId, bool> = BTreeMap::new();
    for node in decided.nodes.iter().filter(|node| node.selected) {
        *elsewhere.entry(node.package).or_insert(true) &= node.state == State::NotBuiltHere;
    }
    let packages =
        elsewhere.into_iter().filter(|(package, elsewhere)| *elsewhere && !demand.idle.contains_key(package));
    let index = |package| {
        let tag = inputs.tags.get(package).filter(|tag| !tag.is_dirty())?;
        Some((package, tag.output.reference().ok()?.on(request.registry.as_deref())))
    };
    packages.filter_map(|(package, _)| index(package)).collect()
}

impl Publication {
    /// Nothing is done.
    pub(super) fn drop_all(&mut self) {
        *self = Self::new(self.package, self.to.clone(), std::mem::take(&mut self.members));
    }

    /// Nothing is signed or released; returns what would have been.
    pub(super) fn drop_vouching(&mut self) -> Vec<&'static str> {
        let mut dropped = Vec::new();
        if std::mem::replace(&mut self.release, Due::No) != Due::No {
            dropped.push("released");
        }
        let notarized = !std::mem::take(&mut self.notarize).is_empty();
        if std::mem::take(&mut self.sign) || notarized {
            dropped.push("signed");
        }
        dropped
    }

    fn new(package: PackageId, to: Reference, members: Vec<usize>) -> Self {
        Self {
            package,
            to,
            members,
            pushes: BTreeSet::new(),
            index: false,
            release: Due::No,
            notarize: Vec::new(),
            sign: false,
        }
    }
}

fn publication(inputs: Inputs<'_>, publish: &Publish, decided: &Decided, mut due: Publication) -> Publication {
    if publish.images {
        due.pushes = due.members.iter().copied().filter(|&index| decided.is_pushed(index)).collect();
    }
    let is_listed = |&index: &usize| matches!(decided.settled[index].published.index, Fact::Yes(()));
    // A run that ended between a push and its index leaves the index with the image of before.
    let is_other = |&index: &usize| is_unlisted(inputs, &due.to, &decided.nodes[index].platform);
    due.index = publish.index
        && if publish.images {
            !due.pushes.is_empty() || !due.members.iter().all(is_listed) || due.members.iter().any(is_other)
        } else {
            !unlisted(inputs, due.package, &due.to).is_empty()
        };
    let changes = due.index || !due.pushes.is_empty();
    due.sign = publish.sign
        && (changes || signatures(inputs, publish, decided, &due).into_iter().any(|fact| fact.found().is_none()));
    // What the index will be nobody knows before it is written.
    let listed = inputs.facts.listing(&due.to);
    let listing = listed.found().filter(|_| !due.index).map(|listing| listing.digest.as_str());
    if let Some(release) = &publish.release {
        due.release = match inputs.facts.release(&due.to) {
            Fact::Yes(there) if Some(there.digest.as_str()) == listing => Due::No,
            // The index may come out as it is; the run compares again.
            Fact::Yes(_) if due.index && !due.pushes.iter().any(|&push| decided.is_built(push)) => Due::Yes,
            // Nor is it known what the release is then; the question that failed is the problem.
            Fact::Yes(_) if is_open(&listed) => Due::Yes,
            Fact::Yes(there) if !release.force && !may_extend(there, decided, &due) => Due::Taken,
            _ => Due::Yes,
        };
    }
    let exempt = inputs.workspace.package(due.package).build.as_ref().is_none_or(|build| build.disable_content_trust);
    if publish.notarize && !exempt {
        due.notarize = publish.tags(&due.to);
        due.notarize.retain(|tag| !is_notarized(inputs, tag, listing));
    }
    due
}

/// Whether a question has no answer.
pub(super) fn is_open<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::Unknown(_) | Fact::NotAsked)
}

/// Whether a release is an earlier state of the index and still will be: whatever it lists is pushed as it is. So each
/// architecture can release from a machine of its own.
fn may_extend(there: &Released, decided: &Decided, due: &Publication) -> bool {
    let mut pushed = due.pushes.iter().map(|&push| decided.nodes[push].platform.normal());
    there.earlier.as_ref().is_some_and(|listed| {
        let listed: BTreeSet<Platform> = listed.iter().map(Platform::normal).collect();
        pushed.all(|platform| !listed.contains(&platform))
    })
}

/// Whether what is there and is to be signed is so already: the index and its images, or the images alone.
pub(super) fn signatures<'a>(
    inputs: Inputs<'a>,
    publish: &Publish,
    decided: &Decided,
    due: &Publication,
) -> Vec<&'a Fact<()>> {
    if publish.index {
        return inputs.facts.signed(&due.to).collect();
    }
    let platforms = due.members.iter().map(|&member| &decided.nodes[member].platform);
    platforms.map(|platform| inputs.facts.is_arch_tag_signed(&due.to, platform)).collect()
}

/// The platforms whose `tag-arch` the registry has and the index does not list.
fn unlisted(inputs: Inputs<'_>, package: PackageId, to: &Reference) -> BTreeSet<Platform> {
    let mut platforms = indexed_platforms(inputs.workspace, package);
    platforms.retain(|platform| is_unlisted(inputs, to, platform));
    platforms
}

/// Whether the registry has a `tag-arch` of which the index lists another image, or none.
fn is_unlisted(inputs: Inputs<'_>, to: &Reference, platform: &Platform) -> bool {
    let listed = inputs.facts.in_index(to, platform);
    let tagged = inputs.facts.at_arch_tag(to, platform);
    tagged.found().is_some_and(|tagged| listed.found().is_none_or(|listed| listed.digest != tagged.digest))
}
