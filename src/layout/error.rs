//! What goes wrong with linuxkit's cache.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::image::{Platform, Reference};
use crate::problem::{Class, Fault};

/// The directory, what is in it, or what is to be stored in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Error {
    /// A file may be there, and cannot be read.
    #[error("`{}` in linuxkit's cache cannot be read: {reason}", path.display())]
    #[diagnostic(
        code(layout::unreadable),
        help("check that the account may read the directory, or choose another with `--cache DIR`")
    )]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// In the words of the system.
        reason: String,
    },

    /// A file was read and is not what its place says.
    #[error("`{}` in linuxkit's cache is malformed: {reason}", path.display())]
    #[diagnostic(
        code(layout::malformed),
        help("empty the cache with `linuxkit cache clean`, or choose another with `--cache DIR`")
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file cannot be written.
    #[error("`{}` in linuxkit's cache cannot be written: {reason}", path.display())]
    #[diagnostic(
        code(layout::unwritable),
        help(
            "check that the account may write to the directory and that the disk has room, or choose another with `--cache DIR`"
        )
    )]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// In the words of the system.
        reason: String,
    },

    /// An archive of an image is no such thing.
    #[error("the archive of `{image}` cannot be stored in linuxkit's cache: {reason}")]
    #[diagnostic(code(layout::bad_archive), help("save the image again: what came from the builder is not whole"))]
    BadArchive {
        /// The image.
        image: String,
        /// What is wrong with it.
        reason: String,
    },

    /// An image for another platform than the one it is to be stored for.
    #[error("`{image}` is an image for {found}, and is to be stored for {wanted}")]
    #[diagnostic(
        code(layout::wrong_platform),
        help("build it for {wanted}; a `FROM --platform` of another platform makes an image of that one")
    )]
    WrongPlatform {
        /// The image.
        image: String,
        /// What its configuration says.
        found: String,
        /// What it is to be stored for.
        wanted: Platform,
    },

    /// An image that is asked for is not there.
    #[error("`{image}` for {platform} is not in linuxkit's cache `{}`", directory.display())]
    #[diagnostic(
        code(layout::not_there),
        help("another program may have removed it; `linuxkit cache ls` lists what is there")
    )]
    NotThere {
        /// The image.
        image: String,
        /// Its platform.
        platform: Platform,
        /// The directory of the cache.
        directory: PathBuf,
    },

    /// What is taken out of the cache cannot be written where it is to go.
    #[error("the archive of `{image}` cannot be written: {reason}")]
    #[diagnostic(code(layout::archive_not_written), help("make room in the temporary directory, or set TMPDIR"))]
    ArchiveNotWritten {
        /// The image.
        image: String,
        /// In the words of the system.
        reason: String,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Infrastructure
    }
}

impl Error {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), reason: error.to_string() }
    }

    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), reason: error.to_string() }
    }

    pub(super) fn malformed(path: &Path, reason: &dyn Display) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn archive(image: &Reference, reason: &dyn Display) -> Self {
        Self::BadArchive { image: image.to_string(), reason: reason.to_string() }
    }
}
