//! What is published in one stage or in two, and released.

use crate::graph::testing::Pkg;
use crate::image::{Platform, Reference};
use crate::plan::testing::{World, amd64, arm64, digest, refused, world};
use crate::plan::{Action, Platforms, Publish, Release, State};
use crate::presence::{Fact, Released};
use crate::registry::Descriptor;

/// What an index may list beside the platforms of the package.
const FOREIGN: [&str; 3] = ["ppc64le", "riscv64", "s390x"];

/// A package that lists both platforms; `publish` is what is asked for.
fn pushing(publish: Publish) -> World {
    let mut world = world([Pkg::new("a").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    world.request.publish = Some(publish);
    world
}

fn only_index() -> World {
    let mut world = pushing(Publish { images: false, ..Publish::default() });
    world.request.build = false;
    for arch in FOREIGN {
        world.registered(&image()).arch_tags.insert(Platform::linux(arch), Fact::No);
    }
    world
}

fn releasing(force: bool) -> World {
    let release = Release { name: "v1".to_owned(), force };
    let mut world = pushing(Publish { release: Some(release), ..Publish::default() });
    world.registered(&image()).release = Fact::No;
    for platform in [amd64(), arm64()] {
        world.published("a", &platform, None);
    }
    world.registered(&image()).listing = Some(index("the index"));
    world
}

fn image() -> Reference {
    "t/a:now".parse().unwrap()
}

fn index(content: &str) -> Descriptor {
    let digest = crate::registry::digest(content.as_bytes());
    Descriptor { media_type: crate::registry::media_type::OCI_INDEX.to_owned(), digest, size: 1 }
}

/// A release of this content that is no earlier state of the index.
fn released(content: &str) -> Fact<Released> {
    Fact::Yes(Released { digest: index(content).digest, earlier: None })
}

#[test]
fn images_alone_are_pushed_without_the_index() {
    let world = pushing(Publish { index: false, ..Publish::default() });
    let names = ["build:a@linux/amd64", "build:a@linux/arm64", "push:a@linux/amd64", "push:a@linux/arm64"];
    assert_eq!(world.steps(), names);
}

#[test]
fn the_index_alone_is_made_of_whatever_the_registry_has_and_builds_nothing() {
    let mut world = only_index();
    world.at_arch_tag(&image(), &arm64(), None);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:a"]);
    assert_eq!(plan.on("a", "amd64").state, State::Missing);
    assert!(plan.steps.iter().all(|step| !step.needs_builder()));
}

#[test]
fn an_index_that_lists_every_image_is_not_written() {
    let mut world = only_index();
    world.published("a", &arm64(), None);
    assert!(world.plan().is_empty());
    world.at_arch_tag(&image(), &amd64(), None);
    assert_eq!(world.steps(), ["index:a"], "another writer has pushed it since");
}

#[test]
fn an_index_that_lists_another_image_than_the_pushed_one_is_written() {
    let mut world = only_index();
    world.published("a", &arm64(), None);
    let other = digest(&"t/other:now".parse().unwrap(), &arm64());
    let Fact::Yes(tagged) = world.registered(&image()).arch_tags.get_mut(&arm64()).unwrap() else { panic!() };
    tagged.digest = other;
    assert_eq!(world.steps(), ["index:a"]);
}

#[test]
fn an_index_that_was_not_written_after_a_push_of_the_same_key_is_written_by_the_next_run() {
    let mut world = pushing(Publish::default());
    for platform in [amd64(), arm64()] {
        let key = Some(world.key("a", &platform));
        world.published("a", &platform, key);
    }
    assert!(world.plan().is_empty());
    let Fact::Yes(tagged) = world.registered(&image()).arch_tags.get_mut(&arm64()).unwrap() else { panic!() };
    tagged.digest = digest(&"t/other:now".parse().unwrap(), &arm64());
    assert_eq!(world.steps(), ["index:a"]);
}

#[test]
fn an_image_that_only_the_index_has_is_not_required_as_a_tag() {
    let mut world = only_index();
    world.in_index(&image(), &amd64(), None);
    world.at_arch_tag(&image(), &arm64(), None);
    let plan = world.plan();
    let Action::Index { required, .. } = &plan.step("index:a").action else { panic!() };
    assert_eq!(*required, [arm64()]);
}

#[test]
fn an_index_of_nothing_is_refused_and_an_unknown_image_is_no_missing_one() {
    let mut world = only_index();
    let plan = world.plan();
    assert_eq!(plan.left_out.iter().map(crate::problem::Problem::code).collect::<Vec<_>>(), ["plan::nothing_to_list"]);
    assert!(plan.is_empty() && plan.problems.is_empty());
    world.registered(&image()).arch_tags.insert(arm64(), Fact::Unknown(refused()));
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
    world.registered(&image()).arch_tags.remove(&arm64());
    assert_eq!(world.plan().codes(), ["plan::not_asked"]);
}

#[test]
fn a_package_without_architectures_has_no_index() {
    let mut world = world([Pkg::new("a").arches(&[])]);
    world.request.publish = Some(Publish { images: false, ..Publish::default() });
    world.request.build = false;
    assert!(world.plan().is_empty());
    assert!(world.plan().problems.is_empty());
}

#[test]
fn without_building_only_what_is_there_is_pushed() {
    let mut world = pushing(Publish::default());
    world.request.build = false;
    let key = Some(world.key("a", &amd64()));
    world.stored("a", &amd64(), key);
    assert_eq!(world.plan().codes(), ["plan::not_there"], "arm64");
    world.request.platforms = Platforms::Own;
    assert_eq!(world.steps(), ["push:a@linux/amd64", "index:a"]);
}

#[test]
fn without_building_the_bases_of_what_is_there_are_of_no_interest() {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    world.request.publish = Some(Publish::default());
    world.request.build = false;
    world.select(&["user"]);
    let key = Some(world.key("user", &amd64()));
    world.stored("user", &amd64(), key);
    assert_eq!(world.steps(), ["push:user@linux/amd64", "index:user"]);
}

#[test]
fn a_release_is_a_step_of_the_registry_alone() {
    let plan = releasing(false).plan();
    assert_eq!(plan.ids(), ["release:a"]);
    assert_eq!(plan.step("release:a").reference, "t/a:v1");
    assert!(!plan.step("release:a").needs_builder());
}

#[test]
fn a_release_that_is_the_index_already_is_left() {
    let mut world = releasing(false);
    world.registered(&image()).release = released("the index");
    assert!(world.plan().is_empty());
}

#[test]
fn a_release_that_is_another_index_is_overwritten_by_force_only() {
    let mut world = releasing(false);
    world.registered(&image()).release = released("another");
    assert_eq!(world.plan().codes(), ["plan::release_taken"]);
    let mut world = releasing(true);
    world.registered(&image()).release = released("another");
    assert_eq!(world.steps(), ["release:a"]);
}

#[test]
fn a_release_waits_for_an_index_that_is_to_be_written_and_what_is_built_never_is_the_one_there() {
    let mut world = releasing(false);
    world.registered(&image()).index = Fact::No;
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:a", "release:a"]);
    assert_eq!(plan.needs("release:a"), ["index:a"]);
    world.registered(&image()).release = released("the index");
    assert_eq!(world.steps(), ["index:a", "release:a"], "the index may come out as it was released");
    world.request.force = true;
    assert_eq!(world.plan().codes(), ["plan::release_taken"], "what is built anew is another image");
}

#[test]
fn a_release_that_is_an_earlier_state_of_the_index_is_extended_unless_an_image_of_it_is_replaced() {
    let mut world = releasing(false);
    let earlier = |platform| Fact::Yes(Released { digest: index("older").digest, earlier: Some([platform].into()) });
    world.registered(&image()).release = earlier(amd64());
    assert_eq!(world.steps(), ["release:a"]);

    // This machine adds arm64.
    world.registered(&image()).arch_tags.insert(arm64(), Fact::No);
    world.registered(&image()).index = Fact::No;
    world.in_index(&image(), &amd64(), None);
    assert_eq!(world.steps(), ["build:a@linux/arm64", "push:a@linux/arm64", "index:a", "release:a"]);
    world.registered(&image()).release = earlier(arm64());
    assert_eq!(world.plan().codes(), ["plan::release_taken"], "what is built is another image than the released one");
}

#[test]
fn a_release_that_could_not_be_asked_about_is_not_made() {
    let mut world = releasing(false);
    world.registered(&image()).release = Fact::Unknown(refused());
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
}

#[test]
fn nothing_dirty_is_released_or_listed() {
    for mut world in [releasing(false), only_index()] {
        world.tag("a").dirt.push(crate::git::Dirt::Forced);
        let plan = world.plan();
        assert_eq!(plan.codes(), ["plan::dirty_push"]);
    }
}

/// What is published is signed by a key; the registry has two platforms whole, signed or not.
fn signing(signed: &Fact<()>) -> World {
    let mut world = pushing(Publish { sign: true, ..Publish::default() });
    for platform in [amd64(), arm64()] {
        world.published("a", &platform, None);
    }
    world.registered(&image()).signed = [("sha256:x".to_owned(), signed.clone())].into();
    world
}

#[test]
fn what_is_signed_is_left_and_what_is_not_is_signed_without_an_engine() {
    assert!(signing(&Fact::Yes(())).plan().is_empty());
    let plan = signing(&Fact::No).plan();
    assert_eq!(plan.ids(), ["sign:a"]);
    assert!(!plan.step("sign:a").needs_builder());
    assert_eq!(signing(&Fact::Unknown(refused())).plan().codes(), ["test::unanswered"]);
}

#[test]
fn an_index_is_signed_after_it_is_written_and_images_alone_after_they_are_pushed() {
    let mut world = signing(&Fact::Yes(()));
    world.registered(&image()).index = Fact::No;
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:a", "sign:a"]);
    assert_eq!(plan.needs("sign:a"), ["index:a"]);
    let images = |plan: &crate::plan::Plan| match &plan.step("sign:a").action {
        Action::Sign { images } => images.iter().map(ToString::to_string).collect::<Vec<_>>(),
        action => panic!("{action:?}"),
    };
    assert_eq!(images(&plan), ["t/a:now"]);

    // An index that nobody signed is of no interest to who signs images alone.
    let mut alone = signing(&Fact::No);
    alone.request.publish = Some(Publish { sign: true, index: false, ..Publish::default() });
    for platform in [amd64(), arm64()] {
        let digest = digest(&image(), &platform);
        alone.registered(&image()).signed.insert(digest, Fact::Yes(()));
    }
    assert!(alone.plan().is_empty());

    let plan = pushing(Publish { sign: true, index: false, ..Publish::default() }).plan();
    assert_eq!(plan.needs("sign:a"), ["push:a@linux/amd64", "push:a@linux/arm64"]);
    assert_eq!(images(&plan), ["t/a:now-amd64", "t/a:now-arm64"]);
}
