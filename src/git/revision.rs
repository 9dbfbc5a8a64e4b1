//! What a repository has at a revision, by its listing: no checkout, no work tree.
//!
//! Paths are those that the files would have if the revision were checked out, and are taken by their text. The files of a
//! submodule are among the others where it is here with its commit. What is in files, and where links lead, says `files`.

mod files;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Commit;
use super::objects::Objects;
use super::snapshot::Snapshot;
use super::trees::Tree;
use crate::path::clean;

/// The files of a repository at one commit.
#[derive(Debug)]
pub struct Revision {
    pub(super) name: String,
    pub(super) commit: Commit,
    pub(super) top: PathBuf,
    pub(super) objects: Arc<Objects>,
    /// Without the root, by path relative to the top level.
    pub(super) entries: BTreeMap<Vec<u8>, Entry>,
    /// The id of the root.
    pub(super) tree: String,
    /// The submodules whose files are among the entries, by path.
    pub(super) modules: BTreeMap<Vec<u8>, Module>,
}

/// A submodule that is here with its commit.
#[derive(Debug)]
pub(super) struct Module {
    /// The id of its root.
    pub(super) tree: String,
    pub(super) objects: Arc<Objects>,
}

/// What a listing says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) id: String,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Executable,
    Link,
    Tree,
    Submodule,
}

/// What a revision has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This tree or file, by its id.
    Id(String),
    /// It lies in a submodule that is not here with its commit: nobody can tell what is there.
    Unlisted {
        /// The absolute path of the submodule.
        submodule: PathBuf,
        /// Its commit.
        commit: String,
    },
    /// Nothing.
    Nothing,
    /// The path leads out of the repository.
    Elsewhere,
}

impl Revision {
    /// As it was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The top level.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// What is at an absolute path, as git takes the path: by its text.
    #[must_use]
    pub fn content(&self, path: &Path) -> Content {
        let Some(inside) = self.inside(path) else { return Content::Elsewhere };
        if inside.is_empty() {
            return Content::Id(self.tree.clone());
        }
        if let Some(module) = self.modules.get(&inside) {
            return Content::Id(module.tree.clone());
        }
        match (self.entries.get(&inside), self.unlisted(&inside)) {
            (_, Some((path, entry))) => {
                Content::Unlisted { submodule: self.top.join(OsStr::from_bytes(path)), commit: entry.id.clone() }
            }
            (Some(entry), None) => Content::Id(entry.id.clone()),
            (None, None) => Content::Nothing,
        }
    }

    /// The submodule without files that a path is or lies in.
    fn unlisted(&self, inside: &[u8]) -> Option<(&[u8], &Entry)> {
        let slashes = inside.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| slash);
        let mut paths = slashes.chain([inside.len()]).map(|end| &inside[..end]);
        let is_unlisted =
            |path: &[u8], entry: &Entry| entry.kind == Kind::Submodule && !self.modules.contains_key(path);
        paths.find_map(|path| {
            let (path, entry) = self.entries.get_key_value(path)?;
            is_unlisted(path, entry).then_some((path.as_slice(), entry))
        })
    }

    /// The submodules, by their absolute paths, with their commits, and whether their files are known.
    pub fn submodules(&self) -> impl Iterator<Item = (PathBuf, &str, bool)> {
        let modules = self.entries.iter().filter(|(_, entry)| entry.kind == Kind::Submodule);
        modules.map(|(path, entry)| {
            (self.top.join(OsStr::from_bytes(path)), entry.id.as_str(), self.modules.contains_key(path))
        })
    }

    /// The files at or below an absolute path that another revision does not have there or has with another content or
    /// mode, and those that only it has; relative to the path and sorted.
    #[must_use]
    pub fn differences(&self, other: &Self, path: &Path) -> Vec<String> {
        let Some(inside) = self.inside(path) else { return Vec::new() };
        let (ours, theirs) = (self.below(&inside), other.below(&inside));
        let mut names: Vec<&[u8]> = Vec::new();
        names.extend(ours.iter().filter(|(name, entry)| theirs.get(*name) != Some(*entry)).map(|(name, _)| *name));
        names.extend(theirs.keys().filter(|name| !ours.contains_key(*name)).copied());
        names.sort_unstable();
        names.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// What is no directory, at or below a path; of a submodule its files if they are known.
    fn below(&self, path: &[u8]) -> BTreeMap<&[u8], &Entry> {
        let mut prefix = path.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let at = self.entries.get_key_value(path).into_iter().map(|(path, entry)| (path, &path[..], entry));
        let from = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let below = from.map(|(path, entry)| (path, &path[prefix.len()..], entry));
        let is_directory = |path: &Vec<u8>, kind: Kind| {
            kind == Kind::Tree || kind == Kind::Submodule && self.modules.contains_key(path)
        };
        let files = at.chain(below).filter(|(path, _, entry)| !is_directory(path, entry.kind));
        files.map(|(_, name, entry)| (name, entry)).collect()
    }

    /// What tags are made from.
    pub(super) fn snapshot(&self) -> Snapshot {
        let id = |path: &Vec<u8>, entry: &Entry| match (entry.kind, self.modules.get(path)) {
            (Kind::Submodule, module) => module.map(|module| module.tree.clone()),
            _ => Some(entry.id.clone()),
        };
        let entries = self.entries.iter().filter_map(|(path, entry)| Some((path.clone(), id(path, entry)?))).collect();
        Snapshot::clean(Some(Tree { id: self.tree.clone(), entries }), Some(self.commit.clone()))
    }

    /// A path relative to the top level, by its text; `None` if it lies outside.
    pub(super) fn inside(&self, path: &Path) -> Option<Vec<u8>> {
        let path = clean(path);
        path.strip_prefix(&self.top).ok().map(|inside| inside.as_os_str().as_bytes().to_vec())
    }
}

/// The entries of a listing, whose paths lie behind a prefix.
pub(super) fn entries(listing: &[u8], prefix: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let mut entries = BTreeMap::new();
    for line in listing.split(|&byte| byte == 0) {
        // `MODE TYPE ID`, a tab, the path.
        let Some(tab) = line.iter().position(|&byte| byte == b'\t') else { continue };
        let head = String::from_utf8_lossy(&line[..tab]);
        let mut words = head.split(' ');
        let (Some(mode), Some(_), Some(id)) = (words.next(), words.next(), words.next()) else { continue };
        let kind = match mode {
            "040000" => Kind::Tree,
            "120000" => Kind::Link,
            "160000" => Kind::Submodule,
            "100755" => Kind::Executable,
            _ => Kind::File,
        };
        entries.insert([prefix, &line[tab + 1..]].concat(), Entry { kind, id: id.to_owned() });
    }
    entries
}

/// A name in a directory, both as bytes.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
