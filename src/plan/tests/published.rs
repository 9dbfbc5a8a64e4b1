//! What a push leaves behind, and what it takes from what is published.

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, arm64, refused, world};
use crate::plan::{OnOutdated, Place, Platforms, Publish, Reason, State, notes, stays, text, unpublished};
use crate::presence::{Fact, KeyLabel};

/// A package on a chain of three others; it alone is pushed.
fn pushed() -> World {
    let mut world = world([
        Pkg::new("base"),
        Pkg::new("tools").from("t/base:now"),
        Pkg::new("user").dockerfile("FROM t/tools:now\nCOPY --from=t/base:now / /\n"),
    ]);
    world.select(&["user"]);
    world.request.publish = Some(Publish::default());
    world
}

#[test]
fn what_a_pushed_image_is_built_on_and_the_registry_will_not_have_is_one_line_with_the_remedy() {
    let plan = pushed().plan();
    assert_eq!(
        unpublished(&plan),
        "user is built on 2 packages that are not pushed: base, tools; `kitmake push base tools` pushes them\n"
    );
    assert!(text(&plan, false).ends_with(&unpublished(&plan)));
    assert!(!notes(&plan).contains("not pushed"), "a run says so in the end");
    let json: serde_json::Value = serde_json::from_str(&crate::plan::json(&plan)).unwrap();
    assert_eq!(json["unpublished"], serde_json::json!(["base", "tools"]));
    assert_eq!(json["unpublished_nodes"], serde_json::json!(["base@linux/amd64", "tools@linux/amd64"]));
}

#[test]
fn where_they_were_built_earlier_the_registry_lacks_them_all_the_same() {
    let mut world = pushed();
    world.stored("tools", &amd64(), Some(world.key("tools", &amd64())));
    let said = unpublished(&world.plan());
    assert!(said.starts_with("user is built on 2 packages that are not pushed: base, tools;"), "{said}");
    world.published_here("tools");
    assert_eq!(world.plan().unpublished.len(), 1, "the base is needed by itself");
    world.published_here("base");
    assert!(world.plan().unpublished.is_empty());
}

#[test]
fn nothing_is_said_where_nothing_is_pushed_or_the_registry_was_not_asked() {
    let mut world = pushed();
    world.request.publish = None;
    assert_eq!(unpublished(&world.plan()), "");
    let mut there = pushed();
    there.published_here("user");
    assert_eq!(unpublished(&there.plan()), "", "whoever pushed it was told");
    let mut unknown = pushed();
    unknown.registry_says(&Fact::Unknown(refused()));
    for name in ["base", "tools"] {
        unknown.stored(name, &amd64(), Some(unknown.key(name, &amd64())));
    }
    unknown.request.assume_missing = [unknown.repo.id("user")].into();
    let plan = unknown.plan();
    assert!(plan.problems.is_empty() && plan.unpublished.is_empty(), "{:?}", plan.unpublished);
    let mut all = pushed();
    all.select(&["base", "tools", "user"]);
    assert_eq!(unpublished(&all.plan()), "");
}

#[test]
fn platforms_other_than_the_builders_own_are_told_and_asked_for() {
    let both = &["amd64", "arm64"];
    let mut world = world([Pkg::new("base").arches(both), Pkg::new("user").arches(both).from("t/base:now")]);
    world.select(&["user"]);
    world.request.publish = Some(Publish::default());
    world.request.platforms = Platforms::Arches;
    assert_eq!(
        unpublished(&world.plan()),
        "user is built on 1 package that is not pushed: base (linux/amd64, linux/arm64); \
         `kitmake push base --platforms linux/amd64,linux/arm64` pushes it\n"
    );
    world.published("base", &amd64(), Some(world.key("base", &amd64())));
    world.stored("base", &arm64(), Some(world.key("base", &arm64())));
    let plan = world.plan();
    assert_eq!(
        unpublished(&plan),
        "user is built on 1 package that is not pushed: base (linux/arm64); \
         `kitmake push base --platforms linux/arm64` pushes it\n"
    );
    let json: serde_json::Value = serde_json::from_str(&crate::plan::json(&plan)).unwrap();
    assert_eq!(json["unpublished_nodes"], serde_json::json!(["base@linux/arm64"]));
}

#[test]
fn nothing_is_advised_where_a_package_does_not_list_the_platform() {
    let both = &["amd64", "arm64"];
    let mut world = world([Pkg::new("base").arches(&["amd64"]), Pkg::new("user").arches(both).from("t/base:now")]);
    world.select(&["user"]);
    world.request.publish = Some(Publish::default());
    world.request.platforms = Platforms::These(vec![arm64()]);
    world.stored("base", &arm64(), Some(world.key("base", &arm64())));
    assert_eq!(unpublished(&world.plan()), "user is built on 1 package that is not pushed: base (linux/arm64)\n");
}

#[test]
fn what_a_push_replaces_only_when_told_so_is_advised_with_that() {
    let mut world = pushed();
    world.request.on_outdated = OnOutdated::Rebuild;
    world.published_here("base");
    let other = KeyLabel { hash: "0".repeat(64), ..world.key("tools", &amd64()) };
    world.published("tools", &amd64(), Some(other));
    let advised = "user is built on 1 package that is not pushed: tools; \
                   `kitmake push tools --on-outdated rebuild` pushes it\n";
    assert_eq!(unpublished(&world.plan()), advised);
    // The same where it was built already.
    world.stored("tools", &amd64(), Some(world.key("tools", &amd64())));
    assert_eq!(unpublished(&world.plan()), advised);
}

#[test]
fn many_of_them_are_cut_and_named_by_one_selector() {
    let mut packages: Vec<Pkg> = (0..6).map(|n| Pkg::new(&format!("p{n}"))).collect();
    let copies: Vec<String> = (0..6).map(|n| format!("COPY --from=t/p{n}:now / /\n")).collect();
    packages.push(Pkg::new("user").dockerfile(&format!("FROM scratch\n{}", copies.concat())));
    packages.push(Pkg::new("user2").from("t/p0:now"));
    let mut world = World::new(packages);
    world.request.publish = Some(Publish::default());
    world.select(&["user"]);
    assert_eq!(
        unpublished(&world.plan()),
        "user is built on 6 packages that are not pushed: p0, p1, p2 and 3 more; `kitmake push 'user...'` pushes them\n"
    );
    world.select(&["user", "user2"]);
    assert_eq!(
        unpublished(&world.plan()),
        "what is pushed is built on 6 packages that are not pushed: p0, p1, p2 and 3 more; a selector that ends in `...` \
         names them, too\n"
    );
    world.select(&["user2"]);
    assert_eq!(
        unpublished(&world.plan()),
        "user2 is built on 1 package that is not pushed: p0; `kitmake push p0` pushes it\n"
    );
}

/// A package whose published image was made from other inputs, on both platforms.
fn outdated() -> World {
    let mut world = world([Pkg::new("a").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    world.request.publish = Some(Publish::default());
    for platform in [amd64(), arm64()] {
        let other = world.other_key("a", &platform);
        world.published("a", &platform, Some(other));
    }
    world
}

fn overwritten(world: &World) -> Vec<String> {
    let said = text(&world.plan(), false);
    let list = said.lines().skip_while(|line| !line.starts_with("published tags that are overwritten"));
    list.skip(1).take_while(|line| line.starts_with("  ")).map(str::to_owned).collect()
}

#[test]
fn each_published_tag_that_is_taken_from_another_image_is_named_that_of_the_index_too() {
    let mut world = outdated();
    assert!(overwritten(&world).is_empty());
    world.request.on_outdated = OnOutdated::Rebuild;
    let expected = [
        "  a              t/a:now        the index, for linux/amd64, linux/arm64",
        "  a@linux/amd64  t/a:now-amd64",
        "  a@linux/arm64  t/a:now-arm64",
    ];
    assert_eq!(overwritten(&world), expected);

    // The same if the right image is on the builder already, and only pushed.
    world.stored("a", &amd64(), Some(world.key("a", &amd64())));
    assert_eq!(overwritten(&world), expected);
    let plan = world.plan();
    let node = plan.on("a", "amd64");
    assert_eq!(
        (node.state, &node.places[..], &node.others[..]),
        (State::Present, &[Place::Builder][..], &[Place::Index, Place::ArchTag][..])
    );
    assert!(matches!(node.reasons[..], [Reason::OutdatedInRegistry(_)]), "{:?}", node.reasons);
    assert!(text(&plan, false).contains("a linux/amd64  another one in the registry"), "{}", text(&plan, false));
}

#[test]
fn an_outdated_image_that_stays_is_told_with_what_would_replace_it_and_ends_the_summary() {
    let mut world = outdated();
    let remedy = |world: &World| notes(&world.plan()).lines().last().unwrap().trim().to_owned();
    let command = "`kitmake push --on-outdated rebuild`";
    assert_eq!(remedy(&world), format!("{command} builds them again and replaces the published ones"));
    assert_eq!(stays(&world.plan()), "; 2 outdated images stay published");
    world.stored("a", &amd64(), Some(world.key("a", &amd64())));
    assert_eq!(
        remedy(&world),
        format!("{command} builds them again, but for 1 on the builder, and replaces the published ones")
    );
    world.stored("a", &arm64(), Some(world.key("a", &arm64())));
    assert_eq!(remedy(&world), format!("{command} replaces the published ones with what is on the builder"));
    let mut world = outdated();
    world.request.on_outdated = OnOutdated::Rebuild;
    assert_eq!(stays(&world.plan()), "");
    world.request.publish = None;
    let plan = world.plan();
    assert_eq!((plan.steps.len(), stays(&plan).as_str()), (2, "; 2 outdated images stay published"));
}

#[test]
fn where_an_image_is_and_where_another_one_is_are_two_things() {
    let mut world = world([Pkg::new("a")]);
    let (own, other) = (world.key("a", &amd64()), world.other_key("a", &amd64()));
    let places = |world: &World| {
        let plan = world.plan();
        let node = plan.on("a", "amd64");
        (node.state, node.places.clone(), node.others.clone())
    };
    let published = vec![Place::Index, Place::ArchTag];
    world.stored("a", &amd64(), Some(other.clone()));
    assert_eq!(places(&world), (State::Missing, vec![], vec![Place::Builder]));
    world.published("a", &amd64(), Some(other.clone()));
    assert_eq!(places(&world), (State::Outdated, published.clone(), vec![Place::Builder]));
    world.published("a", &amd64(), None);
    assert_eq!(places(&world), (State::UnknownOrigin, published.clone(), vec![Place::Builder]));
    world.published("a", &amd64(), Some(own.clone()));
    assert_eq!(places(&world), (State::Present, published.clone(), vec![Place::Builder]));
    world.published("a", &amd64(), Some(other));
    world.stored("a", &amd64(), Some(own));
    assert_eq!(places(&world), (State::Present, vec![Place::Builder], published));
}
