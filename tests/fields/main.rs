//! Each field of a build.yml does its work in a real build: `kitmake build` runs as a process on the real engine, and the
//! image that comes of it is looked into.
//!
//! Each test has a registry of its own with the outside images of the fixtures; its images go from the engine with it.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

#[path = "../support/mod.rs"]
mod support;

mod args;
mod context;
mod docker_images;
mod labels;
mod platforms;
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use support::{Monorepo, Output, Registry, docker, run};

/// A repository whose packages live in a registry of their own.
struct Bench {
    monorepo: Monorepo,
    registry: Registry,
}

impl Bench {
    /// With these files; in each text `ORG` stands for the org of the packages and `OUTSIDE` for that of the outside images.
    fn new(files: &[(&str, &str)]) -> Self {
        let registry = Registry::start();
        registry.publish_outside_images("outside");
        Self::on(registry, files)
    }

    /// The same with a registry that is there already.
    fn on(registry: Registry, files: &[(&str, &str)]) -> Self {
        let (org, outside) = (format!("{}/fields", registry.address()), format!("{}/outside", registry.address()));
        let replaced: Vec<(&str, String)> =
            files.iter().map(|(path, text)| (*path, text.replace("ORG", &org).replace("OUTSIDE", &outside))).collect();
        let files: Vec<(&str, &str)> = replaced.iter().map(|(path, text)| (*path, text.as_str())).collect();
        Self { monorepo: Monorepo::with_files(&files), registry }
    }

    /// Builds what must succeed.
    #[track_caller]
    fn build(&self, arguments: &[&str]) -> Output {
        self.monorepo.kitmake(&[&["build"], arguments].concat()).with_code(0)
    }

    /// What `show-tag` calls a package.
    #[track_caller]
    fn reference(&self, package: &str) -> String {
        self.monorepo.show_tag(&[package]).remove(0)
    }

    /// The configuration of the image of a package, as `docker inspect` has it.
    #[track_caller]
    fn config(&self, package: &str) -> Value {
        let text = docker(&["image", "inspect", "--format", "{{json .Config}}", &self.reference(package)]);
        serde_json::from_str(&text).unwrap()
    }

    /// The files of the image of a package.
    #[track_caller]
    fn files(&self, package: &str) -> TempDir {
        files(&self.reference(package))
    }

    /// The variables in the file `/env` of the image of a package.
    #[track_caller]
    fn env(&self, package: &str) -> BTreeMap<String, String> {
        let text = text(self.files(package).path(), "env");
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

/// The files of an image on the engine, with their modes and links.
#[track_caller]
fn files(image: &str) -> TempDir {
    let directory = TempDir::with_prefix("kitmake-files-").unwrap();
    let container = docker(&["container", "create", image, "none"]);
    let tar = directory.path().join("tar");
    docker(&["container", "export", "--output", tar.to_str().unwrap(), &container]);
    docker(&["container", "rm", &container]);
    let files = TempDir::with_prefix("kitmake-files-").unwrap();
    run(Command::new("tar").arg("-C").arg(files.path()).args(["--no-same-owner", "-pxf"]).arg(tar));
    files
}

#[track_caller]
fn text(files: &Path, path: &str) -> String {
    fs::read_to_string(files.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether the engine has an image of this name.
fn on_engine(image: &str) -> bool {
    support::output(Command::new("docker").args(["image", "inspect", image])).code == Some(0)
}
