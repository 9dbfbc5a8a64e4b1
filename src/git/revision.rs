//! The files of a repository at a revision, from its objects alone: no checkout, no work tree.
//!
//! One listing of the whole tree says what there is; contents are read one by one as they are asked for. Paths are those
//! that the files would have if the revision were checked out. Symbolic links lead to where they would lead then; one
//! that leads out of the repository leads nowhere, since nobody knows what was there. A submodule is another repository: its
//! files are among the others where it is here with the commit, and else nothing is known of it but this commit.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};

use super::objects::Objects;
use super::process::{command, failed, read, run};
use super::snapshot::{Snapshot, read_commit};
use super::trees::Tree;
use super::{Commit, Error, submodules};
use crate::path::clean;
use crate::problem::Problem;
use crate::workspace::{Broken, Files};

/// How many links are followed before it is a circle, as on Linux.
const MOST_LINKS: usize = 40;

/// A repository whose revisions are looked at.
#[derive(Debug)]
pub struct Repository {
    /// Where its files are or would be.
    top: PathBuf,
    shallow: bool,
    git_directory: PathBuf,
    objects: Arc<Objects>,
    /// Of submodules, by their git directories.
    of_modules: Mutex<BTreeMap<PathBuf, Arc<Objects>>>,
}

impl Repository {
    /// The repository that a directory lies in, which may be a bare one or part of one.
    pub fn open(directory: &Path) -> Result<Self, Problem> {
        let questions = ["rev-parse", "--is-shallow-repository", "--absolute-git-dir", "--show-prefix"];
        let answer = read(directory, &mut command(directory, questions))?;
        let answer = answer.strip_suffix(b"\n").unwrap_or(&answer);
        let mut lines = answer.splitn(3, |&byte| byte == b'\n');
        let mut line = || lines.next().unwrap_or_default();
        let (shallow, git_directory, prefix) = (line(), PathBuf::from(OsStr::from_bytes(line())), line());
        let mut top = directory.to_owned();
        for _ in Path::new(OsStr::from_bytes(prefix)).components() {
            top.pop();
        }
        let (objects, of_modules) = (Arc::new(Objects::of(directory, &[])?), Mutex::default());
        Ok(Self { top, shallow: shallow == b"true", git_directory, objects, of_modules })
    }

    /// The files at a revision: a commit, or what names one.
    pub fn at(&self, revision: &str) -> Result<Revision, Problem> {
        let commit = self.commit(revision)?;
        let mut list = command(&self.top, ["ls-tree", "-r", "-t", "-z", "--full-tree", &commit.id]);
        let Output { status, stdout: listing, stderr } = run(&mut list)?;
        if !status.success() {
            let missing = Error::missing_tree(revision, &stderr);
            return Err(missing.map_or_else(|| failed(&self.top, &list, &stderr), Problem::from));
        }
        let entries = entries(&listing, b"");
        let tree = root_tree(&self.objects, &commit.id, || format!("the commit `{revision}`"));
        let (name, top, objects) = (revision.to_owned(), self.top.clone(), self.objects.clone());
        let mut revision = Revision { name, commit, top, objects, entries, tree, modules: BTreeMap::new() };
        self.add_modules(&mut revision, &self.git_directory, b"")?;
        Ok(revision)
    }

    /// Adds the files of the submodules of the repository at the path `inside` that are here.
    fn add_modules(&self, revision: &mut Revision, around: &Path, inside: &[u8]) -> Result<(), Problem> {
        let prefix = if inside.is_empty() { Vec::new() } else { joined(inside, b"") };
        let below = revision.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let links: Vec<(Vec<u8>, String)> = below
            .filter(|(_, entry)| entry.kind == Kind::Submodule)
            .map(|(path, entry)| (path.clone(), entry.id.clone()))
            .collect();
        if links.is_empty() {
            return Ok(());
        }
        let gitmodules = revision.entries.get(&joined(inside, b".gitmodules")).map(|entry| entry.id.clone());
        let names = gitmodules.map(|id| submodules::names(around, &id)).transpose()?.unwrap_or_default();
        for (path, commit) in links {
            let within = &path[prefix.len()..];
            let name = names.get(within).cloned().unwrap_or_else(|| String::from_utf8_lossy(within).into_owned());
            let place = self.top.join(OsStr::from_bytes(&path));
            for git_directory in submodules::git_directories(around, &name, &place) {
                let Some(listing) = submodules::listing(&git_directory, &commit)? else { continue };
                let objects = self.of_module(&git_directory)?;
                let what = || format!("the commit of the submodule `{}`", String::from_utf8_lossy(&path));
                let tree = root_tree(&objects, &commit, what);
                revision.entries.extend(entries(&listing, &joined(&path, b"")));
                revision.modules.insert(path.clone(), Module { tree, objects });
                self.add_modules(revision, &git_directory, &path)?;
                break;
            }
        }
        Ok(())
    }

    fn of_module(&self, git_directory: &Path) -> Result<Arc<Objects>, Problem> {
        let mut all = self.of_modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(objects) = all.get(git_directory) {
            return Ok(objects.clone());
        }
        let objects = Arc::new(Objects::of(git_directory, &submodules::BARE)?);
        all.insert(git_directory.to_owned(), objects.clone());
        Ok(objects)
    }

    /// Where two revisions began to differ.
    pub fn merge_base(&self, one: &str, other: &str) -> Result<String, Problem> {
        let (first, second) = (self.commit(one)?, self.commit(other)?);
        let output = run(&mut command(&self.top, ["merge-base", &first.id, &second.id]))?;
        let base = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || base.is_empty() {
            if self.shallow {
                return Err(Error::shallow(&format!("the merge base of {one} and {other}"), None).into());
            }
            return Err(Error::NoMergeBase { one: one.to_owned(), other: other.to_owned() }.into());
        }
        Ok(base)
    }

    /// Fails if something was read that this clone does not have.
    pub fn check_complete(&self) -> Result<(), Problem> {
        let of_modules = self.of_modules.lock().unwrap_or_else(PoisonError::into_inner);
        let of_modules = of_modules.iter().map(|(directory, objects)| (Some(directory.as_path()), objects));
        let mut all = [(None, &self.objects)].into_iter().chain(of_modules);
        match all.find_map(|(directory, objects)| Some((directory, objects.missing()?))) {
            None => Ok(()),
            Some((submodule, (what, id, others))) => Err(Error::missing_object(what, id, others, submodule).into()),
        }
    }

    fn commit(&self, revision: &str) -> Result<Commit, Problem> {
        // A range is no revision, and what begins with a dash or a caret is none either.
        let is_one = !revision.is_empty() && !revision.contains("..") && !revision.starts_with(['-', '^']);
        let commit = if is_one { read_commit(&self.top, &format!("{revision}^{{commit}}"))? } else { None };
        commit.ok_or_else(|| {
            if self.shallow && is_one {
                Error::shallow(&format!("`{revision}`"), Some(revision)).into()
            } else {
                Error::UnknownRevision { revision: revision.to_owned() }.into()
            }
        })
    }
}

/// The files of a repository at one commit.
#[derive(Debug)]
pub struct Revision {
    name: String,
    commit: Commit,
    top: PathBuf,
    objects: Arc<Objects>,
    /// Without the root, by path relative to the top level.
    entries: BTreeMap<Vec<u8>, Entry>,
    /// The id of the root.
    tree: String,
    /// The submodules whose files are among the entries, by path.
    modules: BTreeMap<Vec<u8>, Module>,
}

/// A submodule that is here with its commit.
#[derive(Debug)]
struct Module {
    /// The id of its root.
    tree: String,
    objects: Arc<Objects>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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

    /// The bytes of the file or link at a path.
    fn content_of(&self, path: &[u8], entry: &Entry) -> io::Result<Arc<[u8]>> {
        let ends = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| slash);
        let objects = ends.filter_map(|end| self.modules.get(&path[..end])).map(|module| &module.objects).next();
        objects
            .unwrap_or(&self.objects)
            .read(&entry.id, || format!("`{}` at `{}`", String::from_utf8_lossy(path), self.name))
    }

    /// Follows links: the path relative to the top level and what is there, which for the top level is nothing.
    fn resolve(&self, path: &Path) -> Option<(Vec<u8>, Option<&Entry>)> {
        let inside = path.strip_prefix(&self.top).ok()?.as_os_str().as_bytes();
        let parts = |path: &[u8]| path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut open: VecDeque<Vec<u8>> = parts(inside).into();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = open.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." if at.is_empty() => return None,
                b".." => {
                    at.truncate(at.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let mut next = at.clone();
            if !next.is_empty() {
                next.push(b'/');
            }
            next.extend_from_slice(&part);
            let entry = self.entries.get(&next)?;
            if entry.kind != Kind::Link {
                at = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = self.content_of(&next, entry).ok()?;
            let target = match Path::new(OsStr::from_bytes(&target)).strip_prefix(&self.top) {
                Ok(inside) => {
                    at.clear();
                    inside.as_os_str().as_bytes().to_vec()
                }
                Err(_) if target.starts_with(b"/") => return None,
                Err(_) => target.to_vec(),
            };
            for part in parts(&target).into_iter().rev() {
                open.push_front(part);
            }
        }
        let entry = self.entries.get(&at);
        Some((at, entry))
    }
}

impl Files for Revision {
    fn read(&self, path: &Path) -> io::Result<String> {
        match self.resolve(path) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some((at, Some(entry))) if matches!(entry.kind, Kind::File | Kind::Executable) => {
                let content = self.content_of(&at, entry)?;
                String::from_utf8(content.to_vec()).map_err(|_| io::ErrorKind::InvalidData.into())
            }
            Some(_) => Err(io::Error::other("it is no file")),
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        let entry = self.resolve(path).and_then(|(_, entry)| entry);
        entry.is_some_and(|entry| matches!(entry.kind, Kind::File | Kind::Executable))
    }

    fn is_dir(&self, path: &Path) -> bool {
        let is_dir =
            |entry: Option<&Entry>| entry.is_none_or(|entry| matches!(entry.kind, Kind::Tree | Kind::Submodule));
        self.resolve(path).is_some_and(|(_, entry)| is_dir(entry))
    }

    fn has(&self, path: &Path) -> bool {
        let parent = path.parent().and_then(|parent| self.resolve(parent));
        match (parent, path.file_name()) {
            (Some((parent, _)), Some(name)) => self.entries.contains_key(&joined(&parent, name.as_bytes())),
            _ => self.resolve(path).is_some(),
        }
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        let Some((at, _)) = self.resolve(directory).filter(|_| self.is_dir(directory)) else { return Vec::new() };
        let prefix = if at.is_empty() { at } else { joined(&at, b"") };
        let below = self.entries.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        let names = below.map(|(name, _)| &name[prefix.len()..]).filter(|name| !name.contains(&b'/'));
        names.map(|name| OsString::from_vec(name.to_vec())).collect()
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        self.resolve(path).map(|(at, _)| self.top.join(OsStr::from_bytes(&at)))
    }

    fn find(&self, root: &Path, names: &[&str]) -> Vec<Result<String, Broken>> {
        let Some(inside) = self.inside(root) else { return Vec::new() };
        let prefix = if inside.is_empty() { inside } else { joined(&inside, b"") };
        let below = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let mut found = Vec::new();
        for (path, _) in below.filter(|(_, entry)| !matches!(entry.kind, Kind::Tree | Kind::Submodule)) {
            let path = &path[prefix.len()..];
            let of = |name: &&str| {
                let directory = path.strip_suffix(name.as_bytes())?;
                if directory.is_empty() { Some(&b"."[..]) } else { directory.strip_suffix(b"/") }
            };
            let Some(directory) = names.iter().find_map(of) else { continue };
            if directory != b"." && directory.split(|&byte| byte == b'/').any(|part| part.starts_with(b".")) {
                continue;
            }
            found.push(match std::str::from_utf8(directory) {
                Ok(directory) => Ok(directory.to_owned()),
                Err(_) => Err(crate::workspace::path_not_utf8(&String::from_utf8_lossy(directory))),
            });
        }
        found
    }
}

/// The entries of a listing, whose paths lie behind a prefix.
fn entries(listing: &[u8], prefix: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
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

/// The id of the root of a commit, whose first line is `tree ID`.
fn root_tree(objects: &Objects, commit: &str, what: impl FnOnce() -> String) -> String {
    let header = objects.read(commit, what).unwrap_or_default();
    let tree = header.strip_prefix(b"tree ").and_then(|rest| rest.split(|&byte| byte == b'\n').next());
    String::from_utf8_lossy(tree.unwrap_or_default()).into_owned()
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
