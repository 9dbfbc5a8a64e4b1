//! A plan as text for people and as JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::Plan;
use super::node::{Node, Place, Reason, State};
use super::step::{Action, Step, StepKind};

/// The JSON form of a plan; fields are only ever added.
#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    schema_version: u32,
    nodes: Vec<NodeJson<'a>>,
    steps: Vec<StepJson<'a>>,
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
}

/// The plan as JSON, with a newline at the end.
#[must_use]
pub fn json(plan: &Plan) -> String {
    let nodes = plan.nodes.iter().map(|node| NodeJson {
        id: node.name.as_str(),
        platform: node.platform.to_string(),
        reference: &node.reference,
        state: node.state,
        places: &node.places,
        reasons: &node.reasons,
        selected: node.selected,
        key: node.components.as_ref().map(|components| components.label().to_string()),
    });
    let steps = plan.steps.iter().map(|step| {
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
        }
    });
    let document = PlanJson { schema_version: 1, nodes: nodes.collect(), steps: steps.collect() };
    let mut text = serde_json::to_string_pretty(&document).expect("a plan is strings, lists and maps with string keys");
    text.push('\n');
    text
}

/// The plan for people: one line when there is nothing to do; else the steps in their order with their reasons, what is
/// there already, and what cannot be built. `verbose` lists what is there, too.
#[must_use]
pub fn text(plan: &Plan, verbose: bool) -> String {
    let mut out = String::new();
    let present = |node: &&Node| matches!(node.state, State::Present | State::Outdated);
    let there = plan.nodes.iter().filter(present).count();
    if plan.steps.is_empty() {
        let _ = writeln!(out, "nothing to do: {} of {} present", there, plural(plan.nodes.len(), "node"));
    } else {
        let _ = writeln!(out, "{}; {there} of {} present", totals(&plan.steps), plural(plan.nodes.len(), "node"));
        let width = plan.steps.iter().map(|step| step.title.len()).max().unwrap_or_default();
        for step in &plan.steps {
            let why = step.node.map(|node| why(&plan.nodes[node], step.kind())).unwrap_or_default();
            let line = format!("  {:<5}  {:<width$}  {:<24}  {}", step.kind(), step.title, why, step.reference);
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    if verbose {
        section(&mut out, plan, "present", present, |node| {
            let places: Vec<&str> = node.places.iter().map(|place| place_name(*place)).collect();
            format!("{}  {}", node.reference, places.join(", "))
        });
    }
    out.push_str(&notes(plan));
    out
}

/// What a plan leaves undone, and what is odd about its nodes.
#[must_use]
pub fn notes(plan: &Plan) -> String {
    let mut out = String::new();
    stale_pins(&mut out, plan);
    section(
        &mut out,
        plan,
        "outdated",
        |node| node.state == State::Outdated,
        |node| format!("{} was made from other inputs", node.reference),
    );
    section(&mut out, plan, "unknown", |node| node.state == State::Unknown, sentence);
    section(&mut out, plan, "blocked", |node| node.state == State::Blocked, sentence);
    section(&mut out, plan, "not buildable", |node| node.state == State::NotBuildable, sentence);
    section(&mut out, plan, "not built here", |node| node.state == State::NotBuiltHere, sentence);
    out
}

/// `build 3, push 3, index 2`.
fn totals(steps: &[Step]) -> String {
    let kinds = [StepKind::Fetch, StepKind::Build, StepKind::Push, StepKind::Index];
    let count = |kind| steps.iter().filter(|step| step.kind() == kind).count();
    let parts = kinds.into_iter().filter(|&kind| count(kind) > 0).map(|kind| format!("{kind} {}", count(kind)));
    parts.collect::<Vec<_>>().join(", ")
}

fn section(
    out: &mut String,
    plan: &Plan,
    title: &str,
    belongs: impl Fn(&&Node) -> bool,
    line: impl Fn(&Node) -> String,
) {
    let nodes: Vec<&Node> = plan.nodes.iter().filter(belongs).collect();
    if nodes.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}: {}", nodes.len());
    let width = nodes.iter().map(|node| node.id().len()).max().unwrap_or_default();
    for node in nodes {
        let _ = writeln!(out, "  {:<width$}  {}", node.id(), line(node));
    }
}

/// How many pins of the nodes are stale without being allowed to, each counted once, whatever the number of platforms.
#[must_use]
pub fn stale_pin_count(plan: &Plan) -> usize {
    stale_pin_list(plan, false).len()
}

/// File, line, reference, and what the pinned package is now, of the pins that kitmake.yml allows or of the others.
fn stale_pin_list(plan: &Plan, allowed: bool) -> BTreeSet<(&str, u32, &str, String)> {
    let reasons = plan.nodes.iter().flat_map(|node| &node.reasons);
    let pins = reasons.filter_map(|reason| match reason {
        Reason::PinStale { reference, file, line, package, current, allowed: why } if why.is_some() == allowed => {
            let tag = current.as_deref().and_then(|current| current.rsplit(':').next());
            let now = format!("{package} is {}", tag.unwrap_or("without a tag"));
            Some((file.as_str(), *line, reference.as_str(), now))
        }
        _ => None,
    });
    pins.collect()
}

fn stale_pins(out: &mut String, plan: &Plan) {
    let (pins, allowed) = (stale_pin_list(plan, false), stale_pin_list(plan, true).len());
    if allowed > 0 {
        let _ = writeln!(out, "stale pins: {}, {allowed} allowed", pins.len());
    } else if !pins.is_empty() {
        let _ = writeln!(out, "stale pins: {}", pins.len());
    }
    for (file, line, reference, now) in pins {
        let _ = writeln!(out, "  {file}:{line}  {reference}  ({now})");
    }
}

/// The first reason of a step in few words.
fn why(node: &Node, kind: StepKind) -> String {
    match kind {
        StepKind::Build => {
            let first = node.reasons.iter().find_map(|reason| match reason {
                Reason::Forced => Some("forced".to_owned()),
                Reason::Missing => Some("missing".to_owned()),
                Reason::AssumedMissing => Some("assumed missing".to_owned()),
                Reason::OutdatedOnBuilder => Some("made from other inputs".to_owned()),
                Reason::Outdated => Some("outdated".to_owned()),
                Reason::MutableTag => Some("mutable tag, other inputs".to_owned()),
                _ => None,
            });
            let mut text = first.unwrap_or_default();
            if node.reasons.contains(&Reason::Dirty) {
                text.push_str(", dirty");
            }
            if node.reasons.iter().any(|reason| matches!(reason, Reason::BuiltOnDirty { .. })) {
                text.push_str(", on a dirty base");
            }
            text
        }
        StepKind::Push => "not in the registry".to_owned(),
        StepKind::Fetch => "needed on the builder".to_owned(),
        StepKind::Index => String::new(),
    }
}

/// What keeps a node from being built.
fn sentence(node: &Node) -> String {
    let sentences = node.reasons.iter().filter_map(|reason| match reason {
        Reason::NotInArches => Some("the package does not list this platform".to_owned()),
        Reason::NotBuildable { why } | Reason::Unanswered { why } => Some(why.clone()),
        Reason::Blocked { by } => Some(format!("needs {by}")),
        _ => None,
    });
    sentences.collect::<Vec<_>>().join("; ")
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Builder => "builder",
        Place::Index => "index",
        Place::ArchTag => "tag-arch",
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
