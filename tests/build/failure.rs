//! A build or a push that fails takes with it what needs it, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use super::{Bench, set, steps, told, told_set};
use crate::support::Output;

/// Makes the build of a package fail with a message, and pins what needs it.
fn break_package(bench: &Bench, package: &str, message: &str) {
    let dockerfile = format!("{package}/Dockerfile");
    let text = bench.monorepo.read(&dockerfile);
    let mut lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.starts_with("COPY ")).unwrap();
    let failing = format!("RUN echo {message} && false");
    lines.insert(place, &failing);
    bench.edit_and_pin(&dockerfile, &(lines.join("\n") + "\n"));
}

/// The file that the output names as the full log, which must hold this text.
fn full_log_has(output: &Output, message: &str) {
    let path = output.stderr.lines().find_map(|line| line.trim_start().strip_prefix("full log: "));
    let log = fs::read_to_string(path.unwrap_or_else(|| panic!("no log is named\n{}", output.stderr))).unwrap();
    assert!(log.contains(message), "{log}");
}

/// A pin that cannot be read, in a package that another one is built on.
#[test]
fn what_a_mistake_keeps_from_being_built_is_said_and_never_passes_for_done_while_the_rest_is_built() {
    let bench = Bench::new();
    let dockerfile = "pkg/runc/Dockerfile";
    let text = bench.monorepo.read(dockerfile);
    bench.edit_and_pin(dockerfile, &text.replacen("FROM ", "ARG NOBODY\nFROM ${NOBODY}", 1));
    let selected = ["pkg/runc", "pkg/init", "pkg/ca-certificates"];
    for verb in [&["plan"][..], &["build", "--dry-run"], &["build"], &["build"]] {
        let ended = bench.kitmake(&[verb, &selected].concat()).with_code(3);
        assert_eq!(ended.stderr.matches("`pkg/runc` cannot be built:").count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("no value for `NOBODY`"), "{}", ended.stderr);
        assert!(ended.stderr.contains("[pkg/runc/Dockerfile:"), "{}", ended.stderr);
    }
    assert_eq!(bench.to_build(&["pkg/ca-certificates"]).len(), 0, "it was built");
    bench.kitmake(&["build", "pkg/ca-certificates"]).with_code(0);
}

const MESSAGE: &str = "no-compiler-today";

#[test]
fn with_keep_going_exactly_what_needs_the_failed_package_is_skipped() {
    let bench = Bench::new();
    break_package(&bench, "pkg/runc", MESSAGE);
    let ended = bench.kitmake(&["build", ".", "-j", "4", "--push", "-k"]).with_code(1);
    let dependents = ["pkg/init", "pkg/initrd", "pkg/rootfs"];
    // The build, the push and the index of each; the lines of pushes begin with `push`.
    let skipped = told_set(&ended, "Skipped");
    for package in dependents {
        assert!(skipped.contains(package), "{package}\n{}", ended.stderr);
    }
    assert!(
        skipped.iter().all(|name| ["push", "index"].contains(&name.as_str()) || dependents.contains(&name.as_str()))
    );
    assert!(ended.stderr.contains("that need pkg/runc linux/amd64: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("FAILED build pkg/runc linux/amd64 after "), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("  | {MESSAGE}")), "the end of the log\n{}", ended.stderr);
    full_log_has(&ended, MESSAGE);

    let failed: BTreeSet<&str> = BTreeSet::from(["pkg/runc"]).into_iter().chain(dependents).collect();
    let left = bench.plan(&[".", "--push"]);
    for (package, _) in super::NEEDS {
        let reference = super::node(&left, package)["reference"].as_str().unwrap();
        let (name, tag) = reference.rsplit_once(':').unwrap();
        let published = bench.tags(name.rsplit_once('/').unwrap().1);
        assert_eq!(published.contains(tag), !failed.contains(package), "{package}: {published:?}");
        assert_eq!(published.contains(&format!("{tag}-amd64")), !failed.contains(package), "{package}: {published:?}");
    }
    assert_eq!(told(&ended, "Built").len(), super::NEEDS.len() - failed.len());
    assert_eq!(steps(&left, "build"), super::nodes(failed.iter().copied()), "only what failed is left");
}

#[test]
fn without_keep_going_nothing_new_starts() {
    let bench = Bench::fresh();
    break_package(&bench, "tools/compiler", MESSAGE);
    // One at a time, and the base of nearly all comes first; the compiler is the most urgent after it.
    let ended = bench.kitmake(&["build", "pkg/runc", "pkg/vtpm", "-j", "1", "--push"]).with_code(1);
    let stop = ended.stderr.find("FAILED build tools/compiler").unwrap();
    let after = &ended.stderr[stop..];
    assert!(!after.contains("Building "), "{after}");
    assert_eq!(told(&ended, "Built"), ["tools/base"], "{}", ended.stderr);
    assert!(after.contains("not started after the failure "), "{after}");
    assert!(after.contains("skipped ") && after.contains(" that need tools/compiler linux/amd64: pkg/runc"), "{after}");
    assert_eq!(bench.tags("runc"), BTreeSet::new());
    full_log_has(&ended, MESSAGE);
}

#[test]
fn an_image_that_is_built_and_cannot_be_pushed_is_another_exit_code_that_a_failed_build_outranks() {
    let mut bench = Bench::new();
    bench.registry.make_read_only();
    let packages = ["pkg/ca-certificates", "pkg/recovery"];
    let ended = bench.kitmake(&["build", packages[0], "--push"]).with_code(6);
    assert_eq!(told_set(&ended, "Built"), set(["pkg/ca-certificates"]));
    assert!(ended.stderr.contains("FAILED push pkg/ca-certificates linux/amd64"), "{}", ended.stderr);
    assert!(ended.stderr.contains("it may be read-only"), "the help fits: {}", ended.stderr);
    assert!(!ended.stderr.contains("pushing again"), "it would be refused again: {}", ended.stderr);
    assert_eq!(bench.tags("ca-certificates"), BTreeSet::new(), "no index without its image");

    break_package(&bench, packages[1], "no-recovery");
    let ended = bench.kitmake(&["build", packages[0], packages[1], "--push", "-k"]).with_code(1);
    assert!(ended.stderr.contains("FAILED push pkg/ca-certificates"), "{}", ended.stderr);
    assert!(ended.stderr.contains("FAILED build pkg/recovery"), "{}", ended.stderr);
}

#[test]
fn a_package_with_a_failed_platform_gets_no_index() {
    let bench = Bench::new();
    let text = bench.monorepo.read("pkg/bootloader/Dockerfile").replace("COPY boards.cfg", "COPY absent.cfg");
    bench.edit_and_pin("pkg/bootloader/Dockerfile", &text);
    let ended = bench.kitmake(&["build", "pkg/bootloader", "--platforms", "all", "--push", "-k"]).with_code(1);
    assert!(ended.stderr.contains("FAILED build pkg/bootloader linux/arm64"), "{}", ended.stderr);
    let tag = bench.reference("pkg/bootloader").rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(bench.tags("bootloader"), set([&format!("{tag}-amd64")]));
}
