//! What is asked when the first answers make it matter: what an image that was made from other inputs was made from, and
//! whether images that no package here makes are there at all.
//!
//! A plan with nothing to do asks none of it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use super::existence::{AT_ONCE, ask_existence};
use super::{COMPONENTS_LABEL, Fact, Facts};
use crate::image::Reference;
use crate::problem::Problem;
use crate::registry::{Client, Content, ImageConfig};

/// Further questions, to registries only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoreQuestions {
    /// Images by digest whose components are wanted.
    pub components: BTreeSet<Reference>,
    /// Images of others of which it is asked whether they are there.
    pub external: BTreeSet<Reference>,
}

impl MoreQuestions {
    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components.is_empty() && self.external.is_empty()
    }
}

/// Asks both at once, and adds the answers to what is known.
pub async fn ask_more(questions: &MoreQuestions, client: &Client, facts: &mut Facts) {
    let components = questions.components.iter().map(async |image| {
        let answer = components(client, image).await;
        (image.digest().unwrap_or_default().to_owned(), fact(answer))
    });
    let components = stream::iter(components).buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>();
    let (components, external) = tokio::join!(components, ask_existence(questions.external.iter().cloned(), client));
    facts.components.extend(components);
    facts.external.extend(external.into_iter().map(|(image, fact)| (image.canonical().to_string(), fact)));
}

/// The label of an image with what it was made from; none where it carries none, or has gone.
async fn components(client: &Client, image: &Reference) -> Result<Option<String>, Problem> {
    let Some(manifest) = client.manifest(image).await? else { return Ok(None) };
    let about = image.to_string();
    let Content::Image(content) = manifest.content(&about)? else { return Ok(None) };
    let Some(bytes) = client.blob(image, &content.config.digest).await? else { return Ok(None) };
    let mut config = ImageConfig::parse(&bytes, &about)?;
    Ok(config.labels.remove(COMPONENTS_LABEL))
}

fn fact<T>(answer: Result<Option<T>, Problem>) -> Fact<T> {
    match answer {
        Ok(Some(found)) => Fact::Yes(found),
        Ok(None) => Fact::No,
        Err(problem) => Fact::Unknown(problem),
    }
}
