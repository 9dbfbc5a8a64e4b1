//! What integration tests share: copies of the fixtures as git repositories of their own, the kitmake binary, a registry
//! that tells which requests it got, and docker and skopeo as independent witnesses.
//!
//! Every copy and every registry goes away with its value. A test that pushes has a registry of its own through
//! [`Monorepo::in_registry`], so that tests can run side by side; the engine is shared, and so is its build cache, which
//! [`Monorepo::refresh`] gets around.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod random;
mod registry;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use walkdir::WalkDir;

pub use random::Random;
pub use registry::{Registry, Request};

/// Registry and path under which the fixtures name their images.
pub const ORG: &str = "127.77.0.1:5000/fixtures";

/// The directory `pkg-fixtures` of this project.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pkg-fixtures")
}

/// The address of the registry that the set-up started for the fixtures as they are.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the set-up put the registry")]
pub fn shared_registry() -> String {
    std::env::var("KITMAKE_TEST_REGISTRY").expect(
        "KITMAKE_TEST_REGISTRY is set to the registry with the outside images; run these tests with `tests/run.sh`",
    )
}

/// A monorepo in a temporary directory, as a git repository with one commit, and a place for what kitmake remembers.
#[derive(Debug)]
pub struct Monorepo {
    directory: TempDir,
    org: String,
}

impl Monorepo {
    /// The fixtures monorepo with its own names and pins.
    pub fn new() -> Self {
        Self::with_org(ORG)
    }

    /// The fixtures monorepo with its images under another `HOST/PATH`, pinned accordingly.
    pub fn with_org(org: &str) -> Self {
        let monorepo = Self::copy_of(&fixtures().join("monorepo"), org);
        if org != ORG {
            for file in monorepo.files() {
                let text = monorepo.read(&file);
                if text.contains(ORG) {
                    monorepo.write(&file, &text.replace(ORG, org));
                }
            }
            monorepo.pin();
        }
        monorepo.commit_all();
        monorepo
    }

    /// The fixtures monorepo with its images in a registry of its own, and the outside images published there.
    pub fn in_registry(registry: &Registry) -> Self {
        let org = format!("{}/fixtures", registry.address());
        registry.publish_outside_images("fixtures");
        Self::with_org(&org)
    }

    /// One of the monorepos with one thing wrong.
    pub fn broken(name: &str) -> Self {
        let monorepo = Self::copy_of(&fixtures().join("broken").join(name), "linuxkit");
        fs::remove_file(monorepo.path("expected")).expect("each broken monorepo says what is expected");
        monorepo.commit_all();
        monorepo
    }

    /// A repository with these files, as pairs of path and text.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let monorepo = Self::empty("linuxkit");
        for (path, text) in files {
            monorepo.write(path, text);
        }
        monorepo.commit_all();
        monorepo
    }

    fn empty(org: &str) -> Self {
        let directory = TempDir::with_prefix("kitmake-test-").expect("a temporary directory can be made");
        let monorepo = Self { directory, org: org.to_owned() };
        fs::create_dir(monorepo.root()).expect("the directory is empty");
        monorepo.git(&["init", "--quiet", "--initial-branch=main"]);
        monorepo
    }

    fn copy_of(source: &Path, org: &str) -> Self {
        let monorepo = Self::empty(org);
        for entry in WalkDir::new(source).min_depth(1) {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", source.display()));
            let target = monorepo.root().join(entry.path().strip_prefix(source).expect("it was found there"));
            let copied = if entry.file_type().is_dir() {
                fs::create_dir(&target)
            } else {
                // The exec bit is part of the tree hash, and it is copied along.
                fs::copy(entry.path(), &target).map(|_| ())
            };
            copied.unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        }
        monorepo
    }

    /// The top directory of the repository.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("repository")
    }

    /// Where the images live: `HOST/PATH`.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// A path below the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// All files, relative to the root, sorted, without those of git.
    pub fn files(&self) -> Vec<String> {
        let root = self.root();
        let mut files: Vec<String> = WalkDir::new(&root)
            .into_iter()
            .filter_entry(|entry| entry.file_name() != ".git")
            .map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", root.display())))
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| entry.path().strip_prefix(&root).expect("it was found there").display().to_string())
            .collect();
        files.sort();
        files
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes a file, whether it was there or not; its mode stays.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("a file is in a directory"))
            .and_then(|()| fs::write(&file, text))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Replaces the first occurrence of a text that must be in the file.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} does not contain {from:?}:\n{text}");
        self.write(path, &text.replacen(from, to, 1));
    }

    /// Points every pin at the present tag of its package, in all files on disk. Nothing is committed.
    pub fn pin(&self) {
        run(Command::new(fixtures().join("pin.sh")).arg(self.root()));
    }

    /// Gives the base a content that no other test has, with all pins and a commit, so that the engine has no step of
    /// it or of what is built on it in its cache.
    pub fn refresh(&self) {
        let unique = self.directory.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        let release = self.read("tools/base/etc/base-release");
        let kept: String = release.split_inclusive('\n').filter(|line| !line.starts_with("BUILD=")).collect();
        let count = self.git(&["rev-list", "--count", "HEAD"]);
        self.write("tools/base/etc/base-release", &format!("{kept}BUILD={unique}-{count}\n"));
        self.pin();
        self.commit("Change the base");
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn commit_all(&self) {
        self.commit("Copy the fixtures");
    }

    /// Runs git in the repository, with the same identity, dates and settings everywhere.
    ///
    /// Returns what it printed, without the last line end.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.root());
        isolate_git(&mut command);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "fixtures")
                .env(format!("GIT_{role}_EMAIL"), "fixtures@example.org")
                .env(format!("GIT_{role}_DATE"), "2024-01-02T03:04:05Z");
        }
        run(&mut command).stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs kitmake at the root and waits for it.
    pub fn kitmake(&self, arguments: &[&str]) -> Output {
        output(&mut self.kitmake_command(arguments))
    }

    /// kitmake with these arguments at the root, to be started by the test. It sees neither the user's settings nor
    /// what other tests remember, but the engine that the environment names.
    pub fn kitmake_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
        command.args(arguments).current_dir(self.root()).stdin(Stdio::null());
        isolate_git(&mut command);
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("KITMAKE_") || name.starts_with("LINUXKIT_") {
                command.env_remove(&variable);
            }
        }
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "CI", "GITHUB_ACTIONS"] {
            command.env_remove(name);
        }
        for (name, directory) in
            [("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config")]
        {
            command.env(name, self.directory.path().join(directory));
        }
        command
    }

    /// The reference of each package that `show-tag` names for these directories.
    pub fn show_tag(&self, directories: &[&str]) -> Vec<String> {
        let mut arguments = vec!["show-tag"];
        arguments.extend(directories);
        self.kitmake(&arguments).with_code(0).stdout.lines().map(str::to_owned).collect()
    }
}

/// The monorepos with one thing wrong, by name, sorted.
pub fn broken_names() -> Vec<String> {
    let directory = fixtures().join("broken");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a directory can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What is expected of a broken monorepo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The exit code of `kitmake plan --offline --assume-missing`.
    pub code: i32,
    /// The code of the diagnostic, such as `workspace::missing_dockerfile`; with exit code 0 the state of the node.
    pub diagnostic: String,
    /// What more has to be on the command line.
    pub arguments: Vec<String>,
}

/// What is expected of a broken monorepo.
pub fn expected(name: &str) -> Expected {
    let file = fixtures().join("broken").join(name).join("expected");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = text.lines();
    let code = lines.next().and_then(|line| line.parse().ok());
    Expected {
        code: code.unwrap_or_else(|| panic!("{}: the first line is an exit code", file.display())),
        diagnostic: lines.next().unwrap_or_else(|| panic!("{}: no diagnostic", file.display())).to_owned(),
        arguments: lines.flat_map(str::split_whitespace).map(str::to_owned).collect(),
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The command as one would type it.
    pub command: String,
    /// What it printed as data.
    pub stdout: String,
    /// What it printed as messages.
    pub stderr: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// Fails the test, with everything the command printed, unless the exit code is this one.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code of `{}`\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("`{}` printed no JSON: {error}\n{}", self.command, self.stdout))
    }
}

/// Runs docker on the engine under test and returns what it printed, without the last line end.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    run(Command::new("docker").args(arguments)).stdout.trim_end_matches('\n').to_owned()
}

/// Runs skopeo and returns what it printed, without the last line end.
#[track_caller]
pub fn skopeo(arguments: &[&str]) -> String {
    run(Command::new("skopeo").args(arguments)).stdout.trim_end_matches('\n').to_owned()
}

/// What skopeo says of the image for this platform's architecture behind a reference: digest, labels, layers.
#[track_caller]
pub fn inspect(reference: &str, architecture: &str) -> Value {
    let image = format!("docker://{reference}");
    json(&skopeo(&["--override-os=linux", "--override-arch", architecture, "inspect", "--tls-verify=false", &image]))
}

/// The manifest or index behind a reference, as the registry has it.
#[track_caller]
pub fn manifest(reference: &str) -> Value {
    json(&skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")]))
}

/// The configuration of the image for this architecture behind a reference.
#[track_caller]
pub fn configuration(reference: &str, architecture: &str) -> Value {
    let image = format!("docker://{reference}");
    let platform = ["--override-os=linux", "--override-arch", architecture];
    json(&skopeo(&[&platform[..], &["inspect", "--config", "--raw", "--tls-verify=false", &image]].concat()))
}

/// The files of the image for this architecture behind a reference, unpacked: later layers win over earlier ones.
#[track_caller]
pub fn unpack(reference: &str, architecture: &str) -> TempDir {
    let directory = TempDir::with_prefix("kitmake-image-").expect("a temporary directory can be made");
    let (image, target) =
        (format!("docker://{reference}"), format!("dir:{}", directory.path().join("image").display()));
    let platform = ["--override-os=linux", "--override-arch", architecture];
    skopeo(&[&platform[..], &["copy", "--quiet", "--src-tls-verify=false", &image, &target]].concat());
    let manifest = fs::read_to_string(directory.path().join("image/manifest.json")).expect("skopeo wrote a manifest");
    let files = TempDir::with_prefix("kitmake-files-").expect("a temporary directory can be made");
    for layer in json(&manifest)["layers"].as_array().expect("an image has layers") {
        let digest = layer["digest"].as_str().expect("a layer has a digest");
        let blob = directory.path().join("image").join(digest.trim_start_matches("sha256:"));
        run(Command::new("tar").arg("-C").arg(files.path()).args(["--no-same-owner", "-xf"]).arg(blob));
    }
    files
}

/// When the steps in an image ran: name and the seconds since boot of begin and end, from the files in `/times`.
#[track_caller]
pub fn times(files: &Path) -> std::collections::BTreeMap<String, (f64, f64)> {
    let Ok(directory) = fs::read_dir(files.join("times")) else { return std::collections::BTreeMap::new() };
    directory
        .map(|entry| {
            let path = entry.expect("a directory can be listed").path();
            let text = fs::read_to_string(&path).expect("it is a text file");
            let seconds: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
            let [began, ended] = seconds[..] else { panic!("{}: two numbers, not {text:?}", path.display()) };
            (path.file_name().expect("it has a name").to_string_lossy().into_owned(), (began, ended))
        })
        .collect()
}

#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}\n{text}"))
}

/// Runs a command that has to succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    output(command).with_code(0)
}

/// Runs a command to its end, whatever comes of it.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let text = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let output = command.output().unwrap_or_else(|error| panic!("`{text}` cannot be run: {error}"));
    Output {
        command: text,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

/// Keeps the settings of the user, and of a git that runs the tests from a hook, away from a command.
fn isolate_git(command: &mut Command) {
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
}
