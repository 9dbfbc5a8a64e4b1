//! What happens in a run: one enum that feeds every renderer and report.

use std::path::PathBuf;
use std::time::Duration;

use crate::plan::StepIndex;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A step was handed to a worker.
    Started(StepIndex),
    /// A line of the log of a running step, without its newline.
    Line(StepIndex, String),
    /// A step is done.
    Done(StepIndex, Duration),
    /// A step failed.
    Failed(StepIndex, Duration, Failure),
    /// A step will not be done because one that it needs, directly or not, failed or was skipped: the root failure.
    Skipped(StepIndex, StepIndex),
    /// A step will not be done because the run stopped before it was started (a failure elsewhere without keep-going).
    NotStarted(StepIndex),
    /// The run was interrupted; running steps are being cancelled.
    Interrupted,
    /// A step was running when the run was interrupted.
    Cancelled(StepIndex),
}

/// What sort of step failed, which decides the exit code: a failed build outranks everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// The image was built but could not be pushed. Exit code 6.
    Push,
    /// Engine, registry or network. Exit code 4.
    Infrastructure,
    /// A build step of a package failed. Exit code 1.
    Build,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is.
    pub class: FailureClass,
    /// One or more lines for the person who has to act.
    pub message: String,
    /// The last lines of the log.
    pub tail: Vec<String>,
    /// The file with the full log.
    pub log: Option<PathBuf>,
}

/// How a run ended; every step is in exactly one list, each in the order of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Done.
    pub done: Vec<StepIndex>,
    /// Failed.
    pub failed: Vec<(StepIndex, Failure)>,
    /// Skipped, each with the step whose failure is the reason.
    pub skipped: Vec<(StepIndex, StepIndex)>,
    /// Never started.
    pub not_started: Vec<StepIndex>,
    /// Cancelled while running.
    pub cancelled: Vec<StepIndex>,
    /// The run was interrupted.
    pub interrupted: bool,
}
