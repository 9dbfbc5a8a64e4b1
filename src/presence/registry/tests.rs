//! What a registry is asked, and what its answers are taken for.

use super::*;
use crate::presence::ask;
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

#[tokio::test]
async fn what_is_there_takes_two_requests_a_package_one_for_the_index_and_one_for_the_tag_of_the_architecture() {
    let (image, _) = image();
    let index = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "{}", "digest": "{}", "size": {},
            "platform": {{"architecture": "amd64", "os": "linux"}}}}]}}"#,
        media_type::OCI_MANIFEST,
        digest(image.as_bytes()),
        image.len()
    );
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
                && registered.arch_tags.values().all(|fact| fact.found().is_some())
        };
        assert!(facts.len() == packages && facts.values().all(there));
    }
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
