//! Asks linuxkit's cache: which images an OCI layout on disk has whole.

use std::collections::BTreeMap;

use super::{Cached, Fact, Found, Question};
use crate::image::{Platform, Reference};
use crate::layout::{Layout, Stored};

/// All questions at once, by the canonical form of `image:tag` and platform.
pub(super) async fn ask_cache(
    questions: &[Question],
    layout: Option<&Layout>,
) -> Fact<BTreeMap<(String, Platform), Cached>> {
    let Some(layout) = layout.cloned() else { return Fact::NotAsked };
    let asked = questions
        .iter()
        .flat_map(|question| question.platforms.iter().map(|platform| (question.image.canonical(), platform.clone())));
    let asked: Vec<(Reference, Platform)> = asked.collect();
    let answers = tokio::task::spawn_blocking(move || {
        let questions: Vec<(&Reference, &Platform)> = asked.iter().map(|(image, platform)| (image, platform)).collect();
        let stored = layout.find(&questions)?;
        Ok(asked.into_iter().zip(stored).collect::<Vec<_>>())
    });
    match answers.await.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic())) {
        Ok(answers) => {
            let found = answers
                .into_iter()
                .filter_map(|((image, platform), stored)| Some(((image.to_string(), platform), cached(stored?))));
            Fact::Yes(found.collect())
        }
        Err(problem) => Fact::Unknown(problem),
    }
}

fn cached(stored: Stored) -> Cached {
    Cached { found: Found::labelled(Some(stored.platform), &stored.labels, stored.id), listed: stored.listed }
}
