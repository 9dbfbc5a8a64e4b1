//! Pins, findings and fixes as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, FindingKind, Kept, KeptReason, Pin, Repinned, State};
use crate::workspace::Workspace;

/// The version of the JSON documents.
const VERSION: u32 = 1;

/// All pins. Those that are as they should be, and those that name nothing here, are counted by reference unless `verbose`.
#[must_use]
pub fn text(pins: &[Pin], workspace: &Workspace, verbose: bool) -> String {
    let plain = |pin: &Pin| matches!(pin.state, State::Current | State::External);
    let mut rows: Vec<[String; 3]> = pins
        .iter()
        .filter(|pin| verbose || !plain(pin))
        .map(|pin| [pin.state.name().to_owned(), place(pin), said(pin, workspace)])
        .collect();
    if !verbose {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for pin in pins.iter().filter(|pin| plain(pin)) {
            *counts.entry((pin.state.name(), &pin.reference)).or_default() += 1;
        }
        let counted = |((state, reference), count): ((&str, &str), usize)| {
            [state.to_owned(), plural(count, "pin"), reference.to_owned()]
        };
        rows.extend(counts.into_iter().map(counted));
    }
    let mut text = table(&rows);
    let mut summary: Vec<String> = Vec::new();
    for state in ["current", "stale", "allowed", "self", "external", "unresolved"] {
        let count = pins.iter().filter(|pin| pin.state.name() == state).count();
        if count > 0 {
            summary.push(format!("{count} {state}"));
        }
    }
    let files: BTreeSet<&str> = pins.iter().map(|pin| pin.file.as_str()).collect();
    let (all, files) = (plural(pins.len(), "pin"), plural(files.len(), "file"));
    let colon = if summary.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "{all} in {files}{colon}{}", summary.join(", "));
    text
}

/// All pins for programs.
#[must_use]
pub fn json(pins: &[Pin], workspace: &Workspace) -> Value {
    let pins: Vec<Value> = pins.iter().map(|pin| pin_json(pin, workspace)).collect();
    json!({ "schema_version": VERSION, "pins": pins })
}

fn pin_json(pin: &Pin, workspace: &Workspace) -> Value {
    let name = |id: &crate::workspace::PackageId| workspace.package(*id).name.clone();
    let reason = match &pin.state {
        State::Allowed(reason) | State::Unresolved(reason) => Some(reason),
        _ => None,
    };
    json!({
        "file": pin.file,
        "line": pin.line,
        "kind": pin.kind,
        "reference": pin.reference,
        "state": pin.state.name(),
        "package": pin.package.as_ref().map(name),
        "expected": pin.expected.as_ref().map(ToString::to_string),
        "used_by": pin.used_by.iter().map(name).collect::<Vec<_>>(),
        "reason": reason,
        "not_rewritable": pin.tag_at.as_ref().err().filter(|_| pin.package.is_some() || pin.state == State::Stale),
    })
}

/// What is wrong, one line for each finding.
#[must_use]
pub fn findings_text(findings: &[Finding], pins: &[Pin], workspace: &Workspace) -> String {
    let rows: Vec<[String; 3]> = findings
        .iter()
        .map(|finding| match (finding.kind, finding.pins.first()) {
            (FindingKind::TwoTags, Some(first)) => {
                let package = first.package.map(|id| workspace.package(id).name.to_string()).unwrap_or_default();
                ["two tags".to_owned(), package, tags(&finding.pins)]
            }
            (FindingKind::Unsatisfiable, Some(pin)) => {
                let said = format!("{} is not in its registry, and is not built from here", pin.reference);
                ["unsatisfiable".to_owned(), place(pin), said]
            }
            (_, Some(pin)) => [pin.state.name().to_owned(), place(pin), said(pin, workspace)],
            (_, None) => Default::default(),
        })
        .collect();
    let mut text = table(&rows);
    let _ = match findings.len() {
        0 => writeln!(text, "no findings in {}", plural(pins.len(), "pin")),
        count => writeln!(text, "{} in {}", plural(count, "finding"), plural(pins.len(), "pin")),
    };
    text
}

/// The references of the pins, each with where it stands, or how often.
fn tags(pins: &[Pin]) -> String {
    let mut places: BTreeMap<&str, Vec<&Pin>> = BTreeMap::new();
    for pin in pins {
        places.entry(&pin.reference).or_default().push(pin);
    }
    let mut places: Vec<(&str, Vec<&Pin>)> = places.into_iter().collect();
    places.sort_by_key(|(_, pins)| std::cmp::Reverse(pins.len()));
    let each = places.into_iter().map(|(reference, pins)| match pins[..] {
        [pin] => format!("{reference} ({})", place(pin)),
        _ => format!("{reference} ({})", plural(pins.len(), "pin")),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// What is wrong, for programs. `unknown` has the images of which no registry could
/// tell, each with the reason.
#[must_use]
pub fn findings_json(findings: &[Finding], unknown: &BTreeMap<String, String>, workspace: &Workspace) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let pins: Vec<Value> = finding.pins.iter().map(|pin| pin_json(pin, workspace)).collect();
            json!({ "kind": finding.kind, "pins": pins })
        })
        .collect();
    json!({ "schema_version": VERSION, "findings": findings, "unknown": unknown })
}

/// What a fix changes: one line for each package whose tag is carried on, or for each pin if `verbose`.
#[must_use]
pub fn fixed_text(repinned: &Repinned, verbose: bool) -> String {
    let workspace = &repinned.workspace;
    let mut rows: Vec<[String; 3]> = Vec::new();
    if verbose {
        rows.extend((repinned.rewrites.iter()).map(|rewrite| {
            let package = workspace.package(rewrite.package).name.to_string();
            [place(&rewrite.pin), package, rewrite.to.to_string()]
        }));
    } else {
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for rewrite in &repinned.rewrites {
            let package = workspace.package(rewrite.package).name.to_string();
            *counts.entry((package, rewrite.to.to_string())).or_default() += 1;
        }
        rows.extend(counts.into_iter().map(|((package, to), count)| [package, plural(count, "pin"), to]));
    }
    table(&rows)
}

/// Why pins are left alone, one line for each.
#[must_use]
pub fn kept_text(kept: &[Kept]) -> String {
    let mut text = String::new();
    for Kept { pin, reason } in kept {
        let why = match reason {
            KeptReason::Own => "it names the package it is in, as it was before".to_owned(),
            KeptReason::Loop(packages) => {
                let names: Vec<String> = packages.iter().map(|name| format!("`{name}`")).collect();
                format!("its tag would follow from itself, through {}", names.join(", "))
            }
            KeptReason::NotRewritable(why) | KeptReason::Unresolved(why) => why.clone(),
        };
        let _ = writeln!(text, "left alone: {} {}: {why}", place(pin), pin.reference);
    }
    text
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
        (State::Allowed(reason), _) => format!("{reference}: {reason}"),
        (State::Unresolved(why), _) => format!("{reference}: {why}"),
        (State::Own, _) => format!("{reference}, which `{package}` made before"),
        (State::Current | State::External, _) => reference.clone(),
    }
}

/// `1 pin`, `2 pins`
pub(super) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// Rows in columns two blanks apart; the last is as long as it is.
pub(super) fn table(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for [a, b, c] in rows {
        let _ = writeln!(text, "{a:first$}  {b:second$}  {c}");
    }
    text
}
