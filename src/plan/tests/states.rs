//! What the facts of presence decide about a node.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::testing::Pkg;
use crate::image::Platform;
use crate::plan::testing::{World, amd64, arm64, refused, unanswered, world};
use crate::plan::{Doubt, OnOutdated, Place, Platforms, Publish, Reason, State};
use crate::presence::{Fact, Found, Registered};

const BUILD_BASE: &str = "build:base@linux/amd64";
const BUILD_USER: &str = "build:user@linux/amd64";

fn missing() -> Registered {
    Registered {
        index: Fact::No,
        listing: None,
        listed: BTreeSet::new(),
        arch_tags: [(amd64(), Fact::No)].into(),
        release: Fact::No,
        signed: BTreeMap::new(),
    }
}

fn base_and_user() -> World {
    world([Pkg::new("base"), Pkg::new("user").from("t/base:now")])
}

#[test]
fn what_no_place_has_is_missing_and_built() {
    let world = base_and_user();
    let plan = world.plan();
    assert_eq!(plan.on("user", "amd64").state, State::Missing);
    assert_eq!(plan.reasons("user"), [Reason::Missing]);
    assert_eq!(plan.ids(), [BUILD_BASE, BUILD_USER]);
}

#[test]
fn each_place_alone_makes_a_node_present() {
    for place in [Place::Builder, Place::Cache, Place::Index, Place::ArchTag] {
        let mut world = base_and_user();
        let image = world.image("user");
        match place {
            Place::Builder => world.stored("user", &amd64(), None),
            Place::Cache => world.in_cache("user", &amd64(), None),
            Place::Index => world.in_index(&image, &amd64(), None),
            Place::ArchTag => world.at_arch_tag(&image, &amd64(), None),
        }
        world.select(&["user"]);
        let plan = world.plan();
        assert_eq!(plan.on("user", "amd64").state, State::UnknownOrigin);
        assert_eq!(plan.on("user", "amd64").places, [place]);
        assert!(plan.is_empty(), "what a present node needs is not built");
    }
}

#[test]
fn an_image_of_another_platform_is_none_but_a_variant_that_means_nothing_is_no_other() {
    let mut world = base_and_user();
    let image = world.image("base");
    world.builder_has(&image, &arm64(), None);
    assert_eq!(world.state("base"), State::Missing);
    world.builder_has(&image, &"linux/amd64/v1".parse().unwrap(), None);
    assert_eq!(world.state("base"), State::UnknownOrigin);
}

#[test]
fn an_image_of_unknown_origin_under_a_content_tag_is_accepted() {
    for key in [None, Some(base_and_user().key("base", &amd64()))] {
        let mut world = base_and_user();
        // The label of the base is inherited through FROM, so it says nothing about the user.
        world.stored("base", &amd64(), None);
        world.published("user", &amd64(), key);
        assert_eq!(world.state("user"), State::UnknownOrigin);
    }
    let mut world = world([Pkg::new("a")]);
    world.stored("a", &amd64(), None);
    assert_eq!(world.plan().reasons("a"), [Reason::UnknownOrigin { why: Doubt::NoKey }]);
}

#[test]
fn an_image_on_the_builder_made_from_other_inputs_is_built_again() {
    let mut world = world([Pkg::new("a")]);
    let other = world.other_key("a", &amd64());
    world.stored("a", &amd64(), Some(other));
    let plan = world.plan();
    assert_eq!(plan.on("a", "amd64").state, State::Missing);
    assert!(matches!(plan.reasons("a"), [Reason::OutdatedOnBuilder(_)]));
    assert_eq!(plan.ids(), ["build:a@linux/amd64"]);
}

#[test]
fn an_outdated_published_image_is_used_rebuilt_or_refused() {
    let mut world = world([Pkg::new("a")]);
    let other = world.other_key("a", &amd64());
    world.published("a", &amd64(), Some(other));
    let plan = world.plan();
    assert_eq!((plan.on("a", "amd64").state, plan.is_empty()), (State::Outdated, true));
    assert!(matches!(plan.reasons("a"), [Reason::Outdated(_)]));

    world.request.on_outdated = OnOutdated::Error;
    let plan = world.plan();
    assert_eq!((plan.codes(), plan.is_empty()), (vec!["plan::outdated".to_owned()], true));

    world.request.on_outdated = OnOutdated::Rebuild;
    world.request.publish = Some(Publish::default());
    assert_eq!(world.steps(), ["build:a@linux/amd64", "push:a@linux/amd64", "index:a"]);
}

#[test]
fn what_is_not_selected_is_rebuilt_only_if_something_that_is_built_needs_it() {
    let mut world = base_and_user();
    world.select(&["user"]);
    world.request.on_outdated = OnOutdated::Rebuild;
    let other = world.other_key("base", &amd64());
    world.published("base", &amd64(), Some(other));
    world.published("user", &amd64(), None);
    assert!(world.plan().is_empty());

    let mut missing = base_and_user();
    missing.select(&["user"]);
    missing.request.on_outdated = OnOutdated::Rebuild;
    let other = missing.other_key("base", &amd64());
    missing.published("base", &amd64(), Some(other));
    assert_eq!(missing.steps(), [BUILD_BASE, BUILD_USER]);
}

#[test]
fn a_user_is_not_outdated_because_a_base_that_is_used_as_it_is_has_another_key() {
    let mut world = base_and_user();
    let other = world.other_key("base", &amd64());
    world.published("base", &amd64(), Some(other));
    let over_published = world.plan().on("user", "amd64").components.as_ref().unwrap().label();
    world.published("user", &amd64(), Some(over_published.clone()));
    assert_eq!(world.state("user"), State::Present);
    assert_ne!(over_published, world.key("user", &amd64()));
}

#[test]
fn a_user_over_another_image_of_its_base_is_outdated() {
    let mut world = base_and_user();
    world.published_here("base");
    let other = world.other_key("user", &amd64());
    world.published("user", &amd64(), Some(other));
    assert_eq!(world.state("user"), State::Outdated);
}

#[test]
fn a_key_over_an_image_of_unknown_origin_calls_nothing_outdated() {
    let mut world = base_and_user();
    world.published("base", &amd64(), None);
    let other = world.other_key("user", &amd64());
    world.published("user", &amd64(), Some(other));
    assert_eq!(world.state("user"), State::UnknownOrigin);
}

#[test]
fn nothing_that_is_built_on_an_image_of_unknown_origin_is_outdated_however_far_below_it_is() {
    let mut world =
        world([Pkg::new("base"), Pkg::new("middle").from("t/base:now"), Pkg::new("user").from("t/middle:now")]);
    world.published("base", &amd64(), None);
    let user = world.other_key("user", &amd64());
    // The same tag was built twice: the user was made over the one, and the other is there now.
    let middle = world.other_key("middle", &amd64());
    world.published("middle", &amd64(), Some(middle));
    world.published("user", &amd64(), Some(user.clone()));
    let plan = world.plan();
    for name in ["middle", "user"] {
        assert_eq!(plan.on(name, "amd64").state, State::UnknownOrigin, "{name}");
        assert_eq!(plan.reasons(name), [Reason::UnknownOrigin { why: Doubt::UnknownBase }], "{name}");
    }
    // Nor over one that is built here, whose key is no more definite for that.
    let image = world.image("middle");
    *world.registered(&image) = missing();
    assert_eq!((world.state("middle"), world.state("user")), (State::Missing, State::UnknownOrigin));

    world.published_here("base");
    assert_eq!(world.state("user"), State::Outdated, "all that is below it is known");
}

#[test]
fn a_user_does_not_become_outdated_when_its_base_moves_on() {
    let before = world([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    let (base, user) = (before.key("base", &amd64()), before.key("user", &amd64()));
    let mut after = world([Pkg::new("base").tag("next"), Pkg::new("user").from("t/base:now")]);
    after.select(&["user"]);
    let pinned = "t/base:now".parse().unwrap();
    after.in_index(&pinned, &amd64(), Some(base.clone()));
    after.published("user", &amd64(), Some(user.clone()));
    let plan = after.plan();
    assert_eq!(plan.on("user", "amd64").state, State::Present);
    assert!(matches!(plan.reasons("user"), [Reason::PinStale { package, line: 1, .. }] if package == "base"));
    assert_eq!(plan.on("user", "amd64").components.as_ref().unwrap().label(), user);

    // Only the published image can tell: another one under the pinned tag is another input.
    after.in_index(&pinned, &amd64(), Some(crate::presence::KeyLabel { hash: "1".repeat(64), ..base }));
    assert_eq!(after.state("user"), State::Outdated);
}

#[test]
fn a_pin_by_digest_leaves_the_key_definite() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let mut world = world([Pkg::new("base"), Pkg::new("user").from(&format!("t/base@{digest}"))]);
    let other = world.other_key("user", &amd64());
    world.published("user", &amd64(), Some(other));
    assert_eq!(world.state("user"), State::Outdated);
}

#[test]
fn a_mutable_tag_counts_only_with_an_equal_key() {
    let new = || {
        let mut world = world([Pkg::new("a")]);
        world.mutable("a");
        world.request.publish = Some(Publish::default());
        world
    };
    let (same, other) = (new().key("a", &amd64()), new().other_key("a", &amd64()));
    let whole = ["build:a@linux/amd64", "push:a@linux/amd64", "index:a"];
    for key in [None, Some(other)] {
        let mut stored = new();
        stored.stored("a", &amd64(), key.clone());
        assert!(matches!(stored.plan().reasons("a")[0], Reason::MutableTag(_)));
        assert_eq!(stored.steps(), whole);
        let mut published = new();
        published.published("a", &amd64(), key);
        assert!(matches!(published.plan().reasons("a")[0], Reason::MutableTag(_)));
        assert_eq!(published.steps(), whole);
    }
    let mut stored = new();
    stored.stored("a", &amd64(), Some(same.clone()));
    assert_eq!(stored.steps(), ["push:a@linux/amd64", "index:a"]);
    // What the registry has under the tag is another image, so it is replaced.
    stored.published("a", &amd64(), None);
    assert_eq!(stored.steps(), ["push:a@linux/amd64", "index:a"]);
    let mut published = new();
    published.published("a", &amd64(), Some(same));
    assert!(published.plan().is_empty());
}

#[test]
fn a_dirty_package_is_built_and_never_pushed() {
    let mut world = world([Pkg::new("a").dirty().tag("now-dirty-1234567")]);
    let plan = world.plan();
    assert_eq!(plan.reasons("a"), [Reason::Dirty, Reason::Missing]);
    assert_eq!(plan.on("a", "amd64").reference, "t/a:now-dirty-1234567");
    assert_eq!(plan.ids(), ["build:a@linux/amd64"]);
    world.request.publish = Some(Publish::default());
    let plan = world.plan();
    assert_eq!(plan.codes(), ["plan::dirty_push"]);
    assert!(plan.is_empty(), "a plan with a problem has no steps");
    world.facts.builder = Fact::Unknown(refused());
    assert!(world.plan().codes().contains(&"plan::dirty_push".to_owned()), "it is refused whatever else is wrong");
}

#[test]
fn nobody_asks_a_registry_for_a_dirty_package_and_a_stored_one_counts_only_with_an_equal_key() {
    let mut world = world([Pkg::new("a").dirty()]);
    world.registry_says(&Fact::NotAsked);
    assert_eq!(world.steps(), ["build:a@linux/amd64"]);
    world.stored("a", &amd64(), None);
    assert_eq!(world.steps(), ["build:a@linux/amd64"]);
    let key = world.key("a", &amd64());
    world.stored("a", &amd64(), Some(key));
    assert!(world.plan().is_empty());
}

#[test]
fn what_is_built_on_a_dirty_package_gets_a_dirty_tag_and_is_never_pushed() {
    let mut world =
        world([Pkg::new("base").dirty(), Pkg::new("middle").from("t/base:now"), Pkg::new("user").from("t/middle:now")]);
    world.published("user", &amd64(), None);
    world.select(&["user"]);
    let plan = world.plan();
    let user = plan.on("user", "amd64");
    let key = user.components.as_ref().unwrap().label();
    assert_eq!(user.reference, format!("t/user:now-dirty-{}", &key.hash[..7]));
    assert_eq!(user.reasons[0], Reason::BuiltOnDirty { node: "middle@linux/amd64".to_owned() });
    let request = plan.build(BUILD_USER);
    let middle = &plan.on("middle", "amd64").reference;
    assert_eq!(request.dockerfile_text.as_deref(), Some(format!("FROM {middle}-amd64\n").as_str()));
    assert!(request.tags.iter().all(|tag| tag.contains("-dirty-")));
    world.request.publish = Some(Publish::default());
    let problems = world.plan().problems;
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["refusing to push `user`: it is made from `base`, which is dirty"]
    );
}

#[test]
fn what_is_given_the_tag_of_a_dirty_package_gets_a_dirty_tag_and_is_never_pushed() {
    let mut world = world([
        Pkg::new("base").dirty(),
        Pkg::new("bom").arg("TOOL=@lkt:pkg:../base"),
        Pkg::new("user").from("t/bom:now"),
    ]);
    world.select(&["bom", "user"]);
    let plan = world.plan();
    let bom = plan.on("bom", "amd64");
    assert_eq!((bom.state, &bom.reasons[0]), (State::Dirty, &Reason::NamesDirty { package: "base".to_owned() }));
    assert_eq!(bom.reference, format!("t/bom:now-dirty-{}", &bom.components.as_ref().unwrap().label().hash[..7]));
    assert!(plan.build("build:bom@linux/amd64").tags.iter().all(|tag| tag.contains("-dirty-")));
    world.request.publish = Some(Publish::default());
    let said: Vec<String> = world.plan().problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["refusing to push `bom`, `user`: they are made from `base`, which is dirty"]);
}

#[test]
fn an_unknown_fails_only_a_plan_in_which_something_hangs_on_it() {
    let mut world = base_and_user();
    world.select(&["user"]);
    world.published("user", &amd64(), None);
    let image = world.image("base");
    world.registered(&image).index = Fact::Unknown(refused());
    let plan = world.plan();
    assert_eq!(plan.on("base", "amd64").state, State::Unknown);
    assert!(plan.problems.is_empty() && plan.is_empty());

    world.select(&["base"]);
    assert_eq!(world.plan().codes(), ["test::unanswered"]);

    let mut missing = base_and_user();
    missing.select(&["user"]);
    missing.registered(&image).index = Fact::Unknown(refused());
    assert_eq!(missing.plan().codes(), ["test::unanswered"]);
    missing.stored("base", &amd64(), None);
    assert_eq!((missing.plan().codes().len(), missing.steps()), (0, vec![BUILD_USER.to_owned()]));
}

#[test]
fn a_registry_that_does_not_answer_is_one_problem_of_an_image() {
    let mut world = base_and_user();
    world.select(&["base"]);
    let image = world.image("base");
    let registered = world.registered(&image);
    registered.index = Fact::Unknown(unanswered("asked for the index"));
    registered.arch_tags.insert(amd64(), Fact::Unknown(unanswered("asked for the tag-arch")));
    for push in [false, true] {
        world.request.publish = push.then(Publish::default);
        let problems: Vec<String> = world.plan().problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, ["asked for the index"]);
    }
}

#[test]
fn no_engine_is_an_unknown_that_a_published_image_makes_up_for() {
    let mut world = base_and_user();
    world.facts.builder = Fact::Unknown(refused());
    world.select(&["base"]);
    assert_eq!(world.state("base"), State::Unknown);
    world.published("base", &amd64(), None);
    assert_eq!(world.state("base"), State::UnknownOrigin);
    assert!(world.plan().problems.is_empty());
}

#[test]
fn assume_missing_counts_an_unknown_as_a_no_for_the_packages_it_names() {
    let mut world = base_and_user();
    world.registry_says(&Fact::Unknown(refused()));
    world.request.assume_missing = [world.repo.id("user")].into();
    let plan = world.plan();
    assert_eq!(plan.reasons("user"), [Reason::AssumedMissing]);
    assert_eq!(plan.codes(), ["test::unanswered"], "the base is not named");
    world.request.assume_missing.insert(world.repo.id("base"));
    world.request.publish = Some(Publish::default());
    let plan = world.plan();
    assert!(plan.problems.is_empty());
    assert_eq!(plan.ids().len(), 6);
}

#[test]
fn a_question_that_was_not_asked_is_no_no() {
    let mut world = world([Pkg::new("a")]);
    world.registry_says(&Fact::NotAsked);
    let plan = world.plan();
    assert_eq!((plan.on("a", "amd64").state, plan.codes()), (State::Unknown, vec!["plan::not_asked".to_owned()]));
    world.stored("a", &amd64(), None);
    assert!(world.plan().problems.is_empty());
    world.request.publish = Some(Publish::default());
    assert_eq!(world.plan().codes(), ["plan::not_asked"], "whether to push hangs on it");
}

#[test]
fn force_builds_what_is_selected_whatever_is_there() {
    let mut world = base_and_user();
    world.published_here("base");
    world.published_here("user");
    world.request.force = true;
    world.select(&["user"]);
    let plan = world.plan();
    assert_eq!(plan.reasons("user"), [Reason::Forced]);
    assert_eq!(plan.ids(), ["fetch:base@linux/amd64", BUILD_USER], "the base is not selected");
    world.registry_says(&Fact::Unknown(refused()));
    world.stored("base", &amd64(), None);
    let plan = world.plan();
    assert_eq!((plan.problems.len(), plan.ids()), (0, vec![BUILD_USER.to_owned()]));
}

#[test]
fn a_platform_that_a_package_does_not_list_is_not_built() {
    let mut world = world([Pkg::new("a"), Pkg::new("b").arches(&["amd64", "arm64"]), Pkg::new("c").arches(&[])]);
    world.request.platforms = Platforms::These(vec![arm64()]);
    let plan = world.plan();
    assert_eq!(plan.on("a", "arm64").state, State::NotBuiltHere);
    assert_eq!(plan.ids(), ["build:b@linux/arm64"]);
    assert!(plan.problems.is_empty());
    world.request.platforms = Platforms::Arches;
    assert_eq!(world.steps(), ["build:a@linux/amd64", "build:b@linux/amd64", "build:b@linux/arm64"]);
}

#[test]
fn who_needs_what_cannot_be_had_is_blocked_all_the_way_up() {
    let world = world([
        Pkg::new("base").dockerfile("ARG NONE\nFROM ${NONE}\n"),
        Pkg::new("middle").from("t/base:now"),
        Pkg::new("user").from("t/middle:now"),
        Pkg::new("other"),
    ]);
    let plan = world.plan();
    assert_eq!(plan.on("base", "amd64").state, State::NotBuildable);
    assert_eq!(plan.reasons("middle"), [Reason::Blocked { by: "base@linux/amd64".to_owned() }]);
    assert_eq!(plan.reasons("user"), [Reason::Blocked { by: "middle@linux/amd64".to_owned() }]);
    assert_eq!(plan.ids(), ["build:other@linux/amd64"]);
}

#[test]
fn what_cannot_be_built_but_is_there_blocks_nobody() {
    let mut world =
        world([Pkg::new("base").dockerfile("ARG NONE\nFROM ${NONE}\n"), Pkg::new("user").from("t/base:now")]);
    world.published("base", &amd64(), None);
    let plan = world.plan();
    assert_eq!(plan.on("base", "amd64").state, State::UnknownOrigin);
    assert_eq!(plan.ids(), ["fetch:base@linux/amd64", BUILD_USER]);
}

#[test]
fn the_best_image_is_taken_and_of_equals_the_nearest() {
    let mut world = base_and_user();
    world.select(&["user"]);
    world.stored("base", &amd64(), None);
    world.published("base", &amd64(), None);
    assert_eq!(world.steps(), [BUILD_USER], "the builder is nearest");
    world.published_here("base");
    assert_eq!(world.steps(), ["fetch:base@linux/amd64", BUILD_USER], "the right image is better than an unknown one");
}

#[test]
fn an_answer_about_another_name_is_none() {
    let mut world = world([Pkg::new("a")]);
    world.called("a", ("me", "a", "dev"));
    world.builder_has(&"t/a:now".parse::<crate::image::Reference>().unwrap().arch_tag(&amd64()), &amd64(), None);
    assert_eq!(world.state("a"), State::Missing);
    let found = Found::new(None, None, "x".to_owned());
    world.registry_says(&Fact::Yes(found));
    assert_eq!(world.state("a"), State::UnknownOrigin);
}

/// A package whose steps run on its own platform, one whose steps run on the builder's, and one that is built on the first.
fn foreign() -> World {
    let arm64 = ["arm64"];
    let cross = "FROM --platform=$BUILDPLATFORM x/tools:1 AS tools\nRUN true\nFROM x/base:1\nCOPY --from=tools / /\n";
    let mut world = world([
        Pkg::new("cross").dockerfile(cross).arches(&arm64),
        Pkg::new("native").dockerfile("FROM x/base:1\nRUN true\n").arches(&arm64),
        Pkg::new("user").from("t/native:now").arches(&arm64),
    ]);
    world.request.platforms = Platforms::Arches;
    world
}

#[test]
fn what_the_builder_is_known_not_to_run_is_not_buildable_and_the_remedy_is_named() {
    let mut world = foreign();
    world.request.runs = Some([amd64(), Platform::linux("386")].into());
    let plan = world.plan();
    assert_eq!(plan.on("native", "arm64").state, State::NotBuildable);
    assert_eq!(plan.on("native", "arm64").reasons, [Reason::NoEmulator { platform: arm64() }]);
    assert_eq!(plan.on("user", "arm64").state, State::Blocked);
    assert_eq!(plan.ids(), ["build:cross@linux/arm64"]);
    let said = plan.left_out[0].diagnostic().help().unwrap().to_string();
    for remedy in ["tonistiigi/binfmt --install arm64`", "qemu-user-static", "FROM --platform=$BUILDPLATFORM"] {
        assert!(said.contains(remedy), "{said}");
    }
}

#[test]
fn an_emulator_or_a_builder_that_cannot_be_asked_forbids_nothing() {
    let mut world = foreign();
    let all = ["build:cross@linux/arm64", "build:native@linux/arm64", "build:user@linux/arm64"];
    assert_eq!(world.steps(), all, "it is not known");
    for listed in ["linux/arm64", "linux/arm64/v8"] {
        world.request.runs = Some([listed.parse().unwrap()].into());
        assert_eq!(world.steps(), all, "{listed}");
    }
    // The builder's own programs run on it whatever it says.
    let mut own = crate::plan::testing::world([Pkg::new("a").dockerfile("FROM x/base:1\nRUN true\n")]);
    own.request.runs = Some([arm64()].into());
    assert_eq!(own.steps(), ["build:a@linux/amd64"]);
}

#[test]
fn what_is_there_needs_no_emulator() {
    let mut world = foreign();
    world.request.runs = Some([amd64()].into());
    world.published("native", &arm64(), None);
    let plan = world.plan();
    assert_eq!(plan.on("native", "arm64").state, State::UnknownOrigin);
    assert_eq!(plan.ids(), ["build:cross@linux/arm64", "fetch:native@linux/arm64", "build:user@linux/arm64"]);
}
