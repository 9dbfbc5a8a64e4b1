//! Settles each node, bases first: its key, where it is, and whether it is to be built.
//!
//! A node is usable from a place when the image there is not known to be made from other inputs. On a registry such an
//! image is still usable, and called outdated; on the builder it is not, so that it is never published. A tag that does
//! not contain the tree hash, and the tag of a dirty package, vouch for nothing: there only an equal key counts.

use std::collections::BTreeMap;

use super::demand::{Demand, arches, needs, positions};
use super::key::UNKNOWN_ORIGIN;
use super::node::{Node, Place, Reason, State};
use super::recipe::Recipe;
use super::{Inputs, OnOutdated, Request};
use crate::graph;
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Found, KeyLabel, arch_tag as arch_tag_of};
use crate::problem::Problem;
use crate::workspace::PackageId;

/// What is known of a node beside what a plan shows of it.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// The image with its tag: the output of the package, with a `-dirty-` tag where it is built on a dirty one.
    pub(super) image: Option<Reference>,
    /// Dirty itself, or built on a dirty package: never pushed.
    pub(super) dirty: bool,
    /// The place it is taken from when it is not built.
    pub(super) place: Option<(Place, Found)>,
    /// It is to be built.
    pub(super) build: bool,
    /// It is built, selected, or used by a node that is built.
    pub(super) used: bool,
    /// A node could use it: it is there, or can be built.
    obtainable: bool,
    /// It must be built if it is used.
    build_if_used: bool,
    /// The questions that failed and on which it hangs.
    pub(super) unanswered: Vec<Problem>,
    /// Whether the registry's `tag-arch` is this node; under a mutable tag only an equal key says so.
    pub(super) arch_tag: Fact<()>,
    /// Whether the registry's index lists this node; likewise.
    pub(super) index: Fact<()>,
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
    pull_in(inputs.graph, &mut decided);
    decided
}

impl Decided {
    /// The indexes of the nodes that a node is built from.
    pub(super) fn needs<'a>(&'a self, graph: &'a graph::Graph, index: usize) -> impl Iterator<Item = usize> + 'a {
        let node = &self.nodes[index];
        needs(graph, &(node.package, node.platform.clone()))
            .filter_map(|(package, platform)| self.positions.get(&(package, platform.clone())).copied())
    }
}

/// Walks back from the selected nodes: what is built uses what it needs, and what is used and not there is built.
fn pull_in(graph: &graph::Graph, decided: &mut Decided) {
    for position in (0..decided.order.len()).rev() {
        let index = decided.order[position];
        let settled = &mut decided.settled[index];
        settled.used |= decided.nodes[index].selected;
        settled.build = settled.used && settled.build_if_used;
        if !settled.build {
            continue;
        }
        let by = decided.nodes[index].id();
        for needed in decided.needs(graph, index).collect::<Vec<_>>() {
            let node = &mut decided.nodes[needed];
            if !decided.settled[needed].used && !node.selected {
                node.reasons.push(Reason::NeededBy { node: by.clone() });
            }
            decided.settled[needed].used = true;
        }
    }
}

/// What the key of an image says, compared with the key that the node has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Made from the same inputs.
    Same,
    /// It carries no key, or the keys cannot be compared.
    Unknown,
    /// Made from other inputs.
    Other,
}

fn origin(found: &Found, own: Option<(&KeyLabel, bool)>, name: &str, platform: &Platform) -> Origin {
    let Some(key) = found.key.as_ref().filter(|key| key.name == name && key.platform == *platform) else {
        return Origin::Unknown;
    };
    match own {
        Some((own, _)) if own.hash == key.hash => Origin::Same,
        Some((_, true)) => Origin::Other,
        _ => Origin::Unknown,
    }
}

fn settle(
    inputs: Inputs<'_>,
    request: &Request,
    member: &(PackageId, Platform),
    selected: bool,
    needed: &[&(Node, Settled)],
) -> (Node, Settled) {
    let (package, platform) = (member.0, &member.1);
    let described = inputs.workspace.package(package);
    let tag = inputs.tags.get(package);
    let mut reasons = stale_pins(inputs, member);

    let recipe = Recipe::new(inputs, package, platform);
    let components = recipe.as_ref().map(|recipe| recipe.components(keys_of_needs(inputs, request, member, needed)));
    let own = components.as_ref().map(|components| (components.label(), components.is_definite()));

    let dirty_base = needed.iter().find(|(_, settled)| settled.dirty).map(|(node, _)| node.id());
    let dirty_itself = tag.is_some_and(crate::git::PackageTag::is_dirty);
    let dirty = dirty_itself || dirty_base.is_some();
    if dirty_itself {
        reasons.push(Reason::Dirty);
    } else if let Some(node) = dirty_base {
        reasons.push(Reason::BuiltOnDirty { node });
    }
    let output = tag.and_then(|tag| tag.output.reference().ok());
    let image = output.map(|output| match (&own, dirty && !dirty_itself) {
        (Some((label, _)), true) => {
            output.with_tag(&format!("{}-dirty-{}", output.tag().unwrap_or("latest"), &label.hash[..7]))
        }
        _ => output.clone(),
    });

    let mutable = dirty || tag.is_some_and(|tag| !tag.content_tag);
    let places = image.as_ref().map(|image| look(inputs, request, image, platform, dirty)).unwrap_or_default();
    let name = image.as_ref().map(Reference::name).unwrap_or_default();
    let own_label = own.as_ref().map(|(label, definite)| (label, *definite));
    let mut candidates: Vec<(Origin, Place, Found)> = Vec::new();
    for (place, fact) in &places.facts {
        if let Some(found) = fact.found() {
            candidates.push((origin(found, own_label, &name, platform), *place, found.clone()));
        }
    }
    let vouched = |place: Place| {
        let fact = places.facts.iter().find(|(asked, _)| *asked == place).map(|(_, fact)| fact);
        let same = |candidate: &(Origin, Place, Found)| candidate.1 == place && candidate.0 == Origin::Same;
        match fact {
            Some(Fact::Yes(_)) if mutable && !candidates.iter().any(same) => Fact::No,
            Some(Fact::Yes(_)) => Fact::Yes(()),
            Some(Fact::Unknown(problem)) => Fact::Unknown(problem.clone()),
            Some(Fact::NotAsked) => Fact::NotAsked,
            Some(Fact::No) | None => Fact::No,
        }
    };
    let (arch_tag, index) = (vouched(Place::ArchTag), vouched(Place::Index));
    let here: Vec<Place> = candidates.iter().map(|(_, place, _)| *place).collect();
    let usable = |(origin, place, _): &&(Origin, Place, Found)| match origin {
        Origin::Same => true,
        Origin::Unknown => !mutable,
        Origin::Other => !mutable && *place != Place::Builder,
    };
    let chosen = candidates.iter().filter(usable).min_by_key(|(origin, place, _)| (*origin, *place)).cloned();

    let in_arches = arches(inputs.workspace, package).any(|listed| listed == *platform);
    let cannot = cannot_be_built(inputs, member, recipe.is_some());
    let blocker = needed.iter().find(|(_, settled)| !settled.obtainable).map(|(node, _)| node.id());
    let mut unanswered = Vec::new();
    let (state, build_if_used, obtainable) = if selected && !in_arches {
        reasons.push(Reason::NotInArches);
        (State::NotBuiltHere, false, false)
    } else if let Some((origin, ..)) = &chosen {
        let rebuild = *origin == Origin::Other && request.on_outdated == OnOutdated::Rebuild;
        let forced = selected && request.force;
        let build = (rebuild || forced) && in_arches && cannot.is_none() && blocker.is_none();
        if forced {
            reasons.push(Reason::Forced);
        }
        match origin {
            Origin::Other => reasons.push(Reason::Outdated),
            Origin::Unknown if own.as_ref().is_some_and(|(_, definite)| *definite) => {
                reasons.push(Reason::UnknownOrigin);
            }
            _ => {}
        }
        (if *origin == Origin::Other { State::Outdated } else { State::Present }, build, true)
    } else if !in_arches {
        reasons.push(Reason::NotInArches);
        (State::NotBuiltHere, false, false)
    } else if let Some(why) = cannot {
        reasons.push(Reason::NotBuildable { why });
        (State::NotBuildable, false, false)
    } else if let Some(by) = blocker {
        reasons.push(Reason::Blocked { by });
        (State::Blocked, false, false)
    } else if places.unanswered.is_empty() {
        reasons.push(if candidates.is_empty() {
            Reason::Missing
        } else if mutable {
            Reason::MutableTag
        } else {
            Reason::OutdatedOnBuilder
        });
        (State::Missing, true, true)
    } else if request.assume_missing.contains(&package) {
        reasons.push(Reason::AssumedMissing);
        (State::Missing, true, true)
    } else if selected && request.force {
        reasons.push(Reason::Forced);
        (State::Unknown, true, true)
    } else {
        reasons.extend(places.unanswered.iter().map(|problem| Reason::Unanswered { why: problem.to_string() }));
        unanswered.clone_from(&places.unanswered);
        (State::Unknown, false, true)
    };

    let chosen_key = chosen.as_ref().and_then(|(_, _, found)| found.key.clone());
    let key = if build_if_used {
        own.map(|(label, _)| label)
    } else {
        chosen_key.filter(|key| key.name == name && key.platform == *platform)
    };
    let node = Node {
        package,
        name: described.name.clone(),
        platform: platform.clone(),
        reference: image.as_ref().map(ToString::to_string).unwrap_or_default(),
        state,
        places: here,
        reasons,
        selected,
        key,
        components,
    };
    let settled = Settled {
        image,
        dirty,
        place: chosen.map(|(_, place, found)| (place, found)),
        build: false,
        used: false,
        obtainable,
        build_if_used,
        unanswered,
        arch_tag,
        index,
    };
    (node, settled)
}

/// The keys of the images of this repository that a node is built on, by reference as its Dockerfile has it. Those of
/// stale pins, too: whether an image was made from another base does not depend on whether the pin to it is still
/// current.
fn keys_of_needs(
    inputs: Inputs<'_>,
    request: &Request,
    member: &(PackageId, Platform),
    needed: &[&(Node, Settled)],
) -> BTreeMap<String, String> {
    let references = inputs.graph.nodes.get(member).map_or(&[][..], |node| &node.references);
    let mut keys = BTreeMap::new();
    for reference in references.iter().filter(|reference| reference.image.reached) {
        let (Some(package), Ok(written)) = (reference.package, &reference.image.expanded) else { continue };
        let platform = &reference.image.platform;
        let key = match reference.state {
            graph::State::Current => needed
                .iter()
                .find(|(node, _)| node.package == package && node.platform == *platform)
                .and_then(|(node, _)| node.key.clone()),
            graph::State::Stale => published_key(inputs, request, written, platform),
            _ => continue,
        };
        let key = key.map_or_else(|| UNKNOWN_ORIGIN.to_owned(), |key| key.to_string());
        keys.insert(format!("{written} {platform}"), key);
    }
    keys
}

/// The key of an image that this repository published some time ago.
fn published_key(inputs: Inputs<'_>, request: &Request, written: &str, platform: &Platform) -> Option<KeyLabel> {
    let image: Reference = written.parse().ok()?;
    let remote = image.on(request.registry.as_deref());
    let found = [inputs.facts.in_index(&remote, platform), inputs.facts.at_arch_tag(&remote, platform)];
    let keys = found.iter().filter_map(|fact| fact.found()?.key.clone());
    keys.into_iter().find(|key| key.name == image.name() && key.platform == *platform)
}

/// The facts about one node, by place.
#[derive(Default)]
struct Look {
    facts: Vec<(Place, Fact<Found>)>,
    unanswered: Vec<Problem>,
}

fn look(inputs: Inputs<'_>, request: &Request, image: &Reference, platform: &Platform, dirty: bool) -> Look {
    let facts = inputs.facts;
    let right = |fact: Fact<&Found>| match fact {
        Fact::Yes(found) if found.platform.as_ref().is_none_or(|there| there == platform) => Fact::Yes(found.clone()),
        Fact::Yes(_) | Fact::No => Fact::No,
        Fact::Unknown(problem) => Fact::Unknown(problem),
        Fact::NotAsked => Fact::NotAsked,
    };
    let mut builder = right(facts.on_builder(&arch_tag_of(image, platform)));
    if builder.is_no() && *platform == request.builder {
        builder = right(facts.on_builder(image));
    }
    let remote = image.on(request.registry.as_deref());
    let (index, arch) = if dirty {
        (Fact::No, Fact::No)
    } else {
        (right(facts.in_index(&remote, platform)), right(facts.at_arch_tag(&remote, platform)))
    };
    let facts = vec![(Place::Builder, builder), (Place::Index, index), (Place::ArchTag, arch)];
    let mut unanswered: Vec<Problem> = Vec::new();
    for (place, fact) in &facts {
        let problem = match fact {
            Fact::Unknown(problem) => problem.clone(),
            Fact::NotAsked => super::problem::not_asked(*place, image),
            Fact::Yes(_) | Fact::No => continue,
        };
        if !unanswered.iter().any(|known| known.to_string() == problem.to_string()) {
            unanswered.push(problem);
        }
    }
    Look { facts, unanswered }
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

fn cannot_be_built(inputs: Inputs<'_>, member: &(PackageId, Platform), recipe: bool) -> Option<String> {
    let described = inputs.workspace.package(member.0);
    if let Some(problem) = &described.dockerfile_problem {
        return Some(problem.to_string());
    }
    match inputs.graph.nodes.get(member) {
        Some(node) if node.not_buildable.is_some() => node.not_buildable.clone(),
        Some(_) if recipe => None,
        _ => Some("its build yml, tag or Dockerfile has an error".to_owned()),
    }
}
