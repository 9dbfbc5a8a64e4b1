//! The facts about where a node already is, each asked on its own and kept apart.
//!
//! An unknown is never taken for a no: a question that failed is [`Fact::Unknown`] with the reason, and a question that
//! was not asked is [`Fact::NotAsked`]. What the facts mean for a node is the plan's business.

mod ask;
mod builder;
mod cache;
mod existence;
mod key_label;
mod more;
mod registry;
mod trusted;

use std::collections::{BTreeMap, BTreeSet};

use crate::image::{Platform, Reference};
use crate::problem::Problem;
use crate::registry::Descriptor;
use crate::trust::Signed;

pub use ask::{Places, Question, ask};
pub use existence::ask_existence;
pub use key_label::{COMPONENTS_LABEL, KEY_LABEL, KeyLabel};
pub use more::{MoreQuestions, ask_more};

/// The answer to one question.
#[derive(Debug, Clone)]
pub enum Fact<T> {
    /// It is there.
    Yes(T),
    /// It is not there.
    No,
    /// The question failed.
    Unknown(Problem),
    /// The question was not asked.
    NotAsked,
}

impl<T> Fact<T> {
    /// What was found, if something was.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Yes(found) => Some(found),
            _ => None,
        }
    }

    /// The same answer about something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Yes(found) => Fact::Yes(change(found)),
            Self::No => Fact::No,
            Self::Unknown(problem) => Fact::Unknown(problem),
            Self::NotAsked => Fact::NotAsked,
        }
    }

    /// Whether the answer is a definite no.
    pub fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its platform, where the place says.
    pub platform: Option<Platform>,
    /// The key label it carries; `None` if it carries none that can be read.
    pub key: Option<KeyLabel>,
    /// Whether it carries a key label that cannot be read.
    pub garbled: bool,
    /// The label with its components as it stands there, where the place gave all labels anyway.
    pub components: Option<String>,
    /// Its digest on a registry, its id on a builder and in linuxkit's cache.
    pub digest: String,
}

impl Found {
    /// An image with this key, of which nothing more is known.
    #[must_use]
    pub fn new(platform: Option<Platform>, key: Option<KeyLabel>, digest: String) -> Self {
        Self { platform, key, garbled: false, components: None, digest }
    }

    /// An image with these labels, or annotations.
    #[must_use]
    pub fn labelled(platform: Option<Platform>, labels: &BTreeMap<String, String>, digest: String) -> Self {
        let text = labels.get(KEY_LABEL);
        let key = text.and_then(|text| KeyLabel::parse(text));
        let garbled = text.is_some() && key.is_none();
        Self { platform, key, garbled, components: labels.get(COMPONENTS_LABEL).cloned(), digest }
    }
}

/// An image that linuxkit's cache has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The image.
    pub found: Found,
    /// Whether `tag` itself has it, which is where linuxkit looks; otherwise only `tag-arch` does.
    pub listed: bool,
}

/// What the tag of a release names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The digest of the index, or of whatever it is.
    pub digest: String,
    /// The platforms that it lists, if the index of the package lists the same images for them: then it is an earlier state
    /// of that index, which may be extended. `None` if it is something else.
    pub earlier: Option<BTreeSet<Platform>>,
}

/// What a registry has of one `image:tag`.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The images that `tag` names, by platform; an image that is no index is the only one of its platform.
    pub index: Fact<BTreeMap<Platform, Found>>,
    /// What `tag` names as a whole, if the registry has it.
    pub listing: Option<Descriptor>,
    /// All platforms that an index at `tag` lists, asked about or not.
    pub listed: BTreeSet<Platform>,
    /// What `tag-arch` names, for the platforms asked about.
    pub arch_tags: BTreeMap<Platform, Fact<Found>>,
    /// What the tag of a release names.
    pub release: Fact<Released>,
    /// Whether what is there is signed, by digest: the index, the images that it lists, and each `tag-arch`. Empty where
    /// nobody asked.
    pub signed: BTreeMap<String, Fact<()>>,
}

/// All facts that were asked for.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The builder's images by name, canonical form with tag.
    pub builder: Fact<BTreeMap<String, Found>>,
    /// What linuxkit's cache has, by the canonical form of `image:tag` and platform.
    pub cache: Fact<BTreeMap<(String, Platform), Cached>>,
    /// What tags are signed with in the trust data, by their canonical form, for those asked about.
    pub trusted: BTreeMap<String, Fact<Signed>>,
    /// By the canonical form of `image:tag` as the registry has it.
    pub registry: BTreeMap<String, Registered>,
    /// The labels with the components of images on registries, by digest, for those asked about.
    pub components: BTreeMap<String, Fact<String>>,
    /// Whether images that no package here makes are on their registries, by their canonical form, for those asked about.
    pub external: BTreeMap<String, Fact<()>>,
}

impl Facts {
    /// What the builder has under a name.
    #[must_use]
    pub fn on_builder(&self, name: &Reference) -> Fact<&Found> {
        match &self.builder {
            Fact::Yes(images) => images.get(&name.canonical().to_string()).map_or(Fact::No, Fact::Yes),
            Fact::No => Fact::No,
            Fact::Unknown(problem) => Fact::Unknown(problem.clone()),
            Fact::NotAsked => Fact::NotAsked,
        }
    }

    /// What linuxkit's cache has of a name for a platform.
    #[must_use]
    pub fn in_cache(&self, name: &Reference, platform: &Platform) -> Fact<&Cached> {
        match &self.cache {
            Fact::Yes(images) => {
                images.get(&(name.canonical().to_string(), platform.clone())).map_or(Fact::No, Fact::Yes)
            }
            Fact::No => Fact::No,
            Fact::Unknown(problem) => Fact::Unknown(problem.clone()),
            Fact::NotAsked => Fact::NotAsked,
        }
    }

    /// What the registry's index `name` lists for a platform.
    #[must_use]
    pub fn in_index(&self, name: &Reference, platform: &Platform) -> Fact<&Found> {
        match self.registry.get(&name.canonical().to_string()).map(|registered| &registered.index) {
            Some(Fact::Yes(index)) => {
                let listed = index.iter().find(|(listed, _)| listed.normal() == platform.normal());
                listed.map_or(Fact::No, |(_, found)| Fact::Yes(found))
            }
            Some(Fact::No) => Fact::No,
            Some(Fact::Unknown(problem)) => Fact::Unknown(problem.clone()),
            Some(Fact::NotAsked) | None => Fact::NotAsked,
        }
    }

    /// What the registry has as `name`, as a whole.
    #[must_use]
    pub fn listing(&self, name: &Reference) -> Fact<&Descriptor> {
        let Some(registered) = self.registry.get(&name.canonical().to_string()) else { return Fact::NotAsked };
        match (&registered.listing, &registered.index) {
            (Some(listing), _) => Fact::Yes(listing),
            (None, Fact::Yes(_) | Fact::No) => Fact::No,
            (None, Fact::Unknown(problem)) => Fact::Unknown(problem.clone()),
            (None, Fact::NotAsked) => Fact::NotAsked,
        }
    }

    /// All platforms that the registry's index `name` lists.
    #[must_use]
    pub fn listed_platforms(&self, name: &Reference) -> &BTreeSet<Platform> {
        const NONE: &BTreeSet<Platform> = &BTreeSet::new();
        self.registry.get(&name.canonical().to_string()).map_or(NONE, |registered| &registered.listed)
    }

    /// What the registry has as the release of `name`.
    #[must_use]
    pub fn release(&self, name: &Reference) -> &Fact<Released> {
        self.registry.get(&name.canonical().to_string()).map_or(&Fact::NotAsked, |registered| &registered.release)
    }

    /// The label with the components of an image on a registry.
    #[must_use]
    pub fn components_of(&self, digest: &str) -> &Fact<String> {
        self.components.get(digest).unwrap_or(&Fact::NotAsked)
    }

    /// Whether the registry of an image that no package here makes has it.
    #[must_use]
    pub fn external(&self, image: &Reference) -> &Fact<()> {
        self.external.get(&image.canonical().to_string()).unwrap_or(&Fact::NotAsked)
    }

    /// What the trust data says that a tag is.
    #[must_use]
    pub fn signed_with(&self, tag: &Reference) -> &Fact<Signed> {
        self.trusted.get(&tag.canonical().to_string()).unwrap_or(&Fact::NotAsked)
    }

    /// Whether what the registry has as `name` is signed, each image on its own.
    pub fn signed(&self, name: &Reference) -> impl Iterator<Item = &Fact<()>> {
        self.registry.get(&name.canonical().to_string()).into_iter().flat_map(|registered| registered.signed.values())
    }

    /// Whether the registry's `tag-arch` of `name` is signed; a no where there is none.
    #[must_use]
    pub fn is_arch_tag_signed(&self, name: &Reference, platform: &Platform) -> &Fact<()> {
        let Some(registered) = self.registry.get(&name.canonical().to_string()) else { return &Fact::NotAsked };
        match registered.arch_tags.get(platform) {
            Some(Fact::Yes(found)) => registered.signed.get(&found.digest).unwrap_or(&Fact::NotAsked),
            _ => &Fact::No,
        }
    }

    /// What the registry's `tag-arch` of `name` is.
    #[must_use]
    pub fn at_arch_tag(&self, name: &Reference, platform: &Platform) -> Fact<&Found> {
        let registered = self.registry.get(&name.canonical().to_string());
        match registered.and_then(|registered| registered.arch_tags.get(platform)) {
            Some(Fact::Yes(found)) => Fact::Yes(found),
            Some(Fact::No) => Fact::No,
            Some(Fact::Unknown(problem)) => Fact::Unknown(problem.clone()),
            Some(Fact::NotAsked) | None => Fact::NotAsked,
        }
    }
}
