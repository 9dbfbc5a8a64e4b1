//! YAML as a tree with places: what a typed reading of a yml starts from.
//!
//! The tree keeps the source text of every scalar and its byte range, so that `1.10`, `0777` and `yes` can be texts
//! where a text is wanted, and so that each complaint can point at its place. Only the first document of a file is
//! read. An alias is the same node as its anchor; a file whose aliases would unfold to more than [`MAX_NODES`] nodes
//! or deeper than [`MAX_DEPTH`] levels is refused, so walking a tree is always cheap. What a plain scalar means
//! (null, boolean, number) follows Go's yaml.v3, because that is what the files were written for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};

/// How many nodes a document may have, each use of an alias counted with all below it.
const MAX_NODES: usize = 100_000;
/// How many levels of lists and mappings may lie in one another, through aliases too.
const MAX_DEPTH: usize = 500;

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The byte range of a scalar; for a list or mapping, its first line only.
    pub(super) span: Range<usize>,
    /// The line it begins on, counted from 1.
    pub(super) line: u32,
    /// What sort of value it is.
    pub(super) kind: Kind,
    size: usize,
    depth: usize,
}

/// The three sorts of YAML nodes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Arc<Node>>),
    /// Keys and values in the order of the file, duplicates included.
    Mapping(Vec<(Arc<Node>, Arc<Node>)>),
}

/// A text and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scalar {
    /// The text with quotes and escapes undone.
    pub(super) text: String,
    /// Whether it is written without quotes and not as a block.
    pub(super) plain: bool,
    /// The suffix of a tag such as `!!str`; a tag of any other sort is `Some("")`.
    tag: Option<String>,
}

/// What a scalar means where its type is not fixed by what is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`; the further booleans of YAML 1.1 are texts here.
    Boolean(bool),
    /// Between `i64::MIN` and `u64::MAX`.
    Integer(i128),
    /// May be infinite or not a number.
    Float(f64),
    /// A date, with or without a time.
    Date,
    /// Anything else.
    Text,
}

/// Why a file is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// A sentence fragment.
    pub(super) message: String,
    /// Where.
    pub(super) span: Range<usize>,
}

/// The first document of `text`, or `None` if there is no document at all.
pub(super) fn parse(text: &str) -> Result<Option<Arc<Node>>, SyntaxError> {
    let options = options! { emit_comments: false, block_scalar_eof_without_line_feed: true };
    let mut builder = Builder { text, open: Vec::new(), anchors: BTreeMap::new() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let offset = error.marker().byte_offset().unwrap_or(text.len());
            SyntaxError { message: error.info(), span: at(text, offset) }
        })?;
        if let Some(root) = builder.take(event, span)? {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// The character at an offset; an empty range at the end of the text.
fn at(text: &str, offset: usize) -> Range<usize> {
    let start = (0..=offset.min(text.len())).rev().find(|&start| text.is_char_boundary(start)).unwrap_or(0);
    let width = text[start..].chars().next().filter(|&c| c != '\n').map_or(0, char::len_utf8);
    start..start + width
}

/// A list or mapping whose end has not been met.
struct Open {
    anchor: usize,
    start: usize,
    line: u32,
    mapping: bool,
    children: Vec<Arc<Node>>,
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Arc<Node>>,
}

impl Builder<'_> {
    /// Takes one event; the root, once it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Arc<Node>>, SyntaxError> {
        let range = span.byte_range().unwrap_or_default();
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                    tag: tag.as_deref().and_then(tag_suffix),
                };
                let span = self.trimmed(range);
                let node = Node { span, line, kind: Kind::Scalar(scalar), size: 1, depth: 0 };
                Ok(self.complete(anchor, node))
            }
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                let mapping = matches!(event, Event::MappingStart(..));
                self.open.push(Open { anchor, start: range.start, line, mapping, children: Vec::new() });
                Ok(None)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let rest = self.text.get(open.start..range.end).unwrap_or_default();
                let first_line = rest.lines().next().unwrap_or_default();
                let span = self.trimmed(open.start..open.start + first_line.len());
                let size = open.children.iter().fold(1, |size: usize, child| size.saturating_add(child.size));
                let depth = 1 + open.children.iter().map(|child| child.depth).max().unwrap_or(0);
                if size > MAX_NODES || depth > MAX_DEPTH {
                    let message = "the aliases of this value unfold to too much".to_owned();
                    return Err(SyntaxError { message, span });
                }
                let kind = if open.mapping {
                    let mut children = open.children.into_iter();
                    let mut entries = Vec::with_capacity(children.len() / 2);
                    while let (Some(key), Some(value)) = (children.next(), children.next()) {
                        entries.push((key, value));
                    }
                    Kind::Mapping(entries)
                } else {
                    Kind::Sequence(open.children)
                };
                Ok(self.complete(open.anchor, Node { span, line: open.line, kind, size, depth }))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => Ok(self.place(node.clone())),
                None => Err(SyntaxError { message: "an anchored value contains itself".to_owned(), span: range }),
            },
            _ => Ok(None),
        }
    }

    fn complete(&mut self, anchor: usize, node: Node) -> Option<Arc<Node>> {
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    fn place(&mut self, node: Arc<Node>) -> Option<Arc<Node>> {
        match self.open.last_mut() {
            Some(open) => {
                open.children.push(node);
                None
            }
            None => Some(node),
        }
    }

    /// The range without the line breaks and blanks at its end.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        range.start..range.start + text.trim_end().len()
    }
}

/// The suffix of a core tag, an empty text for a foreign one, and nothing for `!`, which says nothing.
fn tag_suffix(tag: &Tag) -> Option<String> {
    match tag.suffix_in_namespace("tag:yaml.org,2002:") {
        Some(suffix) => Some(suffix.into_owned()),
        None if matches!((tag.handle(), tag.suffix()), ("" | "!", "" | "!")) => None,
        None => Some(String::new()),
    }
}

impl Node {
    /// The scalar, if it is one.
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Whether it is a scalar that means nothing: empty, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.meaning() == Ok(Meaning::Null))
    }

    /// What it is, as a part of a sentence: "the text `x`", "a list".
    pub(super) fn describe(&self) -> String {
        let scalar = match &self.kind {
            Kind::Sequence(_) => return "a list".to_owned(),
            Kind::Mapping(_) => return "a mapping".to_owned(),
            Kind::Scalar(scalar) => scalar,
        };
        let sort = match scalar.meaning() {
            Ok(Meaning::Null) => return "empty".to_owned(),
            Ok(Meaning::Boolean(_)) => "boolean",
            Ok(Meaning::Integer(_) | Meaning::Float(_)) => "number",
            Ok(Meaning::Date) => "date",
            Ok(Meaning::Text) if !scalar.plain => "quoted text",
            Ok(Meaning::Text) | Err(_) => "text",
        };
        let line = scalar.text.lines().next().unwrap_or_default();
        let shown: String = line.chars().take(40).collect();
        let dots = if shown.len() < scalar.text.len() { "…" } else { "" };
        format!("the {sort} `{shown}{dots}`")
    }
}

impl Scalar {
    /// Whether it is the plain `<<` that merges another mapping.
    pub(super) fn is_merge(&self) -> bool {
        self.text == "<<" && self.plain && self.tag.as_deref().is_none_or(|tag| tag == "merge")
    }

    /// What it means, or what its tag says that it is not.
    pub(super) fn meaning(&self) -> Result<Meaning, String> {
        match self.tag.as_deref() {
            None if !self.plain => Ok(Meaning::Text),
            None => Ok(plain_meaning(&self.text)),
            Some(tag @ ("null" | "bool" | "int" | "float" | "timestamp")) => match (tag, plain_meaning(&self.text)) {
                ("null", meaning @ Meaning::Null)
                | ("bool", meaning @ Meaning::Boolean(_))
                | ("int", meaning @ Meaning::Integer(_))
                | ("float", meaning @ Meaning::Float(_))
                | ("timestamp", meaning @ Meaning::Date) => Ok(meaning),
                #[expect(clippy::cast_precision_loss, reason = "an integer tagged as a float is rounded to one")]
                ("float", Meaning::Integer(integer)) => Ok(Meaning::Float(integer as f64)),
                _ => Err(format!("`{}` is not of the type that its tag `!!{tag}` says", self.text)),
            },
            Some("binary") => Err("base64 data under the tag `!!binary` is not supported".to_owned()),
            Some(_) => Ok(Meaning::Text),
        }
    }
}

/// What an untagged plain scalar means.
fn plain_meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Boolean(true),
        "false" | "False" | "FALSE" => return Meaning::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Meaning::Text;
    }
    if is_date(text) {
        return Meaning::Date;
    }
    let digits = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    if let Some(integer) = integer(&digits) {
        return Meaning::Integer(integer);
    }
    if is_decimal(&digits)
        && let Ok(float) = digits.parse::<f64>()
        && float.is_finite()
    {
        return Meaning::Float(float);
    }
    Meaning::Text
}

/// Decimal, or hexadecimal, octal (a leading `0` is enough) or binary by its prefix; with an optional sign.
fn integer(digits: &str) -> Option<i128> {
    let (negative, digits) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let text = unsigned(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (text.as_str(), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(&exponent))
}

/// `2006-1-2`, alone or with a time after it.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let part = |part: Option<&str>, widths: std::ops::RangeInclusive<usize>, most: u32| {
        part.is_some_and(|part| {
            widths.contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part.parse::<u32>().is_ok_and(|number| number <= most)
        })
    };
    part(parts.next(), 4..=4, 9999)
        && part(parts.next(), 1..=2, 12)
        && part(parts.next(), 1..=2, 31)
        && parts.next().is_none()
        && time.is_none_or(|time| time.contains(':') && time.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meaning(text: &str) -> Meaning {
        let root = parse(text).unwrap().unwrap();
        root.scalar().unwrap().meaning().unwrap()
    }

    #[test]
    fn plain_scalars_mean_what_yaml_v3_says() {
        for (text, expected) in [
            ("~", Meaning::Null),
            ("Null", Meaning::Null),
            ("TRUE", Meaning::Boolean(true)),
            ("False", Meaning::Boolean(false)),
            ("yes", Meaning::Text),
            ("12", Meaning::Integer(12)),
            ("-0x1F", Meaning::Integer(-31)),
            ("0777", Meaning::Integer(511)),
            ("0o17", Meaning::Integer(15)),
            ("0b101", Meaning::Integer(5)),
            ("1_000", Meaning::Integer(1000)),
            ("18446744073709551615", Meaning::Integer(i128::from(u64::MAX))),
            ("18446744073709551616", Meaning::Float(18_446_744_073_709_551_616.0)),
            ("08", Meaning::Float(8.0)),
            ("1.10", Meaning::Float(1.1)),
            (".5", Meaning::Float(0.5)),
            ("1.", Meaning::Float(1.0)),
            ("-1e3", Meaning::Float(-1000.0)),
            (".inf", Meaning::Float(f64::INFINITY)),
            ("1e", Meaning::Text),
            ("1.2.3", Meaning::Text),
            ("+", Meaning::Text),
            ("0x", Meaning::Text),
            ("--1", Meaning::Text),
            ("1:30", Meaning::Text),
            ("2020-1-2", Meaning::Date),
            ("2020-01-02T03:04:05Z", Meaning::Date),
            ("2020-13-02", Meaning::Text),
            ("'12'", Meaning::Text),
            ("\"\"", Meaning::Text),
            ("!!str 12", Meaning::Text),
            ("!!int \"12\"", Meaning::Integer(12)),
            ("!!float 12", Meaning::Float(12.0)),
            ("!custom 12", Meaning::Text),
            ("! 12", Meaning::Integer(12)),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_what_its_tag_says_is_refused() {
        for text in ["!!int x", "!!bool yes", "!!null x", "!!binary AAAA"] {
            assert!(parse(text).unwrap().unwrap().scalar().unwrap().meaning().is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_the_bytes_of_the_value() {
        let text = "\u{feff}# ü\r\na: \"x\\n\"\r\nb:\n  - ü ö # c\n  - |\n    t\n\n";
        let root = parse(text).unwrap().unwrap();
        let Kind::Mapping(entries) = &root.kind else { panic!() };
        assert_eq!(&text[entries[0].1.span.clone()], "\"x\\n\"");
        assert_eq!((entries[0].1.line, entries[1].0.line), (2, 3));
        let Kind::Sequence(items) = &entries[1].1.kind else { panic!() };
        assert_eq!((&text[items[0].span.clone()], items[0].line), ("ü ö", 4));
        assert_eq!(items[1].scalar().unwrap().text, "t\n");
    }

    #[test]
    fn only_the_first_document_is_read() {
        assert_eq!(parse("a\n---\n}{\n").unwrap().unwrap().scalar().unwrap().text, "a");
        assert_eq!(parse("# nothing\n").unwrap(), None);
        assert!(parse("---\n").unwrap().unwrap().is_null());
    }

    #[test]
    fn an_alias_is_its_anchor_but_never_a_bomb_or_a_loop() {
        let root = parse("[&a [x], *a]").unwrap().unwrap();
        let Kind::Sequence(items) = &root.kind else { panic!() };
        assert_eq!(items[0], items[1]);
        let level = |level: usize| format!("- &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(9));
        let bomb: Vec<String> = (1..9).map(level).collect();
        assert!(parse(&format!("- &a0 [x]\n{}", bomb.concat())).unwrap_err().message.contains("unfold"));
        assert!(parse("&a [*a]").unwrap_err().message.contains("itself"));
        assert!(parse("*a").is_err());
        let tower: Vec<String> = (1..=MAX_DEPTH).map(|level| format!("- &a{level} [*a{}]\n", level - 1)).collect();
        assert!(parse(&format!("- &a0 x\n{}", tower.concat())).unwrap_err().message.contains("unfold"));
    }

    #[test]
    fn nesting_is_limited() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}x", "- ".repeat(100_000))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_span_is_a_slice(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn no_text_in_the_alphabet_of_yaml_panics(text in "[-:#a0 \\n\\r\\t\\[\\]{},&*!|>'\"%@~<?ü\u{feff}.]{0,60}") {
            check(&text);
        }
    }

    fn check(text: &str) {
        match parse(text) {
            Ok(None) => {}
            Ok(Some(root)) => visit(&root, text),
            Err(error) => assert!(text.get(error.span).is_some()),
        }
    }

    fn visit(node: &Node, text: &str) {
        assert!(text.get(node.span.clone()).is_some());
        node.describe();
        match &node.kind {
            Kind::Scalar(scalar) => drop(scalar.meaning()),
            Kind::Sequence(items) => items.iter().for_each(|item| visit(item, text)),
            Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                visit(key, text);
                visit(value, text);
            }),
        }
    }
}
