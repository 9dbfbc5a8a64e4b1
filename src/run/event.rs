//! What happens in a run: one enum that feeds every renderer and report, and how the run ended.
//!
//! Of every step there is at most one `Started`, before anything else about it, and exactly one of the events that end
//! it: `Done`, `Failed`, `Skipped`, `NotStarted` or `Cancelled`. All its lines stand between the two, in order.

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
    /// A step will not be done because the run stopped before it was started: a failure elsewhere without keep-going,
    /// or an interruption.
    NotStarted(StepIndex),
    /// The run was interrupted; running steps are being cancelled.
    Interrupted,
    /// A step was running when the run was interrupted.
    Cancelled(StepIndex),
    /// Something is odd but stops nothing.
    Warning(String),
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

impl Failure {
    /// A failure of which only this is known; the scheduler adds the end of the log and where the log is.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), tail: Vec::new(), log: None }
    }
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

impl Outcome {
    /// What the process exits with: 130 interrupted, 1 a build failed, 4 infrastructure failed, 6 built but not pushed,
    /// 0 otherwise; of several the first in this order.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.interrupted {
            return 130;
        }
        match self.failed.iter().map(|(_, failure)| failure.class).max() {
            Some(FailureClass::Build) => 1,
            Some(FailureClass::Infrastructure) => 4,
            Some(FailureClass::Push) => 6,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(classes: &[FailureClass], interrupted: bool) -> u8 {
        let failed = classes.iter().map(|&class| (StepIndex(0), Failure::new(class, "x"))).collect();
        Outcome { failed, interrupted, ..Outcome::default() }.exit_code()
    }

    #[test]
    fn the_worst_failure_decides_the_exit_code() {
        use FailureClass::{Build, Infrastructure, Push};
        assert_eq!(exit_code(&[], false), 0);
        assert_eq!(exit_code(&[Push], false), 6);
        assert_eq!(exit_code(&[Infrastructure, Push], false), 4);
        assert_eq!(exit_code(&[Push, Infrastructure, Build, Push], false), 1);
        assert_eq!(exit_code(&[], true), 130);
        assert_eq!(exit_code(&[Build], true), 130);
    }
}
