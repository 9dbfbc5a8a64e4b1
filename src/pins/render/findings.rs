//! What is wrong with the pins.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{VERSION, fold_places, pin_json, place, said, table};
use crate::image::Reference;
use crate::pins::{Checked, FindingKind, Pin, State, Wrong};
use crate::wording::counted;
use crate::workspace::Workspace;

/// What is wrong, one line for each pin; without `verbose` one for all of which the same is to be said, if they are many.
#[must_use]
pub fn findings_text(checked: &Checked, pins: &[Pin], workspace: &Workspace, verbose: bool) -> String {
    let rows: Vec<[String; 3]> = (checked.by_pin().iter())
        .map(|wrong| {
            let kinds: Vec<&str> = wrong.kinds.iter().map(|kind| kind.name()).collect();
            [kinds.join(", "), place(wrong.pin), what(wrong, workspace)]
        })
        .collect();
    let (all, found) = (counted(pins.len(), "pin"), counted(rows.len(), "finding"));
    if rows.is_empty() {
        return format!("no findings in {all}\n");
    }
    let (rows, more) = if verbose { (rows, "") } else { fold_places(rows) };
    format!("{}{found} in {all}{more}\n", table(&rows))
}

/// What there is to say of a pin with all that is wrong with it.
fn what(wrong: &Wrong<'_>, workspace: &Workspace) -> String {
    let mut text = said(wrong.pin, workspace);
    if wrong.kinds.contains(&FindingKind::Unsatisfiable) {
        text.push_str(if text == wrong.pin.reference {
            " is not in its registry"
        } else {
            "; it is not in its registry"
        });
    }
    if !wrong.others.is_empty() {
        let _ = write!(text, "; others name {}", tags(&wrong.others, wrong.pin.expected.as_ref()));
    }
    text
}

/// The references of the pins, each with where it stands, or how often; `that` is said already.
fn tags(pins: &[&Pin], that: Option<&Reference>) -> String {
    let that = that.map(ToString::to_string);
    let mut places: BTreeMap<&str, Vec<&Pin>> = BTreeMap::new();
    for &pin in pins {
        places.entry(&pin.reference).or_default().push(pin);
    }
    let mut places: Vec<(&str, Vec<&Pin>)> = places.into_iter().collect();
    places.sort_by_key(|(_, pins)| std::cmp::Reverse(pins.len()));
    let each = places.into_iter().map(|(reference, pins)| {
        let named = if that.as_deref() == Some(reference) { "that" } else { reference };
        match pins[..] {
            [pin] => format!("{named} ({})", place(pin)),
            _ => format!("{named} ({})", counted(pins.len(), "pin")),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// What is wrong, for programs: by what it is, so that a pin may be in several findings. `unknown` has the images of which
/// nobody could tell whether they are there, each with the reason.
#[must_use]
pub fn findings_json(checked: &Checked, workspace: &Workspace) -> Value {
    let findings: Vec<Value> = (checked.findings.iter())
        .map(|finding| {
            let pins: Vec<Value> = finding.pins.iter().map(|pin| pin_json(pin, workspace)).collect();
            json!({ "kind": finding.kind, "pins": pins })
        })
        .collect();
    let unknown: BTreeMap<String, String> = (checked.unknown.iter())
        .map(|(image, why)| {
            let why = why.as_ref().map_or_else(|| "nobody asked".to_owned(), ToString::to_string);
            (image.to_string(), why)
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
        let is_own = |pin: &Pin| pin.state == State::Own && entry.allows(&pin.file, &pin.reference);
        let why =
            if pins.iter().any(is_own) { "the only ones are `self`, which needs no leave" } else { "none is stale" };
        if !pins.iter().filter(allowed).any(|pin| entry.allows(&pin.file, &pin.reference)) {
            let of = entry.image.as_ref().map(|image| format!(" to {image}")).unwrap_or_default();
            let file = &entry.file;
            let _ = writeln!(text, "warning: kitmake.yml: `stale-pins` allows pins of {file}{of}, and {why}");
        }
    }
    text
}

/// How many images nobody asked about, since no registry is to be asked.
#[must_use]
pub fn not_asked_text(images: usize) -> String {
    match images {
        0 => String::new(),
        1 => "nobody asked whether 1 image is there: --offline\n".to_owned(),
        _ => format!("nobody asked whether any of {images} images is there: --offline\n"),
    }
}
