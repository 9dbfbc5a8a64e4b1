//! What keeps a plan from being run, all of it at once, and what is odd but stops nothing.

use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;

use super::decide::Decided;
use super::demand::Demand;
use super::node::{Place, State};
use super::step::Step;
use super::{Inputs, OnOutdated, Plan, Request};
use crate::graph;
use crate::image::Reference;
use crate::presence::Fact;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::PackageId;

/// Why a plan cannot be run.
#[derive(Debug, Error, Diagnostic)]
pub enum PlanError {
    /// A dirty package is to be pushed.
    #[error("refusing to push `{package}`: it is {why}")]
    #[diagnostic(
        code(plan::dirty_push),
        help("commit or discard the changes (`kitmake show-tag -v` names them), or build without `--push`")
    )]
    DirtyPush {
        /// The package.
        package: String,
        /// Dirty itself, or built on a dirty one.
        why: String,
    },
    /// A question that was not asked decides.
    #[error("nobody asked whether {place} has `{image}`")]
    #[diagnostic(
        code(plan::not_asked),
        help("plan without `--offline`, or count what cannot be asked as missing with `--assume-missing[=SELECTOR]`")
    )]
    NotAsked {
        /// Which place.
        place: &'static str,
        /// The image.
        image: String,
    },
    /// Tree hashes of another commit than the one that is checked out.
    #[error("cannot plan a build from the commit `{commit}`: only what is checked out as HEAD can be built")]
    #[diagnostic(
        code(plan::other_commit),
        help("check that commit out and leave `--hash-commit` away; `show-tag` takes it")
    )]
    OtherCommit {
        /// As asked for.
        commit: String,
    },
    /// A published image was made from other inputs, and that is to be an error.
    #[error("`{image}` for {platform} is there, but was made from other inputs than `{package}` has here")]
    #[diagnostic(
        code(plan::outdated),
        help("`--on-outdated rebuild` builds it again, `--on-outdated warn` uses it as it is")
    )]
    Outdated {
        /// The package.
        package: String,
        /// The platform.
        platform: String,
        /// The image.
        image: String,
    },
}

impl Fault for PlanError {
    fn class(&self) -> Class {
        match self {
            Self::NotAsked { .. } => Class::Infrastructure,
            Self::DirtyPush { .. } | Self::Outdated { .. } | Self::OtherCommit { .. } => Class::Repository,
        }
    }
}

/// The problem of a question that was not asked.
pub(super) fn not_asked(place: Place, image: &Reference) -> Problem {
    let place = if place == Place::Builder { "the builder" } else { "the registry" };
    PlanError::NotAsked { place, image: image.to_string() }.into()
}

/// Puts the plan together.
pub(super) fn assemble(
    inputs: Inputs<'_>,
    request: &Request,
    demand: &Demand,
    decided: Decided,
    steps: Vec<Step>,
) -> Plan {
    let packages = demand.all_packages();
    let mut problems: Vec<Problem> = Vec::new();
    let mut warnings: Vec<Problem> = Vec::new();
    for &package in &packages {
        problems.extend(problems_of(inputs, package));
        warnings.extend(warnings_of(inputs, package));
    }
    problems.extend(graph::duplicate_outputs(inputs.workspace, inputs.tags, &request.selected));
    for index in 0..decided.nodes.len() {
        problems.extend(problems_of_node(request, &decided, index));
    }
    let ids = inputs.workspace.ids();
    let broken_elsewhere = ids.filter(|id| !packages.contains(id) && problems_of(inputs, *id).next().is_some()).count();
    Plan {
        nodes: decided.nodes,
        steps,
        problems: distinct(problems),
        warnings: distinct(warnings),
        broken_elsewhere,
        selected: demand.packages.len(),
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

fn problems_of_node(request: &Request, decided: &Decided, index: usize) -> Vec<Problem> {
    let (node, settled) = (&decided.nodes[index], &decided.settled[index]);
    let mut problems = Vec::new();
    if settled.used {
        problems.extend(settled.unanswered.iter().cloned());
    }
    if request.on_outdated == OnOutdated::Error && node.state == State::Outdated && settled.used {
        problems.push(
            PlanError::Outdated {
                package: node.name.to_string(),
                platform: node.platform.to_string(),
                image: node.reference.clone(),
            }
            .into(),
        );
    }
    let pushed = request.push && node.selected && (settled.build || settled.place.is_some());
    if pushed && settled.dirty {
        let base = node.reasons.iter().find_map(|reason| match reason {
            super::Reason::BuiltOnDirty { node } => Some(format!("built on `{node}`, which is dirty")),
            _ => None,
        });
        let why = base.unwrap_or_else(|| "dirty".to_owned());
        problems.push(PlanError::DirtyPush { package: node.name.to_string(), why }.into());
    } else if pushed && !settled.build && !request.assume_missing.contains(&node.package) {
        match &settled.arch_tag {
            Fact::Unknown(problem) => problems.push(problem.clone()),
            Fact::NotAsked => problems.extend(settled.image.as_ref().map(|image| not_asked(Place::ArchTag, image))),
            Fact::Yes(()) | Fact::No => {}
        }
    }
    problems
}

/// Without repetitions, in the same order.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut known = BTreeSet::new();
    problems.into_iter().filter(|problem| known.insert(format!("{problem:?}"))).collect()
}
