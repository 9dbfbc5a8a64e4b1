//! Why pins cannot be listed or rewritten.

use miette::Diagnostic;

use crate::problem::{Class, Fault};

/// Why pins cannot be listed or rewritten.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// `--files` with a pattern that is none.
    #[error("`{glob}` is not a glob: {reason}")]
    #[diagnostic(
        code(pins::glob),
        help("`*`, `?`, `**`, `[a-z]` and `{{a,b}}` have a meaning; quote it, so that the shell does not expand it")
    )]
    Glob {
        /// As given.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--files` that matches nothing.
    #[error("no file is matched by `{glob}`")]
    #[diagnostic(
        code(pins::no_files),
        help("a glob is relative to the root or to the current directory; `*` stays within one folder, `**` does not")
    )]
    NoFiles {
        /// As given.
        glob: String,
    },
    /// An image yml, or a directory that may have some, that cannot be read.
    #[error("`{file}` cannot be read: {reason}")]
    #[diagnostic(code(pins::unreadable), help("make it readable, or narrow `--files`"))]
    Unreadable {
        /// Relative to the root.
        file: String,
        /// The system's words.
        reason: String,
    },
    /// The tag that would be written does not count files that are about to be forgotten.
    #[error("files that git does not track would be left out of the tags of {packages}: {files}")]
    #[diagnostic(
        code(pins::untracked),
        help("`git add` them, remove them or let git ignore them; or count them with `--include-untracked`")
    )]
    Untracked {
        /// The packages whose tags are written somewhere.
        packages: String,
        /// The files, relative to the top of their repository.
        files: String,
    },
    /// A file is not what it was when it was read.
    #[error("`{file}` changed while the pins were worked out; nothing was written")]
    #[diagnostic(code(pins::changed), help("run the same command again when nothing writes to the tree any more"))]
    Changed {
        /// Relative to the root.
        file: String,
    },
    /// A signal came while the new files were prepared.
    #[error("interrupted; nothing was written")]
    #[diagnostic(code(pins::interrupted), help("run the same command again"))]
    Interrupted,
    /// A file cannot be replaced.
    #[error("`{file}` cannot be written: {reason} ({written} of {count} files are)")]
    #[diagnostic(
        code(pins::write),
        help("make the file and its directory writable and run the same command again: it goes on where it stopped")
    )]
    Write {
        /// Relative to the root.
        file: String,
        /// The system's words.
        reason: String,
        /// How many files were replaced before.
        written: usize,
        /// How many files were to be.
        count: usize,
    },
}

impl Error {
    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self::Unreadable { file: file.to_owned(), reason: error.to_string() }
    }
}

impl Fault for Error {
    fn class(&self) -> Class {
        match self {
            Self::Glob { .. } | Self::NoFiles { .. } => Class::Usage,
            Self::Unreadable { .. } | Self::Untracked { .. } => Class::Repository,
            Self::Changed { .. } | Self::Interrupted | Self::Write { .. } => Class::Infrastructure,
        }
    }
}
