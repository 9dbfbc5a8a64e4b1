//! Which packages live in which directory.

use std::collections::BTreeMap;

use crate::workspace::{PackageId, Workspace};

use super::paths::is_within;

/// The directories that hold packages, by their path relative to the root.
pub(super) struct Directories<'a>(BTreeMap<&'a str, Entry>);

struct Entry {
    /// The package of the `build.yml`, if there is one.
    build_yml: Option<PackageId>,
    /// The package that the directory means where no yml is named, if there is one.
    default: Option<PackageId>,
    /// The first package of the directory.
    first: PackageId,
}

impl<'a> Directories<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        let mut directories = BTreeMap::new();
        for id in workspace.ids() {
            let package = workspace.package(id);
            let entry =
                directories.entry(package.path.as_str()).or_insert(Entry { build_yml: None, default: None, first: id });
            if package.default {
                entry.default = Some(id);
            }
            if package.yml == "build.yml" {
                entry.build_yml = Some(id);
            }
        }
        Self(directories)
    }

    /// The package that the `build.yml` of this very directory makes, or the yml that is chosen in its place.
    pub(super) fn default(&self, path: &str) -> Option<PackageId> {
        self.0.get(path).and_then(|entry| entry.build_yml.or(entry.default))
    }

    /// Whether some build yml of this very directory makes a package.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The packages whose files lie in the directory `path`: one for each package directory below it, and the nearest
    /// one that it lies in. Of several build ymls in one directory the default one stands for all, as they share its
    /// files.
    pub(super) fn sharing_files(&self, path: &str) -> Vec<PackageId> {
        let mut found: Vec<PackageId> = self.enclosing(path).into_iter().collect();
        // All paths below `path` stand together, since `/` follows their common prefix.
        let start = if path == "." { String::new() } else { format!("{path}/") };
        let below = self.0.range(start.as_str()..).take_while(|(directory, _)| is_within(directory, path));
        found.extend(below.map(|(_, entry)| entry.representative()));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn enclosing(&self, path: &str) -> Option<PackageId> {
        let mut path = path;
        loop {
            if let Some(entry) = self.0.get(path) {
                return Some(entry.representative());
            }
            if path == "." {
                return None;
            }
            path = super::paths::parent(path);
        }
    }
}

impl Entry {
    fn representative(&self) -> PackageId {
        self.default.unwrap_or(self.first)
    }
}
