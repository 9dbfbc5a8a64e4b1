//! Two states of workspaces without a disk or git, and what is told of them.

use super::*;
use crate::git::Dirt;
use crate::graph::testing::{Pkg, Repo};
use crate::image::Platform;

/// A state in which the tree of each package is called as its tag.
fn state<const N: usize>(packages: [Pkg; N]) -> Repo {
    let mut repo = crate::graph::testing::repo(packages);
    for tag in repo.tags.packages.iter_mut().flatten().flatten() {
        tag.tree = Some(tag.hash.clone());
    }
    repo
}

/// The tag of a package, to be changed.
fn tag<'a>(repo: &'a mut Repo, name: &str) -> &'a mut crate::git::PackageTag {
    let id = repo.id(name);
    repo.tags.packages[id.index()].as_mut().unwrap().as_mut().unwrap()
}

/// The build yml of a package, to be changed.
fn build<'a>(repo: &'a mut Repo, name: &str) -> &'a mut crate::workspace::BuildYml {
    let id = repo.id(name);
    repo.workspace.packages[id.index()].build.as_mut().unwrap()
}

fn side(repo: &Repo) -> Side<'_> {
    Side { workspace: &repo.workspace, tags: &repo.tags, graph: &repo.graph, revision: None, directories: None }
}

fn compared(before: &Repo, after: &Repo) -> Affected {
    compare(side(before), side(after))
}

/// The packages that changed, each with its reasons in words.
fn told(before: &Repo, after: &Repo) -> Vec<String> {
    let since = Named { revision: "main", commit: "0123456789abcdef" };
    let text = text(&compared(before, after), since, true);
    text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn equal_states_differ_in_nothing() {
    let repo = state([Pkg::new("a"), Pkg::new("b").from("t/a:now").arg("X=1"), Pkg::new("c").from("t/a:then")]);
    assert_eq!(compared(&repo, &repo), Affected::default());
}

#[test]
fn what_is_in_one_state_only_is_new_or_removed() {
    let before = state([Pkg::new("a"), Pkg::new("b"), Pkg::new("b").yml("x.yml").image("x")]);
    let after = state([Pkg::new("b"), Pkg::new("c")]);
    assert_eq!(told(&before, &after), ["a removed", "b:x.yml removed", "c new"]);
    let affected = compared(&before, &after);
    let there: Vec<&str> = changed_ids(&after.workspace, &affected).into_iter().map(|id| after.name(id)).collect();
    assert_eq!(there, ["c"]);
    assert_eq!(names(&affected), "c\n");
}

#[test]
fn trees_and_extra_sources_are_compared_by_their_ids() {
    let packages = || [Pkg::new("a").source("/r/lib").source("/elsewhere/lib"), Pkg::new("b")];
    let (before, mut after) = (state(packages()), state(packages()));
    tag(&mut after, "b").tree = Some("other".to_owned());
    let sources = &mut tag(&mut after, "a").extra_sources;
    sources[0].tree = "1".repeat(40);
    sources[1].destination = "elsewhere".to_owned();
    // Another place in the context is one source less and one more.
    let source = "extra source /elsewhere/lib: other files";
    let expected = [format!("a {source}; {source}; extra source lib: other files"), "b other files".to_owned()];
    assert_eq!(told(&before, &after), expected);
}

#[test]
fn what_cannot_be_compared_counts_as_changed_with_the_reason() {
    let before = state([Pkg::new("a"), Pkg::new("b")]);
    let after = state([Pkg::new("a").untagged(), Pkg::new("b").unreadable()]);
    assert_eq!(told(&before, &after), ["a cannot be compared: no tag", "b cannot be compared: it has no tag"]);
}

#[test]
fn what_is_dirty_now_has_changed_and_what_was_dirty_then_is_compared() {
    let clean = state([Pkg::new("a")]);
    let mut dirty = state([Pkg::new("a")]);
    tag(&mut dirty, "a").dirt = vec![Dirt::Forced];
    assert_eq!(told(&clean, &dirty), ["a dirty"]);
    assert!(told(&dirty, &clean).is_empty());
}

#[test]
fn build_args_are_compared_after_resolution() {
    let before = state([Pkg::new("a").arg("GONE=1").arg("SAME=1").arg("X=1"), Pkg::new("b").arg("Y=1")]);
    let after = state([Pkg::new("a").arg("SAME=1").arg("X=2").arg("NEW="), Pkg::new("b").arg("Y=1")]);
    let expected = "a build arg GONE: 1 -> not set; build arg NEW: not set -> ; build arg X: 1 -> 2";
    assert_eq!(told(&before, &after), [expected]);
}

#[test]
fn a_value_that_is_the_image_of_a_package_is_told_as_another_one_of_it() {
    let packages = |tag: &str| [Pkg::new("a").tag(tag), Pkg::new("b").arg("BASE=@lkt:pkg:/r/a")];
    let (before, after) = (state(packages("then")), state(packages("now")));
    assert_eq!(told(&before, &after), ["a other files", "b build arg BASE is another a"]);
}

#[test]
fn platforms_and_names_are_no_part_of_a_tree_and_told_beside_it() {
    let before = state([Pkg::new("a").arches(&["amd64", "s390x"]), Pkg::new("b")]);
    let after = state([Pkg::new("a").arches(&["amd64", "arm64", "riscv64"]), Pkg::new("b").image("c")]);
    let platforms = "a platforms +linux/arm64 +linux/riscv64 -linux/s390x";
    assert_eq!(told(&before, &after), [platforms, "b image: `t/b` -> `t/c`"]);
    let reasons = &compared(&before, &after).changed[0].reasons;
    let added = vec![Platform::linux("arm64"), Platform::linux("riscv64")];
    assert_eq!(reasons, &[Reason::Platforms { added, removed: vec![Platform::linux("s390x")] }]);
}

#[test]
fn fields_of_the_yml_are_told_where_the_tree_does_not_tell_of_them() {
    let (before, mut after) = (state([Pkg::new("a")]), state([Pkg::new("a")]));
    build(&mut after, "a").network = true;
    build(&mut after, "a").config_label = Some("{}".to_owned());
    assert_eq!(told(&before, &after), ["a network: `false` -> `true`; config: nothing -> `{}`"]);
    // Where files differ, the yml is one of them.
    tag(&mut after, "a").tree = Some("other".to_owned());
    assert_eq!(told(&before, &after), ["a other files"]);
}

#[test]
fn line_ends_of_a_dockerfile_are_those_of_the_work_tree_and_no_change() {
    let with = |text: &str| state([Pkg::new("a").dockerfile(text)]);
    assert!(told(&with("FROM scratch\n"), &with("FROM scratch\r\n")).is_empty());
    let other = told(&with("FROM scratch\n"), &with("FROM debian\n"));
    assert!(other[0].starts_with("a text of the Dockerfile: `"), "{other:?}");
}

#[test]
fn another_tag_of_the_same_files_is_told_alone() {
    let (before, mut after) = (state([Pkg::new("a")]), state([Pkg::new("a").tag("fixed")]));
    tag(&mut after, "a").tree = Some("now".to_owned());
    assert_eq!(told(&before, &after), ["a tag: `t/a:now` -> `t/a:fixed`"]);
}

/// A base with a fixed tag; two built on it, one through the other; one with a pin to another tag of it.
fn followed(tree: &str) -> Repo {
    let mut repo = state([
        Pkg::new("base").tag("fixed"),
        Pkg::new("old").from("t/base:then"),
        Pkg::new("user").from("t/base:fixed"),
        Pkg::new("users-user").from("t/user:now"),
    ]);
    tag(&mut repo, "base").tree = Some(tree.to_owned());
    repo
}

#[test]
fn what_is_built_on_a_changed_package_whose_tag_stays_follows_it() {
    let affected = compared(&followed("1"), &followed("2"));
    let changed: Vec<&str> = affected.changed.iter().map(|change| change.name.as_str()).collect();
    let followers: Vec<(&str, &str)> =
        affected.followers.iter().map(|follower| (follower.name.as_str(), follower.on.as_str())).collect();
    assert_eq!((changed, affected.stale.len()), (vec!["base"], 0));
    assert_eq!(followers, [("user", "base"), ("users-user", "user")]);
    assert_eq!(names(&affected), "base\nuser\nusers-user\n");
}

#[test]
fn what_is_built_on_it_on_a_platform_that_it_does_not_list_follows_nobody() {
    let stages =
        "ARG TARGETARCH\nFROM t/base:fixed AS build-amd64\nFROM scratch AS build-arm64\nFROM build-${TARGETARCH}\n";
    let with = |tree: &str| {
        let mut repo = state([
            Pkg::new("base").tag("fixed"),
            Pkg::new("there").dockerfile(stages).arches(&["amd64", "arm64"]),
            Pkg::new("user").dockerfile(stages).arches(&["arm64"]),
        ]);
        tag(&mut repo, "base").tree = Some(tree.to_owned());
        repo
    };
    // The machine that is asked is an amd64 one here, and nothing else of it.
    let affected = compared(&with("1"), &with("2"));
    let followers: Vec<&str> = affected.followers.iter().map(|follower| follower.name.as_str()).collect();
    assert_eq!(followers, ["there"]);
}

#[test]
fn a_pin_that_was_right_and_is_no_longer_is_told_and_one_that_never_was_is_not() {
    let packages = |base: &str| {
        [
            Pkg::new("base").tag(base),
            Pkg::new("itself").from("t/itself:1"),
            Pkg::new("never").from("t/base:0"),
            Pkg::new("user").from("t/base:1"),
        ]
    };
    let affected = compared(&state(packages("1")), &state(packages("2")));
    let [pin] = &affected.stale[..] else { panic!("{affected:?}") };
    assert_eq!((pin.name.as_str(), pin.package.as_str(), pin.line), ("user", "base", 1));
    assert_eq!((pin.reference.as_str(), pin.current.as_deref()), ("t/base:1", Some("t/base:2")));
    // Its key is what it was: nothing is to be built.
    assert!(affected.followers.is_empty());
    assert_eq!(names(&affected), "base\n");
}

#[test]
fn what_is_kept_is_all_that_is_told_of_these_packages() {
    let packages = |base: &str| {
        [Pkg::new("base").tag(base), Pkg::new("new-user").from("t/base:1"), Pkg::new("user").from("t/base:1")]
    };
    let mut affected = compared(&state(packages("1")), &state(packages("2")));
    affected.keep(&[PackageName::new("user", "build.yml")].into());
    assert_eq!((affected.changed.len(), affected.stale.len()), (0, 1));
    let since = Named { revision: "HEAD", commit: "0123456789abcdef" };
    assert!(
        text(&affected, since, false).starts_with("none of these packages has changed since HEAD (0123456789ab)\n")
    );
    let mut following = compared(&followed("1"), &followed("2"));
    following.keep(&[PackageName::new("base", "build.yml")].into());
    assert_eq!((following.changed.len(), following.followers.len()), (1, 0));
}

#[test]
fn a_person_reads_one_line_each_and_pins_in_a_shared_file_once() {
    let change = |name: &str, reasons: Vec<Reason>| Change {
        name: PackageName::new(name, "build.yml"),
        reasons,
        is_there: true,
    };
    let first = || vec!["Dockerfile".to_owned(), "a/b".to_owned(), "c".to_owned()];
    let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
    let submodule = |source: Option<&str>, absent| Reason::Submodule {
        submodule: "vendor".to_owned(),
        source: source.map(str::to_owned),
        absent,
    };
    let pin = |name: &str, line| StalePin {
        name: PackageName::new("pkg/kernel", name),
        file: "pkg/kernel/Dockerfile".to_owned(),
        line,
        reference: "t/base:1".to_owned(),
        package: PackageName::new("base", "build.yml"),
        current: Some("t/base:0123456789abcdef".to_owned()),
    };
    let affected = Affected {
        changed: vec![
            change("pkg/files", vec![Reason::Files { count: 5, first: first() }, Reason::Dirty]),
            change("pkg/kernel", vec![submodule(Some("vendor/lib"), vec![commit.clone()])]),
            change("vendor/x", vec![submodule(None, vec![commit.clone(), "f".repeat(40)])]),
        ],
        followers: vec![Follower {
            name: PackageName::new("pkg/user", "build.yml"),
            on: PackageName::new("pkg/files", "build.yml"),
        }],
        stale: vec![pin("a.yml", 1), pin("b.yml", 1), pin("b.yml", 7)],
        submodules: vec!["vendor".to_owned()],
    };
    let since = Named { revision: "0123456", commit: &commit };
    insta::assert_snapshot!(text(&affected, since, true), @r"
    changed since 0123456789ab: 3
      pkg/files   5 files: Dockerfile, a/b, c, …; dirty
      pkg/kernel  extra source vendor/lib: the submodule vendor has moved, and 0123456789ab is not here
      vendor/x    the submodule vendor has moved, and neither 0123456789ab nor ffffffffffff is here
    built on what has changed, by a pin that stays right: 1
      pkg/user  on pkg/files
    pins that went stale: 2
      pkg/kernel:a.yml, pkg/kernel:b.yml  pkg/kernel/Dockerfile:1  t/base:1, now 0123456789ab
      pkg/kernel:b.yml                    pkg/kernel/Dockerfile:7  t/base:1, now 0123456789ab
    ");
    let until = Named { revision: "HEAD", commit: &commit };
    let json = serde_json::to_value(json(&affected, since, until, BTreeSet::new())).unwrap();
    assert_eq!(json["changed"][1]["reasons"][0]["kind"], "submodule");
    assert_eq!(json["changed"][0]["reasons"][0], serde_json::json!({"kind": "files", "count": 5, "first": first()}));
    assert_eq!((json["stale_pins"].as_array().unwrap().len(), &json["until"]["revision"]), (3, &"HEAD".into()));
}
