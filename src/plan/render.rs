//! A plan as text for people and as JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::Plan;
use super::expected::{Expected, ExpectedJson};
use super::node::{Idle, IdleReason, Node, Place, Reason, State};
use super::step::{Action, Step, StepKind};
use crate::image::Platform;

/// The JSON form of a plan; fields are only ever added.
#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    schema_version: u32,
    nodes: Vec<NodeJson<'a>>,
    idle: &'a [Idle],
    steps: Vec<StepJson<'a>>,
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
        expected: expected.map(|expected| expected.json(plan)),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("a plan is strings, lists and maps with string keys");
    text.push('\n');
    text
}

/// The plan for people: one line when there is nothing to do; else the steps in their order with their reasons, what is
/// there already, and what cannot be built. `verbose` lists what is there, too.
#[must_use]
pub fn text(plan: &Plan, verbose: bool) -> String {
    let mut out = String::new();
    let present = |node: &&Node| node.state.is_there();
    let there = plan.nodes.iter().filter(present).count();
    let nodes = plural(plan.nodes.len(), "node");
    if !plan.problems.is_empty() {
        let _ = writeln!(out, "no plan: {}; {there} of {nodes} present", plural(plan.problems.len(), "problem"));
    } else if plan.steps.is_empty() {
        let _ = writeln!(out, "nothing to do: {there} of {nodes} present");
    } else {
        let _ = writeln!(out, "{}; {there} of {nodes} present", totals(&plan.steps));
        steps(&mut out, plan);
    }
    if verbose {
        section(&mut out, plan, "present", present, |node| {
            let places: Vec<&str> = node.places.iter().map(|place| place_name(*place)).collect();
            [node.reference.clone(), places.join(", ")]
        });
    }
    out.push_str(&notes(plan));
    out
}

/// One line per step in their order; what is done with an image goes with its build, and an index with the last push
/// before it.
fn steps(out: &mut String, plan: &Plan) {
    let mut rows: Vec<(&Step, Vec<String>)> = Vec::new();
    let mut row_of: Vec<usize> = Vec::new();
    for step in &plan.steps {
        let follows = match step.kind() {
            StepKind::Store | StepKind::Push | StepKind::Index | StepKind::Notarize | StepKind::Sign => {
                step.needs.last()
            }
            StepKind::Fetch | StepKind::Load | StepKind::Build | StepKind::Release => None,
        };
        let row = follows.map_or(rows.len(), |needed| row_of[needed.index()]);
        row_of.push(row);
        match rows.get_mut(row) {
            Some((_, verbs)) => verbs.push(step.kind().to_string()),
            None => rows.push((step, vec![step.kind().to_string()])),
        }
    }
    let verbs: Vec<String> = rows.iter().map(|(_, verbs)| verbs.join(", ")).collect();
    let width = verbs.iter().map(String::len).max().unwrap_or_default();
    let columns = rows.iter().map(|(step, _)| [step.title.clone(), why(plan, step), step.reference.clone()]);
    for (verbs, row) in verbs.iter().zip(aligned(columns.collect())) {
        let _ = writeln!(out, "  {verbs:<width$}  {row}");
    }
}

/// What a plan leaves undone, and what is odd about its nodes.
#[must_use]
pub fn notes(plan: &Plan) -> String {
    let mut out = String::new();
    stale_pins(&mut out, plan);
    let is = |state| move |node: &&Node| node.state == state;
    let outdated = "outdated, made from other inputs";
    section(&mut out, plan, outdated, is(State::Outdated), |node| [node.reference.clone(), String::new()]);
    let built: BTreeSet<usize> = plan.steps.iter().filter_map(built_node).collect();
    let built: BTreeSet<String> = built.into_iter().map(|node| plan.nodes[node].id()).collect();
    let open = |node: &&Node| node.state == State::Unknown && !built.contains(&node.id());
    section(&mut out, plan, "unknown", open, sentence);
    section(&mut out, plan, "blocked", is(State::Blocked), sentence);
    section(&mut out, plan, "not buildable", is(State::NotBuildable), sentence);
    not_built_here(&mut out, plan);
    out
}

/// The node that a step builds.
fn built_node(step: &Step) -> Option<usize> {
    step.node.filter(|_| step.kind() == StepKind::Build)
}

/// `build 3, push 3, index 2`.
fn totals(steps: &[Step]) -> String {
    let kinds = [
        StepKind::Fetch,
        StepKind::Load,
        StepKind::Build,
        StepKind::Store,
        StepKind::Push,
        StepKind::Index,
        StepKind::Release,
        StepKind::Notarize,
        StepKind::Sign,
    ];
    let count = |kind| steps.iter().filter(|step| step.kind() == kind).count();
    let parts = kinds.into_iter().filter(|&kind| count(kind) > 0).map(|kind| format!("{kind} {}", count(kind)));
    parts.collect::<Vec<_>>().join(", ")
}

fn section(
    out: &mut String,
    plan: &Plan,
    title: &str,
    belongs: impl Fn(&&Node) -> bool,
    columns: impl Fn(&Node) -> [String; 2],
) {
    let nodes: Vec<&Node> = plan.nodes.iter().filter(belongs).collect();
    let rows = nodes.into_iter().map(|node| {
        let [second, third] = columns(node);
        [node.id(), second, third]
    });
    list(out, title, rows.collect());
}

/// A title with a count, and the rows below it; nothing where there are none.
fn list(out: &mut String, title: &str, rows: Vec<[String; 3]>) {
    if !rows.is_empty() {
        let _ = writeln!(out, "{title}: {}", rows.len());
    }
    for row in aligned(rows) {
        let _ = writeln!(out, "  {row}");
    }
}

/// Rows as lines with aligned columns.
fn aligned(rows: Vec<[String; 3]>) -> impl Iterator<Item = String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    rows.into_iter().map(move |[a, b, c]| format!("{a:<first$}  {b:<second$}  {c}").trim_end().to_owned())
}

/// One line per platform: that a package does not list one is no more than a fact.
fn not_built_here(out: &mut String, plan: &Plan) {
    let rows = not_built_here_rows(plan);
    if !rows.is_empty() {
        let count: usize = rows.values().map(BTreeSet::len).sum();
        let _ = writeln!(out, "not built here: {count}");
    }
    let width = rows.keys().map(String::len).max().unwrap_or_default();
    for (why, names) in rows {
        let names: Vec<&str> = names.into_iter().collect();
        let _ = writeln!(out, "  {why:<width$}  {}", names.join(", "));
    }
}

/// The names of the packages that are not built, by platform; those that are built on none, by the reason.
fn not_built_here_rows(plan: &Plan) -> BTreeMap<String, BTreeSet<&str>> {
    let mut rows: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for Idle { name, reason } in &plan.idle {
        let why = match reason {
            IdleReason::NoArches => "lists no architectures",
            IdleReason::AllSkipped => "wanted on skipped platforms only",
        };
        rows.entry(why.to_owned()).or_default().insert(name.as_str());
    }
    let never = |node: &&Node| plan.idle.iter().any(|idle| idle.name == node.name);
    for node in plan.nodes.iter().filter(|node| node.state == State::NotBuiltHere && !never(node)) {
        rows.entry(node.platform.to_string()).or_default().insert(node.name.as_str());
    }
    rows
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
    let rows = pins
        .iter()
        .map(|(file, line, reference, now)| [format!("{file}:{line}"), (*reference).to_owned(), format!("({now})")]);
    if allowed > 0 {
        let _ = writeln!(out, "stale pins: {}, {allowed} allowed", pins.len());
    } else if !pins.is_empty() {
        let _ = writeln!(out, "stale pins: {}", pins.len());
    }
    for row in aligned(rows.collect()) {
        let _ = writeln!(out, "  {row}");
    }
}

/// Why a step is in the plan, in few words.
fn why(plan: &Plan, step: &Step) -> String {
    let node = step.node.map(|node| &plan.nodes[node]);
    match (&step.action, node) {
        (Action::Build(_), Some(node)) => why_built(node),
        (Action::Push { .. }, Some(node)) if !node.reasons.contains(&Reason::NotPushed) => "built again".to_owned(),
        (Action::Push { .. }, _) => "not in the registry".to_owned(),
        (Action::Fetch { .. } | Action::Load { .. }, _) => "not on the builder".to_owned(),
        (Action::Store { .. }, _) => "not in the cache".to_owned(),
        (Action::Index { required, .. }, _) => {
            let platforms: Vec<String> = required.iter().map(ToString::to_string).collect();
            if platforms.is_empty() { "what the registry has".to_owned() } else { platforms.join(", ") }
        }
        (Action::Release { force: false, .. }, _) => "not released".to_owned(),
        (Action::Release { force: true, .. }, _) => "released anew".to_owned(),
        (Action::Notarize { .. }, _) => "not in the trust data".to_owned(),
        (Action::Sign { .. }, _) => "not signed".to_owned(),
        (Action::Build(_), None) => String::new(),
    }
}

fn why_built(node: &Node) -> String {
    let words = node.reasons.iter().filter_map(|reason| match reason {
        Reason::Forced => Some("forced".to_owned()),
        Reason::Missing => Some("missing".to_owned()),
        Reason::AssumedMissing => Some("assumed missing".to_owned()),
        Reason::OutdatedOnBuilder(_) | Reason::Outdated(_) => Some("made from other inputs".to_owned()),
        Reason::MutableTag(_) => Some("mutable tag, other inputs".to_owned()),
        Reason::Dirty => Some("dirty".to_owned()),
        Reason::BuiltOnDirty { .. } => Some("on a dirty base".to_owned()),
        Reason::NeededBy { node: by } => {
            let same_platform = by.strip_suffix(&format!("@{}", node.platform));
            Some(format!("for {}", same_platform.unwrap_or(by)))
        }
        _ => None,
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What keeps a node from being built.
fn sentence(node: &Node) -> [String; 2] {
    let sentences = node.reasons.iter().filter_map(|reason| match reason {
        Reason::NotBuildable { why } | Reason::Unanswered { why } => Some(why.clone()),
        Reason::NoEmulator { platform } => Some(no_emulator(platform)),
        Reason::Blocked { by } => Some(format!("needs {by}")),
        _ => None,
    });
    [sentences.collect::<Vec<_>>().join("; "), String::new()]
}

/// Why, and what to do about it.
fn no_emulator(platform: &Platform) -> String {
    let install = format!("docker run --privileged --rm tonistiigi/binfmt --install {}", platform.architecture());
    format!(
        "it runs programs of {platform}, which the builder cannot run: on the builder's machine install an emulator with \
         `{install}` or Debian's package qemu-user-static, or build in a stage `FROM --platform=$BUILDPLATFORM`"
    )
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Builder => "builder",
        Place::Cache => "cache",
        Place::Index => "index",
        Place::ArchTag => "tag-arch",
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
