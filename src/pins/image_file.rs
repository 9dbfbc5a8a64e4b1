//! Image ymls: the files that `linuxkit build` puts an image together from.
//!
//! They are read as text, since what counts is where a reference stands: whatever looks like `name:tag` outside a comment.
//! Whether it is a pin depends on whether a package here makes the image, so kernel, init, onboot and services are all
//! found, and everything else in the file is left as it is.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSetBuilder};
use walkdir::{DirEntry, WalkDir};

use super::Error;
use crate::image::Reference;
use crate::path::clean;
use crate::problem::{Problem, SourceFile};

/// The characters of templates: next to a reference they say that it goes on in a way that nobody knows here. A `}` after it
/// may as well end a flow mapping.
const TEMPLATE: &str = "${%<>`\\~^|&*!?";

/// A file with references to images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// The file itself.
    pub source: SourceFile,
    /// The references with a tag.
    pub references: Vec<ImageReference>,
}

/// What reads as a reference with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Where it stands.
    pub span: Range<usize>,
    /// Where that with the template beside it stands, if there is one. What it means is not known then.
    pub template: Option<Range<usize>>,
}

impl ImageFile {
    /// Finds the references of a text.
    #[must_use]
    pub fn parse(source: SourceFile) -> Self {
        let references = references(&source.text);
        Self { source, references }
    }
}

/// Reads the files below `root` that one of the globs matches. A glob is tried relative to the root, then to `current`,
/// which is itself relative to the root. Hidden directories are passed over, and so are those that no glob leads to.
///
/// # Errors
/// When a glob is malformed or matches no file, or a file or a directory that may have some cannot be read.
pub fn image_files(root: &Path, current: &str, globs: &[String]) -> Result<Vec<ImageFile>, Problem> {
    if globs.is_empty() {
        return Ok(Vec::new());
    }
    let mut set = GlobSetBuilder::new();
    let (mut owners, mut starts) = (Vec::new(), Vec::new());
    for (index, glob) in globs.iter().enumerate() {
        for base in [root.to_owned(), root.join(current)] {
            let path = clean(&base.join(glob));
            let Ok(inside) = path.strip_prefix(clean(root)) else { continue };
            let compiled = GlobBuilder::new(&inside.to_string_lossy()).literal_separator(true).build();
            let compiled = compiled
                .map_err(|error| Error::Glob { glob: glob.clone(), reason: error.kind().to_string().to_lowercase() })?;
            set.add(compiled);
            owners.push(index);
            starts.push(root.join(literal_start(inside)));
        }
    }
    let set = set.build().map_err(|error| Error::Glob { glob: globs.join(" "), reason: error.to_string() })?;
    let mut matched = vec![false; globs.len()];
    let mut files = Vec::new();
    let is_hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let leads_there =
        |directory: &Path| starts.iter().any(|start| start.starts_with(directory) || directory.starts_with(start));
    let is_walked = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry) && leads_there(entry.path());
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !entry.file_type().is_dir() || is_walked(entry)) {
        let entry = entry.map_err(|error| unreadable(root, &error))?;
        let Ok(inside) = entry.path().strip_prefix(root) else { continue };
        let found = set.matches(inside);
        if found.is_empty() || entry.file_type().is_dir() {
            continue;
        }
        let shown = inside.to_string_lossy().into_owned();
        let unreadable = |error| Error::unreadable(&shown, &error);
        // A link to a directory is none to a file, and one to nothing is an error.
        if !entry.path().metadata().map_err(unreadable)?.is_file() {
            continue;
        }
        for glob in found {
            matched[owners[glob]] = true;
        }
        let text = std::fs::read_to_string(entry.path()).map_err(unreadable)?;
        files.push(ImageFile::parse(SourceFile::new(shown, text)));
    }
    match matched.iter().position(|matched| !matched) {
        Some(at) => Err(Error::NoFiles { glob: globs[at].clone() }.into()),
        None => Ok(files),
    }
}

/// The folders that a glob begins with, before the first that has a meaning of its own.
fn literal_start(glob: &Path) -> PathBuf {
    let is_literal =
        |part: &Component<'_>| !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{\\".contains(byte));
    glob.components().take_while(is_literal).collect()
}

/// A file or directory that may be meant and cannot be looked at.
fn unreadable(root: &Path, error: &walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root);
    let shown = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    Error::Unreadable { file: shown, reason }
}

/// What reads as a reference with a tag, outside comments.
fn references(text: &str) -> Vec<ImageReference> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = comment(line).unwrap_or(line.len());
        let mut from = 0;
        while let Some(at) = line[from..end].find(is_part).map(|at| from + at) {
            let to = line[at..end].find(|c| !is_part(c)).map_or(end, |length| at + length);
            let word = &line[at..to];
            if word.parse::<Reference>().is_ok_and(|reference| reference.tag().is_some()) {
                let (span, whole) = (at..to, whole(&line[..end], at..to));
                let shifted = |range: Range<usize>| start + range.start..start + range.end;
                found.push(ImageReference { span: shifted(span), template: whole.map(shifted) });
            }
            from = to;
        }
        start += line.len();
    }
    found
}

/// Where a word of a line stands with the template that is a part of it, if one is.
fn whole(line: &str, word: Range<usize>) -> Option<Range<usize>> {
    let before = line[..word.start].chars().next_back();
    let after = line[word.end..].chars().next();
    let goes_on = |character: char| TEMPLATE.contains(character) || character.is_alphanumeric();
    let is_part = before.is_some_and(|before| goes_on(before) || "})".contains(before)) || after.is_some_and(goes_on);
    let ends = |character: char| character.is_whitespace() || "\"'".contains(character);
    let start = line[..word.start].trim_end_matches(|character| !ends(character)).len();
    let end = line[word.end..].find(ends).map_or(line.len(), |length| word.end + length);
    is_part.then_some(start..end)
}

/// Whether a reference can have this character.
fn is_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-/:@".contains(character)
}

/// Where a comment of YAML begins in a line: a `#` at its start or after a blank, and not within quotes.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before.is_whitespace() => return Some(at),
            // A quote opens a scalar only where one can begin.
            (None, '"' | '\'') if before.is_whitespace() || "[{,:-".contains(before) => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        before = character;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_wherever_they_stand_but_not_in_comments() {
        let text = "kernel:\n  image: linuxkit/kernel:6.6.71\ninit:\n  - linuxkit/init:abc # was linuxkit/init:old\r\n\
                    # - linuxkit/runc:x\n  - \"host.example:5000/org/a:1\"\nonboot: [{name: x, image: 'o/b:2#3'}]\n\
                    files:\n  - path: etc/a\n    mode: \"0644\"\n    contents: \"it's # o/c:3\"\n";
        let file = ImageFile::parse(SourceFile::new("x.yml", text));
        let found: Vec<&str> = file.references.iter().map(|found| &text[found.span.clone()]).collect();
        assert_eq!(
            found,
            ["linuxkit/kernel:6.6.71", "linuxkit/init:abc", "host.example:5000/org/a:1", "o/b:2", "o/c:3"]
        );
    }

    #[test]
    fn what_a_glob_leads_to_is_read_or_an_error_and_nothing_else_is_looked_at() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for directory in ["images/sub", "locked", "other", ".hidden"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in ["images/a.yml", "images/sub/b.yml", "other/c.yml", ".hidden/d.yml"] {
            std::fs::write(root.join(file), "- o/a:1\n").unwrap();
        }
        let read = |globs: &[&str]| -> Result<Vec<String>, String> {
            let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
            let files = image_files(root, "images", &globs).map_err(|problem| problem.to_string())?;
            Ok(files.into_iter().map(|file| file.source.path).collect())
        };
        assert_eq!(read(&["*.yml"]).unwrap(), ["images/a.yml"]);
        assert_eq!(read(&["../other/*.yml", "sub/**"]).unwrap(), ["images/sub/b.yml", "other/c.yml"]);
        assert_eq!(read(&["**/*.yml"]).unwrap(), ["images/a.yml", "images/sub/b.yml", "other/c.yml"]);

        symlink("nowhere", root.join("other/link.yml")).unwrap();
        assert_eq!(read(&["images/**"]).unwrap().len(), 2);
        assert!(read(&["other/*"]).unwrap_err().starts_with("`other/link.yml` cannot be read: "));
        std::fs::remove_file(root.join("other/link.yml")).unwrap();

        std::fs::set_permissions(root.join("locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(read(&["images/**"]).unwrap().len(), 2);
        // Nothing is locked for root.
        if std::fs::read_dir(root.join("locked")).is_err() {
            assert!(read(&["**/*.yml"]).unwrap_err().starts_with("`locked` cannot be read: "));
        }
    }

    #[test]
    fn a_template_beside_a_reference_is_a_part_of_it() {
        for (line, template) in [
            ("image: o/a:1-${ARCH}", Some("o/a:1-${ARCH}")),
            ("image: \"o/a:v{{.V}}\"", Some("o/a:v{{.V}}")),
            ("- ${ORG}a:1 # x", Some("${ORG}a:1")),
            ("- $(ORG)a:1", Some("$(ORG)a:1")),
            ("- {{.Org}}a:1", Some("{{.Org}}a:1")),
            ("- %ORG%a:1", Some("%ORG%a:1")),
            ("- o/a:1<X>", Some("o/a:1<X>")),
            ("{name: x, image: o/a:1}", None),
            ("[o/a:1,'o/a:1']", None),
            ("FROM=o/a:1", None),
            ("- o/a:1\r\n", None),
        ] {
            let file = ImageFile::parse(SourceFile::new("x.yml", line));
            let found = file.references.first().expect(line);
            assert_eq!(found.template.clone().map(|range| &line[range]), template, "{line}");
        }
    }
}
