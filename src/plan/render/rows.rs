//! The steps of a plan as lines: one by one in their order, or by what causes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::roots::Roots;
use super::words::why_built;
use crate::plan::Plan;
use crate::plan::node::Reason;
use crate::plan::step::{Action, Step, StepKind};
use crate::wording::{columns, counted};

/// Lines that are listed one by one without being asked to; more are told by their causes.
const LISTED: usize = 12;
/// The width of lists of names.
const WIDTH: usize = 100;
/// Lines of names that are shown of one cause.
const LINES: usize = 4;

/// A step with all that is done after it with the same image.
struct Row<'a> {
    step: &'a Step,
    verbs: String,
}

/// One line, and names below it.
struct Line {
    verbs: String,
    cells: [String; 3],
    names: Vec<String>,
}

/// The steps; `verbose` lists all of them.
pub(super) fn steps(out: &mut String, plan: &Plan, verbose: bool) {
    let rows = rows(plan);
    let roots = Roots::of(plan);
    let listed = verbose || rows.len() <= LISTED;
    let mut lines: Vec<Line> = if listed {
        let line = |Row { step, verbs }: &Row<'_>| Line {
            verbs: verbs.clone(),
            cells: [
                step.title.clone(),
                format!("{}{}", why(plan, step), roots.pulled_in_by(step)),
                step.reference.clone(),
            ],
            names: Vec::new(),
        };
        rows.iter().map(line).collect()
    } else {
        causes(plan, &rows, &roots)
    };
    let width = lines.iter().map(|line| line.verbs.len()).max().unwrap_or_default();
    let cells: Vec<[String; 3]> = lines.iter_mut().map(|line| std::mem::take(&mut line.cells)).collect();
    for (line, row) in lines.iter().zip(columns(&cells)) {
        let _ = writeln!(out, "  {:<width$}  {row}", line.verbs);
        names(out, width + 4, &line.names);
    }
    if !listed {
        let _ = writeln!(out, "`-v` lists all steps, `kitmake explain PKG` says more of one package");
    }
}

/// One row per step in their order; what is done with an image goes with its build, and an index with the last push
/// before it.
fn rows(plan: &Plan) -> Vec<Row<'_>> {
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
    rows.into_iter().map(|(step, verbs)| Row { step, verbs: verbs.join(", ") }).collect()
}

/// The rows by what causes them: a build that waits for no other one with all that is built on it, and what has the same
/// reason together.
fn causes(plan: &Plan, rows: &[Row<'_>], roots: &Roots) -> Vec<Line> {
    let mut lines = Vec::new();
    for root in roots.with_dependents() {
        let step = &plan.steps[root.step.index()];
        let platforms: Vec<String> = root.platforms.iter().map(ToString::to_string).collect();
        let what = format!("{} {}", root.package, platforms.join(", "));
        let row = rows.iter().find(|row| row.step.id == step.id);
        lines.push(Line {
            verbs: row.map(|row| row.verbs.clone()).unwrap_or_default(),
            cells: [what, why(plan, step), format!("-> {}", counted(root.dependents, "package"))],
            names: Vec::new(),
        });
    }
    let mut alike: BTreeMap<(StepKind, &str, String, &str), BTreeSet<String>> = BTreeMap::new();
    for Row { step, verbs } in rows.iter().filter(|row| !roots.tell(row.step)) {
        let name = step.node.map_or_else(|| step.title.clone(), |node| plan.nodes[node].name.to_string());
        let noun = if step.node.is_some() { "package" } else { "image" };
        alike.entry((step.kind(), verbs, why(plan, step), noun)).or_default().insert(name);
    }
    for ((_, verbs, why, noun), mut together) in alike {
        let one = if together.len() == 1 { together.pop_first() } else { None };
        let what = one.unwrap_or_else(|| counted(together.len(), noun));
        lines.push(Line {
            verbs: verbs.to_owned(),
            cells: [what, why, String::new()],
            names: together.into_iter().collect(),
        });
    }
    lines
}

/// Names below a line, as many as fit into a few lines.
fn names(out: &mut String, indent: usize, names: &[String]) {
    let (mut lines, mut line, mut told) = (0, String::new(), 0);
    for (position, name) in names.iter().enumerate() {
        let comma = if position + 1 < names.len() { "," } else { "" };
        if !line.is_empty() && indent + line.len() + name.len() + 2 > WIDTH {
            let _ = writeln!(out, "{:indent$}{line}", "");
            line.clear();
            lines += 1;
            if lines == LINES {
                let _ = writeln!(out, "{:indent$}and {} more", "", names.len() - told);
                return;
            }
        }
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{name}{comma}");
        told += 1;
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}

/// Why a step is in the plan, in few words.
fn why(plan: &Plan, step: &Step) -> String {
    let node = step.node.map(|node| &plan.nodes[node]);
    match (&step.action, node) {
        (Action::Build(_), Some(node)) => why_built(node),
        (Action::Push { .. }, Some(node)) if node.reasons.contains(&Reason::NotPushed) => {
            "not in the registry".to_owned()
        }
        (Action::Push { .. }, Some(node)) if node.built => "built again".to_owned(),
        (Action::Push { .. }, _) => "another one in the registry".to_owned(),
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
