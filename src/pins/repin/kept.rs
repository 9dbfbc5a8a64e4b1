//! The pins that are left alone although they do not have the tag they should have.

use super::Carried;
use super::pass::Pass;
use crate::pins::files::IGNORED;
use crate::pins::{Pin, State};
use crate::workspace::PackageName;

/// A pin that does not get the tag it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The pin.
    pub pin: Pin,
    /// Why.
    pub reason: KeptReason,
}

/// Why a pin is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    /// It names the package that it is written in; no tag can contain itself. This is legal.
    Own,
    /// It could be anybody's, for this reason. This is legal.
    Foreign(String),
    /// Its tag would follow from itself, through these packages.
    Loop(Vec<PackageName>),
    /// It cannot be rewritten, for this reason.
    NotRewritable(String),
    /// It cannot be told what it means, for this reason.
    Unresolved(String),
}

/// The pins that are left alone, sorted; `after` are all pins as they will be.
pub(super) fn kept(pass: &Pass<'_>, after: Vec<Pin>) -> Vec<Kept> {
    let mut kept = in_loops(pass);
    kept.extend(after.into_iter().filter_map(|pin| why_kept(pass, pin)));
    kept.sort_by(|a, b| a.pin.key().cmp(&b.pin.key()));
    kept
}

/// The pins of loops that do not have the tag they should have.
fn in_loops(pass: &Pass<'_>) -> Vec<Kept> {
    let workspace = pass.request.workspace;
    let mut kept = Vec::new();
    for (place, packages) in &pass.loops {
        let pin = pass.live[*place].0;
        let Some(package) = pin.package.filter(|package| pass.carried[package.index()]) else { continue };
        let Some(due) = pass.due(pin, package) else { continue };
        let names = packages.iter().map(|&package| workspace.packages[package].name.clone()).collect();
        let pin = Pin { expected: Some(due), state: State::Stale, ..pin.clone() };
        kept.push(Kept { pin, reason: KeptReason::Loop(names) });
    }
    kept
}

/// Why a pin, as it will be, is left alone, if it should not be as it is.
fn why_kept(pass: &Pass<'_>, pin: Pin) -> Option<Kept> {
    let everything = matches!(pass.request.carried, Carried::All);
    let in_scope = pin.package.map_or(everything, |package| pass.carried[package.index()]);
    let reason = match (&pin.state, &pin.tag_at) {
        _ if !in_scope => return None,
        (State::Own, _) => KeptReason::Own,
        (State::Foreign(why), _) => KeptReason::Foreign(why.clone()),
        (State::Unresolved(why), _) => KeptReason::Unresolved(why.clone()),
        (State::Stale, Err(why)) => KeptReason::NotRewritable(why.clone()),
        (State::Stale, Ok(_)) => {
            let id = pin.package?;
            match &pass.tags.packages[id.index()] {
                Some(Err(problem)) => {
                    let name = &pass.request.workspace.package(id).name;
                    KeptReason::NotRewritable(format!("`{name}` has no tag: {problem}"))
                }
                _ => return ignored(pass, pin),
            }
        }
        _ => return None,
    };
    Some(Kept { pin, reason })
}

/// A stale pin with a place and a tag to write was left for what its file is; those of loops are known already.
fn ignored(pass: &Pass<'_>, pin: Pin) -> Option<Kept> {
    let file = pass.files.of(&pin)?;
    let reason = KeptReason::NotRewritable(IGNORED.to_owned());
    pass.files.all[file].ignored.then_some(Kept { pin, reason })
}
