//! The plan as people and programs see it.

use serde_json::{Value, json};

use crate::graph::testing::Pkg;
use crate::image::Reference;
use crate::plan::testing::{World, amd64, arm64, world};
use crate::plan::{OnOutdated, Platforms, Publish, Release, notes, text};
use crate::presence::Fact;
use crate::problem::Problem;
use crate::registry::Error;

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// A base to be fetched, one to be built for its user, a stale pin, a package for another platform, one that cannot be
/// built, and what needs it.
fn mixed() -> World {
    let mut world = world([
        Pkg::new("pkg/alone").from("t/tools:then"),
        Pkg::new("pkg/broken").dockerfile("ARG NONE\nFROM ${NONE}\n"),
        Pkg::new("pkg/foreign").arches(&["arm64"]),
        Pkg::new("pkg/on-broken").from("t/broken:now"),
        Pkg::new("pkg/there"),
        Pkg::new("pkg/user").dockerfile("FROM t/tools:now AS tools\nFROM t/base:now\nCOPY --from=tools / /\n"),
        Pkg::new("tools/base"),
        Pkg::new("tools/tools"),
    ]);
    world.published("tools/base", &amd64(), None);
    let there = world.other_key("pkg/there", &amd64());
    world.published("pkg/there", &amd64(), Some(there));
    let selected: Vec<String> = (world.repo.workspace.packages.iter())
        .map(|package| package.name.to_string())
        .filter(|name| name.starts_with("pkg/"))
        .collect();
    world.select(&selected.iter().map(String::as_str).collect::<Vec<_>>());
    world
}

#[test]
fn a_plan_is_its_steps_in_their_order_and_then_what_is_odd() {
    let mut world = mixed();
    world.request.publish = Some(Publish::default());
    let text = text(&world.plan(), false);
    assert_eq!(
        lines(&text),
        [
            "fetch 1, build 3, push 2, index 2; 2 of 7 nodes present, 1 of unknown origin, 1 outdated",
            "  build, push, index  pkg/alone linux/amd64    missing                             t/alone:now",
            "  build               tools/tools linux/amd64  missing, for pkg/user -> 1 package  t/tools:now",
            "  fetch               tools/base linux/amd64   not on the builder                  t/base:now",
            "  build, push, index  pkg/user linux/amd64     missing                             t/user:now",
            "stale pins: 1",
            "  pkg/alone/Dockerfile:1  t/tools:then  (tools/tools is now)",
            "  `kitmake pins fix` writes the present tags, or says why it cannot",
            "outdated, made from other inputs: 1",
            "  pkg/there@linux/amd64  t/there:now  the registry was not asked which",
            "  `kitmake push --on-outdated rebuild` builds it again and replaces the published one",
            "built on images that are not known to be there: 1",
            "  t/tools:then  `docker.io` was not asked",
            "blocked: 1",
            "  pkg/on-broken@linux/amd64  needs pkg/broken@linux/amd64",
            "not buildable: 1",
            "  pkg/broken@linux/amd64  `${NONE}` on line 2: no value for `NONE`",
            "not built here: 1",
            "  linux/amd64  pkg/foreign",
            "what is pushed is built on 1 package that is not pushed: tools/tools; `kitmake push tools/tools` pushes it",
        ]
    );
}

#[test]
fn what_is_done_with_an_image_and_its_index_stands_beside_its_build() {
    let mut world = world([Pkg::new("a").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    world.request.cache = true;
    world.request.publish = Some(Publish { notarize: true, sign: true, ..Publish::default() });
    let release = Release { name: "v1".to_owned(), force: false };
    world.request.publish.as_mut().unwrap().release = Some(release);
    let image = "t/a:now".parse().unwrap();
    world.registered(&image).release = Fact::No;
    for tag in ["t/a:now", "t/a:v1"] {
        world.facts.trusted.insert(tag.parse::<Reference>().unwrap().canonical().to_string(), Fact::No);
    }
    assert_eq!(
        lines(&text(&world.plan(), false)),
        [
            "build 2, store 2, push 2, index 1, release 1, notarize 1, sign 1; 0 of 2 nodes present",
            "  build, store, push               a linux/amd64  missing       t/a:now",
            "  build, store, push, index, sign  a linux/arm64  missing       t/a:now",
            "  release, notarize                a              not released  t/a:v1",
        ]
    );
}

#[test]
fn what_is_to_be_done_does_not_hide_why() {
    let mut world = world([
        Pkg::new("dirty").dirty(),
        Pkg::new("forced"),
        Pkg::new("on-dirty").from("t/dirty:now"),
        Pkg::new("outdated"),
    ]);
    world.published("forced", &amd64(), None);
    let other = world.other_key("outdated", &amd64());
    world.published("outdated", &amd64(), Some(other));
    world.request.on_outdated = OnOutdated::Rebuild;
    world.request.force = true;
    let text = text(&world.plan(), false);
    let whys: Vec<&str> = lines(&text)[1..5].iter().map(|line| line[31..].split("  ").next().unwrap()).collect();
    assert_eq!(
        whys,
        ["dirty, missing -> 1 package", "forced", "on a dirty base, missing", "forced, made from other inputs"]
    );
}

#[test]
fn a_long_plan_tells_causes_and_how_many_packages_each_pulls_in() {
    let name = |n: usize| format!("pkg/p{n:02}");
    let mut packages: Vec<Pkg> = (0..60).map(|n| Pkg::new(&name(n))).collect();
    // 23 are built on the base, one of them on another of them; the rest on nothing.
    for (n, package) in packages.iter_mut().enumerate().take(23) {
        let from = if n == 22 { "t/p21:now" } else { "t/base:now" };
        *package = Pkg::new(&name(n)).from(from);
    }
    packages.push(Pkg::new("tools/base"));
    let mut world = World::new(packages);
    world.published("pkg/p59", &amd64(), None);
    world.request.pull = true;
    let long = text(&world.plan(), false);
    let told = lines(&long);
    assert_eq!(told[0], "fetch 1, build 60; 1 of 61 nodes present, 1 of unknown origin");
    assert_eq!(told[1], "  build  tools/base linux/amd64  missing             -> 23 packages");
    assert_eq!(told[2], "  fetch  pkg/p59                 not on the builder");
    assert_eq!(told[3], "  build  36 packages             missing");
    assert!(told[4].starts_with("         pkg/p23, pkg/p24,"), "{long}");
    assert!(told.len() <= 10, "{long}");
    assert_eq!(told.last(), Some(&"`-v` lists all steps, `kitmake explain PKG` says more of one package"));
    let all = text(&world.plan(), true);
    assert_eq!(lines(&all).iter().filter(|line| line.starts_with("  build  ")).count(), 60);
    assert!(all.contains("missing -> 23 packages"), "{all}");
}

#[test]
fn many_stale_pins_are_told_by_what_they_name() {
    let mut packages: Vec<Pkg> = (0..20).map(|n| Pkg::new(&format!("pkg/p{n:02}")).from("t/base:then")).collect();
    packages.push(Pkg::new("tools/base"));
    let mut world = World::new(packages);
    world.in_index(&"t/base:then".parse().unwrap(), &amd64(), None);
    let pins = [
        "stale pins: 20",
        "  pkg/p00/Dockerfile:1 and 19 more  t/base:then  (tools/base is now)",
        "  `kitmake pins fix` writes the present tags, or says why it cannot",
    ];
    assert_eq!(lines(&notes(&world.plan())), pins);
    let all = text(&world.plan(), true);
    assert_eq!(all.matches("t/base:then").count(), 20, "{all}");
}

#[test]
fn ignored_junk_that_goes_into_a_build_is_one_line() {
    let mut world = world([Pkg::new("pkg/a")]);
    let junk = (0..3_412).map(|n| (format!("node_modules/m{}/f{n}", n % 50), "x".to_owned()));
    world.files.insert(world.repo.id("pkg/a"), junk.collect());
    assert_eq!(
        lines(&notes(&world.plan())),
        ["built with files that git does not track: 1", "  pkg/a  3,412 files below node_modules"]
    );
}

#[test]
fn nothing_to_do_is_one_line() {
    let mut world = world([Pkg::new("a"), Pkg::new("b").from("t/a:now")]);
    world.published_here("a");
    world.published_here("b");
    assert_eq!(text(&world.plan(), false), "nothing to do: 2 of 2 nodes present\n");
}

#[test]
fn where_an_outdated_image_is_left_the_remedy_is_named() {
    let mut world = world([Pkg::new("a"), Pkg::new("b")]);
    for name in ["a", "b"] {
        let other = world.other_key(name, &amd64());
        world.published(name, &amd64(), Some(other));
    }
    let last = |world: &World| notes(&world.plan()).lines().last().unwrap_or_default().to_owned();
    assert_eq!(
        last(&world),
        "  `kitmake push --on-outdated rebuild` builds them again and replaces the published ones"
    );
    world.request.on_outdated = OnOutdated::Rebuild;
    assert!(!notes(&world.plan()).contains("--on-outdated"));
}

#[test]
fn programs_are_told_what_keeps_a_plan_from_being_run() {
    let mut world = world([Pkg::new("a").dockerfile("ARG X\nFROM alpine:3\n"), Pkg::new("b").dirty()]);
    world.facts.external.insert("docker.io/library/alpine:3".to_owned(), Fact::No);
    world.request.publish = Some(Publish::default());
    let plan: Value = serde_json::from_str(&crate::plan::json(&world.plan())).unwrap();
    let problems = plan["problems"].as_array().unwrap();
    let of = |name: &str| problems.iter().map(|problem| problem[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("code"), [json!("plan::dirty_push"), json!("plan::unsatisfiable_pin")]);
    assert_eq!(of("file"), [Value::Null, json!("a/Dockerfile")]);
    assert_eq!(of("line"), [Value::Null, json!(2)]);
    assert!(problems.iter().all(|problem| problem["message"].is_string() && problem["help"].is_string()));
    assert_eq!(plan["steps"], json!([]));
    assert!(plan["nodes"].as_array().unwrap().iter().all(|node| node["built"] == json!(false)));
}

#[test]
fn what_hangs_on_the_same_failure_is_one_line() {
    let mut world = world([Pkg::new("a"), Pkg::new("b"), Pkg::new("c")]);
    for name in ["a", "b", "c"] {
        let about = world.image(name);
        let refused = Problem::from(Error::Refused { host: "r".to_owned(), about: about.to_string() });
        let registered = world.registered(&about);
        registered.index = Fact::Unknown(refused.clone());
        registered.arch_tags.insert(amd64(), Fact::Unknown(refused));
    }
    let plan = world.plan();
    assert_eq!(
        lines(&notes(&plan)),
        ["unknown: 3", "  a@linux/amd64 and 2 more  registry `r` refuses connections, asked for `t/a:now`"]
    );
    assert_eq!(text(&plan, true).matches("refuses connections").count(), 3);
}

#[test]
fn verbose_says_where_everything_is() {
    let mut world = world([Pkg::new("a"), Pkg::new("bb")]);
    let key = world.key("a", &amd64());
    world.stored("a", &amd64(), Some(key.clone()));
    world.published("a", &amd64(), Some(key));
    world.stored("bb", &amd64(), None);
    assert_eq!(
        lines(&text(&world.plan(), true)),
        [
            "nothing to do: 2 of 2 nodes present, 1 of unknown origin",
            "present: 2",
            "  a@linux/amd64   t/a:now   builder, index, tag-arch",
            "  bb@linux/amd64  t/bb:now  builder, of unknown origin",
        ]
    );
}

#[test]
fn platforms_that_packages_do_not_list_take_one_line_each() {
    let mut world = world([Pkg::new("a").arches(&["s390x"]), Pkg::new("b").arches(&["s390x"]), Pkg::new("c")]);
    world.request.platforms = Platforms::These(vec![arm64(), amd64()]);
    assert_eq!(lines(&notes(&world.plan())), ["not built here: 5", "  linux/amd64  a, b", "  linux/arm64  a, b, c"]);
}

#[test]
fn a_selected_package_that_lists_no_architectures_is_said_to_whatever_chose_the_platforms() {
    let mut world = world([Pkg::new("a").arches(&[]), Pkg::new("b").arches(&["s390x"])]);
    let none = ["not built here: 1", "  lists no architectures  a"];
    for platforms in [Platforms::Own, Platforms::Arches, Platforms::These(vec![arm64(), amd64()])] {
        world.request.platforms = platforms;
        world.select(&["a"]);
        assert_eq!(lines(&notes(&world.plan())), none);
    }
    world.select(&["a", "b"]);
    assert_eq!(
        lines(&notes(&world.plan()))[1..],
        ["  linux/amd64             b", "  linux/arm64             b", "  lists no architectures  a"]
    );
}

#[test]
fn a_package_that_is_wanted_on_skipped_platforms_only_is_said_to_be_so() {
    let mut world = world([Pkg::new("a").arches(&["arm64"]), Pkg::new("b").arches(&["amd64", "arm64"])]);
    world.request.platforms = Platforms::Arches;
    world.skipped = vec!["linux/arm64/v8".parse().unwrap()];
    let plan = world.plan();
    assert_eq!(plan.ids(), ["build:b@linux/amd64"]);
    assert_eq!(lines(&notes(&plan)), ["not built here: 1", "  wanted on skipped platforms only  a"]);
    let json: Value = serde_json::from_str(&crate::plan::json(&plan)).unwrap();
    assert_eq!(json["idle"], json!([{"id": "a", "reason": "all-skipped"}]));
}

#[test]
fn a_skipped_platform_is_taken_from_all_that_is_named_and_not_from_what_that_is_built_on() {
    let text = "FROM --platform=linux/arm64 t/base:now\n";
    let both = ["amd64", "arm64"];
    let mut world = world([Pkg::new("base").arches(&both), Pkg::new("user").dockerfile(text).arches(&both)]);
    world.skipped = vec![arm64()];
    for (platforms, builds) in
        [(Platforms::Own, 3), (Platforms::These(vec![amd64(), arm64()]), 3), (Platforms::These(vec![arm64()]), 0)]
    {
        world.request.platforms = platforms.clone();
        let steps = world.steps();
        assert_eq!(steps.len(), builds, "{platforms:?}: {steps:?}");
        assert!(!steps.contains(&"build:user@linux/arm64".to_owned()), "{steps:?}");
        assert_eq!(steps.contains(&"build:base@linux/arm64".to_owned()), builds > 0, "{steps:?}");
    }
}

#[test]
fn the_json_has_every_node_and_every_step_by_name() {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:now").arg("A=1")]);
    world.request.publish = Some(Publish::default());
    world.published_here("base");
    let plan: Value = serde_json::from_str(&crate::plan::json(&world.plan())).unwrap();
    assert_eq!(plan["schema_version"], 1);
    let base = &plan["nodes"][0];
    assert_eq!(
        (&base["id"], &base["platform"], &base["reference"], &base["state"], &base["where"]),
        (&json!("base"), &json!("linux/amd64"), &json!("t/base:now"), &json!("present"), &json!(["index", "arch-tag"]))
    );
    let user = json!([{"reason": "missing"}, {"reason": "not-pushed"}, {"reason": "not-in-index"}]);
    assert_eq!(plan["nodes"][1]["reasons"], user);
    let build = &plan["steps"][1];
    assert_eq!(
        (&build["id"], &build["kind"], &build["node"], &build["reference"], &build["needs"]),
        (
            &json!("build:user@linux/amd64"),
            &json!("build"),
            &json!("user@linux/amd64"),
            &json!("t/user:now"),
            &json!(["fetch:base@linux/amd64"])
        )
    );
    assert_eq!(
        (&build["build_args"]["A"], &build["network"], &build["dockerfile"]),
        (&json!("1"), &json!("none"), &json!("Dockerfile"))
    );
    assert!(build["labels"]["org.kitmake.key"].as_str().is_some_and(|key| key.starts_with("1:t/user@linux/amd64:")));
    let index = &plan["steps"][3];
    assert_eq!((&index["kind"], &index["node"], &index["labels"]), (&json!("index"), &json!(null), &json!(null)));
}
