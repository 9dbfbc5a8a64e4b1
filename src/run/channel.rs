//! The way of events from a run to whoever shows them, which never makes the run wait.
//!
//! Nobody has to read, and a reader may be slow: what happens to steps is few and always arrives, in order. Log lines
//! can be many, so only so many of them wait for the reader; the rest is left out and counted. The log files have all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::Event;
use crate::plan::StepIndex;

/// Log lines that wait for a slow reader.
const WAITING: usize = 4096;

/// Tells of what happens.
#[derive(Debug, Clone)]
pub struct Teller {
    events: mpsc::UnboundedSender<Event>,
    waiting: Arc<AtomicUsize>,
}

/// What happened, in order.
#[derive(Debug)]
pub struct Events {
    events: mpsc::UnboundedReceiver<Event>,
    waiting: Arc<AtomicUsize>,
}

/// A way from a run to its reader.
#[must_use]
pub fn channel() -> (Teller, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Teller { events: sender, waiting: waiting.clone() }, Events { events: receiver, waiting })
}

impl Teller {
    /// Tells of one thing, whoever listens: a run whose events nobody reads any more is still a run.
    pub fn tell(&self, event: Event) {
        if matches!(event, Event::Line(..)) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        drop(self.events.send(event));
    }

    /// Tells of the lines of one step.
    pub(super) fn lines_of(&self, step: StepIndex) -> Lines {
        Lines { teller: self.clone(), step, left_out: 0 }
    }
}

impl Events {
    /// The next event; `None` after the last one.
    pub async fn recv(&mut self) -> Option<Event> {
        let event = self.events.recv().await;
        if matches!(event, Some(Event::Line(..))) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        event
    }
}

/// The lines of one step. When it is dropped, even the last lines that were left out are told of.
#[derive(Debug)]
pub(super) struct Lines {
    teller: Teller,
    step: StepIndex,
    left_out: usize,
}

impl Lines {
    /// Tells of a line, or leaves it out if too many wait.
    pub(super) fn tell(&mut self, line: String) {
        if self.teller.waiting.load(Ordering::Relaxed) >= WAITING {
            self.left_out += 1;
            return;
        }
        self.tell_what_is_left_out();
        self.teller.tell(Event::Line(self.step, line));
    }

    /// Tells of something else.
    pub(super) fn event(&self, event: Event) {
        self.teller.tell(event);
    }

    fn tell_what_is_left_out(&mut self) {
        match std::mem::take(&mut self.left_out) {
            0 => {}
            1 => self.teller.tell(Event::Line(self.step, "… 1 line not shown".to_owned())),
            count => self.teller.tell(Event::Line(self.step, format!("… {count} lines not shown"))),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell_what_is_left_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_that_a_slow_reader_would_pile_up_are_counted_and_all_else_arrives() {
        let (teller, mut events) = channel();
        let step = StepIndex(0);
        let mut lines = teller.lines_of(step);
        for number in 0..WAITING + 5 {
            lines.tell(number.to_string());
        }
        lines.event(Event::Interrupted);
        for number in 0..WAITING {
            assert_eq!(events.recv().await, Some(Event::Line(step, number.to_string())));
        }
        assert_eq!(events.recv().await, Some(Event::Interrupted));
        lines.tell("again".to_owned());
        drop((lines, teller));
        assert_eq!(events.recv().await, Some(Event::Line(step, "… 5 lines not shown".to_owned())));
        assert_eq!(events.recv().await, Some(Event::Line(step, "again".to_owned())));
        assert_eq!(events.recv().await, None);
    }
}
