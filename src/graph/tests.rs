//! The law of edges, one test per row and rule.

use std::fs::create_dir_all;

use super::State::{Current, External, Input, Stale, Unresolved};
use super::testing::{Pkg, Repo, repo};
use super::{Kind, Sort};
use crate::image::Platform;
use crate::workspace::dockerfile::NotBuildable;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn a_reference_with_the_computed_tag_is_current_and_orders() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").from("t/base:now")]);
    assert_eq!(repo.edges("user"), [(Some("base"), "t/base:now", Current)]);
    assert_eq!(repo.order(), [("base", "user")]);
}

#[test]
fn every_instruction_that_refers_to_an_image_makes_an_edge_with_file_and_line() {
    let text = "FROM t/a:now AS x\nFROM t/b:now\nCOPY --from=t/c:now / /\nADD --from=x / /\n\
                RUN --mount=type=bind,from=t/d:now,target=/m true\n";
    let repo = repo([Pkg::new("a"), Pkg::new("b"), Pkg::new("c"), Pkg::new("d"), Pkg::new("user").dockerfile(text)]);
    let edges = repo.graph.edges_of(repo.id("user"));
    let seen: Vec<_> =
        edges.map(|edge| (repo.name(edge.to.unwrap()), edge.kind, edge.file.as_str(), edge.line)).collect();
    assert_eq!(
        seen,
        [
            ("a", Kind::From, "user/Dockerfile", 1),
            ("b", Kind::From, "user/Dockerfile", 2),
            ("c", Kind::CopyFrom, "user/Dockerfile", 3),
            ("d", Kind::MountFrom, "user/Dockerfile", 5),
        ]
    );
}

#[test]
fn another_tag_is_stale_and_orders_nothing() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").from("t/base:then")]);
    assert_eq!(repo.edges("user"), [(Some("base"), "t/base:then", Stale)]);
    assert!(repo.order().is_empty());
}

#[test]
fn a_package_from_its_own_previous_generation_is_stale_and_legal() {
    let repo = repo([Pkg::new("base").from("t/base:then")]);
    assert_eq!(repo.edges("base"), [(Some("base"), "t/base:then", Stale)]);
    assert!(repo.graph.problems.is_empty());
}

#[test]
fn a_pin_of_a_package_to_its_own_current_tag_is_stale_too() {
    let repo = repo([Pkg::new("base").from("t/base:now")]);
    assert_eq!(repo.edges("base"), [(Some("base"), "t/base:now", Stale)]);
    assert!(repo.graph.problems.is_empty());
}

#[test]
fn a_digest_is_never_current() {
    let by_digest = format!("t/base@{DIGEST}");
    let by_both = format!("t/base:now@{DIGEST}");
    let repo = repo([Pkg::new("base"), Pkg::new("a").from(&by_digest), Pkg::new("b").from(&by_both)]);
    assert_eq!(repo.edges("a"), [(Some("base"), by_digest.as_str(), Stale)]);
    assert_eq!(repo.edges("b"), [(Some("base"), by_both.as_str(), Stale)]);
}

#[test]
fn no_tag_means_latest() {
    let repo = repo([
        Pkg::new("base").tag("latest"),
        Pkg::new("pinned"),
        Pkg::new("a").from("t/base"),
        Pkg::new("b").from("t/pinned"),
    ]);
    assert_eq!(repo.edges("a"), [(Some("base"), "t/base", Current)]);
    assert_eq!(repo.edges("b"), [(Some("pinned"), "t/pinned", Stale)]);
}

#[test]
fn an_image_of_nothing_here_is_external() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").from("quay.io/t/base:now")]);
    assert_eq!(repo.edges("user"), [(None, "quay.io/t/base:now", External)]);
}

#[test]
fn another_spelling_of_the_registry_is_the_same_image() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").from("docker.io/t/base:now")]);
    assert_eq!(repo.edges("user"), [(Some("base"), "docker.io/t/base:now", Current)]);
}

#[test]
fn the_image_name_of_the_yml_counts_not_the_directory_and_not_the_command_line() {
    let repo = repo([
        Pkg::new("x/dir").image("base"),
        Pkg::new("a").from("t/base:now"),
        Pkg::new("b").from("t/dir:now"),
        Pkg::new("c").from("other/base:now"),
    ]);
    assert_eq!(repo.edges("a"), [(Some("x/dir"), "t/base:now", Current)]);
    assert_eq!(repo.edges("b"), [(None, "t/dir:now", External)]);
    assert_eq!(repo.edges("c"), [(None, "other/base:now", External)]);
}

#[test]
fn of_several_build_ymls_of_one_image_the_tag_decides() {
    let repo = repo([
        Pkg::new("k").yml("a.yml").image("k").tag("now-a"),
        Pkg::new("k").tag("now"),
        Pkg::new("user").dockerfile(
            "FROM t/k:now-a AS a\nFROM t/k:now AS b\nFROM t/k:then\nCOPY --from=a / /\nCOPY --from=b / /\n",
        ),
    ]);
    assert_eq!(
        repo.edges("user"),
        [(Some("k:a.yml"), "t/k:now-a", Current), (Some("k"), "t/k:now", Current), (Some("k"), "t/k:then", Stale)]
    );
}

#[test]
fn one_build_yml_can_use_the_image_of_another_one_in_its_directory() {
    let repo = repo([
        Pkg::new("k").tag("now"),
        Pkg::new("k")
            .yml("b.yml")
            .image("k")
            .tag("now-b")
            .dockerfile("ARG PKG_HASH\nFROM t/k:${PKG_HASH}\n")
            .arg("PKG_HASH=now"),
    ]);
    assert_eq!(repo.edges("k:b.yml"), [(Some("k"), "t/k:now", Current)]);
}

#[test]
fn the_preset_hash_reaches_the_dockerfile() {
    let repo = repo([
        Pkg::new("k").tag("v6-abc").image("kernel"),
        Pkg::new("k").yml("b.yml").image("bcc").tag("abc").dockerfile("ARG PKG_HASH\nFROM t/kernel:v6-${PKG_HASH}\n"),
    ]);
    assert_eq!(repo.edges("k:b.yml"), [(Some("k"), "t/kernel:v6-abc", Current)]);
}

#[test]
fn a_reference_made_of_the_preset_hash_follows_the_tag_of_the_command_line() {
    let kernel = Pkg::new("k").image("kernel").tag("v6-abc").output("v6-forced");
    let text = "ARG PKG_HASH=abc\nFROM t/kernel:v6-${PKG_HASH}\n";
    let bcc = Pkg::new("k").yml("b.yml").image("bcc").tag("forced").dockerfile(text);
    let repo = repo([kernel, bcc, Pkg::new("user").from("t/kernel:v6-forced")]);
    assert_eq!(repo.edges("k:b.yml"), [(Some("k"), "t/kernel:v6-forced", Current)]);
    assert_eq!(repo.edges("user"), [(Some("k"), "t/kernel:v6-forced", Stale)]);
}

#[test]
fn a_reference_made_of_the_preset_name_follows_the_org_of_the_command_line() {
    let repo = repo([
        Pkg::new("k").dockerfile("ARG PKG_IMAGE\nFROM ${PKG_IMAGE}-base:now\n"),
        Pkg::new("base").image("k-base"),
        Pkg::new("user").from("other/k-base:now"),
    ]);
    assert_eq!(repo.edges("k"), [(Some("base"), "other/k-base:now", Current)]);
    assert_eq!(repo.edges("user"), [(None, "other/k-base:now", External)]);
}

#[test]
fn a_package_without_a_tag_is_still_named() {
    let repo = repo([Pkg::new("base").untagged(), Pkg::new("user").from("t/base:now")]);
    assert_eq!(repo.edges("user"), [(Some("base"), "t/base:now", Stale)]);
}

#[test]
fn a_variable_without_a_value_is_unresolved_and_makes_the_node_not_buildable() {
    let repo = repo([Pkg::new("user").dockerfile("ARG BASE\nFROM ${BASE}\n")]);
    assert_eq!(repo.edges("user"), [(None, "${BASE}", Unresolved)]);
    let node = &repo.graph.nodes[&(repo.id("user"), Platform::linux("amd64"))];
    assert!(matches!(&node.not_buildable, Some(NotBuildable::Mistake(one)) if one.why.contains("BASE")), "{node:?}");
}

#[test]
fn a_text_that_is_no_reference_is_unresolved() {
    let repo = repo([Pkg::new("user").from("Not/An:Image")]);
    assert_eq!(repo.edges("user"), [(None, "Not/An:Image", Unresolved)]);
    let node = &repo.graph.nodes[&(repo.id("user"), Platform::linux("amd64"))];
    let Some(NotBuildable::Mistake(mistake)) = &node.not_buildable else { panic!("{node:?}") };
    assert!(mistake.why.contains("is not an image reference"), "{node:?}");
    assert_eq!(mistake.span, 5.."FROM Not/An:Image".len());
}

#[test]
fn a_stage_that_no_platform_reaches_orders_nothing() {
    let repo = repo([Pkg::new("base"), Pkg::new("user").dockerfile("FROM t/base:now AS unused\nFROM scratch\n")]);
    assert_eq!(repo.edges("user"), [(Some("base"), "t/base:now", Current)]);
    assert!(repo.graph.edges[0].platforms.is_empty());
    assert!(repo.order().is_empty());
}

#[test]
fn an_edge_has_the_platforms_that_reach_it() {
    let text = "FROM t/a:now AS on-amd64\nFROM t/b:now AS on-arm64\nFROM on-${TARGETARCH}\n";
    let packages = vec![Pkg::new("a"), Pkg::new("b"), Pkg::new("user").dockerfile(text).arches(&["amd64", "arm64"])];
    let repo = Repo::at("/r".as_ref(), packages, &[]);
    let edges: Vec<_> = repo.graph.edges_of(repo.id("user")).map(|edge| edge.platforms.clone()).collect();
    assert_eq!(edges, [[Platform::linux("amd64")], [Platform::linux("arm64")]]);
}

#[test]
fn nodes_cover_the_yml_the_request_and_the_builder() {
    let repo = Repo::at("/r".as_ref(), vec![Pkg::new("a").arches(&["s390x"])], &["linux/arm64"]);
    let platforms: Vec<String> = repo.graph.nodes.keys().map(|(_, platform)| platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64", "linux/s390x"]);
}

#[test]
fn an_extra_source_in_another_package_is_an_input_and_orders_nothing() {
    let repo = repo([
        Pkg::new("pkg/a"),
        Pkg::new("user").source("/r/pkg/a/src").source("/r/lib").source("/elsewhere/x").source("/r/pkg/a"),
    ]);
    assert_eq!(
        repo.edges("user"),
        [
            (Some("pkg/a"), "pkg/a/src", Input),
            (None, "lib", Input),
            (None, "../elsewhere/x", Input),
            (Some("pkg/a"), "pkg/a", Input)
        ]
    );
    assert!(repo.graph.edges.iter().all(|edge| edge.sort == Sort::Input && edge.kind == Kind::ExtraSource));
    assert!(repo.order().is_empty());
}

#[test]
fn an_extra_source_names_the_deepest_package_and_all_below_it() {
    let repo = repo([
        Pkg::new("."),
        Pkg::new("pkg/a"),
        Pkg::new("pkg/a/sub"),
        Pkg::new("pkg/a/sub").yml("b.yml"),
        Pkg::new("pkg/ab"),
        Pkg::new("user").source("/r/pkg/a/sub/x").source("/r/pkg/a").source("/r/pkg").source("/r/user"),
    ]);
    let named: Vec<_> = repo.edges("user").into_iter().map(|(to, reference, _)| (reference, to.unwrap())).collect();
    assert_eq!(
        named,
        [
            ("pkg/a/sub/x", "pkg/a/sub"),
            ("pkg/a", "pkg/a"),
            ("pkg/a", "pkg/a/sub"),
            ("pkg", "."),
            ("pkg", "pkg/a"),
            ("pkg", "pkg/a/sub"),
            ("pkg", "pkg/ab"),
            ("user", "user"),
        ]
    );
}

#[test]
fn mutual_extra_sources_are_legal() {
    let repo = repo([Pkg::new("a").source("/r/b"), Pkg::new("b").source("/r/a")]);
    assert!(repo.graph.problems.is_empty());
    assert_eq!(repo.graph.topological().len(), 2);
}

#[test]
fn a_docker_image_is_an_input_whatever_its_tag() {
    let (here, there) = (format!("t/base:now@{DIGEST}"), format!("quay.io/x@{DIGEST}"));
    let repo = repo([Pkg::new("base"), Pkg::new("user").docker_image(&here).docker_image(&there)]);
    assert_eq!(repo.edges("user"), [(Some("base"), here.as_str(), Input), (None, there.as_str(), Input)]);
    assert_eq!((repo.graph.edges[1].file.as_str(), repo.graph.edges[1].line), ("user/images.lst", 2));
    assert!(repo.order().is_empty());
}

#[test]
fn an_lkt_value_not_used_as_an_image_is_an_input() {
    let repo = repo([Pkg::new("pkg/a"), Pkg::new("pkg/user").arg("X=1").arg("A=@lkt:pkg:../a")]);
    assert_eq!(repo.edges("pkg/user"), [(Some("pkg/a"), "t/a:now", Input)]);
    let edge = &repo.graph.edges[0];
    assert_eq!((edge.kind, edge.file.as_str(), edge.line), (Kind::BuildArg, "pkg/user/build.yml", 3));
    assert!(repo.order().is_empty());
}

#[test]
fn an_lkt_value_used_as_an_image_is_an_image_edge_only() {
    let repo = repo([Pkg::new("a"), Pkg::new("user").arg("BASE=@lkt:pkg:/r/a").dockerfile("ARG BASE\nFROM ${BASE}\n")]);
    assert_eq!(repo.edges("user"), [(Some("a"), "t/a:now", Current)]);
    assert_eq!(repo.order(), [("a", "user")]);
}

#[test]
fn an_lkt_glob_names_every_package_with_itself() {
    let root = tempfile::tempdir().unwrap();
    for directory in ["pkg/a-b", "pkg/user", "pkg/.hidden"] {
        create_dir_all(root.path().join(directory)).unwrap();
    }
    std::fs::write(root.path().join("pkg/Makefile"), "").unwrap();
    let packages = vec![Pkg::new("pkg/a-b"), Pkg::new("pkg/user").arg("TAG_%_%=@lkt:pkgs:../*")];
    let repo = Repo::at(root.path(), packages, &[]);
    assert_eq!(
        repo.edges("pkg/user"),
        [(Some("pkg/a-b"), "t/a-b:now", Input), (Some("pkg/user"), "t/user:now", Input)]
    );
    assert!(repo.graph.problems.is_empty());
    let node = &repo.graph.nodes[&(repo.id("pkg/user"), Platform::linux("amd64"))];
    let args: Vec<_> = node.build_args.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(args, [("TAG_T_A_B_T_A_B", "t/a-b:now"), ("TAG_T_USER_T_USER", "t/user:now")]);
}

#[test]
fn of_a_key_given_twice_the_last_value_counts() {
    let repo = repo([Pkg::new("a").arg("X=1").arg("Y=a=b").arg("X=2")]);
    let node = &repo.graph.nodes[&(repo.id("a"), Platform::linux("amd64"))];
    assert_eq!(node.build_args, [("X".to_owned(), "2".to_owned()), ("Y".to_owned(), "a=b".to_owned())]);
}

#[test]
fn build_args_that_name_nothing_are_problems_all_at_once() {
    let root = tempfile::tempdir().unwrap();
    for directory in ["pkg/a", "pkg/no", "pkg/other", "pkg/bad", "pkg/untagged"] {
        create_dir_all(root.path().join(directory)).unwrap();
    }
    let user = Pkg::new("pkg/a")
        .arg("BARE")
        .arg("A=@lkt:foo:x")
        .arg("B=@lkt:pkgs:../*")
        .arg("C%=@lkt:pkgs:../nothing*")
        .arg("D%=@lkt:pkgs:../[")
        .arg("E=@lkt:pkg:../../../x")
        .arg("F=@lkt:pkg:../gone")
        .arg("G=@lkt:pkg:../no")
        .arg("H=@lkt:pkg:../other")
        .arg("I=@lkt:pkg:../bad")
        .arg("J=@lkt:pkg:../untagged")
        .arg("K=fine");
    let packages = vec![
        user,
        Pkg::new("pkg/other").yml("b.yml"),
        Pkg::new("pkg/bad").unreadable(),
        Pkg::new("pkg/untagged").untagged(),
    ];
    let repo = Repo::at(root.path(), packages, &[]);
    assert_eq!(
        repo.problems("pkg/a"),
        [
            "the build arg `BARE` has no value",
            "`@lkt:foo:x` is not a value that names packages",
            "the key `B` of a value that names several packages has no `%`",
            "the glob `../nothing*` names no directory",
            "the glob `../[` is malformed",
            "`../x` lies outside the root of the workspace",
            "`pkg/gone` is not a package: there is no such directory",
            "`pkg/no` is not a package: no `build.yml` was found in it",
            "`pkg/other` is not a package: its packages have build ymls of other names",
            "`pkg/bad` is not a package: its `build.yml` cannot be read",
            "`pkg/untagged` is not a package: it has no tag, no tag",
        ]
    );
    let node = &repo.graph.nodes[&(repo.id("pkg/a"), Platform::linux("amd64"))];
    assert_eq!(node.build_args, [("K".to_owned(), "fine".to_owned())]);
    assert!(repo.graph.problems.len() == 1, "only the package with the entries has problems");
}

#[test]
fn a_directory_of_a_glob_that_is_no_package_is_named() {
    let root = tempfile::tempdir().unwrap();
    for directory in ["pkg/a", "pkg/no"] {
        create_dir_all(root.path().join(directory)).unwrap();
    }
    let repo = Repo::at(root.path(), vec![Pkg::new("pkg/a").arg("A%=@lkt:pkgs:../*")], &[]);
    assert_eq!(repo.problems("pkg/a"), ["`pkg/no` is not a package: no `build.yml` was found in it"]);
    assert!(repo.edges("pkg/a").is_empty());
}

#[test]
fn lkt_values_used_as_images_can_form_a_cycle() {
    let text = "ARG BASE\nFROM ${BASE}\n";
    let repo = repo([
        Pkg::new("a").arg("BASE=@lkt:pkg:../b").dockerfile(text),
        Pkg::new("b").arg("BASE=@lkt:pkg:../c").dockerfile(text),
        Pkg::new("c").arg("BASE=@lkt:pkg:../a").dockerfile(text),
        Pkg::new("user").from("t/a:now"),
    ]);
    for name in ["a", "b", "c"] {
        assert_eq!(repo.problems(name), ["a cycle of images: a -> b -> c -> a"]);
    }
    assert!(repo.problems("user").is_empty(), "a user of the cycle meets the problem through what it needs");
    let problem = &repo.graph.problems[&repo.id("a")][0];
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        .render_report(&mut shown, problem.diagnostic())
        .unwrap();
    for link in [
        "a/Dockerfile:2: `a` needs `t/b:now`, which is `b`",
        "b/Dockerfile:2: `b` needs `t/c:now`, which is `c`",
        "c/Dockerfile:2: `c` needs `t/a:now`, which is `a`",
        "FROM ${BASE}",
    ] {
        assert!(shown.contains(link), "{link} in\n{shown}");
    }
}

#[test]
fn two_packages_of_one_image_are_a_problem_when_both_are_asked_for() {
    let repo = repo([Pkg::new("k"), Pkg::new("k").yml("b.yml"), Pkg::new("x")]);
    let all: Vec<_> = repo.workspace.ids().collect();
    let problems = super::duplicate_outputs(&repo.workspace, &repo.tags, &all);
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["the image `other/k:now` is made by 2 packages: `k`, `k:b.yml`"]);
    assert!(problems[0].diagnostic().help().unwrap().to_string().contains("tag: \"{{.Hash}}-variant\""));
    let one = [repo.id("k"), repo.id("x"), repo.id("k")];
    assert!(super::duplicate_outputs(&repo.workspace, &repo.tags, &one).is_empty());
}
