//! Does those steps that are between the registry and this program alone: indexes, releases, and tags for what is there.
//!
//! A registry has no compare-and-swap, so whatever several writers add to is read again after it was written. Nothing
//! that is right already is written.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use super::executor::ExecuteError;
use crate::image::{Platform, Reference};
use crate::presence::{KEY_LABEL, KeyLabel};
use crate::problem::Problem;
use crate::registry::{Client, Content, Descriptor, Entry, ImageConfig, Index, Manifest, media_type};
use crate::signature::{self, Audited, SigningKey, State};
use crate::trust::Trust;

/// How often an index is written until it lists every `tag-arch`. Each time another writer was quicker, and has then one
/// write less before it.
const INDEX_ATTEMPTS: u32 = 12;
/// The longest wait before the second attempt to write an index; it grows with each further one.
const INDEX_WAIT: Duration = Duration::from_millis(50);

/// Writes manifests and indexes.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    client: Client,
    key: Option<SigningKey>,
    trust: Option<Arc<Trust>>,
}

/// An index to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexTask<'a> {
    pub(super) to: &'a Reference,
    pub(super) required: &'a [Platform],
    pub(super) looked_for: &'a [Platform],
    pub(super) annotations: &'a BTreeMap<String, String>,
}

impl Publisher {
    pub(super) fn new(client: Client, key: Option<SigningKey>, trust: Option<Arc<Trust>>) -> Self {
        Self { client, key, trust }
    }

    /// Makes a release, or extends one that is an earlier state of the same index; never replaces another one unless
    /// forced. Who extends it at the same time may have read an older index, so it is read again after it was written.
    pub(super) async fn release(&self, from: &Reference, to: &Reference, force: bool) -> Result<(), Problem> {
        for attempt in 0..INDEX_ATTEMPTS {
            // A release that somebody else makes during the wait must be seen.
            if attempt > 0 {
                tokio::time::sleep(jitter(INDEX_WAIT * attempt)).await;
            }
            let Some(manifest) = self.unreleased(from, to, force).await? else { return Ok(()) };
            // Another writer may write the index meanwhile; the release is what was compared.
            let by_digest = format!("{}@{}", from.name(), manifest.descriptor.digest).parse();
            self.client.retag(&by_digest.unwrap_or_else(|_| from.clone()), to).await?;
            if force {
                return Ok(());
            }
        }
        match self.unreleased(from, to, force).await? {
            None => Ok(()),
            Some(_) => Err(ExecuteError::Contended { image: to.to_string() }.into()),
        }
    }

    /// What is still to be released; `None` if the release is it already.
    async fn unreleased(&self, from: &Reference, to: &Reference, force: bool) -> Result<Option<Manifest>, Problem> {
        let manifest = self.manifest(from).await?;
        match self.client.own_manifest(to).await? {
            Some(there) if there.descriptor.digest == manifest.descriptor.digest => Ok(None),
            Some(there) if !force && !is_earlier(&there, &manifest, to)? => {
                Err(ExecuteError::Released { image: to.to_string() }.into())
            }
            _ => Ok(Some(manifest)),
        }
    }

    /// Adds tags with the digest and size that they have on the registry to the trust data.
    pub(super) async fn notarize(&self, images: &[Reference], log: &mpsc::Sender<String>) -> Result<(), Problem> {
        for image in images {
            let Some(trust) = &self.trust else {
                return Err(ExecuteError::NoTrust { image: image.to_string() }.into());
            };
            let Descriptor { digest, size, .. } = self.manifest(image).await?.descriptor;
            let host = image.canonical().host().unwrap_or_default().to_owned();
            let credentials = self.client.credentials(&host).await?;
            trust.add(image, size, &digest, credentials.as_ref(), log.clone()).await?;
        }
        Ok(())
    }

    /// Signs what these name and what is listed there, as far as it is not signed by the key.
    pub(super) async fn sign(&self, images: &[Reference], log: &mpsc::Sender<String>) -> Result<(), Problem> {
        for image in images {
            let about = || image.to_string();
            let Some(key) = &self.key else { return Err(ExecuteError::NoKey { image: about() }.into()) };
            for Audited { digest, state, .. } in signature::audit(&self.client, image, &key.public()).await {
                match (state, digest) {
                    (State::Signed, _) => {}
                    (State::OtherKey | State::Unsigned, Some(digest)) => {
                        signature::sign(&self.client, image, &digest, key).await?;
                        // Nobody reads the log of a step that has been cancelled.
                        let _ = log.send(format!("signed {digest}")).await;
                    }
                    (State::Unknown(problem), _) => return Err(problem),
                    (State::NotThere | State::OtherKey | State::Unsigned, _) => {
                        return Err(ExecuteError::Vanished { image: about() }.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// What the registry must have.
    async fn manifest(&self, image: &Reference) -> Result<Manifest, Problem> {
        let manifest = self.client.own_manifest(image).await?;
        manifest.ok_or_else(|| ExecuteError::Vanished { image: image.to_string() }.into())
    }

    /// Writes the union of what the index lists and of every `tag-arch`, and reads both again until they agree: another
    /// writer may have read the same old index and written at the same time, or pushed another `tag-arch` since.
    pub(super) async fn index(&self, task: IndexTask<'_>, log: &mpsc::Sender<String>) -> Result<(), Problem> {
        for attempt in 1..=INDEX_ATTEMPTS {
            let (existing, is_index) = self.existing(task.to).await?;
            let tagged = self.tagged(task, existing.as_ref()).await?;
            let union = Index::union(existing.as_ref(), &tagged).with_annotations(task.annotations);
            if is_index && existing.as_ref().is_some_and(|existing| existing.same_entries(&union)) {
                return Ok(());
            }
            if attempt > 1 {
                // Nobody reads the log of a step that has been cancelled.
                let _ = log.send("another writer changed the index; writing it again".to_owned()).await;
                tokio::time::sleep(jitter(INDEX_WAIT * (attempt - 1))).await;
                if self.existing(task.to).await?.0 != existing {
                    continue;
                }
            }
            self.client.put_manifest(task.to, media_type::OCI_INDEX, union.to_bytes()).await?;
        }
        Err(ExecuteError::Contended { image: task.to.to_string() }.into())
    }

    /// What is there as an index, and whether it is one.
    async fn existing(&self, image: &Reference) -> Result<(Option<Index>, bool), Problem> {
        let Some(manifest) = self.client.own_manifest(image).await? else { return Ok((None, false)) };
        let content = match manifest.content(&image.to_string())? {
            Content::Index(index) => return Ok((Some(index), true)),
            Content::Image(content) => content,
        };
        // What somebody pushed for one platform without an index becomes an entry of it.
        let config = self.config(image, &content.config.digest).await?;
        let entry = match config.platform {
            Some(platform) => Entry::new(manifest.descriptor, &platform),
            None => Entry::from(manifest.descriptor),
        };
        Ok((Some(Index::union(None, &[with_key(entry, &config.labels)])), false))
    }

    /// The configuration of an image.
    async fn config(&self, image: &Reference, digest: &str) -> Result<ImageConfig, Problem> {
        let Some(bytes) = self.client.blob(image, digest).await? else {
            return Err(ExecuteError::Vanished { image: image.to_string() }.into());
        };
        ImageConfig::parse(&bytes, &image.to_string())
    }

    /// The entries that every `tag-arch` of the registry makes, attestations included.
    async fn tagged(&self, task: IndexTask<'_>, existing: Option<&Index>) -> Result<Vec<Entry>, Problem> {
        let mut platforms: Vec<&Platform> = task.required.iter().chain(task.looked_for).collect();
        platforms.sort_unstable();
        platforms.dedup();
        let entries = platforms.into_iter().map(|platform| self.entries(task, existing, platform));
        Ok(try_join_all(entries).await?.into_iter().flatten().collect())
    }

    async fn entries(
        &self,
        task: IndexTask<'_>,
        existing: Option<&Index>,
        platform: &Platform,
    ) -> Result<Vec<Entry>, Problem> {
        let image = task.to.arch_tag(platform);
        let Some(manifest) = self.client.own_manifest(&image).await? else {
            return if task.required.contains(platform) {
                Err(ExecuteError::Vanished { image: image.to_string() }.into())
            } else {
                Ok(Vec::new())
            };
        };
        let config = match manifest.content(&image.to_string())? {
            // Some builders make an index of each image, to hang an attestation on it.
            Content::Index(index) => {
                let mut entries = index.of(platform);
                if entries.is_empty() && task.required.contains(platform) {
                    return Err(ExecuteError::Vanished { image: image.to_string() }.into());
                }
                if let Some(entry) = entries.first_mut().filter(|entry| !is_listed(entry, existing, platform)) {
                    *entry = self.keyed(&image, entry.clone()).await;
                }
                return Ok(entries);
            }
            Content::Image(content) => content.config,
        };
        let entry = Entry::new(manifest.descriptor, platform);
        if is_listed(&entry, existing, platform) {
            return Ok(vec![entry]);
        }
        let ImageConfig { labels, platform: made_for } = self.config(&image, &config.digest).await?;
        let is_for = |made: &Platform| made.os() == platform.os() && made.architecture() == platform.architecture();
        if !made_for.as_ref().is_none_or(is_for) {
            return if task.required.contains(platform) {
                Err(ExecuteError::OtherPlatforms { image: image.to_string(), platform: platform.to_string() }.into())
            } else {
                Ok(Vec::new())
            };
        }
        Ok(vec![with_key(entry, &labels)])
    }

    /// An entry that another builder wrote, with the key of its image. Where that cannot be read the entry is left as it
    /// is: whoever plans asks for it again.
    async fn keyed(&self, image: &Reference, entry: Entry) -> Entry {
        if entry.annotations().contains_key(KEY_LABEL) {
            return entry;
        }
        let labels = self.labels(image, &entry.descriptor().digest).await;
        with_key(entry, &labels.unwrap_or_default())
    }

    /// The labels of a single image, if they can be read.
    async fn labels(&self, image: &Reference, digest: &str) -> Option<BTreeMap<String, String>> {
        let by_digest: Reference = format!("{}@{digest}", image.name()).parse().ok()?;
        let manifest = self.client.own_manifest(&by_digest).await.ok()??;
        let Ok(Content::Image(content)) = manifest.content(&by_digest.to_string()) else { return None };
        self.config(&by_digest, &content.config.digest).await.ok().map(|config| config.labels)
    }
}

/// Whether an index lists the image of an entry already, for its platform.
fn is_listed(entry: &Entry, existing: Option<&Index>, platform: &Platform) -> bool {
    let listed = existing.and_then(|existing| existing.entry(platform));
    listed.is_some_and(|listed| listed.descriptor().digest == entry.descriptor().digest)
}

/// An entry with the key of its image, if that has one: so whoever plans need not look into each image.
fn with_key(entry: Entry, labels: &BTreeMap<String, String>) -> Entry {
    match labels.get(KEY_LABEL).filter(|key| KeyLabel::parse(key).is_some()) {
        Some(key) => entry.with_annotation(KEY_LABEL, key),
        None => entry,
    }
}

/// Whether a manifest is an index, and an earlier state of another one.
fn is_earlier(there: &Manifest, manifest: &Manifest, about: &Reference) -> Result<bool, Problem> {
    let about = about.to_string();
    Ok(match (there.content(&about)?, manifest.content(&about)?) {
        (Content::Index(there), Content::Index(index)) => index.contains(&there),
        _ => false,
    })
}

/// A wait of up to this length, so that writers who met once do not meet again.
fn jitter(longest: Duration) -> Duration {
    // The standard library seeds each of these from the system's random numbers.
    let share = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or_default();
    longest * share / 1000
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;
    use crate::registry::stub::{Answer, Stub};
    use crate::registry::{Options, digest};

    /// Manifests by tag and blobs by digest, as a registry keeps them.
    type Store = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

    /// A registry that answers each request after a time of its own, so that writers meet.
    async fn registry(on_put: impl Fn(&Store, &str) + Send + Sync + 'static) -> (Stub, Store, Publisher, Reference) {
        let store = Store::default();
        let stored = store.clone();
        let stub = Stub::start(move |asked| {
            let name = asked.path.rsplit('/').next().unwrap_or_default();
            if asked.method == "PUT" {
                let by_digest = (digest(&asked.body), asked.body.clone());
                stored.lock().unwrap().extend([(name.to_owned(), asked.body.clone()), by_digest]);
                on_put(&stored, name);
                return Answer::status(201).after(jitter(Duration::from_millis(10)));
            }
            let held = stored.lock().unwrap().get(name).cloned();
            let answer = held.map_or_else(|| Answer::status(404), Answer::ok);
            answer.after(jitter(Duration::from_millis(10)))
        })
        .await;
        let options = Options { certs_dir: None, backoff: Duration::from_millis(1), ..Options::default() };
        let image = format!("{}/org/image:1", stub.address).parse().unwrap();
        (stub, store, Publisher::new(Client::new(options).unwrap(), None, None), image)
    }

    fn platforms() -> Vec<Platform> {
        Platform::ARCHITECTURES.map(Platform::linux).to_vec()
    }

    /// The key of an image for a platform.
    fn key(platform: &Platform) -> String {
        KeyLabel { name: "org/image".to_owned(), platform: platform.clone(), hash: "0".repeat(64) }.to_string()
    }

    /// Puts an image there under a name.
    fn put(store: &Store, name: &str, platform: &Platform, key: &str) -> Vec<u8> {
        let (os, architecture) = (platform.os(), platform.architecture());
        let config =
            serde_json::json!({"os": os, "architecture": architecture, "config": {"Labels": {KEY_LABEL: key}}});
        let config = config.to_string().into_bytes();
        let descriptor = serde_json::json!({"mediaType": "c", "digest": digest(&config), "size": config.len()});
        let manifest = serde_json::json!({"schemaVersion": 2, "config": descriptor, "layers": []});
        let manifest = manifest.to_string().into_bytes();
        store.lock().unwrap().extend([(digest(&config), config), (name.to_owned(), manifest.clone())]);
        manifest
    }

    /// Puts an image there as `tag-arch`.
    fn push(store: &Store, platform: &Platform) {
        put(store, &format!("1-{}", platform.architecture()), platform, &key(platform));
    }

    async fn write(publisher: &Publisher, to: &Reference, required: &[Platform]) -> Result<(), Problem> {
        let (log, _lines) = mpsc::channel(100);
        let annotations = BTreeMap::from([("title".to_owned(), "org/image".to_owned())]);
        let task = IndexTask { to, required, looked_for: &platforms(), annotations: &annotations };
        publisher.index(task, &log).await
    }

    async fn index(publisher: &Publisher, image: &Reference) -> Index {
        publisher.existing(image).await.unwrap().0.unwrap()
    }

    #[tokio::test]
    async fn writers_that_meet_end_in_an_index_of_all_their_images() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let writers = platforms().into_iter().map(|platform| {
            let (store, publisher, image) = (store.clone(), publisher.clone(), image.clone());
            tokio::spawn(async move {
                tokio::time::sleep(jitter(Duration::from_millis(10))).await;
                push(&store, &platform);
                write(&publisher, &image, &[platform]).await
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.unwrap().unwrap();
        }
        let index = index(&publisher, &image).await;
        for platform in platforms() {
            let entry = index.entry(&platform).unwrap_or_else(|| panic!("{platform} was lost"));
            assert_eq!(entry.annotations()[KEY_LABEL], key(&platform));
        }
        assert_eq!(index.annotations()["title"], "org/image");
    }

    #[tokio::test]
    async fn an_index_that_another_writer_replaced_is_written_again() {
        let (amd64, arm64) = (Platform::linux("amd64"), Platform::linux("arm64"));
        let other = {
            let (_stub, store, publisher, image) = registry(|_, _| {}).await;
            push(&store, &arm64);
            write(&publisher, &image, std::slice::from_ref(&arm64)).await.unwrap();
            index(&publisher, &image).await.to_bytes()
        };
        let replaced = Mutex::new(false);
        let (stub, store, publisher, image) = registry(move |store, name| {
            // The other one read before this one wrote, and writes now.
            if name == "1" && !std::mem::replace(&mut replaced.lock().unwrap(), true) {
                store.lock().unwrap().insert(name.to_owned(), other.clone());
            }
        })
        .await;
        push(&store, &amd64);
        write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        let index = index(&publisher, &image).await;
        assert!(index.entry(&amd64).is_some() && index.entry(&arm64).is_some());
        assert_eq!(stub.count("PUT", "/v2/org/image/manifests/1"), 2);
    }

    #[tokio::test]
    async fn an_index_that_never_keeps_what_was_written_is_given_up_and_said_so() {
        let (_stub, store, publisher, image) = registry(|store, name| {
            store.lock().unwrap().remove(name);
        })
        .await;
        push(&store, &Platform::linux("amd64"));
        let problem = write(&publisher, &image, &[Platform::linux("amd64")]).await.unwrap_err();
        assert_eq!(problem.code(), "run::contended");
    }

    #[tokio::test]
    async fn an_equal_index_is_left_as_it_is_and_a_missing_image_is_no_smaller_index() {
        let (stub, store, publisher, image) = registry(|_, _| {}).await;
        let (amd64, arm64) = (Platform::linux("amd64"), Platform::linux("arm64"));
        push(&store, &amd64);
        for _ in 0..2 {
            write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        }
        assert_eq!(stub.count("PUT", "/v2/org/image/manifests/1"), 1);
        let problem = write(&publisher, &image, &[amd64, arm64]).await.unwrap_err();
        assert_eq!(problem.code(), "run::vanished");
    }

    #[tokio::test]
    async fn a_release_of_several_machines_grows_with_the_index_and_no_other_is_replaced() {
        let (stub, store, publisher, image) = registry(|_, _| {}).await;
        let release = image.with_tag("v1");
        let writers = platforms().into_iter().map(|platform| {
            let (store, publisher, image, release) = (store.clone(), publisher.clone(), image.clone(), release.clone());
            tokio::spawn(async move {
                push(&store, &platform);
                write(&publisher, &image, &[platform]).await?;
                publisher.release(&image, &release, false).await
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.unwrap().unwrap();
        }
        assert_eq!(index(&publisher, &release).await, index(&publisher, &image).await);

        let puts = stub.count("PUT", "/v2/org/image/manifests/v1");
        publisher.release(&image, &release, false).await.unwrap();
        assert_eq!(stub.count("PUT", "/v2/org/image/manifests/v1"), puts);

        let other = image.with_tag("2");
        let platform = Platform::linux("amd64");
        let text = store.lock().unwrap()["1-amd64"].clone();
        store.lock().unwrap().insert("2-amd64".to_owned(), [text, b" ".to_vec()].concat());
        write(&publisher, &other, &[platform]).await.unwrap();
        let refused = publisher.release(&other, &release, false).await.unwrap_err();
        assert_eq!(refused.code(), "run::released");
        publisher.release(&other, &release, true).await.unwrap();
        assert_eq!(index(&publisher, &release).await, index(&publisher, &other).await);
    }

    #[tokio::test]
    async fn a_release_is_compared_right_before_each_write_and_once_more_after_the_last() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writes = written.clone();
        let (stub, store, publisher, image) = registry(move |store, name| {
            if name == "v1" {
                let mut writes = writes.lock().unwrap();
                writes.push(Instant::now());
                if writes.len() < INDEX_ATTEMPTS as usize {
                    store.lock().unwrap().remove(name);
                }
            }
        })
        .await;
        let amd64 = Platform::linux("amd64");
        push(&store, &amd64);
        write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        let release = image.with_tag("v1");
        publisher.release(&image, &release, false).await.unwrap();
        assert_eq!(index(&publisher, &release).await, index(&publisher, &image).await);

        // A release that somebody else makes during the wait is seen only if the wait comes before the comparison.
        let writes = written.lock().unwrap();
        assert_eq!(writes.len(), INDEX_ATTEMPTS as usize);
        let asked = stub.asked();
        let reads = asked.iter().filter(|asked| asked.method == "GET" && asked.path.ends_with("/manifests/v1"));
        let reads: Vec<Instant> = reads.map(|asked| asked.at).collect();
        let before: Duration = reads.iter().zip(&*writes).map(|(read, write)| *write - *read).sum();
        let between: Duration = writes.iter().zip(&reads[1..]).map(|(write, read)| *read - *write).sum();
        assert!(before < between, "{before:?} from comparisons to writes, {between:?} from writes to comparisons");
    }

    #[tokio::test]
    async fn an_image_that_was_pushed_without_an_index_becomes_an_entry_of_it() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let (amd64, arm64) = (Platform::linux("amd64"), Platform::linux("arm64"));
        let plain = put(&store, "1", &arm64, &key(&arm64));
        push(&store, &amd64);
        write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        let index = index(&publisher, &image).await;
        let listed = index.entry(&arm64).unwrap();
        assert_eq!(listed.descriptor().digest, digest(&plain), "nothing is lost");
        assert_eq!(listed.annotations()[KEY_LABEL], key(&arm64));
        assert!(index.entry(&amd64).is_some());
    }

    #[tokio::test]
    async fn a_key_that_is_not_well_formed_is_not_annotated() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let amd64 = Platform::linux("amd64");
        put(&store, "1-amd64", &amd64, "garbled");
        write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        assert!(index(&publisher, &image).await.entry(&amd64).unwrap().annotations().is_empty());
    }

    #[tokio::test]
    async fn the_image_in_a_tag_arch_that_is_an_index_is_listed_with_its_key() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let amd64 = Platform::linux("amd64");
        let inner = put(&store, "inner", &amd64, &key(&amd64));
        let listed = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"mediaType": media_type::OCI_MANIFEST, "digest": digest(&inner), "size": inner.len(),
                "platform": {"os": "linux", "architecture": "amd64"}},
        ]});
        store
            .lock()
            .unwrap()
            .extend([(digest(&inner), inner), ("1-amd64".to_owned(), listed.to_string().into_bytes())]);
        write(&publisher, &image, std::slice::from_ref(&amd64)).await.unwrap();
        assert_eq!(index(&publisher, &image).await.entry(&amd64).unwrap().annotations()[KEY_LABEL], key(&amd64));
    }

    #[tokio::test]
    async fn a_tag_arch_of_another_architecture_is_never_listed() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let (amd64, s390x) = (Platform::linux("amd64"), Platform::linux("s390x"));
        let config = br#"{"os": "linux", "architecture": "amd64"}"#.to_vec();
        let descriptor = serde_json::json!({"mediaType": "c", "digest": digest(&config), "size": config.len()});
        let manifest = serde_json::json!({"schemaVersion": 2, "config": descriptor, "layers": []}).to_string();
        store.lock().unwrap().insert(digest(&config), config);
        for tag in ["1-amd64", "1-s390x"] {
            store.lock().unwrap().insert(tag.to_owned(), manifest.clone().into_bytes());
        }
        write(&publisher, &image, &[amd64]).await.unwrap();
        assert!(index(&publisher, &image).await.entry(&s390x).is_none());
        let problem = write(&publisher, &image, &[s390x]).await.unwrap_err();
        assert_eq!(problem.code(), "run::other_platforms");
    }

    #[tokio::test]
    async fn a_tag_arch_that_is_an_index_is_listed_as_the_image_in_it_with_its_attestation() {
        let (_stub, store, publisher, image) = registry(|_, _| {}).await;
        let amd64 = Platform::linux("amd64");
        let (inner, attestation) = (digest(b"image"), digest(b"attestation"));
        let listed = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"mediaType": "m", "digest": inner, "size": 5, "platform": {"os": "linux", "architecture": "amd64"}},
            {"mediaType": "m", "digest": attestation, "size": 5,
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {"vnd.docker.reference.digest": inner}},
        ]});
        store.lock().unwrap().insert("1-amd64".to_owned(), listed.to_string().into_bytes());
        write(&publisher, &image, &[amd64]).await.unwrap();
        let index = index(&publisher, &image).await;
        let digests: Vec<&str> = index.entries().iter().map(|entry| entry.descriptor().digest.as_str()).collect();
        assert_eq!(digests, [inner, attestation]);
    }
}
