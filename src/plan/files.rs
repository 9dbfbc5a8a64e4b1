//! Files outside git, told by their directories where they are many: in the label of an image, and to people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// More files than this are told by their directories.
const FILES: usize = 8;

/// The files outside git below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// How many.
    pub count: usize,
    /// Over their names, modes and contents.
    hash: String,
}

impl Directory {
    /// Of these files, which lie below it.
    pub(super) fn of<'a>(files: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        let (mut count, mut hasher) = (0, blake3::Hasher::new());
        for (path, content) in files {
            count += 1;
            // Neither has a NUL.
            for part in [path, content] {
                hasher.update(part.as_bytes()).update(&[0]);
            }
        }
        Self { count, hash: hasher.finalize().to_hex().to_string() }
    }
}

/// Whether a file lies below a directory; all do below the one without a name.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The directory of a file, cut to as many components.
fn directory_at(path: &str, depth: usize) -> &str {
    let directory = path.rfind('/').map_or("", |slash| &path[..slash]);
    if depth == 0 {
        return "";
    }
    directory.match_indices('/').nth(depth - 1).map_or(directory, |(slash, _)| &directory[..slash])
}

/// The most directories that a file lies below.
pub(super) fn deepest<'a>(files: impl Iterator<Item = &'a String>) -> usize {
    files.map(|path| path.matches('/').count()).max().unwrap_or_default()
}

/// Files by the directories of this depth; a file that is alone there stays one.
pub(super) fn grouped(
    files: &BTreeMap<String, String>,
    depth: usize,
) -> (BTreeMap<String, String>, BTreeMap<String, Directory>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in files.keys() {
        *counts.entry(directory_at(path, depth)).or_default() += 1;
    }
    // What lies below a directory that is told together is told with it. A directory stands before what is below it.
    let mut together: BTreeSet<&str> = BTreeSet::new();
    for (directory, count) in counts {
        if (count > 1 || depth == 0) && !above(directory).any(|outer| together.contains(outer)) {
            together.insert(directory);
        }
    }
    let mut single = BTreeMap::new();
    let mut told: BTreeMap<&str, Vec<(&String, &String)>> = BTreeMap::new();
    for (path, content) in files {
        match above(path).find_map(|directory| together.get(directory)) {
            Some(directory) => told.entry(directory).or_default().push((path, content)),
            None => drop(single.insert(path.clone(), content.clone())),
        }
    }
    let directories =
        told.into_iter().map(|(directory, files)| (directory.to_owned(), Directory::of(files.into_iter())));
    (single, directories.collect())
}

/// The directories that a path lies below, the nearest first; the last one is the one without a name.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let nearest = (!path.is_empty()).then_some(path);
    std::iter::successors(nearest, |path| path.rfind('/').map(|slash| &path[..slash]))
        .skip(1)
        .chain(nearest.map(|_| ""))
}

/// Paths with the number of files that each stands for, a directory with `/` at the end; where they are too many, of the
/// directories above them.
#[must_use]
pub fn together(files: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    if files.len() <= FILES {
        return files.clone();
    }
    let grouped = |depth| {
        let mut groups: BTreeMap<&str, Vec<(&String, usize)>> = BTreeMap::new();
        for (path, &count) in files {
            groups.entry(directory_at(path, depth)).or_default().push((path, count));
        }
        let named = groups.into_iter().map(|(directory, paths)| match paths[..] {
            [(path, count)] => (path.clone(), count),
            _ => (format!("{directory}/"), paths.iter().map(|(_, count)| count).sum()),
        });
        named.collect::<BTreeMap<String, usize>>()
    };
    let mut depths = (0..=deepest(files.keys())).rev().map(grouped);
    depths.find(|groups| groups.len() <= FILES).unwrap_or_else(|| grouped(0))
}
