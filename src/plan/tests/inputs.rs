//! What an image was made from, as it says itself, and what is not there to build on.

use std::collections::BTreeSet;

use crate::graph::testing::Pkg;
use crate::image::Reference;
use crate::plan::difference::{Change, Comparison, Difference};
use crate::plan::record::{Record, Unsaid};
use crate::plan::testing::{World, amd64, arm64, digest, refused, world};
use crate::plan::{Action, Doubt, Place, Platforms, Reason, State};
use crate::presence::Fact;

/// What a node is made from, as its image would carry it.
fn record(world: &World, name: &str) -> String {
    Record::label(world.plan().on(name, "amd64").components.as_ref().unwrap(), &BTreeSet::new()).unwrap()
}

/// A package whose published image was made with another value of a build arg.
fn outdated() -> (World, String) {
    let mut world = world([Pkg::new("a").arg("X=old")]);
    let (key, label) = (world.key("a", &amd64()), record(&world, "a"));
    let mut other = self::world([Pkg::new("a").arg("X=new")]);
    other.published("a", &amd64(), Some(key));
    world = other;
    (world, label)
}

fn comparison(world: &World) -> Comparison {
    world.plan().reasons("a").iter().find_map(Reason::comparison).unwrap().clone()
}

#[test]
fn an_outdated_image_says_which_component_differs_once_it_is_asked() {
    let (mut world, label) = outdated();
    let image = world.image("a");
    let digest = digest(&image, &amd64());
    let more = world.plan().more;
    assert_eq!(more.components, [format!("{}@{digest}", image.name()).parse::<Reference>().unwrap()].into());
    assert_eq!(comparison(&world).unsaid, Some(Unsaid::NotAsked));

    world.facts.components.insert(digest, Fact::Yes(label));
    let hash = |value: &str| Some(format!("blake3:{}", blake3::hash(value.as_bytes()).to_hex()));
    let differs = vec![Difference::BuildArg { name: "X".to_owned(), was: hash("old"), is: hash("new") }];
    assert_eq!(comparison(&world), Comparison { place: Place::Index, differs, unsaid: None });
    assert_eq!(world.state("a"), State::Outdated);
    assert!(world.plan().more.is_empty());
}

#[test]
fn what_an_image_does_not_say_properly_is_never_guessed() {
    let (mut world, label) = outdated();
    let digest = digest(&world.image("a"), &amd64());
    for (answer, unsaid) in [
        (Fact::No, Unsaid::NoComponents),
        (Fact::Unknown(refused()), Unsaid::Unknown),
        (Fact::Yes("{".to_owned()), Unsaid::Malformed),
        (Fact::Yes(label.replace("t/a", "t/b")), Unsaid::Malformed),
        (Fact::Yes(label.replace("\"version\":1", "\"version\":2")), Unsaid::Malformed),
    ] {
        world.facts.components.insert(digest.clone(), answer);
        let comparison = comparison(&world);
        assert_eq!((comparison.unsaid, comparison.differs.len()), (Some(unsaid), 0));
        assert_eq!(world.state("a"), State::Outdated, "the keys differ all the same");
    }
}

#[test]
fn a_file_outside_git_that_the_image_on_the_builder_has_not_is_named() {
    let mut world = world([Pkg::new("a")]);
    let (key, label) = (world.key("a", &amd64()), record(&world, "a"));
    world.stored("a", &amd64(), Some(key));
    let Fact::Yes(images) = &mut world.facts.builder else { panic!("the builder has no store") };
    for found in images.values_mut() {
        found.components = Some(label.clone());
    }
    world.files.insert(world.repo.id("a"), [("x/generated".to_owned(), "100644 hash".to_owned())].into());
    let differs = vec![Difference::File { path: "x/generated".to_owned(), change: Change::Added }];
    assert_eq!(comparison(&world), Comparison { place: Place::Builder, differs, unsaid: None });
    assert!(world.plan().more.is_empty(), "a builder tells all labels at once");
}

#[test]
fn a_key_that_is_none_or_that_of_another_image_is_said_to_be_so() {
    let doubt = |world: &World| match world.plan().reasons("a") {
        [Reason::UnknownOrigin { why }] => *why,
        reasons => panic!("{reasons:?}"),
    };
    let mut world = world([Pkg::new("a")]);
    let other = crate::presence::KeyLabel { name: "t/b".to_owned(), ..world.key("a", &amd64()) };
    world.published("a", &amd64(), Some(other));
    assert_eq!((world.state("a"), doubt(&world)), (State::UnknownOrigin, Doubt::ForeignKey));
    world.published("a", &amd64(), None);
    assert_eq!(doubt(&world), Doubt::NoKey);
    let image = world.image("a");
    let registered = world.registered(&image);
    let Fact::Yes(listed) = &mut registered.index else { panic!("no index") };
    for found in listed.values_mut() {
        found.garbled = true;
    }
    assert_eq!(doubt(&world), Doubt::MalformedKey);
}

#[test]
fn an_index_that_is_there_for_other_platforms_is_a_partial_one() {
    let mut world = world([Pkg::new("a").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    let image = world.image("a");
    world.published("a", &arm64(), None);
    world.registered(&image).listed = [arm64()].into();
    let plan = world.plan();
    assert_eq!(plan.on("a", "amd64").state, State::PartialIndex);
    let partial = Reason::PartialIndex { listed: vec![arm64()], lacking: vec![amd64()] };
    assert_eq!(plan.reasons("a"), [Reason::Missing, partial]);
    assert_eq!(plan.on("a", "arm64").state, State::UnknownOrigin);
    assert_eq!(plan.ids(), ["build:a@linux/amd64"]);
}

#[test]
fn what_is_not_committed_is_dirty_until_it_is_there() {
    let mut world = world([Pkg::new("a").dirty(), Pkg::new("user").from("t/a:now")]);
    assert_eq!((world.state("a"), world.state("user")), (State::Dirty, State::Dirty));
    let key = world.key("a", &amd64());
    world.stored("a", &amd64(), Some(key));
    assert_eq!(world.state("a"), State::Present);
    assert_eq!(world.plan().reasons("a"), [Reason::Dirty]);
}

/// A package that is pinned to a former base, of which every place says this.
fn pinned(answer: &Fact<crate::presence::Found>) -> World {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:then")]);
    world.select(&["user"]);
    let then: Reference = "t/base:then".parse().unwrap();
    let registered = world.registered(&then);
    registered.arch_tags.insert(amd64(), answer.clone());
    if let Fact::Unknown(problem) = answer {
        registered.index = Fact::Unknown(problem.clone());
    }
    world
}

#[test]
fn a_pin_that_is_nowhere_fails_the_plan_with_its_place() {
    let world = pinned(&Fact::No);
    let plan = world.plan();
    assert_eq!(plan.codes(), ["plan::unsatisfiable_pin"]);
    let labels = plan.problems[0].diagnostic().labels().unwrap().next().unwrap();
    assert_eq!((labels.offset(), labels.len()), ("FROM ".len(), "t/base:then".len()));
    assert!(plan.steps.is_empty());
    let help = plan.problems[0].diagnostic().help().unwrap().to_string();
    assert!(help.contains("`kitmake pins fix` writes the present tag of `base`, which is `t/base:now`"), "{help}");
}

#[test]
fn a_fix_is_no_help_where_it_would_change_nothing() {
    let help = |world: &World| world.plan().problems[0].diagnostic().help().unwrap().to_string();
    let cannot = "`kitmake pins fix` cannot change this pin";
    let mut after_a_fix = pinned(&Fact::No);
    after_a_fix.request.repinned = true;
    assert!(help(&after_a_fix).starts_with(cannot));
    let composed = Pkg::new("user").dockerfile("ARG TAG=then\nFROM t/base:$TAG\n");
    let in_loop = Pkg::new("base").from("t/user:then");
    for packages in [[Pkg::new("base"), composed], [in_loop, Pkg::new("user").from("t/base:then")]] {
        let mut world = world(packages);
        world.select(&["user"]);
        world.registered(&"t/base:then".parse().unwrap()).arch_tags.insert(amd64(), Fact::No);
        assert!(help(&world).starts_with(cannot), "{}", help(&world));
    }
}

#[test]
fn a_pin_to_nothing_of_a_dirty_package_is_not_told_to_take_its_dirty_tag() {
    let mut world = world([Pkg::new("base").dirty().tag("now-dirty-1234567"), Pkg::new("user").from("t/base:then")]);
    world.select(&["user"]);
    let then: Reference = "t/base:then".parse().unwrap();
    world.registered(&then).arch_tags.insert(amd64(), Fact::No);
    let plan = world.plan();
    assert_eq!(plan.codes(), ["plan::unsatisfiable_pin"]);
    let help = plan.problems[0].diagnostic().help().unwrap().to_string();
    assert!(help.starts_with("if the changes of `base` are to be committed, commit them"), "{help}");
    assert!(!help.contains("-dirty-"), "{help}");
}

#[test]
fn a_pin_is_satisfiable_unless_every_place_says_no() {
    assert!(pinned(&Fact::Unknown(refused())).plan().codes().is_empty());
    assert!(pinned(&Fact::NotAsked).plan().codes().is_empty());
    let then: Reference = "t/base:then".parse().unwrap();
    let mut published = pinned(&Fact::No);
    published.in_index(&then, &amd64(), None);
    assert!(published.plan().codes().is_empty());
    let mut stored = pinned(&Fact::No);
    stored.builder_has(&then, &amd64(), None);
    assert!(stored.plan().codes().is_empty());
    let mut present = pinned(&Fact::No);
    present.published("user", &amd64(), None);
    assert!(present.plan().codes().is_empty(), "what is not built needs nothing");
}

#[test]
fn a_pin_that_is_only_where_the_engine_does_not_look_is_brought_from_there() {
    let then: Reference = "t/base:then".parse().unwrap();
    let mut tagged = pinned(&Fact::No);
    tagged.at_arch_tag(&then, &amd64(), None);
    assert_eq!(tagged.steps(), ["fetch:t/base:then@linux/amd64", "build:user@linux/amd64"]);
    let plan = tagged.plan();
    let Action::Fetch { from, names, .. } = &plan.step("fetch:t/base:then@linux/amd64").action else { panic!() };
    assert_eq!(from.digest(), Some(digest(&then, &amd64()).as_str()));
    assert!(names.contains(&then));
    assert_eq!(plan.needs("build:user@linux/amd64"), ["fetch:t/base:then@linux/amd64"]);

    let mut cached = pinned(&Fact::No);
    cached.in_cache("user", &amd64(), None);
    let Fact::Yes(images) = &mut cached.facts.cache else { panic!() };
    let (_, image) = images.pop_first().unwrap();
    images.insert((then.canonical().to_string(), amd64()), image);
    assert_eq!(cached.steps(), ["load:t/base:then@linux/amd64", "build:user@linux/amd64"]);
}

#[test]
fn images_of_others_are_asked_for_only_when_something_is_built_on_them_and_the_builder_lacks_them() {
    let image: Reference = "alpine:3".parse().unwrap();
    let mut world = world([Pkg::new("a").from("alpine:3"), Pkg::new("b").from("alpine:3")]);
    assert_eq!(world.plan().more.external, [image.clone()].into());
    let name = image.canonical().to_string();
    for (answer, codes) in [(Fact::No, 1), (Fact::Unknown(refused()), 0), (Fact::Yes(()), 0)] {
        world.facts.external.insert(name.clone(), answer);
        assert_eq!(world.plan().codes(), vec!["plan::unsatisfiable_pin"; codes]);
        assert!(world.plan().more.is_empty(), "each is asked for once");
        let said = world.plan().problems.first().map(ToString::to_string);
        assert!(
            said.is_none_or(|said| said.ends_with("2 packages are to be built on it: a/Dockerfile:1, b/Dockerfile:1"))
        );
    }
    world.facts.external.clear();
    world.request.assume_missing = [world.repo.id("b")].into();
    assert!(world.plan().more.is_empty());
    world.request.assume_missing.clear();
    world.builder_has(&image, &amd64(), None);
    assert!(world.plan().more.is_empty());
    let mut idle = self::world([Pkg::new("a").from("alpine:3")]);
    idle.published("a", &amd64(), None);
    assert!(idle.plan().more.is_empty(), "a plan with nothing to do asks nothing more");
}
