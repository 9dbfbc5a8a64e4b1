//! The main job on the real engine and real registries: plan, build, push, and all that can go wrong on the way.
//!
//! Each test has a registry of its own; what it built goes from the engine with it. Skopeo is the independent reader of
//! what was pushed, `docker` of what is on the builder, and the log of the registry of what was asked for.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

#[path = "../support/mod.rs"]
mod support;

mod cached;
mod changes;
mod dirty;
mod dry_run;
mod emulation;
mod expected;
mod explained;
mod failure;
mod full;
mod options;
mod order;
mod outdated;
mod platforms;
mod prefix;
mod requests;
mod signals;
mod stages;
mod unanswered;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use support::{Monorepo, Output, Registry, docker, output};

/// A copy of the fixtures whose images live in a registry of their own.
struct Bench {
    monorepo: Monorepo,
    registry: Registry,
}

impl Bench {
    /// With the base as it is: what other tests built may be in the engine's build cache.
    fn new() -> Self {
        engine_answers();
        let registry = Registry::start();
        Self { monorepo: Monorepo::in_registry(&registry), registry }
    }

    /// With a base of its own: every step that is on it really runs.
    fn fresh() -> Self {
        let bench = Self::new();
        bench.monorepo.refresh();
        bench
    }

    /// Runs kitmake at the root.
    fn kitmake(&self, arguments: &[&str]) -> Output {
        self.monorepo.kitmake(arguments)
    }

    /// Runs kitmake at the root where no engine answers.
    fn without_engine(&self, arguments: &[&str]) -> Output {
        output(self.monorepo.kitmake_command(arguments).env("DOCKER_HOST", "unix:///nonexistent/engine.sock"))
    }

    /// The reference that `show-tag` gives for a directory.
    #[track_caller]
    fn reference(&self, directory: &str) -> String {
        self.monorepo.show_tag(&[directory]).remove(0)
    }

    /// The plan as JSON.
    #[track_caller]
    fn plan(&self, arguments: &[&str]) -> Value {
        self.kitmake(&[&["plan", "--format", "json"], arguments].concat()).with_code(0).json()
    }

    /// The nodes that a plan would build.
    #[track_caller]
    fn to_build(&self, arguments: &[&str]) -> BTreeSet<String> {
        steps(&self.plan(arguments), "build")
    }

    /// Commits an edit of a file, with all pins as they then are.
    fn edit_and_pin(&self, path: &str, text: &str) {
        self.monorepo.write(path, text);
        self.monorepo.pin();
        self.monorepo.commit("Edit");
    }

    /// Whether the engine has an image of this name.
    fn on_builder(reference: &str) -> bool {
        output(Command::new("docker").args(["image", "inspect", reference])).code == Some(0)
    }

    /// The names of the images that the engine has of this bench, sorted.
    fn images(&self) -> Vec<String> {
        let filter = format!("reference={}/*/*", self.registry.address());
        let list = docker(&["image", "ls", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
        let mut images: Vec<String> = list.lines().map(str::to_owned).collect();
        images.sort();
        images
    }

    /// Takes every image of this bench from the engine.
    fn forget_images(&self) {
        for image in self.images() {
            let name = image.split(' ').next().unwrap();
            if !name.ends_with(":<none>") {
                docker(&["image", "rm", name]);
            }
        }
    }

    /// The tags of an image in the registry; empty when it has none.
    fn tags(&self, image: &str) -> BTreeSet<String> {
        let repository = format!("docker://{}/fixtures/{image}", self.registry.address());
        let listed = output(Command::new("skopeo").args(["list-tags", "--tls-verify=false", &repository]));
        if listed.code != Some(0) {
            return BTreeSet::new();
        }
        listed.json()["Tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }
}

/// An engine is a part of these tests and not a condition for them.
fn engine_answers() {
    let version = output(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]));
    assert_eq!(version.code, Some(0), "no Docker Engine answers; tests/run.sh starts one\n{}", version.stderr);
}

/// The nodes (or packages) of the steps of a kind, such as `pkg/init@linux/amd64`.
fn steps(plan: &Value, kind: &str) -> BTreeSet<String> {
    let prefix = format!("{kind}:");
    let ids = plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap());
    ids.filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// The state that a plan gives a node on amd64.
#[track_caller]
fn node<'a>(plan: &'a Value, id: &str) -> &'a Value {
    let found = plan["nodes"].as_array().unwrap().iter().find(|node| node["id"] == id);
    found.unwrap_or_else(|| panic!("no node {id} in {plan:#}"))
}

/// The reasons of a node by name.
fn reasons(node: &Value) -> BTreeSet<&str> {
    node["reasons"].as_array().unwrap().iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
}

/// What the plain lines on standard error say with this verb, such as `Built`: names of packages.
fn told(output: &Output, verb: &str) -> Vec<String> {
    let prefix = format!("{verb} ");
    let lines = output.stderr.lines().filter_map(|line| line.trim_start().strip_prefix(&prefix));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The same, sorted.
fn told_set(output: &Output, verb: &str) -> BTreeSet<String> {
    told(output, verb).into_iter().collect()
}

/// A set of names.
fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// A set of nodes on amd64.
fn nodes<'a>(packages: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    packages.into_iter().map(|package| format!("{package}@linux/amd64")).collect()
}

/// The packages that are built on an image of a package of the fixtures, directly or not, itself included.
fn built_on(base: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([base]);
    loop {
        let more: Vec<&str> = NEEDS
            .iter()
            .filter(|(package, needs)| !found.contains(package) && needs.iter().any(|need| found.contains(need)))
            .map(|(package, _)| *package)
            .collect();
        if more.is_empty() {
            return found.into_iter().map(str::to_owned).collect();
        }
        found.extend(more);
    }
}

/// Every package of the fixtures that is built on amd64, with those whose images it is built on, as read from its
/// Dockerfile by a person.
const NEEDS: &[(&str, &[&str])] = &[
    ("pkg/bom", &["tools/base"]),
    ("pkg/bootloader", &["tools/base"]),
    ("pkg/ca-certificates", &[]),
    ("pkg/containerd", &["tools/base", "tools/containerd-dev"]),
    ("pkg/firmware", &["tools/base"]),
    ("pkg/firmware:build-mini.yml", &["tools/base"]),
    ("pkg/init", &["pkg/containerd", "pkg/runc", "tools/base"]),
    ("pkg/initrd", &["pkg/init", "tools/base"]),
    ("pkg/kernel", &["tools/compiler"]),
    ("pkg/preload", &["tools/base"]),
    ("pkg/recovery", &[]),
    ("pkg/rootfs", &["pkg/init", "pkg/kernel", "pkg/sysctl", "pkg/sysfs", "tools/base"]),
    ("pkg/runc", &["tools/compiler"]),
    ("pkg/seed", &["tools/base"]),
    ("pkg/sysctl", &["tools/base"]),
    ("pkg/sysfs", &["tools/base"]),
    ("pkg/trust", &["pkg/ca-certificates"]),
    ("pkg/update", &["pkg/firmware:build-mini.yml", "tools/base"]),
    ("pkg/vtpm", &["tools/base"]),
    ("tools/base", &[]),
    ("tools/compiler", &["tools/base"]),
    ("tools/containerd-dev", &["tools/compiler"]),
];
