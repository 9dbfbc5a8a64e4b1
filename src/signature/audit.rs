//! Which of the images under a tag are signed.

use futures_util::future::join_all;

use super::{PublicKey, Signer, signer};
use crate::image::{Platform, Reference};
use crate::problem::Problem;
use crate::registry::{Client, Content, Entry, Manifest};

/// What is known of one image.
#[derive(Debug, Clone)]
pub struct Audited {
    /// What the index lists it for; `None` for the index itself, for an image without an index, and for an entry that
    /// names no platform.
    pub platform: Option<Platform>,
    /// `sha256:…`; `None` if the registry did not say what is there.
    pub digest: Option<String>,
    /// What it is.
    pub state: State,
}

/// Whether an image is signed.
#[derive(Debug, Clone)]
pub enum State {
    /// By the key in question.
    Signed,
    /// By others, and not by the key in question.
    OtherKey,
    /// By nobody.
    Unsigned,
    /// There is no such image.
    NotThere,
    /// The registry did not say.
    Unknown(Problem),
}

/// Asks the registry of an image for what is under its tag, and for the signatures of that and of each image that it
/// lists and that is no attestation. An index within an index is looked at as an image is.
pub async fn audit(client: &Client, image: &Reference, key: &PublicKey) -> Vec<Audited> {
    let unknown = |problem| Audited { platform: None, digest: None, state: State::Unknown(problem) };
    let manifest = match client.own_manifest(image).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return vec![Audited { platform: None, digest: None, state: State::NotThere }],
        Err(problem) => return vec![unknown(problem)],
    };
    let listed = match listed(&manifest, image) {
        Ok(listed) => listed,
        Err(problem) => return vec![unknown(problem)],
    };
    let own = (None, manifest.descriptor.digest);
    let asked = std::iter::once(own).chain(listed).map(async |(platform, digest)| {
        let state = match signer(client, image, &digest, key).await {
            Ok(Signer::This) => State::Signed,
            Ok(Signer::Others) => State::OtherKey,
            Ok(Signer::Nobody) => State::Unsigned,
            Err(problem) => State::Unknown(problem),
        };
        Audited { platform, digest: Some(digest), state }
    });
    join_all(asked).await
}

/// Platform and digest of the images that a manifest lists.
fn listed(manifest: &Manifest, image: &Reference) -> Result<Vec<(Option<Platform>, String)>, Problem> {
    let Content::Index(index) = manifest.content(&image.to_string())? else { return Ok(Vec::new()) };
    let images = index.entries().iter().filter(|entry| entry.attests().is_none());
    let named = |entry: &Entry| (entry.platform(), entry.descriptor().digest.clone());
    Ok(images.map(named).collect())
}
