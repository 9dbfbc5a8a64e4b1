//! What the places are asked about: each image once, for all that a plan wants to know of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Surveyed;
use crate::graph;
use crate::image::Reference;
use crate::plan::{self, Demand, Request};
use crate::presence::Question;

/// The tags whose signatures matter: what is built from, and what is published. Nobody asks where content trust is off.
pub(super) fn tags_to_trust(
    surveyed: &Surveyed,
    request: &Request,
    demand: &Demand,
    questions: &[Question],
) -> BTreeSet<Reference> {
    if !request.trust {
        return BTreeSet::new();
    }
    let Surveyed { workspace, tags, graph, .. } = surveyed;
    let registry = request.registry.as_deref();
    let mut asked = plan::trust_questions(plan::Repository { workspace, tags, graph, registry }, demand);
    if let Some(publish) = request.publish.as_ref().filter(|publish| publish.notarize) {
        let written = questions.iter().filter(|question| question.written && question.published);
        asked.extend(written.flat_map(|question| publish.tags(&question.image.on(registry))));
    }
    asked
}

/// One question per image of the demand, and per image of this repository that one of them is pinned to.
pub(super) fn questions(surveyed: &Surveyed, request: &Request, demand: &Demand) -> Vec<Question> {
    let Surveyed { workspace, tags, graph, selected, .. } = surveyed;
    let mut questions: BTreeMap<(Reference, bool), Question> = BTreeMap::new();
    for &package in selected.iter().filter(|_| request.publish.is_some()) {
        let Some(tag) = tags.get(package) else { continue };
        let Ok(image) = tag.output.reference() else { continue };
        let question = about(&mut questions, image, !tag.is_dirty());
        question.written = true;
        question.release = request.publish.as_ref().and_then(|publish| Some(publish.release.as_ref()?.name.clone()));
        if request.only_index() {
            question.platforms = plan::indexed_platforms(workspace, package);
        }
    }
    for node in &demand.nodes {
        let Some(tag) = tags.get(node.0) else { continue };
        if let Ok(image) = tag.output.reference() {
            about(&mut questions, image, !tag.is_dirty()).platforms.insert(node.1.clone());
        }
        let references = graph.nodes.get(node).map_or(&[][..], |inputs| &inputs.references);
        for reference in references.iter().filter(|reference| reference.state == graph::State::Stale) {
            let pinned = reference.image.expanded.as_ref().ok().and_then(|text| text.parse::<Reference>().ok());
            if let Some(image) = pinned.filter(|image| reference.image.reached && image.digest().is_none()) {
                about(&mut questions, &image, true).platforms.insert(reference.image.platform.clone());
            }
        }
    }
    questions.into_values().collect()
}

/// The question about an image; whether a registry can have it is part of what makes it one.
fn about<'a>(
    questions: &'a mut BTreeMap<(Reference, bool), Question>,
    image: &Reference,
    published: bool,
) -> &'a mut Question {
    questions.entry((image.clone(), published)).or_insert_with(|| Question::new(image.clone(), published))
}
