//! States, places and reasons in words.

use std::fmt;

use crate::image::Platform;
use crate::plan::difference::Comparison;
use crate::plan::node::{Doubt, Node, Place, Reason, State};

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Present => "present",
            Self::UnknownOrigin => "present, of unknown origin",
            Self::Outdated => "outdated",
            Self::Missing => "missing",
            Self::PartialIndex => "partial index",
            Self::Dirty => "dirty",
            Self::Unknown => "unknown",
            Self::NotBuildable => "not buildable",
            Self::NotBuiltHere => "not built here",
            Self::Blocked => "blocked",
        })
    }
}

/// `builder, index`
#[must_use]
pub fn place_names(places: &[Place]) -> String {
    let name = |place: &Place| match place {
        Place::Builder => "builder",
        Place::Cache => "cache",
        Place::Index => "index",
        Place::ArchTag => "tag-arch",
    };
    places.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A reason as a sentence without its end, with what differs.
#[must_use]
pub fn reason_words(reason: &Reason) -> String {
    let head = reason_head(reason);
    reason.comparison().map_or_else(|| head.clone(), |comparison| format!("{head}: {comparison}"))
}

/// The same without what differs.
#[must_use]
pub fn reason_head(reason: &Reason) -> String {
    match reason {
        Reason::Missing => "no place has the image".to_owned(),
        Reason::AssumedMissing => "it could not be asked for, and counts as missing".to_owned(),
        Reason::Forced => "it is to be built whatever is there (`--force`)".to_owned(),
        Reason::Dirty => "it has files that are not committed, and is never pushed".to_owned(),
        Reason::NamesDirty { package } => {
            format!("a build arg is the tag of {package}, which is dirty, and is never pushed")
        }
        Reason::BuiltOnDirty { node } => format!("it is built on {node}, which is dirty, and is never pushed"),
        Reason::OutdatedOnBuilder(_) => {
            "no usable place has it: the image on the builder was made from other inputs".to_owned()
        }
        Reason::OutdatedInRegistry(Comparison { place, .. }) => {
            let place = place_names(&[*place]);
            format!("the image in the registry ({place}) was made from other inputs, and is replaced")
        }
        Reason::Outdated(Comparison { place, .. }) => {
            format!("the image that is there ({}) was made from other inputs", place_names(&[*place]))
        }
        Reason::MutableTag(Comparison { place, .. }) => {
            let place = place_names(&[*place]);
            format!("the tag does not contain the tree hash, and the image there ({place}) is not known to be this")
        }
        Reason::PartialIndex { listed, lacking } => {
            format!("the index lists {}, and lacks {}", platforms(listed), platforms(lacking))
        }
        Reason::NeededBy { node } => format!("{node} needs it"),
        Reason::UnknownOrigin { why } => format!("it is not known what the image was made from: {}", doubt(*why)),
        Reason::PinStale { reference, file, line, package, current, .. } => {
            let now = current.as_deref().unwrap_or("without a tag");
            format!("stale pin: {file}:{line} uses {reference}, and {package} is now {now}")
        }
        Reason::NotPushed => "the registry has no tag of this architecture".to_owned(),
        Reason::NotInIndex => "the index does not list it".to_owned(),
        Reason::NotInArches => "the package does not list this platform".to_owned(),
        Reason::NoStage { why } | Reason::NotBuildable { why } | Reason::Unanswered { why, .. } => why.clone(),
        Reason::NoEmulator { platform } => no_emulator(platform),
        Reason::Blocked { by } => format!("it needs {by}, which can neither be had nor built"),
    }
}

fn doubt(why: Doubt) -> &'static str {
    match why {
        Doubt::NoKey => "it carries no key",
        Doubt::MalformedKey => "its key cannot be read",
        Doubt::ForeignKey => "its key is that of another image",
        Doubt::UnknownBase => "it is built on an image that carries no key, directly or not",
        Doubt::BaseWasUnknown => {
            "it was built on an image that carried no key, directly or not, and nothing else differs"
        }
        Doubt::NotDescribed => "what it is made from here cannot be told",
    }
}

fn platforms(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a node is built, in few words.
pub(super) fn why_built(node: &Node) -> String {
    let words = node.reasons.iter().filter_map(|reason| match reason {
        Reason::Forced => Some("forced".to_owned()),
        Reason::Missing => Some("missing".to_owned()),
        Reason::AssumedMissing => Some("assumed missing".to_owned()),
        Reason::OutdatedOnBuilder(comparison)
        | Reason::OutdatedInRegistry(comparison)
        | Reason::Outdated(comparison) => {
            let known = comparison.unsaid.is_none() && !comparison.differs.is_empty();
            Some(if known { comparison.to_string() } else { "made from other inputs".to_owned() })
        }
        Reason::MutableTag(_) => Some("mutable tag, other inputs".to_owned()),
        Reason::PartialIndex { listed, .. } => Some(format!("index lists {} only", platforms(listed))),
        Reason::Dirty => Some("dirty".to_owned()),
        Reason::NamesDirty { package } => Some(format!("names {package}, which is dirty")),
        Reason::BuiltOnDirty { .. } => Some("on a dirty base".to_owned()),
        Reason::NeededBy { node: by } => {
            let same_platform = by.strip_suffix(&format!("@{}", node.platform));
            Some(format!("for {}", same_platform.unwrap_or(by)))
        }
        _ => None,
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What keeps a node from being built.
pub(super) fn sentence(node: &Node) -> [String; 2] {
    let sentences = node.reasons.iter().filter_map(|reason| match reason {
        Reason::NoStage { why } | Reason::NotBuildable { why } | Reason::Unanswered { why, .. } => Some(why.clone()),
        Reason::NoEmulator { platform } => {
            Some(format!("it runs programs of {platform}, which the builder cannot run"))
        }
        Reason::Blocked { by } => Some(format!("needs {by}")),
        _ => None,
    });
    [sentences.collect::<Vec<_>>().join("; "), String::new()]
}

/// Why, and what to do about it.
fn no_emulator(platform: &Platform) -> String {
    let install = format!("docker run --privileged --rm tonistiigi/binfmt --install {}", platform.architecture());
    format!(
        "it runs programs of {platform}, which the builder cannot run: on the builder's machine install an emulator with \
         `{install}` or Debian's package qemu-user-static, or build in a stage `FROM --platform=$BUILDPLATFORM`"
    )
}
