//! Copies between registries that keep what they are given in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::Options;
use super::super::stub::{Answer, Asked, Stub};
use super::*;

/// What a registry has: `/v2/…/manifests/…` or `/v2/…/blobs/…` to media type and bytes.
type Store = Arc<Mutex<BTreeMap<String, (String, Vec<u8>)>>>;

/// A registry in memory.
struct Memory {
    stub: Stub,
    store: Store,
}

impl Memory {
    /// One that mounts blobs or does not, and answers with what `first` says before it looks itself.
    async fn start(mounts: bool, first: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let store = Store::default();
        let there = store.clone();
        let stub = Stub::start(move |asked| first(asked).unwrap_or_else(|| answer(&there, mounts, asked))).await;
        Self { stub, store }
    }

    async fn plain() -> Self {
        Self::start(false, |_| None).await
    }

    fn image(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.stub.address).parse().unwrap()
    }

    fn put(&self, path: &str, media_type: &str, bytes: &[u8]) {
        self.store.lock().unwrap().insert(format!("/v2/{path}"), (media_type.to_owned(), bytes.to_vec()));
    }

    /// A blob of a repository, as a descriptor.
    fn blob(&self, repository: &str, bytes: &[u8]) -> String {
        self.put(&format!("{repository}/blobs/{}", digest(bytes)), "", bytes);
        format!(r#"{{"mediaType":"blob","digest":"{}","size":{}}}"#, digest(bytes), bytes.len())
    }

    /// A manifest of a repository, as a descriptor.
    fn manifest(&self, repository: &str, media_type: &str, text: &str) -> String {
        self.put(&format!("{repository}/manifests/{}", digest(text.as_bytes())), media_type, text.as_bytes());
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, digest(text.as_bytes()), text.len())
    }

    /// An image whose configuration and layer are these, as the text of its manifest.
    fn image_text(&self, repository: &str, layer: &[u8]) -> String {
        let (config, layer) = (self.blob(repository, b"{}"), self.blob(repository, layer));
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#)
    }

    /// The index `a/b:1` over two images, an attestation and an artifact of a kind that nobody knows.
    fn index(&self) -> String {
        let images = [b"one", b"two"].map(|layer| {
            let text = self.image_text("a/b", layer);
            self.manifest("a/b", media_type::OCI_MANIFEST, &text)
        });
        let attestation = format!(r#"{{"schemaVersion":2,"config":{0},"layers":[{0}]}}"#, self.blob("a/b", b"sbom"));
        let attestation = self.manifest("a/b", media_type::OCI_MANIFEST, &attestation);
        let odd = format!(r#"{{"blobs":[{}],"odd":true}}"#, self.blob("a/b", b"odd"));
        let odd = self.manifest("a/b", "application/odd+json", &odd);
        let entries = [&images[..], &[attestation, odd]].concat().join(",");
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
        self.put("a/b/manifests/1", media_type::OCI_INDEX, text.as_bytes());
        text
    }

    /// What a repository has, without its name.
    fn of(&self, repository: &str) -> BTreeMap<String, (String, Vec<u8>)> {
        let prefix = format!("/v2/{repository}/");
        let store = self.store.lock().unwrap();
        store.iter().filter_map(|(path, what)| Some((path.strip_prefix(&prefix)?.to_owned(), what.clone()))).collect()
    }

    /// The paths of all requests so far that wrote something, in order.
    fn writes(&self) -> Vec<String> {
        let wrote = |asked: &Asked| asked.method == "PUT" || asked.method == "POST";
        self.stub.asked().into_iter().filter(wrote).map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

fn answer(store: &Store, mounts: bool, asked: &Asked) -> Answer {
    let mut store = store.lock().unwrap();
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let parameter = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.map(|value| value.replace("%3A", ":"))
    };
    match (asked.method.as_str(), path.strip_suffix("blobs/uploads/")) {
        ("POST", Some(repository)) => {
            let from = parameter("from").zip(parameter("mount")).filter(|_| mounts);
            let blob = from.and_then(|(from, digest)| {
                Some((format!("{repository}blobs/{digest}"), store.get(&format!("/v2/{from}/blobs/{digest}"))?.clone()))
            });
            match blob {
                Some((path, blob)) => drop(store.insert(path, blob)),
                None => return Answer::status(202).header("location", path),
            }
            Answer::status(201)
        }
        ("PUT", Some(repository)) => {
            let name = parameter("digest").unwrap();
            assert_eq!(digest(&asked.body), name, "a registry checks what it is given");
            store.insert(format!("{repository}blobs/{name}"), (String::new(), asked.body.clone()));
            Answer::status(201)
        }
        ("PUT", None) => {
            let kind = asked.header("content-type").unwrap().to_owned();
            let (folder, _) = path.rsplit_once('/').unwrap();
            store.insert(format!("{folder}/{}", digest(&asked.body)), (kind.clone(), asked.body.clone()));
            store.insert(path.to_owned(), (kind, asked.body.clone()));
            Answer::status(201)
        }
        _ => match store.get(path) {
            Some((kind, bytes)) => Answer::ok(bytes.clone())
                .header("content-type", kind)
                .header("docker-content-digest", digest(bytes))
                .header("content-length", bytes.len().to_string()),
            None => Answer::status(404),
        },
    }
}

fn client() -> Client {
    Client::new(Options {
        certs_dir: None,
        request_timeout: Duration::from_millis(500),
        backoff: Duration::from_millis(4),
        ..Options::default()
    })
    .unwrap()
}

#[tokio::test]
async fn a_further_tag_in_the_same_repository_moves_no_blob_and_is_written_once() {
    let registry = Memory::plain().await;
    let text = registry.index();
    let client = client();
    let (from, to) = (registry.image("a/b:1"), registry.image("a/b:v1"));
    assert_eq!(client.retag(&from, &to).await.unwrap(), Retagged::Written);
    assert_eq!(registry.of("a/b")["manifests/v1"], (media_type::OCI_INDEX.to_owned(), text.clone().into_bytes()));
    assert_eq!(registry.stub.asked().len(), 3);

    assert_eq!(client.retag(&from, &to).await.unwrap(), Retagged::Already);
    assert_eq!(registry.writes(), ["PUT /v2/a/b/manifests/v1"]);

    let by_digest = registry.image(&format!("a/b@{}", digest(text.as_bytes())));
    registry.put(&format!("a/b/manifests/{}", digest(text.as_bytes())), media_type::OCI_INDEX, text.as_bytes());
    assert_eq!(client.retag(&by_digest, &registry.image("a/b:v2")).await.unwrap(), Retagged::Written);
}

#[tokio::test]
async fn what_is_not_there_gets_no_tag() {
    let registry = Memory::plain().await;
    let (from, to) = (registry.image("a/b:1"), registry.image("a/b:v1"));
    assert_eq!(client().retag(&from, &to).await.unwrap_err().code(), "registry::absent");
    assert_eq!(client().copy(&from, &to).await.unwrap(), None);
    let elsewhere = registry.image("a/c:1");
    assert_eq!(client().retag(&from, &elsewhere).await.unwrap_err().code(), "registry::other_repository");
    assert!(registry.writes().is_empty());
}

#[tokio::test]
async fn an_index_is_copied_whole_from_below_and_byte_by_byte() {
    let (there, here) = (Memory::plain().await, Memory::plain().await);
    let text = there.index();
    let copied = client().copy(&there.image("a/b:1"), &here.image("c/d:2")).await.unwrap().unwrap();
    let mut expected = there.of("a/b");
    let index = expected.remove("manifests/1").unwrap();
    expected.insert(format!("manifests/{}", digest(text.as_bytes())), index.clone());
    expected.insert("manifests/2".to_owned(), index);
    assert_eq!(here.of("c/d"), expected);

    assert_eq!(copied.descriptor.digest, digest(text.as_bytes()));
    assert_eq!(
        (copied.tag, copied.moved.manifests, copied.moved.mounted, copied.moved.transferred),
        (Retagged::Written, 4, 0, 5)
    );
    assert_eq!(copied.moved.bytes, 2 + 3 + 3 + 4 + 3);
    let writes = here.writes();
    assert_eq!(writes.last().map(String::as_str), Some("PUT /v2/c/d/manifests/2"));
    assert!(there.writes().is_empty());

    let again = client().copy(&there.image("a/b:1"), &here.image("c/d:2")).await.unwrap().unwrap();
    assert_eq!((again.tag, again.moved.manifests), (Retagged::Already, 0));
    assert_eq!(here.writes(), writes);
}

#[tokio::test]
async fn on_one_registry_blobs_are_mounted_and_where_that_is_refused_they_are_moved() {
    for (mounts, tries) in [(true, 5), (false, 1)] {
        let registry = Memory::start(mounts, |_| None).await;
        registry.index();
        let copied = client().copy(&registry.image("a/b:1"), &registry.image("c/d:1")).await.unwrap().unwrap();
        assert_eq!((copied.moved.mounted, copied.moved.transferred), if mounts { (5, 0) } else { (0, 5) });
        let mounted = registry.writes().iter().filter(|write| write.contains("?mount=")).count();
        // Two blobs of one manifest may be on their way when the first refusal comes.
        assert!((tries..=tries + 1).contains(&mounted), "{mounted}");
        let blobs = |repository| registry.of(repository).into_iter().filter(|(path, _)| path.starts_with("blobs"));
        assert!(blobs("a/b").eq(blobs("c/d")));
    }
}

#[tokio::test]
async fn a_mount_is_asked_for_with_a_token_that_may_read_there() {
    let registry = Memory::start(true, |asked| {
        if asked.path.starts_with("/token?") {
            let scopes = asked.path.matches("scope=").count();
            return Some(Answer::ok(format!(r#"{{"token":"scopes-{scopes}","expires_in":300}}"#)));
        }
        let challenge = format!(r#"Bearer realm="http://{}/token",service="s""#, asked.header("host").unwrap());
        match asked.header("authorization") {
            None => Some(Answer::status(401).header("www-authenticate", challenge)),
            Some("Bearer scopes-2") => None,
            Some(_) if asked.path.contains("?mount=") => Some(Answer::status(403)),
            Some(_) => None,
        }
    })
    .await;
    registry.index();
    let copied = client().copy(&registry.image("a/b:1"), &registry.image("c/d:1")).await.unwrap().unwrap();
    assert_eq!((copied.moved.mounted, copied.moved.transferred), (5, 0));
}

#[tokio::test]
async fn content_that_is_not_what_it_is_called_is_not_passed_on() {
    let (there, here) = (Memory::plain().await, Memory::plain().await);
    there.index();
    there.put(&format!("a/b/blobs/{}", digest(b"two")), "", b"owt");
    let problem = client().copy(&there.image("a/b:1"), &here.image("c/d:1")).await.unwrap_err();
    assert_eq!(problem.code(), "registry::digest_mismatch");
    there.put(&format!("a/b/blobs/{}", digest(b"two")), "", b"two and more");
    let problem = client().copy(&there.image("a/b:1"), &here.image("c/d:1")).await.unwrap_err();
    assert_eq!(problem.code(), "registry::too_large");
    assert!(!here.of("c/d").contains_key("manifests/1"));
    assert!(!here.of("c/d").contains_key(&format!("blobs/{}", digest(b"two"))));
}

#[tokio::test]
async fn a_part_that_is_gone_fails_the_copy_which_then_goes_on_where_it_was() {
    let (there, here) = (Memory::plain().await, Memory::plain().await);
    there.index();
    let path = format!("/v2/a/b/blobs/{}", digest(b"two"));
    let gone = there.store.lock().unwrap().remove(&path).unwrap();
    let copy = || async { client().copy(&there.image("a/b:1"), &here.image("c/d:1")).await };
    let problem = copy().await.unwrap_err();
    assert_eq!(problem.code(), "registry::absent");
    assert!(problem.to_string().contains(&format!("/a/b@{}", digest(b"two"))), "{problem}");
    let before = here.writes().len();

    there.store.lock().unwrap().insert(path, gone);
    let copied = copy().await.unwrap().unwrap();
    assert_eq!((copied.moved.manifests, copied.moved.transferred), (3, 3));
    // Each blob is begun and sent; then three manifests and the tag.
    assert_eq!(here.writes().len() - before, 3 * 2 + 4);
    assert_eq!(there.stub.count("GET", &format!("/v2/a/b/blobs/{}", digest(b"one"))), 1, "not read again");
}

#[tokio::test]
async fn a_download_that_breaks_off_and_an_upload_that_fails_are_done_again() {
    let there = Memory::start(false, |asked| {
        let layer = asked.method == "GET" && asked.path.ends_with(&digest(b"one"));
        (layer && asked.before == 0).then(|| Answer::ok("on").header("content-length", "3"))
    })
    .await;
    let here = Memory::start(false, |asked| {
        (asked.method == "PUT" && asked.path.contains("/uploads/") && asked.before == 0).then(|| Answer::status(503))
    })
    .await;
    there.index();
    client().copy(&there.image("a/b:1"), &here.image("c/d:1")).await.unwrap().unwrap();
    assert_eq!(there.stub.count("GET", &format!("/v2/a/b/blobs/{}", digest(b"one"))), 2);
    assert_eq!(here.of("c/d")[&format!("blobs/{}", digest(b"one"))].1, b"one");
}

#[tokio::test]
async fn a_layer_that_lies_elsewhere_stays_there() {
    let (there, here) = (Memory::plain().await, Memory::plain().await);
    let foreign = format!(r#"{{"mediaType":"x","digest":"{}","size":1,"urls":["https://x/"]}}"#, digest(b"foreign"));
    let config = there.blob("a/b", b"{}");
    let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{foreign}]}}"#);
    there.put("a/b/manifests/1", media_type::OCI_MANIFEST, text.as_bytes());
    let copied = client().copy(&there.image("a/b:1"), &here.image("c/d:1")).await.unwrap().unwrap();
    assert_eq!((copied.moved.manifests, copied.moved.transferred), (0, 1));
}
