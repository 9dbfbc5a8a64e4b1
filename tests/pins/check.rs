//! What `pins` lists and `pins check` finds.

use super::support::{Monorepo, Registry};
use super::tag;

/// A base with two users, one current, one stale; one whose pin has no value; and one that is built on an image of others,
/// which lives on the same registry.
fn monorepo(org: &str) -> Monorepo {
    let yml = |image: &str| format!("org: {org}\nimage: {image}\n");
    let others = org.rsplit_once('/').map(|(host, _)| format!("{host}/")).unwrap_or_default();
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
        ("pkg/outside/Dockerfile", format!("FROM {others}debian:12\n")),
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
fn all_findings_are_reported_at_once_and_each_place_once() {
    let registry = Registry::start();
    let monorepo = monorepo(&format!("{}/o", registry.address()));
    let checked = monorepo.kitmake(&["pins", "check", "--format", "json"]).with_code(5).json();
    let findings: Vec<(&str, &str)> = (checked["findings"].as_array().unwrap().iter())
        .map(|finding| (finding["kind"].as_str().unwrap(), finding["pins"][0]["file"].as_str().unwrap()))
        .collect();
    let expected = [
        ("unresolved", "pkg/open/Dockerfile"),
        ("unsatisfiable", "pkg/outside/Dockerfile"),
        ("unsatisfiable", "pkg/stale/Dockerfile"),
        ("stale", "pkg/stale/Dockerfile"),
        ("two-tags", "pkg/stale/Dockerfile"),
    ];
    assert_eq!(findings, expected);
    assert_eq!(checked["unknown"], serde_json::json!({}));

    let text = monorepo.kitmake(&["pins", "check"]).with_code(5).stdout;
    let host = registry.address();
    let now = tag(&monorepo, "pkg/base");
    let expected = format!(
        "unresolved                      pkg/open/Dockerfile:2     ${{BASE}}: no value for `BASE`\n\
         unsatisfiable                   pkg/outside/Dockerfile:1  {host}/debian:12 is not in its registry\n\
         unsatisfiable, stale, two tags  pkg/stale/Dockerfile:2    {host}/o/base:gone, but `pkg/base` is {host}/o/base:{now}; \
         it is not in its registry; others name that (pkg/user/Dockerfile:1)\n\
         3 findings in 4 pins\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn an_image_in_a_stage_that_nothing_is_made_from_need_not_exist() {
    let registry = Registry::start();
    let monorepo = monorepo(&format!("{}/o", registry.address()));
    let unneeded = format!("FROM {}/debian:12 AS unneeded\nFROM scratch\n", registry.address());
    monorepo.write("pkg/outside/Dockerfile", &unneeded);
    monorepo.kitmake(&["pins", "check", "pkg/outside"]).with_code(0);
    monorepo.kitmake(&["plan", "pkg/outside"]).with_code(0);
}

#[test]
fn many_places_of_which_the_same_is_said_are_one_line() {
    let monorepo = monorepo("linuxkit");
    let stages = "FROM linuxkit/base:gone\n".repeat(9);
    monorepo.write("pkg/stale/Dockerfile", &stages);
    let lines = |arguments: &[&str], code| monorepo.kitmake(arguments).with_code(code).stdout;
    let checked = lines(&["pins", "check", "--offline"], 5);
    assert!(checked.contains("pkg/stale/Dockerfile:1 and 8 more  linuxkit/base:gone, but"), "{checked}");
    assert!(checked.ends_with("10 findings in 12 pins; -v lists all of them\n"), "{checked}");
    let all = lines(&["pins", "check", "--offline", "-v"], 5);
    assert_eq!(all.matches("pkg/stale/Dockerfile:").count(), 9, "{all}");
    assert!(all.ends_with("10 findings in 12 pins\n"), "{all}");
    let remedy = "`kitmake pins fix` brings stale pins up to date\n";
    assert!(monorepo.kitmake(&["pins", "check", "--offline"]).stderr.ends_with(remedy));
    assert!(!monorepo.kitmake(&["pins", "check", "--offline", "pkg/open"]).stderr.ends_with(remedy));
    let listed = lines(&["pins"], 0);
    assert!(listed.contains("pkg/stale/Dockerfile:1 and 8 more"), "{listed}");
}

#[test]
fn a_registry_that_does_not_answer_is_no_finding_and_no_clean_bill() {
    let mut registry = Registry::start();
    let org = format!("{}/o", registry.address());
    let monorepo = monorepo(&org);
    let allowed = format!("stale-pins:\n  - {{file: pkg/stale/Dockerfile, image: '{org}/base', reason: proven}}\n");
    monorepo.write("kitmake.yml", &allowed);
    let open = monorepo.read("pkg/open/Dockerfile");
    monorepo.write("pkg/open/Dockerfile", "FROM scratch\n");
    registry.stop();
    let unknown = monorepo.kitmake(&["pins", "check"]).with_code(4);
    assert!(unknown.stdout.starts_with("no findings"), "{}", unknown.stdout);
    assert_eq!(unknown.stderr.matches("registry::refused").count(), 1, "{}", unknown.stderr);
    let offline = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
    assert!(offline.stderr.contains("nobody asked whether any of 2 images is there"), "{}", offline.stderr);
    let images = |why: &dyn Fn(&str) -> String| {
        let image = |name: &str| format!("{}/{name}", registry.address());
        let images = [image("debian:12"), image("o/base:gone")];
        serde_json::json!({ &images[0]: why(&images[0]), &images[1]: why(&images[1]) })
    };
    let json = |arguments: &[&str], code| monorepo.kitmake(arguments).with_code(code).json()["unknown"].clone();
    assert_eq!(json(&["pins", "check", "--offline", "--format", "json"], 0), images(&|_| "nobody asked".to_owned()));
    let refused = |image: &str| format!("registry `{}` refuses connections, asked for `{image}`", registry.address());
    assert_eq!(json(&["pins", "check", "--format", "json"], 4), images(&refused));

    // With a finding it is said all the same, and the finding decides.
    monorepo.write("pkg/open/Dockerfile", &open);
    let found = monorepo.kitmake(&["pins", "check"]).with_code(5);
    assert!(found.stdout.ends_with("1 finding in 4 pins\n"), "{}", found.stdout);
    assert_eq!(found.stderr.matches("registry::refused").count(), 1, "{}", found.stderr);
    monorepo.write("pkg/open/Dockerfile", "FROM scratch\n");
    registry.start_again();
    let absent = monorepo.kitmake(&["pins", "check"]).with_code(5);
    assert!(absent.stdout.ends_with("2 findings in 3 pins\n"), "{}", absent.stdout);
    assert_eq!(absent.stdout.matches("is not in its registry").count(), 2, "{}", absent.stdout);
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
        (&["rdeps", "tools/base"], 0),
        (&["deps", "...tools/base"], 0),
        (&["graph"], 0),
    ] {
        let said = monorepo.kitmake(arguments).with_code(code).stderr;
        let named = if code == 0 && arguments != ["graph"] { "cannot be read" } else { "pkg/user/Dockerfile" };
        assert!(said.contains(named) && said.contains("pkg/user"), "{arguments:?}: {said}");
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
    assert!(checked.stderr.starts_with(warning), "{}", checked.stderr);
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

#[test]
fn a_package_that_cannot_be_read_matters_only_to_who_asks_about_it() {
    let monorepo = Monorepo::with_files(&[
        ("pkg/a/build.yml", "image: a\n"),
        ("pkg/a/Dockerfile", "FROM scratch\n"),
        ("pkg/b/build.yml", "image: b\n"),
        ("pkg/b/Dockerfile", "FROM alpine:3.20\n"),
        ("pkg/broken/build.yml", "image: [\n"),
        ("pkg/broken/Dockerfile", "FROM scratch\n"),
    ]);
    let alone = monorepo.kitmake(&["pins", "check", "--offline", "pkg/a"]).with_code(0);
    assert!(!alone.stderr.contains("broken"), "{}", alone.stderr);
    // Nobody knows that it does not make what seems to be made elsewhere.
    let named = monorepo.kitmake(&["pins", "check", "--offline", "pkg/b"]).with_code(0);
    let note = "1 package cannot be read and may make an image that is named: pkg/broken (-v says why)\n";
    assert!(named.stderr.contains(note), "{}", named.stderr);
    // The last might select it, as it may need anything.
    for asked in [&["pkg/broken"][..], &["pkg/a", "pkg/broken"], &[], &["...pkg/a"]] {
        let arguments = [&["pins", "check", "--offline"], asked].concat();
        let all = monorepo.kitmake(&arguments).with_code(3);
        assert!(all.stderr.contains("pkg/broken/build.yml"), "{}", all.stderr);
    }
    // A fix carries on a tag to whoever names it.
    monorepo.kitmake(&["pins", "fix", "pkg/a"]).with_code(5);
}
