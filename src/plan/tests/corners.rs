//! Where rules meet.

use crate::graph::testing::Pkg;
use crate::plan::testing::{amd64, arm64, refused, world};
use crate::plan::{Platforms, Publish, Reason, State};
use crate::presence::Fact;

#[test]
fn a_cycle_is_a_problem_of_the_plan_that_needs_it_and_of_no_other() {
    let mut world = world([
        Pkg::new("a").from("t/b:now"),
        Pkg::new("b").from("t/a:now"),
        Pkg::new("c").from("t/b:now"),
        Pkg::new("d"),
    ]);
    assert!(world.plan().codes().iter().all(|code| code.contains("cycle")));
    world.select(&["c"]);
    assert_eq!(world.plan().problems.len(), 1, "{:?}", world.plan().problems);
    world.select(&["d"]);
    let plan = world.plan();
    assert_eq!((plan.problems.len(), plan.broken_elsewhere.len()), (0, 2));
}

#[test]
fn force_says_why_a_present_image_cannot_be_built_again() {
    let mut world =
        world([Pkg::new("base").dockerfile("ARG NONE\nFROM ${NONE}\n"), Pkg::new("user").from("t/base:now")]);
    world.published("user", &amd64(), None);
    world.select(&["user"]);
    world.request.force = true;
    let plan = world.plan();
    assert_eq!(plan.on("user", "amd64").state, State::Blocked);
    assert_eq!(plan.reasons("user"), [Reason::Blocked { by: "base@linux/amd64".to_owned() }]);
    assert!(plan.is_empty());
}

#[test]
fn what_is_selected_on_a_platform_it_does_not_list_serves_others_if_it_is_there_and_is_never_published() {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:now").arches(&["arm64"])]);
    world.request.platforms = Platforms::These(vec![arm64()]);
    (world.request.publish, world.request.pull) = (Some(Publish::default()), true);
    assert_eq!(world.plan().on("user", "arm64").state, State::Blocked);
    world.stored("base", &arm64(), None);
    let plan = world.plan();
    assert_eq!(plan.on("base", "arm64").state, State::NotBuiltHere);
    assert_eq!(plan.ids(), ["build:user@linux/arm64", "push:user@linux/arm64", "index:user"]);
}

#[test]
fn a_base_on_a_platform_that_nobody_listed_is_not_built_here() {
    let text = "FROM --platform=linux/s390x t/base:now\n";
    let mut world = world([Pkg::new("base"), Pkg::new("user").dockerfile(text)]);
    let plan = world.plan();
    assert_eq!(plan.on("base", "s390x").state, State::NotBuiltHere);
    assert_eq!(plan.codes(), ["plan::not_asked"], "it may be there all the same");
    let s390x = "linux/s390x".parse().unwrap();
    world.published("base", &s390x, None);
    let plan = world.plan();
    assert_eq!(plan.on("base", "s390x").state, State::UnknownOrigin);
    assert_eq!(plan.ids(), ["build:base@linux/amd64", "fetch:base@linux/s390x", "build:user@linux/amd64"]);
}

#[test]
fn an_unknown_blocks_nobody_it_is_said_to_be_unknown() {
    let mut world =
        world([Pkg::new("base").dockerfile("ARG NONE\nFROM ${NONE}\n"), Pkg::new("user").from("t/base:now")]);
    let image = world.image("base");
    world.registered(&image).index = Fact::Unknown(refused());
    let plan = world.plan();
    assert_eq!(plan.on("base", "amd64").state, State::NotBuildable);
    assert_eq!(plan.on("user", "amd64").state, State::Missing);
    assert_eq!(plan.codes(), ["test::unanswered"]);
    world.select(&["base"]);
    assert!(world.plan().problems.is_empty(), "nothing hangs on whether it is there");
    world.select(&["user"]);
    world.request.assume_missing = world.repo.workspace.ids().collect();
    assert_eq!(world.state("user"), State::Blocked);
}

#[test]
fn two_build_ymls_of_one_repository_are_told_apart_by_tag() {
    let mut world = world([
        Pkg::new("k").yml("a.yml").image("k").tag("now-a"),
        Pkg::new("k").tag("now"),
        Pkg::new("user").dockerfile("FROM t/k:now-a AS a\nFROM t/k:now\nCOPY --from=a / /\n"),
    ]);
    world.select(&["user"]);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["build:k@linux/amd64", "build:k:a.yml@linux/amd64", "build:user@linux/amd64"]);
    assert!(plan.problems.is_empty());
}

#[test]
fn two_packages_of_one_image_cannot_be_in_one_plan_even_if_one_is_only_needed() {
    let mut world =
        world([Pkg::new("a").image("k"), Pkg::new("b").image("k").from("t/x:now"), Pkg::new("x").from("t/k:now")]);
    world.select(&["b"]);
    assert!(world.plan().codes().contains(&"graph::duplicate_image".to_owned()));
    world.select(&["a"]);
    assert!(world.plan().problems.is_empty());
}

#[test]
fn an_image_name_that_no_engine_takes_is_a_problem_and_builds_nothing() {
    let mut world = world([Pkg::new("a")]);
    world.called("a", ("T", "a", "now"));
    let plan = world.plan();
    assert_eq!((plan.codes(), plan.is_empty()), (vec!["plan::illegal_name".to_owned()], true));
    assert_eq!(plan.on("a", "amd64").state, State::NotBuildable);
}

#[test]
fn all_problems_of_the_plan_are_reported_and_those_of_others_counted() {
    let mut world = world([
        Pkg::new("a").unreadable(),
        Pkg::new("b").untagged(),
        Pkg::new("c").unreadable(),
        Pkg::new("d").from("t/b:now"),
    ]);
    world.select(&["a", "b", "d"]);
    let plan = world.plan();
    assert_eq!(plan.codes(), ["test::broken", "test::broken"]);
    let broken: Vec<&str> = plan.broken_elsewhere.iter().map(|faulty| faulty.name.as_str()).collect();
    assert_eq!(broken, ["c"]);
}

#[test]
fn the_label_on_an_image_is_the_key_of_its_node() {
    let world = world([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    let plan = world.plan();
    let label = &plan.build("build:user@linux/amd64").labels[crate::presence::KEY_LABEL];
    assert_eq!(*label, plan.on("user", "amd64").key.as_ref().unwrap().to_string());
    assert_eq!(*label, world.key("user", &amd64()).to_string());
}
