//! The steps of a plan: plain data that the run only reads.

use std::collections::BTreeMap;
use std::fmt;

use crate::builder::BuildRequest;
use crate::image::{Platform, Reference};

/// A step by its place in [`super::Plan::steps`]; what a step needs always stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(pub u32);

impl StepIndex {
    /// The place in any table with one entry per step.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Bring an image from a registry to the builder.
    Fetch,
    /// Bring an image from linuxkit's cache to the builder.
    Load,
    /// Build an image on the builder.
    Build,
    /// Write an image into linuxkit's cache.
    Store,
    /// Push `image:tag-arch`.
    Push,
    /// Write `image:tag`, the index over the platforms.
    Index,
    /// Give an index another tag.
    Release,
    /// Add an index to the trust data.
    Notarize,
    /// Sign an index and its images, or the images alone.
    Sign,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fetch => "fetch",
            Self::Load => "load",
            Self::Build => "build",
            Self::Store => "store",
            Self::Push => "push",
            Self::Index => "index",
            Self::Release => "release",
            Self::Notarize => "notarize",
            Self::Sign => "sign",
        })
    }
}

/// One thing the plan does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `kind:what`, unique in the plan and the same for the same repository, such as `build:pkg/init@linux/amd64`.
    pub id: String,
    /// What is shown of it: the package and, where there is one, the platform.
    pub title: String,
    /// The node it works on, by its place in [`super::Plan::nodes`]; none for images that no package here makes, and
    /// for an index, which is of several nodes.
    pub node: Option<usize>,
    /// The image it is about.
    pub reference: String,
    /// Steps that must be done before.
    pub needs: Vec<StepIndex>,
    /// What is to be done.
    pub action: Action,
}

impl Step {
    /// Whether it is done on the builder.
    #[must_use]
    pub fn needs_builder(&self) -> bool {
        match &self.action {
            Action::Fetch { .. } | Action::Load { .. } | Action::Build(_) | Action::Store { .. } => true,
            Action::Push { source, .. } => matches!(source, PushSource::Builder(_)),
            Action::Index { .. } | Action::Release { .. } | Action::Notarize { .. } | Action::Sign { .. } => false,
        }
    }

    /// What the step does.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self.action {
            Action::Fetch { .. } => StepKind::Fetch,
            Action::Load { .. } => StepKind::Load,
            Action::Build(_) => StepKind::Build,
            Action::Store { .. } => StepKind::Store,
            Action::Push { .. } => StepKind::Push,
            Action::Index { .. } => StepKind::Index,
            Action::Release { .. } => StepKind::Release,
            Action::Notarize { .. } => StepKind::Notarize,
            Action::Sign { .. } => StepKind::Sign,
        }
    }
}

/// What is to be done, with everything that is needed to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pull `from` for `platform` and give it `names` on the builder.
    Fetch {
        /// Where it is, by digest where that is known.
        from: Reference,
        /// Which of an index.
        platform: Platform,
        /// Names on the builder, at least one.
        names: Vec<Reference>,
    },
    /// Load an image from linuxkit's cache.
    Load {
        /// What it is called there.
        image: Reference,
        /// Which of an index.
        platform: Platform,
        /// Names on the builder.
        names: Vec<Reference>,
    },
    /// Write an image into linuxkit's cache.
    Store {
        /// Its name on the builder.
        source: Reference,
        /// What it is called there.
        image: Reference,
        /// Which of an index.
        platform: Platform,
    },
    /// Build an image.
    Build(Box<BuildRequest>),
    /// Push an image.
    Push {
        /// Where the image is taken from.
        source: PushSource,
        /// The `tag-arch` to write.
        to: Reference,
    },
    /// Write the index over whatever `tag-arch` the registry has.
    Index {
        /// The `tag` to write.
        to: Reference,
        /// The platforms whose `tag-arch` must be there.
        required: Vec<Platform>,
        /// The platforms whose `tag-arch` is listed if it is there.
        looked_for: Vec<Platform>,
        /// Annotations of the index by name, should it have to be written.
        annotations: BTreeMap<String, String>,
    },
    /// Give an index another tag.
    Release {
        /// The `tag` of the index.
        from: Reference,
        /// The other one.
        to: Reference,
        /// Whether it is taken from another index that has it.
        force: bool,
    },
    /// Add tags with what they name to the trust data.
    Notarize {
        /// An index and its release.
        images: Vec<Reference>,
    },
    /// Sign what these name, and what is listed there.
    Sign {
        /// An index, or images.
        images: Vec<Reference>,
    },
}

/// Where a push takes its image from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushSource {
    /// A name on the builder.
    Builder(Reference),
    /// A manifest that the registry has already, by digest: only the tag is written.
    Registry(Reference),
}
