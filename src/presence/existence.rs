//! Whether images are on their registries, and nothing more of them. What cannot be read is not known to be an image.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::Fact;
use crate::image::Reference;
use crate::problem::{Class, Fault, Problem};
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
        let answer = tokio::time::timeout(PATIENCE, is_there(client, &image.canonical())).await;
        let fact = match answer.unwrap_or_else(|_| Err(Slow::new(&image).into())) {
            Ok(true) => Fact::Yes(()),
            Ok(false) => Fact::No,
            Err(problem) => Fact::Unknown(problem),
        };
        (image, fact)
    });
    stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
}

/// Whether a registry has an image that can be read.
async fn is_there(client: &Client, image: &Reference) -> Result<bool, Problem> {
    // docker.io limits how many manifests are read, but not how often it is asked for them; and it checks what it takes.
    if image.host() == Some("docker.io") {
        return Ok(client.head(image).await?.is_some());
    }
    let Some(manifest) = client.manifest(image).await? else { return Ok(false) };
    manifest.content(&image.to_string())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::stub::{Answer, Stub};
    use crate::registry::{Options, media_type};

    #[tokio::test]
    async fn what_cannot_be_read_is_neither_there_nor_absent() {
        let stub = Stub::start(|asked| {
            match asked.path.rsplit('/').next() {
                Some("whole") => Answer::ok(r#"{"schemaVersion": 2, "manifests": []}"#),
                Some("broken") => Answer::ok(r#"{"schemaVersion": 2, "manifests": [{"digest": "sha256:0"}]}"#),
                _ => Answer::status(404),
            }
            .header("content-type", media_type::OCI_INDEX)
        })
        .await;
        let options = Options { certs_dir: None, backoff: Duration::from_millis(1), ..Options::default() };
        let client = Client::new(options).unwrap();
        let image = |tag| format!("{}/a/b:{tag}", stub.address).parse::<Reference>().unwrap();
        let facts = ask_existence(["whole", "broken", "absent"].map(image), &client).await;
        assert!(matches!(facts[&image("whole")], Fact::Yes(())));
        assert!(matches!(&facts[&image("broken")], Fact::Unknown(problem) if problem.code() == "registry::malformed"));
        assert!(facts[&image("absent")].is_no());
    }
}
