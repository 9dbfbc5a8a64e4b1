//! Pushes to registries that do not let everybody in, with the real engine: who has the right credentials gets through,
//! who has not loses no work, and nobody else ever sees them.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

#[path = "../support/mod.rs"]
mod support;

mod password;
mod token;
mod token_server;
mod watch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Monorepo, Output, output, run};
use tempfile::TempDir;
use watch::{Watch, leaks};

/// Who may push.
const USER: &str = "builder";
/// The password of [`USER`].
const PASSWORD: &str = "correct-horse-9131-battery";
/// What somebody types who has forgotten it.
const WRONG: &str = "wrong-donkey-4417-staple";
/// The line of [`USER`] in a file of htpasswd.
const HTPASSWD: &str = "builder:$2y$05$abcdefghijklmnopqrstuuevkLSfOJJlM3O0aTl2iKooaMLjI677u\n";

/// A monorepo with one package whose image lives on a registry, and the docker configuration of who builds it.
struct Desk {
    monorepo: Monorepo,
    docker: TempDir,
    address: String,
}

impl Desk {
    fn new(address: &str) -> Self {
        let monorepo = Monorepo::with_files(&[
            ("pkg/a/build.yml", &format!("org: {address}/team\nimage: a\narches: [amd64, arm64, riscv64]\n")),
            ("pkg/a/Dockerfile", "FROM scratch\nCOPY content /\n"),
            ("pkg/a/content", address),
        ]);
        Self { monorepo, docker: TempDir::new().unwrap(), address: address.to_owned() }
    }

    /// Writes docker's config.json.
    fn configure(&self, config: &Value) {
        fs::write(self.docker.path().join("config.json"), config.to_string()).unwrap();
    }

    /// Puts a login into docker's config.json.
    fn log_in(&self, user: &str, password: &str) {
        let auth = base64(format!("{user}:{password}").as_bytes());
        self.configure(&json!({"auths": {&self.address: {"auth": auth}}}));
    }

    /// Has docker ask a helper, which gives this login and takes long enough to be seen.
    fn log_in_by_helper(&self, user: &str, password: &str) -> PathBuf {
        let directory = self.docker.path().join("bin");
        fs::create_dir_all(&directory).unwrap();
        let (answer, helper) = (directory.join("answer"), directory.join("docker-credential-drawer"));
        fs::write(&answer, json!({"ServerURL": self.address, "Username": user, "Secret": password}).to_string())
            .unwrap();
        fs::write(&helper, format!("#!/bin/sh\nsleep 0.2\ncat >> {0}.asked\ncat {0}\n", answer.display())).unwrap();
        fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
        self.configure(&json!({"credHelpers": {&self.address: "drawer"}}));
        answer.with_extension("asked")
    }

    /// Runs kitmake at the root with this docker configuration. Fails the test if anybody could have seen a secret: in
    /// what it prints, in what it leaves behind, or in the command line of any process while it ran.
    #[track_caller]
    fn kitmake(&self, arguments: &[&str], secrets: &[&str]) -> Output {
        let mut command = self.monorepo.kitmake_command(arguments);
        let path = std::env::join_paths(
            [self.docker.path().join("bin")].into_iter().chain(std::env::split_paths(&search_path())),
        );
        command.env("DOCKER_CONFIG", self.docker.path()).env("PATH", path.unwrap());
        let watch = Watch::start();
        let ended = output(&mut command);
        let seen = watch.stop();
        assert!(seen.iter().any(|line| line.contains("kitmake") && line.contains(arguments[0])), "{seen:?}");
        let helped = self.docker.path().join("bin").exists();
        assert!(!helped || seen.iter().any(|line| line.contains("docker-credential-drawer")), "{seen:?}");
        let mut places: Vec<(String, Vec<u8>)> = vec![
            ("standard output".to_owned(), ended.stdout.clone().into_bytes()),
            ("standard error".to_owned(), ended.stderr.clone().into_bytes()),
            ("a command line".to_owned(), seen.join("\n").into_bytes()),
        ];
        for directory in ["state", "cache", "config", "repository"] {
            places.extend(files(&self.monorepo.path("..").join(directory)));
        }
        for (place, content) in places {
            for secret in secrets {
                assert!(!leaks(&content, secret), "{place} of `kitmake {}` shows a secret", arguments.join(" "));
            }
        }
        ended
    }

    /// What skopeo finds under the tag of the package, with a login of its own.
    #[track_caller]
    fn published(&self) -> Value {
        let login = TempDir::new().unwrap();
        let auth = base64(format!("{USER}:{PASSWORD}").as_bytes());
        let file = login.path().join("auth.json");
        fs::write(&file, json!({"auths": {&self.address: {"auth": auth}}}).to_string()).unwrap();
        let image = format!("docker://{}", self.monorepo.show_tag(&["pkg/a"])[0]);
        let mut command = Command::new("skopeo");
        command.args(["inspect", "--raw", "--tls-verify=false", "--authfile"]).arg(file).arg(image);
        run(&mut command).json()
    }

    /// Whether the log of some run is there, without which nothing could be found in one.
    fn has_logs(&self) -> bool {
        !files(&self.monorepo.path("../state")).is_empty()
    }
}

/// The files below a directory with their content.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|file| (file.path().display().to_string(), fs::read(file.path()).unwrap())).collect()
}

#[expect(clippy::disallowed_methods, reason = "a helper has to be found beside what the test itself finds")]
fn search_path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap()
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[usize::try_from(bits >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// A key and a certificate that it signs itself, for 127.0.0.1; the paths of both.
fn certificate(directory: &Path) -> (PathBuf, PathBuf) {
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=kitmake test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    run(&mut command);
    (key, certificate)
}

#[test]
fn base64_is_that_of_openssl() {
    for text in ["", "a", "ab", "abc", "builder:correct-horse-9131-battery"] {
        let file = TempDir::new().unwrap();
        fs::write(file.path().join("x"), text).unwrap();
        let encoded = run(Command::new("openssl").args(["base64", "-A", "-in"]).arg(file.path().join("x")));
        assert_eq!(base64(text.as_bytes()), encoded.stdout.trim_end());
    }
}
