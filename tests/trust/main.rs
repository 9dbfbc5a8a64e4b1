//! Signing against a real notary server, with the notary client itself as the independent witness.
//!
//! notary, openssl, skopeo and docker-registry must be installed; `tests/run.sh` sees to that. Server and registry listen on
//! 127.0.0.1, and what they keep goes away with the test.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod logins;
mod push;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kitmake::image::Reference;
use kitmake::problem::Problem;
use kitmake::registry::{Client, Credentials, digest, media_type};
use kitmake::secret::Secret;
use kitmake::trust::{Options, Signed, Trust};
use logins::Logins;
use server::{DELEGATION_PASSPHRASE, Server};
use tokio::sync::mpsc;

/// An image that is nowhere; its trust data is all that these tests are about.
const IMAGE: &str = "docker.io/acme/thing";

fn image(tag: &str) -> Reference {
    format!("acme/thing:{tag}").parse().unwrap()
}

/// Something to sign.
fn signed(of: &str) -> Signed {
    Signed { digest: digest(of.as_bytes()), size: of.len() as u64 }
}

/// Options for a directory of its own with the delegation key in it.
fn options(server: &Server) -> Options {
    Options {
        server: Some(server.url()),
        ca_file: Some(server.ca_file()),
        passphrase: Some(Secret::new(DELEGATION_PASSPHRASE)),
        ..Options::new(server.directory_with_key())
    }
}

async fn add(trust: &Trust, image: &Reference, what: &Signed) -> Result<Vec<String>, Problem> {
    add_as(trust, image, what, None).await
}

async fn add_as(
    trust: &Trust,
    image: &Reference,
    what: &Signed,
    credentials: Option<&Credentials>,
) -> Result<Vec<String>, Problem> {
    let (sender, mut receiver) = mpsc::channel(64);
    trust.add(image, what.size, &what.digest, credentials, sender).await?;
    let mut lines = Vec::new();
    while let Some(line) = receiver.recv().await {
        lines.push(line);
    }
    Ok(lines)
}

/// A program that does `first` and then is notary. Another process writes it: what this one has open for writing while a
/// test beside starts something cannot be run.
fn wrapped(directory: &Path, first: &str) -> PathBuf {
    let (text, program) = (directory.join("wrapped-notary.sh"), directory.join("wrapped-notary"));
    fs::write(&text, format!("#!/bin/sh\n{first}\nexec notary \"$@\"\n")).unwrap();
    support::run(Command::new("install").args(["-m", "755"]).args([&text, &program]));
    program
}

#[tokio::test]
async fn a_tag_is_signed_with_the_digest_and_size_that_the_registry_has() {
    let (server, registry) = (Server::start(), support::Registry::start());
    let image: Reference = format!("{}/org/image:1", registry.address()).parse().unwrap();
    server.initialise(&image.name());
    server.delegate(&image.name(), "targets/releases");
    let client = Client::new(kitmake::registry::Options::default()).unwrap();
    let config = client.upload_blob(&image, b"{}".to_vec().into()).await.unwrap();
    let config =
        format!(r#"{{"mediaType":"{}","size":2,"digest":"{config}"}}"#, "application/vnd.oci.image.config.v1+json");
    let kind = media_type::OCI_MANIFEST;
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[]}}"#);
    let pushed = client.put_manifest(&image, kind, manifest.into()).await.unwrap();

    let trust = Trust::new(options(&server));
    assert_eq!(trust.signed(&image, None).await.unwrap(), None);
    let what = Signed { digest: pushed.digest, size: pushed.size };
    let log = add(&trust, &image, &what).await.unwrap();
    assert!(log.iter().any(|line| line.starts_with("Successfully published changes")), "{log:?}");

    let raw = support::skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{image}")]);
    let (size, sha256) = (raw.len().to_string(), digest(raw.as_bytes()).replace("sha256:", ""));
    let expected = vec!["1".to_owned(), sha256.clone(), size.clone(), "targets/releases".to_owned()];
    assert_eq!(server.list(&image.name()), [expected]);
    assert_eq!(server.lookup(&image.name(), "1"), format!("1 sha256:{sha256} {size}"));
    assert_eq!(trust.signed(&image, None).await.unwrap(), Some(what.clone()));

    // Once more is nothing to do, and another image under the tag is a new signature.
    assert_eq!(add(&trust, &image, &what).await.unwrap(), Vec::<String>::new());
    add(&trust, &image, &signed("other")).await.unwrap();
    assert_eq!(trust.signed(&image, None).await.unwrap(), Some(signed("other")));
    assert_eq!(server.list(&image.name()).len(), 1);
}

#[tokio::test]
async fn what_nobody_has_signed_is_not_signed() {
    let server = Server::start();
    server.initialise(IMAGE);
    let trust = Trust::new(options(&server));
    assert_eq!(trust.signed(&image("1"), None).await.unwrap(), None);
    let unknown: Reference = "acme/unknown:1".parse().unwrap();
    assert_eq!(trust.signed(&unknown, None).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_is_signed_before_its_owner_has_made_the_trust_data() {
    let server = Server::start();
    let trust = Trust::new(options(&server));
    let problem = add(&trust, &image("1"), &signed("x")).await.unwrap_err();
    assert_eq!(problem.code(), "trust::not_initialised");
    let help = problem.diagnostic().help().unwrap().to_string();
    assert!(help.contains("notary init -p docker.io/acme/thing"), "{help}");
    assert!(!server.knows(IMAGE));

    server.initialise(IMAGE);
    let problem = add(&trust, &image("1"), &signed("x")).await.unwrap_err();
    assert_eq!(problem.code(), "trust::no_delegation");
    server.delegate(IMAGE, "targets/releases");
    add(&trust, &image("1"), &signed("x")).await.unwrap();
}

#[tokio::test]
async fn signatures_count_in_the_roles_that_docker_believes() {
    let server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    server.delegate(IMAGE, "targets/alice");
    let trust = Trust::new(options(&server));
    server.sign(IMAGE, "owner", &signed("by the owner"), "targets");
    assert_eq!(trust.signed(&image("owner"), None).await.unwrap(), Some(signed("by the owner")));
    server.sign(IMAGE, "owner", &signed("released"), "targets/releases");
    assert_eq!(trust.signed(&image("owner"), None).await.unwrap(), Some(signed("released")));

    server.sign(IMAGE, "alice", &signed("by alice"), "targets/alice");
    assert_eq!(trust.signed(&image("alice"), None).await.unwrap(), None);
    // The list shows this name as what looks like columns.
    let forged = digest(b"forged").replace("sha256:", "");
    server.sign(IMAGE, &format!("forged {forged} 6 targets/releases"), &signed("x"), "targets/alice");
    assert_eq!(trust.signed(&image("forged"), None).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_on_disk_is_no_answer_of_a_server_that_is_down() {
    let mut server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let options = options(&server);
    let trust = Trust::new(options.clone());
    add(&trust, &image("1"), &signed("x")).await.unwrap();
    server.stop();
    for tag in ["1", "2"] {
        assert_eq!(trust.signed(&image(tag), None).await.unwrap_err().code(), "trust::unreliable", "{tag}");
    }
    let problem = add(&trust, &image("2"), &signed("y")).await.unwrap_err();
    assert_eq!(problem.code(), "trust::unreliable");
    assert!(server.is_nothing_staged(IMAGE, &options.directory));
    let empty = Options { directory: server.empty_directory(), ..options };
    assert_eq!(Trust::new(empty).signed(&image("1"), None).await.unwrap_err().code(), "trust::unreliable");
}

#[tokio::test]
async fn a_server_that_the_authority_does_not_vouch_for_is_not_believed() {
    let (server, other) = (Server::start(), Server::start());
    server.initialise(IMAGE);
    for ca_file in [Some(other.ca_file()), None] {
        let trust = Trust::new(Options { ca_file, ..options(&server) });
        let problem = trust.signed(&image("1"), None).await.unwrap_err();
        assert_eq!(problem.code(), "trust::unreliable");
        assert!(problem.to_string().contains("certificate"), "{problem}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_is_an_error_without_the_passphrase() {
    let server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let right = options(&server);
    let wrong = Options { passphrase: Some(Secret::new("hunter2-hunter2")), ..right.clone() };
    let without_key = Options { directory: server.empty_directory(), ..right.clone() };
    for options in [&wrong, &without_key] {
        let problem = add(&Trust::new(options.clone()), &image("1"), &signed("x")).await.unwrap_err();
        assert_eq!(problem.code(), "trust::no_key");
        let whole = format!("{problem} {problem:?} {}", problem.diagnostic().help().unwrap());
        assert!(!whole.contains("hunter2") && !whole.contains(DELEGATION_PASSPHRASE), "{whole}");
        assert!(server.is_nothing_staged(IMAGE, &options.directory));
    }
    assert!(!format!("{wrong:?}").contains("hunter2"));
    add(&Trust::new(right), &image("2"), &signed("y")).await.unwrap();
    assert_eq!(server.list(IMAGE).len(), 1);
}

#[tokio::test]
async fn no_process_has_a_secret_among_its_arguments() {
    let logins = Logins::new("carol", "letmein-letmein");
    let server = Server::start_with(|authority| logins.serve(authority));
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("record");
    let recording = format!("tr '\\0' ' ' </proc/$$/cmdline >>{0}; echo >>{0}", record.display());
    let (secret, command) = (directory.path().join("secret"), directory.path().join("passphrase"));
    fs::write(&secret, format!("{DELEGATION_PASSPHRASE}\nsecond line\n")).unwrap();
    fs::write(&command, format!("{recording}\ncat {}\n", secret.display())).unwrap();
    let options = Options {
        program: wrapped(directory.path(), &recording),
        passphrase: None,
        passphrase_command: Some(format!(". {}", command.display())),
        ..options(&server)
    };
    let trust = Trust::new(options);
    trust.check().await.unwrap();
    add_as(&trust, &image("1"), &signed("x"), Some(&logins.credentials())).await.unwrap();

    let record = fs::read_to_string(record).unwrap();
    assert!(record.contains("addhash -p docker.io/acme/thing 1") && record.contains(". /"), "{record}");
    assert_eq!(record.matches("sh -c").count(), 1, "the passphrase is asked for once: {record}");
    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "carol:letmein-letmein");
    for secret in [DELEGATION_PASSPHRASE, "letmein", &login] {
        assert!(!record.contains(secret), "{record}");
    }
}

#[tokio::test]
async fn a_login_is_used_to_read_and_to_sign() {
    let logins = Logins::new("carol", "letmein-letmein");
    let server = Server::start_with(|authority| logins.serve(authority));
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let trust = Trust::new(options(&server));
    let right = logins.credentials();
    assert_eq!(trust.signed(&image("1"), Some(&right)).await.unwrap(), None);
    add_as(&trust, &image("1"), &signed("x"), Some(&right)).await.unwrap();
    assert_eq!(trust.signed(&image("1"), Some(&right)).await.unwrap(), Some(signed("x")));

    let wrong = Credentials { password: "hunter2-hunter2".to_owned(), ..right.clone() };
    for (credentials, known, code) in [
        (None, false, "trust::unauthorized"),
        (Some(&wrong), false, "trust::unauthorized"),
        (None, true, "trust::unauthorized"),
        // Here notary does not say what kept it from the server.
        (Some(&wrong), true, "trust::unreliable"),
    ] {
        let stranger = Trust::new(options(&server));
        let trust = if known { &trust } else { &stranger };
        let problem = trust.signed(&image("1"), credentials).await.unwrap_err();
        assert_eq!(problem.code(), code, "{problem}");
        let problem = add_as(trust, &image("2"), &signed("y"), credentials).await.unwrap_err();
        assert_eq!(problem.code(), code, "{problem}");
        assert!(!format!("{problem} {problem:?}").contains("hunter2"), "{problem}");
    }
    let token = Credentials { identity_token: Some("refresh".to_owned()), ..right };
    let problem = add_as(&trust, &image("2"), &signed("y"), Some(&token)).await.unwrap_err();
    assert_eq!(problem.code(), "trust::identity_token");
}

#[tokio::test]
async fn changes_that_somebody_else_has_staged_are_not_published() {
    let server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let options = options(&server);
    server.stage(IMAGE, "theirs", &signed("z"), &options.directory);
    let trust = Trust::new(options.clone());
    let problem = add(&trust, &image("1"), &signed("x")).await.unwrap_err();
    assert_eq!(problem.code(), "trust::staged");
    assert_eq!(server.list(IMAGE), Vec::<Vec<String>>::new());
    assert!(!server.is_nothing_staged(IMAGE, &options.directory));
}

#[tokio::test]
async fn signatures_at_the_same_time_all_get_in() {
    let server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    // Three machines, and three at once on the first of them.
    let machines: Vec<Trust> = (0..3).map(|_| Trust::new(options(&server))).collect();
    let (images, what) = (["a", "b", "c", "d", "e"].map(image), signed("x"));
    let on = |machine: usize, tag: usize| add(&machines[machine], &images[tag], &what);
    let all = [on(0, 0), on(0, 1), on(0, 2), on(1, 3), on(2, 4)];
    for outcome in futures_util::future::join_all(all).await {
        outcome.unwrap();
    }
    let tags: Vec<String> = server.list(IMAGE).into_iter().map(|line| line[0].clone()).collect();
    assert_eq!(tags, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_signature_that_nobody_waits_for_any_more_is_finished() {
    let server = Server::start();
    server.initialise(IMAGE);
    server.delegate(IMAGE, "targets/releases");
    let directory = tempfile::tempdir().unwrap();
    let begun = directory.path().join("begun");
    let first = format!("case \"$*\" in *addhash*) touch {}; sleep 0.5 ;; esac", begun.display());
    let options = Options { program: wrapped(directory.path(), &first), ..options(&server) };
    let trust = Trust::new(options.clone());
    let task = tokio::spawn(async move { add(&trust, &image("1"), &signed("x")).await });
    let start = Instant::now();
    while !begun.exists() {
        assert!(start.elapsed() < Duration::from_secs(30) && !task.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The next one waits for it.
    assert_eq!(Trust::new(options.clone()).signed(&image("1"), None).await.unwrap(), Some(signed("x")));
    assert!(server.is_nothing_staged(IMAGE, &options.directory));
}

#[tokio::test]
async fn a_notary_that_is_missing_or_hangs_is_an_error() {
    let server = Server::start();
    let missing = Options { program: PathBuf::from("/nonexistent/notary"), ..options(&server) };
    let trust = Trust::new(missing);
    for problem in [trust.check().await.unwrap_err(), trust.signed(&image("1"), None).await.unwrap_err()] {
        assert_eq!(problem.code(), "trust::missing");
        assert!(problem.diagnostic().help().unwrap().to_string().contains("apt-get install notary"));
    }
    let directory = tempfile::tempdir().unwrap();
    let program = wrapped(directory.path(), "exec sleep 60");
    let hanging = Options { program, timeout: Duration::from_millis(200), ..options(&server) };
    assert_eq!(Trust::new(hanging).signed(&image("1"), None).await.unwrap_err().code(), "trust::late");
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused_before_anything_is_asked() {
    let nowhere = Options { passphrase: Some(Secret::new("x")), ..Options::new(PathBuf::from("/nonexistent")) };
    let trust = Trust::new(nowhere);
    let untagged: Reference = "acme/thing".parse().unwrap();
    assert_eq!(trust.signed(&untagged, None).await.unwrap_err().code(), "trust::no_tag");
    assert_eq!(add(&trust, &untagged, &signed("x")).await.unwrap_err().code(), "trust::no_tag");
    for digest in ["", "sha256:12", "sha512:00"] {
        let what = Signed { digest: digest.to_owned(), size: 1 };
        assert_eq!(add(&trust, &image("1"), &what).await.unwrap_err().code(), "trust::digest", "{digest}");
    }
}
