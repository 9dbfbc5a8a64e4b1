//! The fixtures keep what their README promises, and the helpers of the tests do what they say.

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use support::{Monorepo, ORG, Registry, broken_names, docker, expected, fixtures, output, run, times, unpack};

#[test]
fn pins_are_the_tree_hashes_of_this_repository() {
    run(Command::new(fixtures().join("pin.sh")).arg("--check"));
    let monorepo = Monorepo::new();
    let base = monorepo.git(&["rev-parse", "HEAD:tools/base"]);
    assert!(monorepo.read("pkg/initrd/Dockerfile").contains(&format!("FROM {ORG}/base:{base} AS build")));
}

#[test]
fn a_pin_that_drifted_is_named_and_pinning_mends_it() {
    let monorepo = Monorepo::new();
    monorepo.write("common/kv/README", "Another text.\n");
    let check = output(Command::new(fixtures().join("pin.sh")).arg("--check").arg(monorepo.root()));
    assert_eq!(check.code, Some(1), "{}", check.stderr);
    assert!(check.stdout.starts_with("pkg/rootfs/Dockerfile\n"), "{}", check.stdout);
    monorepo.pin();
    assert_eq!(monorepo.git(&["diff", "--name-only"]), "common/kv/README\npkg/rootfs/Dockerfile");
    run(Command::new(fixtures().join("pin.sh")).arg("--check").arg(monorepo.root()));
}

#[test]
fn another_org_changes_every_name_and_is_pinned() {
    let monorepo = Monorepo::with_org("127.0.0.1:5999/elsewhere");
    for file in monorepo.files() {
        assert!(!monorepo.read(&file).contains(ORG), "{file}");
    }
    run(Command::new(fixtures().join("pin.sh")).arg("--check").arg(monorepo.root()));
    assert_eq!(monorepo.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_refreshed_monorepo_has_a_base_of_its_own() {
    let (one, two) = (Monorepo::new(), Monorepo::new());
    one.refresh();
    two.refresh();
    let tree = |monorepo: &Monorepo| monorepo.git(&["rev-parse", "HEAD:tools/base"]);
    let trees = BTreeSet::from([tree(&one), tree(&two), tree(&Monorepo::new())]);
    assert_eq!(trees.len(), 3);
    run(Command::new(fixtures().join("pin.sh")).arg("--check").arg(one.root()));
}

#[test]
fn every_broken_monorepo_says_what_is_expected_of_it() {
    for name in broken_names() {
        let expected = expected(&name);
        // A code of a diagnostic, or the state of a node that no command fails for.
        assert_eq!(expected.code != 0, expected.diagnostic.contains("::"), "{name}: {expected:?}");
        assert!(!Monorepo::broken(&name).files().is_empty(), "{name}");
    }
}

#[test]
fn outside_images_have_the_digests_that_the_fixtures_name_and_are_published_once() {
    let registry = Registry::start();
    registry.publish_outside_images("fixtures");
    let uploads = |registry: &Registry| registry.writes().iter().filter(|write| write.method == "POST").count();
    let before = uploads(&registry);
    assert!(before > 0);
    registry.publish_outside_images("fixtures");
    assert_eq!(uploads(&registry), before, "blobs that are there are not sent again");

    let list = std::fs::read_to_string(fixtures().join("outside/images")).unwrap();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let [name, tag, _, digest] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let reference = format!("{}/fixtures/{name}:{tag}", registry.address());
        assert_eq!(support::inspect(&reference, "amd64")["Digest"], *digest, "{name}");
    }
    let previous = list.lines().find(|line| line.starts_with("compiler")).unwrap();
    let reference = format!("{}/fixtures/compiler:{}", registry.address(), previous.split_whitespace().nth(1).unwrap());
    let files = unpack(&reference, "amd64");
    assert!(files.path().join("bootstrap/stage0").is_file());
    assert!(times(files.path()).is_empty());
}

#[test]
fn the_base_image_runs_and_goes_with_its_registry() {
    let registry = Registry::start();
    registry.publish_outside_images("fixtures");
    let reference = format!("{}/fixtures/busybox:1", registry.address());
    let said =
        docker(&["run", "--rm", "--network=none", &reference, "sh", "-c", "read -r up _ </proc/uptime && echo $up"]);
    assert!(said.parse::<f64>().is_ok(), "{said}");
    let filter = format!("reference={}/*/*", registry.address());
    drop(registry);
    assert_eq!(docker(&["image", "ls", "--quiet", "--filter", &filter]), "");
}
