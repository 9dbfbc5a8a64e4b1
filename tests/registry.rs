//! The registry client against the real `docker-registry`: what is written comes back, logins and certificates count.
//!
//! It and openssl must be installed; `tests/run.sh` sees to that.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kitmake::image::Reference;
use kitmake::registry::{Client, Content, Credentials, Entry, ImageConfig, Index, Options, digest, media_type};
use tempfile::TempDir;

/// A bcrypt line of a htpasswd file: user `user`, password `s3cret`.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// The media type of an image configuration as Docker pushes it.
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// A registry of its own for one test.
struct Registry {
    process: Child,
    address: String,
    directory: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// Starts one with further sections of its configuration.
    fn start(sections: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sections = sections(directory.path());
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n{}",
            directory.path().join("data").display(),
            sections.replace("ADDRESS", &address)
        );
        let file = directory.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .expect("docker-registry is installed");
        let registry = Self { process, address, directory };
        let start = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            let log = || fs::read_to_string(registry.directory.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(20), "docker-registry does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    fn image(&self, tag: &str) -> Reference {
        format!("{}/org/image:{tag}", self.address).parse().unwrap()
    }

    /// Options with these credentials in docker's config.json.
    fn login(&self, auth: &str) -> Options {
        let directory = self.directory.path().join("docker");
        fs::create_dir_all(&directory).unwrap();
        let text = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, self.address);
        fs::write(directory.join("config.json"), text).unwrap();
        Options { docker_config: Some(directory), ..options() }
    }
}

fn options() -> Options {
    Options { certs_dir: None, ..Options::default() }
}

async fn code_of(client: &Client, image: &Reference) -> String {
    client.head(image).await.unwrap_err().code()
}

#[tokio::test]
async fn what_is_written_comes_back() {
    let registry = Registry::start(|_| "http: {addr: 'ADDRESS'}\n".to_owned());
    let client = Client::new(options()).unwrap();
    let image = registry.image("1-amd64");
    assert_eq!(client.head(&image).await.unwrap(), None);
    assert_eq!(client.manifest(&image).await.unwrap(), None);

    let config = br#"{"architecture":"amd64","os":"linux","config":{"Labels":{"a":"b"}}}"#;
    let blob = digest(config);
    assert!(!client.has_blob(&image, &blob).await.unwrap());
    assert_eq!(client.blob(&image, &blob).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(client.upload_blob(&image, config.to_vec().into()).await.unwrap(), blob);
    }
    assert!(client.has_blob(&image, &blob).await.unwrap());
    assert_eq!(client.blob(&image, &blob).await.unwrap().as_deref(), Some(&config[..]));

    let described = format!(r#"{{"mediaType":"{CONFIG}","size":{},"digest":"{blob}"}}"#, config.len());
    let kind = media_type::DOCKER_MANIFEST;
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{described},"layers":[]}}"#);
    let written = client.put_manifest(&image, media_type::DOCKER_MANIFEST, manifest.into()).await.unwrap();
    assert_eq!(client.head(&image).await.unwrap().as_ref(), Some(&written));
    let back = client.manifest(&image).await.unwrap().unwrap();
    assert_eq!(back.descriptor, written);
    let Content::Image(read) = back.content("image").unwrap() else { panic!("no image") };
    let labels =
        ImageConfig::parse(&client.blob(&image, &read.config.digest).await.unwrap().unwrap(), "image").unwrap();
    assert_eq!(labels.platform.unwrap().to_string(), "linux/amd64");

    let amd64 = Entry::new(written, &"linux/amd64".parse().unwrap());
    let index = Index::union(None, &[amd64]);
    let target = registry.image("1");
    let written = client.put_manifest(&target, media_type::OCI_INDEX, index.to_bytes()).await.unwrap();
    let by_digest: Reference = format!("{}@{}", target.name(), written.digest).parse().unwrap();
    for reference in [&target, &by_digest] {
        let back = client.manifest(reference).await.unwrap().unwrap();
        assert_eq!(back.descriptor, written);
        assert_eq!(back.bytes, index.to_bytes());
        let Content::Index(read) = back.content("image").unwrap() else { panic!("no index") };
        assert!(read.same_entries(&index));
    }
}

#[tokio::test]
async fn a_manifest_before_what_it_names_is_refused() {
    let registry = Registry::start(|_| "http: {addr: 'ADDRESS'}\n".to_owned());
    let client = Client::new(options()).unwrap();
    let missing = kitmake::registry::Descriptor {
        media_type: media_type::OCI_MANIFEST.to_owned(),
        digest: digest(b"missing"),
        size: 7,
    };
    let index = Index::union(None, &[Entry::new(missing, &"linux/amd64".parse().unwrap())]);
    let put = client.put_manifest(&registry.image("1"), media_type::OCI_INDEX, index.to_bytes()).await;
    assert_eq!(put.unwrap_err().code(), "registry::unexpected_status");
}

#[tokio::test]
async fn a_registry_with_passwords_lets_in_who_has_one() {
    let sections = |directory: &Path| {
        let file = directory.join("htpasswd");
        fs::write(&file, HTPASSWD).unwrap();
        format!("http: {{addr: 'ADDRESS'}}\nauth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display())
    };
    let registry = Registry::start(sections);
    let image = registry.image("1");
    assert_eq!(code_of(&Client::new(options()).unwrap(), &image).await, "registry::unauthorized");
    let wrong = Client::new(registry.login("dXNlcjp3cm9uZw==")).unwrap();
    assert_eq!(code_of(&wrong, &image).await, "registry::unauthorized");

    let client = Client::new(registry.login("dXNlcjpzM2NyZXQ=")).unwrap();
    assert_eq!(client.head(&image).await.unwrap(), None);
    client.put_manifest(&image, media_type::OCI_INDEX, Index::union(None, &[]).to_bytes()).await.unwrap();
    assert!(client.head(&image).await.unwrap().is_some());
    let found = client.credentials(&registry.address).await.unwrap();
    let expected = Credentials { username: "user".to_owned(), password: "s3cret".to_owned(), identity_token: None };
    assert_eq!(found, Some(expected));
}

#[tokio::test]
async fn tls_on_loopback_is_used_and_its_certificate_has_to_be_trusted() {
    let sections = |directory: &Path| {
        let (key, certificate) = (directory.join("key.pem"), directory.join("ca.crt"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .expect("openssl is installed");
        assert!(made.success(), "openssl makes a key and a certificate");
        let tls = format!("{{certificate: {}, key: {}}}", certificate.display(), key.display());
        format!("http: {{addr: 'ADDRESS', tls: {tls}}}\n")
    };
    let registry = Registry::start(sections);
    let certificate = registry.directory.path().join("ca.crt");
    let image = registry.image("1");
    assert_eq!(code_of(&Client::new(options()).unwrap(), &image).await, "registry::certificate");

    let certs_dir = registry.directory.path().join("certs.d");
    fs::create_dir_all(certs_dir.join(&registry.address)).unwrap();
    fs::copy(&certificate, certs_dir.join(&registry.address).join("ca.crt")).unwrap();
    for trusting in [
        Options { ca_files: vec![certificate], ..options() },
        Options { certs_dir: Some(certs_dir), ..options() },
        Options { insecure: vec![registry.address.clone()], ..options() },
    ] {
        assert_eq!(Client::new(trusting).unwrap().head(&image).await.unwrap(), None);
    }
}

#[test]
fn a_credential_helper_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let helper = directory.path().join("docker-credential-test");
    let script = "#!/bin/sh\nread host\ncase $host in\n\
                  known.example) echo '{\"Username\":\"u\",\"Secret\":\"p\"}';;\n\
                  token.example) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}';;\n\
                  broken.example) echo 'top secret'; exit 1;;\n\
                  *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n";
    fs::write(&helper, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&helper, executable).unwrap();
    fs::write(directory.path().join("config.json"), r#"{"auths": {"known.example": {}}, "credsStore": "test"}"#)
        .unwrap();
    // A helper is looked for on the PATH of the process, so the asking is done by a process that has this one.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helped", "--ignored", "--nocapture"])
        .env("PATH", directory.path())
        .current_dir(directory.path())
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "run by a_credential_helper_is_asked in an environment of its own"]
async fn helped() {
    // Whoever runs all ignored tests has not made the helper.
    if !Path::new("docker-credential-test").exists() {
        return;
    }
    let client = Client::new(Options { docker_config: Some(PathBuf::from(".")), ..options() }).unwrap();
    let known = client.credentials("known.example").await.unwrap().unwrap();
    assert_eq!((known.username.as_str(), known.password.as_str()), ("u", "p"));
    let token = client.credentials("token.example").await.unwrap().unwrap();
    assert_eq!(token.identity_token.as_deref(), Some("t"));
    assert_eq!(client.credentials("unknown.example").await.unwrap(), None);
    assert_eq!(client.credentials("docker.io").await.unwrap(), None);
    let problem = client.credentials("broken.example").await.unwrap_err();
    assert_eq!(problem.code(), "registry::credential_helper");
    assert!(!format!("{problem} {problem:?}").contains("secret"));
}
