//! The blobs of a layout: files named by the SHA-256 of their content.
//!
//! A blob is written to a temporary file beside `blobs/` and renamed into its place, so that what has its name is whole.
//! Other programs write in place and may have been interrupted: a blob counts as there only if it has the size that
//! its descriptor says, and one that is read whole only if it has the digest too. Blobs are never removed here: other
//! entries, and readers that hold no lock, may need them; `linuxkit cache clean` removes them.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::error::Error;
use crate::hex::hex;
use crate::registry::{Descriptor, digest, is_digest};

/// The name of a temporary file begins with it.
const TEMPORARY: &str = ".kitmake-";
/// Nobody pauses so long while writing a file: its writer is dead.
const ABANDONED: Duration = Duration::from_hours(24);
/// No manifest, index or configuration is larger, in bytes.
const LARGEST: u64 = 64 << 20;

/// The blobs of the layout in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blobs<'d> {
    directory: &'d Path,
}

impl<'d> Blobs<'d> {
    pub(super) fn of(directory: &'d Path) -> Self {
        Self { directory }
    }

    /// Where a blob is; the digest may come from any file, so it is never taken for a path.
    pub(super) fn path(&self, digest: &str) -> Result<PathBuf, Error> {
        let blobs = self.directory.join("blobs");
        match digest.strip_prefix("sha256:") {
            Some(hex) if is_digest(digest) => Ok(blobs.join("sha256").join(hex)),
            _ => Err(Error::malformed(self.directory, &format!("`{digest}` is no digest with SHA-256"))),
        }
    }

    /// The blob, if it is there with its size.
    pub(super) fn open(&self, descriptor: &Descriptor) -> Result<Option<File>, Error> {
        let path = self.path(&descriptor.digest)?;
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len() == descriptor.size).then_some(file)));
        absent(opened, &path).map(Option::flatten)
    }

    /// Whether the blob is there with its size.
    pub(super) fn has(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let path = self.path(&descriptor.digest)?;
        let found = absent(fs::metadata(&path), &path)?;
        Ok(found.is_some_and(|file| file.is_file() && file.len() == descriptor.size))
    }

    /// The bytes of a manifest, index or configuration, if it is there with its digest.
    pub(super) fn read(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(&descriptor.digest)?;
        if descriptor.size > LARGEST {
            return Err(Error::malformed(&path, &format!("{} bytes are too many for a description", descriptor.size)));
        }
        let Some(mut file) = self.open(descriptor)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| Error::unreadable(&path, &error))?;
        Ok((digest(&bytes) == descriptor.digest).then_some(bytes))
    }

    /// Stores a manifest, index or configuration.
    pub(super) fn put(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor, Error> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let descriptor = Descriptor { media_type: media_type.to_owned(), digest: digest(bytes), size };
        if self.read(&descriptor)?.is_none() {
            let path = self.path(&descriptor.digest)?;
            let mut file = self.temporary()?;
            file.write_all(bytes).map_err(|error| Error::unwritable(&path, &error))?;
            persist(file, &path)?;
        }
        Ok(descriptor)
    }

    /// Stores what is read to its end. It is hashed while it is written, in pieces; what `accept` refuses has left
    /// nothing behind. The error of a reader that fails comes as the reader's own.
    pub(super) fn put_from(
        &self,
        mut reader: impl Read,
        media_type: &str,
        accept: impl FnOnce(&Descriptor) -> Result<(), Error>,
        unreadable: impl Fn(&io::Error) -> Error,
    ) -> Result<Descriptor, Error> {
        let mut file = self.temporary()?;
        let mut hasher = Sha256::new();
        let mut size: u64 = 0;
        let mut piece = vec![0; 128 << 10];
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            hasher.update(&piece[..count]);
            file.write_all(&piece[..count]).map_err(|error| Error::unwritable(file.path(), &error))?;
            size += u64::try_from(count).unwrap_or(u64::MAX);
        }
        let digest = format!("sha256:{}", hex(&hasher.finalize()));
        let descriptor = Descriptor { media_type: media_type.to_owned(), digest, size };
        accept(&descriptor)?;
        if !self.has(&descriptor)? {
            persist(file, &self.path(&descriptor.digest)?)?;
        }
        Ok(descriptor)
    }

    /// Replaces a file of the layout in one go, on the disk too: a file that has its name has all its bytes.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.temporary()?;
        file.write_all(bytes)
            .and_then(|()| file.as_file().sync_data())
            .map_err(|error| Error::unwritable(path, &error))?;
        persist(file, path)
    }

    /// Removes what writers have left that are long dead. Whatever hinders that hinders nothing else.
    pub(super) fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.directory) else { return };
        for entry in entries.flatten() {
            let ours = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes());
            let age = entry.metadata().and_then(|file| file.modified()).ok().and_then(|time| time.elapsed().ok());
            if ours && age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// A file on the file system of the blobs, with the permissions of any other new file.
    fn temporary(&self) -> Result<NamedTempFile, Error> {
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(TEMPORARY).permissions(Permissions::from_mode(0o666)).tempfile_in(self.directory);
        file.map_err(|error| Error::unwritable(self.directory, &error))
    }
}

fn persist(mut file: NamedTempFile, path: &Path) -> Result<(), Error> {
    let persisted = file.as_file_mut().flush().and_then(|()| file.persist(path).map_err(|error| error.error));
    persisted.map(drop).map_err(|error| Error::unwritable(path, &error))
}

/// A file that is not there is `None`; anything else that hinders reading it is an error.
pub(super) fn absent<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::unreadable(path, &error)),
    }
}

/// The part of a file from `offset` on, `size` bytes long.
pub(super) fn part(mut file: impl Read + Seek, offset: u64, size: u64) -> io::Result<impl Read> {
    file.seek(io::SeekFrom::Start(offset))?;
    Ok(file.take(size))
}
