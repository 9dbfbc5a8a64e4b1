//! linuxkit's cache as a place: what is written into it, and what is taken from it.

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, refused, unanswered, world};
use crate::plan::{Action, Publish, State};
use crate::presence::Fact;

/// A base and its user; linuxkit's cache is in use and empty.
fn caching() -> World {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    world.request.cache = true;
    world.facts.cache = Fact::Yes([].into());
    world
}

#[test]
fn what_is_built_is_stored_after_its_build_what_it_needs_included() {
    let mut world = caching();
    world.select(&["user"]);
    let plan = world.plan();
    let ids = ["build:base@linux/amd64", "store:base@linux/amd64", "build:user@linux/amd64", "store:user@linux/amd64"];
    assert_eq!(plan.ids(), ids);
    assert_eq!(plan.needs("store:user@linux/amd64"), ["build:user@linux/amd64"]);
    let Action::Store { source, image, platform } = &plan.step("store:user@linux/amd64").action else { panic!() };
    assert_eq!((source.to_string(), image.to_string()), ("t/user:now-amd64".to_owned(), "t/user:now".to_owned()));
    assert_eq!(*platform, amd64());
}

#[test]
fn what_is_only_on_the_builder_is_stored_and_what_is_only_published_is_left_there() {
    let mut world = caching();
    let key = Some(world.key("base", &amd64()));
    world.stored("base", &amd64(), key);
    world.published("user", &amd64(), None);
    assert_eq!(world.steps(), ["store:base@linux/amd64"]);
    world.request.pull = true;
    let ids = ["fetch:base@linux/amd64", "fetch:user@linux/amd64", "store:base@linux/amd64", "store:user@linux/amd64"];
    assert!(world.steps().iter().all(|id| ids.contains(&id.as_str())), "{:?}", world.steps());
    assert!(world.steps().contains(&"store:user@linux/amd64".to_owned()), "{:?}", world.steps());
}

#[test]
fn what_is_in_the_cache_is_present_and_stored_once() {
    let mut world = caching();
    for name in ["base", "user"] {
        let key = Some(world.key(name, &amd64()));
        world.in_cache(name, &amd64(), key);
    }
    assert!(world.plan().is_empty());
    let Fact::Yes(images) = &mut world.facts.cache else { panic!() };
    for cached in images.values_mut() {
        cached.listed = false;
    }
    assert!(world.plan().is_empty(), "it is not on the builder, so there is nothing to store it from");
}

#[test]
fn a_build_loads_its_base_from_the_cache() {
    let mut world = caching();
    let (key, image) = (world.key("base", &amd64()), world.image("base"));
    world.in_cache("base", &amd64(), Some(key));
    let plan = world.plan();
    assert_eq!(plan.ids(), ["load:base@linux/amd64", "build:user@linux/amd64", "store:user@linux/amd64"]);
    assert_eq!(plan.needs("build:user@linux/amd64"), ["load:base@linux/amd64"]);
    let names = vec![image.arch_tag(&amd64()), image.clone()];
    assert_eq!(plan.step("load:base@linux/amd64").action, Action::Load { image, platform: amd64(), names });
}

#[test]
fn what_only_the_cache_has_is_loaded_to_be_pushed() {
    let mut world = caching();
    world.select(&["base"]);
    let key = Some(world.key("base", &amd64()));
    world.in_cache("base", &amd64(), key);
    world.request.publish = Some(Publish::default());
    world.request.build = false;
    let plan = world.plan();
    assert_eq!(plan.ids(), ["load:base@linux/amd64", "push:base@linux/amd64", "index:base"]);
    assert_eq!(plan.needs("push:base@linux/amd64"), ["load:base@linux/amd64"]);
}

#[test]
fn a_cached_image_made_from_other_inputs_is_replaced() {
    let mut world = caching();
    world.select(&["base"]);
    let other = world.other_key("base", &amd64());
    world.in_cache("base", &amd64(), Some(other));
    assert_eq!(world.state("base"), State::Missing);
    assert_eq!(world.steps(), ["build:base@linux/amd64", "store:base@linux/amd64"]);
}

#[test]
fn a_cache_that_cannot_be_read_is_unknown_and_no_missing_image() {
    let mut world = caching();
    world.facts.cache = Fact::Unknown(unanswered("index.json is malformed"));
    assert_eq!(world.state("base"), State::Unknown);
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
    world.facts.builder = Fact::Unknown(refused());
    world.published("base", &amd64(), None);
    assert_eq!(world.state("base"), State::UnknownOrigin, "another place has it");
}

#[test]
fn a_cache_that_cannot_be_read_is_said_before_anything_is_to_be_stored_in_it() {
    let mut world = caching();
    world.facts.cache = Fact::Unknown(unanswered("index.json is malformed"));
    for name in ["base", "user"] {
        world.stored(name, &amd64(), None);
    }
    let plan = world.plan();
    assert_eq!((plan.codes(), plan.is_empty()), (vec!["test::unanswered".to_owned()], true));
    world.facts.cache = Fact::Yes(std::collections::BTreeMap::new());
    assert_eq!(world.steps(), ["store:base@linux/amd64", "store:user@linux/amd64"]);
}
