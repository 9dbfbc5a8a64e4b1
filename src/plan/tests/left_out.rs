//! What of a publication is left out and said to be so, while the rest is done.

use crate::graph::testing::Pkg;
use crate::image::{Platform, Reference};
use crate::plan::testing::{World, amd64, arm64, refused, world};
use crate::plan::{OnOutdated, Plan, Platforms, Publish, Release};
use crate::presence::{Fact, Released};
use crate::problem::{Class, Problem};
use crate::registry::{Descriptor, digest, media_type};

fn image(name: &str) -> Reference {
    format!("t/{name}:now").parse().unwrap()
}

fn codes(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::code).collect()
}

fn said(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn release() -> Release {
    Release { name: "v1".to_owned(), force: false }
}

/// An index of these packages is to be made of what the registry has.
fn only_index<const N: usize>(names: [&str; N]) -> World {
    let mut world = world(names.map(|name| Pkg::new(name).arches(&["amd64", "arm64"])));
    world.request.publish = Some(Publish { images: false, ..Publish::default() });
    world.request.build = false;
    world.request.platforms = Platforms::Arches;
    for name in names {
        for arch in ["ppc64le", "riscv64", "s390x"] {
            world.registered(&image(name)).arch_tags.insert(Platform::linux(arch), Fact::No);
        }
    }
    world
}

#[test]
fn a_package_of_which_nothing_is_there_keeps_no_other_from_its_index() {
    let mut world = only_index(["a", "b"]);
    world.request.publish.as_mut().unwrap().release = Some(release());
    world.at_arch_tag(&image("b"), &amd64(), None);
    world.at_arch_tag(&image("b"), &arm64(), None);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:b", "release:b"]);
    assert_eq!(codes(&plan.left_out), ["plan::nothing_to_list"]);
    assert_eq!(plan.left_out[0].class(), Class::Infrastructure);
    assert!(plan.warnings.is_empty(), "it is said once");
}

#[test]
fn a_platform_that_an_index_will_lack_is_said_with_its_package_unless_the_package_does_not_list_it() {
    let mut world = only_index(["a"]);
    world.at_arch_tag(&image("a"), &amd64(), None);
    world.request.platforms = Platforms::These(vec![amd64(), arm64(), Platform::linux("riscv64")]);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:a"]);
    assert_eq!(said(&plan.warnings), ["the index `t/a:now` of `a` has no image for linux/arm64"]);
    world.in_index(&image("a"), &arm64(), None);
    assert!(world.plan().warnings.is_empty(), "what only the index lists stays there");
}

/// The registry has all of `a`, which was made from other inputs on amd64; something is asked for that vouches for it.
fn outdated(publish: Publish) -> World {
    let mut world = world([Pkg::new("a").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    world.request.publish = Some(publish);
    let other = world.other_key("a", &amd64());
    world.published("a", &amd64(), Some(other));
    world.published("a", &arm64(), None);
    let index = digest(b"the index");
    world.registered(&image("a")).listing =
        Some(Descriptor { media_type: media_type::OCI_INDEX.to_owned(), digest: index.clone(), size: 1 });
    world.registered(&image("a")).signed = [(index, Fact::No)].into();
    world
}

#[test]
fn what_was_made_from_other_inputs_is_neither_signed_nor_released_unless_it_is_built_again() {
    let all = Publish { sign: true, notarize: true, release: Some(release()), ..Publish::default() };
    let mut world = outdated(all);
    for tag in ["t/a:now", "t/a:v1"] {
        world.signed_with(tag, None);
    }
    let plan = world.plan();
    assert!(plan.is_empty() && plan.problems.is_empty(), "{:?}", plan.ids());
    let expected =
        "`a` is not released and not signed: its image for linux/amd64 was made from other inputs than it has here";
    assert_eq!(said(&plan.left_out), [expected]);
    assert_eq!(plan.left_out[0].class(), Class::Unpublished);

    world.request.on_outdated = OnOutdated::Rebuild;
    let plan = world.plan();
    assert!(plan.left_out.is_empty());
    assert_eq!(
        plan.ids(),
        ["build:a@linux/amd64", "push:a@linux/amd64", "index:a", "release:a", "notarize:a", "sign:a"]
    );
}

#[test]
fn what_was_signed_before_it_became_outdated_stays_so() {
    let mut world = outdated(Publish { sign: true, ..Publish::default() });
    world.registered(&image("a")).signed.values_mut().for_each(|signed| *signed = Fact::Yes(()));
    let plan = world.plan();
    assert!(plan.is_empty() && plan.left_out.is_empty());
}

/// A package that is built on arm64 only is released on amd64.
fn elsewhere(index: bool) -> Plan {
    let mut world = world([Pkg::new("a").arches(&["arm64"])]);
    world.request.publish = Some(Publish { release: Some(release()), ..Publish::default() });
    world.registered(&image("a")).release = Fact::No;
    if index {
        world.published("a", &arm64(), None);
        world.registered(&image("a")).listing =
            Some(Descriptor { media_type: media_type::OCI_INDEX.to_owned(), digest: digest(b"x"), size: 1 });
    }
    world.plan()
}

#[test]
fn a_release_is_of_the_index_wherever_that_was_built() {
    assert_eq!(elsewhere(true).ids(), ["release:a"]);
    let plan = elsewhere(false);
    assert!(plan.is_empty() && plan.problems.is_empty());
    assert_eq!(codes(&plan.warnings), ["plan::nothing_to_release"]);
}

#[test]
fn an_index_that_nobody_could_ask_for_is_not_taken_for_none() {
    let questions = [(Fact::Unknown(refused()), "test::unanswered"), (Fact::NotAsked, "plan::not_asked")];
    for (index, code) in questions {
        for there in [Fact::No, Fact::Yes(Released { digest: digest(b"x"), earlier: None })] {
            // Built on another platform, and on this one.
            for arch in ["arm64", "amd64"] {
                let mut world = world([Pkg::new("a").arches(&[arch])]);
                world.request.publish = Some(Publish { release: Some(release()), ..Publish::default() });
                world.registered(&image("a")).index = index.clone();
                world.registered(&image("a")).release = there.clone();
                let plan = world.plan();
                assert_eq!(plan.codes(), [code], "{arch}");
                assert!(plan.warnings.is_empty() && plan.is_empty(), "{arch}");
            }
        }
    }
}

#[test]
fn what_is_compared_again_when_it_is_written_may_be_assumed_to_be_missing() {
    let mut world = outdated(Publish { sign: true, notarize: true, release: Some(release()), ..Publish::default() });
    world.published("a", &amd64(), None);
    world.registered(&image("a")).release = Fact::Unknown(refused());
    world.registered(&image("a")).signed.values_mut().for_each(|signed| *signed = Fact::Unknown(refused()));
    assert_eq!(world.plan().codes(), ["plan::not_asked", "test::unanswered"], "trust data, then the registry");
    world.request.assume_missing = world.repo.workspace.ids().collect();
    let plan = world.plan();
    assert!(plan.problems.is_empty());
    assert_eq!(plan.ids(), ["release:a", "notarize:a", "sign:a"]);

    // What an index is made of is read before it is written, so it has to be known.
    let mut world = only_index(["a"]);
    world.registered(&image("a")).arch_tags.insert(arm64(), Fact::Unknown(refused()));
    world.request.assume_missing = world.repo.workspace.ids().collect();
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
}
