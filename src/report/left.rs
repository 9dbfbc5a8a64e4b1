//! How much time is left of a run, for a display that moves.
//!
//! It is the estimate of the plan, made again with what is done and for how long the rest runs. Nothing is said where
//! less than half of the steps have a record, nor once a step has failed or the run was interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::plan::{Step, StepIndex};
use crate::run::{Event, Limits, left, rough};

/// How often it is computed: a person reads no faster, and thousands of steps take a while.
const EVERY: Duration = Duration::from_secs(1);

/// What is left of a run.
#[derive(Debug)]
pub struct Left {
    limits: Limits,
    /// The time of each step where it is known.
    expected: Vec<Option<Duration>>,
    done: BTreeSet<StepIndex>,
    /// When each running step started.
    running: BTreeMap<StepIndex, Duration>,
    stopping: bool,
    next: Duration,
    shown: Option<String>,
}

impl Left {
    /// Of a run with these limits, whose steps are expected to take so long where that is known.
    #[must_use]
    pub fn new(limits: Limits, expected: Vec<Option<Duration>>) -> Self {
        Self {
            limits,
            expected,
            done: BTreeSet::new(),
            running: BTreeMap::new(),
            stopping: false,
            next: Duration::ZERO,
            shown: None,
        }
    }

    /// Something happened at this time since the run began.
    pub(super) fn event(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Started(step) => drop(self.running.insert(*step, now)),
            Event::Done(step, _) => {
                self.running.remove(step);
                self.done.insert(*step);
            }
            Event::Failed(..) | Event::Interrupted => self.stopping = true,
            _ => {}
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, steps: &[Step], now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + EVERY;
        let known = self.expected.iter().flatten().count();
        if self.stopping || known * 2 < steps.len() {
            self.shown = None;
            return;
        }
        let running = self.running.iter().map(|(step, started)| (*step, now.saturating_sub(*started))).collect();
        let left = left(steps, self.limits, &self.expected, &self.done, &running);
        self.shown = (!left.is_zero()).then(|| rough(left));
    }

    /// What is to be shown, if anything.
    pub(super) fn shown(&self) -> Option<&str> {
        self.shown.as_deref().filter(|_| !self.stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::{build, seconds};
    use crate::run::{Failure, FailureClass};

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_is_said_until_a_step_fails_or_takes_longer_than_all_that_is_known() {
        let steps = [build("a", &[]), build("b", &[0])];
        let mut left = Left::new(Limits::new(1, true), seconds(&[10, 20]));
        left.event(&Event::Started(StepIndex(0)), secs(0));
        left.tick(&steps, secs(0));
        assert_eq!(left.shown(), Some("30 s"));
        left.tick(&steps, secs(4));
        assert_eq!(left.shown(), Some("26 s"));
        left.tick(&steps, Duration::from_millis(4_900));
        assert_eq!(left.shown(), Some("26 s"), "not yet again");
        left.event(&Event::Done(StepIndex(0), secs(5)), secs(5));
        left.event(&Event::Started(StepIndex(1)), secs(5));
        left.tick(&steps, secs(6));
        assert_eq!(left.shown(), Some("19 s"));
        left.tick(&steps, secs(40));
        assert_eq!(left.shown(), None, "nobody knows how much longer");
        left.tick(&steps, secs(41));
        left.event(&Event::Failed(StepIndex(1), secs(37), Failure::new(FailureClass::Build, "x")), secs(42));
        assert_eq!(left.shown(), None);
    }

    #[test]
    fn nothing_is_said_where_most_is_not_known() {
        let steps = [build("a", &[]), build("b", &[]), build("c", &[])];
        let mut left = Left::new(Limits::new(1, false), vec![Some(secs(9)), None, None]);
        left.tick(&steps, secs(0));
        assert_eq!(left.shown(), None);
        let mut left = Left::new(Limits::new(1, false), vec![Some(secs(9)), None, Some(secs(9))]);
        left.tick(&steps, secs(0));
        assert_eq!(left.shown(), Some("27 s"));
    }
}
