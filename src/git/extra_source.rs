//! Entries of `extra-sources`: a directory that joins the build context and the hash.

use std::path::{Path, PathBuf};

use super::{Dirt, Error};
use crate::path::clean;
use crate::problem::{Problem, SourceFile, span};
use crate::workspace::build_yml::Located;

/// One extra source of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSource {
    /// The absolute directory.
    pub source: PathBuf,
    /// Where it goes in the context, a clean slash path as linuxkit writes it.
    pub destination: String,
    /// Its tree hash, 40 or 64 hex digits.
    pub tree: String,
    /// The line of the entry in the build yml, counted from 1.
    pub line: u32,
    /// Why it is dirty; empty when clean.
    pub dirt: Vec<Dirt>,
}

/// The absolute source and the clean destination of an entry `SOURCE:DESTINATION`.
pub(super) fn parse(file: &SourceFile, entry: &Located<String>, package: &Path) -> Result<(PathBuf, String), Problem> {
    match entry.value.split(':').collect::<Vec<_>>()[..] {
        [source, destination] => Ok((clean(&package.join(source)), clean_slash_path(destination))),
        _ => Err(Error::ExtraSourceFormat {
            entry: entry.value.clone(),
            source_code: file.named(),
            span: span(&entry.span),
        }
        .into()),
    }
}

/// The shortest spelling of a slash path, without asking any disk; `.` for nothing.
pub(crate) fn clean_slash_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match parts.last() {
            Some(&last) if part == ".." && last != ".." => {
                parts.pop();
            }
            None if part == ".." && rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<(PathBuf, String), Problem> {
        let located = Located { value: text.to_owned(), span: 0..text.len(), line: 1 };
        parse(&SourceFile::new("pkg/a/build.yml", text), &located, Path::new("/r/pkg/a"))
    }

    #[test]
    fn both_sides_are_cleaned() {
        for (text, source, destination) in [
            ("../../lib:vendor/lib", "/r/lib", "vendor/lib"),
            ("./../b//c/:/x/../y/", "/r/pkg/b/c", "/y"),
            ("/abs/./dir:.", "/abs/dir", "."),
            (":", "/r/pkg/a", "."),
            ("x:a/../../b", "/r/pkg/a/x", "../b"),
            ("x:/../..", "/r/pkg/a/x", "/"),
        ] {
            assert_eq!(entry(text).unwrap(), (PathBuf::from(source), destination.to_owned()), "{text}");
        }
    }

    #[test]
    fn exactly_one_colon_is_needed() {
        for text in ["../../lib", "../../lib:a:b", ""] {
            assert_eq!(entry(text).unwrap_err().code(), "git::extra_source_format", "{text}");
        }
    }
}
