//! A plan for programs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::plan::node::{Idle, Place, Reason, State};
use crate::plan::step::{Action, StepKind};
use crate::plan::{Plan, Unasked, Unpublished};
use crate::problem::Problem;

/// The JSON form of a plan; fields are only ever added.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema_version: u32,
    nodes: Vec<NodeJson<'a>>,
    idle: &'a [Idle],
    steps: Vec<StepJson<'a>>,
    problems: Vec<ProblemJson>,
    left_out: Vec<ProblemJson>,
    unpublished: Vec<&'a str>,
    unpublished_nodes: Vec<String>,
    unasked: Vec<UnaskedJson<'a>>,
}

#[derive(Debug, Serialize)]
struct UnaskedJson<'a> {
    host: &'a str,
    images: &'a BTreeSet<String>,
    why: Option<ProblemJson>,
}

#[derive(Debug, Serialize)]
struct NodeJson<'a> {
    id: &'a str,
    platform: String,
    reference: &'a str,
    state: State,
    #[serde(rename = "where")]
    places: &'a [Place],
    others: &'a [Place],
    reasons: &'a [Reason],
    selected: bool,
    built: bool,
    key: Option<String>,
}

#[derive(Debug, Serialize)]
struct StepJson<'a> {
    id: &'a str,
    kind: StepKind,
    node: Option<String>,
    reference: &'a str,
    needs: Vec<&'a str>,
    labels: Option<&'a BTreeMap<String, String>>,
    build_args: Option<&'a BTreeMap<String, String>>,
    network: Option<&'static str>,
    dockerfile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ProblemJson {
    code: String,
    message: String,
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl ProblemJson {
    fn of(problem: &Problem) -> Self {
        let (file, line) = problem.place().unzip();
        let help = problem.diagnostic().help().map(|help| help.to_string());
        Self { code: problem.code(), message: problem.to_string(), help, file, line }
    }
}

fn nodes_of(unpublished: &Unpublished) -> impl Iterator<Item = String> + '_ {
    unpublished.platforms.iter().map(|platform| format!("{}@{platform}", unpublished.name))
}

fn unasked(Unasked { host, images, why }: &Unasked) -> UnaskedJson<'_> {
    UnaskedJson { host, images, why: why.as_ref().map(ProblemJson::of) }
}

/// The plan as JSON, with a newline at the end.
#[must_use]
pub fn json(plan: &Plan) -> String {
    let document = document(plan, |_| None);
    let mut text = serde_json::to_string_pretty(&document).expect("a plan is strings, lists and maps with string keys");
    text.push('\n');
    text
}

/// The plan for a document that may say more; `expected_ms` is how long each step takes, by its place, if that is known.
pub fn document(plan: &Plan, expected_ms: impl Fn(usize) -> Option<u64>) -> Document<'_> {
    let nodes = plan.nodes.iter().map(|node| NodeJson {
        id: node.name.as_str(),
        platform: node.platform.to_string(),
        reference: &node.reference,
        state: node.state,
        places: &node.places,
        others: &node.others,
        reasons: &node.reasons,
        selected: node.selected,
        // With a problem nothing is.
        built: node.built && plan.problems.is_empty(),
        key: node.components.as_ref().map(|components| components.label().to_string()),
    });
    let steps = plan.steps.iter().enumerate().map(|(index, step)| {
        let request = match &step.action {
            Action::Build(request) => Some(request),
            _ => None,
        };
        StepJson {
            id: &step.id,
            kind: step.kind(),
            node: step.node.map(|node| plan.nodes[node].id()),
            reference: &step.reference,
            needs: step.needs.iter().map(|needed| plan.steps[needed.index()].id.as_str()).collect(),
            labels: request.map(|request| &request.labels),
            build_args: request.map(|request| &request.build_args),
            network: request.map(|request| if request.network { "default" } else { "none" }),
            dockerfile: request.map(|request| request.dockerfile.as_str()),
            expected_ms: expected_ms(index),
        }
    });
    Document {
        schema_version: 1,
        nodes: nodes.collect(),
        idle: &plan.idle,
        steps: steps.collect(),
        problems: plan.problems.iter().map(ProblemJson::of).collect(),
        left_out: plan.left_out.iter().map(ProblemJson::of).collect(),
        unpublished: plan.unpublished.iter().map(|unpublished| unpublished.name.as_str()).collect(),
        unpublished_nodes: plan.unpublished.iter().flat_map(nodes_of).collect(),
        unasked: plan.unasked.iter().map(unasked).collect(),
    }
}
