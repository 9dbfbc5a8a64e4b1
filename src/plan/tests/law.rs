//! The law of edges as far as it concerns the plan: what orders builds, what joins a plan, what changes a key.

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, world};
use crate::plan::{Publish, State};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BUILD_BASE: &str = "build:base@linux/amd64";
const BUILD_USER: &str = "build:user@linux/amd64";

/// Selects the package `user` alone.
fn user_of(packages: [Pkg; 2]) -> World {
    let mut world = world(packages);
    world.select(&["user"]);
    world
}

/// Whether the key of `user` changes with the Dockerfile of `base`.
fn key_follows_the_image_of_base(user: impl Fn() -> Pkg) -> bool {
    let key = |text| user_of([Pkg::new("base").dockerfile(text), user()]).key("user", &amd64());
    key("FROM scratch\n") != key("FROM scratch\nLABEL a=b\n")
}

#[test]
fn a_current_pin_pulls_its_package_into_the_plan_before_the_user_and_its_key_into_the_key() {
    for line in [
        "FROM t/base:now",
        "FROM scratch\nCOPY --from=t/base:now / /",
        "FROM scratch\nADD --from=t/base:now / /",
        "FROM alpine:3\nRUN --mount=from=t/base:now,target=/m true",
        "ARG BASE=t/base:now\nFROM ${BASE}",
    ] {
        let user = || Pkg::new("user").dockerfile(&format!("{line}\n"));
        let plan = user_of([Pkg::new("base"), user()]).plan();
        assert_eq!(plan.ids(), [BUILD_BASE, BUILD_USER], "{line}");
        assert_eq!(plan.needs(BUILD_USER), [BUILD_BASE], "{line}");
        assert!(key_follows_the_image_of_base(user), "{line}");
    }
}

#[test]
fn a_value_of_lkt_that_is_used_as_an_image_is_a_current_pin() {
    let user = || Pkg::new("user").arg("BASE=@lkt:pkg:../base").dockerfile("ARG BASE\nFROM ${BASE}\n");
    assert_eq!(user_of([Pkg::new("base"), user()]).plan().needs(BUILD_USER), [BUILD_BASE]);
    assert!(key_follows_the_image_of_base(user));
}

#[test]
fn a_pin_in_a_stage_that_the_platform_does_not_reach_needs_nothing() {
    let user = || Pkg::new("user").dockerfile("FROM t/base:now AS unused\nFROM scratch\n");
    assert_eq!(user_of([Pkg::new("base"), user()]).steps(), [BUILD_USER]);
    assert!(!key_follows_the_image_of_base(user));
}

#[test]
fn a_stale_pin_joins_nothing_and_its_text_is_in_the_key() {
    let user = |tag: &str| Pkg::new("user").from(&format!("t/base:{tag}"));
    assert_eq!(user_of([Pkg::new("base"), user("then")]).steps(), [BUILD_USER]);
    assert!(!key_follows_the_image_of_base(|| user("then")));
    let key = |tag| user_of([Pkg::new("base"), user(tag)]).key("user", &amd64());
    assert_ne!(key("then"), key("before"));
}

#[test]
fn a_package_from_its_own_previous_generation_is_built_alone() {
    let mut world = user_of([Pkg::new("base"), Pkg::new("user").from("t/user:then")]);
    assert_eq!(world.steps(), [BUILD_USER]);
    world.request.publish = Some(Publish::default());
    assert!(world.plan().problems.is_empty());
}

#[test]
fn an_external_image_joins_nothing_and_its_text_is_in_the_key() {
    let key = |image: &str| user_of([Pkg::new("base"), Pkg::new("user").from(image)]).key("user", &amd64());
    assert_eq!(user_of([Pkg::new("base"), Pkg::new("user").from("alpine:3")]).steps(), [BUILD_USER]);
    assert_ne!(key("alpine:3"), key("alpine:4"));
}

#[test]
fn an_unresolved_pin_makes_the_node_not_buildable() {
    let world = user_of([Pkg::new("base"), Pkg::new("user").dockerfile("ARG TAG\nFROM t/base:${TAG}\n")]);
    assert_eq!(world.state("user"), State::NotBuildable);
    assert!(world.plan().steps.is_empty());
}

#[test]
fn the_files_of_an_extra_source_are_in_the_key_and_its_package_is_not_in_the_plan() {
    let new = || user_of([Pkg::new("base"), Pkg::new("user").source("/r/base")]);
    assert_eq!(new().steps(), [BUILD_USER]);
    let mut edited = new();
    edited.tag("user").extra_sources[0].tree = "1".repeat(40);
    assert_ne!(edited.key("user", &amd64()), new().key("user", &amd64()));
    let mut untracked = new();
    let user = untracked.repo.id("user");
    untracked.files.insert(user, [("src/generated".to_owned(), "100644 ff".to_owned())].into());
    assert_ne!(untracked.key("user", &amd64()), new().key("user", &amd64()));
}

#[test]
fn a_value_of_lkt_that_is_no_image_is_in_the_key_and_its_package_is_not_in_the_plan() {
    let user = || Pkg::new("user").arg("TOOL=@lkt:pkg:../base");
    assert_eq!(user_of([Pkg::new("base"), user()]).steps(), [BUILD_USER]);
    assert!(!key_follows_the_image_of_base(user));
    let key = |tag| user_of([Pkg::new("base").tag(tag), user()]).key("user", &amd64());
    assert_ne!(key("now"), key("next"));
}

#[test]
fn a_docker_image_is_fetched_by_digest_even_if_a_package_here_makes_it() {
    let new = |digest: &str| {
        let mut world = user_of([Pkg::new("base"), Pkg::new("user").docker_image(&format!("t/base:now@{digest}"))]);
        world.build_yml("user").docker_images.target_dir = Some("images".to_owned());
        world
    };
    let fetch = format!("fetch:t/base@{DIGEST}@linux/amd64");
    let plan = new(DIGEST).plan();
    assert_eq!(plan.ids(), [fetch.as_str(), BUILD_USER]);
    assert_eq!(plan.needs(BUILD_USER), [fetch.as_str()]);
    let other = DIGEST.replace('a', "b").replace("shb256", "sha256");
    assert_ne!(new(DIGEST).key("user", &amd64()), new(&other).key("user", &amd64()));
}

#[test]
fn what_the_tag_does_not_see_is_in_the_key() {
    let new = || world([Pkg::new("a")]);
    let changes: [fn(&mut World); 6] = [
        |_| {},
        |world| world.tag("a").tree = Some("1".repeat(40)),
        |world| world.build_yml("a").network = true,
        |world| world.build_yml("a").config_label = Some("{}".to_owned()),
        |world| world.build_yml("a").dockerfile.value = "Dockerfile.b".to_owned(),
        |world| world.build_yml("a").gitrepo = "https://other".to_owned(),
    ];
    let keys: std::collections::BTreeSet<String> = changes
        .into_iter()
        .map(|change| {
            let mut world = new();
            change(&mut world);
            world.key("a", &amd64()).hash
        })
        .collect();
    assert_eq!(keys.len(), changes.len());
}
