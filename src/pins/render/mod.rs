//! Pins, findings and fixes as text and as JSON.
//!
//! | module | what it shows |
//! |---|---|
//! | `list` | all pins with their states |
//! | `findings` | what is wrong with them |
//! | `fixed` | what a fix changes, and what it leaves |

mod findings;
mod fixed;
mod list;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Pin, State};
use crate::wording::{and_more, columns};
use crate::workspace::Workspace;

pub use findings::{findings_json, findings_text, needless_text, not_asked_text};
pub use fixed::{elsewhere_text, fixed_text, kept_text, outcome_text};
pub use list::{json, text};

/// More rows than this are told together where they say the same.
const ROWS: usize = 8;

/// The version of the JSON documents.
const VERSION: u32 = 1;

/// One pin for programs.
fn pin_json(pin: &Pin, workspace: &Workspace) -> Value {
    let name = |id: &crate::workspace::PackageId| workspace.package(*id).name.clone();
    let reason = match &pin.state {
        State::Allowed(reason) | State::Foreign(reason) | State::Unresolved(reason) => Some(reason),
        _ => None,
    };
    json!({
        "file": pin.file,
        "line": pin.line,
        "kind": pin.kind,
        "reference": pin.reference,
        "state": pin.state.name(),
        "reached": pin.is_reached,
        "package": pin.package.as_ref().map(name),
        "expected": pin.expected.as_ref().map(ToString::to_string),
        "used_by": pin.used_by.iter().map(name).collect::<Vec<_>>(),
        "reason": reason,
        "not_rewritable": pin.tag_at.as_ref().err().filter(|_| pin.package.is_some() || pin.state == State::Stale),
    })
}

fn place(pin: &Pin) -> String {
    format!("{}:{}", pin.file, pin.line)
}

/// The reference and what there is to say of it.
fn said(pin: &Pin, workspace: &Workspace) -> String {
    let reference = &pin.reference;
    let package = pin.package.map(|id| workspace.package(id).name.to_string()).unwrap_or_default();
    match (&pin.state, &pin.expected) {
        (State::Stale, Some(expected)) => {
            let why = pin.tag_at.as_ref().err().map(|why| format!("; {why}")).unwrap_or_default();
            format!("{reference}, but `{package}` is {expected}{why}")
        }
        (State::Stale, None) => match &pin.tag_at {
            Err(why) => format!("{reference}: {why}"),
            Ok(_) => format!("{reference}, but `{package}` has no tag"),
        },
        (State::Allowed(why) | State::Foreign(why) | State::Unresolved(why), _) => format!("{reference}: {why}"),
        (State::Own, _) => format!("{reference}, which `{package}` made before"),
        (State::Current | State::External, _) => reference.clone(),
    }
}

/// Many rows with those in one that differ only in their second column, a place; and what to say of it at the end.
fn fold_places(rows: Vec<[String; 3]>) -> (Vec<[String; 3]>, &'static str) {
    if rows.len() <= ROWS {
        return (rows, "");
    }
    let mut known: BTreeMap<[String; 2], usize> = BTreeMap::new();
    let mut alike: Vec<([String; 3], usize)> = Vec::new();
    for row in rows {
        let at = *known.entry([row[0].clone(), row[2].clone()]).or_insert(alike.len());
        match alike.get_mut(at) {
            Some((_, more)) => *more += 1,
            None => alike.push((row, 0)),
        }
    }
    let is_less = alike.iter().any(|(_, more)| *more > 0);
    let row = |([what, place, said], more): ([String; 3], usize)| [what, place + &and_more(more), said];
    (alike.into_iter().map(row).collect(), if is_less { "; -v lists all of them" } else { "" })
}

/// Rows in columns, a line each.
pub(super) fn table(rows: &[[String; 3]]) -> String {
    columns(rows).map(|line| line + "\n").collect()
}
