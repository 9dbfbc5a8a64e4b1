//! `depends.docker-images` of a build.yml: images that a build wants as tar files in its context.
//!
//! Each image must carry a digest, so that a build never depends on when it runs; and must name its registry or org,
//! since that is how linuxkit reads it. Paths must lie below the package directory, whatever `..` they contain.

use std::ops::Range;

use super::error::Error;
use super::fields::Reader;
use super::located::{Located, ReadFile};
use super::yaml::Node;
use crate::image::Reference;
use crate::problem::{SourceFile, span};

const KEYS: [&str; 4] = ["from-file", "list", "target", "target-dir"];

/// Images that a build wants as tar files in its context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerImages {
    /// Where each image becomes a tar file of its own, relative to the package directory.
    pub target_dir: Option<String>,
    /// One tar file for all images, relative to the package directory.
    pub target: Option<String>,
    /// The file that lists them, relative to the package directory.
    pub from_file: Option<String>,
    /// The images, each with a digest; `file` says where each entry is written.
    pub images: Vec<DockerImage>,
}

/// One entry of `depends.docker-images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// As written; always has a digest.
    pub reference: Reference,
    /// The file with the entry (the build yml or the from-file), relative to the root.
    pub file: String,
    /// Its line in that file, counted from 1.
    pub line: u32,
}

/// Reads the value of `depends`.
pub(super) fn read(reader: &mut Reader<'_>, depends: &Node, package: &str, read: &ReadFile<'_>) -> DockerImages {
    let mut images = DockerImages::default();
    for entry in reader.entries("depends", depends) {
        if entry.key.value == "docker-images" {
            images = docker_images(reader, entry.value, package, read);
        } else {
            reader.unknown_key(&entry.key, "`depends`", ["docker-images"].into_iter());
        }
    }
    images
}

fn docker_images(reader: &mut Reader<'_>, node: &Node, package: &str, read: &ReadFile<'_>) -> DockerImages {
    let entries = reader.entries("depends.docker-images", node);
    for entry in &entries {
        if !KEYS.contains(&entry.key.value) {
            reader.unknown_key(&entry.key, "`depends.docker-images`", KEYS.into_iter());
        }
    }
    let value = |key: &str| entries.iter().find(|entry| entry.key.value == key).map(|entry| entry.value);
    let mut text = |key| {
        value(key).and_then(|node| reader.text(key, node)).filter(|text: &Located<String>| !text.value.is_empty())
    };
    let (target, target_dir, from_file) = (text("target"), text("target-dir"), text("from-file"));
    let listed = value("list").map(|node| reader.texts("list", node)).unwrap_or_default();

    if let (Some(target), Some(target_dir)) = (&target, &target_dir) {
        exclusive(reader, ("target", &target.span), ("target-dir", &target_dir.span));
    }
    if let (Some(first), Some(last), Some(from_file)) = (listed.first(), listed.last(), &from_file) {
        exclusive(reader, ("list", &(first.span.start..last.span.end)), ("from-file", &from_file.span));
    }
    let mut below = |key, path: Option<Located<String>>| path.and_then(|path| below_package(reader, key, path));
    let (target, target_dir) = (below("target", target), below("target-dir", target_dir));
    let from_file = below("from-file", from_file);

    let mut images: Vec<DockerImage> = Vec::new();
    let yml = reader.source.clone();
    for entry in listed {
        images.extend(image(reader, &yml, entry));
    }
    if let Some(from_file) = &from_file {
        let path = super::child(package, &from_file.value);
        match read(&from_file.value) {
            Ok(text) => {
                let file = SourceFile::new(path, text);
                for entry in entries_of(&file) {
                    images.extend(image(reader, &file, entry));
                }
            }
            Err(error) => reader.fail(Error::UnreadableList {
                path,
                reason: error.to_string(),
                source_code: reader.source.named(),
                span: span(&from_file.span),
            }),
        }
    }
    let plain = |path: Option<Located<String>>| path.map(|path| path.value);
    DockerImages { target_dir: plain(target_dir), target: plain(target), from_file: plain(from_file), images }
}

fn exclusive(reader: &mut Reader<'_>, first: (&'static str, &Range<usize>), second: (&'static str, &Range<usize>)) {
    reader.fail(Error::ExclusiveKeys {
        first_key: first.0,
        second_key: second.0,
        source_code: reader.source.named(),
        first: span(first.1),
        second: span(second.1),
    });
}

/// The path without `.` and `..`, or `None`, and noted, if it does not lie below the package directory.
fn below_package(reader: &mut Reader<'_>, key: &'static str, path: Located<String>) -> Option<Located<String>> {
    let reason = match super::lexical(&path.value) {
        _ if path.value.starts_with('/') => "must be relative to the package directory",
        None => "must lie below the package directory",
        Some(clean) if clean == "." => "must not be the package directory itself",
        Some(clean) => return Some(Located { value: clean, ..path }),
    };
    reader.fail(Error::PathOutsidePackage { key, reason, source_code: reader.source.named(), span: span(&path.span) });
    None
}

/// The lines of a from-file that are neither empty nor comments. Nothing is trimmed but the line break.
fn entries_of(file: &SourceFile) -> Vec<Located<String>> {
    let mut entries = Vec::new();
    let mut start = 0;
    for (line, text) in (1..).zip(file.text.split_inclusive('\n')) {
        let value = text.strip_suffix('\n').unwrap_or(text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if !value.is_empty() && !value.starts_with('#') {
            entries.push(Located { value: value.to_owned(), span: start..start + value.len(), line });
        }
        start += text.len();
    }
    entries
}

fn image(reader: &mut Reader<'_>, file: &SourceFile, entry: Located<String>) -> Option<DockerImage> {
    let (source_code, span) = (file.named(), span(&entry.span));
    let image = entry.value;
    let reference = match image.parse::<Reference>() {
        Ok(reference) => reference,
        Err(error) => {
            reader.fail(Error::InvalidDockerImage { image, reason: error.reason.to_owned(), source_code, span });
            return None;
        }
    };
    if reference.digest().is_none() {
        reader.fail(Error::MissingDigest { image, source_code, span });
        return None;
    }
    if reference.host().is_none() && !reference.path().contains('/') {
        let reason = "it names neither a registry nor an organisation".to_owned();
        reader.fail(Error::InvalidDockerImage { image, reason, source_code, span });
        return None;
    }
    Some(DockerImage { reference, file: file.path.clone(), line: entry.line })
}
