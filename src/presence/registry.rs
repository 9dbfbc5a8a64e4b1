//! Asks registries: what `image:tag` and each `tag-arch` name, which keys they carry, and what is signed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::{Fact, Found, Places, Question, Registered, Released};
use crate::image::{Platform, Reference};
use crate::problem::Problem;
use crate::registry::{self, Client, Content, Descriptor, ImageConfig, Index, Manifest};
use crate::signature::{self, PublicKey};

/// All questions to registries at once, by the canonical form of `image:tag` there.
pub(super) async fn ask_registry(questions: &[Question], places: &Places<'_>) -> BTreeMap<String, Registered> {
    let Some(client) = places.client else { return BTreeMap::new() };
    let published = questions.iter().filter(|question| question.published);
    let answers = published.map(|question| async move {
        let remote = question.image.on(places.registry);
        let mut registered = ask_one(client, &remote, question).await;
        if let Some(signer) = places.signer.filter(|_| question.written) {
            registered.signed = ask_signed(client, &remote, &registered, signer).await;
        }
        (remote.canonical().to_string(), registered)
    });
    join_all(answers).await.into_iter().collect()
}

async fn ask_one(client: &Client, image: &Reference, question: &Question) -> Registered {
    let suffixed = question.platforms.iter().map(|platform| async move {
        let name = image.arch_tag(platform);
        let descriptor = if question.written && client.has_mirrors(&name) {
            client.own_manifest(&name).await.map(|manifest| manifest.map(|manifest| manifest.descriptor))
        } else {
            client.head(&name).await
        };
        let found = |descriptor: Descriptor| Found::new(Some(platform.clone()), None, descriptor.digest);
        (platform.clone(), answer(descriptor).map(found))
    });
    let release = async {
        match &question.release {
            Some(name) => answer(client.own_manifest(&image.with_tag(name)).await),
            None => Fact::NotAsked,
        }
    };
    let asked = tokio::join!(ask_index(client, image, question), join_all(suffixed), release);
    let ((manifest, mut index), arch_tags, release) = asked;
    let release = release.map(|release| released(image, &release, manifest.as_ref()));
    let listed_platforms = manifest.as_ref().map(|manifest| all_platforms(image, manifest, &index)).unwrap_or_default();
    let is_index = manifest.as_ref().is_some_and(|manifest| is_index(image, manifest));
    let listing = manifest.map(|manifest| manifest.descriptor);
    let mut arch_tags: BTreeMap<Platform, Fact<Found>> = arch_tags.into_iter().collect();
    if let (Fact::Yes(listed), true) = (&index, is_index) {
        let asked = listed.iter().map(|(platform, entry)| async {
            let is_tagged = arch_tags.get(platform).is_some_and(|fact| fact.found().is_some());
            Ok(of_listed(client, image, entry, is_tagged).await?.map(|found| (platform.clone(), found)))
        });
        let there: Result<Vec<_>, Problem> = join_all(asked).await.into_iter().collect();
        index = there.map_or_else(Fact::Unknown, |there| Fact::Yes(there.into_iter().flatten().collect()));
    }
    // An image that no index lists yet is asked for its own label.
    let listed = index.found().cloned().unwrap_or_default();
    for (platform, fact) in &mut arch_tags {
        let Fact::Yes(found) = fact else { continue };
        if let Some(same) = listed.get(platform).filter(|listed| listed.digest == found.digest) {
            *found = same.clone();
            continue;
        }
        let labelled = async {
            // By its digest, since a mirror may have something else under the tag.
            let name = by_digest(image, &found.digest)?;
            let Some(manifest) = client.manifest(&name).await? else { return Ok(None) };
            let inner = match manifest.content(&name.to_string())? {
                Content::Image(_) => return facts_of(client, &name, &manifest).await,
                Content::Index(index) => index.entry(platform).map(|entry| of_entry(entry, platform)),
            };
            match (inner, listed.get(platform)) {
                (Some(inner), Some(same)) if inner.digest == same.digest => Ok(Some(same.clone())),
                (Some(inner), _) if is_silent(&inner) => label_of(client, image, &inner).await,
                (inner, _) => Ok(inner),
            }
        };
        match labelled.await {
            Ok(Some(labelled)) => *found = labelled,
            // It is an index without the platform, or was removed after it was found.
            Ok(None) => *fact = Fact::No,
            // Whether it was made from other inputs is part of the question, and an unknown is never taken for a no.
            Err(problem) => *fact = Fact::Unknown(problem),
        }
    }
    Registered { index, listing, listed: listed_platforms, arch_tags, release, signed: BTreeMap::new() }
}

/// What a release is, compared with the index of the package.
fn released(image: &Reference, release: &Manifest, own: Option<&Manifest>) -> Released {
    let index = |manifest: &Manifest| match manifest.content(&image.to_string()) {
        Ok(Content::Index(index)) => Some(index),
        _ => None,
    };
    let earlier = own.and_then(index).zip(index(release)).filter(|(own, release)| own.contains(release));
    let platforms = |release: Index| release.entries().iter().filter_map(registry::Entry::platform).collect();
    Released { digest: release.descriptor.digest.clone(), earlier: earlier.map(|(_, release)| platforms(release)) }
}

/// Whether everything that is there is signed, by digest.
async fn ask_signed(
    client: &Client,
    image: &Reference,
    registered: &Registered,
    signer: &PublicKey,
) -> BTreeMap<String, Fact<()>> {
    let mut facts = BTreeMap::new();
    for audited in signature::audit(client, image, signer).await {
        let fact = match audited.state {
            signature::State::Signed => Fact::Yes(()),
            signature::State::OtherKey | signature::State::Unsigned => Fact::No,
            signature::State::Unknown(problem) => Fact::Unknown(problem),
            signature::State::NotThere => continue,
        };
        facts.insert(audited.digest.unwrap_or_default(), fact);
    }
    for found in registered.arch_tags.values().filter_map(Fact::found) {
        if let Entry::Vacant(unknown) = facts.entry(found.digest.clone()) {
            let is_signed = signature::is_signed(client, image, &found.digest, signer).await;
            unknown.insert(answer(is_signed.map(|is_signed| is_signed.then_some(()))));
        }
    }
    facts
}

/// An image that an index lists; nothing if it has gone from the registry, which the index may outlive. Where the `tag-arch`
/// is there, so is the image. An index that another tool wrote says nothing of keys, and the image is asked itself.
async fn of_listed(
    client: &Client,
    image: &Reference,
    listed: &Found,
    is_tagged: bool,
) -> Result<Option<Found>, Problem> {
    if is_silent(listed) {
        return label_of(client, image, listed).await;
    }
    let is_there = is_tagged || client.head(&by_digest(image, &listed.digest)?).await?.is_some();
    Ok(is_there.then(|| listed.clone()))
}

/// Whether an entry of an index has no key annotated.
fn is_silent(listed: &Found) -> bool {
    listed.key.is_none() && !listed.garbled
}

/// An image that an index lists, with what its own labels say; nothing if it is not there.
async fn label_of(client: &Client, image: &Reference, listed: &Found) -> Result<Option<Found>, Problem> {
    let name = by_digest(image, &listed.digest)?;
    let Some(manifest) = client.manifest(&name).await? else { return Ok(None) };
    // The platform is the word of the index.
    let own = facts_of(client, &name, &manifest).await?;
    Ok(own.map(|own| Found { platform: listed.platform.clone(), ..own }))
}

/// What `image:tag` names as a whole, and what it lists.
async fn ask_index(
    client: &Client,
    image: &Reference,
    question: &Question,
) -> (Option<Manifest>, Fact<BTreeMap<Platform, Found>>) {
    let manifest = if question.written { client.own_manifest(image).await } else { client.manifest(image).await };
    let mut manifest = match answer(manifest) {
        Fact::Yes(manifest) => manifest,
        nothing => return (None, nothing.map(|_| BTreeMap::new())),
    };
    if !question.written && client.has_mirrors(image) && lacks_a_platform(&manifest, image, question) {
        // A mirror may have kept an index of former times: that it lacks a platform is for the registry to say.
        match client.own_manifest(image).await {
            Ok(Some(own)) => manifest = own,
            Ok(None) => {}
            Err(problem) => return (Some(manifest), Fact::Unknown(problem)),
        }
    }
    let listed = listed(client, image, question, &manifest).await;
    (Some(manifest), listed)
}

/// Whether what is there is an index.
fn is_index(image: &Reference, manifest: &Manifest) -> bool {
    matches!(manifest.content(&image.to_string()), Ok(Content::Index(_)))
}

/// All platforms that an index lists, asked about or not.
fn all_platforms(
    image: &Reference,
    manifest: &Manifest,
    index: &Fact<BTreeMap<Platform, Found>>,
) -> BTreeSet<Platform> {
    match manifest.content(&image.to_string()) {
        Ok(Content::Index(index)) => index.entries().iter().filter_map(registry::Entry::platform).collect(),
        _ => index.found().map(|listed| listed.keys().cloned().collect()).unwrap_or_default(),
    }
}

/// Whether what is there is an index that does not list a platform that matters.
fn lacks_a_platform(manifest: &Manifest, image: &Reference, question: &Question) -> bool {
    match manifest.content(&image.to_string()) {
        Ok(Content::Index(index)) => question.platforms.iter().any(|platform| index.entry(platform).is_none()),
        _ => false,
    }
}

async fn listed(
    client: &Client,
    image: &Reference,
    question: &Question,
    manifest: &Manifest,
) -> Fact<BTreeMap<Platform, Found>> {
    let index = match manifest.content(&image.to_string()) {
        Ok(Content::Index(index)) => index,
        Ok(Content::Image(_)) => {
            let found = answer(facts_of(client, image, manifest).await);
            return found.map(|found| found.platform.clone().map(|platform| (platform, found)).into_iter().collect());
        }
        Err(problem) => return Fact::Unknown(problem),
    };
    let listed = question.platforms.iter();
    let listed = listed.filter_map(|platform| Some((platform.clone(), of_entry(index.entry(platform)?, platform))));
    Fact::Yes(listed.collect())
}

/// What an index says of the image that it lists for a platform.
fn of_entry(entry: &registry::Entry, platform: &Platform) -> Found {
    Found::labelled(Some(platform.clone()), entry.annotations(), entry.descriptor().digest.clone())
}

/// Platform and labels of a single image, from its configuration; nothing if that is not there.
async fn facts_of(client: &Client, image: &Reference, manifest: &Manifest) -> Result<Option<Found>, Problem> {
    let about = image.to_string();
    // An index in an index has no labels.
    let Content::Image(content) = manifest.content(&about)? else {
        return Ok(Some(Found::new(None, None, manifest.descriptor.digest.clone())));
    };
    let Some(bytes) = client.blob(image, &content.config.digest).await? else { return Ok(None) };
    let config = ImageConfig::parse(&bytes, &about)?;
    Ok(Some(Found::labelled(config.platform, &config.labels, manifest.descriptor.digest.clone())))
}

/// An image of a repository by its digest.
fn by_digest(image: &Reference, digest: &str) -> Result<Reference, Problem> {
    let parsed = format!("{}@{digest}", image.name()).parse();
    parsed.map_err(|_| registry::Error::InvalidDigest { digest: digest.to_owned() }.into())
}

/// An answer as a fact.
fn answer<T>(answer: Result<Option<T>, Problem>) -> Fact<T> {
    match answer {
        Ok(Some(found)) => Fact::Yes(found),
        Ok(None) => Fact::No,
        Err(problem) => Fact::Unknown(problem),
    }
}

#[cfg(test)]
mod tests;
