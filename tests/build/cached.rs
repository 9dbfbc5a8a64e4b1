//! linuxkit's cache: what is built arrives there, and is taken from there.

use std::path::Path;

use super::{Bench, set, steps, told_set};
use crate::support::{docker, json, skopeo};

const PACKAGE: &str = "pkg/ca-certificates";

/// The configuration that skopeo reads from the cache for a reference, of which `index.json` has the canonical name.
fn cached(cache: &str, reference: &str) -> serde_json::Value {
    let image = format!("oci:{cache}:{reference}");
    json(&skopeo(&["--override-os=linux", "--override-arch=amd64", "inspect", "--config", "--raw", &image]))
}

fn cache_of(bench: &Bench) -> String {
    bench.monorepo.path("../linuxkit-cache").to_str().unwrap().to_owned()
}

#[test]
fn what_is_built_is_in_the_cache_and_counts_as_there() {
    let bench = Bench::new();
    let cache = cache_of(&bench);
    bench.kitmake(&["build", "pkg/vtpm"]).with_code(0);
    assert!(!Path::new(&cache).exists(), "nobody asked for it");
    let stored = bench.kitmake(&["build", "pkg/vtpm", PACKAGE, "--cache", &cache]).with_code(0);
    assert_eq!(told_set(&stored, "Built"), set([PACKAGE]));
    assert_eq!(told_set(&stored, "Stored"), set([PACKAGE, "pkg/vtpm"]), "also what was on the builder already");
    for package in [PACKAGE, "pkg/vtpm"] {
        let reference = bench.reference(package);
        let labels = &cached(&cache, &reference)["config"]["Labels"];
        assert!(labels["org.kitmake.key"].as_str().unwrap().contains("@linux/amd64:"), "{labels:#}");
        assert_eq!(cached(&cache, &format!("{reference}-amd64"))["config"]["Labels"], *labels);
    }
    bench.forget_images();
    let idle = bench.kitmake(&["build", PACKAGE, "--cache", &cache]).with_code(0);
    assert!(idle.stderr.starts_with("nothing to do: 1 present"), "{}", idle.stderr);
    assert_eq!(bench.to_build(&[PACKAGE]), set(["pkg/ca-certificates@linux/amd64"]), "it is nowhere else");
}

#[test]
fn a_build_and_a_push_take_what_they_need_from_the_cache() {
    let bench = Bench::new();
    let cache = cache_of(&bench);
    bench.kitmake(&["build", "tools/base", PACKAGE, "--cache", &cache]).with_code(0);
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &bench.reference("tools/base")]);
    bench.forget_images();
    let built = bench.kitmake(&["build", "pkg/vtpm", "--cache", &cache]).with_code(0);
    assert_eq!(told_set(&built, "Loaded"), set(["tools/base"]));
    assert_eq!(told_set(&built, "Built"), set(["pkg/vtpm"]));
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &bench.reference("tools/base")]), id);

    bench.forget_images();
    let plan = bench.plan(&[PACKAGE, "--push", "--nobuild", "--cache", &cache]);
    assert_eq!(steps(&plan, "load").len(), 1);
    bench.kitmake(&["push", PACKAGE, "--nobuild", "--cache", &cache]).with_code(0);
    crate::support::inspect(&bench.reference(PACKAGE), "amd64");
}

#[test]
fn linuxkits_own_directory_is_used_where_it_is_asked_for() {
    let bench = Bench::new();
    let cache = cache_of(&bench);
    let mut command = bench.monorepo.kitmake_command(&["build", PACKAGE, "--linuxkit-cache"]);
    crate::support::output(command.env("LINUXKIT_CACHE", &cache)).with_code(0);
    cached(&cache, &bench.reference(PACKAGE));
    std::fs::write(format!("{cache}/index.json"), "{").unwrap();
    bench.forget_images();
    let broken = bench.kitmake(&["build", PACKAGE, "--cache", &cache]).with_code(4);
    assert!(
        broken.stderr.contains("layout::malformed"),
        "a cache that cannot be read is no missing image: {}",
        broken.stderr
    );
}
