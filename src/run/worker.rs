//! A worker: does one step, and passes its log lines to the log file and to the events.
//!
//! When it returns, every line that the step sent before its end has been passed on. It keeps no state of the run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::channel::Lines;
use super::{Event, Failure, FailureClass, StepLog, StepRunner};
use crate::plan::StepIndex;

/// Lines in flight between a step and its log; a step that is quicker waits.
const LINES: usize = 256;
/// Lines of the log that a failure carries.
const TAIL: usize = 20;

/// Does a step. A panic of the runner is a failure; dropping the future cancels the step.
pub(super) async fn work<R: StepRunner>(
    runner: Arc<R>,
    step: StepIndex,
    mut log: StepLog,
    mut shown: Lines,
) -> Result<(), Failure> {
    let (sender, mut receiver) = mpsc::channel(LINES);
    let mut pass_on = |lines: &mut Vec<String>| {
        if let Some(warning) = log.append(lines) {
            shown.event(Event::Warning(warning));
        }
        lines.drain(..).for_each(|line| shown.tell(line));
    };
    let mut running = pin!(AssertUnwindSafe(async move { runner.run(step, sender).await }).catch_unwind());
    let mut lines = Vec::new();
    let mut open = true;
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            count = receiver.recv_many(&mut lines, LINES), if open => {
                open = count > 0;
                pass_on(&mut lines);
            }
        }
    };
    // A task that the step left behind may still hold a sender, so the end of the channel is not waited for.
    receiver.close();
    while let Ok(line) = receiver.try_recv() {
        lines.push(line);
    }
    pass_on(&mut lines);
    result.unwrap_or_else(|panic| Err(panicked(&*panic))).map_err(|mut failure| {
        if failure.tail.is_empty() {
            failure.tail = log.tail(TAIL);
        }
        failure.log = failure.log.or_else(|| log.path().map(ToOwned::to_owned));
        failure
    })
}

/// A panic is an error of this program, which is nothing that a package could be at fault for.
fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("internal error: the step panicked: {}", text.unwrap_or("no message"));
    Failure::new(FailureClass::Infrastructure, message)
}
