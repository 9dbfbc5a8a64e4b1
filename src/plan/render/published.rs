//! What is published and stays so, what is replaced, and what is not published at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::text::{list, section};
use crate::image::Platform;
use crate::plan::node::{Node, Place, Reason, State};
use crate::plan::step::{Action, Step};
use crate::plan::{Plan, Unpublished};
use crate::wording::and_more;

/// Names in one line.
const NAMES: usize = 3;

/// What was made from other inputs, and what can be done about it, where nothing is.
pub(super) fn outdated(out: &mut String, plan: &Plan) {
    let comparison = |node: &Node| node.reasons.iter().find_map(Reason::comparison).map(ToString::to_string);
    section(
        out,
        plan,
        "outdated, made from other inputs",
        |node| node.state == State::Outdated,
        |node| [node.reference.clone(), comparison(node).unwrap_or_default()],
    );
    let (ready, others): (Vec<&Node>, Vec<&Node>) = left(plan).partition(|node| is_ready(node));
    let (lasting, others): (Vec<&Node>, Vec<&Node>) =
        others.into_iter().partition(|node| node.reasons.iter().any(Reason::is_hindrance));
    if !lasting.is_empty() {
        let (first, more) = (lasting[0].id(), and_more(lasting.len() - 1));
        let _ = writeln!(out, "  {first}{more} cannot be built again; `kitmake explain` says why");
    }
    let (them, ones) = if ready.len() + others.len() == 1 { ("it", "one") } else { ("them", "ones") };
    let what = match (ready.len(), others.len()) {
        (0, 0) => return,
        (0, _) => format!("builds {them} again and replaces the published {ones}"),
        (_, 0) => format!("replaces the published {ones} with what is on the builder"),
        _ => format!("builds them again, but for {} on the builder, and replaces the published ones", ready.len()),
    };
    let _ = writeln!(out, "  `kitmake push --on-outdated rebuild` {what}");
}

/// What was asked for, was made from other inputs, and stays as it is.
fn left(plan: &Plan) -> impl Iterator<Item = &Node> {
    plan.nodes.iter().filter(|node| node.selected && node.state == State::Outdated && !node.built)
}

/// Whether the right image is there to replace the published one.
fn is_ready(node: &Node) -> bool {
    node.places.iter().any(|place| !place.is_registry())
}

/// The end of a summary: what a run leaves published that was made from other inputs, although it may be built anew; empty
/// where there is nothing.
#[must_use]
pub fn stays(plan: &Plan) -> String {
    let pushed =
        |index| plan.steps.iter().any(|step| step.node == Some(index) && matches!(step.action, Action::Push { .. }));
    let outdated = |(index, node): &(usize, &Node)| node.selected && node.state == State::Outdated && !pushed(*index);
    match plan.nodes.iter().enumerate().filter(outdated).count() {
        0 => String::new(),
        1 => "; 1 outdated image stays published".to_owned(),
        count => format!("; {count} outdated images stay published"),
    }
}

/// Published tags that are taken from the image that has them: those of the architectures, and the indexes that listed it.
pub(super) fn overwritten(out: &mut String, plan: &Plan) {
    let mut rows: BTreeMap<String, [String; 3]> = BTreeMap::new();
    for step in &plan.steps {
        let (Action::Push { to, .. }, Some(node)) = (&step.action, step.node.map(|node| &plan.nodes[node])) else {
            continue;
        };
        let is_taken = |place| node.others.contains(&place) || node.built && node.places.contains(&place);
        if is_taken(Place::ArchTag) {
            rows.insert(to.to_string(), [node.id(), to.to_string(), String::new()]);
        }
        if let Some(index) = index_of(plan, node).filter(|_| is_taken(Place::Index)) {
            let [_, _, platforms] = rows
                .entry(index.reference.clone())
                .or_insert_with(|| [node.name.to_string(), index.reference.clone(), "the index, for ".to_owned()]);
            let comma = if platforms.ends_with(' ') { "" } else { ", " };
            let _ = write!(platforms, "{comma}{}", node.platform);
        }
    }
    list(out, "published tags that are overwritten", rows.len(), &rows.into_values().collect::<Vec<_>>());
}

/// The step that writes the index of a node's package.
fn index_of<'a>(plan: &'a Plan, node: &Node) -> Option<&'a Step> {
    plan.steps.iter().find(|step| matches!(step.action, Action::Index { .. }) && step.title == node.name.as_str())
}

/// One line about what is not pushed although what is pushed is built on it; empty where there is nothing.
#[must_use]
pub fn unpublished(plan: &Plan) -> String {
    let found = &plan.unpublished;
    if found.is_empty() {
        return String::new();
    }
    let pushed: Vec<&Step> = plan.steps.iter().filter(|step| matches!(step.action, Action::Push { .. })).collect();
    let mut pushed: Vec<&str> =
        pushed.iter().filter_map(|step| step.node.map(|node| plan.nodes[node].name.as_str())).collect();
    pushed.dedup();
    let who = if let [one] = pushed[..] { one } else { "what is pushed" };
    let (noun, are) = if found.len() == 1 { ("package", "is") } else { ("packages", "are") };
    let more = and_more(found.len().saturating_sub(NAMES));
    let names: Vec<String> = found.iter().take(NAMES).map(named).collect();
    let remedy = remedy(found, &pushed).map(|remedy| format!("; {remedy}")).unwrap_or_default();
    format!("{who} is built on {} {noun} that {are} not pushed: {}{more}{remedy}\n", found.len(), names.join(", "))
}

/// What pushes these, too; nothing where no push does.
fn remedy(found: &[Unpublished], pushed: &[&str]) -> Option<String> {
    if !found.iter().all(|unpublished| unpublished.is_pushable) {
        return None;
    }
    let them = if found.len() == 1 { "it" } else { "them" };
    let names: Vec<&str> = found.iter().map(|unpublished| unpublished.name.as_str()).collect();
    let what = match (pushed, names.len()) {
        (_, ..=NAMES) => names.join(" "),
        ([one], _) => format!("'{one}...'"),
        _ => return Some(format!("a selector that ends in `...` names {them}, too")),
    };
    let mut command = format!("kitmake push {what}");
    if found.iter().any(|unpublished| unpublished.is_elsewhere) {
        let platforms = found.iter().flat_map(|unpublished| unpublished.platforms.iter().cloned()).collect();
        let _ = write!(command, " --platforms {}", listed(&platforms).replace(", ", ","));
    }
    if found.iter().any(|unpublished| unpublished.is_replaced) {
        command.push_str(" --on-outdated rebuild");
    }
    Some(format!("`{command}` pushes {them}"))
}

/// The name, and the platforms where a push has to be told them.
fn named(unpublished: &Unpublished) -> String {
    if unpublished.is_elsewhere {
        format!("{} ({})", unpublished.name, listed(&unpublished.platforms))
    } else {
        unpublished.name.to_string()
    }
}

fn listed(platforms: &BTreeSet<Platform>) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
