//! What differs, in words.

use std::fmt;

use super::{Change, Comparison, Difference};
use crate::plan::record::{Unsaid, is_hashed};
use crate::wording::thousands;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoComponents => "the image does not say which",
            Self::Malformed => "what the image says of them cannot be read",
            Self::NotAsked => "the registry was not asked which",
            Self::Unknown => "the registry did not say which",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unsaid) = self.unsaid {
            return write!(f, "{unsaid}");
        }
        match &self.differs[..] {
            [] => f.write_str("what differs is not recorded one by one"),
            differs => {
                let words: Vec<String> = differs.iter().map(ToString::to_string).collect();
                f.write_str(&words.join("; "))
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), shortened);
        let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" ") };
        match self {
            Self::Tree { was, is } => write!(f, "committed files: tree {} -> {}", short(was), short(is)),
            Self::ExtraSource { path, was, is } => {
                write!(f, "extra source {path}: tree {} -> {}", short(was), short(is))
            }
            Self::Dockerfile { was, is } => write!(f, "Dockerfile: {was} -> {is}"),
            Self::DockerfileText => f.write_str("text of the Dockerfile"),
            Self::BuildArg { name, was, is } if was.iter().chain(is).any(|value| is_hashed(value)) => {
                let change = match (was, is) {
                    (None, _) => "added",
                    (_, None) => "removed",
                    _ => "another value",
                };
                write!(f, "build arg {name}: {change}")
            }
            Self::BuildArg { name, was, is } => {
                let [was, is] = apart(was.as_deref(), is.as_deref());
                write!(f, "build arg {name}: {was} -> {is}")
            }
            Self::Label { name, was, is } => {
                let [was, is] = apart(was.as_deref(), is.as_deref());
                write!(f, "label {name}: {was} -> {is}")
            }
            Self::Network { was, is } => {
                let word = |allowed: &bool| if *allowed { "allowed" } else { "none" };
                write!(f, "network: {} -> {}", word(was), word(is))
            }
            Self::DockerImages { path, was, is } => write!(f, "docker images {path}: {} -> {}", list(was), list(is)),
            Self::File { path, change } => write!(f, "file outside git {path}: {change}"),
            Self::Files { directory, count } => {
                let place =
                    if directory.is_empty() { "in the context".to_owned() } else { format!("below {directory}") };
                write!(f, "{} files outside git {place}", thousands(*count))
            }
            Self::Need { image, was, is } => {
                let key = |key: &Option<String>| {
                    let hash = key.as_deref().map(|key| key.rsplit(':').next().unwrap_or(key));
                    hash.map_or_else(|| "none".to_owned(), |hash| hash.get(..12).unwrap_or(hash).to_owned())
                };
                write!(f, "image below it {image}: key {} -> {}", key(was), key(is))
            }
            Self::External { image, change } => write!(f, "image of others {image}: {change}"),
            Self::Exclude { was, is } => write!(f, "exclude patterns: {} -> {}", list(was), list(is)),
        }
    }
}

/// A hash by its first digits, another value in one line.
fn shortened(value: &str) -> String {
    let hexadecimal = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && value.len() >= 40 {
        return value[..12].to_owned();
    }
    let line: String = value.chars().take(SHOWN).collect();
    let rest = if line.len() < value.len() { "…" } else { "" };
    format!("`{}{rest}`", line.escape_debug())
}

/// Characters of a long value that are shown.
const SHOWN: usize = 60;
/// Characters that are shown before the first one that differs.
const BEFORE: usize = 12;

/// Two values, such that what differs is seen: a long beginning that both have is left out.
fn apart(was: Option<&str>, is: Option<&str>) -> [String; 2] {
    let (Some(was), Some(is)) = (was, is) else {
        return [was, is].map(|value| value.map_or_else(|| "none".to_owned(), shortened));
    };
    let common = was.chars().zip(is.chars()).take_while(|(was, is)| was == is).count();
    let longest = was.chars().count().max(is.chars().count());
    if longest <= SHOWN || common <= BEFORE {
        return [shortened(was), shortened(is)];
    }
    [was, is].map(|value| {
        let mut rest = value.chars().skip(common - BEFORE);
        let line: String = rest.by_ref().take(SHOWN).collect();
        format!("`…{}{}`", line.escape_debug(), if rest.next().is_some() { "…" } else { "" })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_values_the_part_is_shown_that_differs() {
        let told = |was: &str, is: &str| {
            let of = |value: &str| Some(value.to_owned());
            Difference::BuildArg { name: "A".to_owned(), was: of(was), is: of(is) }.to_string()
        };
        let long = "org/image:tag ".repeat(8);
        assert_eq!(
            told(&format!("{long}one"), &format!("{long}two")),
            "build arg A: `…g/image:tag one` -> `…g/image:tag two`"
        );
        assert_eq!(told(&long, &format!("{long}x")), "build arg A: `…g/image:tag ` -> `…g/image:tag x`");
        let tail = "y".repeat(100);
        assert_eq!(
            told(&format!("{long}1{tail}"), &format!("{long}2{tail}")),
            format!("build arg A: `…g/image:tag 1{0}…` -> `…g/image:tag 2{0}…`", "y".repeat(47))
        );
        assert_eq!(told("ä1", "ä2"), "build arg A: `ä1` -> `ä2`");
        assert_eq!(told(&"1".repeat(64), &"2".repeat(64)), "build arg A: 111111111111 -> 222222222222");
    }
}
