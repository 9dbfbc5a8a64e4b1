//! What was asked for and cannot be built never passes for done, and keeps nothing else from being done.

use crate::graph::testing::Pkg;
use crate::image::Platform;
use crate::plan::testing::{World, amd64, arm64, world};
use crate::plan::{OnOutdated, Plan, Platforms, State};
use crate::problem::Class;

/// The problems of what is left out: code, sentence, exit class.
fn left_out(plan: &Plan) -> Vec<(String, String, Class)> {
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
    plan.left_out.iter().map(|problem| (problem.code(), problem.to_string(), problem.class())).collect()
}

/// All on both platforms, of which a package lists those that it wants.
fn everywhere<const N: usize>(packages: [Pkg; N]) -> World {
    let mut world = world(packages);
    world.request.platforms = Platforms::Arches;
    world
}

fn both(name: &str) -> Pkg {
    Pkg::new(name).arches(&["amd64", "arm64"])
}

#[test]
fn a_mistake_is_said_once_with_its_place_and_all_others_are_built() {
    let broken = both("broken").dockerfile("ARG TAG\nFROM t/base:${TAG}\n");
    let world = everywhere([both("base"), broken, both("user").from("t/broken:now")]);
    let plan = world.plan();
    assert_eq!(world.steps(), ["build:base@linux/amd64", "build:base@linux/arm64"]);
    let why = "`broken` cannot be built: `t/base:${TAG}` on line 2: no value for `TAG`";
    assert_eq!(left_out(&plan), [("plan::not_buildable".to_owned(), why.to_owned(), Class::Repository)]);
    assert_eq!(plan.left_out[0].place(), Some(("broken/Dockerfile".to_owned(), 2)));
    let json: serde_json::Value = serde_json::from_str(&crate::plan::json(&plan)).unwrap();
    let listed = &json["left_out"][0];
    assert_eq!((&listed["code"], &listed["message"]), (&"plan::not_buildable".into(), &why.into()));
    assert_eq!((&listed["file"], &listed["line"]), (&"broken/Dockerfile".into(), &2.into()));
}

#[test]
fn a_mistake_in_what_the_selected_are_built_on_counts_and_one_that_nothing_needs_does_not() {
    let broken = Pkg::new("broken").dockerfile("ARG TAG\nFROM t/base:${TAG}\n");
    let mut world = world([broken, Pkg::new("user").from("t/broken:now"), Pkg::new("other")]);
    world.select(&["other"]);
    assert_eq!(left_out(&world.plan()), []);
    world.select(&["user", "other"]);
    let plan = world.plan();
    assert_eq!(world.state("user"), State::Blocked);
    assert_eq!(left_out(&plan).len(), 1, "{:?}", plan.left_out);
    // What is there serves those that need it.
    let image = world.image("broken");
    world.at_arch_tag(&image, &amd64(), None);
    assert_eq!(left_out(&world.plan()), []);
}

#[test]
fn a_dockerfile_that_has_no_stage_for_a_platform_is_no_mistake_until_something_for_it_is_built_on_it() {
    let staged = "FROM scratch AS on-amd64\nFROM on-${TARGETARCH}\n";
    let mut world = everywhere([both("base").dockerfile(staged), both("user").from("t/base:now")]);
    world.select(&["base"]);
    assert_eq!(world.plan().on("base", "arm64").state, State::NotBuildable);
    assert_eq!(left_out(&world.plan()), []);
    world.select(&["base", "user"]);
    let why = "`user` cannot be built for linux/arm64: `base`, which is needed for that, is not built for it";
    assert_eq!(left_out(&world.plan()), [("plan::base_lacks_platform".to_owned(), why.to_owned(), Class::Repository)]);
}

#[test]
fn a_platform_that_a_package_does_not_list_is_no_mistake_until_something_for_it_is_built_on_it() {
    let base = || Pkg::new("base").arches(&["amd64"]);
    let asked = Platforms::These(vec![amd64(), arm64()]);
    let mut world = everywhere([base(), base_user("a"), base_user("b")]);
    world.request.platforms = asked;
    world.select(&["base"]);
    assert_eq!(left_out(&world.plan()), []);
    world.select(&["base", "a", "b"]);
    let why = "`a`, `b` cannot be built for linux/arm64: `base`, which is needed for that, is not built for it";
    assert_eq!(left_out(&world.plan()), [("plan::base_lacks_platform".to_owned(), why.to_owned(), Class::Repository)]);
}

fn base_user(name: &str) -> Pkg {
    both(name).from("t/base:now")
}

#[test]
fn an_emulator_that_the_builder_lacks_is_its_fault_and_is_said_once() {
    let runs = |name: &str| both(name).dockerfile("FROM alpine:3\nRUN true\n");
    let mut world = everywhere([runs("a"), runs("b"), both("user").from("t/a:now")]);
    world.request.runs = Some([amd64()].into());
    let why = "`a`, `b`, `user` cannot be built: the builder cannot run programs of linux/arm64";
    assert_eq!(left_out(&world.plan()), [("plan::no_emulator".to_owned(), why.to_owned(), Class::Infrastructure)]);
    world.request.runs = Some([amd64(), Platform::linux("arm64")].into());
    assert_eq!(left_out(&world.plan()), []);
}

#[test]
fn an_outdated_image_that_cannot_be_built_again_is_used_and_a_rebuild_that_was_asked_for_is_no_success() {
    let mut world = world([Pkg::new("base"), Pkg::new("user").dockerfile("ARG TAG\nFROM t/base:${TAG}\n")]);
    let other = world.other_key("user", &amd64());
    world.select(&["user"]);
    world.published("user", &amd64(), Some(other));
    let plan = world.plan();
    assert_eq!(plan.on("user", "amd64").state, State::Outdated);
    assert_eq!(left_out(&plan), []);
    let said = crate::plan::text(&plan, false);
    assert!(said.contains("  user@linux/amd64 cannot be built again; `kitmake explain` says why\n"), "{said}");
    assert!(!said.contains("builds it again"), "{said}");

    world.request.on_outdated = OnOutdated::Rebuild;
    let plan = world.plan();
    assert_eq!((plan.on("user", "amd64").state, plan.steps.len()), (State::NotBuildable, 0));
    assert_eq!(left_out(&plan).len(), 1);
}
