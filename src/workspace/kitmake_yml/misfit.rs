//! What the YAML library says of a kitmake.yml that does not fit, in the words that a build yml is told it in.
//!
//! The library knows where something does not fit and what would. What is there, and under which key, is looked up in the
//! tree of the same text; a file that has no tree is no YAML.

use serde_yaml::DeserializeError;

use super::file::range;
use crate::problem::{Problem, SourceFile, span};
use crate::workspace::error::Error;
use crate::workspace::fields::{closest, list};
use crate::workspace::yaml::{self, Kind, Node};

/// The problem of a file that the library refuses.
pub(super) fn problem(source: &SourceFile, error: &DeserializeError) -> Problem {
    let error = error.without_snippet();
    let at = error.location().map_or(0..0, |location| range(source, location));
    if let DeserializeError::SerdeUnknownField { field, expected, .. } = error {
        let (place, help) = unknown_key(field, expected);
        return Error::UnknownKey { key: field.clone(), place, help, source_code: source.named(), span: span(&at) }
            .into();
    }
    // Nothing but a stale pin has keys that must be there.
    if let DeserializeError::SerdeMissingField { field, .. } = error {
        let (key, place) = ((*field).to_owned(), "a stale pin of kitmake.yml".to_owned());
        return Error::MissingKey { key, place, source_code: source.named(), span: span(&at) }.into();
    }
    let tree = yaml::parse(&source.text);
    if let Ok(Some(root)) = &tree
        && let Some(error) = misfit(source, error, &Place::find(root, super::FILE_NAME.to_owned(), at.start))
    {
        return error.into();
    }
    let (message, at) = match tree {
        Err(error) => (error.message, error.span),
        Ok(_) => (error.to_string(), at),
    };
    Error::InvalidYaml { path: source.path.clone(), message, source_code: source.named(), span: span(&at) }.into()
}

/// Where a key stands that means nothing, and what to do.
fn unknown_key(key: &str, expected: &[&'static str]) -> (String, String) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let place = match &expected {
        keys if keys.contains(&"build-ymls") => "a package of kitmake.yml",
        keys if keys.contains(&"reason") => "a stale pin of kitmake.yml",
        keys if keys.contains(&"passphrase-command") => "`content-trust` of kitmake.yml",
        _ => super::FILE_NAME,
    };
    let help = match closest(key, &expected) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the keys of {place} are {}", list(&expected)),
    };
    (place.to_owned(), help)
}

/// What is wrong at a place, if that is more than that the text is no YAML.
fn misfit(source: &SourceFile, error: &DeserializeError, place: &Place<'_>) -> Option<Error> {
    let source_code = source.named();
    match (error, place) {
        (DeserializeError::DuplicateMappingKey { .. }, Place::Key { here, first, .. }) => Some(Error::DuplicateKey {
            key: here.scalar()?.text.clone(),
            line: here.line,
            first_line: first.line,
            source_code,
            first: span(&first.span),
            second: span(&here.span),
        }),
        // A key that is null, and the mapping that begins with it.
        (DeserializeError::NullIntoString { .. }, Place::Value(_, node)) if node.scalar().is_none() => None,
        (_, Place::Value(..) | Place::Key { .. }) => {
            let (key, node) = match place {
                Place::Value(key, node) => (key.as_str(), node),
                // The library names the key where the type of the value is one of ours.
                Place::Key { here, value, .. } => text(here).map_or(("a key", here), |key| (key, value)),
                Place::Nothing => return None,
            };
            Some(Error::WrongType {
                key: key.to_owned(),
                expected: wanted(error)?.to_owned(),
                found: node.describe(),
                help: None,
                source_code,
                span: span(&node.span),
            })
        }
        (_, Place::Nothing) => None,
    }
}

/// What would fit, if the error says that something does not.
fn wanted(error: &DeserializeError) -> Option<&str> {
    match error {
        DeserializeError::Unexpected { expected: "sequence start", .. } => Some("a list"),
        DeserializeError::Unexpected { expected: "mapping start", .. } => Some("a mapping"),
        DeserializeError::Unexpected { expected: "string scalar", .. }
        | DeserializeError::NullIntoString { .. }
        | DeserializeError::TaggedScalarCannotDeserializeIntoString { .. } => Some("a text"),
        DeserializeError::InvalidBooleanStrict { .. } | DeserializeError::InvalidScalar { ty: "boolean", .. } => {
            Some("`true` or `false`")
        }
        DeserializeError::SerdeInvalidType { expected, .. } => Some(expected),
        _ => None,
    }
}

/// What stands at a place of the tree.
enum Place<'n> {
    /// A value, under this key.
    Value(String, &'n Node),
    /// A key, its value, and the first key of the same mapping that has the same text.
    Key { here: &'n Node, value: &'n Node, first: &'n Node },
    /// Nothing begins there.
    Nothing,
}

impl<'n> Place<'n> {
    /// What begins at a byte offset, the outermost of several things.
    fn find(node: &'n Node, key: String, offset: usize) -> Self {
        if node.span.start == offset {
            return Self::Value(key, node);
        }
        let mut inner: Box<dyn Iterator<Item = Self>> = match &node.kind {
            Kind::Scalar(_) => return Self::Nothing,
            Kind::Sequence(items) => {
                let items = items.iter().enumerate();
                Box::new(items.map(move |(index, item)| Self::find(item, format!("{key}[{index}]"), offset)))
            }
            Kind::Mapping(pairs) => Box::new(pairs.iter().map(move |(name, value)| {
                if name.span.start == offset {
                    let first = pairs.iter().map(|(key, _)| &**key).find(|key| text(key) == text(name));
                    return Self::Key { here: name, value, first: first.unwrap_or(name) };
                }
                Self::find(value, text(name).unwrap_or_default().to_owned(), offset)
            })),
        };
        inner.find(|place| !matches!(place, Self::Nothing)).unwrap_or(Self::Nothing)
    }
}

fn text(node: &Node) -> Option<&str> {
    node.scalar().map(|scalar| scalar.text.as_str())
}
