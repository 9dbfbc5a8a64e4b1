//! Questions about the graph: what needs what, through whom, and what a change would touch.

#![expect(clippy::unwrap_used, reason = "what cannot be read here fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{Monorepo, Output, output};

/// The first three columns of each line; the place behind them.
fn rows(output: &Output) -> Vec<(String, String)> {
    let row = |line: &str| {
        let (columns, place) = line.rsplit_once("  ").expect("each line ends with a place");
        (columns.split_whitespace().collect::<Vec<_>>().join(" "), place.to_owned())
    };
    output.stdout.lines().map(row).collect()
}

/// That each place is a line of a file that names the image or the directory of the second package.
fn assert_places(monorepo: &Monorepo, rows: &[(String, String)]) {
    for (columns, place) in rows {
        let needed = columns.split(' ').nth(1).unwrap().split(':').next().unwrap();
        let name = needed.rsplit('/').next().unwrap();
        let (file, line) = place.rsplit_once(':').unwrap();
        let text = monorepo.read(file);
        let line = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        assert!(line.contains(name) || line.contains('$') || line.contains("@lkt"), "{columns}: {place}: {line}");
    }
}

#[test]
fn each_edge_is_one_line_with_the_place_where_it_is_written() {
    let monorepo = Monorepo::new();
    let direct = monorepo.kitmake(&["deps", "pkg/init"]).with_code(0);
    let direct = rows(&direct);
    assert_places(&monorepo, &direct);
    let columns: Vec<&str> = direct.iter().map(|(columns, _)| columns.as_str()).collect();
    assert!(columns.contains(&"pkg/init pkg/runc from"), "{columns:?}");
    assert!(columns.iter().all(|columns| columns.starts_with("pkg/init ")), "{columns:?}");

    let all = rows(&monorepo.kitmake(&["deps", "--transitive", "pkg/init"]).with_code(0));
    assert_places(&monorepo, &all);
    assert!(direct.iter().all(|row| all.contains(row)) && all.len() > direct.len());
    // The other direction has the same edges.
    for (columns, place) in &all {
        let needed = columns.split(' ').nth(1).unwrap();
        let back = rows(&monorepo.kitmake(&["rdeps", needed]).with_code(0));
        assert!(back.iter().any(|row| row.1 == *place && row.0 == *columns), "{columns}: {back:?}");
    }
}

#[test]
fn edges_for_programs_are_those_of_the_graph() {
    let monorepo = Monorepo::new();
    let edges = monorepo.kitmake(&["rdeps", "-t", "--format", "json", "tools/base"]).with_code(0).json();
    let graph = monorepo.kitmake(&["graph", "--format", "json"]).with_code(0).json();
    let (edges, all) = (edges["edges"].as_array().unwrap().clone(), graph["edges"].as_array().unwrap());
    assert!(!edges.is_empty() && edges.iter().all(|edge| all.contains(edge)));
    let external = monorepo.kitmake(&["deps", "--external", "**", "--format", "json"]).with_code(0).json();
    assert_eq!(external["edges"].as_array().unwrap(), all);
}

#[test]
fn a_package_without_edges_is_said_to_have_none() {
    let monorepo = Monorepo::new();
    let nothing = monorepo.kitmake(&["deps", "tools/base"]).with_code(0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", "it needs no package of this workspace\n"));
    let unknown = monorepo.kitmake(&["rdeps", "tools/bsae"]).with_code(2);
    assert!(unknown.stderr.contains("did you mean `tools/base`?"), "{}", unknown.stderr);
}

#[test]
fn a_path_is_a_chain_from_the_first_to_the_second_or_plainly_none() {
    let monorepo = Monorepo::new();
    let path = rows(&monorepo.kitmake(&["path", "pkg/init", "tools/compiler"]).with_code(0));
    assert_places(&monorepo, &path);
    let ends: Vec<Vec<&str>> = path.iter().map(|(columns, _)| columns.split(' ').take(2).collect()).collect();
    assert_eq!((ends[0][0], ends[ends.len() - 1][1]), ("pkg/init", "tools/compiler"));
    assert!(ends.windows(2).all(|pair| pair[0][1] == pair[1][0]), "{ends:?}");

    let backwards = monorepo.kitmake(&["path", "tools/compiler", "pkg/init"]).with_code(5);
    let said = "`tools/compiler` does not need `pkg/init`; it is `pkg/init` that needs `tools/compiler`\n";
    assert_eq!((backwards.stdout.as_str(), backwards.stderr.as_str()), ("", said));
    let none = monorepo.kitmake(&["path", "pkg/runc", "pkg/init^..."]).with_code(0);
    assert_eq!((none.stdout.as_str(), none.stderr.contains("in common")), ("", true));
}

/// A package without a readable Dockerfile, one without a readable name, and others around them.
fn unreadable() -> Monorepo {
    let yml = |image: &str| format!("org: t\nimage: {image}\n");
    let monorepo = Monorepo::with_files(&[
        ("pkg/base/build.yml", &yml("base")),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/broken/build.yml", "image: [\n"),
        ("pkg/half/build.yml", &yml("half")),
        ("pkg/other/build.yml", &yml("other")),
        ("pkg/other/Dockerfile", "FROM t/unknown:1\n"),
    ]);
    let tag = |package: &str| monorepo.show_tag(&[package])[0].clone();
    monorepo.write("pkg/user/build.yml", &yml("user"));
    monorepo.write("pkg/user/Dockerfile", &format!("FROM {} AS half\nFROM {}\n", tag("pkg/half"), tag("pkg/base")));
    monorepo.commit("Use both");
    monorepo
}

#[test]
fn what_cannot_be_read_is_never_taken_for_not_needing_or_not_being_needed() {
    let monorepo = unreadable();
    let said = |arguments: &[&str], code| monorepo.kitmake(arguments).with_code(code).stderr;
    // There is no path that could be read.
    for (from, to, why) in [
        ("pkg/half", "pkg/base", "workspace::missing_dockerfile"),
        ("pkg/user", "pkg/other", "workspace::missing_dockerfile"),
        ("pkg/other", "pkg/broken", "workspace::invalid_yaml"),
        ("pkg/other", "pkg/base", "workspace::invalid_yaml"),
    ] {
        let stderr = said(&["path", from, to], 3);
        let words =
            format!("it is not known whether `{from}` needs `{to}`: something between them cannot be read in full\n");
        assert!(stderr.contains(&words) && stderr.contains(why), "{from} {to}: {stderr}");
    }
    // Nothing hides between these.
    assert_eq!(said(&["path", "pkg/base", "pkg/user"], 5).lines().count(), 1);
    assert_eq!(said(&["path", "pkg/user", "pkg/base"], 0), "");

    let words = "2 packages cannot be read in full and may need it, too: pkg/broken, pkg/half (-v says why)\n";
    assert_eq!(said(&["rdeps", "pkg/base"], 0), words);
    let none = said(&["rdeps", "pkg/other"], 0);
    assert_eq!(none, format!("{words}no package of this workspace that can be read in full needs it\n"));
    assert!(said(&["rdeps", "-v", "pkg/base"], 0).contains("workspace::missing_dockerfile"));
    assert!(said(&["rdeps", "pkg/broken"], 3).contains("workspace::invalid_yaml"));
    let hidden = "1 package cannot be read and may make an image that is needed: pkg/broken (-v says why)\n";
    assert!(said(&["deps", "pkg/other"], 0).starts_with(hidden));
    assert!(said(&["graph", "pkg/other"], 0).contains("may make an image that is shown as one of others: pkg/broken"));
    assert!(said(&["deps", "-t", "pkg/user"], 3).contains("workspace::missing_dockerfile"));

    // A program is told, too.
    for (arguments, code, expected) in [
        (&["rdeps", "pkg/base"][..], 0, &["pkg/broken", "pkg/half"][..]),
        (&["rdeps", "pkg/broken"], 3, &["pkg/broken", "pkg/half"]),
        (&["deps", "pkg/other"], 0, &["pkg/broken"]),
        (&["deps", "-t", "pkg/user"], 3, &["pkg/half"]),
        (&["deps", "pkg/user"], 0, &[]),
        (&["path", "pkg/user", "pkg/other"], 3, &["pkg/half"]),
        (&["path", "pkg/user", "pkg/base"], 0, &[]),
        (&["graph", "pkg/other"], 0, &["pkg/broken"]),
        (&["graph", "pkg/base"], 0, &[]),
        (&["affected", "--since", "HEAD", "pkg/user"], 0, &["pkg/broken", "pkg/half"]),
        (&["affected", "--since", "HEAD", "pkg/base"], 0, &["pkg/broken"]),
    ] {
        let all = [arguments, &["--format", "json"]].concat();
        let output = monorepo.kitmake(&all).with_code(code);
        assert_eq!(output.json()["unread"], serde_json::json!(expected), "{}", output.command);
    }
}

#[test]
fn what_nobody_knows_yet_is_never_taken_for_not_needing_or_not_being_needed() {
    let yml = |image: &str, more: &str| format!("org: t\nimage: {image}\narches: [amd64]\n{more}");
    let listed = format!("t/broken:1@sha256:{}", "0".repeat(64));
    let monorepo = Monorepo::with_files(&[
        ("pkg/broken/build.yml", "image: [\n"),
        (
            "pkg/list/build.yml",
            &yml("list", &format!("depends:\n  docker-images:\n    target-dir: images\n    list: [{listed}]\n")),
        ),
        ("pkg/list/Dockerfile", "FROM scratch\n"),
        ("pkg/b/build.yml", &yml("b", "")),
        ("pkg/b/Dockerfile", "FROM scratch\n"),
    ]);
    let said = |arguments: &[&str], code| monorepo.kitmake(arguments).with_code(code).stderr;
    let hangs = |name: &str| {
        format!("1 package cannot be read in full, on which hangs what is selected: {name} (-v says why)\n")
    };
    let hidden = "1 package cannot be read and may make an image that is needed: pkg/broken (-v says why)\n";
    assert!(said(&["deps", "pkg/list"], 0).starts_with(hidden));
    assert!(said(&["path", "pkg/list", "pkg/broken"], 3).contains("workspace::invalid_yaml"));
    assert_eq!(said(&["show-tag", "pkg/list..."], 0), hangs("pkg/broken"));

    monorepo.write("pkg/broken/build.yml", &yml("broken", ""));
    monorepo.write("pkg/broken/Dockerfile", "FROM scratch\n");
    for (file, text, code) in [
        ("pkg/a/Dockerfile", "FROM $NOTHING\n", "graph::unresolved_reference"),
        ("pkg/a/Dockerfile.in", "FROM B_TAG\n", "workspace::"),
    ] {
        monorepo.write("pkg/a/build.yml", &yml("a", ""));
        monorepo.write(file, text);
        monorepo.commit("Leave it open what is needed");
        assert!(said(&["path", "pkg/a", "pkg/b"], 3).contains(code), "{file}");
        let deps = said(&["deps", "pkg/a"], 3);
        assert!(deps.contains(code) && !deps.contains("it needs no"), "{file}: {deps}");
        let words = "1 package cannot be read in full and may need it, too: pkg/a (-v says why)\n\
                     no package of this workspace that can be read in full needs it\n";
        assert_eq!(said(&["rdeps", "pkg/b"], 0), words, "{file}");
        assert_eq!(said(&["show-tag", "pkg/a..."], 0), hangs("pkg/a"), "{file}");
        std::fs::remove_dir_all(monorepo.path("pkg/a")).unwrap();
    }
    // Of extra sources of which one is not there, nobody has looked at the others.
    monorepo.write("pkg/a/build.yml", &yml("a", "extra-sources: ['../b:b', '../nowhere:nowhere']\n"));
    monorepo.write("pkg/a/Dockerfile", "FROM scratch\n");
    assert!(said(&["path", "pkg/a", "pkg/b"], 3).contains("git::extra_source"));
}

#[test]
fn who_uses_images_of_others_is_not_asked_this_way() {
    let monorepo = unreadable();
    monorepo.kitmake(&["rdeps", "--external", "pkg/base"]).with_code(2);
    let help = monorepo.kitmake(&["rdeps", "--help"]).with_code(0).stdout;
    assert!(!help.contains("--external"), "{help}");
}

/// Tags of all packages by their names.
fn tags(monorepo: &Monorepo) -> BTreeMap<String, String> {
    let graph = monorepo.kitmake(&["graph", "--format", "json"]).with_code(0).json();
    let packages = graph["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            (package["id"].as_str().unwrap().to_owned(), package["tag"].as_str().unwrap_or("none").to_owned())
        })
        .collect()
}

#[test]
fn what_a_change_would_spread_to_is_what_it_spreads_to() {
    let monorepo = Monorepo::new();
    // Pins that are stale at the beginning carry nothing on, and would be mended together with the change.
    monorepo.kitmake(&["pins", "fix"]);
    monorepo.commit("Fix");
    let before = tags(&monorepo);
    let mut carried = 0;
    for package in before.keys() {
        let asked = monorepo.kitmake(&["plan", "--assume-changed", package, "--format", "json"]).with_code(0).json();
        let with_tag = asked["packages"].as_array().unwrap().iter().filter(|package| package["new_tag"] == true);
        let expected: BTreeSet<&str> = with_tag.map(|package| package["id"].as_str().unwrap()).collect();

        let directory = package.split(':').next().unwrap();
        monorepo.write(&format!("{directory}/changed"), "changed\n");
        monorepo.git(&["add", "--all"]);
        // What is dirty is asked about by what pins name, which is the tag of the last commit.
        let again = monorepo.kitmake(&["plan", "--assume-changed", package, "--format", "json"]).with_code(0).json();
        assert_eq!(again, asked);
        let fixed = monorepo.kitmake(&["pins", "fix"]);
        monorepo.commit("Change");
        let after = tags(&monorepo);
        let found: BTreeSet<&str> =
            before.iter().filter(|(name, tag)| after.get(*name) != Some(tag)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, expected, "{package}: {asked:#}");
        let (pins, files) = (asked["pins"].as_array().unwrap().len(), asked["files"].as_u64().unwrap());
        let count = |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let said = format!("{} in {}", count(pins.try_into().unwrap(), "pin"), count(files, "file"));
        assert!(pins == 0 || fixed.stderr.contains(&said), "{package}: {said}: {}", fixed.stderr);
        carried += pins;
        monorepo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
    assert!(carried > before.len(), "{carried}");
}

#[test]
fn what_a_change_would_spread_to_is_no_plan() {
    let monorepo = Monorepo::new();
    let quiet = |arguments: &[&str]| {
        let nobody = "unix:///nonexistent/engine.sock";
        output(
            monorepo
                .kitmake_command(&[&["plan", "--assume-changed", "tools/base"], arguments].concat())
                .env("DOCKER_HOST", nobody),
        )
    };
    let text = quiet(&["-v"]).with_code(0);
    assert!(text.stdout.starts_with("a change of tools/base rebuilds "), "{}", text.stdout);
    assert_eq!(text.stderr, "");
    for arguments in [&["pkg/init"][..], &["--push"], &["--check"], &["--repin"], &["--format", "html"]] {
        assert_eq!(quiet(arguments).with_code(2).stdout, "", "{arguments:?}");
    }
    let nothing = monorepo.kitmake(&["plan", "--assume-changed", "[HEAD]", "--format", "json"]).with_code(0).json();
    assert_eq!(nothing["packages"], serde_json::json!([]), "programs get a document, whatever is in it");
    let unknown = monorepo.kitmake(&["plan", "--assume-changed", "tools/bsae"]).with_code(2);
    assert!(unknown.stderr.contains("did you mean `tools/base`?"), "{}", unknown.stderr);
}

#[test]
fn what_is_asked_of_nothing_or_of_no_platform_is_said_plainly() {
    let monorepo = Monorepo::with_files(&[("README.md", "nothing\n")]);
    let empty = monorepo.kitmake(&["deps", "."]).with_code(2);
    assert!(empty.stderr.contains("no packages below"), "{}", empty.stderr);
    let monorepo = Monorepo::new();
    let wrong = monorepo.kitmake(&["explain", "pkg/init@foo"]).with_code(2);
    assert!(wrong.stderr.contains("`foo` in `pkg/init@foo` is no platform"), "{}", wrong.stderr);
    let help = monorepo.kitmake(&["explain", "--help"]).with_code(0).stdout;
    assert!(!help.contains("[default: pkg"), "{help}");
    monorepo.kitmake(&["explain"]).with_code(2);
}
