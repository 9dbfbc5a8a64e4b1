//! Verbs, names of steps, durations, and log lines made fit for a terminal.

use std::borrow::Cow;
use std::time::Duration;

use console::Style;

use crate::plan::{Step, StepKind};

/// Columns that a verb takes, aligned to the right.
const VERB_WIDTH: usize = 12;

/// What a colour says; it never says more than the verb does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It begins.
    Start,
    /// It went well.
    Good,
    /// It was left undone.
    Left,
    /// It went wrong.
    Bad,
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// There are.
    pub color: bool,
}

impl Palette {
    /// A verb in its column, followed by what it is about.
    pub fn line(self, tone: Tone, verb: &str, text: &str) -> String {
        let style = match tone {
            Tone::Start => Style::new().cyan(),
            Tone::Good => Style::new().green(),
            Tone::Left => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
        };
        let verb = format!("{verb:>VERB_WIDTH$}");
        format!("{} {text}\n", style.bold().force_styling(self.color).apply_to(verb))
    }

    /// A name that stands out.
    pub fn bold(self, text: &str) -> String {
        Style::new().bold().force_styling(self.color).apply_to(text).to_string()
    }
}

/// What a step is called: its title alone for a build, which is what most steps are.
pub fn label(step: &Step) -> String {
    match step.kind() {
        StepKind::Build => step.title.clone(),
        _ => full_label(step),
    }
}

/// The kind and the title of a step.
pub fn full_label(step: &Step) -> String {
    format!("{} {}", step.kind(), step.title)
}

/// `1.2s`, `3m 05s` or `1h 02m`; what is smaller is cut off, not rounded.
#[must_use]
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A log line as a terminal would show it at last: without escape sequences, without what a carriage return overwrote,
/// without control characters. What a build prints can so neither move the cursor nor change colours.
pub fn visible(line: &str) -> Cow<'_, str> {
    if !line.contains(|character: char| character.is_control()) {
        return Cow::Borrowed(line);
    }
    let plain = console::strip_ansi_codes(line);
    let last = plain.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    Cow::Owned(last.replace('\t', "    ").replace(char::is_control, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most_and_never_sixty_of_one() {
        let texts: Vec<String> = [0, 1_249, 59_999, 60_000, 185_000, 3_599_999, 3_600_000, 3_779_000, 90_000_000]
            .into_iter()
            .map(|milliseconds| duration(Duration::from_millis(milliseconds)))
            .collect();
        assert_eq!(texts, ["0.0s", "1.2s", "59.9s", "1m 00s", "3m 05s", "59m 59s", "1h 00m", "1h 02m", "25h 00m"]);
    }

    #[test]
    fn a_log_line_cannot_steer_the_terminal() {
        assert_eq!(visible("as it is: ä"), "as it is: ä");
        assert_eq!(visible("\x1b[31mred\x1b[0m\x1b[2K \x07bell"), "red bell");
        assert_eq!(visible("  10%\r 100%\r"), " 100%");
        assert_eq!(visible("a\tb"), "a    b");
        assert_eq!(visible("\r"), "");
    }
}
