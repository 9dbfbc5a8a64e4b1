//! The tag of an image sees the committed files of its directory. What else an image is made from travels with it, and a
//! machine that has nothing but the repository and the registry can name what differs.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Bench, node, reasons, set, told_set};
use crate::support::output;

const CERTIFICATES: &str = "pkg/ca-certificates";

/// Runs kitmake as on a machine that never ran it, with an engine that has no image of the bench.
fn elsewhere(bench: &Bench, arguments: &[&str]) -> crate::support::Output {
    bench.forget_images();
    let nothing = TempDir::with_prefix("kitmake-fresh-").unwrap();
    let mut command = bench.monorepo.kitmake_command(arguments);
    command.env("XDG_CACHE_HOME", nothing.path()).env("XDG_STATE_HOME", nothing.path());
    output(&mut command)
}

/// What a plan on such a machine says differs of a published image that is under an unchanged tag.
#[track_caller]
fn differs(bench: &Bench, package: &str, reference: &str, flags: &[&str]) -> Value {
    let plan = elsewhere(bench, &[&["plan", "--format", "json", package], flags].concat()).with_code(0).json();
    let found = node(&plan, package);
    assert_eq!((&found["state"], &found["reference"]), (&json!("outdated"), &json!(reference)), "{found:#}");
    let outdated = found["reasons"].as_array().unwrap().iter().find(|reason| reason["reason"] == "outdated").unwrap();
    assert_eq!(outdated["unsaid"], Value::Null, "{outdated:#}");
    outdated["differs"].clone()
}

#[test]
fn a_file_that_git_ignores_is_not_in_the_tag_and_named_on_a_fresh_machine() {
    let bench = Bench::new();
    bench.monorepo.write(".gitignore", "*.generated\nnode_modules\n");
    bench.monorepo.commit("Ignore what is generated");
    bench.kitmake(&["push", CERTIFICATES]).with_code(0);
    let reference = bench.reference(CERTIFICATES);
    bench.monorepo.write("pkg/ca-certificates/certs/extra.generated", "generated\n");
    assert_eq!(bench.reference(CERTIFICATES), reference, "the tag does not see it");
    let expected = json!([{"component": "file", "path": "certs/extra.generated", "change": "added"}]);
    assert_eq!(differs(&bench, CERTIFICATES, &reference, &[]), expected);
    let text = elsewhere(&bench, &["plan", CERTIFICATES]).with_code(0).stdout;
    assert!(text.contains("file outside git certs/extra.generated: added"), "{text}");

    // Junk is one line, wherever it is told.
    for n in 0..600 {
        bench.monorepo.write(&format!("pkg/ca-certificates/web/node_modules/m{}/f{n}", n % 20), "x");
    }
    let junk = "600 files outside git below web/node_modules";
    for arguments in [["plan", CERTIFICATES], ["explain", CERTIFICATES]] {
        let text = elsewhere(&bench, &arguments).with_code(0).stdout;
        assert_eq!(text.matches("node_modules").count(), if arguments[0] == "plan" { 1 } else { 2 }, "{text}");
        assert!(text.contains(junk), "{text}");
    }
    // And the other way round: the image carries it, as one hash.
    let rebuilt = bench.kitmake(&["push", CERTIFICATES, "--on-outdated", "rebuild"]).with_code(0);
    assert!(rebuilt.stderr.contains("published tags that are overwritten: 2"), "{}", rebuilt.stderr);
    std::fs::remove_dir_all(bench.monorepo.path("pkg/ca-certificates/web")).unwrap();
    let gone = json!([{"component": "files", "directory": "web/node_modules", "count": 600}]);
    assert_eq!(differs(&bench, CERTIFICATES, &reference, &[]), gone);
}

#[test]
fn a_value_that_names_another_package_is_not_in_the_tag_and_named_on_a_fresh_machine() {
    let bench = Bench::new();
    bench.kitmake(&["push", "pkg/bom"]).with_code(0);
    let reference = bench.reference("pkg/bom");
    let init = bench.reference("pkg/init");
    bench.monorepo.write("pkg/init/new", "");
    bench.monorepo.commit("Change init, which bom only names");
    assert_eq!(bench.reference("pkg/bom"), reference, "the tag does not see it");
    let now = bench.reference("pkg/init");
    let expected = json!([{"component": "build-arg", "name": "INIT_REFERENCE", "was": init, "is": now}]);
    assert_eq!(differs(&bench, "pkg/bom", &reference, &[]), expected);
    let explained = elsewhere(&bench, &["explain", "pkg/bom"]).with_code(0).stdout;
    let hash = |reference: &str| reference.rsplit(':').next().unwrap().to_owned();
    for words in ["build arg INIT_REFERENCE: ", &hash(&init), " -> ", &hash(&now)] {
        assert!(explained.contains(words), "{words} in {explained}");
    }
}

#[test]
fn another_build_yml_makes_another_image_under_the_same_tag_and_is_named() {
    let bench = Bench::new();
    let yml = bench.monorepo.read("pkg/ca-certificates/build.yml");
    bench.monorepo.write("pkg/ca-certificates/build-dev.yml", &format!("{yml}buildArgs:\n  - FLAVOUR=dev\n"));
    bench.monorepo.commit("Add a build yml for development");
    bench.kitmake(&["push", CERTIFICATES]).with_code(0);
    let reference = bench.reference(CERTIFICATES);
    let plan = elsewhere(&bench, &["plan", "--format", "json", "--build-yml", "build-dev.yml", CERTIFICATES])
        .with_code(0)
        .json();
    let found = &plan["nodes"][0];
    assert_eq!((&found["state"], &found["reference"]), (&json!("outdated"), &json!(reference)), "{found:#}");
    // An image that others may pull does not tell the values of build args.
    let hash = format!("blake3:{}", blake3::hash(b"dev").to_hex());
    let expected = json!([{"component": "build-arg", "name": "FLAVOUR", "was": null, "is": hash}]);
    assert_eq!(found["reasons"][0]["differs"], expected, "{found:#}");
}

#[test]
fn a_dirty_extra_source_is_in_the_tag_unlike_in_linuxkits_and_named() {
    let bench = Bench::new();
    let clean = bench.reference("pkg/sysctl");
    bench.monorepo.write("common/kv/README", "dirty\n");
    let plan = bench.plan(&["pkg/sysctl"]);
    let found = node(&plan, "pkg/sysctl");
    assert_eq!(found["state"], "dirty");
    assert!(reasons(found).is_superset(&["dirty", "missing"].into()), "{found:#}");
    let reference = found["reference"].as_str().unwrap();
    assert!(reference.starts_with(&format!("{clean}-dirty-")), "linuxkit would take {clean}");
    let explained = bench.kitmake(&["explain", "pkg/sysctl", "--format", "json"]).with_code(0).json();
    let files = explained["nodes"][0]["components"]["files"].as_object().unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["kv/README"]);
}

#[test]
fn a_missing_image_is_explained_by_what_changed_since_the_newest_one_that_is_there() {
    let bench = Bench::new();
    bench.kitmake(&["push", CERTIFICATES]).with_code(0);
    let tag = bench.reference(CERTIFICATES).rsplit(':').next().unwrap().to_owned();
    let head = bench.monorepo.git(&["rev-parse", "HEAD"]);
    bench.monorepo.write("pkg/ca-certificates/certs/new.pem", "new\n");
    bench.monorepo.commit("Add a certificate");
    bench.monorepo.write("pkg/ca-certificates/certs/other.pem", "other\n");
    bench.monorepo.commit("Add another one");
    let explained = bench.kitmake(&["explain", CERTIFICATES, "--format", "json"]).with_code(0).json();
    let found = &explained["nodes"][0];
    assert_eq!(found["state"], "missing");
    assert_eq!(found["needed_by"], json!([]), "a pin that is stale by now waits for nothing");
    let changed = json!([
        {"path": "pkg/ca-certificates/certs/new.pem", "status": "A"},
        {"path": "pkg/ca-certificates/certs/other.pem", "status": "A"},
    ]);
    assert_eq!(found["since"], json!({"found": "published", "commit": head, "tag": tag, "changed": changed}));

    // A shallow clone does not know of it, and says how to get there.
    let shallow = TempDir::with_prefix("kitmake-shallow-").unwrap();
    let url = format!("file://{}", bench.monorepo.root().display());
    bench.monorepo.git(&["clone", "--quiet", "--depth", "1", &url, &shallow.path().display().to_string()]);
    let mut command = bench.monorepo.kitmake_command(&["explain", CERTIFICATES]);
    let text = output(command.current_dir(shallow.path())).with_code(0).stdout;
    assert!(text.contains("`git fetch --unshallow`"), "{text}");

    // What is not committed has changed since HEAD, if that is there.
    bench.kitmake(&["push", CERTIFICATES]).with_code(0);
    bench.monorepo.write("pkg/ca-certificates/certs/new.pem", "changed\n");
    bench.monorepo.write("pkg/ca-certificates/certs/untracked.pem", "untracked\n");
    let explained = bench.kitmake(&["explain", CERTIFICATES, "--format", "json"]).with_code(0).json();
    let changed = json!([
        {"path": "pkg/ca-certificates/certs/new.pem", "status": "M"},
        {"path": "pkg/ca-certificates/certs/untracked.pem", "status": "A"},
    ]);
    let since = &explained["nodes"][0]["since"];
    assert_eq!((&since["commit"], &since["changed"]), (&bench.monorepo.git(&["rev-parse", "HEAD"]).into(), &changed));
}

#[test]
fn a_node_is_explained_with_what_it_waits_for_and_what_waits_for_it() {
    let bench = Bench::new();
    bench.kitmake(&["push", "tools/base"]).with_code(0);
    let text = bench.kitmake(&["explain", "pkg/init", "tools/base@linux/amd64"]).with_code(0).stdout;
    for words in [
        "pkg/init@linux/amd64\n",
        "  state       missing\n",
        "  waits for   pkg/containerd@linux/amd64  missing, built first\n",
        "  built on    tools/base@linux/amd64  present (builder, index, tag-arch)\n",
        "  needed by   pkg/initrd, pkg/rootfs\n",
        "tools/base@linux/amd64\n",
        "  where       builder, index, tag-arch\n",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    bench.kitmake(&["explain"]).with_code(2);
    bench.kitmake(&["explain", "pkg/initt"]).with_code(2);
}

#[test]
fn a_pin_to_an_image_that_is_nowhere_fails_before_anything_is_built() {
    let bench = Bench::new();
    let base = bench.reference("tools/base");
    let (name, tag) = base.rsplit_once(':').unwrap();
    bench.monorepo.replace("pkg/seed/Dockerfile", tag, &"0".repeat(40));
    bench.monorepo.write("pkg/ca-certificates/Dockerfile", &format!("FROM {name}-of-nobody:1\n"));
    bench.monorepo.commit("Pin what is nowhere");
    for verb in ["plan", "build", "push"] {
        let refused = bench.kitmake(&[verb, "pkg/seed", CERTIFICATES]).with_code(3);
        assert_eq!(told_set(&refused, "Building"), set([]));
        let text = &refused.stderr;
        assert_eq!(text.matches("plan::unsatisfiable_pin").count(), 2, "{text}");
        assert!(text.contains("pkg/seed/Dockerfile:1") && text.contains("pkg/ca-certificates/Dockerfile:1"), "{text}");
    }
    let assumed = bench.kitmake(&["plan", "--assume-missing", CERTIFICATES]).with_code(0);
    assert!(assumed.stdout.starts_with("build 1"), "{}", assumed.stdout);
}
