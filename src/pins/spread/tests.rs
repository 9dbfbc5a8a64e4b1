//! What a change reaches, one test per way in which it does or does not.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Pin, list};
use super::{Assumed, Spread, follow, render};
use crate::graph::testing::{Pkg, Repo, repo};
use crate::workspace::PackageId;

/// Each file belongs to the packages of its directory.
fn spread(repo: &Repo, changed: &[&str]) -> Spread {
    let changed: Vec<PackageId> = changed.iter().map(|name| repo.id(name)).collect();
    let Repo { workspace, tags, graph } = repo;
    let pins = list(workspace, tags, graph, &[]);
    let mut files: Vec<&str> = pins.iter().map(|pin| pin.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let covering = |file: &&str| -> Vec<usize> {
        let has = |id: &PackageId| file.rsplit_once('/').is_some_and(|(path, _)| workspace.package(*id).path == path);
        workspace.ids().filter(has).map(PackageId::index).collect()
    };
    let covers: Vec<Vec<usize>> = files.iter().map(covering).collect();
    let file_of = |pin: &Pin| files.binary_search(&pin.file.as_str()).ok();
    follow::follow(Assumed { workspace, tags, graph, changed: &changed }, &pins, &file_of, &covers)
}

fn names(spread: &Spread) -> Vec<(usize, &str, bool)> {
    spread.packages.iter().map(|package| (package.level, package.name.as_str(), package.new_tag)).collect()
}

#[test]
fn a_current_pin_carries_a_change_on_and_no_other_does() {
    let repo = repo([
        Pkg::new("base"),
        Pkg::new("middle").from("t/base:now"),
        Pkg::new("top").dockerfile("FROM t/middle:now\nCOPY --from=t/base:now / /\n"),
        Pkg::new("stale").from("t/base:then"),
        Pkg::new("on-stale").from("t/stale:now"),
        Pkg::new("own").from("t/own:then"),
        Pkg::new("other"),
    ]);
    insta::assert_snapshot!(render::text(&spread(&repo, &["base"]), true), @r"
    a change of base rebuilds 3 packages in 3 levels and re-pins 3 places in 2 files
    level 1  base    is assumed to change
    level 2  middle  middle/Dockerfile:1 names base
    level 3  top     top/Dockerfile:1 names middle
    level 3  top     top/Dockerfile:2 names base
    ");
    assert_eq!(names(&spread(&repo, &["own"])), [(1, "own", true)]);
    assert_eq!(
        names(&spread(&repo, &["stale", "other"])),
        [(1, "other", true), (1, "stale", true), (2, "on-stale", true)]
    );
}

#[test]
fn a_stage_that_nothing_reaches_is_written_anew_as_well() {
    let user = Pkg::new("user").dockerfile("FROM t/base:now AS unused\nFROM scratch\n");
    let repo = repo([Pkg::new("base"), user]);
    assert_eq!(names(&spread(&repo, &["base"])), [(1, "base", true), (2, "user", true)]);
}

#[test]
fn a_value_and_what_is_built_on_it_have_other_keys_and_no_other_tags() {
    let repo = repo([
        Pkg::new("base"),
        Pkg::new("value").arg("BASE=@lkt:pkg:/r/base"),
        Pkg::new("image").arg("BASE=@lkt:pkg:/r/base").dockerfile("ARG BASE\nFROM ${BASE}\n"),
        Pkg::new("user").from("t/image:now"),
        Pkg::new("value-of-image").arg("IMAGE=@lkt:pkg:/r/image"),
    ]);
    for package in ["value", "image"] {
        assert_eq!(repo.problems(package), Vec::<String>::new());
    }
    insta::assert_snapshot!(render::text(&spread(&repo, &["base"]), true), @r"
    a change of base rebuilds 4 packages in 3 levels and re-pins nothing
    level 1  base              is assumed to change
    level 2  image (same tag)  image/Dockerfile:2 is built on base
    level 2  value (same tag)  value/build.yml:2 has the image of base
    level 3  user (same tag)   user/Dockerfile:1 is built on image
    ");
}

#[test]
fn an_extra_source_takes_part_in_what_is_assumed_and_not_in_what_follows() {
    let repo = repo([
        Pkg::new("base"),
        Pkg::new("middle").from("t/base:now"),
        Pkg::new("takes-base").source("/r/base/src"),
        Pkg::new("takes-middle").source("/r/middle/src"),
        Pkg::new("takes-other").source("/r/basement"),
    ]);
    assert_eq!(names(&spread(&repo, &["base"])), [(1, "base", true), (2, "middle", true), (2, "takes-base", true)]);
}

#[test]
fn build_ymls_of_one_directory_change_together() {
    let repo = repo([
        Pkg::new("k").yml("a.yml").image("k").tag("now-a"),
        Pkg::new("k").tag("now"),
        Pkg::new("user").from("t/k:now-a"),
    ]);
    assert_eq!(names(&spread(&repo, &["k"])), [(1, "k", true), (2, "k:a.yml", true), (3, "user", true)]);
}

#[test]
fn a_fixed_tag_stays_and_what_is_built_on_it_is_built_anew() {
    let mut repo = repo([
        Pkg::new("base"),
        Pkg::new("fixed").from("t/base:now"),
        Pkg::new("user").from("t/fixed:now"),
        Pkg::new("value").arg("FIXED=@lkt:pkg:/r/fixed"),
    ]);
    let fixed = repo.id("fixed").index();
    "now".clone_into(&mut repo.workspace.packages[fixed].build.as_mut().unwrap().tag.value);
    insta::assert_snapshot!(render::text(&spread(&repo, &["base"]), false), @r"
    a change of base rebuilds 3 packages in 3 levels and re-pins 1 place in 1 file
    level 1  base              is assumed to change
    level 2  fixed (same tag)  fixed/Dockerfile:1 names base
    level 3  user (same tag)   user/Dockerfile:1 is built on fixed
    ");
}

#[test]
fn a_pin_through_which_a_tag_would_follow_from_itself_is_named_as_left() {
    // Each has the tag of the other one as a value, so that neither can be right for long.
    let repo = repo([Pkg::new("a").arg("B=t/b:now"), Pkg::new("b").arg("A=t/a:now"), Pkg::new("user").from("t/a:now")]);
    insta::assert_snapshot!(render::text(&spread(&repo, &["a"]), false), @r"
    a change of a rebuilds 2 packages in 2 levels and re-pins 1 place in 1 file
    level 1  a     is assumed to change
    level 2  user  user/Dockerfile:1 names a
    1 pin would go stale and cannot be re-pinned:
      b/build.yml:2  t/a:now  its tag would follow from itself
    ");
}

#[test]
fn a_pin_that_cannot_be_written_anew_is_named_as_left() {
    let repo = repo([
        Pkg::new("base"),
        Pkg::new("user").dockerfile("ARG NAME=base\nFROM t/${NAME}:now\n"),
        Pkg::new("above").from("t/user:now"),
        Pkg::new("tar").docker_image(&format!("t/base:now@sha256:{}", "a".repeat(64))),
    ]);
    insta::assert_snapshot!(render::text(&spread(&repo, &["base"]), false), @r"
    a change of base rebuilds 1 package in 1 level and re-pins nothing
    level 1  base  is assumed to change
    2 pins would go stale and cannot be re-pinned:
      tar/images.lst:1   t/base:now@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  it names a digest, which only a published image has
      user/Dockerfile:2  t/base:now                                                                          it is put together from `NAME`
    ");
}

#[test]
fn many_packages_are_told_by_level() {
    let mut packages = vec![Pkg::new("base")];
    packages.extend((0..14).map(|number| Pkg::new(&format!("p{number:02}")).from("t/base:now")));
    let repo = Repo::at("/r".as_ref(), packages, &[]);
    insta::assert_snapshot!(render::text(&spread(&repo, &["base"]), false), @r"
    a change of base rebuilds 15 packages in 2 levels and re-pins 14 places in 14 files
    level 1  1 package    base
    level 2  14 packages  p00, p01, p02, p03, …
    -v lists each with its reasons
    ");
}

#[test]
fn programs_get_the_places_and_the_causes_under_stable_names() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    let spread = spread(&repo, &["base"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&render::json(&spread)).unwrap(), @r#"
    {
      "schema_version": 1,
      "assumed": [
        "base"
      ],
      "packages": [
        {
          "id": "base",
          "level": 1,
          "new_tag": true,
          "causes": [
            {
              "kind": "assumed"
            }
          ]
        },
        {
          "id": "user",
          "level": 2,
          "new_tag": true,
          "causes": [
            {
              "kind": "pin",
              "file": "user/Dockerfile",
              "line": 1,
              "reference": "t/base:now",
              "package": "base"
            }
          ]
        }
      ],
      "pins": [
        {
          "file": "user/Dockerfile",
          "line": 1,
          "reference": "t/base:now",
          "package": "base"
        }
      ],
      "files": 1,
      "left": []
    }
    "#);
}

proptest! {
    #[test]
    fn what_is_built_anew_is_what_reaches_the_changed_by_current_pins(
        edges in prop::collection::vec((0..12usize, 0..12usize, any::<bool>()), 0..40),
        start in prop::collection::btree_set(0..12usize, 1..3),
    ) {
        let name = |at: usize| format!("p{at:02}");
        let edges: Vec<(usize, usize, bool)> =
            edges.into_iter().filter(|(a, b, _)| a != b).map(|(a, b, current)| (a.max(b), a.min(b), current)).collect();
        let package = |at: usize| {
            let tag = |current: bool| if current { "now" } else { "then" };
            let pins = edges.iter().filter(|(from, ..)| *from == at);
            let lines: Vec<String> =
                pins.map(|&(_, to, current)| format!("COPY --from=t/{}:{} / /\n", name(to), tag(current))).collect();
            Pkg::new(&name(at)).dockerfile(&format!("FROM scratch\n{}", lines.concat()))
        };
        let repo = Repo::at("/r".as_ref(), (0..12).map(package).collect(), &[]);
        let mut reached = start.clone();
        // Each link leads to a higher number.
        for at in 0..12 {
            if edges.iter().any(|&(from, to, current)| from == at && current && reached.contains(&to)) {
                reached.insert(at);
            }
        }
        let changed: Vec<String> = start.iter().map(|&at| name(at)).collect();
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        let spread = spread(&repo, &changed);
        let found: BTreeSet<&str> = spread.packages.iter().map(|package| package.name.as_str()).collect();
        let expected: Vec<String> = reached.iter().map(|&at| name(at)).collect();
        prop_assert_eq!(found, expected.iter().map(String::as_str).collect());
        let places = edges.iter().enumerate().filter(|(_, (_, to, current))| *current && reached.contains(to));
        prop_assert_eq!(spread.pins.len(), places.count());
        prop_assert!(spread.packages.iter().all(|package| package.new_tag) && spread.left.is_empty());
        let level = |at: usize| spread.packages.iter().find(|package| package.name.as_str() == name(at)).unwrap().level;
        for &(from, to, _) in edges.iter().filter(|(_, to, current)| *current && reached.contains(to)) {
            prop_assert!(level(from) > level(to));
        }
    }
}
