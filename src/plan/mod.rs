//! The plan: a pure function from graph, tags, presence and settings to steps with reasons.
//!
//! What a dry run prints is what a run does, because it is this same value. Nothing here reads a file, asks an engine or
//! a registry, or knows the time: the same inputs give the same plan, byte for byte.
//!
//! It is made in three passes. [`demand`] walks from the selected packages to what they need and collects the platforms
//! each is needed on. [`decide`] walks back, bases first, and settles for each node its key and its state: `findings` has
//! what is believed of the places, `verdict` the rules on it. [`steps`] turns the nodes that are to be built or brought
//! into steps, and [`publish`](mod@publish) what is due on the registry.

mod assemble;
mod base_keys;
mod context;
mod decide;
mod demand;
pub mod difference;
pub mod files;
mod findings;
pub mod key;
mod left_out;
mod node;
mod not_built;
mod problem;
mod publication;
mod publish;
mod recipe;
pub mod record;
mod render;
mod request;
mod step;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trusted;
mod unasked;
mod unpublished;
mod unsatisfiable;
mod verdict;

use std::collections::BTreeMap;

use crate::git::Tags;
use crate::graph::Graph;
use crate::presence::{Facts, MoreQuestions};
use crate::problem::Problem;
use crate::workspace::{Faulty, PackageId, PackageName, Workspace};

pub use node::{Doubt, Idle, IdleReason, Node, Place, Reason, State};
pub use problem::PlanError;
pub use render::{
    Document, document, json, notes, place_names, reason_head, reason_words, stale_pin_count, stays, text, unpublished,
};
pub use request::{OnOutdated, Platforms, Publish, Release, Request};
pub use step::{Action, PushSource, Step, StepIndex, StepKind};

pub use demand::{Demand, demand, foreign_programs};
pub use publication::indexed_platforms;
pub use trusted::{Repository, trust_questions};
pub use unasked::Unasked;
pub use unpublished::Unpublished;

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The packages.
    pub workspace: &'a Workspace,
    /// Their tags.
    pub tags: &'a Tags,
    /// What they need.
    pub graph: &'a Graph,
    /// Where they are.
    pub facts: &'a Facts,
    /// Per package, the files of the context that its tree does not see: context path to mode and blake3.
    pub files: &'a BTreeMap<PackageId, BTreeMap<String, String>>,
}

/// What is to be done, and why.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Sorted by package, then platform.
    pub nodes: Vec<Node>,
    /// Selected packages of which nothing is built, sorted by package.
    pub idle: Vec<Idle>,
    /// Each after what it needs; none if there are problems, since then nothing may be done.
    pub steps: Vec<Step>,
    /// What keeps the plan from being run, all of it.
    pub problems: Vec<Problem>,
    /// What was asked for and is left out, while the rest is done.
    pub left_out: Vec<Problem>,
    /// What is odd but stops nothing.
    pub warnings: Vec<Problem>,
    /// Packages that what is pushed is built on, and that the registry will not have; sorted.
    pub unpublished: Vec<Unpublished>,
    /// Images that what is built needs, and of which nobody knows whether they are there.
    pub unasked: Vec<Unasked>,
    /// Packages with problems that this plan does not touch, sorted by name.
    pub broken_elsewhere: Vec<Faulty>,
    /// What has to be asked for the same plan to say more.
    pub more: MoreQuestions,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether an image, the index or a release of a package is written.
    #[must_use]
    pub fn publishes(&self, package: &PackageName) -> bool {
        let is_of = |step: &Step| match step.kind() {
            StepKind::Push => step.node.is_some_and(|node| self.nodes[node].name == *package),
            StepKind::Index | StepKind::Release => step.title == package.as_str(),
            _ => false,
        };
        self.steps.iter().any(is_of)
    }

    /// Whether anything is to be added to the trust data.
    #[must_use]
    pub fn notarizes(&self) -> bool {
        self.steps.iter().any(|step| step.kind() == StepKind::Notarize)
    }

    /// Whether nothing is to be built or pushed, and nothing that was asked for was made from other inputs. Bringing an
    /// image to the builder makes nothing.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        let makes = |step: &Step| !matches!(step.kind(), StepKind::Fetch | StepKind::Load);
        let outdated = |node: &Node| node.selected && node.state == State::Outdated;
        !self.steps.iter().any(makes) && !self.nodes.iter().any(outdated)
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(inputs: Inputs<'_>, request: &Request, demand: &Demand) -> Plan {
    let decided = decide::decide(inputs, request, demand);
    assemble::assemble(inputs, request, demand, decided)
}
