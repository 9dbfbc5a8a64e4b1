//! Settles each node, bases first: what it is called, its key, where it is, and whether it is to be built.
//!
//! [`settle`] does one node, by the facts about it ([`found`](super::found)) and the rules on them
//! ([`verdict`](super::verdict)). What then is built, and pushed, follows from the selected nodes: an image that is
//! outdated and to be rebuilt is so only if it is selected, or needed by one that is built.

use std::collections::{BTreeMap, BTreeSet};

use super::base_keys::{self, BaseKeys};
use super::demand::{Demand, arches, needs, positions};
use super::findings::{Candidate, Findings, Origin, Own, Published, Subject, Vouching};
use super::node::{Doubt, Node, Place, Reason, State};
use super::recipe::Recipe;
use super::record::Unsaid;
use super::verdict::{Case, Supply, Verdict};
use super::{Inputs, Request};
use crate::git::PackageTag;
use crate::graph::{self, Graph, Mistake, NotBuildable};
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Facts, Found, KeyLabel};
use crate::workspace::PackageId;

/// What is known of a node beside what a plan shows of it.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// The image with its tag: the output of the package, with a `-dirty-` tag where it is built on a dirty one.
    pub(super) image: Option<Reference>,
    /// Dirty itself, or built on a dirty package: never pushed.
    pub(super) dirty: bool,
    /// What a node that is built on it gets.
    pub(super) supply: Supply,
    /// A node that is built needs it.
    pub(super) needed: bool,
    /// Whether its key says all there is to say, and so do the keys of all that it is built on.
    pub(super) definite: bool,
    /// The needs, as its components name them, whose keys do not.
    pub(super) indefinite: BTreeSet<String>,
    /// Where the registry has it.
    pub(super) published: Published,
    /// Whether linuxkit's cache has it.
    pub(super) cached: bool,
    /// Images on a registry that have another key, and were not asked what that was made from.
    pub(super) unread: BTreeSet<Reference>,
}

/// All nodes of a demand, settled.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    /// As they will be shown, in the order of the demand.
    pub(super) nodes: Vec<Node>,
    /// The rest, in the same order.
    pub(super) settled: Vec<Settled>,
    /// Indexes of all nodes, bases first.
    pub(super) order: Vec<usize>,
    /// The index of each node.
    pub(super) positions: BTreeMap<(PackageId, Platform), usize>,
}

/// Settles all nodes of a demand.
pub(super) fn decide(inputs: Inputs<'_>, request: &Request, demand: &Demand) -> Decided {
    let positions = positions(demand);
    let rank: BTreeMap<PackageId, usize> =
        inputs.graph.topological().into_iter().enumerate().map(|(rank, package)| (package, rank)).collect();
    let mut order: Vec<usize> = (0..demand.nodes.len()).collect();
    let members: Vec<&(PackageId, Platform)> = demand.nodes.iter().collect();
    // Packages on a cycle have no rank; the cycle is a problem of the plan, and any order will do.
    order.sort_by_key(|&index| (rank.get(&members[index].0).copied().unwrap_or(usize::MAX), index));

    let mut slots: Vec<Option<(Node, Settled)>> = vec![None; members.len()];
    for &index in &order {
        let needed = needs(inputs.graph, members[index])
            .filter_map(|(package, platform)| slots[*positions.get(&(package, platform.clone()))?].as_ref());
        let needed: Vec<&(Node, Settled)> = needed.collect();
        let selected = demand.selected.contains(members[index]);
        slots[index] = Some(settle(inputs, request, members[index], selected, &needed));
    }
    let (nodes, settled) = slots.into_iter().flatten().unzip();
    let mut decided = Decided { nodes, settled, order, positions };
    decided.pull_in(inputs.graph);
    for index in 0..decided.nodes.len() {
        decided.nodes[index].built = decided.is_built(index);
    }
    decided.say_what_indexes_lack(inputs, request);
    if request.pushes_images() {
        decided.say_what_is_not_published();
    }
    decided
}

impl Decided {
    /// The indexes of the nodes that a node is built from.
    pub(super) fn needs<'a>(&'a self, graph: &'a Graph, index: usize) -> impl Iterator<Item = usize> + 'a {
        let node = &self.nodes[index];
        needs(graph, &(node.package, node.platform.clone()))
            .filter_map(|(package, platform)| self.positions.get(&(package, platform.clone())).copied())
    }

    /// Whether anything depends on what is known of a node: it is selected, or used by a node that is built.
    pub(super) fn is_used(&self, index: usize) -> bool {
        self.nodes[index].selected || self.settled[index].needed
    }

    /// Whether a node is built.
    pub(super) fn is_built(&self, index: usize) -> bool {
        self.is_used(index) && matches!(self.settled[index].supply, Supply::Build)
    }

    /// Whether the plan has an image of a node that was asked for: it is built, or there already.
    pub(super) fn is_delivered(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        node.selected && (self.is_built(index) || node.state.is_there())
    }

    /// Whether a node is to be published, if anything is: nothing dirty ever is.
    pub(super) fn is_publishable(&self, index: usize) -> bool {
        self.is_delivered(index) && !self.settled[index].dirty
    }

    /// Walks back from the selected nodes: what is built needs what it is built on.
    fn pull_in(&mut self, graph: &Graph) {
        for position in (0..self.order.len()).rev() {
            let index = self.order[position];
            if !self.is_built(index) {
                continue;
            }
            let by = self.nodes[index].id();
            for needed in self.needs(graph, index).collect::<Vec<_>>() {
                if !self.is_used(needed) {
                    self.nodes[needed].reasons.push(Reason::NeededBy { node: by.clone() });
                }
                self.settled[needed].needed = true;
            }
        }
    }

    /// Whether a node that is to be published lacks its `tag-arch`.
    pub(super) fn is_pushed(&self, index: usize) -> bool {
        self.is_built(index) || !matches!(self.settled[index].published.arch_tag, Fact::Yes(()))
    }

    /// Says of each node that an existing index does not list which platforms that index has.
    fn say_what_indexes_lack(&mut self, inputs: Inputs<'_>, request: &Request) {
        for index in 0..self.nodes.len() {
            let settled = &self.settled[index];
            let Some(image) = settled.image.as_ref().filter(|_| !settled.dirty) else { continue };
            let listed = inputs.facts.listed_platforms(&image.on(request.registry.as_deref()));
            let lists = |platform: &Platform| listed.iter().any(|listed| listed.normal() == platform.normal());
            if listed.is_empty() || lists(&self.nodes[index].platform) {
                continue;
            }
            let package = self.nodes[index].package;
            let of_package = self.nodes.iter().filter(|node| node.package == package).map(|node| &node.platform);
            let lacking = of_package.filter(|platform| !lists(platform)).cloned().collect();
            let reason = Reason::PartialIndex { listed: listed.iter().cloned().collect(), lacking };
            self.nodes[index].reasons.push(reason);
        }
    }

    fn say_what_is_not_published(&mut self) {
        for index in 0..self.nodes.len() {
            if self.is_publishable(index) {
                let Published { arch_tag, index: listed } = &self.settled[index].published;
                let missing =
                    [(arch_tag, Place::ArchTag, Reason::NotPushed), (listed, Place::Index, Reason::NotInIndex)];
                // Another image that is in the way is a reason of its own.
                let node = &self.nodes[index];
                let told = node.reasons.iter().any(|reason| reason.comparison().is_some());
                let others = if told { node.others.clone() } else { Vec::new() };
                let missing = missing
                    .into_iter()
                    .filter(|(fact, place, _)| !matches!(fact, Fact::Yes(())) && !others.contains(place));
                self.nodes[index].reasons.extend(missing.map(|(_, _, reason)| reason));
            }
        }
    }
}

impl Settled {
    /// What there is of a node that is not built.
    pub(super) fn found(&self) -> Option<(Place, &Found)> {
        match &self.supply {
            Supply::Found(candidate) => Some((candidate.place, &candidate.found)),
            _ => None,
        }
    }
}

/// Settles one node whose needs are settled.
fn settle(
    inputs: Inputs<'_>,
    request: &Request,
    member: &(PackageId, Platform),
    selected: bool,
    needed: &[&(Node, Settled)],
) -> (Node, Settled) {
    let (package, platform) = (member.0, &member.1);
    let tag = inputs.tags.get(package);
    let BaseKeys { keys, indefinite } = base_keys::keys(inputs, request, member, needed);
    let components = Recipe::new(inputs, package, platform).map(|recipe| recipe.components(keys));
    let own =
        components.as_ref().map(|components| Own { key: components.label(), components, indefinite: &indefinite });

    let dirt = dirt(inputs, package, needed);
    let image = image(tag, dirt.as_ref(), own.as_ref().map(|own| &own.key));
    let vouching = match tag {
        _ if dirt.is_some() => Vouching::Dirty,
        Some(tag) if !tag.content_tag => Vouching::Mutable,
        _ => Vouching::Content,
    };
    let subject = image.as_ref().map(|image| Subject { image, platform, own: own.as_ref(), vouching });
    let findings = subject.map_or_else(Findings::nothing, |subject| Findings::new(inputs, request, subject));

    let hindrance = hindrance(inputs, request, member, components.is_some() && image.is_some(), needed);
    let (findings_of, facts) = (&findings, inputs.facts);
    let components_of = components.as_ref();
    let case = Case {
        request,
        package,
        selected,
        vouching,
        hindrance,
        findings: findings_of,
        components: components_of,
        facts,
    };
    let Verdict { state, supply, reasons: verdict } = case.verdict();
    let key = match &supply {
        Supply::Build => own.as_ref().map(|own| own.key.clone()),
        Supply::Found(candidate) => subject.and_then(|subject| subject.key_of(&candidate.found)).cloned(),
        Supply::Open(_) | Supply::Nothing => None,
    };
    // What is there of an image of unknown origin may be another one each time, however exact the key that it carries.
    let definite = own.as_ref().is_some_and(Own::is_definite)
        && !matches!(&supply, Supply::Found(there) if matches!(there.origin, Origin::Unknown(_)));
    let unread = subject.map(|subject| unread(facts, request, subject, &findings, &verdict)).unwrap_or_default();
    let mut reasons = stale_pins(inputs, member);
    let dirty = dirt.is_some();
    reasons.extend(dirt);
    reasons.extend(verdict);
    let node = Node {
        package,
        name: inputs.workspace.package(package).name.clone(),
        platform: platform.clone(),
        reference: image.as_ref().map(ToString::to_string).unwrap_or_default(),
        state,
        places: findings.places,
        others: findings.others,
        reasons,
        selected,
        built: false,
        key,
        components,
    };
    let (published, cached) = (findings.published, findings.cached);
    (node, Settled { image, dirty, supply, needed: false, definite, indefinite, published, cached, unread })
}

/// The images on a registry that have another key and that nobody asked for their components, where a reason hangs on what
/// they were made from.
fn unread(
    facts: &Facts,
    request: &Request,
    subject: Subject<'_>,
    findings: &Findings,
    reasons: &[Reason],
) -> BTreeSet<Reference> {
    let hangs_on_it = |reason: &Reason| match reason {
        Reason::UnknownOrigin { why } => *why == Doubt::UnknownBase,
        reason => reason.comparison().is_some_and(|comparison| comparison.unsaid == Some(Unsaid::NotAsked)),
    };
    if !reasons.iter().any(hangs_on_it) {
        return BTreeSet::new();
    }
    let remote = subject.image.on(request.registry.as_deref());
    let is_unread = |other: &&Candidate| {
        let differs = matches!(other.origin, Origin::Other | Origin::Unknown(Doubt::UnknownBase));
        differs && other.place.is_registry() && matches!(facts.components_of(&other.found.digest), Fact::NotAsked)
    };
    let unread = findings.candidates.iter().filter(is_unread);
    unread.filter_map(|other| format!("{}@{}", remote.name(), other.found.digest).parse().ok()).collect()
}

/// Why a node is dirty: by itself, by what it is built on, or by a tag that its build is given and that only a dirty package
/// has.
fn dirt(inputs: Inputs<'_>, package: PackageId, needed: &[&(Node, Settled)]) -> Option<Reason> {
    let is_dirty = |id: PackageId| inputs.tags.get(id).is_some_and(PackageTag::is_dirty);
    if is_dirty(package) {
        return Some(Reason::Dirty);
    }
    if let Some((node, _)) = needed.iter().find(|(_, settled)| settled.dirty) {
        return Some(Reason::BuiltOnDirty { node: node.id() });
    }
    let mut named = inputs.graph.edges_of(package).filter(|edge| edge.kind == graph::Kind::BuildArg);
    let named = named.find_map(|edge| edge.to.filter(|&to| is_dirty(to)))?;
    Some(Reason::NamesDirty { package: inputs.workspace.package(named).name.to_string() })
}

/// What the image is called. A clean package that is made from a dirty one gets a `-dirty-` tag, too, by its key.
fn image(tag: Option<&PackageTag>, dirt: Option<&Reason>, own: Option<&KeyLabel>) -> Option<Reference> {
    let output = tag?.output.reference().ok()?;
    Some(match (dirt, own) {
        (Some(Reason::BuiltOnDirty { .. } | Reason::NamesDirty { .. }), Some(own)) => {
            output.with_tag(&format!("{}-dirty-{}", output.tag().unwrap_or("latest"), &own.hash[..7]))
        }
        _ => output.clone(),
    })
}

/// Why a node cannot be built, if it cannot.
fn hindrance(
    inputs: Inputs<'_>,
    request: &Request,
    member: &(PackageId, Platform),
    can_be_described: bool,
    needed: &[&(Node, Settled)],
) -> Option<(State, Reason)> {
    let described = inputs.workspace.package(member.0);
    if described.build.is_some() && !arches(inputs.workspace, member.0).any(|listed| listed == member.1) {
        return Some((State::NotBuiltHere, Reason::NotInArches));
    }
    let of_platform = inputs.graph.nodes.get(member).and_then(|node| node.not_buildable.as_ref());
    let reason = match (&described.dockerfile_problem, of_platform) {
        (Some(problem), _) => Some(Reason::NotBuildable { why: problem.to_string() }),
        (None, Some(NotBuildable::Mistake(Mistake { why, .. }))) => Some(Reason::NotBuildable { why: why.clone() }),
        (None, Some(NotBuildable::NoStage(why))) => Some(Reason::NoStage { why: why.clone() }),
        (None, None) if can_be_described => None,
        (None, None) => Some(Reason::NotBuildable { why: "its build yml, tag or Dockerfile has an error".to_owned() }),
    };
    if let Some(reason) = reason {
        return Some((State::NotBuildable, reason));
    }
    if !request.build {
        return None;
    }
    if let Some(platform) = not_runnable(inputs, request, member) {
        return Some((State::NotBuildable, Reason::NoEmulator { platform: platform.clone() }));
    }
    let blocker = needed.iter().find(|(_, settled)| matches!(settled.supply, Supply::Nothing));
    blocker.map(|(node, _)| (State::Blocked, Reason::Blocked { by: node.id() }))
}

/// The first platform whose programs the build of a node runs and the builder is known not to. Variants are not told
/// apart: which of them a machine runs is seldom all listed.
fn not_runnable<'a>(inputs: Inputs<'a>, request: &Request, member: &(PackageId, Platform)) -> Option<&'a Platform> {
    let runs = request.runs.as_ref()?;
    let known = |platform: &Platform| {
        let mut all = runs.iter().chain([&request.builder]);
        all.any(|one| (one.os(), one.architecture()) == (platform.os(), platform.architecture()))
    };
    inputs.graph.nodes.get(member)?.runs.iter().find(|platform| !known(platform))
}

fn stale_pins(inputs: Inputs<'_>, member: &(PackageId, Platform)) -> Vec<Reason> {
    inputs
        .graph
        .edges_of(member.0)
        .filter(|edge| edge.state == graph::State::Stale && edge.platforms.contains(&member.1))
        .filter_map(|edge| {
            let package = edge.to.filter(|&to| to != member.0)?;
            Some(Reason::PinStale {
                reference: edge.reference.clone(),
                file: edge.file.clone(),
                line: edge.line,
                package: inputs.workspace.package(package).name.to_string(),
                current: inputs.tags.get(package).map(|tag| tag.identity.to_string()),
                allowed: inputs.workspace.config.allows(&edge.file, &edge.reference).map(str::to_owned),
            })
        })
        .collect()
}
