//! Quotes, escapes and variables of a word, as `BuildKit` processes them for `FROM` and global `ARG`s.
//!
//! Beside the text an expansion yields its shape: the same text with a [`HOLE`] for each value that depends on a
//! platform, and the names it went through. `BuildKit` takes a variable without a value for empty; so does the text
//! here, but the variable is listed as missing. `${X#…}`, `${X%…}` and `${X/…/…}` lose the shape.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::Chars;

use super::glob::Pattern;
use super::heredoc::name;

/// How deep `${a:-${b:-…}}` may go. Real files go two deep.
const MAX_DEPTH: usize = 32;

/// How many bytes an expansion may have, since a few lines of `ARG B=$A$A` could otherwise fill the memory.
const MAX_LENGTH: usize = 1 << 16;

/// How many bytes a value may have to which a pattern is applied, since that takes their cube.
const MAX_PATTERN_SUBJECT: usize = 512;

/// What stands in a shape for the value of a platform variable: a character that no image or stage name can have.
pub(super) const HOLE: char = '\u{1}';

/// A text with what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    /// The text.
    pub(super) text: String,
    /// The text with [`HOLE`] in place of each value that depends on a platform.
    pub(super) shape: String,
    /// The declared variables it went through.
    pub(super) through: BTreeSet<String>,
    /// The variables without a value that it went through.
    pub(super) missing: BTreeSet<String>,
}

impl Expansion {
    fn push(&mut self, character: char) {
        self.text.push(character);
        self.shape.push(character);
    }

    fn append(&mut self, other: &Self) -> Result<(), String> {
        if self.text.len() + other.text.len() > MAX_LENGTH {
            return Err(format!("it expands to more than {MAX_LENGTH} bytes"));
        }
        self.text.push_str(&other.text);
        self.shape.push_str(&other.shape);
        self.through.extend(other.through.iter().cloned());
        self.missing.extend(other.missing.iter().cloned());
        Ok(())
    }
}

/// The value of a variable.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// What it expands to; goes through the variable itself unless that is predefined.
    pub(super) expansion: Expansion,
    /// Where the whole value stands literally in the file, as the default of this `ARG` or of one it only repeats.
    pub(super) origin: Option<Range<usize>>,
}

/// Variables by name.
pub(super) type Variables = BTreeMap<String, Value>;

/// Expands a word. The error says, as part of a sentence, what is wrong with it.
pub(super) fn expand(word: &str, escape: char, variables: &Variables) -> Result<Expansion, String> {
    Expander { rest: word.chars(), escape, keep_escapes: false, variables, depth: 0 }.until(None)
}

/// The variable that a word consists of: `$X` or `${X}` and nothing else.
pub(super) fn sole_variable(word: &str) -> Option<&str> {
    let rest = word.strip_prefix('$')?;
    let inner = rest.strip_prefix('{').map_or(Some(rest), |rest| rest.strip_suffix('}'))?;
    (!inner.is_empty() && name(inner) == inner).then_some(inner)
}

/// Whether a word is taken as it is: without quotes, escapes and variables.
pub(super) fn is_literal(word: &str, escape: char) -> bool {
    !word.contains(['$', '\'', '"', escape])
}

struct Expander<'a> {
    rest: Chars<'a>,
    escape: char,
    /// Whether escapes stay in the text, because it is a pattern.
    keep_escapes: bool,
    variables: &'a Variables,
    depth: usize,
}

impl Expander<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// What stands before `stop`, which is consumed, or before the end.
    fn until(&mut self, stop: Option<char>) -> Result<Expansion, String> {
        let mut out = Expansion::default();
        while let Some(character) = self.rest.next() {
            match character {
                c if Some(c) == stop => return Ok(out),
                '\'' => self.single_quoted(&mut out)?,
                '"' => self.double_quoted(&mut out)?,
                '$' => out.append(&self.variable()?)?,
                c if c == self.escape => {
                    if self.keep_escapes {
                        out.push(c);
                    }
                    if let Some(next) = self.rest.next() {
                        out.push(next);
                    }
                }
                c => out.push(c),
            }
        }
        stop.map_or(Ok(out), |stop| Err(format!("a `{stop}` is missing")))
    }

    fn single_quoted(&mut self, out: &mut Expansion) -> Result<(), String> {
        for character in self.rest.by_ref() {
            if character == '\'' {
                return Ok(());
            }
            out.push(character);
        }
        Err("a single quote is missing".to_owned())
    }

    fn double_quoted(&mut self, out: &mut Expansion) -> Result<(), String> {
        while let Some(character) = self.rest.next() {
            match character {
                '"' => return Ok(()),
                '$' => out.append(&self.variable()?)?,
                c if c == self.escape => {
                    let escaped = self.peek().filter(|&next| matches!(next, '"' | '$') || next == self.escape);
                    if escaped.is_none() || self.keep_escapes {
                        out.push(c);
                    }
                    if let Some(next) = escaped {
                        self.rest.next();
                        out.push(next);
                    }
                }
                c => out.push(c),
            }
        }
        Err("a double quote is missing".to_owned())
    }

    fn name(&mut self) -> String {
        let text = self.rest.as_str();
        let found = name(text);
        self.rest = text[found.len()..].chars();
        found.to_owned()
    }

    /// What a `$`, just consumed, begins.
    fn variable(&mut self) -> Result<Expansion, String> {
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(if name.is_empty() { literal("$") } else { self.value(&name) });
        }
        self.rest.next();
        if self.peek().is_none_or(|next| matches!(next, '{' | '}' | ':')) {
            return Err("a variable is missing in `${}`".to_owned());
        }
        let name = self.name();
        let Some(mut modifier) = self.rest.next() else { return Err("a `}` is missing".to_owned()) };
        let empty_is_unset = modifier == ':';
        if empty_is_unset {
            modifier = self.rest.next().ok_or("a `}` is missing")?;
        }
        let found = self.variables.get(&name);
        let set = found.is_some_and(|value| !(empty_is_unset && value.expansion.text.is_empty()));
        match modifier {
            '}' if !empty_is_unset => Ok(self.value(&name)),
            '-' => {
                let word = self.nested('}', false)?;
                Ok(if set { self.value(&name) } else { word })
            }
            '+' => {
                let mut word = self.nested('}', false)?;
                if !set {
                    return Ok(Expansion::default());
                }
                if let Some(value) = found {
                    word.through.extend(value.expansion.through.iter().cloned());
                }
                Ok(word)
            }
            '?' => {
                let word = self.nested('}', false)?.text;
                let reason = if word.is_empty() { "it has no value" } else { &word };
                if set { Ok(self.value(&name)) } else { Err(format!("`{name}` is demanded: {reason}")) }
            }
            '#' | '%' => {
                let word = self.nested('}', true)?.text;
                let (word, greedy) = word.strip_prefix(modifier).map_or((&*word, false), |word| (word, true));
                let pattern = Pattern::parse(word)?;
                let is_prefix = modifier == '#';
                self.changed(&name, |text| pattern.trim(text, is_prefix, greedy))
            }
            '/' if !empty_is_unset => {
                let all = self.peek() == Some('/');
                if all {
                    self.rest.next();
                }
                let pattern = Pattern::parse(&self.nested('/', true)?.text)?;
                let replacement = self.nested('}', true)?.text;
                self.changed(&name, |text| pattern.replace(text, &replacement, all))
            }
            other => Err(format!("`{other}` is no modifier of a variable")),
        }
    }

    fn nested(&mut self, stop: char, keep_escapes: bool) -> Result<Expansion, String> {
        if self.depth >= MAX_DEPTH {
            return Err("variables are nested too deep".to_owned());
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.keep_escapes, keep_escapes);
        let word = self.until(Some(stop));
        self.keep_escapes = outer;
        self.depth -= 1;
        word
    }

    fn value(&self, name: &str) -> Expansion {
        self.variables.get(name).map_or_else(
            || Expansion { missing: BTreeSet::from([name.to_owned()]), ..Expansion::default() },
            |value| value.expansion.clone(),
        )
    }

    fn changed(&self, name: &str, change: impl Fn(&str) -> String) -> Result<Expansion, String> {
        let value = self.value(name);
        if value.text.len() > MAX_PATTERN_SUBJECT {
            return Err(format!("the value of `{name}` is too long for a pattern"));
        }
        let text = change(&value.text);
        Ok(Expansion { shape: text.clone(), text, ..value })
    }
}

/// A text that means itself.
pub(super) fn literal(text: &str) -> Expansion {
    Expansion { text: text.to_owned(), shape: text.to_owned(), ..Expansion::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [("A", "one"), ("EMPTY", ""), ("PATH", "a/b/c.tar.gz")]
            .into_iter()
            .map(|(name, text)| (name.to_owned(), Value { expansion: literal(text), origin: None }))
            .collect()
    }

    fn text(word: &str) -> Result<String, String> {
        expand(word, '\\', &variables()).map(|expansion| expansion.text)
    }

    #[test]
    fn every_form_of_a_variable_gives_what_the_shell_gives() {
        for (word, expected) in [
            ("$A", "one"),
            ("x${A}y", "xoney"),
            ("$A:$A", "one:one"),
            ("${A:-d}", "one"),
            ("${B:-d}", "d"),
            ("${B-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${A:+a}", "a"),
            ("${A+a}", "a"),
            ("${EMPTY:+a}", ""),
            ("${EMPTY+a}", "a"),
            ("${B+a}", ""),
            ("${B:-${C:-$A}}", "one"),
            ("${B:-\"a } b\"}", "a } b"),
            ("${A:?e}", "one"),
            ("${PATH#*/}", "b/c.tar.gz"),
            ("${PATH##*/}", "c.tar.gz"),
            ("${PATH%.*}", "a/b/c.tar"),
            ("${PATH%%.*}", "a/b/c"),
            ("${PATH/\\//-}", "a-b/c.tar.gz"),
            ("${PATH//\\//-}", "a-b-c.tar.gz"),
            ("${A/n?/}", "o"),
            ("\\$A", "$A"),
            ("'$A'", "$A"),
            ("\"$A\\$A\\n\"", "one$A\\n"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("$/", "$/"),
        ] {
            assert_eq!(text(word), Ok(expected.to_owned()), "{word}");
        }
    }

    #[test]
    fn what_is_no_form_of_a_variable_is_an_error() {
        for word in
            ["${", "${}", "${:x}", "${A", "${A:", "${A^^}", "${A:x}", "${A:-", "'a", "\"a", "${B:?must}", "${A/x"]
        {
            assert!(text(word).is_err(), "{word}");
        }
    }

    #[test]
    fn only_the_missing_variables_that_matter_are_listed() {
        let missing = |word: &str| expand(word, '\\', &variables()).unwrap().missing.into_iter().collect::<Vec<_>>();
        assert_eq!(missing("$B-$C"), ["B", "C"]);
        assert_eq!(missing("${A:-$B}${B:-x}${B:+$C}"), Vec::<String>::new());
    }

    #[test]
    fn deep_nesting_is_an_error_rather_than_an_overflow() {
        assert!(text(&"${B:-".repeat(100_000)).is_err());
    }

    #[test]
    fn a_sole_variable_has_nothing_around_it() {
        assert_eq!(sole_variable("$A"), Some("A"));
        assert_eq!(sole_variable("${A}"), Some("A"));
        for word in ["$A:1", "${A:-x}", "$", "${}", "A", "$A$B"] {
            assert_eq!(sole_variable(word), None, "{word}");
        }
    }
}
