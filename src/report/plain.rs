//! The plain reporter: lines only, for logs, pipes and continuous integration.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::lines::Lines;
use super::summary::summary;
use super::text::{Tone, duration, label};
use super::{Reporter, Verbosity};
use crate::plan::{Step, StepIndex};
use crate::run::{Event, Outcome};

/// How often the running steps are listed, so that a long build does not look hung.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// Writes lines.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    lines: Lines,
    /// When each running step started.
    running: BTreeMap<StepIndex, Duration>,
    now: Duration,
    next_heartbeat: Duration,
    /// Nobody reads any more.
    broken: bool,
}

impl<W: Write + Send> Plain<W> {
    /// A reporter that writes here, with or without colours.
    pub fn new(out: W, verbosity: Verbosity, color: bool) -> Self {
        Self {
            out,
            lines: Lines::new(verbosity, color),
            running: BTreeMap::new(),
            now: Duration::ZERO,
            next_heartbeat: HEARTBEAT,
            broken: false,
        }
    }

    /// A pipe that nobody reads must not stop the run, so an error of writing only ends the report.
    fn write(&mut self, text: &str) {
        if !self.broken && !text.is_empty() {
            self.broken = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_err();
        }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&mut self, steps: &[Step], event: &Event) {
        match event {
            Event::Started(step) => {
                self.running.insert(*step, self.now);
            }
            Event::Done(step, _) | Event::Failed(step, ..) | Event::Cancelled(step) => {
                self.running.remove(step);
            }
            _ => {}
        }
        let text = self.lines.event(steps, event);
        self.write(&text);
    }

    fn tick(&mut self, steps: &[Step], now: Duration) {
        self.now = now;
        if now < self.next_heartbeat {
            return;
        }
        self.next_heartbeat = now + HEARTBEAT;
        if self.running.is_empty() || self.lines.verbosity() == Verbosity::Quiet {
            return;
        }
        let running: Vec<String> = self
            .running
            .iter()
            .map(|(step, started)| {
                format!("{} ({})", label(&steps[step.index()]), duration(now.saturating_sub(*started)))
            })
            .collect();
        let text = self.lines.palette().line(Tone::Start, "Running", &running.join(", "));
        self.write(&text);
    }

    fn finish(&mut self, steps: &[Step], outcome: &Outcome, elapsed: Duration, stays: &str) {
        if self.lines.verbosity() > Verbosity::Quiet || outcome.exit_code() != 0 {
            self.write(&summary(steps, outcome, elapsed, stays, self.lines.palette().color));
        }
    }
}
