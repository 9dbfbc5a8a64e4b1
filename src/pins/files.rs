//! The files that have pins: which packages have each in their tree, so that a rewrite changes their tags.
//!
//! A file counts once under its real path, whatever links lead to it. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{ImageFile, Pin};
use crate::git::{Future, top_level};
use crate::path::clean;
use crate::problem::{Problem, SourceFile};
use crate::workspace::{PackageId, Workspace};

/// Why a file that git ignores is not rewritten: what makes it would overwrite that.
pub(super) const IGNORED: &str = "git ignores the file, so something makes it, which has to be changed instead";

/// A file that has pins.
pub(super) struct PinFile {
    pub(super) source: SourceFile,
    /// Its real path.
    pub(super) real: PathBuf,
    /// The packages whose tree has it, by their places.
    pub(super) covered_by: Vec<usize>,
    /// Whether git ignores it.
    pub(super) ignored: bool,
}

/// All files that have pins, each once, whatever the number of its names.
pub(super) struct Files {
    pub(super) all: Vec<PinFile>,
    /// Their places by the paths that packages have for them.
    pub(super) by_path: BTreeMap<String, usize>,
}

impl Files {
    pub(super) fn new(
        workspace: &Workspace,
        images: &[ImageFile],
        pins: &[Pin],
        future: &mut Future,
    ) -> Result<Self, Problem> {
        let mut sources: BTreeMap<&str, &SourceFile> = BTreeMap::new();
        for package in &workspace.packages {
            let dockerfile = package.dockerfile.iter().map(|file| &file.source);
            let build = package.build.iter().map(|build| &build.source);
            let args = package.build_args.iter().map(|args| &args.source);
            sources.extend(dockerfile.chain(build).chain(args).map(|source| (source.path.as_str(), source)));
        }
        sources.extend(images.iter().map(|image| (image.source.path.as_str(), &image.source)));
        let directories = Directories::new(workspace);
        let mut files = Self { all: Vec::new(), by_path: BTreeMap::new() };
        let mut by_real: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for pin in pins {
            let Some(source) = sources.get(pin.file.as_str()) else { continue };
            if files.by_path.contains_key(&pin.file) {
                continue;
            }
            let path = workspace.root.join(&pin.file);
            // A file that has gone meanwhile is noticed when it is to be replaced.
            let real = path.canonicalize().unwrap_or_else(|_| clean(&path));
            let place = *by_real.entry(real.clone()).or_insert_with(|| {
                let covered_by = directories.covering(&real, future.top(&real).as_deref());
                files.all.push(PinFile { source: (*source).clone(), real, covered_by, ignored: false });
                files.all.len() - 1
            });
            files.by_path.insert(pin.file.clone(), place);
        }
        let ignored = future.ignored(files.all.iter().map(|file| file.real.as_path()))?;
        for file in &mut files.all {
            file.ignored = ignored.contains(&file.real);
        }
        Ok(files)
    }

    /// The place of the file that has a pin.
    pub(super) fn of(&self, pin: &Pin) -> Option<usize> {
        self.by_path.get(&pin.file).copied()
    }

    /// Says of the pins in files that git ignores that they cannot be rewritten.
    pub(super) fn mark_ignored(&self, pins: &mut [Pin]) {
        for pin in pins {
            if self.of(pin).is_some_and(|file| self.all[file].ignored) {
                pin.tag_at = Err(IGNORED.to_owned());
            }
        }
    }
}

/// The directory of a package and those of its extra sources.
pub(super) fn directories(workspace: &Workspace, id: PackageId) -> impl Iterator<Item = PathBuf> {
    let directory = clean(&workspace.directory(id));
    let entries = workspace.package(id).build.iter().flat_map(|build| &build.extra_sources);
    let sources = entries.filter_map(|entry| entry.value.split_once(':'));
    let sources: Vec<PathBuf> = sources.map(|(source, _)| clean(&directory.join(source))).collect();
    std::iter::once(directory).chain(sources)
}

/// The real path of a directory; of one that is not there, the path itself.
pub(super) fn real(directory: &Path) -> PathBuf {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}

/// Which packages have the files of a directory in their tree.
struct Directories(BTreeMap<PathBuf, Vec<(usize, Option<PathBuf>)>>);

impl Directories {
    fn new(workspace: &Workspace) -> Self {
        let mut found: BTreeMap<PathBuf, Vec<(usize, Option<PathBuf>)>> = BTreeMap::new();
        for id in workspace.ids() {
            for directory in directories(workspace, id) {
                found.entry(real(&directory)).or_default().push((id.index(), None));
            }
        }
        for (directory, packages) in &mut found {
            let top = top_level(directory);
            for (_, of) in packages {
                of.clone_from(&top);
            }
        }
        Self(found)
    }

    /// The packages whose tree has a file of the repository at `top`.
    fn covering(&self, file: &Path, top: Option<&Path>) -> Vec<usize> {
        if top.is_none() {
            return Vec::new();
        }
        let above = file.ancestors().skip(1).filter_map(|directory| self.0.get(directory)).flatten();
        let covering: BTreeSet<usize> =
            above.filter(|(_, of)| of.as_deref() == top).map(|(package, _)| *package).collect();
        covering.into_iter().collect()
    }
}
