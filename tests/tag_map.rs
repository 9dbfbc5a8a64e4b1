//! `kitmake show-tag --format`: the map of all tags, as a shell, a JSON and a YAML reader take it.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use support::{Monorepo, run};

const DOCKERFILE: &str = "FROM scratch\n";

/// Two packages, one of them with two build ymls.
fn monorepo() -> Monorepo {
    Monorepo::with_files(&[
        ("kitmake.yml", "packages:\n  pkg/b: [build-dev.yml]\n"),
        ("pkg/a/build.yml", "org: acme\nimage: node-exporter\n"),
        ("pkg/a/Dockerfile", DOCKERFILE),
        ("pkg/b/build.yml", "org: acme\nimage: x.y\n"),
        ("pkg/b/build-dev.yml", "org: acme\nimage: x.y\n"),
        ("pkg/b/Dockerfile", DOCKERFILE),
    ])
}

/// What a shell that reads the file exports.
fn sourced(monorepo: &Monorepo, text: &str, name: &str) -> String {
    let file = monorepo.path("../tags.env");
    fs::write(&file, text).unwrap();
    let script = format!("set -ae; . \"$1\"; printenv {name}");
    run(Command::new("sh").args(["-c", &script, "sh"]).arg(file)).stdout.trim_end().to_owned()
}

#[test]
fn every_form_is_the_same_map_of_what_show_tag_prints() {
    let monorepo = monorepo();
    let printed = monorepo.kitmake(&["show-tag"]).with_code(0).stdout;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert_eq!(lines[1], lines[2], "two ymls of one image");
    let expected: BTreeMap<String, String> =
        [("NODE_EXPORTER_TAG", lines[0]), ("X_Y_TAG", lines[1])].map(|(a, b)| (a.to_owned(), b.to_owned())).into();

    let show = |format: &str| monorepo.kitmake(&["show-tag", "--format", format]).with_code(0);
    let env = show("env").stdout;
    assert_eq!(env, format!("NODE_EXPORTER_TAG={}\nX_Y_TAG={}\n", lines[0], lines[1]));
    for (name, reference) in &expected {
        assert_eq!(sourced(&monorepo, &env, name), *reference);
    }
    assert_eq!(serde_json::from_value::<BTreeMap<String, String>>(show("json").json()).unwrap(), expected);
    let yaml: BTreeMap<String, String> = serde_yaml::from_str(&show("yaml").stdout).unwrap();
    assert_eq!(yaml, expected);
}

#[test]
fn the_flags_of_tags_count_and_provenance_stays_out() {
    let monorepo = monorepo();
    let flags = ["show-tag", "--format", "env", "--canonical", "--hash", "7", "--org", "o", "-v", "pkg/b", "pkg/a"];
    let shown = monorepo.kitmake(&flags).with_code(0).stdout;
    assert_eq!(shown, "NODE_EXPORTER_TAG=docker.io/o/node-exporter:7\nX_Y_TAG=docker.io/o/x.y:7\n");
}

#[test]
fn two_packages_that_would_share_a_name_are_an_error_and_nothing_is_printed() {
    let monorepo = monorepo();
    monorepo.write("pkg/b/build-dev.yml", "org: acme\nimage: x.y\ntag: \"{{.Hash}}-dev\"\n");
    monorepo.commit("Tag the other yml apart");
    let refused = monorepo.kitmake(&["show-tag", "--format", "json"]).with_code(3);
    assert_eq!(refused.stdout, "");
    for part in ["git::same_name", "`X_Y_TAG`", "`pkg/b`", "`pkg/b:build-dev.yml`"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    monorepo.kitmake(&["show-tag"]).with_code(0);
    monorepo.kitmake(&["show-tag", "--format", "json", "pkg/a", "pkg/b"]).with_code(0);
}

#[test]
fn one_bad_package_suppresses_the_map_but_not_the_lines() {
    let monorepo = monorepo();
    monorepo.write("pkg/c/build.yml", "org: acme\n");
    monorepo.commit("Add a package without an image");
    let refused = monorepo.kitmake(&["show-tag", "--format", "env"]).with_code(3);
    assert_eq!(refused.stdout, "");
    assert_eq!(monorepo.kitmake(&["show-tag"]).with_code(3).stdout.lines().count(), 3);
}
