//! The summary: how a run ended, with the failures at the very end, where they are looked for.

use std::time::Duration;

use indexmap::IndexMap;

use super::lines::{full_log, is_told_in_the_end, message};
use super::text::{Palette, Tone, duration, full_label, label};
use crate::plan::{Step, StepIndex, StepKind};
use crate::run::Outcome;

/// How many names a list has before it is cut.
const NAMES: usize = 20;
/// How many lines of its message are repeated of each failure that was told before.
const MESSAGE_LINES: usize = 3;

/// The last lines of a run that took this time, each with its newline; `stays` is the end of the first.
#[must_use]
pub(super) fn summary(steps: &[Step], outcome: &Outcome, elapsed: Duration, stays: &str, color: bool) -> String {
    let mut parts = vec![format!("{} in {}{stays}\n", counts(steps, outcome), duration(elapsed))];
    if outcome.interrupted {
        parts.push(format!("interrupted: {} of {} steps done\n", outcome.done.len(), steps.len()));
    } else if !outcome.not_started.is_empty() {
        let names = names(steps, &outcome.not_started);
        parts.push(format!("not started after the failure {}: {names}\n", outcome.not_started.len()));
    }
    let mut by_root: IndexMap<StepIndex, Vec<StepIndex>> = IndexMap::new();
    for &(step, root) in &outcome.skipped {
        by_root.entry(root).or_default().push(step);
    }
    by_root.sort_keys();
    for (root, skipped) in &by_root {
        let names = names(steps, skipped);
        let need = if skipped.len() == 1 { "needs" } else { "need" };
        parts.push(format!("skipped {} that {need} {}: {names}\n", skipped.len(), label(&steps[root.index()])));
    }
    for (step, failure) in &outcome.failed {
        parts.push(Palette { color }.line(Tone::Bad, "FAILED", &full_label(&steps[step.index()])));
        let whole = is_told_in_the_end(&steps[step.index()], failure);
        parts.extend(message(failure, if whole { usize::MAX } else { MESSAGE_LINES }));
        parts.push(full_log(failure));
    }
    parts.concat()
}

/// `built 12, pushed 12, fetched 1`.
fn counts(steps: &[Step], outcome: &Outcome) -> String {
    let verbs = [
        (StepKind::Build, "built"),
        (StepKind::Push, "pushed"),
        (StepKind::Index, "indexed"),
        (StepKind::Release, "released"),
        (StepKind::Notarize, "notarized"),
        (StepKind::Sign, "signed"),
        (StepKind::Store, "stored"),
        (StepKind::Fetch, "fetched"),
        (StepKind::Load, "loaded"),
    ];
    let counts: Vec<String> = verbs
        .into_iter()
        .map(|(kind, verb)| (verb, outcome.done.iter().filter(|step| steps[step.index()].kind() == kind).count()))
        .filter(|&(_, count)| count > 0)
        .map(|(verb, count)| format!("{verb} {count}"))
        .collect();
    if counts.is_empty() { "nothing done".to_owned() } else { counts.join(", ") }
}

/// The names of steps, builds first as they are what the others are of; a long list is cut.
fn names(steps: &[Step], of: &[StepIndex]) -> String {
    let mut sorted: Vec<&Step> = of.iter().map(|step| &steps[step.index()]).collect();
    sorted.sort_by_key(|step| step.kind() != StepKind::Build);
    let mut names: Vec<String> = sorted.iter().take(NAMES).map(|step| label(step)).collect();
    if sorted.len() > NAMES {
        names.push(format!("and {} more", sorted.len() - NAMES));
    }
    names.join(", ")
}
