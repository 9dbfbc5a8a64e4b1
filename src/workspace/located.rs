//! What the readers of a yml have in common: a value that knows its place, and how further files are read.

use std::io;
use std::ops::Range;

/// A value with its place in the file. A default has the place of the image of its build.yml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value itself.
    pub value: T,
    /// The byte range of the value in the file.
    pub span: Range<usize>,
    /// The line of the value, counted from 1.
    pub line: u32,
}

/// Reads a file of the package: its path is relative to the package directory, with `/`.
pub type ReadFile<'a> = dyn Fn(&str) -> io::Result<String> + 'a;
