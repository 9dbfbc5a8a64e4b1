//! Files that git does not see change the key: an image that was made without them is outdated.

use super::{Bench, node, reasons, set, steps, told_set};

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
    let built = bench.kitmake(&["push", package]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set([package]));

    // And without it again: what is published has the file, what is here now has not.
    std::fs::remove_file(bench.monorepo.path(GENERATED)).unwrap();
    assert_eq!(node(&bench.plan(&[package]), package)["state"], "outdated");
}
