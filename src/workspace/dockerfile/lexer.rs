//! The instructions of a Dockerfile, as `BuildKit` tells them apart.
//!
//! A line that ends with the escape character goes on in the next; comments and empty lines in between are dropped.
//! The escape character is a backslash unless a directive at the very top says otherwise. Heredocs of `RUN`, `COPY` and
//! `ADD` are passed over. Whether an instruction exists, and what its arguments mean, is not known here.

use std::ops::Range;

use super::error::Error;
use super::heredoc;
use super::text::{Text, trim};
use crate::problem::{Problem, SourceFile};

/// One instruction, without its continuations.
#[derive(Debug)]
pub(super) struct Instruction {
    /// All of it.
    pub(super) text: Text,
    /// Its first word.
    pub(super) keyword: Range<usize>,
    /// The words that begin with `--` and follow the first, without their quotes.
    pub(super) flags: Vec<Text>,
    /// The rest, without white space around it.
    pub(super) arguments: Range<usize>,
}

impl Instruction {
    /// The first word in upper case.
    pub(super) fn name(&self) -> String {
        self.text.as_str()[self.keyword.clone()].to_ascii_uppercase()
    }

    /// Its first word in the file.
    pub(super) fn keyword_span(&self) -> Range<usize> {
        self.text.span(self.keyword.clone())
    }

    /// All of it in the file.
    pub(super) fn span(&self) -> Range<usize> {
        self.text.span(trim(self.text.as_str(), 0..self.text.as_str().len()))
    }

    fn new(text: Text, escape: char) -> Self {
        let whole = trim(text.as_str(), 0..text.as_str().len());
        let line = &text.as_str()[whole.clone()];
        let keyword = whole.start..whole.start + line.find(is_blank).unwrap_or(line.len());
        let (flags, start) = flags(&text, keyword.end..whole.end, escape);
        let arguments = trim(text.as_str(), start..whole.end);
        Self { text, keyword, flags, arguments }
    }

    /// Whether heredocs may follow: `RUN`, `COPY` and `ADD`, also behind `ONBUILD`, unless written as a JSON array.
    fn takes_heredocs(&self) -> bool {
        let is_one = |name: &str| ["RUN", "COPY", "ADD"].iter().any(|one| name.eq_ignore_ascii_case(one));
        let arguments = &self.text.as_str()[self.arguments.clone()];
        let (name, arguments) = if self.name() == "ONBUILD" {
            arguments.split_once(is_blank).unwrap_or((arguments, ""))
        } else {
            (&self.text.as_str()[self.keyword.clone()], arguments)
        };
        is_one(name)
            && !(arguments.trim_start().starts_with('[') && serde_json::from_str::<Vec<String>>(arguments).is_ok())
    }
}

/// White space that separates the words of an instruction.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The instructions in their order, and the escape character.
pub(super) fn instructions(source: &SourceFile) -> Result<(Vec<Instruction>, char), Problem> {
    let mut directives = Directives { escape: '\\', seen: Vec::new(), done: false };
    let mut instructions = Vec::new();
    let mut lines = lines(&source.text);
    while let Some((at, line)) = lines.next() {
        let start = at + (line.len() - line.trim_start().len());
        let line = line.trim_start();
        directives.read(source, line, start)?;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut text = Text::default();
        let mut continued = push_line(&mut text, line, start, directives.escape);
        while continued {
            let Some((at, line)) = lines.next() else { break };
            let begin = line.trim_start();
            if !begin.is_empty() && !begin.starts_with('#') {
                continued = push_line(&mut text, line, at, directives.escape);
            }
        }
        let instruction = Instruction::new(text, directives.escape);
        if instruction.keyword.is_empty() {
            continue;
        }
        if instruction.takes_heredocs() {
            for heredoc in heredoc::announced(instruction.text.as_str()) {
                let is_end = |line: &str| {
                    let line = if heredoc.strip_tabs { line.trim_start_matches('\t') } else { line };
                    line == heredoc.delimiter
                };
                if !lines.any(|(_, line)| is_end(line)) {
                    return Err(Error::heredoc(source, &heredoc.delimiter, &instruction.span()));
                }
            }
        }
        instructions.push(instruction);
    }
    Ok((instructions, directives.escape))
}

/// The lines of a file with their places, without a byte order mark and without their ends.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let begin = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    text[begin..].split_inclusive('\n').scan(begin, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end_matches(['\r', '\n'])))
    })
}

/// Adds a line, and says whether the next one continues it: it ends with one escape character, blanks aside.
fn push_line(text: &mut Text, line: &str, at: usize, escape: char) -> bool {
    let rest = line.trim_end_matches([' ', '\t']).strip_suffix(escape).filter(|rest| !rest.ends_with(escape));
    text.push(rest.unwrap_or(line), at);
    rest.is_some()
}

/// The comments at the top of a file that tell the parser something.
struct Directives {
    escape: char,
    seen: Vec<String>,
    done: bool,
}

impl Directives {
    /// Takes a line that may be a directive; the first one that is not ends them.
    fn read(&mut self, source: &SourceFile, line: &str, at: usize) -> Result<(), Problem> {
        if self.done {
            return Ok(());
        }
        let Some((name, value)) = directive(line) else {
            self.done = true;
            return Ok(());
        };
        let span = at..at + line.len();
        if self.seen.contains(&name) {
            return Err(Error::directive(source, &name, "is given twice", &span));
        }
        if name == "escape" {
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => return Err(Error::directive(source, &name, "is neither a backslash nor a backtick", &span)),
            };
        }
        self.seen.push(name);
        Ok(())
    }
}

/// `# name = value`, with one of the known names.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    (["syntax", "escape", "check"].contains(&name.as_str()) && !value.is_empty()).then_some((name, value))
}

/// The flags at the begin of a range, without their quotes, and where the arguments begin. `--` ends the flags.
fn flags(text: &Text, range: Range<usize>, escape: char) -> (Vec<Text>, usize) {
    let line = &text.as_str()[..range.end];
    let mut flags = Vec::new();
    let mut at = range.start;
    loop {
        at += line[at..].len() - line[at..].trim_start().len();
        if !line[at..].starts_with("--") {
            return (flags, at);
        }
        let (flag, end) = unquoted_word(text, at..range.end, escape);
        at = end;
        if flag.as_str() == "--" {
            return (flags, at);
        }
        flags.push(flag);
    }
}

/// The word at the begin of a range without quotes and escapes, and its end.
fn unquoted_word(text: &Text, range: Range<usize>, escape: char) -> (Text, usize) {
    let mut word = Text::default();
    let mut quote = None;
    let mut characters = text.as_str()[range.clone()].char_indices();
    while let Some((index, character)) = characters.next() {
        let mut piece = range.start + index..range.start + index + character.len_utf8();
        if quote.is_none() && character.is_whitespace() {
            return (word, piece.start);
        }
        if quote == Some(character) {
            quote = None;
            continue;
        }
        if quote.is_none() && matches!(character, '\'' | '"') {
            quote = Some(character);
            continue;
        }
        if character == escape {
            let Some((index, character)) = characters.next() else { break };
            piece = range.start + index..range.start + index + character.len_utf8();
        }
        word.push_from(text, piece);
    }
    (word, range.end)
}
