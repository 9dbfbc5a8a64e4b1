//! The lines that tell of one event: a verb in a column of its own, then what it is about.

use super::Verbosity;
use super::text::{Palette, Tone, duration, full_label, label, visible};
use crate::plan::{Step, StepIndex, StepKind};
use crate::run::{Event, Failure, short_name};

/// Turns events into lines, counting what is done.
#[derive(Debug)]
pub struct Lines {
    verbosity: Verbosity,
    palette: Palette,
    done: usize,
}

impl Lines {
    pub fn new(verbosity: Verbosity, color: bool) -> Self {
        Self { verbosity, palette: Palette { color }, done: 0 }
    }

    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    pub fn palette(&self) -> Palette {
        self.palette
    }

    /// How many steps are done.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The lines of an event, each with its newline; empty when it is not to be shown.
    pub fn event(&mut self, steps: &[Step], event: &Event) -> String {
        self.done += usize::from(matches!(event, Event::Done(..)));
        let step = |index: &StepIndex| &steps[index.index()];
        let needed = match event {
            Event::Failed(..) => Verbosity::Quiet,
            Event::Started(started) if step(started).kind() == StepKind::Build => Verbosity::Normal,
            Event::Done(..) | Event::Skipped(..) | Event::Interrupted | Event::Cancelled(_) | Event::Warning(_) => {
                Verbosity::Normal
            }
            Event::Started(_) | Event::Line(..) | Event::NotStarted(_) => Verbosity::Verbose,
        };
        if self.verbosity < needed {
            return String::new();
        }
        match event {
            Event::Started(started) => self.palette.line(Tone::Start, verbs(step(started)).0, &step(started).title),
            Event::Line(of, line) => format!("{} | {}\n", short_name(step(of)), visible(line)),
            Event::Done(done, took) => {
                let text = format!("{} in {} ({}/{})", step(done).title, duration(*took), self.done, steps.len());
                self.palette.line(Tone::Good, verbs(step(done)).1, &text)
            }
            Event::Failed(failed, took, failure) => {
                let text = format!("{} after {}", full_label(step(failed)), duration(*took));
                let details = if is_told_in_the_end(step(failed), failure) { String::new() } else { details(failure) };
                self.palette.line(Tone::Bad, "FAILED", &text) + &details
            }
            Event::Skipped(skipped, root) => {
                let text = format!("{} (needs {})", label(step(skipped)), label(step(root)));
                self.palette.line(Tone::Left, "Skipped", &text)
            }
            Event::NotStarted(left) => self.palette.line(Tone::Left, "Not started", &label(step(left))),
            Event::Interrupted => self.palette.line(Tone::Left, "Interrupted", "cancelling the running steps"),
            Event::Cancelled(cancelled) => self.palette.line(Tone::Left, "Cancelled", &label(step(cancelled))),
            Event::Warning(warning) => self.palette.line(Tone::Left, "Warning", warning),
        }
    }
}

/// What a kind of step is doing, and what it has done.
fn verbs(step: &Step) -> (&'static str, &'static str) {
    match step.kind() {
        StepKind::Fetch => ("Fetching", "Fetched"),
        StepKind::Load => ("Loading", "Loaded"),
        StepKind::Build => ("Building", "Built"),
        StepKind::Store => ("Storing", "Stored"),
        StepKind::Push => ("Pushing", "Pushed"),
        StepKind::Index => ("Indexing", "Indexed"),
        StepKind::Release => ("Releasing", "Released"),
        StepKind::Notarize => ("Notarizing", "Notarized"),
        StepKind::Sign => ("Signing", "Signed"),
    }
}

/// Whether the summary alone says why a step failed: a build has a log that is wanted at once, and what else has nothing to
/// show of its work would only be said twice.
pub fn is_told_in_the_end(step: &Step, failure: &Failure) -> bool {
    step.kind() != StepKind::Build && failure.tail.is_empty()
}

/// Why it failed, the end of the log, and where the rest is.
fn details(failure: &Failure) -> String {
    let tail = failure.tail.iter().map(|line| format!("{}\n", format!("  | {}", visible(line)).trim_end()));
    let parts: Vec<String> = message(failure, usize::MAX).chain(tail).chain([full_log(failure)]).collect();
    parts.concat()
}

/// The first lines of why it failed, each with its newline.
pub fn message(failure: &Failure, count: usize) -> impl Iterator<Item = String> {
    failure.message.lines().take(count).map(|line| format!("  {line}\n"))
}

/// Where the full log of a failure is, if anywhere.
pub fn full_log(failure: &Failure) -> String {
    failure.log.as_ref().map(|log| format!("  full log: {}\n", log.display())).unwrap_or_default()
}
