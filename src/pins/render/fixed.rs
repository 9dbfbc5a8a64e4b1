//! What a fix changes, and what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{place, table};
use crate::pins::{Kept, KeptReason, Pin, Repinned, State};
use crate::wording::counted;
use crate::workspace::{PackageId, Workspace};

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
        rows.extend(counts.into_iter().map(|((package, to), count)| [package, counted(count, "pin"), to]));
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
            KeptReason::Foreign(why) | KeptReason::NotRewritable(why) | KeptReason::Unresolved(why) => why.clone(),
        };
        let _ = writeln!(text, "left alone: {} {}: {why}", place(pin), pin.reference);
    }
    text
}

/// What was done, what is left, and what to do now.
#[must_use]
pub fn outcome_text(repinned: &Repinned, dry_run: bool) -> String {
    let mut text = kept_text(&repinned.kept);
    if repinned.changes.is_empty() {
        text.push_str("nothing to rewrite\n");
        return text;
    }
    let pins = counted(repinned.rewrites.len(), "pin");
    let files = counted(repinned.changes.len(), "file");
    let verb = if dry_run { "would rewrite" } else { "rewrote" };
    let _ = writeln!(text, "{verb} {pins} in {files}; they are right once all changes to tracked files are committed");
    for name in &repinned.to_be_added {
        let _ = writeln!(text, "the commit has to have `{name}`, too: `git add` it");
    }
    text
}

/// The stale tags that the files of selected packages have of others: no tag of theirs is carried on.
#[must_use]
pub fn elsewhere_text(pins: &[Pin], selected: &[PackageId], workspace: &Workspace) -> String {
    let name = |id: PackageId| workspace.package(id).name.to_string();
    let mut named: BTreeMap<PackageId, BTreeSet<String>> = BTreeMap::new();
    for pin in pins.iter().filter(|pin| pin.state == State::Stale && pin.tag_at.is_ok()) {
        let Some(package) = pin.package.filter(|package| !selected.contains(package)) else { continue };
        for &user in pin.used_by.iter().filter(|user| selected.contains(user)) {
            named.entry(user).or_default().insert(name(package));
        }
    }
    let mut text = String::new();
    for (user, packages) in named {
        let packages: Vec<String> = packages.into_iter().collect();
        let (user, all, listed) = (name(user), packages.join(" "), packages.join(", "));
        let _ =
            writeln!(text, "`{user}` names stale tags of {listed}: `kitmake pins fix {all}` brings them up to date");
    }
    text
}
