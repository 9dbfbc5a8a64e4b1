//! The files of a revision as a workspace reads them: contents one by one as they are asked for, from git's objects.
//!
//! Symbolic links lead to where they would lead if the revision were checked out; one that leads out of the repository leads
//! nowhere, since nobody knows what was there.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, Kind, Revision, joined};
use crate::workspace::{Broken, Files};

/// How many links are followed before it is a circle, as on Linux.
const MOST_LINKS: usize = 40;

impl Revision {
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
