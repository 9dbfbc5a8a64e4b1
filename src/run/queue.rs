//! Which step may start next: the state of every step, owned by the scheduler.
//!
//! A step is ready when all it needs are done. Builds and transfers (fetch, push, index) are bounded apart, so that
//! neither waits for a slot of the other. There are no levels: a step is ready as soon as its last need is done,
//! whatever else still runs. Nothing here waits or does I/O.

use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use super::priority::{Priority, priorities};
use super::{Failure, Limits, Outcome};
use crate::plan::{Step, StepIndex, StepKind};

/// Where a step stands.
#[derive(Debug)]
enum State {
    /// Not started; `missing` of what it needs are not done. Ready when there are none.
    Pending { missing: usize },
    /// Handed out by [`Queue::start_next`].
    Running,
    /// Done. Was running.
    Done,
    /// Failed. Was running.
    Failed(Failure),
    /// Never to be started, as this step failed. Was pending.
    Skipped(StepIndex),
    /// Interrupted. Was running.
    Cancelled,
}

/// Ready steps of one sort and how many of them may still start.
#[derive(Debug)]
struct Lane {
    free: usize,
    ready: BinaryHeap<Priority>,
}

impl Lane {
    /// A bound of zero would never end, so at least one step may run.
    fn new(bound: usize) -> Self {
        Self { free: bound.max(1), ready: BinaryHeap::new() }
    }

    fn take(&mut self) -> Option<StepIndex> {
        if self.free == 0 {
            return None;
        }
        let priority = self.ready.pop()?;
        self.free -= 1;
        Some(priority.step())
    }
}

/// The state of every step of a run.
#[derive(Debug)]
pub struct Queue<'a> {
    steps: &'a [Step],
    dependents: Vec<Vec<StepIndex>>,
    priorities: Vec<Priority>,
    states: Vec<State>,
    builds: Lane,
    transfers: Lane,
}

impl<'a> Queue<'a> {
    /// All steps pending, and those that need nothing ready.
    ///
    /// # Panics
    ///
    /// If a step needs one that does not stand before it: every plan is in that order.
    #[must_use]
    pub fn new(steps: &'a [Step], limits: Limits, expected: &[Option<Duration>]) -> Self {
        let dependents = dependents(steps);
        let mut missing = vec![0; steps.len()];
        for dependent in dependents.iter().flatten() {
            missing[dependent.index()] += 1;
        }
        let mut queue = Self {
            steps,
            priorities: priorities(steps, expected, &dependents),
            dependents,
            states: missing.iter().map(|&missing| State::Pending { missing }).collect(),
            builds: Lane::new(limits.jobs),
            transfers: Lane::new(limits.transfers),
        };
        for step in indices(steps).filter(|step| missing[step.index()] == 0) {
            queue.make_ready(step);
        }
        queue
    }

    /// Takes the most urgent ready step for which there is a free slot, if any, and marks it running.
    pub fn start_next(&mut self) -> Option<StepIndex> {
        let step = self.builds.take().or_else(|| self.transfers.take())?;
        self.states[step.index()] = State::Running;
        Some(step)
    }

    /// A running step is done: what waited for it alone is ready.
    pub fn done(&mut self, step: StepIndex) {
        self.finish(step, State::Done);
        // A step ends once, and nobody asks again who waited for it.
        for dependent in std::mem::take(&mut self.dependents[step.index()]) {
            if let State::Pending { missing } = &mut self.states[dependent.index()] {
                *missing -= 1;
                if *missing == 0 {
                    self.make_ready(dependent);
                }
            }
        }
    }

    /// A running step failed: all that need it, directly or not, are skipped. Returns those that were not skipped
    /// already, in the order of the plan.
    pub fn failed(&mut self, step: StepIndex, failure: Failure) -> Vec<StepIndex> {
        self.finish(step, State::Failed(failure));
        let mut affected = BTreeSet::new();
        let mut left = std::mem::take(&mut self.dependents[step.index()]);
        while let Some(dependent) = left.pop() {
            // What a skipped step leads to is skipped already, with the failure that came first.
            if matches!(self.states[dependent.index()], State::Pending { .. }) && affected.insert(dependent) {
                left.extend(&self.dependents[dependent.index()]);
            }
        }
        for &dependent in &affected {
            self.states[dependent.index()] = State::Skipped(step);
        }
        affected.into_iter().collect()
    }

    /// A running step was cancelled.
    pub fn cancelled(&mut self, step: StepIndex) {
        self.finish(step, State::Cancelled);
    }

    /// The steps that were never started and not skipped, in the order of the plan.
    pub fn pending(&self) -> impl Iterator<Item = StepIndex> {
        indices(self.steps).filter(|step| matches!(self.states[step.index()], State::Pending { .. }))
    }

    /// Every step in one list; none may be running.
    #[must_use]
    pub fn into_outcome(self, interrupted: bool) -> Outcome {
        let mut outcome = Outcome { interrupted, ..Outcome::default() };
        for (step, state) in indices(self.steps).zip(self.states) {
            match state {
                State::Pending { .. } => outcome.not_started.push(step),
                State::Done => outcome.done.push(step),
                State::Failed(failure) => outcome.failed.push((step, failure)),
                State::Skipped(root) => outcome.skipped.push((step, root)),
                State::Running | State::Cancelled => outcome.cancelled.push(step),
            }
        }
        outcome
    }

    fn make_ready(&mut self, step: StepIndex) {
        let priority = self.priorities[step.index()];
        self.lane(step).ready.push(priority);
    }

    fn finish(&mut self, step: StepIndex, state: State) {
        debug_assert!(matches!(self.states[step.index()], State::Running), "only a running step ends");
        self.states[step.index()] = state;
        self.lane(step).free += 1;
    }

    fn lane(&mut self, step: StepIndex) -> &mut Lane {
        match self.steps[step.index()].kind() {
            StepKind::Build => &mut self.builds,
            _ => &mut self.transfers,
        }
    }
}

/// For each step those that need it directly, each once, in the order of the plan.
pub(super) fn dependents(steps: &[Step]) -> Vec<Vec<StepIndex>> {
    let mut dependents = vec![Vec::new(); steps.len()];
    for (index, step) in indices(steps).zip(steps) {
        for need in step.needs.iter().collect::<BTreeSet<_>>() {
            assert!(*need < index, "`{}` stands before what it needs", step.id);
            dependents[need.index()].push(index);
        }
    }
    dependents
}

fn indices(steps: &[Step]) -> impl Iterator<Item = StepIndex> + use<> {
    (0..u32::try_from(steps.len()).expect("a plan has fewer than 2^32 steps")).map(StepIndex)
}
