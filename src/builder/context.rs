//! The build context as an uncompressed tar stream.
//!
//! What is in it, in this order: the package directory, each extra source below its destination, the files whose
//! text was replaced, the image archives. The engine unpacks in this order, so a later entry replaces an earlier one of
//! the same path. Directories are walked sorted by name, links are stored and never followed, modes, owners and times
//! are those on disk, and nothing is filtered: neither .gitignore nor .dockerignore applies.
//!
//! Whatever cannot be read ends the stream with an error that names it: a context is complete or it is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miette::Diagnostic;
use tar::{Builder, EntryType, Header};
use walkdir::{DirEntry, WalkDir};

use super::BuildRequest;
use crate::excludes::Excludes;
use crate::problem::{Class, Fault};

/// Why a build context cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ContextError {
    /// It is not there, or may not be read.
    #[error("`{}` cannot be read into the build context: {reason}", path.display())]
    #[diagnostic(
        code(builder::context_unreadable),
        help("all of the package directory and its extra sources enters the context: make it readable, or remove it")
    )]
    Unreadable {
        /// On disk.
        path: PathBuf,
        /// In the words of the system.
        reason: String,
    },

    /// It changed since the plan looked at it, or shrank while it was read.
    #[error("`{}` changed after the build was planned", path.display())]
    #[diagnostic(code(builder::context_changed), help("build again when nothing writes to the tree any more"))]
    Changed {
        /// On disk.
        path: PathBuf,
    },

    /// A socket, a pipe or a device.
    #[error("`{}` is neither file, directory nor link and cannot enter the build context", path.display())]
    #[diagnostic(code(builder::special_file), help("remove it from the package directory or extra source"))]
    Special {
        /// On disk.
        path: PathBuf,
    },

    /// A destination outside the context.
    #[error("`{destination}` is no path inside the build context")]
    #[diagnostic(
        code(builder::outside_context),
        help("a destination is relative to the package directory and stays below it: remove the `..`")
    )]
    Outside {
        /// As configured.
        destination: String,
    },
}

impl Fault for ContextError {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// Why the stream ended early.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Something on disk is at fault.
    Source(ContextError),
    /// Whoever reads the stream has gone.
    Output,
}

impl From<ContextError> for WriteError {
    fn from(error: ContextError) -> Self {
        Self::Source(error)
    }
}

/// A tar file of images, ready to be placed in the context.
pub(super) struct ArchiveFile {
    /// Path in the context.
    pub(super) path: String,
    /// Its content, positioned at the start.
    pub(super) file: File,
}

/// Writes the whole context to `out`.
pub(super) fn write<W: Write>(request: &BuildRequest, archives: Vec<ArchiveFile>, out: W) -> Result<W, WriteError> {
    let left_out = request.left_out.iter().map(|path| confined(path)).collect::<Result<BTreeSet<_>, _>>()?;
    let mut replaced = BTreeMap::new();
    for (path, text) in &request.texts {
        replaced.insert(entry_path(path)?, Replaced { text, always: false, metadata: None });
    }
    if let Some(text) = &request.dockerfile_text {
        replaced.insert(entry_path(&request.dockerfile)?, Replaced { text, always: true, metadata: None });
    }
    let mut writer = Writer { tar: Builder::new(out), replaced, planned_at: request.planned_at };
    // A link to the package directory is the directory; a link as an extra source is stored as a link, as in linuxkit.
    let excludes = Excludes::lossy(&request.exclude);
    let enters = |name: &Path, directory: bool| !left_out.contains(name) && !excludes.leaves_out(name, directory);
    writer.tree(&request.directory, Path::new(""), true, &enters)?;
    for source in &request.extra_sources {
        writer.tree(&source.source, &confined(&source.destination)?, false, &|_, _| true)?;
    }
    for (path, replaced) in std::mem::take(&mut writer.replaced) {
        if replaced.always || replaced.metadata.is_some() {
            writer.replaced(&path, replaced)?;
        }
    }
    for archive in archives {
        let path = entry_path(&archive.path)?;
        let size = archive.file.metadata().map_err(|error| unreadable(&path, &error))?.len();
        writer.file(&mut plain_header(), &path, archive.file, size, &path)?;
    }
    writer.tar.into_inner().map_err(|_| WriteError::Output)
}

/// An entry that is written at the end, with another text.
struct Replaced<'a> {
    text: &'a str,
    /// Whether it is written even if there is no such file on disk.
    always: bool,
    /// That of the file on disk, once it was met.
    metadata: Option<Metadata>,
}

struct Writer<'a, W: Write> {
    tar: Builder<W>,
    /// By the path in the context.
    replaced: BTreeMap<PathBuf, Replaced<'a>>,
    /// What changed later than this is not what the tag and the key stand for.
    planned_at: Option<SystemTime>,
}

impl<W: Write> Writer<'_, W> {
    /// One directory (or file, or link) below `destination`, which is empty for the root of the context.
    fn tree(
        &mut self,
        source: &Path,
        destination: &Path,
        follow_root: bool,
        enters: &dyn Fn(&Path, bool) -> bool,
    ) -> Result<(), WriteError> {
        let inside = |path: &Path| destination.join(path.strip_prefix(source).unwrap_or(path));
        let walk = WalkDir::new(source).sort_by_file_name().follow_links(false).follow_root_links(follow_root);
        let wanted = |entry: &DirEntry| entry.depth() == 0 || enters(&inside(entry.path()), entry.file_type().is_dir());
        for entry in walk.into_iter().filter_entry(wanted) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(source).to_owned();
                let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                ContextError::Unreadable { path, reason }
            })?;
            // `join` with the empty path of the root leaves a trailing slash, which `components` drops.
            let name: PathBuf = inside(entry.path()).components().collect();
            if name.as_os_str().is_empty() {
                self.check_age(entry.path())?;
                let directory = if follow_root { source.is_dir() } else { entry.file_type().is_dir() };
                if directory {
                    continue;
                }
                let destination = "/".to_owned();
                return Err(ContextError::Outside { destination }.into());
            }
            self.entry(entry.path(), &name)?;
        }
        Ok(())
    }

    /// A directory changes with the names in it, so that a removed file is noticed, too.
    fn check_age(&self, path: &Path) -> Result<Metadata, ContextError> {
        let metadata = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
        let changed = u64::try_from(metadata.ctime()).ok().and_then(|seconds| {
            let nanoseconds = u32::try_from(metadata.ctime_nsec()).ok()?;
            UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
        });
        match (self.planned_at, changed) {
            (Some(planned), Some(changed)) if changed > planned => Err(ContextError::Changed { path: path.to_owned() }),
            _ => Ok(metadata),
        }
    }

    fn entry(&mut self, path: &Path, name: &Path) -> Result<(), WriteError> {
        let metadata = self.check_age(path)?;
        if let Some(replaced) = self.replaced.get_mut(name).filter(|_| !metadata.is_dir()) {
            replaced.metadata = Some(metadata);
            return Ok(());
        }
        let mut header = header(&metadata);
        if metadata.is_file() {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            return self.file(&mut header, name, file, metadata.len(), path);
        }
        if metadata.is_dir() {
            header.set_entry_type(EntryType::Directory);
            return self.tar.append_data(&mut header, name, io::empty()).map_err(|_| WriteError::Output);
        }
        if metadata.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            let target = fs::read_link(path).map_err(|error| unreadable(path, &error))?;
            let written = self.link_target(&mut header, target.as_os_str().as_bytes());
            let written = written.and_then(|()| self.tar.append_data(&mut header, name, io::empty()));
            return written.map_err(|_| WriteError::Output);
        }
        Err(ContextError::Special { path: path.to_owned() }.into())
    }

    /// Stores the target byte for byte; one that does not fit the header goes before it, in an entry of its own.
    fn link_target(&mut self, header: &mut Header, target: &[u8]) -> io::Result<()> {
        if header.set_link_name_literal(target).is_ok() {
            return Ok(());
        }
        let mut extension = plain_header();
        extension.set_entry_type(EntryType::GNULongLink);
        extension.set_size(target.len() as u64 + 1);
        let name = b"././@LongLink";
        extension.as_old_mut().name[..name.len()].copy_from_slice(name);
        extension.set_cksum();
        self.tar.append(&extension, target.chain(io::repeat(0).take(1)))
    }

    /// A file of exactly `size` bytes; `path` is what is named if it cannot be read.
    fn file(
        &mut self,
        header: &mut Header,
        name: &Path,
        file: impl Read,
        size: u64,
        path: &Path,
    ) -> Result<(), WriteError> {
        header.set_size(size);
        let mut exact = Exact { inner: file, left: size, path, error: None };
        let written = self.tar.append_data(header, name, &mut exact);
        match (exact.error, written) {
            (Some(error), _) => Err(error.into()),
            (None, written) => written.map_err(|_| WriteError::Output),
        }
    }

    fn replaced(&mut self, path: &Path, replaced: Replaced<'_>) -> Result<(), WriteError> {
        let text = replaced.text;
        let mut header = replaced.metadata.map_or_else(plain_header, |metadata| {
            let mut header = header(&metadata);
            if metadata.is_symlink() {
                header.set_mode(0o644);
            }
            header
        });
        self.file(&mut header, path, text.as_bytes(), text.len() as u64, path)
    }
}

/// A reader that gives exactly the promised number of bytes or an error, and remembers the error.
struct Exact<'a, R> {
    inner: R,
    left: u64,
    path: &'a Path,
    error: Option<ContextError>,
}

impl<R: Read> Read for Exact<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let count = match self.inner.read(&mut buffer[..most]) {
            Ok(0) => {
                self.error = Some(ContextError::Changed { path: self.path.to_owned() });
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                self.error = Some(unreadable(self.path, &error));
                return Err(error);
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ContextError {
    ContextError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

/// Mode, owner and time of a file on disk.
fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(u64::from(metadata.uid()));
    header.set_gid(u64::from(metadata.gid()));
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_size(0);
    header
}

/// What a file has that is on no disk.
fn plain_header() -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// The path of an entry, which the root of the context is not.
fn entry_path(path: &str) -> Result<PathBuf, ContextError> {
    let inside = confined(path)?;
    if inside.as_os_str().is_empty() { Err(ContextError::Outside { destination: path.to_owned() }) } else { Ok(inside) }
}

/// A slash path as a relative path that stays inside the context.
fn confined(path: &str) -> Result<PathBuf, ContextError> {
    let mut inside = PathBuf::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                if !inside.pop() {
                    return Err(ContextError::Outside { destination: path.to_owned() });
                }
            }
            name => inside.push(name),
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests;
