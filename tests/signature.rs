//! Signatures in the real `docker-registry`: skopeo fetches what is stored there, openssl verifies it and signs what is read
//! back, and `kitmake verify` says which images are signed.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kitmake::image::{Platform, Reference};
use kitmake::registry::{Client, Descriptor, Entry, Index, Options, digest, media_type};
use kitmake::signature::{PublicKey, SigningKey, is_signed, sign};
use serde_json::{Value, json};
use tempfile::TempDir;

use support::{Monorepo, Output, Registry, manifest, output, run, skopeo};

/// The password of the encrypted key below tests/golden.
const PASSWORD: &str = "correct horse";

/// Keys that openssl made, in a directory that goes away with this value.
struct Keys {
    directory: TempDir,
}

impl Keys {
    fn new() -> Self {
        Self { directory: TempDir::with_prefix("kitmake-keys-").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs openssl there and returns the path of `name`, which it is to have written.
    #[track_caller]
    fn openssl(&self, name: &str, arguments: &str) -> PathBuf {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(self.directory.path()));
        self.path(name)
    }

    /// A private key in the form PKCS#8.
    #[track_caller]
    fn pkcs8(&self, name: &str) -> PathBuf {
        self.openssl(name, &format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}"))
    }

    /// The public half of a private key.
    #[track_caller]
    fn public(&self, private: &Path) -> PathBuf {
        let name = format!("{}.pub", private.file_name().unwrap().to_string_lossy());
        self.openssl(&name, &format!("pkey -in {} -pubout -out {name}", private.display()))
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cosign-keys").join(name)
}

fn client() -> Client {
    Client::new(Options { certs_dir: None, ..Options::default() }).unwrap()
}

fn read(file: &Path) -> SigningKey {
    SigningKey::read(file, Some(PASSWORD)).unwrap()
}

/// Publishes an index with an image for each architecture. Returns the digests: of the index, then of the images.
async fn publish(client: &Client, image: &Reference, architectures: &[&str]) -> Vec<String> {
    let (mut digests, mut entries) = (Vec::new(), Vec::new());
    for architecture in architectures {
        let config = json!({
            "os": "linux", "architecture": architecture, "config": {}, "about": image.to_string(),
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config = config.to_string();
        let size = config.len();
        let config = client.upload_blob(image, config.into()).await.unwrap();
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size });
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [] });
        let written: Descriptor = client
            .put_manifest(&image.with_tag(architecture), media_type::OCI_MANIFEST, manifest.to_string().into())
            .await
            .unwrap();
        digests.push(written.digest.clone());
        entries.push(Entry::new(written, &format!("linux/{architecture}").parse().unwrap()));
    }
    let index = Index::union(None, &entries).to_bytes();
    digests.insert(0, digest(&index));
    client.put_manifest(image, media_type::OCI_INDEX, index).await.unwrap();
    digests
}

/// Where the signatures of a digest are.
fn place(image: &Reference, digest: &str) -> Reference {
    image.with_tag(&format!("{}.sig", digest.replace(':', "-")))
}

/// What skopeo fetches from there: the payload of each signature, and the signature, as files.
#[track_caller]
fn fetch(image: &Reference, digest: &str) -> (TempDir, Vec<(PathBuf, PathBuf)>) {
    let place = place(image, digest);
    let directory = TempDir::with_prefix("kitmake-signatures-").unwrap();
    let target = format!("dir:{}", directory.path().join("image").display());
    skopeo(&["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{place}"), &target]);
    let listed = manifest(&place.to_string());
    let layers = listed["layers"].as_array().unwrap().iter().enumerate();
    let files = layers.map(|(number, layer)| {
        let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
        let file = directory.path().join(format!("{number}.der"));
        fs::write(&file, STANDARD.decode(signature).unwrap()).unwrap();
        let payload = layer["digest"].as_str().unwrap().trim_start_matches("sha256:");
        (directory.path().join("image").join(payload), file)
    });
    let files = files.collect();
    (directory, files)
}

/// Whether openssl verifies a signature of a payload.
fn openssl_verifies(public: &Path, (payload, signature): &(PathBuf, PathBuf)) -> bool {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-verify"]).arg(public).arg("-signature").arg(signature).arg(payload);
    output(&mut command).code == Some(0)
}

#[tokio::test]
async fn openssl_verifies_what_any_form_of_key_signed() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let pkcs8 = keys.pkcs8("pkcs8.pem");
    let sec1 = keys.openssl("sec1.pem", "ecparam -name prime256v1 -genkey -noout -out sec1.pem");
    let with_parameters = keys.openssl("with.pem", "ecparam -name prime256v1 -genkey -out with.pem");
    for (number, (private, public)) in [
        (pkcs8.clone(), keys.public(&pkcs8)),
        (sec1.clone(), keys.public(&sec1)),
        (with_parameters.clone(), keys.public(&with_parameters)),
        (golden("cosign.key"), golden("key.pub")),
    ]
    .into_iter()
    .enumerate()
    {
        let image: Reference = format!("{}/org/image{number}:1", registry.address()).parse().unwrap();
        let digests = publish(&client, &image, &["amd64", "arm64"]).await;
        let key = read(&private);
        assert_eq!(PublicKey::read(&public, None).unwrap(), key.public());
        for digest in &digests {
            assert!(sign(&client, &image, digest, &key).await.unwrap());
            let (_directory, files) = fetch(&image, digest);
            assert_eq!(files.len(), 1);
            assert!(openssl_verifies(&public, &files[0]), "{}", private.display());
            let payload: Value = serde_json::from_slice(&fs::read(&files[0].0).unwrap()).unwrap();
            assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], digest.as_str());
            assert_eq!(payload["critical"]["identity"]["docker-reference"], image.name());
        }
    }
}

#[tokio::test]
async fn what_openssl_signed_is_signed() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let (private, other) = (keys.pkcs8("key.pem"), keys.pkcs8("other.pem"));
    let image: Reference = format!("{}/org/image:1", registry.address()).parse().unwrap();
    let digests = publish(&client, &image, &["amd64"]).await;
    // With another order of fields, blanks and an annotation, as no one but its maker would write it.
    let payload = format!(
        "{{ \"optional\": {{\"creator\": \"openssl\"}}, \"critical\": {{ \"type\": \"cosign container image signature\",\n\
         \"image\": {{\"docker-manifest-digest\": \"{}\"}}, \"identity\": {{\"docker-reference\": \"elsewhere\"}} }} }}\n",
        digests[0]
    );
    fs::write(keys.path("payload"), &payload).unwrap();
    let signature = keys.openssl("signature", "dgst -sha256 -sign key.pem -out signature payload");
    let config = client.upload_blob(&image, "{}".into()).await.unwrap();
    let blob = client.upload_blob(&image, payload.clone().into()).await.unwrap();
    let listed = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": blob, "size": payload.len(),
            "annotations": { "dev.cosignproject.cosign/signature": STANDARD.encode(fs::read(signature).unwrap()) },
        }],
    });
    let place = place(&image, &digests[0]);
    client.put_manifest(&place, media_type::OCI_MANIFEST, listed.to_string().into()).await.unwrap();
    assert!(is_signed(&client, &image, &digests[0], &read(&private).public()).await.unwrap());
    assert!(!is_signed(&client, &image, &digests[0], &read(&other).public()).await.unwrap());
    assert!(!is_signed(&client, &image, &digests[1], &read(&private).public()).await.unwrap());
}

#[tokio::test]
async fn a_second_signing_writes_nothing() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let key = read(&keys.pkcs8("key.pem"));
    let image: Reference = format!("{}/org/image:1", registry.address()).parse().unwrap();
    let digests = publish(&client, &image, &["amd64"]).await;
    assert!(sign(&client, &image, &digests[0], &key).await.unwrap());
    let (writes, requests) = (registry.writes(), registry.requests().len());
    assert!(!sign(&client, &image, &digests[0], &key).await.unwrap());
    assert_eq!(registry.writes(), writes);
    // The list of signatures, and the payload.
    assert_eq!(registry.requests().len(), requests + 2);
}

#[tokio::test]
async fn a_signature_by_another_key_is_kept_and_one_of_another_digest_does_not_count() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let files = [keys.pkcs8("one.pem"), keys.pkcs8("two.pem")];
    let [one, two] = [read(&files[0]), read(&files[1])];
    let image: Reference = format!("{}/org/image:1", registry.address()).parse().unwrap();
    let digests = publish(&client, &image, &["amd64"]).await;
    sign(&client, &image, &digests[0], &one).await.unwrap();
    assert!(!is_signed(&client, &image, &digests[0], &two.public()).await.unwrap());
    assert!(sign(&client, &image, &digests[0], &two).await.unwrap());
    let (_directory, signatures) = fetch(&image, &digests[0]);
    assert_eq!(signatures.len(), 2);
    for (number, file) in files.iter().enumerate() {
        let public = keys.public(file);
        assert!(openssl_verifies(&public, &signatures[number]));
        assert!(!openssl_verifies(&public, &signatures[1 - number]));
    }

    let [from, to] = [&digests[0], &digests[1]].map(|digest| format!("docker://{}", place(&image, digest)));
    skopeo(&["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to]);
    assert!(!is_signed(&client, &image, &digests[1], &one.public()).await.unwrap());
}

/// Runs `kitmake verify` where no engine answers.
fn verify(monorepo: &Monorepo, arguments: &[&str]) -> Output {
    let mut command = monorepo.kitmake_command(&[&["verify"], arguments].concat());
    output(command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock").env_remove("COSIGN_PASSWORD"))
}

/// Package, platform and state of each image that `kitmake verify` speaks of.
#[track_caller]
fn states(output: &Output) -> Vec<String> {
    let images = output.json()["images"].as_array().unwrap().clone();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    images.iter().map(|row| [&row["id"], &row["platform"], &row["state"]].map(word).join(" ")).collect()
}

#[tokio::test]
async fn verify_tells_of_each_image_whether_it_is_signed() {
    let (mut registry, keys, client) = (Registry::start(), Keys::new(), client());
    let monorepo = Monorepo::with_org(&format!("{}/fixtures", registry.address()));
    let (private, other) = (keys.pkcs8("key.pem"), keys.pkcs8("other.pem"));
    let public = keys.public(&private);
    let (public, key) = (public.to_str().unwrap(), read(&private));
    let images: Vec<Reference> =
        monorepo.show_tag(&["pkg/init", "pkg/runc"]).iter().map(|name| name.parse().unwrap()).collect();
    let arguments = ["--key", public, "--format", "json", "pkg/init", "pkg/runc"];

    assert_eq!(states(&verify(&monorepo, &arguments).with_code(5)), ["pkg/init - not-there", "pkg/runc - not-there"]);

    let init = publish(&client, &images[0], &["amd64", "arm64"]).await;
    let runc = publish(&client, &images[1], &["amd64"]).await;
    for digest in init.iter().chain(&runc) {
        let image = if init.contains(digest) { &images[0] } else { &images[1] };
        sign(&client, image, digest, &read(&other)).await.unwrap();
    }
    for digest in [&init[0], &init[1]] {
        sign(&client, &images[0], digest, &key).await.unwrap();
    }
    assert_eq!(
        states(&verify(&monorepo, &arguments).with_code(5)),
        [
            "pkg/init - signed",
            "pkg/init linux/amd64 signed",
            "pkg/init linux/arm64 other-key",
            "pkg/runc - other-key",
            "pkg/runc linux/amd64 other-key"
        ]
    );

    sign(&client, &images[0], &init[2], &key).await.unwrap();
    for digest in &runc {
        sign(&client, &images[1], digest, &key).await.unwrap();
    }
    let signed = verify(&monorepo, &arguments).with_code(0);
    assert!(states(&signed).iter().all(|line| line.ends_with(" signed")), "{}", signed.stdout);
    let row = &signed.json()["images"][1];
    assert_eq!((row["reference"].as_str(), row["digest"].as_str()), (Some(&*images[0].to_string()), Some(&*init[1])));
    // A private key stands for its public half.
    verify(&monorepo, &["--key", private.to_str().unwrap(), "pkg/init"]).with_code(0);
    let text = verify(&monorepo, &["--key", public, "pkg/runc"]).with_code(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "signed 2");
    assert_eq!(lines[2], format!("  signed     pkg/runc linux/amd64  {}@{}", images[1], runc[1]));
    // Nothing is selected: all below pkg, of which two are there.
    let written = registry.writes();
    let all = verify(&monorepo, &["--key", public]).with_code(5).stdout;
    assert!(all.starts_with("signed 5, not there "), "{all}");
    assert!(!all.contains("tools/"), "{all}");
    assert_eq!(registry.writes(), written);

    registry.stop();
    let unanswered = verify(&monorepo, &arguments).with_code(4);
    assert_eq!(states(&unanswered), ["pkg/init - unknown", "pkg/runc - unknown"]);
    assert_eq!(unanswered.stderr.matches("registry::refused").count(), 1, "{}", unanswered.stderr);
}

#[tokio::test]
async fn verify_looks_at_images_that_were_pushed_ahead_of_their_index() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let monorepo = Monorepo::with_org(&format!("{}/fixtures", registry.address()));
    let private = keys.pkcs8("key.pem");
    let image: Reference = monorepo.show_tag(&["pkg/init"])[0].parse().unwrap();
    // An index of one image under another tag, of which each image gets its own.
    let published = publish(&client, &image.with_tag("other"), &["amd64", "arm64"]).await;
    for (digest, architecture) in published[1..].iter().zip(["amd64", "arm64"]) {
        let by_digest = format!("{}@{digest}", image.name()).parse().unwrap();
        client.retag(&by_digest, &image.arch_tag(&Platform::linux(architecture))).await.unwrap();
    }
    sign(&client, &image, &published[1], &read(&private)).await.unwrap();
    let verified =
        verify(&monorepo, &["--key", private.to_str().unwrap(), "--format", "json", "pkg/init"]).with_code(5);
    assert_eq!(
        states(&verified),
        ["pkg/init - not-there", "pkg/init linux/amd64 signed", "pkg/init linux/arm64 unsigned"]
    );
}

#[tokio::test]
async fn verify_looks_where_the_registry_option_says_and_passes_over_what_is_for_no_platform() {
    let (registry, keys, client) = (Registry::start(), Keys::new(), client());
    let monorepo = Monorepo::with_files(&[
        ("pkg/a/build.yml", "image: a\n"),
        ("pkg/a/Dockerfile", "FROM scratch\n"),
        ("pkg/none/build.yml", "image: none\narches: []\n"),
        ("pkg/none/Dockerfile", "FROM scratch\n"),
    ]);
    let private = keys.pkcs8("key.pem");
    let mirror = format!("{}/mirror", registry.address());
    let name = monorepo.show_tag(&["pkg/a"]).remove(0);
    let image: Reference = format!("{mirror}/{name}").parse().unwrap();
    for digest in publish(&client, &image, &["amd64"]).await {
        sign(&client, &image, &digest, &read(&private)).await.unwrap();
    }
    let verified = verify(&monorepo, &["--registry", &mirror, "--key", private.to_str().unwrap()]).with_code(0);
    assert!(verified.stdout.starts_with("signed 2\n"), "{}", verified.stdout);
    let nothing =
        verify(&monorepo, &["--registry", &mirror, "--key", private.to_str().unwrap(), "pkg/none"]).with_code(5);
    assert_eq!(nothing.stdout, "nothing to verify\n");
}

#[test]
fn verify_needs_a_key_that_it_can_use() {
    let monorepo = Monorepo::with_files(&[("pkg/a/build.yml", "image: a\n"), ("pkg/a/Dockerfile", "FROM scratch\n")]);
    let keys = Keys::new();
    let p384 = keys.openssl("p384.pem", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
    let k256 = keys.openssl("k256.pem", "ecparam -name secp256k1 -genkey -noout -out k256.pem");
    let rsa = keys.openssl("rsa.pem", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem");
    let pkcs8 = keys.pkcs8("key.pem");
    let locked =
        keys.openssl("locked.pem", &format!("pkcs8 -topk8 -in {} -passout pass:x -out locked.pem", pkcs8.display()));
    let missing = keys.path("missing.pem");
    for (file, code) in [
        (&missing, "signature::unreadable_key"),
        (&p384, "signature::no_key"),
        (&k256, "signature::no_key"),
        (&rsa, "signature::no_key"),
        (&locked, "signature::no_key"),
        (&keys.public(&p384), "signature::no_key"),
        (&golden("cosign.key"), "signature::no_password"),
    ] {
        let refused = verify(&monorepo, &["--key", file.to_str().unwrap()]).with_code(2);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
    }
    let mut command = monorepo.kitmake_command(&["verify", "--key", golden("cosign.key").to_str().unwrap()]);
    let wrong = output(command.env("COSIGN_PASSWORD", "s3cret")).with_code(2);
    assert!(wrong.stderr.contains("signature::wrong_password") && !wrong.stderr.contains("s3cret"), "{}", wrong.stderr);
    verify(&monorepo, &[]).with_code(2);
}

#[tokio::test]
async fn the_password_of_a_cosign_key_comes_from_the_environment() {
    let (registry, client) = (Registry::start(), client());
    let monorepo = Monorepo::with_org(&format!("{}/fixtures", registry.address()));
    let image: Reference = monorepo.show_tag(&["pkg/init"]).remove(0).parse().unwrap();
    for digest in publish(&client, &image, &["amd64"]).await {
        sign(&client, &image, &digest, &read(&golden("cosign.key"))).await.unwrap();
    }
    for (name, password) in [("cosign.key", PASSWORD), ("empty-password.key", "")] {
        let mut command = monorepo.kitmake_command(&["verify", "--key", golden(name).to_str().unwrap(), "pkg/init"]);
        output(command.env("COSIGN_PASSWORD", password)).with_code(0);
    }
    verify(&monorepo, &["--key", golden("key.pub").to_str().unwrap(), "pkg/init"]).with_code(0);
}
