//! The scheduler: one task that starts workers, waits for them and decides what follows.
//!
//! All state is in a [`Queue`] that only this task touches, so nothing is locked. What always holds:
//!
//! * A step is started at most once, and never before all it needs are done.
//! * Never more than [`Limits::jobs`] builds run at once, nor more than [`Limits::transfers`] of the other steps. While
//!   the run is not stopping, a ready step with a free slot is started before anything is waited for.
//! * After a failure without [`Limits::keep_going`] the running steps finish and nothing new starts, not even the push of
//!   an image that is built. An image that could not be stored in a cache stops nothing, as nothing needs it there. With it, exactly the steps that need the failed one, directly or not, are skipped.
//! * After an interruption nothing new starts and the futures of the running steps are dropped.
//! * A worker that panics is a failed step; the run goes on or stops as after any failure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use super::worker::work;
use super::{Event, Failure, FailureClass, Logs, Outcome, Teller};
use crate::plan::{Step, StepIndex, StepKind};

/// How much at once, and what after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Builds at once; zero is taken for one.
    pub jobs: usize,
    /// Fetches, pushes and writes of an index at once, besides the builds; zero is taken for one.
    pub transfers: usize,
    /// Go on with what does not need the failed step.
    pub keep_going: bool,
}

impl Limits {
    /// Transfers at once unless something else is asked for: enough to hide round trips, few enough for the rate limits
    /// of a registry.
    pub const TRANSFERS: usize = 4;

    /// So many builds at once beside [`Limits::TRANSFERS`].
    #[must_use]
    pub fn new(jobs: usize, keep_going: bool) -> Self {
        Self { jobs, transfers: Self::TRANSFERS, keep_going }
    }
}

/// Does one step.
pub trait StepRunner: Send + Sync + 'static {
    /// Does a step; lines of its log go to `log`, each without its newline, which waits while the reader is behind.
    /// Dropping the future cancels it.
    ///
    /// Lines that are sent after the future is ready are lost. The scheduler fills in [`Failure::tail`] and
    /// [`Failure::log`] where they are left empty.
    fn run(&self, step: StepIndex, log: mpsc::Sender<String>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Does all steps and returns when none is running any more; nothing is left behind.
///
/// `expected` is the time each step is expected to take, where it is known; it may be shorter than `steps`, or empty.
/// It only decides what goes first. Nobody has to read `events`.
///
/// # Panics
///
/// If a step needs one that does not stand before it, or outside a tokio runtime.
pub async fn run<R: StepRunner>(
    steps: &[Step],
    limits: Limits,
    expected: &[Option<Duration>],
    runner: Arc<R>,
    logs: &Logs,
    events: Teller,
    cancel: CancellationToken,
) -> Outcome {
    let tell = |event| events.tell(event);
    let mut queue = Queue::new(steps, limits, expected);
    let mut workers = JoinSet::new();
    let mut running: BTreeMap<Id, (StepIndex, Instant)> = BTreeMap::new();
    let mut stopped = false;
    let mut interrupted = false;
    loop {
        while !stopped
            && !cancel.is_cancelled()
            && let Some(step) = queue.start_next()
        {
            tell(Event::Started(step));
            let log = logs.writer(&steps[step.index()]);
            let worker = workers.spawn(work(runner.clone(), step, log, events.lines_of(step)));
            running.insert(worker.id(), (step, Instant::now()));
        }
        let interrupting = !interrupted && cancel.is_cancelled();
        if interrupting && (!running.is_empty() || (!stopped && queue.pending().next().is_some())) {
            interrupted = true;
            stopped = true;
            tell(Event::Interrupted);
            workers.abort_all();
        }
        let joined = tokio::select! {
            biased;
            () = cancel.cancelled(), if !interrupted && !running.is_empty() => continue,
            joined = workers.join_next_with_id() => joined,
        };
        let Some(joined) = joined else { break };
        let (id, result) = match joined {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let (step, started) = running.remove(&id).expect("every worker is recorded when it is spawned");
        let took = started.elapsed();
        match ended(result) {
            End::Done => {
                queue.done(step);
                tell(Event::Done(step, took));
            }
            End::Failed(failure) => {
                stopped |= !limits.keep_going && steps[step.index()].kind() != StepKind::Store;
                let skipped = queue.failed(step, failure.clone());
                tell(Event::Failed(step, took, failure));
                for dependent in skipped {
                    tell(Event::Skipped(dependent, step));
                }
            }
            End::Cancelled => {
                queue.cancelled(step);
                tell(Event::Cancelled(step));
            }
        }
    }
    for step in queue.pending() {
        tell(Event::NotStarted(step));
    }
    queue.into_outcome(interrupted)
}

/// How a worker ended.
enum End {
    Done,
    Failed(Failure),
    Cancelled,
}

fn ended(result: Result<Result<(), Failure>, JoinError>) -> End {
    match result {
        Ok(Ok(())) => End::Done,
        Ok(Err(failure)) => End::Failed(failure),
        Err(error) if error.is_cancelled() => End::Cancelled,
        Err(error) => End::Failed(Failure::new(FailureClass::Infrastructure, format!("the worker stopped: {error}"))),
    }
}

#[cfg(test)]
mod tests;
