//! Images that a build needs and that nobody could be asked for: each registry and cause once, and nothing else stops.

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, world};
use crate::plan::{notes, text};
use crate::presence::Fact;
use crate::problem::Problem;
use crate::registry::Error;

fn refuses(image: &str) -> Fact<()> {
    Fact::Unknown(Problem::from(Error::Refused { host: "docker.io".to_owned(), about: image.to_owned() }))
}

/// Thirty packages on three images of others, of which docker.io was asked.
fn many() -> World {
    let from = |n: usize| ["alpine:3", "debian:12", "r.example/x/y:1"][n % 3];
    let mut world = World::new((0..30).map(|n| Pkg::new(&format!("p{n}")).from(from(n))).collect());
    for image in ["alpine:3", "debian:12"] {
        world.facts.external.insert(format!("docker.io/library/{image}"), refuses(image));
    }
    world
}

#[test]
fn each_registry_is_one_line_with_the_cause_however_many_packages_need_it() {
    let mut world = many();
    let plan = world.plan();
    assert_eq!(plan.steps.len(), 30, "nothing is kept from being built");
    let said = notes(&plan);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "built on images that are not known to be there: 3",
            "  alpine:3 and 1 more  registry `docker.io` refuses connections, asked for `alpine:3`",
            "  r.example/x/y:1      `r.example` was not asked",
        ]
    );
    assert!(text(&plan, true).contains("  alpine:3, debian:12  registry"));
    let json: serde_json::Value = serde_json::from_str(&crate::plan::json(&plan)).unwrap();
    assert_eq!(json["unasked"][0]["why"]["code"], "registry::refused");
    assert_eq!(
        json["unasked"][1],
        serde_json::json!({"host": "r.example", "images": ["r.example/x/y:1"], "why": null})
    );

    // What is not built needs nothing.
    for n in 0..30 {
        world.published_here(&format!("p{n}"));
    }
    assert_eq!(notes(&world.plan()), "");
}

#[test]
fn what_is_there_on_the_builder_or_answered_for_is_not_told() {
    let mut world = many();
    world.builder_has(&"alpine:3".parse().unwrap(), &amd64(), None);
    for image in ["docker.io/library/debian:12", "r.example/x/y:1"] {
        world.facts.external.insert(image.to_owned(), Fact::Yes(()));
    }
    assert_eq!(notes(&world.plan()), "");
}

#[test]
fn a_stale_pin_that_nobody_could_be_asked_for_is_told_too() {
    let mut world = world([Pkg::new("base"), Pkg::new("user").from("t/base:then")]);
    world.select(&["user"]);
    let said = notes(&world.plan());
    assert!(said.contains("  t/base:then  `docker.io` was not asked\n"), "{said}");
    world.in_index(&"t/base:then".parse().unwrap(), &amd64(), None);
    assert!(!notes(&world.plan()).contains("not known to be there"));
}

#[test]
fn what_may_be_meant_as_a_stage_is_told_with_its_place_until_such_an_image_is_known() {
    let mut world = world([Pkg::new("a").dockerfile(
        "FROM alpine:3 AS build\nFROM scratch\nCOPY --from=biuld / /\nCOPY --from=build / /\nCOPY --from=x/y / /\n",
    )]);
    let like_stage = |world: &World| -> Vec<String> {
        let plan = world.plan();
        let warned = plan.warnings.iter().filter(|warning| warning.code() == "plan::like_stage");
        warned.map(|warning| format!("{:?} {warning}", warning.place().unwrap())).collect()
    };
    assert_eq!(
        like_stage(&world),
        [
            "(\"a/Dockerfile\", 3) no stage above is called `biuld`, so it is taken for an image, which is not known to be there"
        ]
    );
    world.facts.external.insert("docker.io/library/biuld:latest".to_owned(), Fact::Yes(()));
    world.facts.external.insert("docker.io/library/biuld".to_owned(), Fact::Yes(()));
    assert!(like_stage(&world).is_empty());
    world.facts.external.insert("docker.io/library/biuld:latest".to_owned(), Fact::No);
    world.facts.external.insert("docker.io/library/biuld".to_owned(), Fact::No);
    let plan = world.plan();
    assert_eq!(plan.codes(), ["plan::unsatisfiable_pin"]);
    let help = plan.problems[0].diagnostic().help().unwrap().to_string();
    assert!(help.starts_with("no stage above it is called `biuld`"), "{help}");
}
