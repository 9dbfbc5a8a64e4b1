//! Files of build args: one `KEY=VALUE` in each line.
//!
//! Blanks around keys and values mean nothing, and neither do empty lines and lines that begin with `#`. A line without
//! `=` is kept as it is; who resolves the values says what is wrong with it.

use super::build_yml::Located;
use crate::problem::SourceFile;

/// A file of build args.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgFile {
    /// The file itself, for diagnostics; its path is absolute where it lies outside the root.
    pub source: SourceFile,
    /// `KEY=VALUE`, in the order of the file.
    pub entries: Vec<Located<String>>,
}

impl ArgFile {
    /// Reads the text of a file.
    #[must_use]
    pub fn parse(source: SourceFile) -> Self {
        let mut entries = Vec::new();
        let mut start = 0;
        for (number, line) in (1..).zip(source.text.split_inclusive('\n')) {
            let text = line.trim();
            if !text.is_empty() && !text.starts_with('#') {
                let value = match text.split_once('=') {
                    Some((key, value)) => format!("{}={}", key.trim_end(), value.trim_start()),
                    None => text.to_owned(),
                };
                let from = start + (line.len() - line.trim_start().len());
                entries.push(Located { value, span: from..from + text.len(), line: number });
            }
            start += line.len();
        }
        Self { source, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_empty_lines_and_comments_mean_nothing() {
        let text = "A=1\r\n\n  # c=d\n B = x = y \nbare\nE=";
        let file = ArgFile::parse(SourceFile::new("args", text));
        let entries: Vec<_> = file.entries.iter().map(|entry| (entry.value.as_str(), entry.line)).collect();
        assert_eq!(entries, [("A=1", 1), ("B=x = y", 4), ("bare", 5), ("E=", 6)]);
        assert_eq!(&text[file.entries[1].span.clone()], "B = x = y");
    }
}
