//! Tag templates: literal text and the hash.
//!
//! linuxkit takes any template of Go's `text/template`. The forms in use are literal text, `{{.Hash}}` with any blanks,
//! and `{{slice .Hash 0 7}}`; these give the same text here. Everything else is refused with a sentence saying what was
//! met, because a template that is half understood would name an image wrongly.

/// The text of a template with the hash filled in.
///
/// # Errors
/// When the template is not understood or the hash is too short for it; a sentence fragment.
pub fn expand(template: &str, hash: &str) -> Result<String, String> {
    Template::parse(template)?.expand(hash)
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hash,
    Slice { start: usize, end: Option<usize> },
}

impl Template {
    /// Parses a template; the error is a sentence fragment.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((action, after)) = after.split_once("}}") else {
                return Err("`{{` without `}}`".to_owned());
            };
            parts.push(parse_action(action)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The text with the hash filled in; the error is a sentence fragment.
    fn expand(&self, hash: &str) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Hash => text.push_str(hash),
                Part::Slice { start, end } => {
                    let slice = hash.get(*start..end.unwrap_or(hash.len()));
                    text.push_str(slice.ok_or_else(|| format!("the hash has only {} characters", hash.len()))?);
                }
            }
        }
        Ok(text)
    }
}

fn parse_action(action: &str) -> Result<Part, String> {
    let unsupported = || format!("`{{{{{action}}}}}` is not supported");
    let words: Vec<&str> = action.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    match words[..] {
        [] => Err("an action without content".to_owned()),
        [".Hash"] => Ok(Part::Hash),
        ["slice", ".Hash", start] => Ok(Part::Slice { start: parse_index(start)?, end: None }),
        ["slice", ".Hash", start, end] => {
            let (start, end) = (parse_index(start)?, parse_index(end)?);
            if start > end {
                return Err(format!("a slice from {start} to {end} is the wrong way round"));
            }
            Ok(Part::Slice { start, end: Some(end) })
        }
        [word] if word.starts_with('.') => Err(format!("there is no `{word}`; the only value is `.Hash`")),
        _ => Err(unsupported()),
    }
}

/// A decimal number as Go writes it: without sign and without leading zeros, which would mean octal.
fn parse_index(word: &str) -> Result<usize, String> {
    let plain = (word == "0" || !word.starts_with('0')) && word.bytes().all(|byte| byte.is_ascii_digit());
    if plain && let Ok(index) = word.parse() {
        return Ok(index);
    }
    Err(format!("`{word}` is not a plain decimal number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn text_and_hash_are_filled_in() {
        for (template, tag) in [
            ("v1", "v1".to_owned()),
            ("{{.Hash}}", HASH.to_owned()),
            ("v1-{{ .Hash\t}}-x", format!("v1-{HASH}-x")),
            ("{{.Hash}}{{\n.Hash}}", format!("{HASH}{HASH}")),
            ("{{slice .Hash 0 7}}", "0123456".to_owned()),
            ("{{ slice  .Hash 36 }}", "4567".to_owned()),
            ("a}}b{c", "a}}b{c".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(expand(template, HASH), Ok(tag), "{template}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for template in [
            "{{",
            "{{.Hash",
            "{{}}",
            "{{.Nope}}",
            "{{- .Hash -}}",
            "{{.Hash | printf \"%s\"}}",
            "{{/* x */}}",
            "{{slice .Hash 0 41}}",
            "{{slice .Hash 07}}",
            "{{slice .Hash 7 0}}",
            "{{slice .Hash -1}}",
            "{{slice .Hash 0 99999999999999999999999}}",
            "{{if .Hash}}x{{end}}",
            "{{{.Hash}}}",
        ] {
            assert!(expand(template, HASH).is_err(), "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(template in "[{}. a-zH0-9\u{e9}-]{0,40}", hash in "[0-9a-f]{0,8}") {
            let _ = expand(&template, &hash);
        }
    }
}
