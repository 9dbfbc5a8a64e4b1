//! A plan as a page: for each package what is done with it on each platform, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::data::{Look, Node, OnPlatform, Page, Tone};
use super::graph::Scene;
use crate::git::Tags;
use crate::graph::Graph;
use crate::plan::{self, IdleReason, Plan, State};
use crate::problem::Problem;
use crate::run::Expected;
use crate::wording::counted;
use crate::workspace::{PackageId, Workspace};

/// The page of a plan: its packages, what lies between them, and how long it is expected to take.
#[must_use]
pub fn of_plan(plan: &Plan, expected: Option<&Expected>, graph: &Graph, workspace: &Workspace, tags: &Tags) -> Page {
    let idle = |id: &PackageId| plan.idle.iter().any(|idle| idle.name == workspace.package(*id).name);
    let shown: BTreeSet<PackageId> =
        plan.nodes.iter().map(|node| node.package).chain(workspace.ids().filter(idle)).collect();
    let shown: Vec<PackageId> = shown.into_iter().collect();
    let scene = Scene::new(graph, workspace, tags, &shown);
    let nodes: Vec<Node> = shown.iter().map(|&id| node(plan, &scene, id)).collect();
    let states = plan.nodes.iter().map(|node| node.state).chain(plan.idle.iter().map(|_| State::NotBuiltHere));
    let looks: BTreeMap<u8, Look> = states.map(|state| (rank(state), look(state))).collect();
    let text = plan::text(plan, false);
    let headline = text.lines().next().map(str::to_owned);
    let expected = expected.map(|expected| expected.line(plan).trim_end().to_owned());
    let packages = counted(nodes.len(), "package");
    Page {
        title: format!("{} – plan", scene.repository()),
        summary: [Some(packages), headline, expected].into_iter().flatten().collect::<Vec<_>>().join("; "),
        problems: plan.problems.iter().map(with_place).collect(),
        looks: looks.into_values().collect(),
        arrows: scene.arrows(),
        nodes,
    }
}

/// A problem behind its file and line, where it has one.
fn with_place(problem: &Problem) -> String {
    problem.place().map_or_else(|| problem.to_string(), |(file, line)| format!("{file}:{line}: {problem}"))
}

fn node(plan: &Plan, scene: &Scene<'_>, id: PackageId) -> Node {
    let mut node = scene.node(id);
    let nodes = plan.nodes.iter().enumerate().filter(|(_, node)| node.package == id);
    node.platforms = nodes.clone().map(|(index, _)| on_platform(plan, index)).collect();
    if let Some(idle) = plan.idle.iter().find(|idle| idle.name.as_str() == node.id) {
        node.facts.push(match idle.reason {
            IdleReason::NoArches => "built nowhere, since it lists no architectures".to_owned(),
            IdleReason::AllSkipped => "wanted on skipped platforms only".to_owned(),
        });
    } else if nodes.clone().all(|(_, node)| !node.selected) {
        node.facts.push("not selected: needed by others".to_owned());
    }
    let first = nodes.map(|(_, node)| node.state).min_by_key(|&state| rank(state));
    node.look = look(first.unwrap_or(State::NotBuiltHere)).key;
    node
}

fn on_platform(plan: &Plan, index: usize) -> OnPlatform {
    let node = &plan.nodes[index];
    let steps = plan.steps.iter().filter(|step| step.node == Some(index));
    OnPlatform {
        platform: node.platform.to_string(),
        look: look(node.state).key,
        steps: steps.map(|step| step.kind().to_string()).collect(),
        places: plan::place_names(&node.places),
        reasons: node.reasons.iter().map(plan::reason_words).collect(),
    }
}

/// The place of a state in the legend. A package looks like the first of the states that it has on its platforms.
fn rank(state: State) -> u8 {
    match state {
        State::Unknown => 0,
        State::Blocked => 1,
        State::NotBuildable => 2,
        State::Dirty => 3,
        State::Missing => 4,
        State::PartialIndex => 5,
        State::Outdated => 6,
        State::UnknownOrigin => 7,
        State::Present => 8,
        State::NotBuiltHere => 9,
    }
}

/// How a state is shown. Without a wildcard, so that a new one is given a look.
fn look(state: State) -> Look {
    let (key, mark, tone, label, meaning) = match state {
        State::Unknown => ("unknown", "?", Tone::Doubt, "unknown", "a question failed on which it hangs"),
        State::Blocked => {
            ("blocked", "!", Tone::Bad, "blocked", "it needs something that can neither be had nor built")
        }
        State::NotBuildable => {
            ("not-buildable", "×", Tone::Bad, "not buildable", "it cannot be built for this platform, or not here")
        }
        State::Dirty => ("dirty", "*", Tone::Doubt, "dirty", "it differs from the commit: built, and never pushed"),
        State::Missing => ("missing", "+", Tone::Todo, "missing", "no usable place has it"),
        State::PartialIndex => {
            ("partial-index", "◐", Tone::Todo, "partial index", "the registry has it for other platforms only")
        }
        State::Outdated => {
            ("outdated", "↻", Tone::Warn, "outdated", "an image of that name is there, made from other inputs")
        }
        State::UnknownOrigin => (
            "unknown-origin",
            "○",
            Tone::Good,
            "unknown origin",
            "some usable place has it, and it does not say what it was made from",
        ),
        State::Present => ("present", "✓", Tone::Good, "present", "some usable place has it, made from what is here"),
        State::NotBuiltHere => {
            ("not-built-here", "–", Tone::Mute, "not built here", "the package does not list the platform")
        }
    };
    Look { key, mark, label, meaning, tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_states_look_the_same_without_colours() {
        let states = [
            State::Unknown,
            State::Blocked,
            State::NotBuildable,
            State::Dirty,
            State::Missing,
            State::PartialIndex,
            State::Outdated,
            State::UnknownOrigin,
            State::Present,
            State::NotBuiltHere,
        ];
        let marks: BTreeSet<&str> = states.iter().map(|&state| look(state).mark).collect();
        let keys: BTreeSet<&str> = states.iter().map(|&state| look(state).key).collect();
        let ranks: BTreeSet<u8> = states.iter().map(|&state| rank(state)).collect();
        assert_eq!([marks.len(), keys.len(), ranks.len()], [states.len(); 3]);
    }
}
