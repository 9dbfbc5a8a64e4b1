//! What of a package directory does not enter the build context, by the patterns of a .gitignore.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns of a .gitignore in the package directory. As with git, nothing below a directory that they leave out is
/// brought back by a later pattern.
#[derive(Debug, Clone)]
pub struct Excludes(Gitignore);

impl Excludes {
    /// Reads the patterns, in their order.
    ///
    /// # Errors
    /// What is wrong with the first malformed one.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder.add_line(None, pattern.as_ref()).map_err(|error| error.to_string())?;
        }
        Ok(Self(builder.build().map_err(|error| error.to_string())?))
    }

    /// The same without those that are malformed.
    #[must_use]
    pub fn lossy<S: AsRef<str>>(patterns: &[S]) -> Self {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            // Whoever read the patterns has refused the malformed ones.
            let _ = builder.add_line(None, pattern.as_ref());
        }
        Self(builder.build().unwrap_or_else(|_| Gitignore::empty()))
    }

    /// Whether an entry is left out by itself; the directories above it are asked about on their own.
    #[must_use]
    pub fn leaves_out(&self, path: &Path, is_directory: bool) -> bool {
        self.0.matched(path, is_directory).is_ignore()
    }

    /// Whether a file is left out, by itself or with a directory above it. The path is relative to the package directory.
    #[must_use]
    pub fn covers(&self, file: &str) -> bool {
        file.match_indices('/').any(|(at, _)| self.leaves_out(Path::new(&file[..at]), true))
            || self.leaves_out(Path::new(file), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_a_gitignore() {
        let excludes = Excludes::new(&["# comment", "*.log", "/dist/", "!keep.log", "a/**/z", "build/*", "!build/x"]);
        let excludes = excludes.unwrap();
        for path in ["x.log", "sub/x.log", "dist/x", "dist/keep.log", "a/b/z", "a/b/z/y", "build/y"] {
            assert!(excludes.covers(path), "{path}");
        }
        for path in ["keep.log", "sub/keep.log", "dist", "sub/dist/x", "z", "# comment", "build/x"] {
            assert!(!excludes.covers(path), "{path}");
        }
        assert!(Excludes::new(&["a[z-a]"]).is_err());
        assert!(!Excludes::new::<&str>(&[]).unwrap().covers("anything"));
    }
}
