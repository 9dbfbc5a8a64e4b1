//! The run: does the steps of a plan, as many at once as allowed, and tells what happens as events.
//!
//! One task owns the scheduler's state; workers only receive a step and send events. What a step does is not known here:
//! the scheduler is generic over [`StepRunner`], so that it is tested without an engine and without a registry.
//!
//! * `queue`: which step may start next; plain data, no I/O.
//! * `priority`: which ready step is the most urgent.
//! * `estimate`: how long it takes, by going through it without doing anything; `expected` shows it.
//! * `scheduler`: starts workers, waits for them, stops on failure and interruption.
//! * `worker`: one step, from its first log line to its result.
//! * `logs`: the full log of each step in a file.
//! * `event`: what all of them tell.
//! * `executor`: does a step of a plan for real, on the engine and the registry.

mod channel;
mod estimate;
mod event;
mod executor;
mod expected;
mod logs;
mod priority;
mod publisher;
mod queue;
mod scheduler;
#[cfg(test)]
pub(crate) mod testing;
mod worker;

pub use channel::{Events, Teller, channel};
pub use estimate::{estimate, left};
pub use event::{Event, Failure, FailureClass, Outcome};
pub use executor::{Executor, Means};
pub use expected::{Expected, rough};
pub use logs::{Logs, StepLog, short_name};
pub use scheduler::{Limits, StepRunner, run};
