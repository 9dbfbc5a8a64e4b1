//! Which steps follow from the nodes, what each needs and what it is told to do.

use crate::graph::testing::Pkg;
use crate::image::{Platform, Reference};
use crate::plan::testing::{World, amd64, arm64, digest, refused, world};
use crate::plan::{Action, Doubt, OnOutdated, Platforms, Publish, PushSource, Reason, State};
use crate::presence::Fact;

const BUILD_USER: &str = "build:user@linux/amd64";
const FETCH_BASE: &str = "fetch:base@linux/amd64";

fn base_and_user() -> World {
    world([Pkg::new("base"), Pkg::new("user").from("t/base:now")])
}

fn both_platforms(packages: [Pkg; 2]) -> World {
    let mut world = world(packages.map(|package| package.arches(&["amd64", "arm64"])));
    world.request.platforms = Platforms::Arches;
    world
}

#[test]
fn of_a_diamond_each_step_needs_exactly_its_own_bases() {
    let world = world([
        Pkg::new("base"),
        Pkg::new("left").from("t/base:now"),
        Pkg::new("right").from("t/base:now"),
        Pkg::new("top")
            .dockerfile("FROM t/left:now AS l\nFROM t/right:now\nCOPY --from=l / /\nCOPY --from=t/right:now / /\n"),
    ]);
    let plan = world.plan();
    let build = |name: &str| format!("build:{name}@linux/amd64");
    assert_eq!(plan.ids(), ["base", "left", "right", "top"].map(build));
    assert!(plan.needs(&build("base")).is_empty());
    assert_eq!(plan.needs(&build("left")), [build("base")]);
    assert_eq!(plan.needs(&build("top")), [build("left"), build("right")]);
}

#[test]
fn a_base_that_only_the_registry_has_is_fetched_once_for_all_its_users() {
    let mut world = world([Pkg::new("a").from("t/base:now"), Pkg::new("b").from("t/base:now"), Pkg::new("base")]);
    world.published("base", &amd64(), None);
    let plan = world.plan();
    assert_eq!(plan.ids(), [FETCH_BASE, "build:a@linux/amd64", "build:b@linux/amd64"]);
    let image = world.image("base");
    let from = format!("t/base@{}", digest(&image, &amd64()));
    assert_eq!(
        plan.step(FETCH_BASE).action,
        Action::Fetch { from: from.parse().unwrap(), platform: amd64(), names: vec![image.arch_tag(&amd64()), image] }
    );
}

#[test]
fn a_build_is_stored_under_tag_arch_and_on_the_builders_platform_under_the_plain_tag_too() {
    let plan = both_platforms([Pkg::new("base"), Pkg::new("user").from("t/base:now")]).plan();
    assert_eq!(plan.build(BUILD_USER).tags, ["t/user:now-amd64", "t/user:now"]);
    assert_eq!(plan.build("build:user@linux/arm64").tags, ["t/user:now-arm64"]);
}

#[test]
fn a_dockerfile_keeps_its_text_on_the_builders_platform_and_points_at_tag_arch_on_others() {
    let plan = both_platforms([Pkg::new("base"), Pkg::new("user").from("t/base:now")]).plan();
    assert_eq!(plan.build(BUILD_USER).dockerfile_text, None);
    let foreign = plan.build("build:user@linux/arm64").dockerfile_text.as_deref();
    assert_eq!(foreign, Some("FROM t/base:now-arm64\n"));
}

#[test]
fn a_sibling_of_the_builders_own_platform_serves_a_foreign_build() {
    let text = "FROM --platform=$BUILDPLATFORM t/base:now AS tools\nFROM scratch\nCOPY --from=tools / /\n";
    let mut world = world([Pkg::new("base"), Pkg::new("user").dockerfile(text).arches(&["arm64"])]);
    world.select(&["user"]);
    world.request.platforms = Platforms::Arches;
    let plan = world.plan();
    assert_eq!(plan.ids(), ["build:base@linux/amd64", "build:user@linux/arm64"]);
    assert_eq!(plan.build("build:user@linux/arm64").dockerfile_text, None);
}

#[test]
fn a_plain_tag_that_is_another_image_than_the_base_is_not_used() {
    let mut world = base_and_user();
    let image = world.image("base");
    world.stored("base", &amd64(), None);
    assert_eq!(world.plan().build(BUILD_USER).dockerfile_text, None);
    world.builder_has(&image, &arm64(), None);
    assert_eq!(world.plan().build(BUILD_USER).dockerfile_text.as_deref(), Some("FROM t/base:now-amd64\n"));
}

#[test]
fn a_name_that_the_command_line_changes_is_written_into_the_dockerfile() {
    let mut world = base_and_user();
    world.called("base", ("me", "base", "dev"));
    let plan = world.plan();
    assert_eq!(plan.build(BUILD_USER).dockerfile_text.as_deref(), Some("FROM me/base:dev-amd64\n"));
}

#[test]
fn a_push_writes_what_the_registry_lacks_after_its_build_and_the_index_after_the_pushes() {
    let mut world = both_platforms([Pkg::new("a"), Pkg::new("b")]);
    world.request.publish = Some(Publish::default());
    world.published("a", &amd64(), None);
    world.select(&["a"]);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["build:a@linux/arm64", "push:a@linux/arm64", "index:a"]);
    assert_eq!(plan.needs("push:a@linux/arm64"), ["build:a@linux/arm64"]);
    assert_eq!(plan.needs("index:a"), ["push:a@linux/arm64"]);
    assert_eq!(plan.reasons("a"), [Reason::UnknownOrigin { why: Doubt::NoKey }]);
    assert_eq!(plan.on("a", "arm64").reasons, [Reason::Missing, Reason::NotPushed, Reason::NotInIndex]);
    let Action::Index { to, required, looked_for, annotations } = &plan.step("index:a").action else { panic!() };
    assert_eq!(to.to_string(), "t/a:now");
    assert_eq!(*required, [amd64(), arm64()]);
    assert_eq!(*looked_for, ["amd64", "arm64", "ppc64le", "riscv64", "s390x"].map(Platform::linux));
    assert_eq!(annotations["org.opencontainers.image.title"], "t/a");
}

#[test]
fn what_the_registry_has_whole_is_not_pushed() {
    let mut world = world([Pkg::new("a")]);
    world.request.publish = Some(Publish::default());
    world.published_here("a");
    world.stored("a", &amd64(), None);
    assert!(world.plan().is_empty());
}

#[test]
fn only_the_index_is_written_when_only_the_index_lacks() {
    let mut world = world([Pkg::new("a")]);
    world.request.publish = Some(Publish::default());
    let image = world.image("a");
    world.at_arch_tag(&image, &amd64(), None);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["index:a"]);
    assert!(plan.needs("index:a").is_empty());
    assert_eq!(plan.reasons("a"), [Reason::UnknownOrigin { why: Doubt::NoKey }, Reason::NotInIndex]);
}

#[test]
fn an_image_on_the_builder_is_pushed_from_there_whoever_built_it() {
    let mut world = world([Pkg::new("a")]);
    world.request.publish = Some(Publish::default());
    let image = world.image("a");
    world.builder_has(&image, &amd64(), None);
    let source = |world: &World| match &world.plan().step("push:a@linux/amd64").action {
        Action::Push { source, .. } => source.clone(),
        action => panic!("{action:?}"),
    };
    assert_eq!(source(&world), PushSource::Builder(image.clone()));
    // A foreign image under the suffixed name is not the one that was found.
    world.builder_has(&image.arch_tag(&amd64()), &arm64(), None);
    assert_eq!(source(&world), PushSource::Builder(image));
}

#[test]
fn an_image_that_only_the_index_lists_gets_its_tag_arch_within_the_registry() {
    let mut world = world([Pkg::new("a")]);
    (world.request.publish, world.request.pull) = (Some(Publish::default()), true);
    let image = world.image("a");
    world.in_index(&image, &amd64(), None);
    let plan = world.plan();
    assert_eq!(plan.ids(), ["fetch:a@linux/amd64", "push:a@linux/amd64", "index:a"]);
    assert!(plan.needs("push:a@linux/amd64").is_empty());
    let from: Reference = format!("t/a@{}", digest(&image, &amd64())).parse().unwrap();
    assert_eq!(
        plan.step("push:a@linux/amd64").action,
        Action::Push { source: PushSource::Registry(from), to: image.arch_tag(&amd64()) }
    );
}

#[test]
fn what_is_only_needed_is_never_pushed() {
    let mut world = base_and_user();
    world.request.publish = Some(Publish::default());
    world.select(&["user"]);
    assert_eq!(world.steps(), ["build:base@linux/amd64", BUILD_USER, "push:user@linux/amd64", "index:user"]);
}

#[test]
fn the_right_image_replaces_a_published_one_only_where_rebuilding_is_asked_for() {
    let mut world = world([Pkg::new("a")]);
    let (same, other) = (world.key("a", &amd64()), world.other_key("a", &amd64()));
    world.stored("a", &amd64(), Some(same));
    world.published("a", &amd64(), Some(other));
    assert_eq!(world.state("a"), State::Present);
    world.request.publish = Some(Publish::default());
    assert_eq!((world.state("a"), world.plan().is_empty()), (State::Outdated, true));
    world.request.on_outdated = OnOutdated::Rebuild;
    assert_eq!(world.state("a"), State::Present);
    assert_eq!(world.steps(), ["push:a@linux/amd64", "index:a"]);
    world.request.on_outdated = OnOutdated::Error;
    assert_eq!(world.plan().codes(), ["plan::outdated"]);
}

#[test]
fn an_index_that_was_not_written_after_its_push_is_written_now() {
    let mut world = world([Pkg::new("a")]);
    world.request.publish = Some(Publish::default());
    let (same, other) = (world.key("a", &amd64()), world.other_key("a", &amd64()));
    let image = world.image("a");
    world.in_index(&image, &amd64(), Some(other));
    world.at_arch_tag(&image, &amd64(), Some(same));
    let plan = world.plan();
    assert_eq!((plan.on("a", "amd64").state, plan.ids()), (State::Present, vec!["index:a".to_owned()]));
}

#[test]
fn an_index_that_could_not_be_read_is_not_written() {
    let mut world = world([Pkg::new("a")]);
    world.request.publish = Some(Publish::default());
    let image = world.image("a");
    world.at_arch_tag(&image, &amd64(), None);
    world.registered(&image).index = Fact::Unknown(refused());
    assert_eq!(world.plan().codes(), ["test::unanswered"]);
}

#[test]
fn pull_brings_what_only_the_registry_has() {
    let mut world = base_and_user();
    world.published("base", &amd64(), None);
    world.published("user", &amd64(), None);
    assert!(world.plan().is_empty());
    world.request.pull = true;
    assert_eq!(world.steps(), [FETCH_BASE, "fetch:user@linux/amd64"]);
    world.stored("base", &amd64(), None);
    assert_eq!(world.steps(), ["fetch:user@linux/amd64"]);
    world.select(&["base"]);
    assert!(world.plan().is_empty());
}

#[test]
fn with_a_registry_images_are_looked_for_pushed_and_fetched_there_under_the_names_of_the_dockerfiles() {
    let mut world = base_and_user();
    world.request.registry = Some("reg.io:5000/mirror".to_owned());
    world.request.publish = Some(Publish::default());
    world.registry_says(&Fact::No);
    world.published("base", &amd64(), None);
    world.select(&["user"]);
    let plan = world.plan();
    assert_eq!(plan.ids(), [FETCH_BASE, BUILD_USER, "push:user@linux/amd64", "index:user"]);
    let Action::Fetch { from, names, .. } = &plan.step(FETCH_BASE).action else { panic!() };
    assert!(from.to_string().starts_with("reg.io:5000/mirror/t/base@sha256:"));
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["t/base:now-amd64", "t/base:now"]);
    assert_eq!(plan.build(BUILD_USER).dockerfile_text, None);
    assert_eq!(plan.step("push:user@linux/amd64").reference, "reg.io:5000/mirror/t/user:now-amd64");
    assert_eq!(plan.step("index:user").reference, "reg.io:5000/mirror/t/user:now");
}

#[test]
fn a_stale_pin_is_fetched_from_the_registry_that_stands_for_the_default_one() {
    let mut world = both_platforms([Pkg::new("base"), Pkg::new("user").from("t/base:then")]);
    world.select(&["user"]);
    assert_eq!(world.steps(), [BUILD_USER, "build:user@linux/arm64"], "the engine finds it by itself");
    world.request.registry = Some("reg.io".to_owned());
    world.registry_says(&Fact::No);
    let plan = world.plan();
    let fetch = |arch: &str| format!("fetch:t/base:then@linux/{arch}");
    assert_eq!(plan.ids(), [fetch("amd64").as_str(), BUILD_USER, &fetch("arm64"), "build:user@linux/arm64"]);
    let Action::Fetch { from, names, .. } = &plan.step(&fetch("amd64")).action else { panic!() };
    assert_eq!(from.to_string(), "reg.io/t/base:then");
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["t/base:then-amd64", "t/base:then"]);
    assert_eq!(plan.build(BUILD_USER).dockerfile_text, None);
    let foreign = plan.build("build:user@linux/arm64").dockerfile_text.as_deref();
    assert_eq!(foreign, Some("FROM t/base:then-arm64\n"));
    world.builder_has(&"t/base:then".parse().unwrap(), &amd64(), None);
    assert_eq!(world.steps(), [BUILD_USER, &fetch("arm64"), "build:user@linux/arm64"]);
}

#[test]
fn a_pin_by_digest_is_fetched_by_it_from_the_registry_that_stands_for_the_default_one() {
    let pinned = format!("t/base:then@sha256:{}", "a".repeat(64));
    let mut world = world([Pkg::new("base"), Pkg::new("user").from(&pinned)]);
    world.select(&["user"]);
    world.request.registry = Some("reg.io".to_owned());
    world.registry_says(&Fact::No);
    let plan = world.plan();
    let there = format!("reg.io/t/base@sha256:{}", "a".repeat(64));
    assert_eq!(plan.ids(), [format!("fetch:{there}@linux/amd64"), BUILD_USER.to_owned()]);
    let name = format!("reg.io/t/base:sha256-{}-amd64", "a".repeat(64));
    assert_eq!(plan.build(BUILD_USER).dockerfile_text, Some(format!("FROM {name}\n")));
}

#[test]
fn a_docker_image_of_two_users_is_fetched_once() {
    let image = format!("quay.io/x/y@sha256:{}", "b".repeat(64));
    let mut world = world([Pkg::new("a").docker_image(&image), Pkg::new("b").docker_image(&image)]);
    for name in ["a", "b"] {
        world.build_yml(name).docker_images.target_dir = Some("images".to_owned());
    }
    let plan = world.plan();
    let fetch = format!("fetch:{image}@linux/amd64");
    assert_eq!(plan.ids(), [fetch.as_str(), "build:a@linux/amd64", "build:b@linux/amd64"]);
    assert_eq!(plan.needs("build:b@linux/amd64"), [fetch.as_str()]);
    assert_eq!(plan.build("build:a@linux/amd64").archives[0].path, format!("images/y@sha256:{}.tar", "b".repeat(64)));
    let name = format!("quay.io/x/y:sha256-{}-amd64", "b".repeat(64));
    assert_eq!(plan.build("build:a@linux/amd64").archives[0].images, [name.as_str()]);
    world.builder_has(&name.parse().unwrap(), &amd64(), None);
    assert_eq!(world.steps(), ["build:a@linux/amd64", "build:b@linux/amd64"]);
}

#[test]
fn a_docker_image_on_two_platforms_has_a_name_for_each() {
    let image = format!("quay.io/x/y@sha256:{}", "b".repeat(64));
    let mut world = both_platforms([Pkg::new("a").docker_image(&image), Pkg::new("b")]);
    world.build_yml("a").docker_images.target = Some("all.tar".to_owned());
    let plan = world.plan();
    for arch in ["amd64", "arm64"] {
        let (build, fetch) = (format!("build:a@linux/{arch}"), format!("fetch:{image}@linux/{arch}"));
        assert_eq!(plan.needs(&build), [fetch.as_str()]);
        let name = format!("quay.io/x/y:sha256-{}-{arch}", "b".repeat(64));
        assert_eq!(plan.build(&build).archives[0].images, [name.as_str()]);
        let Action::Fetch { names, .. } = &plan.step(&fetch).action else { panic!() };
        assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), [name]);
    }
}
