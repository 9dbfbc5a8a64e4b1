//! What `pins` lists and `pins check` finds.

use super::support::{Monorepo, Registry};
use super::tag;

/// A base with two users, one current, one stale; and one whose pin has no value.
fn monorepo(org: &str) -> Monorepo {
    let yml = |image: &str| format!("org: {org}\nimage: {image}\n");
    let files = [
        ("pkg/base/build.yml", yml("base")),
        ("pkg/base/Dockerfile", "FROM scratch\n".to_owned()),
        ("pkg/stale/build.yml", yml("stale")),
        ("pkg/stale/Dockerfile", format!("# one\nFROM {org}/base:gone\n")),
        ("pkg/user/build.yml", yml("user")),
        ("pkg/user/Dockerfile", format!("FROM {org}/base:now\n")),
        ("pkg/open/build.yml", yml("open")),
        ("pkg/open/Dockerfile", "ARG BASE\nFROM ${BASE}\n".to_owned()),
        ("pkg/outside/build.yml", yml("outside")),
        ("pkg/outside/Dockerfile", "FROM debian:12\n".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let monorepo = Monorepo::with_files(&files);
    let now = tag(&monorepo, "pkg/base");
    monorepo.replace("pkg/user/Dockerfile", "base:now", &format!("base:{now}"));
    monorepo.commit("Pin");
    monorepo
}

#[test]
fn every_pin_is_listed_with_its_place_and_state() {
    let monorepo = monorepo("linuxkit");
    let listed = monorepo.kitmake(&["pins", "--format", "json"]).with_code(0).json();
    let pins: Vec<(String, u64, String)> = listed["pins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pin| {
            let text = |key: &str| pin[key].as_str().unwrap().to_owned();
            (text("file"), pin["line"].as_u64().unwrap(), text("state"))
        })
        .collect();
    let expected = [
        ("pkg/open/Dockerfile", 2, "unresolved"),
        ("pkg/outside/Dockerfile", 1, "external"),
        ("pkg/stale/Dockerfile", 2, "stale"),
        ("pkg/user/Dockerfile", 1, "current"),
    ];
    assert_eq!(pins, expected.map(|(file, line, state)| (file.to_owned(), line, state.to_owned())));
    let of_one = monorepo.kitmake(&["pins", "pkg/stale"]).with_code(0);
    assert!(of_one.stdout.ends_with("1 pin in 1 file: 1 stale\n"), "{}", of_one.stdout);
}

#[test]
fn all_findings_are_reported_at_once() {
    let registry = Registry::start();
    let monorepo = monorepo(&format!("{}/o", registry.address()));
    let checked = monorepo.kitmake(&["pins", "check", "--format", "json"]).with_code(5).json();
    let kinds: Vec<&str> =
        checked["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["unresolved", "unsatisfiable", "stale", "two-tags"]);
    let text = monorepo.kitmake(&["pins", "check"]).with_code(5).stdout;
    for part in
        ["unsatisfiable  pkg/stale/Dockerfile:2", "unresolved     pkg/open/Dockerfile:2", "4 findings in 4 pins"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn a_registry_that_does_not_answer_is_no_finding_and_no_clean_bill() {
    let mut registry = Registry::start();
    let org = format!("{}/o", registry.address());
    let monorepo = monorepo(&org);
    let allowed = format!("stale-pins:\n  - {{file: pkg/stale/Dockerfile, image: '{org}/base', reason: proven}}\n");
    monorepo.write("kitmake.yml", &allowed);
    monorepo.write("pkg/open/Dockerfile", "FROM scratch\n");
    registry.stop();
    let unknown = monorepo.kitmake(&["pins", "check"]).with_code(4);
    assert!(unknown.stdout.starts_with("no findings"), "{}", unknown.stdout);
    let offline = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
    assert!(offline.stderr.contains("nobody asked whether 1 former tag is there"), "{}", offline.stderr);
    registry.start_again();
    let absent = monorepo.kitmake(&["pins", "check"]).with_code(5);
    assert!(absent.stdout.contains("unsatisfiable"), "{}", absent.stdout);
}

#[test]
fn a_dirty_package_is_measured_by_what_it_will_be() {
    let monorepo = monorepo("linuxkit");
    monorepo.write("pkg/base/Dockerfile", "FROM scratch\nLABEL changed=1\n");
    let checked = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(5).stdout;
    monorepo.commit("Change");
    let now = format!("linuxkit/base:{}", tag(&monorepo, "pkg/base"));
    assert!(checked.contains("pkg/user/Dockerfile:1") && checked.contains(&now), "{checked}");
}

#[test]
fn what_cannot_be_read_is_no_clean_bill() {
    let monorepo = Monorepo::with_files(&[("pkg/a/build.yml", "image: a\n"), ("pkg/b/build.yml", "image: [\n")]);
    let checked = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(3);
    assert!(checked.stderr.contains("pkg/a/Dockerfile") && checked.stderr.contains("pkg/b/build.yml"), "{checked:?}");
}

#[test]
fn what_cannot_be_read_is_neither_fixed_nor_free_of_needs() {
    let base = [("tools/base/build.yml", "image: base\n"), ("tools/base/Dockerfile", "FROM scratch\n")];
    let user = [("pkg/user/build.yml", "image: user\n"), ("pkg/user/Dockerfile", "FROM scratch AS\n")];
    let monorepo = Monorepo::with_files(&[base, user].concat());
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("what cannot be read may have stale pins, too"), "{}", fixed.stderr);
    for (arguments, code) in [
        (&["deps", "pkg/user"][..], 3),
        (&["path", "pkg/user", "tools/base"], 3),
        (&["rdeps", "pkg/user"], 3),
        (&["rdeps", "tools/base"], 0),
        (&["deps", "...tools/base"], 0),
        (&["graph"], 0),
    ] {
        let said = monorepo.kitmake(arguments).with_code(code).stderr;
        assert!(said.contains("pkg/user/Dockerfile"), "{arguments:?}: {said}");
        assert!(!said.contains("it needs no package") || code == 0, "{arguments:?}: {said}");
    }
    let other = monorepo.kitmake(&["deps", "tools/base"]).with_code(0);
    assert_eq!(other.stderr, "it needs no package of this workspace\n");
}

#[test]
fn an_entry_that_allows_nothing_is_a_warning_and_no_finding() {
    let monorepo = monorepo("linuxkit");
    monorepo.write("pkg/stale/Dockerfile", "FROM scratch\n");
    monorepo.write("pkg/open/Dockerfile", "FROM scratch\n");
    monorepo.write("kitmake.yml", "stale-pins:\n  - {file: pkg/stale/Dockerfile, reason: proven}\n");
    let checked = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
    let warning = "warning: kitmake.yml: `stale-pins` allows pins of pkg/stale/Dockerfile, and none is stale\n";
    assert_eq!(checked.stderr, warning);
}

#[test]
fn that_nothing_has_changed_is_said() {
    let monorepo = monorepo("linuxkit");
    let listed = monorepo.kitmake(&["pins", "[HEAD]"]).with_code(0);
    assert!(listed.stderr.contains("nothing has changed since `HEAD`"), "{}", listed.stderr);
}

#[test]
fn a_pin_is_said_to_stand_where_it_has_to_be_edited_by_every_verb() {
    let files = [
        ("pkg/base/build.yml", "image: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/Dockerfile", "# one\nARG BASE=linuxkit/base:now\nFROM scratch AS a\nFROM $BASE AS b\nFROM $BASE\n"),
    ];
    let monorepo = Monorepo::with_files(&files);
    let now = tag(&monorepo, "pkg/base");
    monorepo.replace("pkg/user/Dockerfile", "base:now", &format!("base:{now}"));
    monorepo.commit("Pin");
    monorepo.write("pkg/base/Dockerfile", "FROM scratch\nLABEL changed=1\n");
    monorepo.commit("Change");
    for arguments in [
        &["pins"][..],
        &["pins", "check", "--offline"],
        &["plan", "--offline", "--assume-missing", "pkg/user"],
        &["explain", "--offline", "--assume-missing", "pkg/user"],
        &["deps", "pkg/user"],
        &["rdeps", "pkg/base"],
        &["path", "pkg/user", "pkg/base"],
        &["affected", "--since", "HEAD~1"],
        &["graph", "--format", "json"],
    ] {
        let said = monorepo.kitmake(arguments).stdout;
        let lines: Vec<&str> = said.split("pkg/user/Dockerfile").skip(1).map(|rest| &rest[..2]).collect();
        if arguments[0] == "graph" {
            assert!(said.contains("\"line\": 2") && !said.contains("\"line\": 4"), "{said}");
        } else {
            assert_eq!(lines, [":2"], "{arguments:?}: {said}");
        }
    }
}
