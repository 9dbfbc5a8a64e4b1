//! The plan: a pure function from graph, tags, presence and settings to steps with reasons.
//!
//! What a dry run prints is what a run does, because it is this same value. Nothing here reads a file, asks an engine or
//! a registry, or knows the time: the same inputs give the same plan, byte for byte.
//!
//! It is made in three passes. [`demand`] walks from the selected packages to what they need and collects the platforms
//! each is needed on. [`decide`] walks back, bases first, and settles for each node its key and its state: `findings` has
//! what is believed of the places, `verdict` the rules on it. [`steps`] turns the nodes that are to be built, brought or
//! pushed into steps.

mod assemble;
mod base_keys;
mod decide;
mod demand;
mod findings;
pub mod key;
mod node;
mod problem;
mod recipe;
mod render;
mod step;
mod steps;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use crate::git::Tags;
use crate::graph::Graph;
use crate::image::Platform;
use crate::presence::Facts;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

pub use node::{Node, Place, Reason, State};
pub use problem::PlanError;
pub use render::{json, notes, stale_pin_count, text};
pub use step::{Action, IndexEntry, PushSource, Step, StepIndex, StepKind};

pub use demand::{Demand, demand};

/// Which platforms each selected package is wanted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// The builder's own.
    Own,
    /// Those that each package lists.
    Arches,
    /// These.
    These(Vec<Platform>),
}

/// What to do about a published image that was made from other inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOutdated {
    /// Use it and say so.
    #[default]
    Warn,
    /// Build it again if it is selected or needed by one that is built and, with a push, overwrite the published tag.
    Rebuild,
    /// Fail the plan.
    Error,
}

/// What is asked of a plan.
#[derive(Debug, Clone)]
pub struct Request {
    /// The packages asked for, sorted.
    pub selected: Vec<PackageId>,
    /// The platforms they are wanted on.
    pub platforms: Platforms,
    /// The builder's own platform.
    pub builder: Platform,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<String>,
    /// Push what the registry lacks.
    pub push: bool,
    /// Build all selected nodes, whatever is there.
    pub force: bool,
    /// Bring selected nodes that are only in the registry to the builder.
    pub pull: bool,
    /// Packages whose presence counts as a no where it cannot be asked.
    pub assume_missing: BTreeSet<PackageId>,
    /// What to do about a published image that was made from other inputs.
    pub on_outdated: OnOutdated,
}

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
    /// Each after what it needs; none if there are problems, since then nothing may be done.
    pub steps: Vec<Step>,
    /// What keeps the plan from being run, all of it.
    pub problems: Vec<Problem>,
    /// What is odd but stops nothing.
    pub warnings: Vec<Problem>,
    /// Packages with problems that this plan does not touch.
    pub broken_elsewhere: usize,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether anything is to be built or pushed; bringing an image to the builder is neither.
    #[must_use]
    pub fn makes_anything(&self) -> bool {
        self.steps.iter().any(|step| step.kind() != StepKind::Fetch)
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(inputs: Inputs<'_>, request: &Request, demand: &Demand) -> Plan {
    let decided = decide::decide(inputs, request, demand);
    assemble::assemble(inputs, request, demand, decided)
}
