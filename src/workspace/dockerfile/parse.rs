//! From instructions to global ARGs, stages and the images they name, with nothing expanded yet.

use std::ops::Range;

use super::ReferenceKind;
use super::error::Error;
use super::expand::sole_variable;
use super::lexer::{self, Instruction, is_blank};
use super::text::Text;
use crate::problem::{Problem, SourceFile};

const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A word of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// As written, quotes included.
    pub(super) raw: String,
    /// Where it stands, without quotes around the whole of it unless there is nothing between them.
    pub(super) span: Range<usize>,
}

impl Token {
    /// As written, without quotes around the whole of it.
    pub(super) fn written(&self) -> &str {
        unquote(&self.raw).unwrap_or(&self.raw)
    }

    /// The variable that it consists of, if it is one and nothing else.
    pub(super) fn variable(&self) -> Option<&str> {
        if self.raw.starts_with('\'') { None } else { sole_variable(self.written()) }
    }

    /// A range of an instruction, which may be quoted as a whole.
    fn word(text: &Text, range: Range<usize>) -> Self {
        let raw = &text.as_str()[range.clone()];
        let is_quoted = unquote(raw).is_some_and(|inner| !inner.is_empty());
        let named = if is_quoted { range.start + 1..range.end - 1 } else { range };
        Self { raw: raw.to_owned(), span: text.span(named) }
    }

    /// A range of a flag, whose quotes are gone already. The span takes in a quote that opens or closes within it.
    fn flag(source: &str, text: &Text, range: Range<usize>) -> Self {
        let mut span = text.span(range.clone());
        for quote in ['"', '\''] {
            if source[span.clone()].matches(quote).count() % 2 == 1 {
                if source[span.end..].starts_with(quote) {
                    span.end += 1;
                } else if source[..span.start].ends_with(quote) {
                    span.start -= 1;
                }
            }
        }
        Self { raw: text.as_str()[range].to_owned(), span }
    }
}

/// What stands between two quotes that are the only ones.
fn unquote(raw: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| {
        let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(['"', '\'', '\\', '`'])).then_some(inner)
    })
}

/// One name of an `ARG` before the first `FROM`.
#[derive(Debug, Clone)]
pub(super) struct GlobalArg {
    pub(super) name: String,
    pub(super) default: Option<Token>,
    /// All of it in the file.
    pub(super) span: Range<usize>,
}

/// A `FROM` with what follows until the next.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) image: Token,
    pub(super) platform: Option<Token>,
    /// In lower case.
    pub(super) name: Option<String>,
    /// What `--from=` and `from=` say, in order.
    pub(super) uses: Vec<(ReferenceKind, Token)>,
    /// Whether it has a `RUN`.
    pub(super) runs: bool,
}

/// What is of interest in a Dockerfile.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) escape: char,
    pub(super) args: Vec<GlobalArg>,
    /// At least one.
    pub(super) stages: Vec<Stage>,
}

/// Reads a file; the first error ends it.
pub(super) fn parse(source: &SourceFile) -> Result<Parsed, Problem> {
    let (instructions, escape) = lexer::instructions(source)?;
    let mut args = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in &instructions {
        let name = instruction.name();
        if !INSTRUCTIONS.contains(&name.as_str()) {
            let written = &instruction.text.as_str()[instruction.keyword.clone()];
            return Err(Error::instruction(source, written, &INSTRUCTIONS, &instruction.keyword_span()));
        }
        match (name.as_str(), stages.last_mut()) {
            ("FROM", _) => stages.push(stage(source, instruction)?),
            ("ARG", None) => global_args(source, instruction, escape, &mut args)?,
            ("ARG", Some(_)) => global_args(source, instruction, escape, &mut Vec::new())?,
            (_, None) => return Err(Error::before_from(source, &name, &instruction.keyword_span())),
            ("COPY" | "ADD", Some(stage)) => stage.uses.extend(copy_from(source, instruction)),
            ("RUN", Some(stage)) => {
                stage.uses.extend(mounts_from(source, instruction));
                stage.runs = true;
            }
            _ => {}
        }
    }
    if stages.is_empty() {
        return Err(Error::no_from(source));
    }
    Ok(Parsed { escape, args, stages })
}

fn stage(source: &SourceFile, instruction: &Instruction) -> Result<Stage, Problem> {
    let text = &instruction.text;
    let mut platform = None;
    for flag in &instruction.flags {
        match flag_value(flag, "--platform=") {
            Some(value) if !value.is_empty() => platform = Some(Token::flag(&source.text, flag, value)),
            _ => return Err(Error::flag(source, flag.as_str(), &flag.span(0..flag.as_str().len()))),
        }
    }
    let words = words(text, instruction.arguments.clone());
    let name = match &words[..] {
        [_] => None,
        [_, by, name] if text.as_str()[by.clone()].eq_ignore_ascii_case("as") => {
            let written = &text.as_str()[name.clone()];
            if !is_stage_name(written) {
                return Err(Error::stage_name(source, written, &text.span(name.clone())));
            }
            Some(written.to_ascii_lowercase())
        }
        _ => return Err(Error::from(source, &instruction.span())),
    };
    Ok(Stage { image: Token::word(text, words[0].clone()), platform, name, uses: Vec::new(), runs: false })
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Words separated by white space, quoted or not.
fn words(text: &Text, range: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = range.start;
    for piece in text.as_str()[range].split(is_blank) {
        if !piece.is_empty() {
            words.push(at..at + piece.len());
        }
        // Every blank is one byte.
        at += piece.len() + 1;
    }
    words
}

fn global_args(
    source: &SourceFile,
    instruction: &Instruction,
    escape: char,
    args: &mut Vec<GlobalArg>,
) -> Result<(), Problem> {
    let text = &instruction.text;
    let words = quoted_words(text.as_str(), instruction.arguments.clone(), escape);
    if words.is_empty() {
        return Err(Error::arg(source, &instruction.span()));
    }
    for word in words {
        let written = &text.as_str()[word.clone()];
        let (name, default) = match written.split_once('=') {
            Some((name, _)) => (name, Some(Token::word(text, word.start + name.len() + 1..word.end))),
            None => (written, None),
        };
        if name.is_empty() {
            return Err(Error::arg(source, &text.span(word)));
        }
        args.push(GlobalArg { name: name.to_owned(), default, span: text.span(word) });
    }
    Ok(())
}

/// Words separated by white space, where quotes keep it inside a word. An escape character at the very end is dropped.
fn quoted_words(text: &str, range: Range<usize>, escape: char) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut characters = text[range.clone()].char_indices();
    let mut end = range.end;
    while let Some((index, character)) = characters.next() {
        let at = range.start + index;
        if quote.is_none() && character.is_whitespace() {
            words.extend(start.take().map(|start| start..at));
            continue;
        }
        start.get_or_insert(at);
        if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && matches!(character, '\'' | '"') {
            quote = Some(character);
        } else if character == escape && quote != Some('\'') && characters.next().is_none() {
            end = at;
        }
    }
    words.extend(start.filter(|&start| start < end).map(|start| start..end));
    words
}

/// The range of a flag's value if it is this flag; `name` ends with `=`.
fn flag_value(flag: &Text, name: &str) -> Option<Range<usize>> {
    flag.as_str().starts_with(name).then(|| name.len()..flag.as_str().len())
}

fn copy_from(source: &SourceFile, instruction: &Instruction) -> Option<(ReferenceKind, Token)> {
    let mut values = instruction.flags.iter().filter_map(|flag| Some((flag, flag_value(flag, "--from=")?)));
    let (flag, value) = values.rfind(|(_, value)| !value.is_empty())?;
    Some((ReferenceKind::CopyFrom, Token::flag(&source.text, flag, value)))
}

fn mounts_from(source: &SourceFile, instruction: &Instruction) -> Vec<(ReferenceKind, Token)> {
    let mut found = Vec::new();
    for flag in &instruction.flags {
        let Some(value) = flag_value(flag, "--mount=") else { continue };
        let fields = fields(flag, value);
        let mut values = fields.iter().filter_map(|field| {
            let (key, value) = field.as_str().split_once('=')?;
            (key.eq_ignore_ascii_case("from") && !value.is_empty()).then_some((field, key.len() + 1))
        });
        if let Some((field, start)) = values.next_back() {
            let token = Token::flag(&source.text, field, start..field.as_str().len());
            found.push((ReferenceKind::MountFrom, token));
        }
    }
    found
}

/// The fields of a value written as CSV: a field in double quotes may have commas, and `""` for a quote.
fn fields(text: &Text, range: Range<usize>) -> Vec<Text> {
    let mut fields = vec![Text::default()];
    let mut quoted = false;
    let mut characters = text.as_str()[range.clone()].char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' if quoted && characters.next_if(|&(_, next)| next == '"').is_none() => {
                quoted = false;
                continue;
            }
            '"' if !quoted && fields.last().is_some_and(|field| field.as_str().is_empty()) => {
                quoted = true;
                continue;
            }
            ',' if !quoted => {
                fields.push(Text::default());
                continue;
            }
            _ => {}
        }
        let at = range.start + index;
        if let Some(field) = fields.last_mut() {
            field.push_from(text, at..at + character.len_utf8());
        }
    }
    fields
}
