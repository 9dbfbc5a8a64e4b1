//! Where words go: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Severity};

use super::{Progress, When};
use crate::problem::{Class, Fault, Problem};
use crate::report::{Left, Plain, Reporter, Tty, Verbosity};
use crate::settings::Environment;

/// The forms of an answer that has no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Standard output does not take what is to be printed.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("standard output cannot be written: {reason}")]
#[diagnostic(code(cli::output), help("give it a file or pipe that takes it"))]
struct OutputError {
    reason: String,
}

impl Fault for OutputError {
    fn class(&self) -> Class {
        Class::Infrastructure
    }
}

/// How this process speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// Standard error takes colours.
    pub(super) color: bool,
    /// Progress is painted over.
    pub(super) tty: bool,
    /// Progress is shown at all.
    pub(super) progress: bool,
    /// Nothing but errors.
    pub(super) quiet: bool,
    /// 0, 1 or more.
    pub(super) verbose: u8,
}

impl Output {
    pub(super) fn new(color: When, progress: Progress, quiet: bool, verbose: u8, environment: &Environment) -> Self {
        let terminal = io::stderr().is_terminal() && !environment.dumb_terminal;
        let color = match color {
            When::Always => true,
            When::Never => false,
            When::Auto if environment.no_color => false,
            When::Auto => environment.force_color || terminal,
        };
        let tty = match progress {
            Progress::Auto => terminal && !environment.ci,
            Progress::Tty => true,
            Progress::Plain | Progress::None => false,
        };
        Self { color, tty, progress: progress != Progress::None, quiet, verbose }
    }

    /// Data; a reader that has gone away ends it quietly, any other failure is an error.
    #[expect(clippy::unused_self, reason = "all words go through the one value that knows how to speak")]
    pub(super) fn data(&self, text: &str) -> Result<(), Vec<Problem>> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(vec![OutputError { reason: error.to_string() }.into()])
            }
            _ => Ok(()),
        }
    }

    /// A message.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// A problem that stops the command.
    pub(super) fn error(&self, problem: &Problem) {
        self.report(problem.diagnostic());
    }

    /// A problem that stops nothing.
    pub(super) fn warning(&self, problem: &Problem) {
        if !self.quiet {
            self.report(&Warning(problem));
        }
    }

    /// Who shows a run, and on a terminal what is left of it.
    pub(super) fn reporter(&self, left: Left) -> Box<dyn Reporter> {
        let verbosity = match (self.quiet || !self.progress, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        let bars =
            if self.tty && verbosity != Verbosity::Quiet { Tty::stderr(verbosity, self.color, left) } else { None };
        match bars {
            Some(bars) => Box::new(bars),
            None => Box::new(Plain::new(io::stderr(), verbosity, self.color)),
        }
    }

    fn report(&self, diagnostic: &dyn Diagnostic) {
        let theme = if self.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let text = rendered(diagnostic, theme);
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// The text of a diagnostic. Lines end between words only: references and flags are there to be copied.
fn rendered(diagnostic: &dyn Diagnostic, theme: GraphicalTheme) -> String {
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false)
        .with_break_words(false)
        .with_word_separator(textwrap::WordSeparator::AsciiSpace)
        .with_word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut text = String::new();
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        // Nothing is better than half a report but the bare sentence.
        Err(_) => format!("{diagnostic}\n"),
    }
}

/// A problem shown as a warning.
#[derive(Debug)]
struct Warning<'a>(&'a Problem);

impl std::fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self.0, f)
    }
}

impl std::error::Error for Warning<'_> {}

impl Diagnostic for Warning<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.0.diagnostic().code()
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Warning)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.0.diagnostic().help()
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.0.diagnostic().source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        self.0.diagnostic().labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.diagnostic().related()
    }
}

/// A document for programs, with a newline at the end.
pub(super) fn json(document: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .expect("documents are strings, numbers, lists and maps with string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("{}", [WORD; 20].join(" "))]
    #[diagnostic(help("{} {}", [WORD; 20].join(" "), "long-".repeat(40)))]
    struct Long;

    const WORD: &str = "--assume-missing=pkg/base";

    #[test]
    fn no_line_ends_inside_a_word() {
        let text = rendered(&Long, GraphicalTheme::none());
        assert_eq!(text.matches(WORD).count(), 40, "{text}");
        assert!(text.contains(&"long-".repeat(40)), "{text}");
        assert!(text.lines().count() > 8, "{text}");
    }
}
