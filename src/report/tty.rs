//! The reporter for a terminal: what has happened scrolls by above a bar and one line for each running step.
//!
//! The lines above are those of the plain reporter, written as they are, so that they can be copied. The bars are painted
//! at most 20 times a second, however many log lines there are; only the last one of each step is shown, cut to the width
//! of the terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::Lines;
use super::summary::summary;
use super::text::{duration, label, visible};
use super::{Left, Reporter, Verbosity};
use crate::plan::{Step, StepIndex};
use crate::run::{Event, Outcome};

/// Paints per second.
const RATE: u8 = 20;

/// Draws progress bars.
pub struct Tty {
    terminal: MultiProgress,
    overall: ProgressBar,
    /// The same terminal, for the lines above the bars.
    out: Box<dyn Write + Send>,
    lines: Lines,
    left: Left,
    /// Lines to be written before the next paint.
    pending: String,
    running: BTreeMap<StepIndex, Running>,
    failed: usize,
    interrupted: bool,
    now: Duration,
}

#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    started: Duration,
    last_line: String,
}

impl Tty {
    /// A reporter on standard error; `None` if that is no terminal on which bars can be drawn.
    #[must_use]
    pub fn stderr(verbosity: Verbosity, color: bool, left: Left) -> Option<Self> {
        let target = ProgressDrawTarget::stderr_with_hz(RATE);
        (!target.is_hidden()).then(|| Self::on(target, Box::new(io::stderr()), verbosity, color, left))
    }

    fn on(
        target: ProgressDrawTarget,
        out: Box<dyn Write + Send>,
        verbosity: Verbosity,
        color: bool,
        left: Left,
    ) -> Self {
        let terminal = MultiProgress::with_draw_target(target);
        // At the top, since what does not fit the height of the terminal is cut at the bottom.
        let overall = terminal.add(ProgressBar::no_length().with_style(style("[{bar:24}] {wide_msg}")));
        Self {
            terminal,
            overall,
            out,
            lines: Lines::new(verbosity, color),
            left,
            pending: String::new(),
            running: BTreeMap::new(),
            failed: 0,
            interrupted: false,
            now: Duration::ZERO,
        }
    }

    fn paint(&self, steps: &[Step]) {
        self.overall.set_length(steps.len() as u64);
        self.overall.set_position(self.lines.done() as u64);
        let verb = if self.interrupted { "cancelling" } else { "building" };
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let (done, running, elapsed) = (self.lines.done(), self.running.len(), duration(self.now));
        let left = self.left.shown().map(|left| format!(", about {left} left")).unwrap_or_default();
        self.overall.set_message(format!("{verb} {done}/{}, {running} running{failed}, {elapsed}{left}", steps.len()));
        for (step, running) in &self.running {
            let name = self.lines.palette().bold(&label(&steps[step.index()]));
            let elapsed = duration(self.now.saturating_sub(running.started));
            let separator = if running.last_line.is_empty() { "" } else { "  " };
            running.bar.set_message(format!("{name} {elapsed}{separator}{}", running.last_line));
            running.bar.tick();
        }
    }

    /// Writes what is pending while the bars are away. A terminal that is gone must not stop the run, so an error of
    /// writing is left alone.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let text = std::mem::take(&mut self.pending);
            drop(self.terminal.suspend(|| self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush())));
        }
    }
}

impl fmt::Debug for Tty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tty").field("lines", &self.lines).field("running", &self.running).finish_non_exhaustive()
    }
}

impl Reporter for Tty {
    fn event(&mut self, steps: &[Step], event: &Event) {
        match event {
            Event::Started(step) => {
                let bar = self.terminal.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
                self.running.insert(*step, Running { bar, started: self.now, last_line: String::new() });
            }
            Event::Line(step, line) => {
                if let Some(running) = self.running.get_mut(step) {
                    let line = visible(line);
                    if !line.trim().is_empty() {
                        line.trim().clone_into(&mut running.last_line);
                    }
                }
            }
            Event::Done(step, _) | Event::Failed(step, ..) | Event::Cancelled(step) => {
                self.failed += usize::from(matches!(event, Event::Failed(..)));
                if let Some(running) = self.running.remove(step) {
                    running.bar.finish_and_clear();
                    self.terminal.remove(&running.bar);
                }
            }
            Event::Interrupted => self.interrupted = true,
            Event::Skipped(..) | Event::NotStarted(_) | Event::Warning(_) => {}
        }
        self.left.event(event, self.now);
        self.pending += &self.lines.event(steps, event);
        // Log lines can be many, so they wait for the next tick.
        if !matches!(event, Event::Line(..)) {
            self.flush();
        }
    }

    fn tick(&mut self, steps: &[Step], now: Duration) {
        self.now = now;
        self.left.tick(steps, now);
        self.flush();
        self.paint(steps);
    }

    fn finish(&mut self, steps: &[Step], outcome: &Outcome, elapsed: Duration, stays: &str) {
        for running in std::mem::take(&mut self.running).into_values() {
            running.bar.finish_and_clear();
        }
        self.overall.finish_and_clear();
        if self.lines.verbosity() > Verbosity::Quiet || outcome.exit_code() != 0 {
            self.pending += &summary(steps, outcome, elapsed, stays, self.lines.palette().color);
        }
        self.flush();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant that parses").progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;
    use crate::run::Limits;
    use crate::run::testing::{build, push, seconds};

    /// A terminal 80 columns wide that keeps every line it ever showed.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            self.write_str("\n")
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            self.write_str("\n")
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(&format!("{line}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_str(str::from_utf8(bytes).unwrap())?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        /// What was painted since the last call.
        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[test]
    fn running_steps_are_below_the_bar_and_finished_ones_above() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let left = Left::new(Limits::new(2, false), seconds(&[200, 4]));
        let mut tty = Tty::on(target, Box::new(screen.clone()), Verbosity::Normal, false, left);
        let steps = [build("pkg/init", &[]), push("pkg/init", &[0])];
        let zero = StepIndex(0);
        tty.event(&steps, &Event::Started(zero));
        tty.event(
            &steps,
            &Event::Line(
                zero,
                "\x1b[1mRUN make\x1b[0m && make everything that there is to be made && make install".to_owned(),
            ),
        );
        tty.event(&steps, &Event::Line(zero, String::new()));
        screen.take();
        tty.tick(&steps, Duration::from_secs(65));
        let shown = screen.take();
        let bar = "[                        ] building 0/2, 1 running, 1m 05s, about 2 min left";
        assert!(shown.contains(bar), "{shown}");
        assert!(shown.contains(" pkg/init linux/amd64 1m 05s  RUN make"), "{shown}");
        assert!(!shown.contains("install"), "cut to the width: {shown}");
        tty.event(&steps, &Event::Done(zero, Duration::from_millis(1200)));
        let shown = screen.take();
        let (done, bar) = (shown.find("       Built pkg/init linux/amd64 in 1.2s (1/2)\n"), shown.rfind("] building"));
        assert!(done.is_some() && done < bar, "{shown}");
        tty.tick(&steps, Duration::from_secs(66));
        let shown = screen.take();
        assert!(shown.contains("] building 1/2,"), "{shown}");
        assert!(!shown.contains("RUN make"), "a finished step has no line: {shown}");
        let outcome = Outcome { done: vec![zero], not_started: vec![StepIndex(1)], ..Outcome::default() };
        tty.finish(&steps, &outcome, Duration::from_secs(66), "");
        let shown = screen.take();
        let (done, bar) = (shown.find("built 1 in 1m 06s\n"), shown.rfind("] building"));
        assert!(done.is_some() && bar < done, "the bar is gone: {shown}");
    }
}
