//! Whether images are on their registries, and nothing more of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::Fact;
use crate::image::Reference;
use crate::problem::{Class, Fault};
use crate::registry::Client;

/// Questions at once. With the others that are asked beside them they are no more than the client lets through, so that no
/// time runs out in its queue.
pub(super) const AT_ONCE: usize = 16;

/// A registry decides nothing by being slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// The registry of an image did not answer soon.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{image}` was not answered for within {seconds} s")]
#[diagnostic(code(presence::slow), help("run the same command again later, or ask no registry with `--offline`"))]
struct Slow {
    host: String,
    image: String,
    seconds: u64,
}

impl Slow {
    fn new(image: &Reference) -> Self {
        let host = image.canonical().host().unwrap_or_default().to_owned();
        Self { host, image: image.to_string(), seconds: PATIENCE.as_secs() }
    }
}

impl Fault for Slow {
    fn class(&self) -> Class {
        Class::Infrastructure
    }

    fn of_host(&self) -> Option<(&str, &str)> {
        Some((&self.host, &self.image))
    }
}

/// Asks for each image where its name says that it lives. One without a tag or digest means `latest`.
pub async fn ask_existence(
    images: impl IntoIterator<Item = Reference>,
    client: &Client,
) -> BTreeMap<Reference, Fact<()>> {
    let asked = images.into_iter().map(async |image| {
        let answer = tokio::time::timeout(PATIENCE, client.head(&image.canonical())).await;
        let fact = match answer.unwrap_or_else(|_| Err(Slow::new(&image).into())) {
            Ok(Some(_)) => Fact::Yes(()),
            Ok(None) => Fact::No,
            Err(problem) => Fact::Unknown(problem),
        };
        (image, fact)
    });
    stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
}
