//! Content trust: what is built from must be signed, and what is published is signed.

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, refused, world};
use crate::plan::{Action, Platforms, Publish, Release, State};
use crate::presence::Fact;
use crate::registry::Descriptor;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn trusting<const N: usize>(packages: [Pkg; N]) -> World {
    let mut world = world(packages);
    world.request.trust = true;
    world
}

#[test]
fn an_image_from_outside_is_built_on_by_the_digest_that_is_signed() {
    let mut world = trusting([Pkg::new("a").from("alpine")]);
    assert_eq!(world.plan().codes(), ["plan::not_asked"]);
    world.signed_with("docker.io/library/alpine:latest", None);
    assert_eq!(world.plan().codes(), ["plan::unsigned"]);
    world.signed_with("docker.io/library/alpine:latest", Some(DIGEST));
    let plan = world.plan();
    let text = plan.build("build:a@linux/amd64").dockerfile_text.as_deref();
    let name = format!("docker.io/library/alpine:{}-amd64", DIGEST.replace(':', "-"));
    assert_eq!(text, Some(format!("FROM {name}\n").as_str()));
    let fetch = format!("fetch:docker.io/library/alpine@{DIGEST}@linux/amd64");
    assert_eq!(plan.needs("build:a@linux/amd64"), [fetch]);
}

#[test]
fn whether_it_is_signed_being_unknown_stops_the_plan() {
    let mut world = trusting([Pkg::new("a").from("alpine:3")]);
    world.facts.trusted.insert("docker.io/library/alpine:3".to_owned(), Fact::Unknown(refused()));
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
}

#[test]
fn a_digest_is_trusted_as_it_is_and_an_exempt_package_asks_nobody() {
    let pinned = format!("alpine@{DIGEST}");
    assert!(trusting([Pkg::new("a").from(&pinned)]).plan().problems.is_empty());
    let mut world = trusting([Pkg::new("a").from("alpine")]);
    world.build_yml("a").disable_content_trust = true;
    let plan = world.plan();
    assert!(plan.problems.is_empty());
    assert_eq!(plan.build("build:a@linux/amd64").dockerfile_text, None);
}

#[test]
fn a_sibling_that_is_built_here_needs_no_signature_and_a_published_one_needs_that_of_its_index() {
    let mut world = trusting([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    assert!(world.plan().problems.is_empty(), "both are built");
    world.published("base", &amd64(), None);
    let image = world.image("base");
    world.registered(&image).listing =
        Some(Descriptor { media_type: String::new(), digest: DIGEST.to_owned(), size: 1 });
    assert_eq!(world.plan().codes(), ["plan::not_asked"]);
    world.signed_with("t/base:now", Some(OTHER));
    assert_eq!(world.plan().codes(), ["plan::unsigned"], "another index is signed");
    world.signed_with("t/base:now", Some(DIGEST));
    assert_eq!(world.steps(), ["fetch:base@linux/amd64", "build:user@linux/amd64"]);
}

#[test]
fn a_signed_index_does_not_vouch_for_a_tag_arch_that_it_does_not_list() {
    let mut world = trusting([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    let image = world.image("base");
    let key = Some(world.key("base", &amd64()));
    world.at_arch_tag(&image, &amd64(), key);
    world.signed_with("t/base:now", Some(DIGEST));
    assert_eq!(world.plan().codes(), ["plan::unsigned"], "there is no index at all");
    world.registered(&image).listing =
        Some(Descriptor { media_type: String::new(), digest: DIGEST.to_owned(), size: 1 });
    assert_eq!(world.plan().codes(), ["plan::unsigned"], "there is one, and it lists something else");
}

#[test]
fn what_is_there_is_not_built_and_so_needs_no_signature() {
    let mut world = trusting([Pkg::new("a").from("alpine")]);
    world.published("a", &amd64(), None);
    assert_eq!(world.state("a"), State::UnknownOrigin);
    assert!(world.plan().problems.is_empty());
}

/// A package that is published whole and is to be notarized.
fn notarizing() -> World {
    let mut world = trusting([Pkg::new("a")]);
    world.request.publish = Some(Publish { notarize: true, ..Publish::default() });
    world.published("a", &amd64(), None);
    let image = world.image("a");
    world.registered(&image).listing =
        Some(Descriptor { media_type: String::new(), digest: DIGEST.to_owned(), size: 1 });
    world
}

#[test]
fn an_index_that_is_not_signed_or_with_another_digest_is_notarized_without_an_engine() {
    for signed in [None, Some(OTHER)] {
        let mut world = notarizing();
        world.signed_with("t/a:now", signed);
        let plan = world.plan();
        assert_eq!(plan.ids(), ["notarize:a"]);
        assert!(plan.notarizes() && !plan.steps[0].needs_builder());
    }
    let mut world = notarizing();
    world.signed_with("t/a:now", Some(DIGEST));
    assert!(world.plan().is_empty());
    world.facts.trusted.insert("docker.io/t/a:now".to_owned(), Fact::Unknown(refused()));
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
}

#[test]
fn a_release_is_notarized_too_after_it_is_made() {
    let mut world = notarizing();
    world.signed_with("t/a:now", Some(DIGEST));
    world.signed_with("t/a:v1", None);
    let image = world.image("a");
    world.registered(&image).release = Fact::No;
    let release = Some(Release { name: "v1".to_owned(), force: false });
    world.request.publish = Some(Publish { notarize: true, release, ..Publish::default() });
    let plan = world.plan();
    assert_eq!(plan.ids(), ["release:a", "notarize:a"]);
    assert_eq!(plan.needs("notarize:a"), ["release:a"]);
    let Action::Notarize { images } = &plan.step("notarize:a").action else { panic!() };
    assert_eq!(images.iter().map(ToString::to_string).collect::<Vec<_>>(), ["t/a:v1"]);
}

#[test]
fn an_exempt_package_and_images_without_an_index_are_not_notarized() {
    let mut world = notarizing();
    world.build_yml("a").disable_content_trust = true;
    assert!(world.plan().is_empty());
    let mut world = trusting([Pkg::new("a")]);
    world.request.platforms = Platforms::Own;
    world.request.publish = Some(Publish { index: false, ..Publish::default() });
    assert_eq!(world.steps(), ["build:a@linux/amd64", "push:a@linux/amd64"]);
}
