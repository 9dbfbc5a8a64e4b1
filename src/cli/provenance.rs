//! What went into a tag, for `show-tag -v`: one indented line for each part.
//!
//! Paths are as the user can type them: relative to the working directory where that is not far away.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use crate::git::{self, Dirt, PackageTag, TagOptions};
use crate::path::clean;
use crate::workspace::Package;

/// The template that says nothing.
const HASH_ALONE: &str = "{{.Hash}}";

/// The lines of a package in the directory `package_directory`, seen from `current`; both are absolute.
pub(super) fn text(
    package: &Package,
    tag: &PackageTag,
    options: &TagOptions,
    package_directory: &Path,
    current: &Path,
) -> String {
    let mut lines = vec![("package", package.name.to_string())];
    if tag.identity != tag.output {
        lines.push(("identity", tag.identity.to_string()));
    }
    let other_commit = options.hash_commit.as_deref().filter(|commit| *commit != "HEAD");
    if let Some(commit) = &tag.commit {
        let note = other_commit.map(|given| format!(" (--hash-commit {given}: nothing counts as dirty)"));
        lines.push(("commit", commit.id.clone() + &note.unwrap_or_default()));
    }
    let hashed = options.hash_path.as_deref().map(|path| format!(" of {} (--hash-path)", seen_from(current, path)));
    match &tag.tree {
        Some(tree) => lines.push(("tree", tree.clone() + &hashed.unwrap_or_default())),
        None if tag.outside_git => lines.push(("tree", "none: not in a git repository".to_owned())),
        None => lines.push(("tree", "none: not committed".to_owned())),
    }
    for source in &tag.extra_sources {
        let place = seen_from(current, &source.source);
        lines.push(("source", format!("{} {place} as {}", source.tree, source.destination)));
    }
    if tag.tree.as_ref() != Some(&tag.hash) && !tag.hash.is_empty() {
        lines.push(("hash", format!("{} ({})", tag.hash, origin(tag, options))));
    }
    let (template, from) = match options.tag.as_deref().filter(|template| !template.is_empty()) {
        Some(template) => (Some(template), "--tag"),
        None => (package.build.as_ref().map(|build| build.tag.value.as_str()), package.yml.as_str()),
    };
    if let Some(template) = template.filter(|template| *template != HASH_ALONE) {
        lines.push(("template", format!("{template} ({from})")));
    }
    lines.extend(dirt(&tag.dirt, package_directory, current).map(|line| ("dirty", line)));
    for source in &tag.extra_sources {
        let own = dirt(&source.dirt, &source.source, current);
        lines.extend(own.map(|line| ("dirty", line + ", in an extra source")));
    }
    lines.into_iter().fold(String::new(), |mut text, (word, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {word:<9} {value}");
        text
    })
}

/// Where a hash that is not the tree comes from.
fn origin(tag: &PackageTag, options: &TagOptions) -> String {
    if options.hash.is_some() {
        return "--hash".to_owned();
    }
    if options.dev.is_some() {
        return "--dev".to_owned();
    }
    let mut parts = vec![if tag.extra_sources.is_empty() { "the tree" } else { "SHA-1 of tree and sources" }];
    if tag.is_dirty() {
        let sources_too = tag.extra_sources.iter().any(|source| !source.dirt.is_empty());
        parts.push(if sources_too {
            "SHA-256 of the content, dirty sources included"
        } else {
            "SHA-256 of the content"
        });
    }
    parts.join(", ")
}

/// Why a directory is dirty; git's paths are relative to the top level of its repository.
fn dirt<'a>(dirt: &'a [Dirt], directory: &Path, current: &'a Path) -> impl Iterator<Item = String> + use<'a> {
    let top = if dirt.is_empty() { None } else { git::top_level(directory) };
    let shown = move |path: &OsStr| match &top {
        Some(top) => seen_from(current, &top.join(path)).into(),
        None => path.to_owned(),
    };
    dirt.iter().map(move |dirt| match dirt {
        Dirt::Modified(path) => Dirt::Modified(shown(path)).to_string(),
        Dirt::Untracked(path) => Dirt::Untracked(shown(path)).to_string(),
        Dirt::Forced | Dirt::NoCommit => dirt.to_string(),
    })
}

/// A path relative to the current directory, with `..` as long as both lie below a common directory; else absolute.
fn seen_from(current: &Path, path: &Path) -> String {
    let path = clean(path);
    let common = current.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let ups = current.components().count() - common;
    if common <= 1 || ups > 4 {
        return path.display().to_string();
    }
    let mut relative: PathBuf = std::iter::repeat_n(Component::ParentDir, ups).collect();
    relative.extend(path.components().skip(common));
    if relative.as_os_str().is_empty() { ".".to_owned() } else { relative.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_the_user_can_type_them() {
        for (current, path, expected) in [
            ("/w/r", "/w/r/pkg/a", "pkg/a"),
            ("/w/r", "/w/r", "."),
            ("/w/r/pkg/a", "/w/r/lib/../lib", "../../lib"),
            ("/w/r/pkg/a", "/w/r", "../.."),
            ("/w/r", "/other/lib", "/other/lib"),
            ("/w/r/1/2/3/4", "/w/lib", "/w/lib"),
        ] {
            assert_eq!(seen_from(Path::new(current), Path::new(path)), expected, "{path} from {current}");
        }
    }
}
