//! The run: does the steps of a plan, as many at once as allowed, and tells what happens as events.
//!
//! One task owns the scheduler's state; workers only receive a step and send events.

mod event;
mod logs;
mod scheduler;

pub use event::{Event, Failure, FailureClass, Outcome};
pub use logs::Logs;
pub use scheduler::{Limits, StepRunner, run};
