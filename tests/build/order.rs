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
fn reported_in_order(output: &Output, packages: &[&str], jobs: usize) {
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
    assert_eq!(built, packages);
}

/// By what the steps themselves recorded in the images.
fn recorded_in_order(bench: &Bench, packages: &[&str]) {
    let plan = bench.plan(packages);
    let mut recorded: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for package in packages {
        let reference = super::node(&plan, package)["reference"].as_str().unwrap();
        for (name, interval) in times(unpack(reference, "amd64").path()) {
            let known = *recorded.entry(name.clone()).or_insert(interval);
            assert_eq!(known, interval, "{name} ran once, and {package} was built on its image");
        }
    }
    let silent = ["pkg/ca-certificates", "pkg/trust"];
    for (package, needs) in NEEDS.iter().filter(|(name, _)| packages.contains(name) && !silent.contains(name)) {
        let (began, ended) = recorded[timed(package)];
        assert!(began <= ended, "{package}");
        for need in *needs {
            let (_, before) = recorded[timed(need)];
            assert!(before <= began, "{package} began at {began}, {need} ended at {before}");
        }
    }
}

/// Some packages with all that they need.
fn closure<'a>(targets: &[&'a str]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut open = targets.to_vec();
    while let Some(package) = open.pop() {
        if !found.contains(&package) {
            found.push(package);
            open.extend(NEEDS.iter().filter(|(name, _)| *name == package).flat_map(|(_, needs)| *needs));
        }
    }
    found.sort_unstable();
    found
}

fn order_at(jobs: usize, packages: &[&str]) {
    let bench = Bench::fresh();
    let jobs_argument = jobs.to_string();
    let arguments = [&["build", "--push", "-j", &jobs_argument][..], packages].concat();
    let built = bench.kitmake(&arguments).with_code(0);
    reported_in_order(&built, packages, jobs);
    recorded_in_order(&bench, packages);
}

#[test]
fn order_is_kept_with_one_build_at_a_time() {
    order_at(1, &closure(&["pkg/initrd", "pkg/update"]));
}

#[test]
fn order_is_kept_with_four_builds_at_a_time() {
    order_at(4, &closure(&["pkg/initrd", "pkg/rootfs"]));
}

#[test]
fn order_is_kept_with_sixteen_builds_at_a_time() {
    order_at(16, &NEEDS.iter().map(|(package, _)| *package).collect::<Vec<_>>());
}
