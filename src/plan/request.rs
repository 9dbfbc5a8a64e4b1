//! What is asked of a plan.

use std::collections::BTreeSet;

use crate::image::{Platform, Reference};
use crate::workspace::PackageId;

/// Which platforms each selected package is wanted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// The builder's own.
    Own,
    /// Those that each package lists.
    Arches,
    /// These.
    These(Vec<Platform>),
}

/// What to do about a published image that was made from other inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOutdated {
    /// Use it and say so.
    #[default]
    Warn,
    /// Build it again if it is selected or needed by one that is built and, with a push, overwrite the published tag.
    Rebuild,
    /// Fail the plan.
    Error,
}

/// What is asked of a plan.
#[derive(Debug, Clone)]
pub struct Request {
    /// The packages asked for, sorted.
    pub selected: Vec<PackageId>,
    /// The platforms they are wanted on.
    pub platforms: Platforms,
    /// The builder's own platform.
    pub builder: Platform,
    /// The platforms whose programs the builder can run; `None` where that is not known, and then forbids nothing.
    pub runs: Option<BTreeSet<Platform>>,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<String>,
    /// Build what is missing; without it only what is there is published.
    pub build: bool,
    /// Build only from what is signed in the trust data.
    pub trust: bool,
    /// Write what is built, or only on the builder, into linuxkit's cache.
    pub cache: bool,
    /// What is published of it; nothing without it.
    pub publish: Option<Publish>,
    /// Build all selected nodes, whatever is there.
    pub force: bool,
    /// Bring selected nodes that are only in the registry to the builder.
    pub pull: bool,
    /// Packages whose presence counts as a no where it cannot be asked.
    pub assume_missing: BTreeSet<PackageId>,
    /// What to do about a published image that was made from other inputs.
    pub on_outdated: OnOutdated,
    /// The pins are those that a fix leaves.
    pub repinned: bool,
}

/// What is written to the registry, and when that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// `image:tag-arch` of each selected node.
    pub images: bool,
    /// `image:tag`, the index over the platforms.
    pub index: bool,
    /// Another tag for the index.
    pub release: Option<Release>,
    /// The index and the release in the trust data.
    pub notarize: bool,
    /// Signatures by a key, of the index and of each image.
    pub sign: bool,
}

impl Default for Publish {
    /// The images and the index.
    fn default() -> Self {
        Self { images: true, index: true, release: None, notarize: false, sign: false }
    }
}

impl Publish {
    /// The tags of an index: its own, and that of the release.
    #[must_use]
    pub fn tags(&self, index: &Reference) -> Vec<Reference> {
        let release = self.release.as_ref().map(|release| index.with_tag(&release.name));
        [index.clone()].into_iter().chain(release).collect()
    }
}

/// A tag that is given to the index of each selected package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The tag.
    pub name: String,
    /// Whether it is taken from another index that has it.
    pub force: bool,
}

impl Request {
    /// Whether `image:tag-arch` is written.
    #[must_use]
    pub fn pushes_images(&self) -> bool {
        self.publish.as_ref().is_some_and(|publish| publish.images)
    }

    /// Whether an index is made of whatever the registry has, and nothing else is done.
    #[must_use]
    pub fn only_index(&self) -> bool {
        self.publish.as_ref().is_some_and(|publish| !publish.images)
    }
}
