//! The files of a build context that its tree hash does not see.
//!
//! These are the files that git does not track, the ignored ones included, and the tracked ones that differ from the
//! commit. A nested repository or submodule is one entry for git, so all its files are listed. Outside git that is every
//! file. What is called `.git` is never listed: it changes with every command and no image should depend on it.
//!
//! Not seen are changes that git was told to overlook (`update-index --assume-unchanged`), and with `--hash-commit`, under
//! which nothing is built, tracked files that differ.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::locate::{Locator, Place, Spot, TreePath};
use super::snapshot::{below, list_gitlinks, list_untracked_and_ignored};
use super::{Dirt, Error, Tags};
use crate::path::clean;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Context path (as the build sees it, without leading `/`) to the file on disk: whatever git does not track, ignored
/// files included, and tracked files that differ from the commit. A path that does not exist on disk was deleted. Where
/// two sources of a context have the same path, the later one counts, as in the build.
pub type OutsideTree = BTreeMap<String, PathBuf>;

/// For each of `packages`, in the same order, the files outside its tree; extra sources under their destination. A package
/// without a tag has none.
///
/// # Errors
/// When git cannot be asked, or a directory cannot be read.
pub fn outside_tree(workspace: &Workspace, tags: &Tags, packages: &[PackageId]) -> Result<Vec<OutsideTree>, Problem> {
    let mut locator = Locator::default();
    let mut sources: Vec<Vec<Source<'_>>> = Vec::new();
    for &id in packages {
        sources.push(locate_sources(workspace, tags, id, &mut locator)?);
    }
    let mut scopes: BTreeMap<&Path, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for source in sources.iter().flatten() {
        if let Files::Listed(spot) = &source.files {
            scopes.entry(&spot.top).or_default().insert(spot.content.clone());
        }
    }
    let listings: Result<Vec<_>, Problem> = scopes
        .into_par_iter()
        .map(|(top, scopes)| {
            let mut names = list_untracked_and_ignored(top, &scopes)?;
            if top.join(".gitmodules").exists() {
                names.extend(list_gitlinks(top, &scopes)?);
                names.sort();
            }
            Ok((top, names))
        })
        .collect();
    let listings: BTreeMap<&Path, Vec<Vec<u8>>> = listings?.into_iter().collect();
    sources.par_iter().map(|sources| collect(sources, &listings)).collect()
}

/// One directory of a context.
struct Source<'a> {
    directory: PathBuf,
    /// Its place in the context; empty for the package itself.
    destination: &'a str,
    files: Files,
    dirt: &'a [Dirt],
}

enum Files {
    /// Those that git lists.
    Listed(Spot),
    /// All of them.
    All,
    /// Only the directory itself, which is a symbolic link, and of which git knows the text.
    Link,
}

fn locate_sources<'a>(
    workspace: &'a Workspace,
    tags: &'a Tags,
    id: PackageId,
    locator: &mut Locator,
) -> Result<Vec<Source<'a>>, Problem> {
    let Some(tag) = tags.get(id) else { return Ok(Vec::new()) };
    let directory = clean(&workspace.directory(id));
    let files = match locator.locate(&directory)? {
        Place::WorkTree(spot) if !tag.outside_git && is_itself(&spot) => Files::Listed(spot),
        _ => Files::All,
    };
    let mut sources = vec![Source { directory, destination: "", files, dirt: &tag.dirt }];
    for extra in &tag.extra_sources {
        let files = match locator.locate(&extra.source)? {
            Place::WorkTree(spot) if is_itself(&spot) => Files::Listed(spot),
            Place::WorkTree(_) => Files::Link,
            Place::Outside | Place::GitDirectory => Files::All,
        };
        let destination = extra.destination.trim_start_matches('/');
        let destination = if destination == "." { "" } else { destination };
        sources.push(Source { directory: extra.source.clone(), destination, files, dirt: &extra.dirt });
    }
    Ok(sources)
}

/// Whether the tree at the path is that of the directory, and not the text of a symbolic link.
fn is_itself(spot: &Spot) -> bool {
    matches!(&spot.path, TreePath::Within(path) if *path == spot.content)
}

fn collect(sources: &[Source<'_>], listings: &BTreeMap<&Path, Vec<Vec<u8>>>) -> Result<OutsideTree, Problem> {
    let mut files = OutsideTree::new();
    for source in sources {
        let mut add = |name: &[u8], file: PathBuf| {
            if file.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return walk(&file, &mut |inside, file| {
                    files.insert(context_path(source.destination, &[name, b"/", inside].concat()), file);
                });
            }
            files.insert(context_path(source.destination, name), file);
            Ok(())
        };
        match &source.files {
            Files::Listed(spot) => {
                let skip = if spot.content.is_empty() { 0 } else { spot.content.len() + 1 };
                let listed = listings.get(spot.top.as_path()).map_or(&[][..], |names| below(names, &spot.content));
                let changed: Vec<Vec<u8>> = changed(source.dirt).collect();
                for name in listed.iter().chain(below(&changed, &spot.content)) {
                    let name = name.strip_suffix(b"/").unwrap_or(name);
                    add(&name[skip..], spot.top.join(OsStr::from_bytes(name)))?;
                }
            }
            Files::All => walk(&source.directory, &mut |inside, file| {
                files.insert(context_path(source.destination, inside), file);
            })?,
            Files::Link if !source.dirt.is_empty() => {
                files.insert(source.destination.to_owned(), source.directory.clone());
            }
            Files::Link => {}
        }
    }
    Ok(files)
}

/// The tracked files that differ, sorted, as [`Dirt`] is.
fn changed(dirt: &[Dirt]) -> impl Iterator<Item = Vec<u8>> {
    dirt.iter().filter_map(|dirt| match dirt {
        Dirt::Modified(path) => Some(path.as_bytes().to_vec()),
        Dirt::Untracked(_) | Dirt::Forced | Dirt::NoCommit => None,
    })
}

fn context_path(destination: &str, inside: &[u8]) -> String {
    let mut path = destination.to_owned();
    if !path.is_empty() {
        path.push('/');
    }
    for chunk in inside.utf8_chunks() {
        path.push_str(chunk.valid());
        // Two names must not become one.
        path.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    path
}

/// Every file and link below a directory, with its path inside.
fn walk(directory: &Path, each: &mut dyn FnMut(&[u8], PathBuf)) -> Result<(), Problem> {
    // A directory that is a link itself is entered, none below it is.
    let base = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let entries = WalkDir::new(&base).into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git") {
        let entry = entry.map_err(|error| Error::Unreadable {
            file: error.path().unwrap_or(&base).display().to_string(),
            reason: error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        if !entry.file_type().is_dir() {
            let inside = entry.path().strip_prefix(&base).unwrap_or(entry.path());
            each(inside.as_os_str().as_bytes(), directory.join(inside));
        }
    }
    Ok(())
}
