//! A plan for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::published::{outdated, overwritten, unpublished};
use super::rows::steps;
use super::unknown::{unasked, unknown};
use super::words::{place_names, sentence};
use crate::plan::Plan;
use crate::plan::files::together;
use crate::plan::node::{Idle, IdleReason, Node, Reason, State};
use crate::plan::step::{Step, StepKind};
use crate::wording::{and_more, columns, counted, thousands};

/// More stale pins than this are told by what they name.
const PINS: usize = 8;

/// The plan for people: one line when there is nothing to do; else what is to be done, the causes first with what each
/// pulls in, and then what is odd. `verbose` lists all steps in their order, and what is there.
#[must_use]
pub fn text(plan: &Plan, verbose: bool) -> String {
    let mut out = String::new();
    let present = |node: &&Node| node.state.is_there();
    let there = counts(plan);
    if !plan.problems.is_empty() {
        let _ = writeln!(out, "no plan: {}; {there}", counted(plan.problems.len(), "problem"));
    } else if plan.steps.is_empty() {
        let _ = writeln!(out, "nothing to do: {there}");
    } else {
        let _ = writeln!(out, "{}; {there}", totals(&plan.steps));
        steps(&mut out, plan, verbose);
    }
    if verbose {
        section(&mut out, plan, "present", present, |node| {
            let origin = if node.state == State::UnknownOrigin { ", of unknown origin" } else { "" };
            [node.reference.clone(), format!("{}{origin}", place_names(&node.places))]
        });
    }
    noted(&mut out, plan, verbose);
    out.push_str(&unpublished(plan));
    out
}

/// `2 of 8 nodes present`, not counting those that are built nowhere, and how many of the nodes are in a state that
/// nothing else would show.
fn counts(plan: &Plan) -> String {
    let count = |state| plan.nodes.iter().filter(|node| node.state == state).count();
    let there = plan.nodes.iter().filter(|node| node.state.is_there()).count();
    let somewhere = plan.nodes.len() - count(State::NotBuiltHere);
    let mut text = format!("{there} of {} present", counted(somewhere, "node"));
    for (state, words) in [
        (State::UnknownOrigin, "of unknown origin"),
        (State::Outdated, "outdated"),
        (State::PartialIndex, "lacked by an index"),
        (State::Dirty, "dirty"),
    ] {
        if count(state) > 0 {
            let _ = write!(text, ", {} {words}", count(state));
        }
    }
    text
}

/// What a plan leaves undone, and what is odd about its nodes.
#[must_use]
pub fn notes(plan: &Plan) -> String {
    let mut out = String::new();
    noted(&mut out, plan, false);
    out
}

fn noted(out: &mut String, plan: &Plan, verbose: bool) {
    stale_pins(out, plan, verbose);
    let is = |state| move |node: &&Node| node.state == state;
    outdated(out, plan);
    overwritten(out, plan);
    files_outside_git(out, plan);
    unknown(out, plan, verbose);
    unasked(out, plan, verbose);
    section(out, plan, "blocked", is(State::Blocked), sentence);
    section(out, plan, "not buildable", is(State::NotBuildable), sentence);
    not_built_here(out, plan);
}

/// Files that git does not see and that go into what is built from a clean package, one line for each directory of many.
fn files_outside_git(out: &mut String, plan: &Plan) {
    let built = plan.nodes.iter().filter(|node| node.built && node.state != State::Dirty);
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in built.filter(|node| !node.reasons.contains(&Reason::Dirty)) {
        let Some(components) = node.components.as_ref().filter(|components| !components.files.is_empty()) else {
            continue;
        };
        let files = components.files.keys().map(|path| (path.clone(), 1)).collect();
        let told = together(&files).into_iter().map(|(path, count)| match path.strip_suffix('/') {
            Some("") => format!("{} files", thousands(count)),
            Some(directory) => format!("{} files below {directory}", thousands(count)),
            None => path,
        });
        rows.insert(node.name.as_str(), told.collect());
    }
    let rows = rows.into_iter().map(|(name, told)| [name.to_owned(), told.join(", "), String::new()]);
    let rows: Vec<[String; 3]> = rows.collect();
    list(out, "built with files that git does not track", rows.len(), &rows);
}

/// The node that a step builds.
pub(super) fn built_node(step: &Step) -> Option<usize> {
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

/// Nodes in a section of their own.
pub(super) fn section(
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
    let rows: Vec<[String; 3]> = rows.collect();
    list(out, title, rows.len(), &rows);
}

/// A title with a count, and the rows below it; nothing where there are none.
pub(super) fn list(out: &mut String, title: &str, count: usize, rows: &[[String; 3]]) {
    if !rows.is_empty() {
        let _ = writeln!(out, "{title}: {count}");
    }
    for row in columns(rows) {
        let _ = writeln!(out, "  {row}");
    }
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

fn stale_pins(out: &mut String, plan: &Plan, verbose: bool) {
    let (pins, allowed) = (stale_pin_list(plan, false), stale_pin_list(plan, true).len());
    if allowed > 0 {
        let _ = writeln!(out, "stale pins: {}, {allowed} allowed", pins.len());
    } else if !pins.is_empty() {
        let _ = writeln!(out, "stale pins: {}", pins.len());
    }
    let mut places: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (file, line, reference, now) in &pins {
        places.entry((reference, now)).or_default().push(format!("{file}:{line}"));
    }
    let together = !verbose && pins.len() > PINS;
    let row = |((reference, now), places): ((&str, &str), Vec<String>)| {
        let more = and_more(places.len() - 1);
        [format!("{}{more}", places[0]), reference.to_owned(), format!("({now})")]
    };
    let rows: Vec<[String; 3]> = if together {
        places.into_iter().map(row).collect()
    } else {
        let row = |(file, line, reference, now): &(&str, u32, &str, String)| {
            [format!("{file}:{line}"), (*reference).to_owned(), format!("({now})")]
        };
        pins.iter().map(row).collect()
    };
    for row in columns(&rows) {
        let _ = writeln!(out, "  {row}");
    }
    if !pins.is_empty() {
        let _ = writeln!(out, "  `kitmake pins fix` writes the present tags, or says why it cannot");
    }
}
