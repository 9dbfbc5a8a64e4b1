//! A package on its way to a tag: where it and its extra sources are, and what git says of them.
//!
//! Under options a package is seen twice: as asked, and by itself, which is who it is. A problem belongs to its package
//! alone; that a directory has no tree is only one where a hash is wanted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::error::Quote;
use super::extra_source;
use super::locate::{Place, Spot, TreePath};
use super::places::Places;
use super::snapshot::{Answer, Entry, HEAD_REVISION, Question, Snapshot, at_or_below};
use super::{Dirt, Error, ExtraSource, TagOptions};
use crate::path::clean;
use crate::problem::{Problem, SourceFile};
use crate::workspace::{BuildYml, Overrides, PackageId, Workspace};

/// The revision that tags are taken from by default; only this one can be dirty.
pub(super) const HEAD: &str = HEAD_REVISION;

/// From where a hash is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub(super) revision: &'a str,
    pub(super) hash_path: Option<&'a Path>,
    pub(super) force_dirty: bool,
}

impl<'a> View<'a> {
    pub(super) const OWN: View<'static> = View { revision: HEAD, hash_path: None, force_dirty: false };

    pub(super) fn asked(options: &'a TagOptions) -> Self {
        Self {
            revision: options.hash_commit.as_deref().unwrap_or(HEAD),
            hash_path: options.hash_path.as_deref().filter(|path| !path.as_os_str().is_empty()),
            force_dirty: options.force_dirty,
        }
    }
}

/// A package to be named, located but not yet compared with what git knows.
pub(super) struct Subject<'a> {
    pub(super) id: PackageId,
    pub(super) build: &'a BuildYml,
    /// What kitmake.yml says of it.
    pub(super) overrides: &'a Overrides,
    /// kitmake.yml, for diagnostics.
    pub(super) config: &'a SourceFile,
    /// As messages show it.
    pub(super) shown: String,
    /// Where it is; an error concerns only this package.
    pub(super) site: Result<Site, Problem>,
}

pub(super) struct Site {
    pub(super) place: Place,
    /// For each view, the path whose tree is the hash; empty outside a work tree.
    hashed: Vec<TreePath>,
    pub(super) extra: Vec<Extra>,
}

pub(super) struct Extra {
    source: PathBuf,
    pub(super) shown: String,
    destination: String,
    quote: Quote,
    line: u32,
    pub(super) spot: Spot,
}

/// What git says of a package under one view.
pub(super) struct Measured {
    /// `None` outside git.
    pub(super) tree: Result<Option<String>, Problem>,
    pub(super) dirt: Vec<Dirt>,
    pub(super) extra: Vec<ExtraSource>,
}

impl Measured {
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirt.is_empty() || self.extra.iter().any(|source| !source.dirt.is_empty())
    }
}

pub(super) type Answers = BTreeMap<PathBuf, Result<Answer, Problem>>;

impl<'a> Subject<'a> {
    pub(super) fn new(
        workspace: &'a Workspace,
        id: PackageId,
        views: &[View<'_>],
        places: &mut Places<'_>,
    ) -> Option<Self> {
        let package = workspace.package(id);
        let build = package.build.as_ref()?;
        let directory = clean(&workspace.directory(id));
        let shown = show(workspace, &directory);
        let site = Self::locate(workspace, build, &directory, views, places);
        Some(Self { id, build, overrides: &package.overrides, config: &workspace.config.source, shown, site })
    }

    fn locate(
        workspace: &Workspace,
        build: &BuildYml,
        directory: &Path,
        views: &[View<'_>],
        places: &mut Places<'_>,
    ) -> Result<Site, Problem> {
        let mut hashed = Vec::new();
        for view in views {
            hashed.push(view.hash_path.map_or_else(|| directory.to_owned(), clean));
        }
        if let Some(outside) = hashed.iter().find(|path| !directory.starts_with(path)) {
            let (hash_path, directory) = (outside.display().to_string(), show(workspace, directory));
            return Err(Error::HashPath { hash_path, directory }.into());
        }
        let mut extra = Vec::new();
        for entry in &build.extra_sources {
            let (source, destination) = extra_source::parse(&build.source, entry, directory)?;
            let shown = show(workspace, &source);
            let quote = Quote::of(&build.source, entry);
            let refused = |reason| quote.extra_source(shown.clone(), reason);
            let spot = match places.locate(&source) {
                Err(_) => return Err(refused("does not exist").into()),
                Ok(_) if !workspace.files.is_dir(&source) => return Err(refused("is not a directory").into()),
                Ok(Place::Outside) => return Err(refused(places.outside()).into()),
                Ok(Place::GitDirectory) => return Err(Error::NotInWorkTree { directory: shown }.into()),
                Ok(Place::WorkTree(spot)) => spot,
            };
            extra.push(Extra { source, shown, destination, quote, line: entry.line, spot });
        }
        let place = places.locate(directory)?;
        let hashed = match &place {
            Place::GitDirectory => return Err(Error::NotInWorkTree { directory: show(workspace, directory) }.into()),
            Place::Outside => Vec::new(),
            Place::WorkTree(spot) => hashed.iter().map(|path| places.tree_path(&spot.top, path)).collect(),
        };
        Ok(Site { place, hashed, extra })
    }

    /// What is to be asked about the repositories it touches.
    pub(super) fn questions(&self, questions: &mut BTreeMap<PathBuf, Question>) {
        let Ok(site) = &self.site else { return };
        let own = match &site.place {
            Place::WorkTree(spot) => Some((spot, &site.hashed[..])),
            Place::Outside | Place::GitDirectory => None,
        };
        let extra = site.extra.iter().map(|extra| (&extra.spot, std::slice::from_ref(&extra.spot.path)));
        for (spot, paths) in own.into_iter().chain(extra) {
            let question = questions.entry(spot.top.clone()).or_default();
            question.scopes.insert(spot.content.clone());
            for path in paths {
                question.scopes.extend(path.scope().map(<[u8]>::to_vec));
                if let TreePath::Within(path) = path {
                    question.paths.insert(path.clone());
                }
            }
        }
    }

    pub(super) fn measure(&self, view: usize, views: &[View<'_>], answers: &Answers) -> Result<Measured, Problem> {
        let site = self.site.as_ref().map_err(Clone::clone)?;
        let mut extra = Vec::new();
        for source in &site.extra {
            extra.push(source.measure(views[view], answers)?);
        }
        let Some((spot, snapshot)) = site.in_repository(answers)? else {
            return Ok(Measured { tree: Ok(None), dirt: Vec::new(), extra });
        };
        let path = &site.hashed[view];
        let view = views[view];
        let mut dirt = dirt(snapshot, view, path);
        if view.force_dirty {
            dirt.push(Dirt::Forced);
        }
        let shown = view.hash_path.map_or_else(|| self.shown.clone(), |path| path.display().to_string());
        let tree = tree(snapshot, &spot.top, view, path, &shown, &Quote::default());
        Ok(Measured { tree: tree.map(Some), dirt, extra })
    }

    /// What the suffix of a dirty package is taken over: itself, then each dirty extra source.
    pub(super) fn dirty_spots<'s>(
        &'s self,
        site: &'s Site,
        measured: &'s Measured,
    ) -> impl Iterator<Item = (&'s Spot, &'s str)> + use<'s> {
        let own = match &site.place {
            Place::WorkTree(spot) if measured.is_dirty() => Some((spot, self.shown.as_str())),
            _ => None,
        };
        let sources = site.extra.iter().zip(&measured.extra).filter(|(_, source)| !source.dirt.is_empty());
        own.into_iter().chain(sources.map(|(extra, _)| (&extra.spot, extra.shown.as_str())))
    }
}

impl Site {
    /// The package's place and what is known of its repository; `None` outside git.
    pub(super) fn in_repository<'s>(
        &'s self,
        answers: &'s Answers,
    ) -> Result<Option<(&'s Spot, &'s Snapshot)>, Problem> {
        let Place::WorkTree(spot) = &self.place else { return Ok(None) };
        match answers.get(&spot.top) {
            Some(Ok(Answer::Snapshot(snapshot))) => Ok(Some((spot, snapshot))),
            Some(Err(problem)) => Err(problem.clone()),
            Some(Ok(Answer::NoRepository(_))) | None => Ok(None),
        }
    }

    /// Why git does not take the repository that was found for one.
    pub(super) fn refusal<'s>(&self, answers: &'s Answers) -> Option<&'s str> {
        let Place::WorkTree(spot) = &self.place else { return None };
        match answers.get(&spot.top) {
            Some(Ok(Answer::NoRepository(words))) => Some(words),
            _ => None,
        }
    }
}

impl Extra {
    fn measure(&self, view: View<'_>, answers: &Answers) -> Result<ExtraSource, Problem> {
        let snapshot = match answers.get(&self.spot.top) {
            Some(Ok(Answer::Snapshot(snapshot))) => snapshot,
            Some(Err(problem)) => return Err(problem.clone()),
            Some(Ok(Answer::NoRepository(_))) | None => {
                let reason = "is not in a git repository";
                return Err(self.quote.extra_source(self.shown.clone(), reason).into());
            }
        };
        Ok(ExtraSource {
            source: self.source.clone(),
            destination: self.destination.clone(),
            tree: tree(snapshot, &self.spot.top, view, &self.spot.path, &self.shown, &self.quote)?,
            line: self.line,
            dirt: dirt(snapshot, view, &self.spot.path),
        })
    }
}

/// The id at a path, by linuxkit's rules.
fn tree(
    snapshot: &Snapshot,
    top: &Path,
    view: View<'_>,
    path: &TreePath,
    shown: &str,
    quote: &Quote,
) -> Result<String, Problem> {
    let (directory, repository) = (shown.to_owned(), top.display().to_string());
    let path = match path {
        TreePath::Within(path) => path,
        TreePath::TopThroughSymlink => return Err(Error::TopThroughSymlink { directory, top: repository }.into()),
        TreePath::Elsewhere => return Err(Error::OutsideRepository { directory, top: repository }.into()),
    };
    Err(match snapshot.entry(view.revision, path) {
        Entry::Id(id) if id.len() == 40 || path.is_empty() => return Ok(id.to_owned()),
        Entry::Id(_) => Error::Sha256 { directory, top: repository },
        Entry::NoCommit if view.revision == HEAD => Error::NoCommit { directory: repository },
        Entry::NoCommit => Error::NoSuchCommit { commit: view.revision.to_owned(), directory: repository },
        Entry::Absent => Error::not_committed(directory, view.revision, quote),
    }
    .into())
}

/// Why a path is dirty.
pub(super) fn dirt(snapshot: &Snapshot, view: View<'_>, path: &TreePath) -> Vec<Dirt> {
    let Some(scope) = path.scope().filter(|_| view.revision == HEAD) else { return Vec::new() };
    let text = |name: &[u8]| OsString::from_vec(name.to_vec());
    let mut dirt: Vec<Dirt> = at_or_below(&snapshot.modified, scope).map(|name| Dirt::Modified(text(name))).collect();
    dirt.extend(at_or_below(&snapshot.untracked, scope).map(|name| Dirt::Untracked(text(name))));
    if snapshot.unborn {
        dirt.push(Dirt::NoCommit);
    }
    dirt
}

/// A directory as the user knows it: relative to the root where it lies below.
fn show(workspace: &Workspace, directory: &Path) -> String {
    match directory.strip_prefix(&workspace.root) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.display().to_string(),
        Err(_) => directory.display().to_string(),
    }
}
