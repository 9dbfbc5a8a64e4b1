//! Signing and asking against a registry in memory that others write to as well.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::problem::Class;
use crate::registry::stub::{Answer, Asked, Stub};
use crate::registry::{Options, digest as digest_of};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What a registry has.
#[derive(Default)]
struct Store {
    /// By tag or digest.
    manifests: Mutex<BTreeMap<String, Vec<u8>>>,
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Blobs that are answered with a server error.
    broken: Mutex<Vec<String>>,
    /// How many manifests are still lost after they were taken.
    to_lose: AtomicUsize,
}

impl Store {
    fn answer(&self, asked: &Asked) -> Answer {
        let path = asked.path.split('?').next().unwrap();
        let name = path.rsplit('/').next().unwrap().to_owned();
        let found = |content: Option<Vec<u8>>| content.map_or(Answer::status(404), Answer::ok);
        if path.contains("/manifests/") {
            if asked.method == "PUT" {
                let lost = self.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                if lost.is_err() {
                    self.manifests.lock().unwrap().insert(name, asked.body.clone());
                }
                return Answer::status(201);
            }
            return found(self.manifests.lock().unwrap().get(&name).cloned());
        }
        match asked.method.as_str() {
            "POST" => Answer::status(202).header("location", "/v2/org/image/blobs/uploads/1"),
            "PUT" => {
                self.blobs.lock().unwrap().insert(digest_of(&asked.body), asked.body.clone());
                Answer::status(201)
            }
            _ if self.broken.lock().unwrap().contains(&name) => Answer::status(500),
            _ => found(self.blobs.lock().unwrap().get(&name).cloned()),
        }
    }
}

/// A registry with one repository, and who speaks to it.
struct Bench {
    store: Arc<Store>,
    stub: Stub,
    client: Client,
    image: Reference,
}

impl Bench {
    async fn new() -> Self {
        let store = Arc::new(Store::default());
        let answering = store.clone();
        let stub = Stub::start(move |asked| answering.answer(asked)).await;
        let options =
            Options { certs_dir: None, attempts: 1, probe_timeout: Duration::from_millis(300), ..Options::default() };
        let image = format!("{}/org/image:1", stub.address).parse().unwrap();
        Self { store, stub, client: Client::new(options).unwrap(), image }
    }

    async fn sign(&self, digest: &str, key: &SigningKey) -> Result<bool, Problem> {
        sign(&self.client, &self.image, digest, key).await
    }

    async fn is_signed(&self, digest: &str, key: &SigningKey) -> Result<bool, Problem> {
        is_signed(&self.client, &self.image, digest, &key.public()).await
    }

    /// The manifest of the signatures of a digest.
    fn listing(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.store.manifests.lock().unwrap()[&tag(digest)]).unwrap()
    }

    fn set_listing(&self, digest: &str, manifest: &Value) {
        self.set_manifest(&tag(digest), manifest.to_string());
    }

    fn set_manifest(&self, name: &str, bytes: String) {
        self.store.manifests.lock().unwrap().insert(name.to_owned(), bytes.into_bytes());
    }

    /// Requests that asked for a change.
    fn writes(&self) -> usize {
        self.stub.asked().iter().filter(|asked| !matches!(asked.method.as_str(), "GET" | "HEAD")).count()
    }
}

fn digest(content: &str) -> String {
    digest_of(content.as_bytes())
}

fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_number(number)
}

#[tokio::test]
async fn what_is_signed_once_is_signed_and_not_written_again() {
    let bench = Bench::new().await;
    assert!(!bench.is_signed(&digest("a"), &key(1)).await.unwrap());
    assert!(bench.sign(&digest("a"), &key(1)).await.unwrap());
    assert!(bench.is_signed(&digest("a"), &key(1)).await.unwrap());
    let (before, listing) = (bench.writes(), bench.listing(&digest("a")));
    assert!(!bench.sign(&digest("a"), &key(1)).await.unwrap());
    assert_eq!((bench.writes(), bench.listing(&digest("a"))), (before, listing));
    for (other, by) in [(digest("b"), key(1)), (digest("a"), key(2))] {
        assert!(!bench.is_signed(&other, &by).await.unwrap());
    }
}

#[tokio::test]
async fn the_manifest_is_that_of_cosign() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    let listing = bench.listing(&digest("a"));
    let payload = payload::bytes(&bench.image, &digest("a"));
    let layers = listing["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    assert_eq!(layers[0]["digest"], digest_of(&payload).as_str());
    assert_eq!(layers[0]["size"], payload.len());
    assert_eq!(listing["schemaVersion"], 2);
    assert_eq!(listing["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(listing["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    let blobs = bench.store.blobs.lock().unwrap();
    assert_eq!(blobs[&digest_of(&payload)], payload);
    let config: Value = serde_json::from_slice(&blobs[listing["config"]["digest"].as_str().unwrap()]).unwrap();
    assert_eq!(config["rootfs"], json!({ "type": "layers", "diff_ids": [digest_of(&payload)] }));
}

#[tokio::test]
async fn signatures_by_other_keys_are_kept_and_count_for_them_alone() {
    let bench = Bench::new().await;
    for number in 1..=3 {
        assert!(!bench.is_signed(&digest("a"), &key(number)).await.unwrap());
        assert!(bench.sign(&digest("a"), &key(number)).await.unwrap());
    }
    for number in 1..=3 {
        assert!(bench.is_signed(&digest("a"), &key(number)).await.unwrap());
    }
    assert_eq!(bench.listing(&digest("a"))["layers"].as_array().unwrap().len(), 3);
    // The payload is one and the same, so one question for it is enough for all.
    let payload = digest_of(&payload::bytes(&bench.image, &digest("a")));
    let path = format!("/v2/org/image/blobs/{payload}");
    let before = bench.stub.count("GET", &path);
    assert!(!bench.is_signed(&digest("a"), &key(9)).await.unwrap());
    assert_eq!(bench.stub.count("GET", &path), before + 1);
}

#[tokio::test]
async fn a_signature_of_another_digest_does_not_count() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    bench.set_listing(&digest("b"), &bench.listing(&digest("a")));
    assert!(!bench.is_signed(&digest("b"), &key(1)).await.unwrap());
    assert!(bench.sign(&digest("b"), &key(1)).await.unwrap());
    assert!(bench.is_signed(&digest("b"), &key(1)).await.unwrap());
}

#[tokio::test]
async fn a_signature_under_another_payload_does_not_count() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    bench.sign(&digest("b"), &key(1)).await.unwrap();
    // The payload for one digest with the signature of the payload for the other.
    let mut listing = bench.listing(&digest("b"));
    listing["layers"][0]["annotations"][SIGNATURE] =
        bench.listing(&digest("a"))["layers"][0]["annotations"][SIGNATURE].clone();
    bench.set_listing(&digest("b"), &listing);
    assert!(!bench.is_signed(&digest("b"), &key(1)).await.unwrap());
}

#[tokio::test]
async fn an_overwritten_signature_is_written_again() {
    let bench = Bench::new().await;
    bench.store.to_lose.store(2, Ordering::Relaxed);
    assert!(bench.sign(&digest("a"), &key(1)).await.unwrap());
    assert!(bench.is_signed(&digest("a"), &key(1)).await.unwrap());
}

#[tokio::test]
async fn a_signature_that_never_stays_is_an_error() {
    let bench = Bench::new().await;
    bench.store.to_lose.store(usize::MAX, Ordering::Relaxed);
    let problem = bench.sign(&digest("a"), &key(1)).await.unwrap_err();
    assert_eq!((problem.code().as_str(), problem.class()), ("signature::overwritten", Class::Infrastructure));
}

#[tokio::test]
async fn all_who_sign_at_once_are_listed_in_the_end() {
    let bench = Bench::new().await;
    let (digest, keys) = (digest("a"), [key(1), key(2), key(3)]);
    let signed = futures_util::future::join_all(keys.iter().map(|key| bench.sign(&digest, key))).await;
    assert!(signed.into_iter().all(|signed| signed.unwrap()));
    // Who read before and wrote after all others were done has taken theirs away; they find out when they sign again.
    for key in &keys {
        bench.sign(&digest, key).await.unwrap();
    }
    for key in &keys {
        assert!(bench.is_signed(&digest, key).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_no_list_of_signatures_is_an_error_and_stays() {
    let bench = Bench::new().await;
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [] });
    let layers = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": {}, "layers": {} });
    let broken = "<html>".to_owned();
    for (text, code) in [
        (index.to_string(), "signature::malformed"),
        (layers.to_string(), "signature::malformed"),
        (broken, "registry::nonsense"),
    ] {
        bench.set_manifest(&tag(&digest("a")), text.clone());
        for problem in [
            bench.is_signed(&digest("a"), &key(1)).await.unwrap_err(),
            bench.sign(&digest("a"), &key(1)).await.unwrap_err(),
        ] {
            assert_eq!((problem.code().as_str(), problem.class()), (code, Class::Infrastructure), "{text}");
        }
        assert_eq!(bench.store.manifests.lock().unwrap()[&tag(&digest("a"))], text.as_bytes());
    }
    assert_eq!(bench.writes(), 0);
}

#[tokio::test]
async fn a_question_that_failed_is_no_no_but_a_yes_stays_one() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    // A foreign signature comes first, and the registry does not give its payload.
    let mut listing = bench.listing(&digest("a"));
    let mut foreign = listing["layers"][0].clone();
    foreign["digest"] = json!(digest("foreign"));
    listing["layers"].as_array_mut().unwrap().insert(0, foreign);
    bench.set_listing(&digest("a"), &listing);
    bench.store.broken.lock().unwrap().push(digest("foreign"));
    assert!(bench.is_signed(&digest("a"), &key(1)).await.unwrap());
    assert_eq!(bench.is_signed(&digest("a"), &key(2)).await.unwrap_err().code(), "registry::server_error");
    assert_eq!(bench.sign(&digest("a"), &key(2)).await.unwrap_err().code(), "registry::server_error");
    // What is not there can be no signature.
    bench.store.broken.lock().unwrap().clear();
    assert!(!bench.is_signed(&digest("a"), &key(2)).await.unwrap());
}

#[tokio::test]
async fn foreign_layers_are_passed_over_and_kept() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    let mut listing = bench.listing(&digest("a"));
    let own = listing["layers"][0].clone();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut layer = own.clone();
        change(&mut layer);
        layer
    };
    let foreign = vec![
        json!({}),
        json!("text"),
        changed(&|layer| layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar")),
        changed(&|layer| layer["digest"] = json!("sha512:00")),
        changed(&|layer| layer["digest"] = json!("sha256:../../x")),
        changed(&|layer| layer["size"] = json!(-1)),
        changed(&|layer| layer["size"] = json!(1 << 30)),
        changed(&|layer| layer["annotations"] = json!(null)),
        changed(&|layer| layer["annotations"] = json!({ "other": "annotation" })),
        changed(&|layer| layer["annotations"][SIGNATURE] = json!("no base64")),
        changed(&|layer| layer["annotations"][SIGNATURE] = json!("AAAA")),
        changed(&|layer| layer["annotations"][SIGNATURE] = json!(1)),
        changed(&|layer| layer["annotations"] = json!({ "dev.sigstore.cosign/certificate": "-----BEGIN" })),
    ];
    listing["layers"] = json!(foreign);
    listing["annotations"] = json!({ "kept": "as it is" });
    bench.set_listing(&digest("a"), &listing);
    assert!(!bench.is_signed(&digest("a"), &key(1)).await.unwrap());
    assert!(bench.sign(&digest("a"), &key(1)).await.unwrap());
    let after = bench.listing(&digest("a"));
    assert_eq!(after["layers"].as_array().unwrap()[..foreign.len()], foreign);
    assert_eq!(after["layers"][foreign.len()], own);
    assert_eq!(after["annotations"], listing["annotations"]);
}

#[tokio::test]
async fn what_else_cosign_annotates_to_a_signature_does_not_matter() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    let mut listing = bench.listing(&digest("a"));
    listing["layers"][0]["annotations"]["dev.sigstore.cosign/bundle"] = json!("{}");
    bench.set_listing(&digest("a"), &listing);
    assert!(!bench.sign(&digest("a"), &key(1)).await.unwrap());
}

#[tokio::test]
async fn more_signatures_than_anyone_makes_are_not_looked_at() {
    let bench = Bench::new().await;
    bench.sign(&digest("a"), &key(1)).await.unwrap();
    let mut listing = bench.listing(&digest("a"));
    listing["layers"] = json!(vec![listing["layers"][0].clone(); listing::MOST + 1]);
    bench.set_listing(&digest("a"), &listing);
    assert_eq!(bench.is_signed(&digest("a"), &key(2)).await.unwrap_err().code(), "signature::too_many");
}

#[tokio::test]
async fn only_a_sha_256_digest_has_signatures() {
    let bench = Bench::new().await;
    let short = &digest("a")[..70];
    for wrong in ["", "latest", short, &digest("a").to_uppercase(), &format!("sha512:{}", "0".repeat(128))] {
        assert_eq!(bench.sign(wrong, &key(1)).await.unwrap_err().code(), "signature::digest", "{wrong}");
        assert_eq!(bench.is_signed(wrong, &key(1)).await.unwrap_err().code(), "signature::digest", "{wrong}");
    }
    assert!(bench.stub.asked().is_empty());
}

#[tokio::test]
async fn an_audit_looks_at_the_index_and_at_each_image_in_it() {
    let bench = Bench::new().await;
    let audited = async |bench: &Bench| {
        let audited = audit(&bench.client, &bench.image, &key(1).public()).await;
        let word = |state: &State| match state {
            State::Signed => "signed".to_owned(),
            State::OtherKey => "other key".to_owned(),
            State::Unsigned => "unsigned".to_owned(),
            State::NotThere => "not there".to_owned(),
            State::Unknown(problem) => problem.code(),
        };
        let line = |audited: &Audited| {
            let platform = audited.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{platform} {}", word(&audited.state))
        };
        audited.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(audited(&bench).await, [" not there"]);

    let entry = |content: &str, os: &str, architecture: &str| {
        let platform = json!({ "os": os, "architecture": architecture });
        json!({ "mediaType": media_type::OCI_MANIFEST, "digest": digest(content), "size": 1, "platform": platform })
    };
    let mut attestation = entry("attestation", "unknown", "unknown");
    attestation["annotations"] = json!({ "vnd.docker.reference.digest": digest("amd64") });
    let entries = [entry("amd64", "linux", "amd64"), entry("arm64", "linux", "arm64"), attestation];
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries }).to_string();
    bench.set_manifest("1", index.clone());
    assert_eq!(audited(&bench).await, [" unsigned", "linux/amd64 unsigned", "linux/arm64 unsigned"]);

    bench.sign(&digest_of(index.as_bytes()), &key(1)).await.unwrap();
    bench.sign(&digest("amd64"), &key(1)).await.unwrap();
    bench.sign(&digest("arm64"), &key(2)).await.unwrap();
    assert_eq!(audited(&bench).await, [" signed", "linux/amd64 signed", "linux/arm64 other key"]);

    bench.set_manifest(&tag(&digest("arm64")), "<html>".to_owned());
    assert_eq!(audited(&bench).await, [" signed", "linux/amd64 signed", "linux/arm64 registry::nonsense"]);
    bench.set_manifest("1", "<html>".to_owned());
    assert_eq!(audited(&bench).await, [" registry::nonsense"]);
}
