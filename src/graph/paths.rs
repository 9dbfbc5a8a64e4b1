//! Paths as the graph compares them: relative to the root, with `/`, by their text.
//!
//! Symbolic links are not followed, as `linuxkit pkg` does not follow them either. Only a path whose text lies outside
//! the root is looked up among the files, so that an absolute path through a link to the root is still found below it.

use std::path::{Component, Path, PathBuf};

use crate::path::clean;
use crate::workspace::Files;

/// `path` relative to `root` with `/`, `.` for the root itself; `None` when it lies outside. Both are absolute.
pub(super) fn below(files: &dyn Files, root: &Path, path: &Path) -> Option<String> {
    let path = clean(path);
    if let Ok(inner) = path.strip_prefix(clean(root)) {
        return Some(slashes(inner));
    }
    let (root, path) = (files.real(root)?, files.real(&path)?);
    path.strip_prefix(root).ok().map(slashes)
}

/// `path` relative to `root` with `/`, with leading `..` where it lies outside. Both are absolute.
pub(super) fn relative(files: &dyn Files, root: &Path, path: &Path) -> String {
    if let Some(inner) = below(files, root, path) {
        return inner;
    }
    let (root, path) = (clean(root), clean(path));
    let common = root.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = root.components().skip(common).map(|_| Component::ParentDir);
    slashes(&up.chain(path.components().skip(common)).collect::<PathBuf>())
}

/// The directory of a slash path; `.` when it has none.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(directory, _)| directory)
}

/// Whether `path` is `directory` or lies below it; both relative to the root.
pub(super) fn is_within(path: &str, directory: &str) -> bool {
    directory == "." || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn slashes(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Disk;

    #[test]
    fn paths_are_compared_by_their_text() {
        let root = Path::new("/r/repo");
        assert_eq!(below(&Disk, root, Path::new("/r/repo/pkg/../pkg/./a/")).as_deref(), Some("pkg/a"));
        assert_eq!(below(&Disk, root, Path::new("/r/repo")).as_deref(), Some("."));
        assert_eq!(below(&Disk, root, Path::new("/r/repository")), None);
    }

    #[test]
    fn a_path_outside_is_written_from_the_root_upwards() {
        assert_eq!(relative(&Disk, Path::new("/r/repo"), Path::new("/r/other/x")), "../other/x");
        assert_eq!(relative(&Disk, Path::new("/r/repo"), Path::new("/r")), "..");
    }

    #[test]
    fn a_common_prefix_of_two_names_is_no_folder() {
        assert!(is_within("pkg/a", "pkg/a"));
        assert!(is_within("pkg/a/b", "pkg/a"));
        assert!(is_within("pkg/a", "."));
        assert!(!is_within("pkg/ab", "pkg/a"));
    }
}
