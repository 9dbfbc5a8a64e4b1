//! A plan for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::Plan;
use crate::plan::expected::{Expected, ExpectedJson};
use crate::plan::node::{Idle, Place, Reason, State};
use crate::plan::step::{Action, StepKind};
use crate::problem::Problem;

/// The JSON form of a plan; fields are only ever added.
#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    schema_version: u32,
    nodes: Vec<NodeJson<'a>>,
    idle: &'a [Idle],
    steps: Vec<StepJson<'a>>,
    problems: Vec<ProblemJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<ExpectedJson<'a>>,
}

#[derive(Debug, Serialize)]
struct NodeJson<'a> {
    id: &'a str,
    platform: String,
    reference: &'a str,
    state: State,
    #[serde(rename = "where")]
    places: &'a [Place],
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

/// The plan as JSON, with a newline at the end, and how long it takes if that is known.
#[must_use]
pub fn json(plan: &Plan, expected: Option<&Expected>) -> String {
    let nodes = plan.nodes.iter().map(|node| NodeJson {
        id: node.name.as_str(),
        platform: node.platform.to_string(),
        reference: &node.reference,
        state: node.state,
        places: &node.places,
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
            expected_ms: expected.and_then(|expected| expected.step_ms(index)),
        }
    });
    let document = PlanJson {
        schema_version: 1,
        nodes: nodes.collect(),
        idle: &plan.idle,
        steps: steps.collect(),
        problems: plan.problems.iter().map(ProblemJson::of).collect(),
        expected: expected.map(|expected| expected.json(plan)),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("a plan is strings, lists and maps with string keys");
    text.push('\n');
    text
}
