//! Images of several platforms, of packages whose steps run on the builder's own or not at all.

use std::collections::BTreeSet;

use super::{Bench, set, told_set};
use crate::support::{docker, manifest, unpack};

/// The platforms that the index behind a reference lists, with their digests.
fn listed(reference: &str) -> BTreeSet<(String, String)> {
    let index = manifest(reference);
    let entries = index["manifests"].as_array().unwrap_or_else(|| panic!("{reference} is no index: {index:#}"));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    entries.iter().map(|entry| (text(&entry["platform"]["architecture"]), text(&entry["digest"]))).collect()
}

fn architectures(reference: &str) -> BTreeSet<String> {
    listed(reference).into_iter().map(|(architecture, _)| architecture).collect()
}

const BOTH: [&str; 2] = ["--platforms", "linux/amd64,linux/arm64"];

#[test]
fn an_index_lists_each_platform_that_was_asked_for() {
    let bench = Bench::new();
    let packages = ["pkg/bootloader", "pkg/firmware", "pkg/trust"];
    bench.kitmake(&[&["push"], &packages[..], &BOTH].concat()).with_code(0);
    for package in packages {
        let reference = bench.reference(package);
        assert_eq!(architectures(&reference), set(["amd64", "arm64"]), "{package}");
        for (architecture, digest) in listed(&reference) {
            let single = crate::support::inspect(&format!("{reference}-{architecture}"), &architecture);
            assert_eq!(single["Digest"], digest, "{package}");
            assert_eq!(single["Architecture"], architecture, "{package}");
        }
    }
    let bootloader = unpack(&bench.reference("pkg/bootloader"), "arm64");
    assert_eq!(
        std::fs::read_to_string(bootloader.path().join("boot/menu.cfg")).unwrap(),
        bench.monorepo.read("pkg/bootloader/boards.cfg")
    );
    let firmware = unpack(&bench.reference("pkg/firmware"), "arm64");
    assert!(firmware.path().join("lib/firmware/modem.txt").is_file());
    let again = bench.kitmake(&[&["push"], &packages[..], &BOTH].concat()).with_code(0);
    assert!(again.stderr.starts_with("nothing to do: "), "{}", again.stderr);
}

#[test]
fn platforms_that_are_pushed_one_after_the_other_end_in_one_index() {
    let bench = Bench::new();
    let package = "pkg/ca-certificates";
    let reference = bench.reference(package);
    bench.kitmake(&["push", package, "--platforms", "linux/amd64"]).with_code(0);
    let first = listed(&reference);
    assert_eq!(architectures(&reference), set(["amd64"]));
    bench.kitmake(&["push", package, "--platforms", "arm64"]).with_code(0);
    assert_eq!(architectures(&reference), set(["amd64", "arm64"]));
    assert!(listed(&reference).is_superset(&first), "what was there is left as it was");
    // All that the yml lists, which are the default ones.
    bench.kitmake(&["push", package, "--platforms", "all"]).with_code(0);
    assert_eq!(architectures(&reference), set(["amd64", "arm64", "riscv64"]));
}

#[test]
fn a_build_for_another_platform_finds_its_sibling_that_nobody_has_published() {
    let bench = Bench::new();
    let built = bench.kitmake(&["build", "pkg/trust", BOTH[0], BOTH[1]]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/ca-certificates", "pkg/trust"]));
    assert_eq!(bench.tags("ca-certificates"), BTreeSet::new());
    let reference = bench.reference("pkg/trust");
    let architecture = |name: &str| docker(&["image", "inspect", "--format", "{{.Architecture}}", name]);
    assert_eq!(architecture(&format!("{reference}-arm64")), "arm64");
    assert_eq!(architecture(&format!("{reference}-amd64")), "amd64");
    assert_eq!(architecture(&reference), "amd64", "the plain tag is of the builder's own platform");

    // In a later run the sibling is there already, still on the builder only.
    docker(&["image", "rm", &format!("{reference}-arm64")]);
    let again = bench.kitmake(&["push", "pkg/trust", BOTH[0], BOTH[1]]).with_code(0);
    assert_eq!(told_set(&again, "Built"), set(["pkg/trust"]));
    assert_eq!(bench.tags("ca-certificates"), BTreeSet::new());
    for architecture in ["amd64", "arm64"] {
        let files = unpack(&reference, architecture);
        assert!(files.path().join("etc/ssl/certs/root.pem").is_file(), "{architecture}");
    }
}

#[test]
fn what_stays_behind_of_a_push_is_told_with_its_platforms_and_the_command_that_pushes_it() {
    let bench = Bench::new();
    let needed = "pkg/ca-certificates";
    bench.kitmake(&["push", needed]).with_code(0);
    let pushed = bench.kitmake(&["push", "pkg/trust", BOTH[0], BOTH[1]]).with_code(0);
    let told = "pkg/trust is built on 1 package that is not pushed: pkg/ca-certificates (linux/arm64); \
                `kitmake push pkg/ca-certificates --platforms linux/arm64` pushes it\n";
    assert!(pushed.stderr.ends_with(told), "{}", pushed.stderr);
    let advised = bench.kitmake(&["push", needed, "--platforms", "linux/arm64"]).with_code(0);
    assert_eq!(told_set(&advised, "Pushed"), set([needed]));
    assert_eq!(architectures(&bench.reference(needed)), set(["amd64", "arm64"]));
}

#[test]
fn a_platform_that_a_package_does_not_list_is_no_error() {
    let bench = Bench::new();
    let plan = bench.plan(&["pkg/vtpm", "pkg/tracer", "--platforms", "linux/riscv64"]);
    for node in plan["nodes"].as_array().unwrap() {
        assert_eq!(node["state"], "not-built-here", "{node:#}");
    }
    let nothing = bench.kitmake(&["build", "pkg/vtpm", "--platforms", "linux/riscv64"]).with_code(0);
    assert_eq!(nothing.stderr, "nothing to do: 0 present, 1 not built here\n");
}

#[test]
fn a_package_that_lists_no_architectures_is_never_built_and_said_to() {
    let bench = Bench::new();
    for platforms in [&[][..], &["--platforms", "all"], &BOTH] {
        let nothing = bench.kitmake(&[&["build", "pkg/tracer", "--force"], platforms].concat()).with_code(0);
        assert_eq!(nothing.stderr, "nothing to do: 0 present, 1 lists no architectures\n", "{platforms:?}");
        let plan = bench.kitmake(&[&["plan", "pkg/tracer"], platforms].concat()).with_code(0);
        assert!(plan.stdout.starts_with("nothing to do: "), "{}", plan.stdout);
        assert!(plan.stdout.ends_with("  lists no architectures  pkg/tracer\n"), "{}", plan.stdout);
    }
    let built = bench.kitmake(&["build", "pkg/tracer", "pkg/ca-certificates", "--platforms", "all"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/ca-certificates"]));
    assert!(built.stderr.contains("  lists no architectures  pkg/tracer\n"), "{}", built.stderr);
}

#[test]
fn skipped_platforms_are_taken_from_those_that_are_wanted_whatever_chose_them() {
    let bench = Bench::new();
    let package = "pkg/ca-certificates";
    let platforms = |arguments: &[&str]| {
        let plan = bench.plan(&[&[package], arguments].concat());
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().map(|step| step["node"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()).collect()
    };
    let all = ["--platforms", "all"];
    let skipped: BTreeSet<String> = platforms(&[&all[..], &["--skip-platforms", "linux/riscv64"]].concat());
    assert_eq!(skipped, set(["amd64", "arm64"]));
    for twice in
        [&["--skip-platforms", "linux/riscv64,arm64"][..], &["--skip-platforms=arm64", "--skip-platforms=riscv64"]]
    {
        assert_eq!(platforms(&[&all[..], twice].concat()), set(["amd64"]), "{twice:?}");
    }
    assert_eq!(platforms(&[&BOTH[..], &["--skip-platforms", "linux/amd64"]].concat()), set(["arm64"]));
    bench.monorepo.write("kitmake.yml", "platforms: [linux/amd64, linux/arm64]\n");
    bench.monorepo.commit("Choose platforms");
    assert_eq!(platforms(&["--skip-platforms", "linux/arm64"]), set(["amd64"]));
    let nothing = bench.kitmake(&["build", package, "--skip-platforms", "linux/arm64,linux/amd64"]).with_code(0);
    assert_eq!(nothing.stderr, "nothing to do: 0 present, 1 is wanted on skipped platforms only\n");
    bench.kitmake(&["build", package, "--skip-platforms", "all"]).with_code(2);

    bench.kitmake(&["build", package, "--platforms", "all", "--skip-platforms", "linux/riscv64"]).with_code(0);
    let reference = bench.reference(package);
    let stored = ["amd64", "arm64", "riscv64"].map(|arch| Bench::on_builder(&format!("{reference}-{arch}")));
    assert_eq!(stored, [true, true, false]);
}
