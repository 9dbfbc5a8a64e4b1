//! Puts a plan together: what is wrong, all of it at once, what is odd but stops nothing, and the steps.

use std::collections::{BTreeMap, BTreeSet};

use super::context;
use super::decide::Decided;
use super::demand::{Demand, unnamed};
use super::findings::Published;
use super::left_out::{lacking, leave_out, not_released};
use super::node::{Idle, Place, Reason, State};
use super::not_built::not_built;
use super::problem::{PlanError, not_asked};
use super::publication::{Due, Publication, indexed_platforms, publications, signatures};
use super::step::StepKind;
use super::steps::steps;
use super::trusted::{self, Repository};
use super::unasked::{like_stages, unasked};
use super::unpublished::unpublished;
use super::verdict::Supply;
use super::{Inputs, OnOutdated, Plan, Request, unsatisfiable};
use crate::graph;
use crate::presence::{Fact, MoreQuestions};
use crate::problem::{Problem, once};
use crate::wording::listed;
use crate::workspace::{Faulty, PackageId};

/// Puts the plan together; with a problem there are no steps.
pub(super) fn assemble(inputs: Inputs<'_>, request: &Request, demand: &Demand, decided: Decided) -> Plan {
    let mut packages = demand.all_packages();
    packages.extend(unnamed(inputs, demand));
    let mut problems: Vec<Problem> = Vec::new();
    let mut warnings: Vec<Problem> = Vec::new();
    for &package in &packages {
        problems.extend(problems_of(inputs, package));
        problems.extend(illegal_name(inputs, package));
        warnings.extend(warnings_of(inputs, package));
    }
    let together: Vec<PackageId> = packages.iter().copied().collect();
    problems.extend(graph::duplicate_outputs(inputs.workspace, inputs.tags, &together));
    for index in 0..decided.nodes.len() {
        problems.extend(problems_of_node(request, &decided, index));
    }
    problems.extend(dirty_pushes(inputs, request, &decided));
    problems.extend(context::problems(inputs, &decided));
    if request.trust {
        problems.extend(trusted::problems(inputs, Repository::of(inputs, request), &decided));
    }
    problems.extend(unsatisfiable::problems(inputs, request, &decided));
    let more = MoreQuestions {
        components: decided.settled.iter().flat_map(|settled| &settled.unread).cloned().collect(),
        external: unsatisfiable::questions(inputs, request, &decided),
    };
    let mut publications = publications(inputs, request, demand, &decided);
    for due in &publications {
        problems.extend(problems_of_publication(inputs, request, &decided, due));
        warnings.extend(lacking(inputs, request, demand, due));
    }
    warnings.extend(not_released(inputs, request, demand, &decided));
    let mut left_out = not_built(inputs, &decided);
    left_out.extend(publications.iter_mut().filter_map(|due| leave_out(inputs, request, &decided, due)));
    let said: BTreeSet<String> = left_out.iter().map(ToString::to_string).collect();
    warnings.retain(|warning| !said.contains(&warning.to_string()));
    let elsewhere = inputs.workspace.ids().filter(|id| !packages.contains(id));
    let broken_elsewhere = elsewhere.map(|id| Faulty {
        name: inputs.workspace.package(id).name.clone(),
        problems: once(problems_of(inputs, id).collect()),
    });
    let broken_elsewhere = broken_elsewhere.filter(|faulty| !faulty.problems.is_empty()).collect();
    let mut steps = if problems.is_empty() { steps(inputs, request, &decided, &publications) } else { Vec::new() };
    // What cannot be read cannot be written to either, which is better said before anything is built.
    if let (Fact::Unknown(problem), true) =
        (&inputs.facts.cache, steps.iter().any(|step| step.kind() == StepKind::Store))
    {
        problems.push(problem.clone());
        steps.clear();
    }
    let unpublished =
        if problems.is_empty() { unpublished(inputs, request, &decided, &publications) } else { Vec::new() };
    warnings.extend(like_stages(inputs, request, &decided));
    let unasked = unasked(inputs, request, &decided);
    let name = |package: PackageId| inputs.workspace.package(package).name.clone();
    let idle = demand.idle.iter().map(|(&package, &reason)| Idle { name: name(package), reason });
    Plan {
        nodes: decided.nodes,
        idle: idle.collect(),
        steps,
        problems: once(problems),
        left_out,
        warnings: once(warnings),
        unpublished,
        unasked,
        broken_elsewhere,
        more,
    }
}

/// Everything that is wrong with a package by itself.
fn problems_of(inputs: Inputs<'_>, package: PackageId) -> impl Iterator<Item = Problem> + '_ {
    let described = inputs.workspace.package(package);
    let tag = inputs.tags.packages[package.index()].as_ref().and_then(|tag| tag.as_ref().err());
    let of_graph = inputs.graph.problems.get(&package).into_iter().flatten();
    let dockerfile = described.dockerfile_problem.iter().filter(|_| described.template.is_none());
    described.problems.iter().chain(tag).chain(dockerfile).chain(of_graph).cloned()
}

/// Everything that is odd about a package; a template that nobody rendered is among it, since rendering is a step of
/// its own that need not have been taken.
fn warnings_of(inputs: Inputs<'_>, package: PackageId) -> impl Iterator<Item = Problem> + '_ {
    let described = inputs.workspace.package(package);
    let dockerfile = described.dockerfile_problem.iter().filter(|_| described.template.is_some());
    described.warnings.iter().chain(dockerfile).cloned()
}

/// The name that the command line or the yml gives an image need not be one that an engine takes.
fn illegal_name(inputs: Inputs<'_>, package: PackageId) -> Option<Problem> {
    let name = &inputs.tags.get(package)?.output;
    let why = name.reference().err()?.reason.to_owned();
    let package = inputs.workspace.package(package).name.to_string();
    Some(PlanError::IllegalName { package, name: name.to_string(), why }.into())
}

fn problems_of_node(request: &Request, decided: &Decided, index: usize) -> Vec<Problem> {
    let (node, settled) = (&decided.nodes[index], &decided.settled[index]);
    let mut problems = Vec::new();
    // What cannot be built is said to be so; the question where it is matters only to those that need it.
    if let Supply::Open(questions) = &settled.supply
        && (settled.needed || node.selected && node.state == State::Unknown)
    {
        problems.extend(questions.iter().cloned());
    }
    if request.on_outdated == OnOutdated::Error && node.state == State::Outdated && decided.is_used(index) {
        problems.push(
            PlanError::Outdated {
                package: node.name.to_string(),
                platform: node.platform.to_string(),
                image: node.reference.clone(),
            }
            .into(),
        );
    }
    if request.publish.is_some() && node.selected {
        problems.extend(problems_of_push(request, decided, index));
    }
    problems
}

/// Whether a selected node is to be pushed or listed, as far as is known.
fn is_asked_for(request: &Request, decided: &Decided, index: usize) -> bool {
    decided.is_delivered(index) || decided.nodes[index].state == State::Unknown || request.only_index()
}

/// Nothing dirty is pushed: one problem for all that is so for the same cause.
fn dirty_pushes(inputs: Inputs<'_>, request: &Request, decided: &Decided) -> Vec<Problem> {
    let mut causes: BTreeMap<Vec<String>, BTreeSet<&str>> = BTreeMap::new();
    let pushed = |&index: &usize| request.publish.is_some() && decided.nodes[index].selected;
    for index in (0..decided.nodes.len()).filter(pushed) {
        if decided.settled[index].dirty && is_asked_for(request, decided, index) {
            let node = &decided.nodes[index];
            let by_itself = node.reasons.contains(&Reason::Dirty);
            let roots = if by_itself { BTreeSet::new() } else { dirty_below(inputs, decided, index) };
            causes.entry(roots.into_iter().collect()).or_default().insert(node.name.as_str());
        }
    }
    let problems = causes.into_iter().map(|(roots, names)| {
        let are = if names.len() == 1 { "it is" } else { "they are" };
        let why = match &roots[..] {
            [] => format!("{are} dirty"),
            [root] => format!("{are} made from `{root}`, which is dirty"),
            roots => format!("{are} made from {}, which are dirty", listed(roots.iter().map(String::as_str))),
        };
        PlanError::DirtyPush { packages: listed(names.into_iter()), why }.into()
    });
    problems.collect()
}

fn problems_of_push(request: &Request, decided: &Decided, index: usize) -> Option<Problem> {
    let (node, settled) = (&decided.nodes[index], &decided.settled[index]);
    if settled.dirty && is_asked_for(request, decided, index) {
        return None;
    }
    if !request.build && request.pushes_images() && node.state.is_absent() {
        let (package, image) = (node.name.to_string(), node.reference.clone());
        return Some(PlanError::NotThere { package, platform: node.platform.to_string(), image }.into());
    }
    let certain = decided.is_built(index) || request.assume_missing.contains(&node.package);
    if certain || !decided.is_publishable(index) {
        return None;
    }
    let Published { arch_tag, index: listed } = &settled.published;
    // In the order in which the other questions are reported, so that the same cause is reported once.
    [(Place::Index, listed), (Place::ArchTag, arch_tag)].into_iter().find_map(|(place, fact)| match fact {
        Fact::Unknown(problem) => Some(problem.clone()),
        Fact::NotAsked => settled.image.as_ref().map(|image| not_asked(place, image)),
        Fact::Yes(()) | Fact::No => None,
    })
}

/// The names of the packages below a node that are dirty themselves: what is between them and it has nothing to commit.
fn dirty_below(inputs: Inputs<'_>, decided: &Decided, index: usize) -> BTreeSet<String> {
    let (mut seen, mut open, mut roots) = (BTreeSet::from([index]), vec![index], BTreeSet::new());
    while let Some(index) = open.pop() {
        roots.extend(decided.nodes[index].reasons.iter().filter_map(|reason| match reason {
            Reason::NamesDirty { package } => Some(package.clone()),
            _ => None,
        }));
        let below = decided.needs(inputs.graph, index).filter(|&below| decided.settled[below].dirty);
        for below in below.filter(|&below| seen.insert(below)).collect::<Vec<_>>() {
            if decided.nodes[below].reasons.contains(&Reason::Dirty) {
                roots.insert(decided.nodes[below].name.to_string());
            }
            open.push(below);
        }
    }
    roots
}

/// What keeps an index or what hangs on it from being written. A release and a signature are compared again when they are
/// made, so with `--assume-missing` they may count as missing; what an index is made of has to be known.
fn problems_of_publication(
    inputs: Inputs<'_>,
    request: &Request,
    decided: &Decided,
    due: &Publication,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if request.only_index() {
        let platforms = indexed_platforms(inputs.workspace, due.package);
        let tagged = platforms.iter().map(|platform| inputs.facts.at_arch_tag(&due.to, platform));
        problems.extend(tagged.filter_map(|fact| open(&fact, Place::ArchTag, due)));
        let listed = platforms.iter().map(|platform| inputs.facts.in_index(&due.to, platform));
        problems.extend(listed.filter_map(|fact| open(&fact, Place::Index, due)));
    }
    let Some(publish) = &request.publish else { return problems };
    if let (Due::Taken, Some(release)) = (due.release, &publish.release) {
        let package = inputs.workspace.package(due.package).name.to_string();
        problems.push(PlanError::ReleaseTaken { package, image: due.to.with_tag(&release.name).to_string() }.into());
    }
    let listing = open(&inputs.facts.listing(&due.to), Place::Index, due).filter(|_| publish.release.is_some());
    if due.members.is_empty() {
        // There is nothing to release but what is there.
        problems.extend(listing.clone());
    }
    if request.assume_missing.contains(&due.package) {
        return problems;
    }
    if inputs.facts.release(&due.to).found().is_some() {
        problems.extend(listing);
    }
    for tag in &due.notarize {
        problems.extend(open(inputs.facts.signed_with(tag), Place::Index, due));
    }
    if publish.sign {
        let signatures = signatures(inputs, publish, decided, due);
        problems.extend(signatures.into_iter().filter_map(|fact| open(fact, Place::Index, due)));
    }
    if publish.release.is_some() {
        problems.extend(open(inputs.facts.release(&due.to), Place::Index, due));
    }
    problems
}

/// The problem of a question that has no answer.
fn open<T>(fact: &Fact<T>, place: Place, due: &Publication) -> Option<Problem> {
    match fact {
        Fact::Unknown(problem) => Some(problem.clone()),
        Fact::NotAsked => Some(not_asked(place, &due.to)),
        Fact::Yes(_) | Fact::No => None,
    }
}
