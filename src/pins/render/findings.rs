//! What is wrong with the pins.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{VERSION, pin_json, place, plural, said, table};
use crate::pins::{Finding, FindingKind, Pin, State};
use crate::workspace::Workspace;

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

/// The stale pins that kitmake.yml allows and that nobody has any longer.
#[must_use]
pub fn needless_text(pins: &[Pin], workspace: &Workspace) -> String {
    let allowed = |pin: &&Pin| matches!(pin.state, State::Allowed(_));
    let mut text = String::new();
    for entry in &workspace.config.stale_pins {
        if !pins.iter().filter(allowed).any(|pin| entry.allows(&pin.file, &pin.reference)) {
            let of = entry.image.as_ref().map(|image| format!(" to {image}")).unwrap_or_default();
            let file = &entry.file;
            let _ = writeln!(text, "warning: kitmake.yml: `stale-pins` allows pins of {file}{of}, and none is stale");
        }
    }
    text
}
