//! What is wrong, where, and what to do about it.
//!
//! Each stage has an error enum of its own (`thiserror` for the sentence, `miette` for code, help and span) that says by
//! [`Fault`] which [`Class`] it is of. A [`Problem`] is any of them behind one cheap-to-clone pointer, so that stages
//! can collect all problems and the command line can print them at once and choose the exit code.

mod once;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

pub use once::once;

/// Whose turn it is when something is wrong; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The command line asks for something that does not exist. Exit code 2.
    Usage,
    /// The repository is wrong: a build.yml, a Dockerfile, a cycle, a dirty package to be pushed. Exit code 3.
    Repository,
    /// Engine, registry, authentication or network. Exit code 4.
    Infrastructure,
    /// All is well but that something is not published as it was asked to be. Exit code 6.
    Unpublished,
}

/// An error that knows its [`Class`].
pub trait Fault: Diagnostic + Send + Sync + 'static {
    /// Whose turn it is to act.
    fn class(&self) -> Class;

    /// The host that is at fault as a whole, and what it was asked for: the same is then wrong with all it is asked.
    fn of_host(&self) -> Option<(&str, &str)> {
        None
    }
}

/// One thing that is wrong, or only odd if it stands in a list of warnings.
#[derive(Clone)]
pub struct Problem(Arc<dyn Fault>);

impl Problem {
    /// Whose turn it is to act.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.class()
    }

    /// The host that is at fault as a whole, and what it was asked for.
    #[must_use]
    pub fn of_host(&self) -> Option<(&str, &str)> {
        self.0.of_host()
    }

    /// The stable name of this sort of problem, such as `workspace::missing_dockerfile`.
    #[must_use]
    pub fn code(&self) -> String {
        self.0.code().map(|code| code.to_string()).unwrap_or_default()
    }

    /// The file that is at fault, relative to the root of the workspace, and its line, counted from 1.
    #[must_use]
    pub fn place(&self) -> Option<(String, usize)> {
        let label = self.0.labels()?.next()?;
        let read = self.0.source_code()?.read_span(label.inner(), 0, 0).ok()?;
        Some((read.name()?.to_owned(), read.line() + 1))
    }

    /// The diagnostic, to be rendered.
    #[must_use]
    pub fn diagnostic(&self) -> &dyn Diagnostic {
        &*self.0
    }
}

impl<F: Fault> From<F> for Problem {
    fn from(fault: F) -> Self {
        Self(Arc::new(fault))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.0)
    }
}

/// A text file as diagnostics quote it: its path relative to the root of the workspace and its whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the root of the workspace, with `/`.
    pub path: String,
    /// The whole text; spans are byte ranges into it.
    pub text: Arc<str>,
}

impl SourceFile {
    /// A file with this text at this path.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The form in which `miette` quotes it.
    #[must_use]
    pub fn named(&self) -> NamedSource<Arc<str>> {
        NamedSource::new(&self.path, self.text.clone())
    }

    /// The line of a byte offset, counted from 1.
    #[must_use]
    pub fn line(&self, offset: usize) -> u32 {
        let before = self.text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count();
        u32::try_from(before).map_or(u32::MAX, |before| before.saturating_add(1))
    }
}

/// The form in which `miette` takes a byte range.
#[must_use]
pub fn span(range: &Range<usize>) -> SourceSpan {
    (range.start, range.end.saturating_sub(range.start)).into()
}
