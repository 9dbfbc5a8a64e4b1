//! From what the places say to the state of a node, the reasons for it, and what a node that is built on it gets.

use super::findings::{Candidate, Findings, Origin, Vouching};
use super::node::{Reason, State};
use super::{OnOutdated, Request};
use crate::problem::Problem;
use crate::workspace::PackageId;

/// What a node that uses this one gets.
#[derive(Debug, Clone)]
pub(super) enum Supply {
    /// What is there already.
    Found(Candidate),
    /// An image that is built for it.
    Build,
    /// Nobody knows: it hangs on these questions.
    Open(Vec<Problem>),
    /// Nothing: it is not there and cannot be built.
    Nothing,
}

/// A node about which all is known that decides.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) request: &'a Request,
    pub(super) package: PackageId,
    pub(super) selected: bool,
    pub(super) vouching: Vouching,
    /// Whether its key says all there is to say.
    pub(super) definite: bool,
    /// Why it cannot be built.
    pub(super) hindrance: Option<(State, Reason)>,
    pub(super) findings: &'a Findings,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) supply: Supply,
    pub(super) reasons: Vec<Reason>,
}

impl Case<'_> {
    pub(super) fn verdict(self) -> Verdict {
        match (&self.findings.chosen, &self.hindrance) {
            (chosen, Some(hindrance)) if chosen.is_none() || self.is_asked_to_build(hindrance.0) => {
                self.hindered(hindrance)
            }
            (Some(chosen), hindrance) => self.there(chosen, hindrance.is_none()),
            (None, _) => self.absent(),
        }
    }

    fn forced(&self) -> bool {
        self.selected && self.request.force
    }

    /// Whether somebody asked for a build that cannot be, and so must hear of it although an image is there.
    fn is_asked_to_build(&self, hindrance: State) -> bool {
        self.forced() || self.selected && hindrance == State::NotBuiltHere
    }

    /// It cannot be built. What is there serves those that need it nevertheless, and a failed question is no no.
    fn hindered(&self, (state, reason): &(State, Reason)) -> Verdict {
        let assumed = self.request.assume_missing.contains(&self.package);
        let supply = match &self.findings.chosen {
            Some(chosen) => Supply::Found(chosen.clone()),
            None if self.findings.unanswered.is_empty() || assumed => Supply::Nothing,
            None => Supply::Open(self.findings.unanswered.clone()),
        };
        Verdict { state: *state, supply, reasons: vec![reason.clone()] }
    }

    /// A usable place has it.
    fn there(&self, chosen: &Candidate, can_be_built: bool) -> Verdict {
        let rebuild = chosen.origin == Origin::Other && self.request.on_outdated == OnOutdated::Rebuild;
        let build = can_be_built && self.request.build && (rebuild || self.forced());
        // The right image on the builder does not make up for another one on the registry that is pushed to, unless it
        // replaces that one.
        let elsewhere = self.selected && self.request.pushes_images() && self.findings.published_from_other_inputs();
        let outdated = chosen.origin == Origin::Other
            || elsewhere && chosen.origin == Origin::Same && self.request.on_outdated != OnOutdated::Rebuild;
        let mut reasons = Vec::new();
        if build && self.forced() {
            reasons.push(Reason::Forced);
        }
        if outdated {
            reasons.push(Reason::Outdated);
        } else if chosen.origin == Origin::Unknown && self.definite {
            reasons.push(Reason::UnknownOrigin);
        }
        Verdict {
            state: if outdated { State::Outdated } else { State::Present },
            supply: if build { Supply::Build } else { Supply::Found(chosen.clone()) },
            reasons,
        }
    }

    /// No usable place is known to have it, and it can be built.
    fn absent(&self) -> Verdict {
        let unanswered = &self.findings.unanswered;
        let supply = if self.request.build { Supply::Build } else { Supply::Nothing };
        let build = |state, reason| Verdict { state, supply: supply.clone(), reasons: vec![reason] };
        if unanswered.is_empty() {
            let reason = if self.findings.candidates.is_empty() {
                Reason::Missing
            } else if self.vouching == Vouching::Content {
                Reason::OutdatedOnBuilder
            } else {
                Reason::MutableTag
            };
            build(State::Missing, reason)
        } else if self.request.assume_missing.contains(&self.package) {
            build(State::Missing, Reason::AssumedMissing)
        } else if self.forced() {
            build(State::Unknown, Reason::Forced)
        } else {
            let reasons = unanswered.iter().map(|problem| Reason::Unanswered { why: problem.to_string() });
            Verdict { state: State::Unknown, supply: Supply::Open(unanswered.clone()), reasons: reasons.collect() }
        }
    }
}
