//! A repository whose revisions are looked at, with the repositories of its submodules.
//!
//! One listing of the whole tree says what a revision has. A submodule is another repository: its listing is joined with that of
//! the one around it where it is here with the commit, and else nothing is known of it but this commit. Nothing is checked
//! out, and what is in a work tree is not looked at but for where the repository of a submodule is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};

use super::objects::Objects;
use super::process::{command, failed, read, run};
use super::revision::{Kind, Module, Revision, entries, joined};
use super::snapshot::read_commit;
use super::{Commit, Error, submodules};
use crate::problem::Problem;

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

/// The id of the root of a commit, whose first line is `tree ID`.
fn root_tree(objects: &Objects, commit: &str, what: impl FnOnce() -> String) -> String {
    let header = objects.read(commit, what).unwrap_or_default();
    let tree = header.strip_prefix(b"tree ").and_then(|rest| rest.split(|&byte| byte == b'\n').next());
    String::from_utf8_lossy(tree.unwrap_or_default()).into_owned()
}
