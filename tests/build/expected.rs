//! How long steps took is remembered, and the next plan and run make use of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Bench, told};
use crate::support::{json as parsed, output};

/// The one file of the state directory that remembers.
fn file(bench: &Bench) -> PathBuf {
    let state = bench.monorepo.root().parent().unwrap().join("state/kitmake");
    let entries = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    let [file] = &files[..] else { panic!("one file, not {files:?}") };
    file.clone()
}

/// How often each step was measured.
pub(super) fn measured(bench: &Bench) -> BTreeMap<String, usize> {
    let document = parsed(&fs::read_to_string(file(bench)).unwrap());
    let steps = document["steps"].as_object().unwrap().iter();
    steps.map(|(step, times)| (step.clone(), times["milliseconds"].as_array().unwrap().len())).collect()
}

/// Puts what other machines would have measured into the file.
fn remember(bench: &Bench, seconds: &[(&str, u64)]) {
    let file = file(bench);
    let mut document = parsed(&fs::read_to_string(&file).unwrap());
    for (package, seconds) in seconds {
        document["steps"][format!("build:{package}@linux/amd64")] =
            json!({"last": 0, "milliseconds": [seconds * 1000]});
    }
    fs::write(&file, document.to_string()).unwrap();
}

fn counts(steps: &[(&str, usize)]) -> BTreeMap<String, usize> {
    steps.iter().map(|(step, count)| ((*step).to_owned(), *count)).collect()
}

#[test]
fn what_was_measured_is_expected_of_the_next_version() {
    let bench = Bench::fresh();
    let unknown = bench.kitmake(&["plan", "pkg/vtpm", "--push"]).with_code(0);
    assert!(!unknown.stdout.contains("expected"), "{}", unknown.stdout);
    bench.kitmake(&["push", "pkg/vtpm"]).with_code(0);
    let first = counts(&[
        ("build:pkg/vtpm@linux/amd64", 1),
        ("build:tools/base@linux/amd64", 1),
        ("index:pkg/vtpm", 1),
        ("push:pkg/vtpm@linux/amd64", 1),
    ]);
    assert_eq!(measured(&bench), first);

    bench.monorepo.refresh();
    remember(&bench, &[("tools/base", 200), ("pkg/vtpm", 100)]);
    let plan = bench.kitmake(&["plan", "pkg/vtpm", "pkg/bom", "-j", "3", "-v"]).with_code(0);
    let line = plan.stdout.lines().last().unwrap();
    // The mean of what is known is two minutes and a half, which is more than the other one takes.
    assert!(line.starts_with("expected: about 6 min with 3 jobs (tools/base -> pkg/bom); 1 of 3 steps"), "{line}");
    assert!(plan.stderr.contains(&*file(&bench).to_string_lossy()), "{}", plan.stderr);
    let json = bench.plan(&["pkg/vtpm", "-j", "3"]);
    assert_eq!(json["expected"]["total_ms"], 300_000);
    assert_eq!(
        json["expected"]["critical_path"],
        json!(["build:tools/base@linux/amd64", "build:pkg/vtpm@linux/amd64"])
    );
    let expected: Vec<&Value> = json["steps"].as_array().unwrap().iter().map(|step| &step["expected_ms"]).collect();
    assert_eq!(expected, [200_000, 100_000]);

    bench.kitmake(&["build", "pkg/vtpm"]).with_code(0);
    assert_eq!(measured(&bench)["build:pkg/vtpm@linux/amd64"], 2, "another tag is another time of the same step");
}

#[test]
fn a_build_that_the_engine_had_in_its_cache_is_not_measured() {
    let bench = Bench::fresh();
    let build = || bench.kitmake(&["build", "pkg/vtpm", "--force"]).with_code(0);
    build();
    let first = measured(&bench);
    assert_eq!(first["build:pkg/vtpm@linux/amd64"], 1);
    bench.forget_images();
    let again = build();
    assert!(told(&again, "Built").contains(&"pkg/vtpm".to_owned()), "{}", again.stderr);
    let second = measured(&bench);
    assert_eq!(second["build:pkg/vtpm@linux/amd64"], first["build:pkg/vtpm@linux/amd64"], "{}", again.stderr);
}

#[test]
fn what_is_expected_to_take_the_longest_is_started_first() {
    let bench = Bench::fresh();
    let build = || told(&bench.kitmake(&["build", "pkg/init", "pkg/seed", "-j", "1"]).with_code(0), "Building");
    let place = |order: &[String], package: &str| order.iter().position(|built| built == package).unwrap();
    let unknown = build();
    assert!(place(&unknown, "tools/compiler") < place(&unknown, "pkg/seed"), "more is built on it: {unknown:?}");

    bench.monorepo.refresh();
    remember(&bench, &[("pkg/seed", 3600), ("pkg/runc", 600), ("tools/containerd-dev", 1), ("pkg/containerd", 1)]);
    let known = build();
    assert_eq!(known[..2], ["tools/base", "pkg/seed"], "{known:?}");
    assert!(place(&known, "pkg/runc") < place(&known, "tools/containerd-dev"), "{known:?}");
}

#[test]
fn a_file_that_is_broken_or_gone_costs_nothing_but_the_estimate() {
    let bench = Bench::new();
    bench.kitmake(&["build", "pkg/ca-certificates"]).with_code(0);
    for broken in [Some("{\"version\":1,"), None] {
        match broken {
            Some(text) => fs::write(file(&bench), text).unwrap(),
            None => fs::remove_dir_all(bench.monorepo.root().parent().unwrap().join("state")).unwrap(),
        }
        let plan = bench.kitmake(&["plan", "pkg/ca-certificates", "--force"]).with_code(0);
        assert!(!plan.stdout.contains("expected"), "{}", plan.stdout);
        assert!(!plan.stderr.contains("durations"), "{}", plan.stderr);
        bench.monorepo.write("pkg/ca-certificates/new", &format!("{broken:?} {}\n", bench.registry.address()));
        bench.monorepo.commit("Change it");
        bench.kitmake(&["build", "pkg/ca-certificates"]).with_code(0);
        assert!(measured(&bench).contains_key("build:pkg/ca-certificates@linux/amd64"));
    }
}

#[test]
fn that_nothing_is_remembered_is_said_and_stops_nothing() {
    let bench = Bench::new();
    bench.monorepo.write("file", "");
    let mut command = bench.monorepo.kitmake_command(&["build", "pkg/ca-certificates"]);
    let built = output(command.env("XDG_STATE_HOME", bench.monorepo.path("file"))).with_code(0);
    assert_eq!(built.stderr.matches("warning: how long this took is not remembered: ").count(), 1, "{}", built.stderr);
}
