//! What a registry is asked, and what its answers are taken for.

use super::*;
use crate::presence::{KEY_LABEL, KeyLabel, ask};
use crate::problem::Class;
use crate::registry::stub::{Answer, Asked, Stub};
use crate::registry::{Options, digest, media_type};

fn client() -> Client {
    let options = Options { certs_dir: None, backoff: std::time::Duration::from_millis(1), ..Options::default() };
    Client::new(options).unwrap()
}

fn manifest(media_type: &str, body: &str) -> Answer {
    Answer::ok(body)
        .header("content-type", media_type)
        .header("docker-content-digest", digest(body.as_bytes()))
        .header("content-length", body.len().to_string())
}

/// An image manifest, and the configuration that it names.
fn image() -> (String, &'static str) {
    let config = r#"{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}"#;
    let descriptor =
        format!(r#"{{"mediaType": "c", "digest": "{}", "size": {}}}"#, digest(config.as_bytes()), config.len());
    (format!(r#"{{"schemaVersion": 2, "config": {descriptor}, "layers": []}}"#), config)
}

/// What is asked about so many packages, each on one platform.
async fn asked(stub: &Stub, packages: usize) -> (Vec<Asked>, BTreeMap<String, Registered>) {
    let question = |number| {
        let image: Reference = format!("{}/org/p{number}:1", stub.address).parse().unwrap();
        Question { platforms: [Platform::linux("amd64")].into(), ..Question::new(image, true) }
    };
    let questions: Vec<Question> = (0..packages).map(question).collect();
    let no_engine = registry::Error::Refused { host: "e".to_owned(), about: "e".to_owned() };
    let places = Places {
        engine: Err(Problem::from(no_engine)),
        client: Some(&client()),
        registry: None,
        layout: None,
        trust: None,
        signer: None,
    };
    let facts = ask(&questions, &places).await;
    let engine = matches!(&facts.builder, Fact::Unknown(problem) if problem.class() == Class::Infrastructure);
    assert!(engine, "nobody else is asked");
    (stub.asked(), facts.registry)
}

/// The key of the image.
fn key() -> KeyLabel {
    KeyLabel { name: "org/image".to_owned(), platform: Platform::linux("amd64"), hash: "0".repeat(64) }
}

/// An index that lists an image for amd64, with these annotations.
fn index_of(image: &str, annotations: &serde_json::Value) -> String {
    let entry = serde_json::json!({
        "mediaType": media_type::OCI_MANIFEST,
        "digest": digest(image.as_bytes()),
        "size": image.len(),
        "platform": {"architecture": "amd64", "os": "linux"},
        "annotations": annotations,
    });
    serde_json::json!({"schemaVersion": 2, "manifests": [entry]}).to_string()
}

#[tokio::test]
async fn what_is_there_takes_two_requests_a_package_one_for_the_index_and_one_for_the_tag_of_the_architecture() {
    let (image, _) = image();
    let index = index_of(&image, &serde_json::json!({KEY_LABEL: key().to_string()}));
    let stub = Stub::start(move |asked| match asked.path.rsplit('/').next() {
        Some("1") => manifest(media_type::OCI_INDEX, &index),
        Some("1-amd64") => manifest(media_type::OCI_MANIFEST, &image),
        _ => Answer::status(404),
    })
    .await;
    for packages in [1, 40] {
        let before = stub.asked().len();
        let (asked, facts) = asked(&stub, packages).await;
        let asked: BTreeSet<String> =
            asked[before..].iter().map(|one| format!("{} {}", one.method, one.path)).collect();
        let expected = (0..packages).flat_map(|number| {
            let manifests = format!("/v2/org/p{number}/manifests");
            [format!("GET {manifests}/1"), format!("HEAD {manifests}/1-amd64")]
        });
        assert_eq!(asked, expected.collect());
        assert_eq!(stub.asked().len() - before, 2 * packages, "each of them once");
        let there = |registered: &Registered| {
            registered.index.found().is_some_and(|listed| listed.len() == 1)
                && registered.arch_tags.values().all(|fact| fact.found().is_some_and(|found| found.key.is_some()))
        };
        assert!(facts.len() == packages && facts.values().all(there));
    }
}

/// An image with a key in its configuration, listed by an index without annotations; `tag-arch` is this, if anything. All facts
/// that came of it, and the number of requests. The configuration is answered for like this, or as it is.
async fn silent_index(tag_arch: Option<&str>, answer: Option<Answer>) -> (Registered, usize) {
    let config = serde_json::json!({"architecture": "amd64", "os": "linux",
        "config": {"Labels": {KEY_LABEL: key().to_string()}}})
    .to_string();
    let descriptor = serde_json::json!({"mediaType": "c", "digest": digest(config.as_bytes()), "size": config.len()});
    let image = serde_json::json!({"schemaVersion": 2, "config": descriptor, "layers": []}).to_string();
    let tag_arch = match tag_arch {
        Some("index") => Some((media_type::OCI_INDEX, index_of(&image, &serde_json::json!({})) + " ")),
        Some(_) => Some((media_type::OCI_MANIFEST, image.clone())),
        None => None,
    };
    let index = index_of(&image, &serde_json::json!({}));
    let stub = Stub::start(move |asked| match (asked.path.rsplit('/').next().unwrap_or_default(), &tag_arch) {
        ("1", _) => manifest(media_type::OCI_INDEX, &index),
        (name, Some((kind, text))) if name == "1-amd64" || name == digest(text.as_bytes()) => manifest(kind, text),
        (name, _) if name == digest(image.as_bytes()) => manifest(media_type::OCI_MANIFEST, &image),
        (name, _) if name == digest(config.as_bytes()) => answer.clone().unwrap_or_else(|| Answer::ok(&*config)),
        _ => Answer::status(404),
    })
    .await;
    let (asked, facts) = asked(&stub, 1).await;
    (facts.into_values().next().unwrap(), asked.len())
}

#[tokio::test]
async fn an_index_without_annotations_hides_no_key() {
    // The index of `tag-arch` is one more, and the image is read once whoever names it.
    for (tag_arch, requests) in [(None, 4), (Some("image"), 4), (Some("index"), 5)] {
        let (registered, asked) = silent_index(tag_arch, None).await;
        let listed = registered.index.found().unwrap().values().next().unwrap();
        assert_eq!(listed.key, Some(key()));
        let tagged = registered.arch_tags.values().next().unwrap();
        assert_eq!(tagged.found().map(|found| found.key.clone()), tag_arch.map(|_| Some(key())));
        assert_eq!(asked, requests, "{tag_arch:?}");
    }
}

#[tokio::test]
async fn what_an_index_without_annotations_lists_is_unknown_where_its_label_cannot_be_read() {
    let (refused, _) = silent_index(Some("image"), Some(Answer::status(403))).await;
    assert!(matches!(refused.index, Fact::Unknown(_)));
    assert!(refused.arch_tags.values().all(|fact| matches!(fact, Fact::Unknown(_))));
    let (gone, _) = silent_index(None, Some(Answer::status(404))).await;
    assert!(gone.index.found().unwrap().is_empty(), "an image without its configuration is none");
}

#[tokio::test]
async fn an_image_that_no_index_lists_is_fetched_once_with_its_configuration() {
    let (image, config) = image();
    let stub = Stub::start(move |asked| match (asked.method.as_str(), asked.path.rsplit('/').next()) {
        (_, Some("1" | "1-amd64")) => manifest(media_type::OCI_MANIFEST, &image),
        (_, Some(name)) if name == digest(config.as_bytes()) => Answer::ok(config),
        _ => Answer::status(404),
    })
    .await;
    let (asked, facts) = asked(&stub, 1).await;
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert!(facts.values().all(|registered| registered.index.found().is_some_and(|index| index.len() == 1)));
}

/// A registry with `org/image:1-amd64` alone, whose configuration it answers like this.
async fn registered(config: Answer) -> Fact<Found> {
    let digest_of_config = digest(b"config");
    let manifest = format!(
        r#"{{"schemaVersion": 2, "config": {{"mediaType": "c", "digest": "{digest_of_config}", "size": 6}}, "layers": []}}"#
    );
    let digest_of_manifest = digest(manifest.as_bytes());
    let stub = Stub::start(move |asked| match asked.path.rsplit('/').next() {
        Some(name) if name == "1-amd64" || name == digest_of_manifest => {
            self::manifest(media_type::OCI_MANIFEST, &manifest)
        }
        Some(name) if name == digest_of_config => config.clone(),
        _ => Answer::status(404),
    })
    .await;
    let image: Reference = format!("{}/org/image:1", stub.address).parse().unwrap();
    let platform = Platform::linux("amd64");
    let mut question = Question::new(image.clone(), true);
    question.platforms.insert(platform.clone());
    let asked = ask_one(&client(), &image, &question).await;
    assert!(asked.index.is_no());
    asked.arch_tags[&platform].clone()
}

#[tokio::test]
async fn an_image_whose_label_cannot_be_read_is_unknown() {
    for answer in [Answer::status(403), Answer::ok("config")] {
        assert!(matches!(registered(answer).await, Fact::Unknown(_)));
    }
    assert!(registered(Answer::status(404)).await.is_no(), "an image without its configuration is none");
}
