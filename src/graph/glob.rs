//! The globs of `@lkt:pkgs:` values: Go's `filepath.Glob`.
//!
//! `*` and `?` stay within one component (`**` is `*`), `[a-z]` and `[^a-z]` are classes, `\` escapes, braces are plain
//! characters, and a name that begins with a dot matches like any other. The globs of selectors are other ones.

use std::path::{Path, PathBuf};

use crate::workspace::Files;

/// A glob that Go calls a syntax error in pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPattern;

/// The existing paths that `pattern` names, relative to `base` unless it is absolute: component by component in the
/// order of their bytes. A folder that cannot be read holds nothing.
pub(super) fn glob(files: &dyn Files, base: &Path, pattern: &str) -> Result<Vec<PathBuf>, BadPattern> {
    let mut base = if pattern.starts_with('/') { PathBuf::from("/") } else { base.to_owned() };
    let mut components = Vec::new();
    for component in pattern.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                if components.pop().is_none() {
                    base.pop();
                }
            }
            name => components.push(Pattern::parse(name)?),
        }
    }
    let mut found = vec![base];
    for component in components {
        found = found.iter().flat_map(|directory| component.entries(files, directory)).collect();
    }
    Ok(found)
}

#[derive(Debug)]
enum Token {
    /// `*`
    Run,
    /// `?`
    Any,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Run | Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated,
        }
    }
}

/// The glob of one component.
#[derive(Debug)]
struct Pattern(Vec<Token>);

impl Pattern {
    fn parse(text: &str) -> Result<Self, BadPattern> {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' => Token::Run,
                '?' => Token::Any,
                '\\' => Token::Literal(rest.next().ok_or(BadPattern)?),
                '[' => {
                    let negated = rest.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
                        let low = class_character(&mut rest)?;
                        let high = if rest.next_if_eq(&'-').is_some() { class_character(&mut rest)? } else { low };
                        ranges.push((low, high));
                    }
                    Token::Class { negated, ranges }
                }
                literal => Token::Literal(literal),
            });
        }
        Ok(Self(tokens))
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut token, mut at) = (0, 0);
        // The last `*` and where in the name its run ends so far: the only place that is ever gone back to.
        let mut run = None;
        while at < name.len() {
            match self.0.get(token) {
                Some(Token::Run) => {
                    run = Some((token, at));
                    token += 1;
                }
                Some(other) if other.accepts(name[at]) => {
                    token += 1;
                    at += 1;
                }
                _ => {
                    let Some((start, end)) = run else { return false };
                    run = Some((start, end + 1));
                    token = start + 1;
                    at = end + 1;
                }
            }
        }
        self.0[token..].iter().all(|token| matches!(token, Token::Run))
    }

    /// The name, when nothing in it is a pattern.
    fn literal(&self) -> Option<String> {
        self.0.iter().map(|token| if let Token::Literal(c) = token { Some(*c) } else { None }).collect()
    }

    fn entries(&self, files: &dyn Files, directory: &Path) -> Vec<PathBuf> {
        if let Some(name) = self.literal() {
            let path = directory.join(name);
            return if files.has(&path) { vec![path] } else { Vec::new() };
        }
        let names = files.names(directory).into_iter().filter(|name| self.matches(&name.to_string_lossy()));
        let mut found: Vec<PathBuf> = names.map(|name| directory.join(name)).collect();
        found.sort();
        found
    }
}

fn class_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match rest.next() {
        Some('\\') => rest.next().ok_or(BadPattern),
        None | Some('-' | ']') => Err(BadPattern),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*b*c*d*e*", "axbxcxdxe", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[!c]", "ab!", true),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("[\\]a]", "]", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
            ("**", "any", true),
            ("*", ".hidden", true),
            ("a?c", "ac", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_malformed_class_or_a_trailing_escape_is_refused() {
        for pattern in ["[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "a[", "\\"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn paths_are_found_in_order_and_not_across_folders() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["pkg/b", "pkg/a/deep", "pkg/.h", "other"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let names = |base: &str, pattern: &str| -> Vec<String> {
            let found = glob(&crate::workspace::Disk, &root.path().join(base), pattern).unwrap();
            found.iter().map(|path| path.strip_prefix(root.path()).unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("pkg/a", "../*"), ["pkg/.h", "pkg/a", "pkg/b"]);
        assert_eq!(names(".", "*/[ab]"), ["pkg/a", "pkg/b"]);
        assert_eq!(names(".", "pkg/a/../b"), ["pkg/b"]);
        assert_eq!(names(".", "nothing/*"), [""; 0]);
        assert_eq!(names("pkg", &format!("{}/oth*", root.path().display())), ["other"]);
    }
}
