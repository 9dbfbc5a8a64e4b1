//! The questions, and who is asked: all at once.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::builder::ask_builder;
use super::cache::ask_cache;
use super::registry::ask_registry;
use super::trusted::ask_trusted;
use crate::builder::Engine;
use crate::image::{Platform, Reference};
use crate::layout::Layout;
use crate::problem::Problem;
use crate::registry::Client;
use crate::signature::PublicKey;
use crate::trust::Trust;

/// One image to ask about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// With its tag, as it is called on the builder.
    pub image: Reference,
    /// The platforms that matter.
    pub platforms: BTreeSet<Platform>,
    /// Whether a registry can have it; nobody asks for the image of a dirty package.
    pub published: bool,
    /// Whether it is about to be written there, so that only what the registry itself says counts.
    pub written: bool,
    /// The tag of a release to ask about, too.
    pub release: Option<String>,
}

impl Question {
    /// A question about no platform yet.
    #[must_use]
    pub fn new(image: Reference, published: bool) -> Self {
        Self { image, platforms: BTreeSet::new(), published, written: false, release: None }
    }
}

/// Who is asked.
#[derive(Debug)]
pub struct Places<'a> {
    /// The builder, or why there is none.
    pub engine: Result<&'a Engine, Problem>,
    /// The registries; none is asked without it.
    pub client: Option<&'a Client>,
    /// Where images without a host in their name live.
    pub registry: Option<&'a str>,
    /// linuxkit's cache, if there is one.
    pub layout: Option<&'a Layout>,
    /// The trust data, if content trust is on, and the tags to ask it about.
    pub trust: Option<(&'a Trust, &'a BTreeSet<Reference>)>,
    /// Whose signatures are looked for on what is about to be written.
    pub signer: Option<&'a PublicKey>,
}

/// Asks.
pub async fn ask(questions: &[Question], places: &Places<'_>) -> Facts {
    let asked_trust = async {
        match places.trust {
            Some((trust, tags)) => ask_trusted(tags, trust, places.client).await,
            None => BTreeMap::new(),
        }
    };
    let (builder, cache, trusted, registry) = tokio::join!(
        ask_builder(questions, places.engine.clone()),
        ask_cache(questions, places.layout),
        asked_trust,
        ask_registry(questions, places)
    );
    Facts { builder, cache, trusted, registry, components: BTreeMap::new(), external: BTreeMap::new() }
}
