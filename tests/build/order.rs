//! Nothing is built before what it is built on, however many builds run at once.

use std::collections::BTreeMap;

use super::{Bench, NEEDS};
use crate::support::{Output, times, unpack};

/// The name under which the steps of a package record their times.
fn timed(package: &str) -> &str {
    match package {
        "pkg/firmware" => "firmware-full",
        "pkg/firmware:build-mini.yml" => "firmware-mini",
        _ => package.rsplit('/').next().unwrap(),
    }
}

/// By the lines that were printed: never more than `jobs` builds at once, and each after those it is built on.
fn reported_in_order(output: &Output, jobs: usize) {
    let mut building: Vec<&str> = Vec::new();
    let mut built: Vec<&str> = Vec::new();
    for line in output.stderr.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Building", package, "linux/amd64"] => {
                building.push(package);
                assert!(building.len() <= jobs, "-j {jobs}\n{}", output.stderr);
                let (_, needs) = NEEDS.iter().find(|(name, _)| *name == package).unwrap();
                for need in *needs {
                    assert!(built.contains(need), "{package} before {need} at -j {jobs}\n{}", output.stderr);
                }
            }
            ["Built", package, ..] => {
                building.retain(|running| *running != package);
                built.push(package);
            }
            _ => {}
        }
    }
    built.sort_unstable();
    assert_eq!(built, NEEDS.iter().map(|(package, _)| *package).collect::<Vec<_>>());
}

/// By what the steps themselves recorded in the images.
fn recorded_in_order(bench: &Bench) {
    let plan = bench.plan(&["."]);
    let mut recorded: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (package, _) in NEEDS {
        let reference = super::node(&plan, package)["reference"].as_str().unwrap();
        for (name, interval) in times(unpack(reference, "amd64").path()) {
            let known = *recorded.entry(name.clone()).or_insert(interval);
            assert_eq!(known, interval, "{name} ran once, and {package} was built on its image");
        }
    }
    let silent = ["pkg/ca-certificates", "pkg/trust"];
    for (package, needs) in NEEDS.iter().filter(|(package, _)| !silent.contains(package)) {
        let (began, ended) = recorded[timed(package)];
        assert!(began <= ended, "{package}");
        for need in *needs {
            let (_, before) = recorded[timed(need)];
            assert!(before <= began, "{package} began at {began}, {need} ended at {before}");
        }
    }
}

fn order_at(jobs: usize) {
    let bench = Bench::fresh();
    let built = bench.kitmake(&["build", ".", "--push", "-j", &jobs.to_string()]).with_code(0);
    reported_in_order(&built, jobs);
    recorded_in_order(&bench);
}

#[test]
fn order_is_kept_with_one_build_at_a_time() {
    order_at(1);
}

#[test]
fn order_is_kept_with_four_builds_at_a_time() {
    order_at(4);
}

#[test]
fn order_is_kept_with_sixteen_builds_at_a_time() {
    order_at(16);
}
