//! All pins with their states.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{VERSION, fold_places, pin_json, place, said, table};
use crate::pins::{Pin, State};
use crate::wording::counted;
use crate::workspace::Workspace;

/// All pins. Unless `verbose`, those that are as they should be, and those that name nothing here, are counted by reference,
/// and others of which the same is to be said are told together if there are many.
#[must_use]
pub fn text(pins: &[Pin], workspace: &Workspace, verbose: bool) -> String {
    let plain = |pin: &Pin| matches!(pin.state, State::Current | State::External);
    let mut rows: Vec<[String; 3]> = pins
        .iter()
        .filter(|pin| verbose || !plain(pin))
        .map(|pin| [pin.state.name().to_owned(), place(pin), said(pin, workspace)])
        .collect();
    let mut more = "";
    if !verbose {
        (rows, more) = fold_places(rows);
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for pin in pins.iter().filter(|pin| plain(pin)) {
            *counts.entry((pin.state.name(), &pin.reference)).or_default() += 1;
        }
        let counted = |((state, reference), count): ((&str, &str), usize)| {
            [state.to_owned(), counted(count, "pin"), reference.to_owned()]
        };
        rows.extend(counts.into_iter().map(counted));
    }
    let mut text = table(&rows);
    let mut summary: Vec<String> = Vec::new();
    for state in ["current", "stale", "allowed", "self", "external", "foreign", "unresolved"] {
        let count = pins.iter().filter(|pin| pin.state.name() == state).count();
        if count > 0 {
            summary.push(format!("{count} {state}"));
        }
    }
    let files: BTreeSet<&str> = pins.iter().map(|pin| pin.file.as_str()).collect();
    let (all, files) = (counted(pins.len(), "pin"), counted(files.len(), "file"));
    let colon = if summary.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "{all} in {files}{colon}{}{more}", summary.join(", "));
    text
}

/// All pins for programs.
#[must_use]
pub fn json(pins: &[Pin], workspace: &Workspace) -> Value {
    let pins: Vec<Value> = pins.iter().map(|pin| pin_json(pin, workspace)).collect();
    json!({ "schema_version": VERSION, "pins": pins })
}
