//! All pins brought up to date at once, in memory.
//!
//! The packages are gone through in rounds: in each, the tags of the round before are written into the files that name
//! them, and git is asked what the packages with these files will be called. There are as many rounds as the longest chain
//! of packages has links, and each asks git a handful of times, however many packages it has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Files, IGNORED, PinFile};
use super::order::{Link, order};
use super::{Error, ImageFile, Kind, Pin, State, list};
use crate::git::{Dirt, Future, PackageTag, TagOptions, Tags, top_level};
use crate::graph;
use crate::image::{Platform, Reference};
use crate::path::clean;
use crate::problem::{Problem, SourceFile};
use crate::workspace::build_yml::Located;
use crate::workspace::{Dockerfile, Package, PackageId, PackageName, Workspace};

/// What is to be brought up to date.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The packages.
    pub workspace: &'a Workspace,
    /// Their tags as they are.
    pub tags: &'a Tags,
    /// What changes tags.
    pub options: &'a TagOptions,
    /// The platforms asked for, beside those of each package.
    pub platforms: &'a [Platform],
    /// The builder's own platform.
    pub builder: &'a Platform,
    /// Whose new tags are carried on.
    pub carried: Carried<'a>,
    /// The image ymls that are rewritten, too.
    pub images: &'a [ImageFile],
    /// What dirty packages count as.
    pub dirty: DirtyTags,
}

/// Whose new tags are carried on to all that name them, and from there to all that name these.
#[derive(Debug, Clone, Copy)]
pub enum Carried<'a> {
    /// Those of all packages.
    All,
    /// Those of these packages.
    These(&'a [PackageId]),
}

/// What dirty packages count as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirtyTags {
    /// As what they will be when the changes to tracked files are committed.
    Committed {
        /// The files that git does not track are added, too; else they are an error where a tag that is written lacks them.
        include_untracked: bool,
    },
    /// As dirty.
    Dirty,
}

/// A file with new text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the root, or absolute where it lies outside.
    pub file: String,
    /// Its real path.
    pub real: PathBuf,
    /// The text it was read with.
    pub before: Arc<str>,
    /// The text it is to have.
    pub after: String,
}

/// A pin with a new tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The pin as it was.
    pub pin: Pin,
    /// The package that it names.
    pub package: PackageId,
    /// The new reference.
    pub to: Reference,
}

/// A pin that does not get the tag it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The pin.
    pub pin: Pin,
    /// Why.
    pub reason: KeptReason,
}

/// Why a pin is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    /// It names the package that it is written in; no tag can contain itself. This is legal.
    Own,
    /// Its tag would follow from itself, through these packages.
    Loop(Vec<PackageName>),
    /// It cannot be rewritten, for this reason.
    NotRewritable(String),
    /// It cannot be told what it means, for this reason.
    Unresolved(String),
}

/// The pins as they should be.
#[derive(Debug, Clone)]
pub struct Repinned {
    /// The packages with their new Dockerfiles and build args.
    pub workspace: Workspace,
    /// The tags that they will have.
    pub tags: Tags,
    /// The files that differ, sorted.
    pub changes: Vec<Change>,
    /// The pins that differ, sorted.
    pub rewrites: Vec<Rewrite>,
    /// The pins that are left alone although they do not have the tag they should have, sorted.
    pub kept: Vec<Kept>,
    /// Files that git does not track and that the new tags count, relative to the top of their repository.
    pub to_be_added: BTreeSet<String>,
}

/// The tags that packages will have when the changes of the work tree are committed; `None` if there is no change.
pub fn committed(
    workspace: &Workspace,
    tags: &Tags,
    options: &TagOptions,
    future: &mut Future,
    include_untracked: bool,
) -> Result<Option<Tags>, Problem> {
    let is_clean = |tag: &Option<Result<PackageTag, Problem>>| match tag {
        Some(Ok(tag)) => !tag.is_dirty(),
        Some(Err(_)) => false,
        None => true,
    };
    if tags.packages.iter().all(is_clean) {
        return Ok(None);
    }
    if include_untracked {
        for (top, names) in untracked(workspace, tags, workspace.ids()) {
            future.add(&top, &names)?;
        }
    }
    let all: Vec<PackageId> = workspace.ids().collect();
    future.tags(workspace, &all, options).map(Some)
}

/// Works out what is to be written, and what the tags will be then.
pub fn repin(request: &Request<'_>) -> Result<Repinned, Problem> {
    let Request { workspace, tags, options, .. } = *request;
    let mut future = Future::new()?;
    let start = match request.dirty {
        DirtyTags::Committed { include_untracked } => {
            committed(workspace, tags, options, &mut future, include_untracked)?
        }
        DirtyTags::Dirty => None,
    };
    let start = start.unwrap_or_else(|| tags.clone());
    let graph = graph::build(workspace, &start, request.platforms, request.builder);
    let mut pins = list(workspace, &start, &graph, request.images);
    let files = Files::new(workspace, request.images, &pins, &mut future)?;
    files.mark_ignored(&mut pins);
    // A pin that kitmake.yml lets be stale is none that anybody wants to be current.
    let allowed = |pin: &Pin| workspace.config.allows(&pin.file, &pin.reference).is_some();
    let live: Vec<(&Pin, usize)> = (pins.iter())
        .filter(|pin| pin.is_live() && !allowed(pin))
        .filter_map(|pin| Some((pin, files.of(pin)?)))
        .collect();
    let mut pass = Pass::new(request, &live, &files, start);
    pass.run(&mut future)?;
    pass.finish(&pins)
}

/// One way through all packages.
struct Pass<'a> {
    request: &'a Request<'a>,
    live: &'a [(&'a Pin, usize)],
    files: &'a Files,
    tags: Tags,
    carried: Vec<bool>,
    texts: BTreeMap<usize, String>,
    rewrites: Vec<Rewrite>,
    loops: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Pass<'a> {
    fn new(request: &'a Request<'a>, live: &'a [(&'a Pin, usize)], files: &'a Files, tags: Tags) -> Self {
        let count = request.workspace.packages.len();
        let carried = match request.carried {
            Carried::All => vec![true; count],
            Carried::These(packages) => {
                let mut carried = vec![false; count];
                for package in packages {
                    carried[package.index()] = true;
                }
                carried
            }
        };
        let (texts, rewrites, loops) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { request, live, files, tags, carried, texts, rewrites, loops }
    }

    fn run(&mut self, future: &mut Future) -> Result<(), Problem> {
        let workspace = self.request.workspace;
        let links: Vec<Link> = (self.live.iter())
            .filter_map(|(pin, file)| {
                let target = pin.package?.index();
                Some(Link { file: *file, target, stale: pin.state == State::Stale })
            })
            .collect();
        let follows = |package: usize| follows_from_files(&workspace.packages[package]);
        let covers: Vec<Vec<usize>> = (self.files.all.iter())
            .map(|file| file.covered_by.iter().copied().filter(|&package| follows(package)).collect())
            .collect();
        let order = order(&links, &covers, workspace.packages.len());
        self.loops = order.loops;
        let rounds = order.files.iter().copied().max().unwrap_or(0);
        let mut touched = BTreeSet::new();
        for round in 1..=rounds {
            let due = (0..self.files.all.len()).filter(|&file| order.files[file] == round);
            let written: Vec<usize> = due.filter(|&file| self.rewrite(file)).collect();
            let texts = written.iter().map(|file| (self.files.all[*file].real.as_path(), self.texts[file].as_str()));
            future.write(texts)?;
            touched.extend(written.iter().flat_map(|&file| covers[file].iter().copied()));
            let known = workspace.ids().filter(|id| order.packages[id.index()] == round);
            let known: Vec<PackageId> = known.filter(|id| touched.contains(&id.index())).collect();
            self.rename(&known, future)?;
        }
        Ok(())
    }

    /// Writes the present tags into a file, in memory. Says whether it changed.
    fn rewrite(&mut self, file: usize) -> bool {
        let mut replaced: BTreeMap<usize, (Range<usize>, String)> = BTreeMap::new();
        for (place, (pin, of)) in self.live.iter().enumerate() {
            let (Some(package), Ok(range)) = (pin.package, &pin.tag_at) else { continue };
            if *of != file || self.loops.contains_key(&place) || !self.carried[package.index()] {
                continue;
            }
            let Some(to) = self.due(pin, package) else { continue };
            let tag = to.tag().unwrap_or_default().to_owned();
            replaced.insert(range.start, (range.clone(), tag));
            self.rewrites.push(Rewrite { pin: (*pin).clone(), package, to });
        }
        if replaced.is_empty() {
            return false;
        }
        let mut text = self.files.all[file].source.text.to_string();
        for (range, tag) in replaced.into_values().rev() {
            text.replace_range(range, &tag);
        }
        self.texts.insert(file, text);
        true
    }

    /// The reference that a pin should be, if it is another one.
    fn due(&self, pin: &Pin, package: PackageId) -> Option<Reference> {
        let written: Reference = pin.reference.parse().ok()?;
        let tag = self.tags.get(package)?.identity.reference().ok()?.tag()?;
        (written.tag() != Some(tag)).then(|| written.with_tag(tag))
    }

    /// Gives packages whose files changed the tags that they will have.
    fn rename(&mut self, packages: &[PackageId], future: &mut Future) -> Result<(), Problem> {
        if packages.is_empty() {
            return Ok(());
        }
        let mut new = future.tags(self.request.workspace, packages, self.request.options)?;
        for id in packages {
            self.carried[id.index()] = true;
            let stays = self.request.dirty == DirtyTags::Dirty && is_dirty(self.request.tags, *id);
            if let Some(mut tag) = new.packages[id.index()].take().filter(|_| !stays) {
                if let Ok(tag) = &mut tag {
                    tag.uncommitted = true;
                }
                self.tags.packages[id.index()] = Some(tag);
            }
        }
        Ok(())
    }

    fn finish(mut self, pins: &[Pin]) -> Result<Repinned, Problem> {
        let workspace = self.request.workspace;
        let to_be_added = self.untracked()?;
        let mut changes: Vec<Change> = (self.texts.iter())
            .map(|(&file, text)| {
                let PinFile { source, real, .. } = &self.files.all[file];
                let (file, before) = (source.path.clone(), source.text.clone());
                Change { file, real: real.clone(), before, after: text.clone() }
            })
            .collect();
        let rewritten = rewritten(workspace, self.files, &self.texts, &self.rewrites)?;
        let images: Vec<ImageFile> = (self.request.images.iter())
            .map(|image| match self.files.by_path.get(&image.source.path).and_then(|file| self.texts.get(file)) {
                Some(text) => ImageFile::parse(SourceFile::new(image.source.path.clone(), text.as_str())),
                None => image.clone(),
            })
            .collect();
        let after = if changes.is_empty() {
            pins.to_vec()
        } else {
            let graph = graph::build(&rewritten, &self.tags, self.request.platforms, self.request.builder);
            list(&rewritten, &self.tags, &graph, &images)
        };
        let mut kept = self.loops();
        kept.extend(after.into_iter().filter_map(|pin| self.kept(pin)));
        kept.sort_by(|a, b| a.pin.key().cmp(&b.pin.key()));
        self.rewrites.sort_by(|a, b| a.pin.key().cmp(&b.pin.key()));
        changes.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Repinned { workspace: rewritten, tags: self.tags, changes, rewrites: self.rewrites, kept, to_be_added })
    }

    /// The pins of loops that do not have the tag they should have.
    fn loops(&self) -> Vec<Kept> {
        let workspace = self.request.workspace;
        let mut kept = Vec::new();
        for (place, packages) in &self.loops {
            let pin = self.live[*place].0;
            let Some(package) = pin.package.filter(|package| self.carried[package.index()]) else { continue };
            let Some(due) = self.due(pin, package) else { continue };
            let names = packages.iter().map(|&package| workspace.packages[package].name.clone()).collect();
            let pin = Pin { expected: Some(due), state: State::Stale, ..pin.clone() };
            kept.push(Kept { pin, reason: KeptReason::Loop(names) });
        }
        kept
    }

    /// Why a pin, as it will be, is left alone, if it should not be as it is.
    fn kept(&self, pin: Pin) -> Option<Kept> {
        let everything = matches!(self.request.carried, Carried::All);
        let in_scope = pin.package.map_or(everything, |package| self.carried[package.index()]);
        let reason = match (&pin.state, &pin.tag_at) {
            _ if !in_scope => return None,
            (State::Own, _) => KeptReason::Own,
            (State::Unresolved(why), _) => KeptReason::Unresolved(why.clone()),
            (State::Stale, Err(why)) => KeptReason::NotRewritable(why.clone()),
            (State::Stale, Ok(_)) => {
                let id = pin.package?;
                match &self.tags.packages[id.index()] {
                    Some(Err(problem)) => {
                        let name = &self.request.workspace.package(id).name;
                        KeptReason::NotRewritable(format!("`{name}` has no tag: {problem}"))
                    }
                    _ => return self.ignored(pin),
                }
            }
            _ => return None,
        };
        Some(Kept { pin, reason })
    }

    /// A stale pin with a place and a tag to write was left for what its file is; those of loops are known already.
    fn ignored(&self, pin: Pin) -> Option<Kept> {
        let file = self.files.of(&pin)?;
        let reason = KeptReason::NotRewritable(IGNORED.to_owned());
        self.files.all[file].ignored.then_some(Kept { pin, reason })
    }

    /// The untracked files that the tags of pinned packages would lack, which is an error, or that they count.
    fn untracked(&self) -> Result<BTreeSet<String>, Problem> {
        let DirtyTags::Committed { include_untracked } = self.request.dirty else { return Ok(BTreeSet::new()) };
        let workspace = self.request.workspace;
        let pinned: BTreeSet<PackageId> = (self.live.iter().enumerate())
            .filter(|(place, _)| !self.loops.contains_key(place))
            .filter_map(|(_, (pin, _))| pin.package.filter(|package| self.carried[package.index()]))
            .collect();
        // A package that was added and never committed has a tag by now, unless it was not even added.
        let is_added = |id: PackageId| self.request.tags.get(id).is_none() && self.tags.get(id).is_some();
        let with = |id: &PackageId| {
            (include_untracked || !is_added(*id)) && !untracked(workspace, self.request.tags, [*id]).is_empty()
        };
        let packages: Vec<PackageId> = pinned.into_iter().filter(with).collect();
        let found = untracked(workspace, self.request.tags, packages.iter().copied());
        let names: BTreeSet<String> =
            found.into_values().flatten().map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
        if names.is_empty() || include_untracked {
            return Ok(names);
        }
        let quoted = |names: &mut dyn Iterator<Item = String>| {
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let packages = quoted(&mut packages.iter().map(|&id| workspace.package(id).name.to_string()));
        Err(Error::Untracked { packages, files: quoted(&mut names.into_iter()) }.into())
    }
}

/// Whether the tag of a package changes with its files, whatever the command line calls it.
pub(super) fn follows_from_files(package: &Package) -> bool {
    let Package { build: Some(build), overrides, .. } = package else { return false };
    let template = overrides.tag.as_ref().unwrap_or(&build.tag);
    overrides.hash.is_none() && (template.value.is_empty() || template.value.contains("{{"))
}

fn is_dirty(tags: &Tags, id: PackageId) -> bool {
    tags.get(id).is_some_and(PackageTag::is_dirty)
}

/// What git does not track of packages and their extra sources, by the top of the repository. A package of which nothing
/// is committed is its directory.
fn untracked(
    workspace: &Workspace,
    tags: &Tags,
    packages: impl IntoIterator<Item = PackageId>,
) -> BTreeMap<PathBuf, BTreeSet<Vec<u8>>> {
    let mut found: BTreeMap<PathBuf, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for id in packages {
        let directory = clean(&workspace.directory(id));
        match &tags.packages[id.index()] {
            Some(Ok(tag)) => {
                let sources = tag.extra_sources.iter().map(|source| (source.source.as_path(), &source.dirt));
                for (directory, dirt) in [(directory.as_path(), &tag.dirt)].into_iter().chain(sources) {
                    let names = dirt.iter().filter_map(|dirt| match dirt {
                        Dirt::Untracked(name) => Some(name.as_bytes().to_vec()),
                        _ => None,
                    });
                    let names: BTreeSet<Vec<u8>> = names.collect();
                    if let Some(top) = top_level(directory).filter(|_| !names.is_empty()) {
                        found.entry(top).or_default().extend(names);
                    }
                }
            }
            Some(Err(problem)) if problem.code() == "git::not_committed" => {
                let real = directory.canonicalize().unwrap_or(directory);
                if let Some(top) = top_level(&real)
                    && let Ok(inside) = real.strip_prefix(&top)
                {
                    found.entry(top.clone()).or_default().insert(inside.as_os_str().as_bytes().to_vec());
                }
            }
            _ => {}
        }
    }
    found
}

/// The workspace with the new texts of its files.
fn rewritten(
    workspace: &Workspace,
    files: &Files,
    texts: &BTreeMap<usize, String>,
    rewrites: &[Rewrite],
) -> Result<Workspace, Problem> {
    let mut new = workspace.clone();
    for (path, file) in &files.by_path {
        if let Some(text) = texts.get(file) {
            new.rewritten.insert(clean(&workspace.root.join(path)), text.as_str().into());
        }
    }
    // Behind a link lies a file that other packages, or other extra sources, have by a path of their own.
    let directories = directories(workspace);
    for (file, text) in texts {
        let real = &files.all[*file].real;
        let text: Arc<str> = text.as_str().into();
        let inside = |(directory, real_directory): &(PathBuf, PathBuf)| {
            real.strip_prefix(real_directory).ok().map(|inside| directory.join(inside))
        };
        new.rewritten.extend(directories.iter().filter_map(inside).map(|path| (path, text.clone())));
        new.rewritten.insert(real.clone(), text);
    }
    for package in &mut new.packages {
        if let Some(dockerfile) = &mut package.dockerfile
            && let Some(text) = files.by_path.get(&dockerfile.source.path).and_then(|file| texts.get(file))
        {
            *dockerfile = Dockerfile::parse(SourceFile::new(dockerfile.source.path.clone(), text.as_str()))?;
        }
        if let Some(build) = &mut package.build {
            replace_values(&build.source, &mut build.build_args, rewrites);
        }
        for args in &mut package.build_args {
            replace_values(&args.source, &mut args.entries, rewrites);
        }
    }
    Ok(new)
}

/// The directories of packages and of their extra sources, each by the path that a package has for it and by its real one.
fn directories(workspace: &Workspace) -> BTreeSet<(PathBuf, PathBuf)> {
    let mut found = BTreeSet::new();
    for id in workspace.ids() {
        let directory = clean(&workspace.directory(id));
        let entries = workspace.package(id).build.iter().flat_map(|build| &build.extra_sources);
        let sources = entries.filter_map(|entry| entry.value.split_once(':'));
        let sources: Vec<PathBuf> = sources.map(|(source, _)| clean(&directory.join(source))).collect();
        for directory in std::iter::once(directory).chain(sources) {
            let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
            found.insert((directory, real));
        }
    }
    found
}

/// Gives build args their new values; where they stand is still said of the file as it is on disk.
fn replace_values(source: &SourceFile, entries: &mut [Located<String>], rewrites: &[Rewrite]) {
    let of_file =
        rewrites.iter().filter(|rewrite| rewrite.pin.kind == Kind::BuildArg && rewrite.pin.file == source.path);
    for Rewrite { pin, to, .. } in of_file {
        let Ok(range) = &pin.tag_at else { continue };
        let Some(entry) = entries.iter_mut().find(|entry| entry.span.contains(&range.start)) else { continue };
        if let Some((key, value)) = entry.value.split_once('=')
            && value == pin.reference
        {
            entry.value = format!("{key}={to}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::workspace::Options;

    #[test]
    fn a_file_behind_a_link_has_its_new_text_by_every_path_that_a_package_has_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (real, root) = (folder.path().canonicalize().unwrap().join("real"), folder.path().join("root"));
        for (file, text) in [
            ("kitmake.yml", ""),
            ("common/Dockerfile", "FROM linuxkit/base:old\n"),
            ("pkg/a/build.yml", "image: a\n"),
            ("pkg/b/build.yml", "image: b\nextra-sources: ['../../common:common']\n"),
            ("pkg/b/Dockerfile", "FROM scratch\n"),
        ] {
            fs::create_dir_all(real.join(file).parent().unwrap()).unwrap();
            fs::write(real.join(file), text).unwrap();
        }
        symlink("../../common/Dockerfile", real.join("pkg/a/Dockerfile")).unwrap();
        symlink(&real, &root).unwrap();
        let workspace = crate::workspace::read(&root, &Options::new(false, None, None)).unwrap();
        let source = SourceFile::new("pkg/a/Dockerfile", "FROM linuxkit/base:old\n");
        let file = PinFile { source, real: real.join("common/Dockerfile"), covered_by: vec![1], ignored: false };
        let files = Files { all: vec![file], by_path: BTreeMap::from([("pkg/a/Dockerfile".to_owned(), 0)]) };
        let texts = BTreeMap::from([(0, "FROM linuxkit/base:new\n".to_owned())]);
        let new = rewritten(&workspace, &files, &texts, &[]).unwrap();
        let root = &workspace.root;
        for path in [root.join("pkg/a/Dockerfile"), root.join("common/Dockerfile"), real.join("common/Dockerfile")] {
            assert_eq!(new.rewritten.get(&path).map(AsRef::as_ref), Some("FROM linuxkit/base:new\n"), "{path:?}");
        }
        assert_eq!(new.rewritten.len(), if *root == real { 2 } else { 3 });
    }
}
