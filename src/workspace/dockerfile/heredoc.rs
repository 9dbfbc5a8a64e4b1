//! The heredocs that an instruction announces.
//!
//! Words are split as `BuildKit` splits them for this purpose: quotes and `${…}` keep blanks together, nothing is
//! expanded, and `<<` takes the blanks behind it along. Where quotes or braces do not match, there is no heredoc.

/// The end of one heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heredoc {
    /// The line that ends it.
    pub(super) delimiter: String,
    /// Whether tabs before that line do not count (`<<-`).
    pub(super) strip_tabs: bool,
}

/// The heredocs of an instruction given without its continuations, in their order.
pub(super) fn announced(instruction: &str) -> Vec<Heredoc> {
    if !instruction.contains("<<") {
        return Vec::new();
    }
    words(instruction).unwrap_or_default().iter().filter_map(|word| heredoc(word)).collect()
}

/// `[digits]<<[-][blanks]word`, where the word has no `<` and is one word once unquoted.
fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, strip_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    Some(Heredoc { delimiter: unquote(rest)?, strip_tabs })
}

/// The word without quotes and escapes; nothing if it is empty or several words.
fn unquote(word: &str) -> Option<String> {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = word.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(character),
            ('\\', None) => out.extend(characters.next()),
            ('\\', Some('"')) => {
                out.push(characters.next_if(|next| matches!(next, '"' | '$' | '\\')).unwrap_or('\\'));
            }
            (c, None) if c.is_whitespace() => return None,
            (c, _) => out.push(c),
        }
    }
    (quote.is_none() && !out.is_empty()).then_some(out)
}

/// The words of a line, quotes and escapes kept; nothing if a quote or brace does not match.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut at = 0;
    while let Some(character) = line[at..].chars().next() {
        let next = at + character.len_utf8();
        let end = match character {
            '\'' | '"' | '$' => skip(line, at)?,
            '\\' => next + line[next..].chars().next().map_or(0, char::len_utf8),
            '<' if line[next..].starts_with('<') => {
                let rest = &line[next + 1..];
                line.len() - rest.trim_start_matches(|c: char| c.is_whitespace()).len()
            }
            _ => next,
        };
        let split = character == '$' || end == next;
        for c in line[at..end].chars() {
            if !(split && c.is_whitespace()) {
                word.push(c);
            } else if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        }
        at = end;
    }
    if !word.is_empty() {
        words.push(word);
    }
    Some(words)
}

/// What must come to close what is open.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Single,
    Double,
    /// `${name-…}`, closed by `}`.
    Brace,
    /// The pattern of `${name/…/…}`, which ends where the replacement begins.
    Pattern,
}

/// The end of the quoted text or the variable that begins at `start`; nothing if it does not end.
fn skip(line: &str, start: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = start;
    loop {
        let character = line[at..].chars().next()?;
        let next = at + character.len_utf8();
        at = match (character, open.last()) {
            ('\'', Some(Open::Single)) | ('"', Some(Open::Double)) | ('}', Some(Open::Brace)) => {
                open.pop();
                next
            }
            (_, Some(Open::Single)) => next,
            ('/', Some(Open::Pattern)) => {
                open.pop();
                open.push(Open::Brace);
                next
            }
            ('\\', _) => next + line[next..].chars().next().map_or(0, char::len_utf8),
            ('\'', top) if top != Some(&Open::Double) => {
                open.push(Open::Single);
                next
            }
            ('"', _) => {
                open.push(Open::Double);
                next
            }
            ('$', _) => variable(line, next, &mut open)?,
            _ => next,
        };
        if open.is_empty() {
            return Some(at);
        }
    }
}

/// The end of a variable's name, behind the `$` at whose end `at` is; leaves its brace open if a modifier follows.
fn variable(line: &str, at: usize, open: &mut Vec<Open>) -> Option<usize> {
    let Some(rest) = line[at..].strip_prefix('{') else { return Some(at + name(&line[at..]).len()) };
    if rest.starts_with(['{', '}', ':']) {
        return None;
    }
    let at = at + 1 + name(rest).len();
    let modifier = line[at..].chars().next()?;
    let next = at + modifier.len_utf8();
    match modifier {
        '}' => return Some(next),
        ':' => {
            open.push(Open::Brace);
            return Some(next + line[next..].chars().next()?.len_utf8());
        }
        '+' | '-' | '?' | '#' | '%' => open.push(Open::Brace),
        '/' => {
            open.push(Open::Pattern);
            return Some(if line[next..].starts_with('/') { next + 1 } else { next });
        }
        _ => return None,
    }
    Some(next)
}

/// The name of a variable at the begin of a text: letters, digits and `_`, or digits only, or one special character.
pub(super) fn name(text: &str) -> &str {
    let end = match text.chars().next() {
        Some(first) if first.is_numeric() => text.find(|c: char| !c.is_numeric()),
        Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Some(1),
        _ => text.find(|c: char| !c.is_alphanumeric() && c != '_'),
    };
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delimiters(line: &str) -> Vec<String> {
        announced(line).into_iter().map(|heredoc| heredoc.delimiter).collect()
    }

    #[test]
    fn a_word_that_begins_with_two_angles_announces_a_heredoc() {
        for (line, expected) in [
            ("RUN <<EOF", vec!["EOF"]),
            ("RUN cat <<-'E O' > /x", vec!["E O"]),
            ("COPY <<a <<\"b\" /x", vec!["a", "b"]),
            ("RUN 3<<X cat /dev/fd/3", vec!["X"]),
            ("RUN cat << EOF", vec!["EOF"]),
            ("RUN ${x:-<} <<E\"O\"F", vec!["EOF"]),
            ("RUN cat <<\\EOF", vec!["EOF"]),
        ] {
            assert_eq!(delimiters(line), expected, "{line}");
        }
    }

    #[test]
    fn other_angles_announce_none() {
        for line in [
            "RUN cat <<<word",
            "RUN cat<<EOF",
            "RUN echo '<<EOF'",
            "RUN echo \"a <<EOF b\"",
            "RUN echo $((1<<2))",
            "RUN echo \\<<EOF",
            "RUN echo don't <<EOF",
            "RUN cat <<",
        ] {
            assert_eq!(delimiters(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn a_dash_strips_tabs() {
        assert_eq!(announced("RUN <<-EOF"), [Heredoc { delimiter: "EOF".to_owned(), strip_tabs: true }]);
    }
}
