//! The scheduler.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Event, Failure, Outcome};
use crate::plan::{Step, StepIndex};

/// How much at once, and what after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Builds at once.
    pub jobs: usize,
    /// Go on with what does not need the failed step.
    pub keep_going: bool,
}

/// Does one step.
pub trait StepRunner: Send + Sync + 'static {
    /// Does a step; lines of its log go to `log`. Dropping the future cancels it.
    fn run(&self, step: StepIndex, log: mpsc::Sender<String>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Does all steps.
pub async fn run<R: StepRunner>(
    steps: &[Step],
    limits: Limits,
    runner: std::sync::Arc<R>,
    events: mpsc::UnboundedSender<Event>,
    cancel: CancellationToken,
) -> Outcome {
    let _ = (steps, limits, runner, events, cancel);
    unimplemented!()
}
