//! Asks the trust data: which digest each tag is signed with.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use super::Fact;
use crate::image::Reference;
use crate::problem::Problem;
use crate::registry::Client;
use crate::trust::{Signed, Trust};

/// Questions at once: each is a process of the notary client.
const AT_ONCE: usize = 8;

/// What each tag is signed with, by its canonical form. Nothing where nobody is asked.
pub(super) async fn ask_trusted(
    tags: &BTreeSet<Reference>,
    trust: &Trust,
    client: Option<&Client>,
) -> BTreeMap<String, Fact<Signed>> {
    let Some(client) = client else { return BTreeMap::new() };
    let asked = tags.iter().map(async |tag| {
        let fact = match signed(trust, client, tag).await {
            Ok(Some(signed)) => Fact::Yes(signed),
            Ok(None) => Fact::No,
            Err(problem) => Fact::Unknown(problem),
        };
        (tag.canonical().to_string(), fact)
    });
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

async fn signed(trust: &Trust, client: &Client, tag: &Reference) -> Result<Option<Signed>, Problem> {
    let credentials = client.credentials(tag.canonical().host().unwrap_or_default()).await?;
    trust.signed(tag, credentials.as_ref()).await
}
