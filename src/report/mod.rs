//! Consumers of events: a terminal with progress bars, or plain lines elsewhere. All of them write to standard error.
//!
//! A reporter only shows: it decides nothing, and one that cannot write (a pipe that nobody reads) stays silent. Which
//! reporter is used is the caller's choice; both show the same lines for what has happened, and the same summary at the
//! end.
//!
//! * `lines`: the lines of one event, common to both.
//! * [`Plain`]: those lines and nothing else, with a sign of life while nothing happens.
//! * [`Tty`]: those lines above a bar and one line per running step.
//! * [`Left`]: how much time is left.
//! * `summary`: how the run ended.
//! * `text`: verbs, durations, and log lines made fit for a terminal.

mod left;
mod lines;
mod plain;
mod summary;
mod text;
mod tty;

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::plan::Step;
use crate::run::{Event, Events, Outcome};

pub use left::Left;
pub use plain::Plain;
pub use tty::Tty;

/// How often [`follow`] calls [`Reporter::tick`].
const TICK: Duration = Duration::from_millis(100);

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// What starts to build, and what becomes of each step.
    #[default]
    Normal,
    /// Every event, and the lines of every log.
    Verbose,
}

/// Shows what happens in a run.
pub trait Reporter: Send {
    /// Something happened.
    fn event(&mut self, steps: &[Step], event: &Event);

    /// Time passes: `now` is the time since the run began. To be called several times a second, as the time since a
    /// step started is counted from the tick before its start.
    fn tick(&mut self, steps: &[Step], now: Duration);

    /// The run ended after this time; `stays` ends the line that says so with what it left as it is.
    fn finish(&mut self, steps: &[Step], outcome: &Outcome, elapsed: Duration, stays: &str);
}

/// Hands a reporter every event and the passing of time, until the run drops its sender. [`Reporter::finish`] is left to
/// the caller, who has the outcome.
///
/// Writing to a terminal may block, so this belongs on a thread of its own beside the run.
pub async fn follow(steps: &[Step], mut events: Events, reporter: &mut dyn Reporter) {
    let started = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => reporter.event(steps, &event),
                None => break,
            },
            _ = ticks.tick() => reporter.tick(steps, started.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests;
