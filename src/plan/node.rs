//! The nodes of a plan: for each package and platform where it is, what is to be done with it, and why.

use serde::Serialize;

use super::difference::Comparison;
use super::key::Components;
use crate::image::Platform;
use crate::presence::KeyLabel;
use crate::workspace::{PackageId, PackageName};

/// What the plan found out about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Some usable place has it, made from what is here.
    Present,
    /// Some usable place has it, and it does not say what it was made from.
    UnknownOrigin,
    /// A usable place has an image under the tag that was made from other inputs.
    Outdated,
    /// No usable place has it.
    Missing,
    /// No usable place has it, but the registry's index is there for other platforms.
    PartialIndex,
    /// It is made from files that are not committed: built under a tag of its own, and never pushed.
    Dirty,
    /// A question failed on which the node hangs.
    Unknown,
    /// The Dockerfile cannot be built for this platform, or there is none.
    NotBuildable,
    /// The package does not list this platform.
    NotBuiltHere,
    /// It needs a node that can neither be had nor built.
    Blocked,
}

impl State {
    /// Whether a usable place has it.
    #[must_use]
    pub fn is_there(self) -> bool {
        matches!(self, Self::Present | Self::UnknownOrigin | Self::Outdated)
    }

    /// Whether it is known that no usable place has it, and it can be built.
    #[must_use]
    pub fn is_absent(self) -> bool {
        matches!(self, Self::Missing | Self::PartialIndex | Self::Dirty)
    }
}

/// A place that has a node, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The builder's image store.
    Builder,
    /// linuxkit's cache.
    Cache,
    /// The registry's index `image:tag`.
    Index,
    /// The registry's `image:tag-arch`.
    ArchTag,
}

impl Place {
    /// Whether others see it there, too.
    pub(super) fn is_registry(self) -> bool {
        matches!(self, Self::Index | Self::ArchTag)
    }
}

/// Why an image cannot be compared with what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// It carries no key.
    NoKey,
    /// Its key cannot be read.
    MalformedKey,
    /// Its key is that of another image, inherited through `FROM`.
    ForeignKey,
    /// What it is built on here is of unknown origin, directly or not.
    UnknownBase,
    /// What it was built on was of unknown origin, directly or not, and nothing else differs.
    BaseWasUnknown,
    /// What it is made from here cannot be told.
    NotDescribed,
}

/// Why a node is what it is, or why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// No usable place has the image.
    Missing,
    /// Presence could not be asked and is assumed to be a no (`--assume-missing`).
    AssumedMissing,
    /// `--force`
    Forced,
    /// The package is dirty: built, never pushed.
    Dirty,
    /// A build arg is given the tag of a dirty package (`@lkt:`): nobody else can have that image.
    NamesDirty {
        /// The package.
        package: String,
    },
    /// It is built on an image made from a dirty package.
    BuiltOnDirty {
        /// The node that it is built on.
        node: String,
    },
    /// The image on the builder was made from other inputs, so it is not used.
    OutdatedOnBuilder(Comparison),
    /// The image on the registry was made from other inputs, and is replaced.
    OutdatedInRegistry(Comparison),
    /// The image that is there was made from other inputs.
    Outdated(Comparison),
    /// The tag does not contain the tree hash, and the image that is there was made from other inputs or says nothing.
    MutableTag(Comparison),
    /// The registry's index lists other platforms.
    PartialIndex {
        /// Those that it lists.
        listed: Vec<Platform>,
        /// Those of the plan that it does not list.
        lacking: Vec<Platform>,
    },
    /// A selected node needs it.
    NeededBy {
        /// The first node that needs it.
        node: String,
    },
    /// The image that is there cannot be compared.
    UnknownOrigin {
        /// Why not.
        why: Doubt,
    },
    /// A pin of its Dockerfile names a package of this repository with another tag.
    PinStale {
        /// As written.
        reference: String,
        /// Relative to the root.
        file: String,
        /// Counted from 1.
        line: u32,
        /// The package that it names.
        package: String,
        /// What that package is called now.
        current: Option<String>,
        /// Why kitmake.yml allows it, if it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        allowed: Option<String>,
    },
    /// The registry lacks `image:tag-arch`.
    NotPushed,
    /// The index does not list the platform.
    NotInIndex,
    /// The package does not list the platform.
    NotInArches,
    /// The Dockerfile has no stage for the platform.
    NoStage {
        /// Which one it would need.
        why: String,
    },
    /// There is a mistake in the package, or its Dockerfile is not there.
    NotBuildable {
        /// Why not.
        why: String,
    },
    /// Its build runs programs of a platform that the builder cannot run.
    NoEmulator {
        /// The platform of the programs.
        platform: Platform,
    },
    /// It needs something that can neither be had nor built.
    Blocked {
        /// The node or image that it needs.
        by: String,
    },
    /// A question failed.
    Unanswered {
        /// What was asked and how it failed.
        why: String,
        /// The host that is at fault as a whole, and how: equal where nodes hang on the same failure.
        #[serde(skip)]
        host: Option<(String, String)>,
    },
}

impl Reason {
    /// The image that a reason is about, compared with what is here.
    #[must_use]
    pub fn comparison(&self) -> Option<&Comparison> {
        match self {
            Self::Outdated(comparison)
            | Self::OutdatedOnBuilder(comparison)
            | Self::OutdatedInRegistry(comparison)
            | Self::MutableTag(comparison) => Some(comparison),
            _ => None,
        }
    }

    /// Whether it keeps the node from being built.
    #[must_use]
    pub fn is_hindrance(&self) -> bool {
        matches!(
            self,
            Self::NotInArches
                | Self::NoStage { .. }
                | Self::NotBuildable { .. }
                | Self::NoEmulator { .. }
                | Self::Blocked { .. }
        )
    }
}

/// A package on a platform, and what the plan found out about it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The package.
    pub package: PackageId,
    /// Its name.
    pub name: PackageName,
    /// The platform.
    pub platform: Platform,
    /// The image with its tag, without the suffix of the platform.
    pub reference: String,
    /// What was found out.
    pub state: State,
    /// Where it is.
    pub places: Vec<Place>,
    /// Where another image is under its name.
    pub others: Vec<Place>,
    /// Why it is what it is.
    pub reasons: Vec<Reason>,
    /// Whether it was asked for, or only pulled in by another.
    pub selected: bool,
    /// Whether it is built, once nothing keeps the plan from being run.
    pub built: bool,
    /// The key of the image that its dependents would use; `None` where it is not known.
    pub key: Option<KeyLabel>,
    /// What its image is or would be made from; `None` where it cannot be built.
    pub components: Option<Components>,
}

/// Why a selected package has nothing to be built at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub enum IdleReason {
    /// Its build yml lists no architectures: it is never built.
    NoArches,
    /// All platforms that it is wanted on are skipped.
    AllSkipped,
}

/// A selected package of which nothing is built, on whatever platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// Its name.
    #[serde(rename = "id")]
    pub name: PackageName,
    /// Why.
    pub reason: IdleReason,
}

impl Node {
    /// `package@os/arch`, as it is printed.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.platform)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::plan::difference::Difference;
    use crate::plan::record::Unsaid;

    const PAGE: &str = include_str!("../../docs/deciding.md");

    /// The names that a document may have in this place, as its reader tells them.
    fn names<T: DeserializeOwned + std::fmt::Debug>(document: &str) -> Vec<String> {
        let error = serde_json::from_str::<T>(document).unwrap_err().to_string();
        let (_, expected) = error.split_once("expected").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_page_has_every_state_and_every_reason_by_its_name() {
        let states = names::<State>("\"?\"");
        let reasons = names::<Reason>("{\"reason\": \"?\"}");
        assert!(states.len() >= 10 && reasons.len() >= 19, "{states:?} {reasons:?}");
        for name in states.iter().chain(&reasons) {
            assert!(PAGE.contains(&format!("| `{name}` |")), "{name}");
        }
        let components = names::<Difference>("{\"component\": \"?\"}");
        let words = components.into_iter().chain(names::<Doubt>("\"?\"")).chain(names::<Unsaid>("\"?\""));
        for name in words {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn no_reason_on_the_page_is_an_invention() {
        let known = [names::<State>("\"?\""), names::<Reason>("{\"reason\": \"?\"}")].concat();
        let section = PAGE.split("## States").nth(1).and_then(|rest| rest.split("## Pins").next()).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        for (name, _) in rows {
            assert!(known.iter().any(|known| known == name), "{name}");
        }
    }
}
