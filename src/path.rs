//! Paths by their text, without asking the disk.

use std::path::{Component, Path, PathBuf};

/// The path without `.`, `..` and doubled slashes; a relative one that leads out of where it starts keeps its leading `..`.
#[must_use]
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => drop(clean.pop()),
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_cleaned_lexically() {
        for (path, expected) in
            [("/r/pkg/b/../a/", "/r/pkg/a"), ("/r/./x//y", "/r/x/y"), ("/../..", "/"), ("x/../../y", "../y")]
        {
            assert_eq!(clean(Path::new(path)), Path::new(expected));
        }
    }
}
