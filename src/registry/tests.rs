//! The client against a registry that behaves as each test says.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::stub::{Answer, Asked, Stub};
use super::*;
use crate::image::Reference;
use crate::problem::{Class, Problem};

const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn options() -> Options {
    Options {
        certs_dir: None,
        request_timeout: Duration::from_millis(300),
        probe_timeout: Duration::from_millis(300),
        backoff: Duration::from_millis(4),
        ..Options::default()
    }
}

fn client() -> Client {
    Client::new(options()).unwrap()
}

fn image(stub: &Stub) -> Reference {
    format!("{}/org/image:1", stub.address).parse().unwrap()
}

fn manifest(body: &str) -> Answer {
    Answer::ok(body)
        .header("content-type", media_type::OCI_INDEX)
        .header("docker-content-digest", digest(body.as_bytes()))
        .header("content-length", body.len().to_string())
}

/// The problem of HEAD and of GET, which has to be the same, and of the infrastructure.
async fn problem(client: &Client, image: &Reference) -> Problem {
    let problem = client.head(image).await.unwrap_err();
    assert_eq!(problem.class(), Class::Infrastructure);
    assert!(problem.diagnostic().help().is_some());
    let other = client.manifest(image).await.unwrap_err();
    assert_eq!(problem.code(), other.code());
    problem
}

fn docker_config(directory: &Path, host: &str, entry: &str) -> Options {
    std::fs::write(directory.join("config.json"), format!(r#"{{"auths": {{"{host}": {entry}}}}}"#)).unwrap();
    Options { docker_config: Some(directory.to_owned()), ..options() }
}

/// The entry of a config.json for user `user` with password `secret`.
const LOGIN: &str = r#"{"auth": "dXNlcjpzZWNyZXQ="}"#;
/// What that login is in a header.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

#[tokio::test]
async fn what_is_there_is_described_by_head_and_given_by_get() {
    let stub = Stub::start(|_| manifest(INDEX)).await;
    let head = client().head(&image(&stub)).await.unwrap().unwrap();
    let whole = client().manifest(&image(&stub)).await.unwrap().unwrap();
    assert_eq!(head, whole.descriptor);
    assert_eq!(whole.bytes, INDEX.as_bytes());
    assert_eq!(head.digest, digest(INDEX.as_bytes()));
    let accepted = stub.asked()[0].header("accept").unwrap().to_owned();
    for kind in media_type::ALL {
        assert!(accepted.contains(kind), "{accepted}");
    }
}

#[tokio::test]
async fn not_found_is_the_only_no() {
    let stub = Stub::start(|_| Answer::status(404).body(r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)).await;
    assert_eq!(client().head(&image(&stub)).await.unwrap(), None);
    assert_eq!(client().manifest(&image(&stub)).await.unwrap(), None);
    let blob = digest(b"x");
    assert_eq!(client().blob(&image(&stub), &blob).await.unwrap(), None);
    assert!(!client().has_blob(&image(&stub), &blob).await.unwrap());
}

#[tokio::test]
async fn every_other_status_is_an_error_of_its_own_kind() {
    for (status, code) in [
        (401, "registry::unauthorized"),
        (403, "registry::denied"),
        (405, "registry::not_allowed"),
        (429, "registry::rate_limited"),
        (500, "registry::server_error"),
        (503, "registry::server_error"),
        (400, "registry::unexpected_status"),
        (204, "registry::unexpected_status"),
        (302, "registry::unexpected_status"),
    ] {
        let stub = Stub::start(move |_| Answer::status(status)).await;
        assert_eq!(problem(&client(), &image(&stub)).await.code(), code, "{status}");
    }
}

#[tokio::test]
async fn what_the_registry_says_is_in_the_message_and_the_login_in_the_help() {
    let stub =
        Stub::start(|_| Answer::status(403).body(r#"{"errors":[{"code":"DENIED","message":"paid only"}]}"#)).await;
    let problem = client().manifest(&image(&stub)).await.unwrap_err();
    assert!(problem.to_string().ends_with("`: `DENIED paid only`"), "{problem}");
    let help = problem.diagnostic().help().unwrap().to_string();
    assert!(help.contains(&format!("docker login {}", stub.address)) && help.contains("--assume-missing"), "{help}");
}

#[tokio::test]
async fn a_registry_that_recovers_is_asked_again() {
    for status in [429, 500, 502, 503, 504] {
        let stub =
            Stub::start(move |asked| if asked.before < 3 { Answer::status(status) } else { manifest(INDEX) }).await;
        assert!(client().head(&image(&stub)).await.unwrap().is_some());
        assert_eq!(stub.asked().len(), 4);
    }
}

#[tokio::test]
async fn four_attempts_are_all() {
    let stub = Stub::start(|_| Answer::status(503)).await;
    assert!(client().head(&image(&stub)).await.is_err());
    assert_eq!(stub.asked().len(), 4);
}

#[tokio::test]
async fn retry_after_is_waited_for_unless_it_is_too_long() {
    let limited = |seconds: &'static str| {
        move |asked: &Asked| {
            if asked.before == 0 { Answer::status(429).header("retry-after", seconds) } else { manifest(INDEX) }
        }
    };
    let stub = Stub::start(limited("1")).await;
    let start = Instant::now();
    assert!(client().head(&image(&stub)).await.unwrap().is_some());
    assert!(start.elapsed() >= Duration::from_secs(1));

    let stub = Stub::start(limited("3600")).await;
    let problem = client().head(&image(&stub)).await.unwrap_err();
    assert!(problem.to_string().contains("retry after 3600 s"), "{problem}");
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image: Reference = format!("{}/a/b:1", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    assert_eq!(problem(&client(), &image).await.code(), "registry::refused");
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout_and_asked_again() {
    let stub = Stub::start(|_| manifest(INDEX).after(Duration::from_mins(1))).await;
    let problem = client().head(&image(&stub)).await.unwrap_err();
    assert_eq!(problem.code(), "registry::timeout");
    assert_eq!(stub.asked().len(), 4);
}

#[tokio::test]
async fn a_host_that_never_answers_is_a_timeout_for_all_who_wait_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image: Reference = format!("{}/a/b:1", listener.local_addr().unwrap()).parse().unwrap();
    let client = client();
    let start = Instant::now();
    for outcome in join_all((0..50).map(|_| client.head(&image))).await {
        assert_eq!(outcome.unwrap_err().code(), "registry::timeout");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_said_so() {
    let image: Reference = "registry.invalid:5000/a/b:1".parse().unwrap();
    let code = client().head(&image).await.unwrap_err().code();
    // Behind a proxy, or without any resolver, it is another error, but never an absence.
    assert!(
        ["registry::dns", "registry::timeout", "registry::connection", "registry::refused"].contains(&code.as_str()),
        "{code}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_manifest_is_nonsense() {
    for body in ["<html>please log in</html>", "", "{}", r#"{"schemaVersion":1,"fsLayers":[]}"#] {
        let stub = Stub::start(move |_| Answer::ok(body).header("content-type", "text/html")).await;
        assert_eq!(problem(&client(), &image(&stub)).await.code(), "registry::nonsense", "{body}");
    }
}

#[tokio::test]
async fn content_with_another_digest_is_a_mismatch() {
    let stub = Stub::start(|_| Answer::ok(INDEX).header("docker-content-digest", digest(b"other"))).await;
    let tagged = image(&stub);
    assert_eq!(client().manifest(&tagged).await.unwrap_err().code(), "registry::digest_mismatch");
    let stub = Stub::start(|_| manifest(INDEX)).await;
    let image = image(&stub);
    let asked: Reference = format!("{}@{}", image.name(), digest(b"asked for")).parse().unwrap();
    assert_eq!(client().head(&asked).await.unwrap_err().code(), "registry::digest_mismatch");
    let blob = client().blob(&tagged, &digest(b"asked for")).await;
    assert_eq!(blob.unwrap_err().code(), "registry::digest_mismatch");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let stub = Stub::start(|_| Answer::ok(vec![b' '; 4 * 1024 * 1024 + 1])).await;
    assert_eq!(client().manifest(&image(&stub)).await.unwrap_err().code(), "registry::too_large");
}

#[tokio::test]
async fn a_head_that_tells_no_digest_or_is_not_done_is_followed_by_a_get() {
    for head in [Answer::status(200), Answer::status(405), Answer::status(200).header("content-type", "text/html")] {
        let stub = Stub::start(move |asked| {
            if asked.method == "HEAD" {
                head.clone()
            } else {
                Answer::ok(INDEX).header("content-type", "application/json")
            }
        })
        .await;
        let found = client().head(&image(&stub)).await.unwrap().unwrap();
        assert_eq!((found.digest, found.media_type.as_str()), (digest(INDEX.as_bytes()), media_type::OCI_INDEX));
    }
}

#[tokio::test]
async fn a_digest_that_cannot_be_checked_is_not_asked_for() {
    let stub = Stub::start(|_| Answer::ok("x")).await;
    for digest in ["sha512:00", "../../_catalog", ""] {
        assert_eq!(client().blob(&image(&stub), digest).await.unwrap_err().code(), "registry::invalid_digest");
    }
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn basic_authentication_is_answered_once_and_then_sent_at_once() {
    let stub = Stub::start(|asked| match asked.header("authorization") {
        Some(BASIC) => manifest(INDEX),
        _ => Answer::status(401).header("www-authenticate", r#"Basic realm="x""#),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
    for _ in 0..3 {
        assert!(client.head(&image(&stub)).await.unwrap().is_some());
    }
    assert_eq!(stub.asked().len(), 4);
    assert_eq!(problem(&self::client(), &image(&stub)).await.code(), "registry::unauthorized");
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_and_shown_nowhere() {
    let stub = Stub::start(|_| Answer::status(401).header("www-authenticate", r#"Basic realm="x""#)).await;
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
    let problem = client.head(&image(&stub)).await.unwrap_err();
    assert_eq!(problem.code(), "registry::unauthorized");
    assert_eq!(stub.asked().len(), 2);
    let shown = format!("{problem} {problem:?} {:?} {client:?}", problem.diagnostic());
    assert!(!shown.contains("secret") && !shown.contains("dXNlcjpzZWNyZXQ"), "{shown}");
}

/// A registry with its token server. `granted` says what the server gives for a scope and an `Authorization`; `answer`
/// is what the registry says to a request with that token.
async fn with_tokens(
    granted: impl Fn(&str, Option<&str>) -> Answer + Send + Sync + 'static,
    answer: impl Fn(&str, &Asked) -> Answer + Send + Sync + 'static,
) -> Stub {
    Stub::start(move |asked| {
        if let Some(query) = asked.path.strip_prefix("/token?") {
            let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            assert!(pairs.contains(&("service".to_owned(), "my registry".to_owned())), "{pairs:?}");
            let scope = pairs.iter().find(|(name, _)| name == "scope").unwrap().1.clone();
            return granted(&scope, asked.header("authorization"));
        }
        match asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) => answer(token, asked),
            None => challenged(asked),
        }
    })
    .await
}

fn challenged(asked: &Asked) -> Answer {
    let realm = format!("http://{}/token", asked.header("host").unwrap());
    let text = format!(r#"Bearer realm="{realm}",service="my registry",scope="repository:org/image:pull""#);
    Answer::status(401).header("www-authenticate", text)
}

fn token(value: &str) -> Answer {
    Answer::ok(format!(r#"{{"token":"{value}","expires_in":300}}"#))
}

#[tokio::test]
async fn without_credentials_a_token_to_pull_is_asked_for() {
    let granted = |scope: &str, authorization: Option<&str>| {
        assert_eq!((scope, authorization), ("repository:org/image:pull", None));
        token("anonymous")
    };
    let stub = with_tokens(granted, |token, _| {
        assert_eq!(token, "anonymous");
        manifest(INDEX)
    })
    .await;
    assert!(client().head(&image(&stub)).await.unwrap().is_some());
}

#[tokio::test]
async fn fifty_requests_at_once_ask_for_one_token() {
    let granted = |_: &str, _: Option<&str>| token("t").after(Duration::from_millis(50));
    let stub = with_tokens(granted, |_, _| manifest(INDEX)).await;
    let (client, image) = (client(), image(&stub));
    let tasks = (0..50).map(|_| {
        let (client, image) = (client.clone(), image.clone());
        tokio::spawn(async move { client.head(&image).await })
    });
    for outcome in join_all(tasks).await {
        assert!(outcome.unwrap().unwrap().is_some());
    }
    assert_eq!(stub.count("GET", "/token"), 1);
    assert!(client.head(&image.with_tag("2")).await.unwrap().is_some());
    assert_eq!(stub.count("GET", "/token"), 1);
    let other: Reference = format!("{}/org/other:1", stub.address).parse().unwrap();
    assert!(client.head(&other).await.unwrap().is_some());
    assert_eq!(stub.count("GET", "/token"), 2);
}

#[tokio::test]
async fn fifty_requests_at_once_fail_with_one_token_server() {
    let granted = |_: &str, _: Option<&str>| Answer::status(403).after(Duration::from_millis(50));
    let stub = with_tokens(granted, |_, _| manifest(INDEX)).await;
    let (client, image) = (client(), image(&stub));
    for outcome in join_all((0..50).map(|_| client.head(&image))).await {
        assert_eq!(outcome.unwrap_err().code(), "registry::denied");
    }
    assert!(stub.count("GET", "/token") <= 2, "{}", stub.count("GET", "/token"));
}

#[tokio::test]
async fn a_registry_that_hides_absent_repositories_admits_it_to_who_might_push() {
    let granted = |scope: &str, authorization: Option<&str>| match (scope, authorization) {
        ("repository:org/image:pull,push", Some(BASIC)) => token("mighty"),
        _ => token("weak"),
    };
    let stub =
        with_tokens(granted, |token, asked| if token == "mighty" { Answer::status(404) } else { challenged(asked) });
    let stub = stub.await;
    let directory = tempfile::tempdir().unwrap();
    let with_login = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
    assert_eq!(with_login.head(&image(&stub)).await.unwrap(), None);
    assert_eq!(problem(&client(), &image(&stub)).await.code(), "registry::unauthorized");
}

#[tokio::test]
async fn who_may_not_push_gets_a_token_to_pull() {
    for status in [400, 401, 403] {
        let granted = move |scope: &str, authorization: Option<&str>| match (scope, authorization) {
            ("repository:org/image:pull", Some(BASIC)) => token("reader"),
            _ => Answer::status(status),
        };
        let stub = with_tokens(granted, |_, _| manifest(INDEX)).await;
        let directory = tempfile::tempdir().unwrap();
        let client = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
        assert!(client.head(&image(&stub)).await.unwrap().is_some());
        let put = client.put_manifest(&image(&stub), media_type::OCI_INDEX, INDEX.into()).await;
        assert!(put.is_err(), "a token to pull is not good for pushing");
    }
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let granted =
        move |_: &str, _: Option<&str>| token(&format!("t{}", count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)));
    let stub =
        with_tokens(granted, |token, asked| if token == "t0" { challenged(asked) } else { manifest(INDEX) }).await;
    assert!(client().head(&image(&stub)).await.unwrap().is_some());
    assert_eq!(stub.count("GET", "/token"), 2);

    let stub = with_tokens(|_, _| token("never"), |_, asked| challenged(asked)).await;
    assert_eq!(client().head(&image(&stub)).await.unwrap_err().code(), "registry::unauthorized");
    assert_eq!((stub.count("GET", "/token"), stub.count("HEAD", "/v2/org/image/manifests/1")), (2, 3));
}

#[tokio::test]
async fn an_expired_token_is_fetched_anew() {
    let granted = |_: &str, _: Option<&str>| Answer::ok(r#"{"access_token":"short","expires_in":0}"#);
    let stub = with_tokens(granted, |_, _| manifest(INDEX)).await;
    let client = client();
    for _ in 0..2 {
        assert!(client.head(&image(&stub)).await.unwrap().is_some());
    }
    assert_eq!(stub.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_token_server_that_is_absent_or_talks_nonsense_is_no_absence() {
    for (answer, code) in [
        (Answer::status(404), "registry::unexpected_status"),
        (Answer::status(503), "registry::server_error"),
        (Answer::ok("{}"), "registry::nonsense"),
        (Answer::ok("<html>"), "registry::nonsense"),
        (Answer::ok(r#"{"token":"two\r\nlines"}"#), "registry::nonsense"),
    ] {
        let redirects = answer.clone();
        let stub = with_tokens(move |_, _| answer.clone(), |_, _| manifest(INDEX)).await;
        let problem = client().head(&image(&stub)).await;
        assert_eq!(problem.map_err(|problem| problem.code()), Err(code.to_owned()), "{redirects:?}");
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let stub = Stub::start(|asked| {
        if asked.path == "/token" && asked.method == "POST" {
            let body = String::from_utf8(asked.body.clone()).unwrap();
            assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=identity"), "{body}");
            assert_eq!(asked.header("authorization"), None);
            return Answer::ok(r#"{"access_token":"exchanged"}"#);
        }
        match asked.header("authorization") {
            Some("Bearer exchanged") => manifest(INDEX),
            _ => challenged(asked),
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let host = stub.address.to_string();
    let client = Client::new(docker_config(directory.path(), &host, r#"{"identitytoken": "identity"}"#)).unwrap();
    assert!(client.head(&image(&stub)).await.unwrap().is_some());
    let credentials = client.credentials(&host).await.unwrap().unwrap();
    assert_eq!(credentials.identity_token.as_deref(), Some("identity"));
}

#[tokio::test]
async fn an_identity_token_does_not_follow_a_redirect() {
    let stub = Stub::start(|asked| {
        if asked.path == "/token" { Answer::status(307).header("location", "/elsewhere") } else { challenged(asked) }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let config = docker_config(directory.path(), &stub.address.to_string(), r#"{"identitytoken": "identity"}"#);
    let problem = Client::new(config).unwrap().head(&image(&stub)).await.unwrap_err();
    assert_eq!(problem.code(), "registry::unexpected_status");
    assert_eq!(stub.count("POST", "/elsewhere"), 0);
}

#[tokio::test]
async fn credentials_are_not_given_to_a_token_server_over_plain_http() {
    let stub = Stub::start(|_| {
        Answer::status(401).header("www-authenticate", r#"Bearer realm="http://auth.example/token",service="x""#)
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
    let problem = client.head(&image(&stub)).await.unwrap_err();
    assert!(problem.to_string().contains("plain HTTP"), "{problem}");
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_authorization_and_an_absence_elsewhere_is_no_no() {
    let elsewhere = Stub::start(|asked| {
        assert_eq!(asked.header("authorization"), None);
        if asked.path == "/there" { Answer::ok("blob") } else { Answer::status(404) }
    })
    .await;
    let address = elsewhere.address;
    let stub = Stub::start(move |asked| match asked.header("authorization") {
        Some(BASIC) => {
            let there = asked.path.ends_with(&digest(b"blob"));
            let path = if there { "there" } else { "gone" };
            Answer::status(307).header("location", format!("http://{address}/{path}"))
        }
        _ => Answer::status(401).header("www-authenticate", r#"Basic realm="x""#),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(docker_config(directory.path(), &stub.address.to_string(), LOGIN)).unwrap();
    assert_eq!(client.blob(&image(&stub), &digest(b"blob")).await.unwrap().as_deref(), Some(&b"blob"[..]));
    assert!(client.blob(&image(&stub), &digest(b"gone")).await.is_err());
    assert_eq!(elsewhere.asked().len(), 2);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let stub = Stub::start(|asked| Answer::status(302).header("location", asked.path.clone())).await;
    assert_eq!(client().manifest(&image(&stub)).await.unwrap_err().code(), "registry::nonsense");
}

#[tokio::test]
async fn a_manifest_is_written_again_when_the_registry_stumbles() {
    let stub = Stub::start(|asked| {
        assert_eq!(asked.header("content-type"), Some(media_type::OCI_INDEX));
        assert_eq!(asked.body, INDEX.as_bytes());
        Answer::status(if asked.before == 0 { 502 } else { 201 })
    })
    .await;
    let written = client().put_manifest(&image(&stub), media_type::OCI_INDEX, INDEX.into()).await.unwrap();
    assert_eq!(written.digest, digest(INDEX.as_bytes()));
    assert_eq!(stub.count("PUT", "/v2/org/image/manifests/1"), 2);

    let other: Reference = format!("{}/a/b@{}", stub.address, digest(b"other")).parse().unwrap();
    let problem = client().put_manifest(&other, media_type::OCI_INDEX, INDEX.into()).await.unwrap_err();
    assert_eq!(problem.code(), "registry::digest_mismatch");
    assert_eq!(stub.asked().len(), 2);
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_in_flight() {
    let stub = Stub::start(|_| manifest(INDEX).after(Duration::from_millis(50))).await;
    let client = Client::new(Options { concurrency: 2, ..options() }).unwrap();
    let image = image(&stub);
    let start = Instant::now();
    for outcome in join_all((0..8).map(|_| client.head(&image))).await {
        assert!(outcome.unwrap().is_some());
    }
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

/// A client that reads the images of `origin` from each of `mirrors` first.
fn mirrored(origin: &Stub, mirrors: &[String]) -> Client {
    let mirrors = [(origin.address.to_string(), mirrors.to_vec())].into();
    Client::new(Options { mirrors, attempts: 1, ..options() }).unwrap()
}

#[tokio::test]
async fn what_a_mirror_has_is_read_from_it_alone() {
    let origin = Stub::start(|_| Answer::status(500)).await;
    let mirror =
        Stub::start(|asked| if asked.path.contains("/blobs/") { Answer::ok("x") } else { manifest(INDEX) }).await;
    let client = mirrored(&origin, &[format!("{}/hub", mirror.address)]);
    let image = image(&origin);
    let (place, descriptor) = client.find(&image).await.unwrap().unwrap();
    assert_eq!(place.to_string(), format!("{}/hub/org/image:1", mirror.address));
    assert_eq!(client.head(&image).await.unwrap(), Some(descriptor));
    assert_eq!(client.manifest(&image).await.unwrap().unwrap().bytes, INDEX.as_bytes());
    assert_eq!(client.blob(&image, &digest(b"x")).await.unwrap().unwrap(), b"x");
    assert_eq!(mirror.count("HEAD", "/v2/hub/org/image/manifests/1"), 2);
    assert!(origin.asked().is_empty());
}

#[tokio::test]
async fn what_no_mirror_has_is_asked_of_the_registry_and_only_it_can_say_no() {
    let empty = || Stub::start(|_| Answer::status(404));
    let origin = Stub::start(|_| manifest(INDEX)).await;
    let (first, second) = (empty().await, empty().await);
    let client = mirrored(&origin, &[first.address.to_string(), second.address.to_string()]);
    let (place, _) = client.find(&image(&origin)).await.unwrap().unwrap();
    assert_eq!(place, image(&origin));
    assert_eq!((first.asked().len(), second.asked().len(), origin.asked().len()), (1, 1, 1));

    let mirror = empty().await;
    let origin = empty().await;
    let client = mirrored(&origin, &[mirror.address.to_string()]);
    assert_eq!(client.head(&image(&origin)).await.unwrap(), None);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_is_out_of_order_is_no_failure_and_is_not_asked_again() {
    let origin = Stub::start(|_| manifest(INDEX)).await;
    let mirror = Stub::start(|_| Answer::status(503)).await;
    let client = mirrored(&origin, &[mirror.address.to_string()]);
    assert!(client.has_mirrors(&image(&origin)));
    for _ in 0..2 {
        assert!(client.manifest(&image(&origin)).await.unwrap().is_some());
    }
    assert_eq!((mirror.asked().len(), origin.asked().len()), (1, 2));
    assert!(!client.has_mirrors(&image(&origin)));
}

#[tokio::test]
async fn a_mirror_gets_the_credentials_for_its_own_host() {
    let origin = Stub::start(|_| Answer::status(500)).await;
    let mirror = Stub::start(|asked| match asked.header("authorization") {
        Some(_) => manifest(INDEX),
        None => Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let mirrors = [(origin.address.to_string(), vec![mirror.address.to_string()])].into();
    let options = Options { mirrors, ..docker_config(directory.path(), &mirror.address.to_string(), LOGIN) };
    assert!(Client::new(options).unwrap().head(&image(&origin)).await.unwrap().is_some());
    assert_eq!(mirror.asked().last().unwrap().header("authorization"), Some(BASIC));
}

#[tokio::test]
async fn what_is_to_be_changed_is_read_and_written_at_the_registry_itself() {
    let origin =
        Stub::start(|asked| if asked.method == "PUT" { Answer::status(201) } else { Answer::status(404) }).await;
    let mirror = Stub::start(|_| manifest(INDEX)).await;
    let client = mirrored(&origin, &[mirror.address.to_string()]);
    assert!(client.own_manifest(&image(&origin)).await.unwrap().is_none());
    client.put_manifest(&image(&origin), media_type::OCI_INDEX, INDEX.into()).await.unwrap();
    assert!(mirror.asked().is_empty());
}

#[tokio::test]
async fn that_a_platform_is_not_listed_is_for_the_registry_to_say_and_not_for_an_old_index_of_a_mirror() {
    let listing = |architectures: &[&str]| {
        let entries: Vec<String> = architectures
            .iter()
            .map(|architecture| {
                let (kind, digest) = (media_type::OCI_MANIFEST, digest(architecture.as_bytes()));
                format!(
                    r#"{{"mediaType":"{kind}","digest":"{digest}","size":1,"annotations":{{"org.kitmake.key":"k"}},
                    "platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
                )
            })
            .collect();
        let kind = media_type::OCI_INDEX;
        format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#, entries.join(","))
    };
    let serving = |body: String| {
        Stub::start(move |asked| {
            let listed = ["amd64", "arm64"].into_iter().find(|name| asked.path.ends_with(&digest(name.as_bytes())));
            match listed {
                Some(name) => manifest(name),
                None if asked.path.ends_with("/manifests/1") => manifest(&body),
                None => Answer::status(404),
            }
        })
    };
    let (older, newer) = (listing(&["amd64"]), listing(&["amd64", "arm64"]));
    let whole = [digest(older.as_bytes()), digest(newer.as_bytes())];
    let (mirror, origin) = (serving(older).await, serving(newer).await);
    let client = mirrored(&origin, &[mirror.address.to_string()]);
    for (architecture, asked) in [("amd64", 0), ("arm64", 1)] {
        let platform = crate::image::Platform::linux(architecture);
        let platforms = [platform.clone()].into();
        let mut question = crate::presence::Question::new(image(&origin), true);
        question.platforms = platforms;
        let no_engine = Error::InvalidDigest { digest: String::new() }.into();
        let places = crate::presence::Places {
            engine: Err(no_engine),
            client: Some(&client),
            registry: None,
            layout: None,
            trust: None,
            signer: None,
        };
        let facts = crate::presence::ask(&[question], &places).await;
        assert!(facts.in_index(&image(&origin), &platform).found().is_some(), "{architecture}");
        let as_a_whole = facts.listing(&image(&origin)).map(|listing| &listing.digest);
        assert_eq!(
            as_a_whole.found(),
            Some(&&whole[asked]),
            "what signatures are compared with is what lists the platform"
        );
        assert_eq!(origin.count("GET", "/v2/org/image/manifests/1"), asked, "{architecture}");
    }
}
