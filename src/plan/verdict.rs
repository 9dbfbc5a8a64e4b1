//! From what the places say to the state of a node, the reasons for it, and what a node that is built on it gets.

use super::difference::{Comparison, compare};
use super::findings::{Candidate, Findings, Origin, Vouching};
use super::key::Components;
use super::node::{Doubt, Place, Reason, State};
use super::record::{Record, Unsaid};
use super::{OnOutdated, Request};
use crate::presence::{Fact, Facts};
use crate::problem::Problem;
use crate::workspace::PackageId;

/// What a node that uses this one gets.
#[derive(Debug, Clone)]
pub(super) enum Supply {
    /// What is there already.
    Found(Box<Candidate>),
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
    /// Why it cannot be built.
    pub(super) hindrance: Option<(State, Reason)>,
    pub(super) findings: &'a Findings,
    /// What the node is made from here.
    pub(super) components: Option<&'a Components>,
    pub(super) facts: &'a Facts,
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
            (Some(chosen), hindrance) => self.there(chosen, hindrance.as_ref().map(|(_, reason)| reason)),
            (None, _) => self.absent(),
        }
    }

    fn forced(&self) -> bool {
        self.selected && self.request.force
    }

    /// Whether somebody asked for a build that cannot be, and so must hear of it although an image is there.
    fn is_asked_to_build(&self, hindrance: State) -> bool {
        self.forced() || self.selected && (hindrance == State::NotBuiltHere || self.is_to_be_replaced())
    }

    /// Whether what is there was made from other inputs and is to be built again for that.
    fn is_to_be_replaced(&self) -> bool {
        let is_other = self.findings.chosen.as_ref().is_some_and(|chosen| chosen.origin == Origin::Other);
        is_other && self.request.build && self.request.on_outdated == OnOutdated::Rebuild
    }

    /// It cannot be built. What is there serves those that need it nevertheless, and a failed question is no no.
    fn hindered(&self, (state, reason): &(State, Reason)) -> Verdict {
        let assumed = self.request.assume_missing.contains(&self.package);
        let supply = match &self.findings.chosen {
            Some(chosen) => Supply::Found(Box::new(chosen.clone())),
            None if self.findings.unanswered.is_empty() || assumed => Supply::Nothing,
            None => Supply::Open(self.findings.unanswered.clone()),
        };
        Verdict { state: *state, supply, reasons: vec![reason.clone()] }
    }

    /// A usable place has it.
    fn there(&self, chosen: &Candidate, hindrance: Option<&Reason>) -> Verdict {
        let build = hindrance.is_none() && (self.is_to_be_replaced() || self.request.build && self.forced());
        // The right image on the builder does not make up for another one on the registry that is pushed to, unless it
        // replaces that one.
        let elsewhere = self.selected && self.request.pushes_images() && self.findings.published_from_other_inputs();
        let right = elsewhere && chosen.origin == Origin::Same;
        let replaces = right && self.request.on_outdated == OnOutdated::Rebuild;
        let outdated = chosen.origin == Origin::Other || right && !replaces;
        let published = || self.findings.candidates.iter().find(|candidate| candidate.place.is_registry());
        let mut reasons = Vec::new();
        if build && self.forced() {
            reasons.push(Reason::Forced);
        }
        let mut state = State::Present;
        if outdated {
            let other = if chosen.origin == Origin::Other { Some(chosen) } else { published() };
            reasons.push(Reason::Outdated(self.comparison(other)));
            // Whoever wants to mend it has to know.
            reasons.extend(hindrance.cloned());
            state = State::Outdated;
        } else if let Origin::Unknown(why) = chosen.origin {
            reasons.push(Reason::UnknownOrigin { why });
            state = State::UnknownOrigin;
        } else if replaces {
            reasons.push(Reason::OutdatedInRegistry(self.comparison(published())));
        }
        Verdict { state, supply: if build { Supply::Build } else { Supply::Found(Box::new(chosen.clone())) }, reasons }
    }

    /// No usable place is known to have it, and it can be built.
    fn absent(&self) -> Verdict {
        let unanswered = &self.findings.unanswered;
        let supply = if self.request.build { Supply::Build } else { Supply::Nothing };
        let absent = match self.vouching {
            Vouching::Dirty => State::Dirty,
            _ if self.findings.listed_elsewhere => State::PartialIndex,
            _ => State::Missing,
        };
        let build = |state, reason| Verdict { state, supply: supply.clone(), reasons: vec![reason] };
        let candidates = &self.findings.candidates;
        let other = candidates.iter().find(|candidate| candidate.origin == Origin::Other).or(candidates.first());
        if unanswered.is_empty() {
            let reason = if self.findings.candidates.is_empty() {
                Reason::Missing
            } else if self.vouching == Vouching::Content {
                Reason::OutdatedOnBuilder(self.comparison(other))
            } else {
                Reason::MutableTag(self.comparison(other))
            };
            build(absent, reason)
        } else if self.request.assume_missing.contains(&self.package) {
            build(absent, Reason::AssumedMissing)
        } else if self.forced() {
            build(State::Unknown, Reason::Forced)
        } else {
            let reasons = unanswered.iter().map(|problem| Reason::Unanswered {
                why: problem.to_string(),
                host: problem.of_host().map(|(host, _)| (host.to_owned(), problem.code())),
            });
            Verdict { state: State::Unknown, supply: Supply::Open(unanswered.clone()), reasons: reasons.collect() }
        }
    }

    /// An image that was made from other inputs, compared with what is here.
    fn comparison(&self, other: Option<&Candidate>) -> Comparison {
        let place = other.map_or(Place::Builder, |other| other.place);
        match other.map_or(Err(Unsaid::NoComponents), |other| self.differing(other)) {
            Ok(differs) => Comparison { place, differs, unsaid: None },
            Err(unsaid) => Comparison { place, differs: Vec::new(), unsaid: Some(unsaid) },
        }
    }

    fn differing(&self, other: &Candidate) -> Result<Vec<super::difference::Difference>, Unsaid> {
        let found = &other.found;
        let foreign = other.origin == Origin::Unknown(Doubt::ForeignKey);
        let (Some(key), Some(here)) = (found.key.as_ref().filter(|_| !foreign), self.components) else {
            return Err(Unsaid::NoComponents);
        };
        let asked = self.facts.components_of(&found.digest);
        let label = match (&found.components, asked) {
            (Some(label), _) | (None, Fact::Yes(label)) => label,
            (None, Fact::Unknown(_)) => return Err(Unsaid::Unknown),
            (None, Fact::NotAsked) if other.place.is_registry() => return Err(Unsaid::NotAsked),
            (None, Fact::No | Fact::NotAsked) => return Err(Unsaid::NoComponents),
        };
        Ok(compare(&Record::parse(label, key)?, here))
    }
}
