//! Tree ids of many paths at once.
//!
//! One `git cat-file --batch` is asked for tree objects by id, level by level from the root, each needed directory
//! exactly once. So the cost follows the directories on the way to the packages: looking paths up one at a time reads the
//! same large trees over and over, and a listing limited to many paths compares each entry with each path.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use super::process::{cannot_run, command, failed};
use crate::hex::hex;
use crate::problem::Problem;

/// A commit's root tree and the entries that were asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// The id of the root tree.
    pub id: String,
    /// Path to id; a path without an entry is not in the commit.
    pub entries: BTreeMap<Vec<u8>, String>,
}

/// The trees of `revisions`, in the same order; `None` for a revision that names nothing.
pub(super) fn read_trees(
    top: &Path,
    revisions: &[&str],
    paths: &BTreeSet<Vec<u8>>,
) -> Result<Vec<Option<Tree>>, Problem> {
    read_trees_in(top, revisions, paths, |_| ())
}

/// The same, where `objects` tells git in which directory to look for objects.
pub(super) fn read_trees_in(
    top: &Path,
    revisions: &[&str],
    paths: &BTreeSet<Vec<u8>>,
    objects: impl FnOnce(&mut Command),
) -> Result<Vec<Option<Tree>>, Problem> {
    let mut git = command(top, ["cat-file", "--batch"]);
    objects(&mut git);
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = git.spawn().map_err(|error| cannot_run(&error))?;
    let result = Batch::new(&mut child).and_then(|mut batch| {
        let wanted = by_parent(paths);
        let mut trees: Vec<Option<Tree>> = Vec::new();
        for revision in revisions {
            trees.push(batch.tree(revision, &wanted)?);
        }
        Ok(trees)
    });
    let mut stderr = Vec::new();
    if let Some(mut pipe) = child.stderr.take() {
        // What git has to say only matters when it failed.
        let _ = pipe.read_to_end(&mut stderr);
    }
    let status = child.wait().map_err(|error| cannot_run(&error))?;
    match result {
        Ok(trees) if status.success() => Ok(trees),
        Err(error) if stderr.is_empty() => Err(failed(top, &git, error.to_string().as_bytes())),
        _ => Err(failed(top, &git, &stderr)),
    }
}

/// For each directory on the way to a path, the names wanted in it.
fn by_parent(paths: &BTreeSet<Vec<u8>>) -> BTreeMap<&[u8], BTreeSet<&[u8]>> {
    let mut wanted: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
    for path in paths {
        let mut rest: &[u8] = path;
        while !rest.is_empty() {
            let (parent, name) = match rest.iter().rposition(|&byte| byte == b'/') {
                Some(slash) => (&rest[..slash], &rest[slash + 1..]),
                None => (&rest[..0], rest),
            };
            wanted.entry(parent).or_default().insert(name);
            rest = parent;
        }
    }
    wanted
}

#[derive(Debug)]
pub(super) struct Batch {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

pub(super) struct Object {
    pub(super) id: String,
    pub(super) content: Vec<u8>,
}

impl Batch {
    pub(super) fn new(child: &mut Child) -> io::Result<Self> {
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("no pipe to it"))?;
        Ok(Self { input, output: BufReader::with_capacity(1 << 16, output) })
    }

    fn tree(&mut self, revision: &str, wanted: &BTreeMap<&[u8], BTreeSet<&[u8]>>) -> io::Result<Option<Tree>> {
        if revision.contains('\n') {
            return Ok(None);
        }
        let Some(root) = self.ask(&[format!("{revision}^{{tree}}")])?.pop().flatten() else { return Ok(None) };
        let mut tree = Tree { id: root.id.clone(), entries: BTreeMap::new() };
        let mut level = vec![(Vec::new(), root)];
        while !level.is_empty() {
            let mut below = Vec::new();
            for (directory, object) in level {
                let Some(names) = wanted.get(&directory[..]) else { continue };
                let entries = Entries { rest: &object.content, id_length: object.id.len() / 2 };
                for entry in entries {
                    if names.contains(entry.name) {
                        let mut path = directory.clone();
                        if !path.is_empty() {
                            path.push(b'/');
                        }
                        path.extend_from_slice(entry.name);
                        let id = hex(entry.id);
                        if entry.is_tree && wanted.contains_key(&path[..]) {
                            below.push((path.clone(), id.clone()));
                        }
                        tree.entries.insert(path, id);
                    }
                }
            }
            let (directories, ids): (Vec<_>, Vec<_>) = below.into_iter().unzip();
            let objects = self.ask(&ids)?;
            level = directories.into_iter().zip(objects).filter_map(|(path, object)| Some((path, object?))).collect();
        }
        Ok(Some(tree))
    }

    /// Writes and reads at the same time, since neither pipe holds a whole level.
    pub(super) fn ask(&mut self, names: &[String]) -> io::Result<Vec<Option<Object>>> {
        let Self { input, output } = self;
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let lines: String = names.iter().flat_map(|name| [name, "\n"]).collect();
                input.write_all(lines.as_bytes())?;
                input.flush()
            });
            let objects = names.iter().map(|_| read_object(output)).collect();
            let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer stopped")));
            written.and(objects)
        })
    }
}

/// Reads `ID TYPE SIZE`, the content and a line feed; or a line saying that there is no such object.
fn read_object(output: &mut impl BufRead) -> io::Result<Option<Object>> {
    let mut line = String::new();
    if output.read_line(&mut line)? == 0 {
        return Err(io::Error::other("it ended early"));
    }
    let mut words = line.trim_end().rsplitn(3, ' ');
    let (Some(size), Some(_), Some(id)) = (words.next(), words.next(), words.next()) else { return Ok(None) };
    let Ok(size) = size.parse::<usize>() else { return Ok(None) };
    let mut content = vec![0; size];
    output.read_exact(&mut content)?;
    output.read_exact(&mut [0])?;
    Ok(Some(Object { id: id.to_owned(), content }))
}

struct Entry<'a> {
    name: &'a [u8],
    id: &'a [u8],
    is_tree: bool,
}

/// The entries of a tree object: `MODE NAME`, NUL, the id in binary.
struct Entries<'a> {
    rest: &'a [u8],
    id_length: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let space = self.rest.iter().position(|&byte| byte == b' ')?;
        let nul = space + self.rest[space..].iter().position(|&byte| byte == 0)?;
        let id = self.rest.get(nul + 1..nul + 1 + self.id_length)?;
        let entry = Entry { name: &self.rest[space + 1..nul], id, is_tree: &self.rest[..space] == b"40000" };
        self.rest = &self.rest[nul + 1 + self.id_length..];
        Some(entry)
    }
}
