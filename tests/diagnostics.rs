//! What is wrong with a repository or a command line is said with a code, the place and what to do about it, and without
//! an engine or a registry.

mod support;

use support::{Monorepo, Output, broken_names, expected, output};

/// Runs kitmake where no engine answers.
fn kitmake(monorepo: &Monorepo, arguments: &[&str]) -> Output {
    output(monorepo.kitmake_command(arguments).env("DOCKER_HOST", "unix:///nonexistent/engine.sock"))
}

/// Plans without asking anybody.
fn plan(monorepo: &Monorepo, arguments: &[&str]) -> Output {
    kitmake(monorepo, &[&["plan", "--offline", "--assume-missing"], arguments].concat())
}

/// The codes of the diagnostics, in order.
fn codes(output: &Output) -> Vec<&str> {
    let code =
        |line: &&str| line.contains("::") && line.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == ':');
    output.stderr.lines().filter(code).collect()
}

/// Diagnostics of which no single place is at fault: an empty file, and what several packages do together.
const WITHOUT_PLACE: [&str; 2] = ["graph::duplicate_image", "workspace::empty_yml"];

#[test]
fn every_broken_monorepo_gets_its_diagnostic_and_its_exit_code() {
    for name in broken_names() {
        let monorepo = Monorepo::broken(&name);
        let expected = expected(&name);
        let arguments: Vec<&str> = expected.arguments.iter().map(String::as_str).collect();
        let planned = plan(&monorepo, &arguments).with_code(expected.code);
        assert_eq!(codes(&planned), [expected.diagnostic.as_str()], "{name}:\n{}", planned.stderr);
        assert!(planned.stderr.contains("help: "), "{name}:\n{}", planned.stderr);
        let place = ["build.yml:", "kitmake.yml:", "Dockerfile:"].iter().any(|file| planned.stderr.contains(file));
        let without = WITHOUT_PLACE.contains(&expected.diagnostic.as_str());
        assert_eq!(place, !without, "{name}: a file and a line\n{}", planned.stderr);
        // All others are done, for which there is no engine here.
        if planned.stdout.starts_with("build ") {
            continue;
        }
        for command in [&["build", "--offline", "--assume-missing"][..], &["push", "--offline", "--assume-missing"]] {
            let refused = kitmake(&monorepo, &[command, &arguments].concat()).with_code(expected.code);
            assert_eq!(codes(&refused), [expected.diagnostic.as_str()], "{name}:\n{}", refused.stderr);
        }
    }
}

#[test]
fn a_broken_package_elsewhere_is_named_and_stops_nothing() {
    for name in ["invalid-yaml", "missing-dockerfile", "bad-tag-template", "missing-extra-source", "no-image"] {
        let planned = plan(&Monorepo::broken(name), &["pkg/sound"]).with_code(0);
        let said = "1 package that is not selected has errors: pkg/broken (-v says why)\n";
        assert!(planned.stderr.starts_with(said), "{name}: {}", planned.stderr);
        let verbose = plan(&Monorepo::broken(name), &["-v", "pkg/sound"]).with_code(0);
        assert!(verbose.stderr.contains("has errors: pkg/broken\n"), "{name}: {}", verbose.stderr);
        assert_eq!(codes(&verbose), [expected(name).diagnostic.as_str()], "{name}: {}", verbose.stderr);
        assert!(planned.stdout.starts_with("build 1; 0 of 1 node present\n"), "{name}: {}", planned.stdout);
    }
}

#[test]
fn an_unknown_key_is_a_warning_unless_strict() {
    let monorepo = Monorepo::broken("unknown-key");
    let planned = plan(&monorepo, &[]).with_code(0);
    assert_eq!(codes(&planned), ["workspace::unknown_key"], "{}", planned.stderr);
    assert!(planned.stderr.contains("pkg/broken/build.yml:2:1"), "{}", planned.stderr);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let monorepo = Monorepo::with_files(&[
        ("pkg/a/build.yml", "image: a\narches: [arm46]\n"),
        ("pkg/a/Dockerfile", "FROM scratch\nCOPY f /\n"),
        ("pkg/b/build.yml", "image: [\n"),
        ("pkg/c/build.yml", "image: c\nextra-sources: [\"../../nowhere:x\"]\n"),
        ("pkg/c/Dockerfile", "FROM scratch\nCOPY f /\n"),
        ("pkg/d/build.yml", "image: d\n"),
    ]);
    let planned = plan(&monorepo, &[]).with_code(3);
    let mut codes = codes(&planned);
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "git::extra_source",
            "workspace::invalid_yaml",
            "workspace::missing_dockerfile",
            "workspace::unknown_architecture"
        ],
        "{}",
        planned.stderr
    );
}

#[test]
fn a_problem_of_what_a_selected_package_needs_fails_the_plan() {
    let monorepo = Monorepo::new();
    monorepo.replace("tools/base/build.yml", "image: base\n", "image: base\ndockerfile: Dockerfile.absent\n");
    monorepo.pin();
    monorepo.commit("Break the base");
    let planned = plan(&monorepo, &["pkg/vtpm"]).with_code(3);
    assert_eq!(codes(&planned), ["workspace::missing_dockerfile"], "{}", planned.stderr);
    assert!(planned.stderr.contains("tools/base/build.yml:"), "{}", planned.stderr);
    // Built on nothing of it.
    plan(&monorepo, &["pkg/ca-certificates"]).with_code(0);
}

#[test]
fn a_wrong_build_yml_of_what_a_selected_package_needs_fails_the_plan() {
    let monorepo = Monorepo::new();
    monorepo.replace("tools/base/build.yml", "image: base\n", "image: base\nnetwork: [perhaps]\n");
    monorepo.commit("Break the base");
    let planned = plan(&monorepo, &["pkg/vtpm"]).with_code(3);
    assert_eq!(codes(&planned), ["workspace::wrong_type"], "{}", planned.stderr);
    assert!(planned.stderr.contains("tools/base/build.yml:"), "{}", planned.stderr);
    plan(&monorepo, &["pkg/ca-certificates"]).with_code(0);
}

#[test]
fn a_hook_does_not_choose_where_packages_are_found() {
    let files = [("out/a/build.yml", "image: a\n"), ("out/a/Dockerfile", "FROM scratch\nCOPY build.yml /\n")];
    let (monorepo, other) = (Monorepo::with_files(&files), Monorepo::with_files(&[("README", "nothing\n")]));
    // Tracked, so it is a package although it is ignored: only the index of the right repository says so.
    monorepo.write(".gitignore", "out/\n");
    monorepo.commit("Ignore what is tracked");
    let mut command = monorepo.kitmake_command(&["graph", "--format", "json"]);
    command.env("GIT_DIR", other.path(".git")).env("GIT_INDEX_FILE", other.path(".git/index"));
    let graph = output(&mut command).with_code(0);
    assert!(graph.stdout.contains("\"out/a\""), "{}", graph.stdout);
}

#[test]
fn an_unknown_selector_is_a_usage_error_with_a_suggestion() {
    let monorepo = Monorepo::new();
    for (selector, meant) in [("pkg/intrd", "`pkg/initrd`"), ("pkg/sysclt", "`pkg/sysctl`")] {
        let planned = plan(&monorepo, &[selector]).with_code(2);
        assert_eq!(codes(&planned), ["selector::unknown"]);
        assert!(planned.stderr.contains(&format!("did you mean {meant}?")), "{}", planned.stderr);
        assert_eq!(planned.stdout, "");
    }
    plan(&monorepo, &["--no-such-option"]).with_code(2);
}

#[test]
fn marks_of_selectors_follow_the_graph_in_every_verb_that_takes_them() {
    let monorepo = Monorepo::new();
    let nodes = |selectors: &[&str]| -> Vec<String> {
        let json = plan(&monorepo, &[&["--format", "json", "--platforms", "amd64"], selectors].concat()).json();
        let nodes = json["nodes"].as_array().unwrap().iter().filter(|node| node["selected"] == true);
        nodes.map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    let needed = ["pkg/containerd", "pkg/init", "pkg/runc", "tools/base", "tools/compiler", "tools/containerd-dev"];
    assert_eq!(nodes(&["pkg/init..."]), needed);
    assert_eq!(nodes(&["!pkg/init", "pkg/init...", "!tools"]), ["pkg/containerd", "pkg/runc"]);
    let needing = ["pkg/bom", "pkg/containerd", "pkg/init", "pkg/initrd", "pkg/rootfs"];
    assert_eq!(nodes(&["...^tools/containerd-dev"]), needing);
    let packages = |selectors: &[&str]| -> Vec<String> {
        let json = kitmake(&monorepo, &[&["graph", "--format", "json"], selectors].concat()).with_code(0).json();
        json["packages"].as_array().unwrap().iter().map(|package| package["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        packages(&["pkg/init^..."]),
        ["pkg/containerd", "pkg/runc", "tools/base", "tools/compiler", "tools/containerd-dev"]
    );
}

#[test]
fn an_empty_selection_is_a_usage_error_and_never_everything() {
    let monorepo = Monorepo::new();
    for selectors in [&["pkg/init", "!pkg"][..], &["!pkg"], &["tools/base", "!...tools/base"]] {
        let planned = plan(&monorepo, selectors).with_code(2);
        assert_eq!(codes(&planned), ["selector::empty"], "{}", planned.stderr);
        assert!(planned.stdout.is_empty());
    }
}
