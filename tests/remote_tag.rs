//! `kitmake remote-tag` between real registries, with skopeo as the independent reader of what came of it and the logs of
//! the registries as the witness of how.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use kitmake::image::Reference;
use kitmake::registry::{Client, Entry, Options, digest, media_type};
use serde_json::{Value, json};
use support::{Output, Registry, Request, manifest, output, run, skopeo};
use tempfile::TempDir;

/// Runs `kitmake remote-tag` in a directory that is in no workspace.
fn remote_tag(arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
    command.arg("remote-tag").args(arguments).current_dir(directory.path()).stdin(Stdio::null());
    // No engine is needed, and no login of whoever runs the tests.
    command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock").env("DOCKER_CONFIG", directory.path());
    output(&mut command)
}

/// An index with two images and the attestation of one, under `team/image:1`.
struct Published {
    /// The digests of what it lists, in order.
    children: Vec<String>,
    /// For each of them its own layer.
    layers: Vec<String>,
}

/// Publishes images whose layers begin with this text.
fn publish(registry: &Registry, words: &str) -> Published {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(Options { certs_dir: None, ..Options::default() }).unwrap();
        let repository = image(registry, "team/image:1");
        let blob = async |media_type: &str, bytes: Vec<u8>| {
            let size = bytes.len();
            let digest = client.upload_blob(&repository, bytes.into()).await.unwrap();
            json!({"mediaType": media_type, "digest": digest, "size": size})
        };
        let (mut children, mut layers) = (Vec::new(), Vec::new());
        for architecture in ["amd64", "arm64", "unknown"] {
            let os = if architecture == "unknown" { "unknown" } else { "linux" };
            let layer = blob("application/vnd.oci.image.layer.v1.tar", format!("{words} {architecture}").into()).await;
            let config = json!({"os": os, "architecture": architecture, "rootfs": {"type": "layers",
                "diff_ids": [layer["digest"]]}});
            let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().into()).await;
            let text = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config,
                "layers": [layer]});
            let text = text.to_string().into_bytes();
            let by_digest = image(registry, &format!("team/image@{}", digest(&text)));
            children.push(client.put_manifest(&by_digest, media_type::OCI_MANIFEST, text).await.unwrap());
            layers.push(layer["digest"].as_str().unwrap().to_owned());
        }
        let entry = |child: usize, platform: &str| Entry::new(children[child].clone(), &platform.parse().unwrap());
        let attestation = entry(2, "unknown/unknown")
            .with_annotation("vnd.docker.reference.digest", &children[0].digest)
            .with_annotation("vnd.docker.reference.type", "attestation-manifest");
        let entries = [entry(0, "linux/amd64"), entry(1, "linux/arm64"), attestation];
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
        client.put_manifest(&repository, media_type::OCI_INDEX, index.to_string().into()).await.unwrap();
        Published { children: children.into_iter().map(|child| child.digest).collect(), layers }
    })
}

fn image(registry: &Registry, rest: &str) -> Reference {
    named(registry, rest).parse().unwrap()
}

fn named(registry: &Registry, rest: &str) -> String {
    format!("{}/{rest}", registry.address())
}

/// Whether skopeo can fetch everything behind a reference, every digest checked; the digests of the files it got.
fn fetched(reference: &str) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    let (from, to) = (format!("docker://{reference}"), format!("dir:{}", directory.path().display()));
    skopeo(&["copy", "--all", "--quiet", "--src-tls-verify=false", &from, &to]);
    let files = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The requests of a sort.
fn count(requests: &[Request], method: &str, part: &str) -> usize {
    requests.iter().filter(|request| request.method == method && request.path.contains(part)).count()
}

#[test]
fn within_a_repository_a_tag_is_written_and_nothing_else() {
    let registry = Registry::start();
    publish(&registry, "retag");
    let (from, to) = (named(&registry, "team/image:1"), named(&registry, "team/image:v1"));
    let before = registry.requests().len();
    let told = remote_tag(&[&from, &to]).with_code(0);
    assert!(told.stderr.starts_with(&format!("tagged {to} as sha256:")), "{}", told.stderr);
    assert_eq!(told.stdout, "");
    assert_eq!(manifest(&to), manifest(&from));
    let asked: Vec<String> = registry.requests()[before..].iter().map(|one| one.method.clone()).take(3).collect();
    assert_eq!(asked, ["GET", "HEAD", "PUT"]);

    let writes = registry.writes().len();
    let told = remote_tag(&[&from, &to]).with_code(0);
    assert!(told.stderr.starts_with("nothing to do: "), "{}", told.stderr);
    assert_eq!(registry.writes().len(), writes);
}

#[test]
fn a_tag_that_is_taken_from_another_image_is_told_with_its_digest() {
    let registry = Registry::start();
    publish(&registry, "replaced");
    let (from, to) = (named(&registry, "team/image:1"), named(&registry, "team/image:v1"));
    let told = remote_tag(&[&from, &to]).with_code(0);
    assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
    let before = skopeo(&["inspect", "--format", "{{.Digest}}", "--tls-verify=false", &format!("docker://{to}")]);

    publish(&registry, "replacing");
    let told = remote_tag(&[&from, &to]).with_code(0);
    let lines: Vec<&str> = told.stderr.lines().collect();
    assert_eq!(lines[1], format!("{to} was {}", before.trim()), "{}", told.stderr);
    assert_eq!(manifest(&to), manifest(&from), "linuxkit replaces it, too");
}

#[test]
fn another_repository_of_the_registry_takes_the_blobs_over() {
    let registry = Registry::start();
    publish(&registry, "mount");
    let (from, to) = (named(&registry, "team/image:1"), named(&registry, "release/one/image"));
    let before = registry.requests().len();
    remote_tag(&[&from, &to]).with_code(0);
    let requests = registry.requests()[before..].to_vec();
    assert_eq!(count(&requests, "POST", "mount=sha256:"), 6);
    assert_eq!((count(&requests, "GET", "/blobs/"), count(&requests, "PUT", "/blobs/")), (0, 0), "{requests:?}");
    assert_eq!(manifest(&format!("{to}:latest")), manifest(&from));
    assert_eq!(fetched(&to), fetched(&from));
}

#[test]
fn another_registry_gets_all_of_it_and_skopeo_reads_the_same_from_both() {
    let (there, here) = (Registry::start(), Registry::start());
    let published = publish(&there, "copy");
    let (from, to) = (named(&there, "team/image:1"), named(&here, "mirror/image:2"));
    let told = remote_tag(&[&from, &to]).with_code(0);
    assert!(told.stderr.contains("3 further manifests, 0 blobs mounted, 6 blobs"), "{}", told.stderr);
    assert_eq!(manifest(&to), manifest(&from));
    let listed: Vec<Value> = manifest(&to)["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), published.children.len(), "the attestation is one of them");
    let files = fetched(&to);
    assert_eq!(files, fetched(&from));
    assert!(files.len() >= 6, "{files:?}");
    assert!(there.writes().iter().all(|write| write.path.starts_with("/v2/team/")), "nothing is written there");

    // One platform by its digest, under a tag of its own.
    let child = named(&there, &format!("team/image@{}", published.children[1]));
    let (arm64, writes) = (named(&here, "mirror/image:2-arm64"), here.writes().len());
    remote_tag(&[&child, &arm64]).with_code(0);
    assert_eq!(manifest(&arm64), manifest(&child));
    assert_eq!(here.writes().len(), writes + 1, "all else was there");
}

#[test]
fn a_copy_that_broke_off_is_repeated_with_the_missing_requests_alone() {
    let (there, here) = (Registry::start(), Registry::start());
    let published = publish(&there, "broken");
    let (from, to) = (named(&there, "team/image:1"), named(&here, "mirror/image:1"));
    let layer = there.file_of(&published.layers[1]);
    let aside = layer.with_extension("aside");
    fs::rename(&layer, &aside).unwrap();
    let broken = remote_tag(&[&from, &to]).with_code(4);
    assert!(broken.stderr.contains("registry::absent"), "{}", broken.stderr);
    assert!(broken.stderr.contains(&published.layers[1]), "{}", broken.stderr);
    let tag = format!("docker://{to}");
    let inspected = output(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &tag]));
    assert_ne!(inspected.code, Some(0), "no tag names half an image");

    fs::rename(&aside, &layer).unwrap();
    let (read, written) = (there.requests().len(), here.requests().len());
    remote_tag(&[&from, &to]).with_code(0);
    let (read, written) = (there.requests()[read..].to_vec(), here.requests()[written..].to_vec());
    // The image that was copied whole is asked for once and not read.
    assert_eq!(count(&read, "GET", &published.children[0]), 0, "{read:?}");
    assert_eq!(count(&written, "HEAD", &published.children[0]), 1, "{written:?}");
    assert_eq!(count(&written, "PUT", "/manifests/"), 3, "two of three manifests and the index: {written:?}");
    for layer in [&published.layers[1], &published.layers[2]] {
        assert_eq!(count(&read, "GET", layer), 1, "{read:?}");
    }
    assert_eq!(count(&read, "GET", &published.layers[0]), 0, "{read:?}");
    assert_eq!(fetched(&to), fetched(&from));
}

#[test]
fn a_layer_too_long_for_the_memory_goes_through_a_file() {
    let (there, here) = (Registry::start(), Registry::start());
    let words = "long".repeat(17 * 1024 * 1024);
    let published = publish(&there, &words);
    let (from, to) = (named(&there, &format!("team/image@{}", published.children[0])), named(&here, "a/b:1"));
    let temporary = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
    command.args(["remote-tag", &from, &to]).env("TMPDIR", temporary.path()).env("DOCKER_CONFIG", temporary.path());
    run(&mut command);
    assert!(fs::metadata(here.file_of(&published.layers[0])).unwrap().len() > 64 * 1024 * 1024);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "no file stays behind");
}

#[test]
fn what_is_not_there_is_the_fault_of_the_command_line_and_a_silent_registry_is_not() {
    let registry = Registry::start();
    let (absent, to) = (named(&registry, "team/image:1"), named(&registry, "team/image:2"));
    let refused = remote_tag(&[&absent, &to]).with_code(2);
    assert!(refused.stderr.contains("remote_tag::absent"), "{}", refused.stderr);
    let by_digest = format!("{to}@{}", digest(b"x"));
    let refused = remote_tag(&[&absent, &by_digest]).with_code(2);
    assert!(refused.stderr.contains("remote_tag::digest"), "{}", refused.stderr);
    remote_tag(&[&absent, "No Reference"]).with_code(2);
    remote_tag(&[&absent]).with_code(2);
    assert!(registry.writes().is_empty());

    let mut gone = Registry::start();
    gone.stop();
    let unknown = remote_tag(&[&named(&gone, "a/b:1"), &to]).with_code(4);
    assert!(unknown.stderr.contains("registry::refused"), "{}", unknown.stderr);
}
