//! Files that git does not see change the key: an image that was made without them is outdated.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Bench, docker, node, reasons, set, steps, told_set};

/// Ignores a generated file in a package without changing any tag by its content.
fn ignore_generated(bench: &Bench) {
    bench.monorepo.write(".gitignore", "*.generated\n");
    bench.monorepo.commit("Ignore what is generated");
}

const GENERATED: &str = "pkg/ca-certificates/certs/extra.generated";

#[test]
fn a_published_image_that_was_made_from_other_inputs_is_called_outdated() {
    let bench = Bench::new();
    ignore_generated(&bench);
    let package = "pkg/ca-certificates";
    bench.kitmake(&["push", package]).with_code(0);
    let reference = bench.reference(package);
    bench.monorepo.write(GENERATED, "generated\n");
    assert_eq!(bench.reference(package), reference, "the tag does not see it");

    let plan = bench.plan(&[package]);
    assert_eq!(node(&plan, package)["state"], "outdated");
    assert_eq!(steps(&plan, "build"), set([]));
    bench.kitmake(&["plan", package, "--check"]).with_code(5);
    let warned = bench.kitmake(&["build", package, "--push"]).with_code(0);
    assert_eq!(told_set(&warned, "Built"), set([]));
    assert!(warned.stderr.contains("1 of them outdated"), "{}", warned.stderr);

    let refused = bench.kitmake(&["plan", package, "--on-outdated", "error"]).with_code(3);
    assert!(refused.stderr.contains("plan::outdated"), "{}", refused.stderr);
    let rebuilt = bench.kitmake(&["push", package, "--on-outdated", "rebuild"]).with_code(0);
    assert_eq!(told_set(&rebuilt, "Built"), set([package]));
    let files = crate::support::unpack(&reference, "amd64");
    assert!(files.path().join("etc/ssl/certs/extra.generated").is_file(), "the published tag was overwritten");
    assert_eq!(node(&bench.plan(&[package]), package)["state"], "present");
    bench.kitmake(&["plan", package, "--check"]).with_code(0);
}

#[test]
fn an_image_on_the_builder_that_was_made_from_other_inputs_is_built_again() {
    let bench = Bench::new();
    ignore_generated(&bench);
    let package = "pkg/ca-certificates";
    bench.kitmake(&["build", package]).with_code(0);
    assert_eq!(bench.to_build(&[package]).len(), 0);
    bench.monorepo.write(GENERATED, "generated\n");
    let plan = bench.plan(&[package]);
    assert!(reasons(node(&plan, package)).contains("outdated-on-builder"), "{plan:#}");
    let explained = bench.kitmake(&["explain", package]).with_code(0).stdout;
    for words in [
        "  state       missing\n  where       nowhere; another image of its name: builder\n",
        "  because     no usable place has it: the image on the builder was made from other inputs\n",
    ] {
        assert!(explained.contains(words), "{words:?} in\n{explained}");
    }
    let built = bench.kitmake(&["push", package]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set([package]));

    // And without it again: what is published has the file, what is here now has not.
    std::fs::remove_file(bench.monorepo.path(GENERATED)).unwrap();
    assert_eq!(node(&bench.plan(&[package]), package)["state"], "outdated");
}

#[test]
fn what_was_built_anew_and_not_pushed_is_never_taken_for_published() {
    let bench = Bench::new();
    ignore_generated(&bench);
    let package = "pkg/ca-certificates";
    bench.kitmake(&["push", package]).with_code(0);
    let reference = bench.reference(package);
    bench.monorepo.write(GENERATED, "generated\n");
    let built = bench.kitmake(&["build", package, "--on-outdated", "rebuild"]).with_code(0);
    assert!(built.stderr.trim_end().ends_with("; 1 outdated image stays published"), "{}", built.stderr);

    let pushed = bench.kitmake(&["push", package]).with_code(0);
    assert!(pushed.stderr.starts_with("nothing to do: 1 present, 1 of them outdated and left as published\n"));
    let remedy = "`kitmake push --on-outdated rebuild` replaces the published one with what is on the builder\n";
    assert!(pushed.stderr.ends_with(remedy), "{}", pushed.stderr);

    let command = ["push", package, "--on-outdated", "rebuild"];
    let dry = bench.kitmake(&[&command[..], &["--dry-run"]].concat()).with_code(0).stdout;
    assert!(dry.contains("published tags that are overwritten: 2\n"), "{dry}");
    for tag in [format!("{reference}  "), format!("{reference}-amd64\n")] {
        assert!(dry.contains(&tag), "{tag} in {dry}");
    }
    let replaced = bench.kitmake(&command).with_code(0);
    assert_eq!(told_set(&replaced, "Built"), set([]));
    assert_eq!(told_set(&replaced, "Pushed"), set([package]));
    assert_eq!(node(&bench.plan(&[package, "--push"]), package)["state"], "present");
}

#[test]
fn what_was_built_on_a_base_without_a_key_is_not_outdated_once_the_base_has_one() {
    let bench = Bench::new();
    ignore_generated(&bench);
    let (base, package) = (bench.reference("tools/base"), "pkg/sysctl");
    let directory = bench.monorepo.path("tools/base").display().to_string();
    docker(&["build", "--quiet", "--tag", &format!("{base}-amd64"), "--tag", &base, &directory]);
    for name in [format!("{base}-amd64"), base.clone()] {
        docker(&["push", "--quiet", &name]);
    }
    bench.kitmake(&["push", package]).with_code(0);
    assert_eq!(node(&bench.plan(&[package]), "tools/base")["reasons"][0]["why"], "no-key");

    bench.kitmake(&["push", "tools/base", "--force"]).with_code(0);
    let plan = bench.plan(&[package, "--push", "--on-outdated", "rebuild"]);
    let found = node(&plan, package);
    assert_eq!((&found["state"], &found["reasons"][0]["why"]), (&"unknown-origin".into(), &"base-was-unknown".into()));
    assert_eq!(plan["steps"].as_array().unwrap().len(), 0, "{plan:#}");

    // What differs beside it is found all the same.
    bench.monorepo.write("pkg/sysctl/x.generated", "");
    let plan = bench.plan(&[package]);
    let found = node(&plan, package);
    assert_eq!(found["state"], "outdated");
    assert_eq!(found["reasons"][0]["differs"][0]["path"], "x.generated", "{found:#}");
}

/// Publishes a package that was made with an ignored file as one image under `image:tag`, without an index; the file and the
/// images on the engine are gone then.
fn publish_without_index(bench: &Bench, package: &str) -> String {
    ignore_generated(bench);
    let generated = format!("{package}/x.generated");
    bench.monorepo.write(&generated, "generated\n");
    bench.kitmake(&["build", package]).with_code(0);
    let reference = bench.reference(package);
    docker(&["push", "--quiet", &reference]);
    std::fs::remove_file(bench.monorepo.path(&generated)).unwrap();
    bench.forget_images();
    reference
}

#[test]
fn an_outdated_image_that_was_published_without_an_index_stays_outdated_when_an_index_is_written() {
    let bench = Bench::new();
    let package = "pkg/sysctl";
    let reference = publish_without_index(&bench, package);
    bench.kitmake(&["plan", "--push", "--check", package]).with_code(5);

    bench.kitmake(&["push", package]).with_code(0);
    let index = crate::support::manifest(&reference);
    assert!(index["manifests"][0]["annotations"]["org.kitmake.key"].is_string(), "{index:#}");
    let plan = bench.kitmake(&["plan", "--push", "--check", package]).with_code(5);
    assert!(plan.stdout.contains("removed"), "{}", plan.stdout);
    let refused = bench.kitmake(&["push", package, "--release", "v3"]).with_code(6);
    assert!(refused.stderr.contains("plan::not_vouched_for"), "{}", refused.stderr);
    assert!(!bench.tags("sysctl").contains("v3"));
}

/// Writes an index under a name of the registry of a test.
fn put_index(reference: &str, index: &str) {
    let (host, name) = reference.split_once('/').unwrap();
    let (name, tag) = name.rsplit_once(':').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "PUT /v2/{name}/manifests/{tag} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{index}",
        index.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn an_index_without_annotations_hides_no_key() {
    let bench = Bench::new();
    let package = "pkg/sysctl";
    let reference = publish_without_index(&bench, package);
    bench.kitmake(&["push", package]).with_code(0);
    // The same index as another tool writes it.
    let mut index = crate::support::manifest(&reference);
    for entry in index["manifests"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("annotations");
    }
    put_index(&reference, &index.to_string());
    assert!(crate::support::manifest(&reference)["manifests"][0]["annotations"].is_null());

    bench.kitmake(&["plan", "--push", "--check", package]).with_code(5);
    assert_eq!(node(&bench.plan(&[package]), package)["state"], "outdated");
    let explained = bench.kitmake(&["explain", package]).with_code(0).stdout;
    assert!(explained.contains("x.generated") && !explained.contains("carries no key"), "{explained}");
    bench.kitmake(&["push", package, "--release", "v3"]).with_code(6);
    let rebuilt = bench.kitmake(&["push", package, "--on-outdated", "rebuild"]).with_code(0);
    assert_eq!(told_set(&rebuilt, "Built"), set([package, "tools/base"]), "no place has the base");
}

#[test]
fn what_was_built_anew_for_a_push_and_stays_behind_is_told_with_the_command_that_replaces_the_published_one() {
    let bench = Bench::new();
    ignore_generated(&bench);
    let package = "pkg/ca-certificates";
    bench.kitmake(&["push", package]).with_code(0);
    bench.monorepo.write(GENERATED, "generated\n");
    let pushed = bench.kitmake(&["push", "pkg/trust", "--on-outdated", "rebuild"]).with_code(0);
    assert_eq!(told_set(&pushed, "Pushed"), set(["pkg/trust"]));
    let remedy = "`kitmake push pkg/ca-certificates --on-outdated rebuild` pushes it\n";
    assert!(pushed.stderr.ends_with(remedy), "{}", pushed.stderr);
    let advised = bench.kitmake(&["push", package, "--on-outdated", "rebuild"]).with_code(0);
    assert_eq!(told_set(&advised, "Pushed"), set([package]));
}
