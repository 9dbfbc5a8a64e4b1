//! All pins brought up to date at once, in memory.
//!
//! | module | what it has |
//! |---|---|
//! | `committed` | the tags to start from, and the files that git does not track |
//! | `pass` | the way through all packages, which gives them their new tags |
//! | `kept` | the pins that are left alone, and why |
//! | `rewritten` | the workspace with the new texts |

mod committed;
mod kept;
mod pass;
mod rewritten;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Files, PinFile};
use super::{ImageFile, Pin, list};
use crate::git::{Future, TagOptions, Tags};
use crate::graph;
use crate::image::{Platform, Reference};
use crate::problem::{Problem, SourceFile};
use crate::workspace::{PackageId, Workspace};
use committed::UntrackedFiles;
use pass::Pass;
use rewritten::rewritten;

pub use committed::committed;
pub use kept::{Kept, KeptReason};
pub(super) use pass::follows_from_files;

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

/// Works out what is to be written, and what the tags will be then.
pub fn repin(request: &Request<'_>) -> Result<Repinned, Problem> {
    let Request { workspace, tags, options, .. } = *request;
    let mut future = Future::new()?;
    let mut untracked = UntrackedFiles::default();
    let mut start = None;
    if let DirtyTags::Committed { include_untracked } = request.dirty {
        untracked = UntrackedFiles::of(workspace, tags, &mut future)?;
        if include_untracked {
            untracked.add(&mut future)?;
        }
        start = committed(workspace, tags, options, &mut future)?;
    }
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
    finish(pass, &pins, &untracked)
}

/// What came of it; `pins` are those before.
fn finish(mut pass: Pass<'_>, pins: &[Pin], untracked: &UntrackedFiles) -> Result<Repinned, Problem> {
    let workspace = pass.request.workspace;
    let to_be_added = untracked.of_pinned(&pass)?;
    let mut changes: Vec<Change> = (pass.texts.iter())
        .map(|(&file, text)| {
            let PinFile { source, real, .. } = &pass.files.all[file];
            let (file, before) = (source.path.clone(), source.text.clone());
            Change { file, real: real.clone(), before, after: text.clone() }
        })
        .collect();
    let rewritten = rewritten(workspace, pass.files, &pass.texts, &pass.rewrites)?;
    let images: Vec<ImageFile> = (pass.request.images.iter())
        .map(|image| match pass.files.by_path.get(&image.source.path).and_then(|file| pass.texts.get(file)) {
            Some(text) => ImageFile::parse(SourceFile::new(image.source.path.clone(), text.as_str())),
            None => image.clone(),
        })
        .collect();
    let after = if changes.is_empty() {
        pins.to_vec()
    } else {
        let graph = graph::build(&rewritten, &pass.tags, pass.request.platforms, pass.request.builder);
        list(&rewritten, &pass.tags, &graph, &images)
    };
    let kept = kept::kept(&pass, after);
    pass.rewrites.sort_by(|a, b| a.pin.key().cmp(&b.pin.key()));
    changes.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(Repinned { workspace: rewritten, tags: pass.tags, changes, rewrites: pass.rewrites, kept, to_be_added })
}
