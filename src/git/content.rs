//! The content hash of a dirty directory, exactly as linuxkit takes it.
//!
//! linuxkit concatenates the bytes of every file that `git ls-files` and then `git ls-files --others --exclude-standard`
//! print in the directory. It reads that text line by line, so what git does to names decides which files are found: a
//! quoted name is not found, and blanks at the two ends of the whole text are lost. Only regular files count; links,
//! directories and what is missing or unreadable add nothing, and neither do names and modes. A path with an unresolved
//! merge counts once per stage.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;
use super::snapshot::below;
use crate::problem::Problem;

/// What is listed in a repository, relative to its top level and sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing<'a> {
    /// The top level.
    pub top: &'a Path,
    /// Tracked names, once per stage.
    pub tracked: &'a [Vec<u8>],
    /// Names neither tracked nor ignored.
    pub untracked: &'a [Vec<u8>],
    /// Whether git quotes names that are not ASCII (`core.quotePath`).
    pub quotes_non_ascii: bool,
}

impl Listing<'_> {
    /// Adds the content of a directory to a hash, and returns the names of the files that are overlooked.
    pub(super) fn hash(&self, directory: &[u8], hasher: &mut Sha256) -> Result<Vec<String>, Problem> {
        let skip = if directory.is_empty() { 0 } else { directory.len() + 1 };
        let tracked = below(self.tracked, directory).iter().map(|name| &name[skip..]);
        let untracked = below(self.untracked, directory).iter().map(|name| &name[skip..]);
        let names: Vec<&[u8]> = tracked.clone().chain(untracked.clone()).collect();
        let mut text = Vec::new();
        for name in tracked {
            quote(name, self.quotes_non_ascii, &mut text);
        }
        text.push(b'\n');
        for name in untracked {
            quote(name, self.quotes_non_ascii, &mut text);
        }
        let base = self.top.join(OsStr::from_bytes(directory));
        let mut found = BTreeSet::new();
        for line in trim(&text).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let file = base.join(OsStr::from_bytes(line));
            found.insert(line);
            if is_regular(&file) {
                add(&file, hasher)?;
            }
        }
        let overlooked = names.into_iter().filter(|name| !found.contains(name));
        let overlooked = overlooked.filter(|name| is_regular(&base.join(OsStr::from_bytes(name))));
        Ok(overlooked.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }
}

fn is_regular(file: &Path) -> bool {
    file.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

fn add(file: &Path, hasher: &mut Sha256) -> Result<(), Problem> {
    let Ok(mut open) = File::open(file) else { return Ok(()) };
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut open, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::Unreadable { file: file.display().to_string(), reason: error.to_string() }.into());
            }
        }
    }
}

/// Writes a name and a line feed as git does without `-z`.
fn quote(name: &[u8], quotes_non_ascii: bool, text: &mut Vec<u8>) {
    let special =
        |byte: u8| byte < 0x20 || byte == 0x7f || b"\"\\".contains(&byte) || (byte >= 0x80 && quotes_non_ascii);
    if !name.iter().copied().any(special) {
        text.extend_from_slice(name);
        text.push(b'\n');
        return;
    }
    text.push(b'"');
    for &byte in name {
        if !special(byte) {
            text.push(byte);
            continue;
        }
        text.push(b'\\');
        match byte {
            0x07 => text.push(b'a'),
            0x08 => text.push(b'b'),
            b'\t' => text.push(b't'),
            b'\n' => text.push(b'n'),
            0x0b => text.push(b'v'),
            0x0c => text.push(b'f'),
            b'\r' => text.push(b'r'),
            b'"' | b'\\' => text.push(byte),
            _ => text.extend_from_slice(format!("{byte:03o}").as_bytes()),
        }
    }
    text.extend_from_slice(b"\"\n");
}

/// Without white space (as Unicode has it) at both ends; bytes that are no UTF-8 are no white space.
fn trim(text: &[u8]) -> &[u8] {
    let mut start = 0;
    for chunk in text.utf8_chunks() {
        let kept = chunk.valid().trim_start().len();
        start += chunk.valid().len() - kept;
        if kept > 0 || !chunk.invalid().is_empty() {
            break;
        }
    }
    let mut end = start;
    let mut position = start;
    for chunk in text[start..].utf8_chunks() {
        let kept = chunk.valid().trim_end().len();
        if kept > 0 {
            end = position + kept;
        }
        position += chunk.valid().len() + chunk.invalid().len();
        if !chunk.invalid().is_empty() {
            end = position;
        }
    }
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(name: &[u8], quotes_non_ascii: bool) -> String {
        let mut text = Vec::new();
        quote(name, quotes_non_ascii, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn names_are_quoted_as_git_does() {
        assert_eq!(quoted(b"a b", true), "a b\n");
        assert_eq!(quoted("caf\u{e9}".as_bytes(), true), "\"caf\\303\\251\"\n");
        assert_eq!(quoted("caf\u{e9}".as_bytes(), false), "caf\u{e9}\n");
        assert_eq!(quoted(b"t\tq\"b\\\x01\x7f", false), "\"t\\tq\\\"b\\\\\\001\\177\"\n");
    }

    #[test]
    fn blanks_are_trimmed_at_both_ends_only() {
        for (text, expected) in [
            (&b"\n x y \n\n"[..], &b"x y"[..]),
            ("\u{a0}x\u{2003}".as_bytes(), b"x"),
            (b" \xff \n", b"\xff"),
            (b"\n\n", b""),
            (b"", b""),
            (b"a\xff b ", b"a\xff b"),
        ] {
            assert_eq!(trim(text), expected, "{text:?}");
        }
    }
}
