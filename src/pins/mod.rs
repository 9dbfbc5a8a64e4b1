//! Pins: where the images of this repository are named by a fixed tag, whether the tag is the present one, and how all of
//! them are brought up to date at once.
//!
//! A pin stands in a Dockerfile, in a build arg of a build yml or of a file of build args, among the docker-images of a build
//! yml, or in an image yml. It is known
//! by the bytes of its tag, and a rewrite changes these and nothing else. What the tag has to be is what the package will
//! have after a commit of the work tree, since that is what `git commit` makes of a fix.
//!
//! A rewritten file changes the tag of each package that has it among its files, and so the pins to that one: [`repin`]
//! goes through the packages in the order in which their tags follow from each other, once. A pin through which a tag would
//! depend on itself can have no right value. It is left alone and named, and so is one that cannot be rewritten safely.
//!
//! | module | what it does |
//! |---|---|
//! | `list` | finds the pins of Dockerfiles and build args, and says what each means |
//! | `image_file` | finds those of image ymls |
//! | `files` | the files that have them, and whose tags change with each |
//! | `order` | which tags follow from which, and what leads round in a loop |
//! | `repin` | what is rewritten, and the tags after it, all in memory |
//! | `spread` | how far a change of packages would spread |
//! | `check` | what is wrong with the pins as they are |
//! | `write` | changed files on disk, or as a diff |
//! | `render` | all of it as text and JSON |

mod check;
mod error;
mod files;
mod image_file;
mod list;
mod order;
pub mod render;
mod repin;
pub mod spread;
mod write;

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Serialize;

use crate::image::Reference;
use crate::workspace::PackageId;

pub use check::{Availability, Checked, Finding, FindingKind, Wrong, check, needed_images};
pub use error::Error;
pub use image_file::{ImageFile, image_files};
pub use list::list;
pub use repin::{Carried, Change, DirtyTags, Kept, KeptReason, Repinned, Request, Rewrite, committed, repin};
pub use write::{diff, write};

/// Where a pin is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `FROM`
    From,
    /// `COPY --from=` or `ADD --from=`
    CopyFrom,
    /// `RUN --mount=from=`
    MountFrom,
    /// A build arg of a build yml or of a file of build args.
    BuildArg,
    /// `depends.docker-images` of a build yml, or the file that lists them.
    DockerImage,
    /// An image yml.
    ImageFile,
}

/// What a pin means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The present tag of a package here.
    Current,
    /// Another tag of a package here.
    Stale,
    /// Another tag, which kitmake.yml allows for this reason.
    Allowed(String),
    /// Another tag of the package that it is written in: its own previous generation.
    Own,
    /// Nothing here.
    External,
    /// In an image yml, a tag that no package here makes: it could be anybody's, for this reason.
    Foreign(String),
    /// It cannot be told, for this reason.
    Unresolved(String),
}

impl State {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Allowed(_) => "allowed",
            Self::Own => "self",
            Self::External => "external",
            Self::Foreign(_) => "foreign",
            Self::Unresolved(_) => "unresolved",
        }
    }
}

/// One place where an image is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The file, relative to the root, or absolute where it lies outside.
    pub file: String,
    /// The line of the tag, or of the reference where the tag cannot be pointed at; counted from 1.
    pub line: u32,
    /// Where it is written.
    pub kind: Kind,
    /// The image after expansion, or as it is written where that fails.
    pub reference: String,
    /// What it means.
    pub state: State,
    /// Whether a build needs the image, on whatever platform; not so in a stage that nothing is made from.
    pub is_reached: bool,
    /// The packages whose build uses it; none for an image yml.
    pub used_by: BTreeSet<PackageId>,
    /// The package that it names.
    pub package: Option<PackageId>,
    /// What its tag has after that of the package: the architecture of which it names the image, such as `-arm64`. Mostly
    /// empty.
    pub suffix: String,
    /// The reference that it should be, where that is known.
    pub expected: Option<Reference>,
    /// Where the tag stands in the file; or why it cannot be rewritten, as part of a sentence.
    pub tag_at: Result<Range<usize>, String>,
}

impl Pin {
    /// Whether a fix may change it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Current | State::Stale) && self.tag_at.is_ok() && self.package.is_some()
    }

    /// By what pins are sorted.
    fn key(&self) -> (&str, u32, usize, Kind, &str) {
        let at = self.tag_at.as_ref().map_or(0, |range| range.start);
        (&self.file, self.line, at, self.kind, &self.reference)
    }
}
