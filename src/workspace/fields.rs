//! Typed reading of the tree of a yml: each wrong value is a problem of its own, and reading goes on.
//!
//! The rules are those of Go's yaml.v3 decoding into a struct. A text keeps its source text whatever it looks like; a
//! boolean may also be any of YAML 1.1's words; null leaves the default of a scalar, empties a list, and is dropped
//! from within a list. `<<` merges other mappings, keys written out win. Nothing here knows any key.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;

use super::error::Error;
use super::located::Located;
use super::yaml::{Kind, Meaning, Node, Scalar};
use crate::problem::{Problem, SourceFile, span};

/// Reads one file and collects what is wrong with it.
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) source: &'a SourceFile,
    /// Whether an unknown key is an error.
    pub(super) strict: bool,
    /// Errors.
    pub(super) problems: Vec<Problem>,
    /// What is only odd.
    pub(super) warnings: Vec<Problem>,
}

/// A key of a mapping with its value.
#[derive(Clone)]
pub(super) struct Entry<'n> {
    /// The key.
    pub(super) key: Located<&'n str>,
    /// The value, through aliases and merges.
    pub(super) value: &'n Node,
}

impl<'a> Reader<'a> {
    /// Nothing read yet.
    pub(super) fn new(source: &'a SourceFile, strict: bool) -> Self {
        Self { source, strict, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Notes an error.
    pub(super) fn fail(&mut self, error: Error) {
        self.problems.push(error.into());
    }

    /// Notes that a value is not of the type that it should be.
    pub(super) fn wrong_type(&mut self, key: &str, node: &Node, expected: &str, help: Option<String>) {
        self.fail(Error::WrongType {
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: node.describe(),
            help,
            source_code: self.source.named(),
            span: span(&node.span),
        });
    }

    /// Notes a key that is not one of `known`.
    pub(super) fn unknown_key<'k>(&mut self, key: &Located<&str>, place: &str, known: impl Iterator<Item = &'k str>) {
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let help = match closest(key.value, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys of {place} are {}", list(&known)),
        };
        let (key, place, source_code, span) =
            (key.value.to_owned(), place.to_owned(), self.source.named(), span(&key.span));
        if self.strict {
            self.fail(Error::UnknownKey { key, place, help, source_code, span });
        } else {
            self.warnings.push(Error::IgnoredKey { key, place, help, source_code, span }.into());
        }
    }

    /// The keys and values of a mapping, merges resolved; none if it is null or, which is noted, no mapping.
    pub(super) fn entries<'n>(&mut self, name: &str, node: &'n Node) -> Vec<Entry<'n>> {
        if node.is_null() {
            return Vec::new();
        }
        let mut entries = IndexMap::new();
        self.collect(name, node, &mut entries);
        entries.into_values().collect()
    }

    /// Adds the entries of a mapping and of what it merges; what is there already stays.
    fn collect<'n>(&mut self, name: &str, node: &'n Node, entries: &mut IndexMap<&'n str, Entry<'n>>) {
        let Kind::Mapping(pairs) = &node.kind else {
            self.wrong_type(name, node, "a mapping", None);
            return;
        };
        let mut own: IndexMap<&str, Entry<'n>> = IndexMap::with_capacity(pairs.len());
        let mut merges: Vec<&Node> = Vec::new();
        for (key, value) in pairs {
            let Some(scalar) = key.scalar() else {
                self.wrong_type("a key", key, "a text", None);
                continue;
            };
            let here = Located { value: scalar.text.as_str(), span: key.span.clone(), line: key.line };
            match own.get(here.value) {
                Some(first) => self.fail(Error::DuplicateKey {
                    key: here.value.to_owned(),
                    line: here.line,
                    first_line: first.key.line,
                    source_code: self.source.named(),
                    first: span(&first.key.span),
                    second: span(&here.span),
                }),
                None => drop(own.insert(here.value, Entry { key: here, value })),
            }
        }
        if let Some(merge) = own.get("<<").filter(|merge| is_merge(pairs, merge)).map(|merge| merge.value) {
            own.shift_remove("<<");
            match &merge.kind {
                Kind::Sequence(items) => merges.extend(items.iter().map(|item| &**item)),
                Kind::Mapping(_) | Kind::Scalar(_) => merges.push(merge),
            }
        }
        for (key, entry) in own {
            entries.entry(key).or_insert(entry);
        }
        for merge in merges {
            self.collect("<<", merge, entries);
        }
    }

    /// The items of a list without the null ones; none if it is null or, which is noted, no list.
    pub(super) fn items<'n>(&mut self, key: &str, node: &'n Node) -> Vec<&'n Arc<Node>> {
        match &node.kind {
            Kind::Sequence(items) => items.iter().filter(|item| !item.is_null()).collect(),
            _ if node.is_null() => Vec::new(),
            _ => {
                let help = node.scalar().map(|scalar| format!("write `{key}: [{}]`", scalar.text.trim()));
                self.wrong_type(key, node, "a list", help);
                Vec::new()
            }
        }
    }

    /// A text with its source text, unless it is null or, which is noted, a list or mapping.
    pub(super) fn text(&mut self, key: &str, node: &Node) -> Option<Located<String>> {
        match self.scalar(key, node, "a text")? {
            (_, Meaning::Null) => None,
            (text, _) => Some(Located { value: text.to_owned(), span: node.span.clone(), line: node.line }),
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&mut self, key: &str, node: &Node) -> Vec<Located<String>> {
        self.items(key, node).into_iter().filter_map(|item| self.text(key, item)).collect()
    }

    /// A boolean, unless it is null or, which is noted, something else. `"yes"` in quotes is one, `"true"` is not.
    pub(super) fn boolean(&mut self, key: &str, node: &Node) -> Option<bool> {
        match self.scalar(key, node, "a boolean")? {
            (_, Meaning::Null) => None,
            (_, Meaning::Boolean(value)) => Some(value),
            ("y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON", Meaning::Text) => Some(true),
            ("n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF", Meaning::Text) => Some(false),
            _ => {
                let help = "write `true` or `false`, without quotes".to_owned();
                self.wrong_type(key, node, "a boolean", Some(help));
                None
            }
        }
    }

    /// An integer of a range, unless it is null or, which is noted, something else. A fraction is cut off.
    pub(super) fn integer(&mut self, key: &str, node: &Node, range: &Range<i128>) -> Option<i128> {
        let value = match self.scalar(key, node, "an integer")?.1 {
            Meaning::Null => return None,
            Meaning::Integer(value) => Some(value),
            #[expect(clippy::cast_possible_truncation, reason = "cutting off is the rule, and the cast saturates")]
            Meaning::Float(value) if value.is_finite() => Some(value as i128),
            _ => None,
        };
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let expected = format!("an integer from {} to {}", range.start, range.end - 1);
            self.wrong_type(key, node, &expected, None);
        }
        value
    }

    /// The source text of a scalar and what it means; `None`, and noted, if it is none or its tag contradicts it.
    pub(super) fn scalar<'n>(&mut self, key: &str, node: &'n Node, expected: &str) -> Option<(&'n str, Meaning)> {
        let Some(scalar) = node.scalar() else {
            self.wrong_type(key, node, expected, None);
            return None;
        };
        match scalar.meaning() {
            Ok(meaning) => Some((&scalar.text, meaning)),
            Err(message) => {
                self.fail(Error::InvalidValue {
                    message,
                    help: "leave the tag out".to_owned(),
                    source_code: self.source.named(),
                    span: span(&node.span),
                });
                None
            }
        }
    }
}

/// Whether the entry `<<` is written in the way that merges.
fn is_merge(pairs: &[(Arc<Node>, Arc<Node>)], merge: &Entry<'_>) -> bool {
    pairs.iter().any(|(key, _)| key.span == merge.key.span && key.scalar().is_some_and(Scalar::is_merge))
}

/// The candidate that differs from `word` in at most a third of its letters, case and separators aside.
pub(super) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let bare = |text: &str| text.to_lowercase().replace(['-', '_', '.'], "");
    let word = bare(word);
    candidates
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(&word, &bare(candidate)), candidate))
        .filter(|&(distance, candidate)| distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Words in backticks with commas between them.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
