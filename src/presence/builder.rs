//! Asks the builder: what is in its image store, and of which platform it is.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use super::{COMPONENTS_LABEL, Fact, Found, Question};
use crate::builder::Engine;
use crate::image::Reference;
use crate::problem::Problem;

/// Questions to the builder at once: each is a connection to it.
const AT_ONCE: usize = 32;

/// One listing of the whole store; only the platforms of the images asked about are looked up one by one.
pub(super) async fn ask_builder(
    questions: &[Question],
    engine: Result<&Engine, Problem>,
) -> Fact<BTreeMap<String, Found>> {
    let engine = match engine {
        Ok(engine) => engine,
        Err(problem) => return Fact::Unknown(problem),
    };
    let stored = match engine.images().await {
        Ok(stored) => stored,
        Err(problem) => return Fact::Unknown(problem),
    };
    let mut images = BTreeMap::new();
    for image in &stored {
        // What an image was made from may be long, and is kept for the names that are asked about only.
        let found = Found { components: None, ..Found::labelled(None, &image.labels, image.id.clone()) };
        for name in image.tags.iter().chain(&image.digests) {
            let Ok(name) = name.parse::<Reference>() else { continue };
            images.insert(name.canonical().to_string(), found.clone());
        }
    }
    let recorded: BTreeMap<&str, &String> =
        stored.iter().filter_map(|image| Some((image.id.as_str(), image.labels.get(COMPONENTS_LABEL)?))).collect();
    let names = questions.iter().flat_map(|question| {
        let suffixed = question.platforms.iter().map(|platform| question.image.arch_tag(platform));
        suffixed.chain([question.image.clone()])
    });
    let names: BTreeSet<String> =
        names.map(|name| name.canonical().to_string()).filter(|name| images.contains_key(name)).collect();
    let ids: BTreeSet<String> = names.iter().map(|name| images[name].digest.clone()).collect();
    let asked = stream::iter(ids).map(|id| async move {
        let answer = engine.platform(&id).await;
        (id, answer)
    });
    let mut answers = asked.buffered(AT_ONCE);
    let mut platforms = BTreeMap::new();
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(platform) => platforms.insert(id, platform),
            Err(problem) => return Fact::Unknown(problem),
        };
    }
    for name in names {
        let Some(found) = images.get_mut(&name) else { continue };
        match platforms.get(&found.digest) {
            Some(Some(platform)) => {
                found.platform = Some(platform.clone());
                found.components = recorded.get(found.digest.as_str()).map(|label| (*label).clone());
            }
            // It was removed after the listing.
            _ => drop(images.remove(&name)),
        }
    }
    Fact::Yes(images)
}
