//! Selectors over workspaces without a disk.

use super::super::testing::{Pkg, Repo, repo};
use super::*;
use crate::problem::Class;

fn monorepo() -> Repo {
    repo([
        Pkg::new("pkg/init"),
        Pkg::new("pkg/kernel"),
        Pkg::new("pkg/kernel").yml("common/b.yml").image("kernel-dbg"),
        Pkg::new("pkg/only").yml("x.yml").image("only-x"),
        Pkg::new("pkg/only").yml("y.yml").image("only-y"),
        Pkg::new("pkg/init/nested").image("deep"),
        Pkg::new("pkg/initrd").unreadable(),
        Pkg::new("tools/init").image("tool-init"),
    ])
}

fn selected(selectors: &[&str], current: &str) -> Result<Vec<String>, Problem> {
    let repo = monorepo();
    let selectors: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
    let named = named(&repo.workspace, &selectors, current, None)?;
    let ids = named.select(&repo.graph, &Changed::new())?;
    Ok(ids.into_iter().map(|id| repo.name(id).to_owned()).collect())
}

fn at_root(selector: &str) -> Vec<String> {
    selected(&[selector], ".").unwrap()
}

const ALL: [&str; 8] = [
    "pkg/init",
    "pkg/init/nested",
    "pkg/initrd",
    "pkg/kernel",
    "pkg/kernel:common/b.yml",
    "pkg/only:x.yml",
    "pkg/only:y.yml",
    "tools/init",
];

#[test]
fn a_directory_selects_its_package_and_all_below_it() {
    for spelling in ["pkg/init", "./pkg/init/", "/r/pkg/init", "pkg/kernel/../init", "pkg//init"] {
        assert_eq!(at_root(spelling), ["pkg/init", "pkg/init/nested"], "{spelling}");
    }
    assert_eq!(at_root("pkg"), ALL[..7]);
    assert_eq!(at_root("."), ALL);
    assert_eq!(at_root("/r"), ALL);
}

#[test]
fn of_several_build_ymls_the_directory_means_the_default_one() {
    assert_eq!(at_root("pkg/kernel"), ["pkg/kernel"]);
    assert_eq!(at_root("pkg/kernel:build.yml"), ["pkg/kernel"]);
    assert_eq!(at_root("./pkg/kernel/:common/b.yml"), ["pkg/kernel:common/b.yml"]);
    assert_eq!(at_root("pkg/only"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
}

#[test]
fn a_glob_crosses_folders_with_two_stars_only() {
    assert_eq!(
        at_root("pkg/*"),
        ["pkg/init", "pkg/initrd", "pkg/kernel", "pkg/kernel:common/b.yml", "pkg/only:x.yml", "pkg/only:y.yml"]
    );
    assert_eq!(at_root("**/init"), ["pkg/init", "tools/init"]);
    assert_eq!(at_root("{pkg,tools}/in?t"), ["pkg/init", "tools/init"]);
    assert_eq!(at_root("pkg/only:?.yml"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
    assert_eq!(at_root("t/only-*"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
}

#[test]
fn an_image_name_selects_the_package_that_makes_it() {
    for spelling in ["deep", "t/deep", "docker.io/t/deep"] {
        assert_eq!(at_root(spelling), ["pkg/init/nested"], "{spelling}");
    }
    assert!(selected(&["other/deep"], ".").is_err());
}

#[test]
fn a_path_is_tried_from_the_root_then_from_the_working_directory() {
    assert_eq!(selected(&["kernel"], "pkg").unwrap(), ["pkg/kernel"]);
    assert_eq!(selected(&["tools/init"], "pkg").unwrap(), ["tools/init"]);
    assert_eq!(selected(&["."], "pkg/init").unwrap(), ["pkg/init", "pkg/init/nested"]);
    assert_eq!(selected(&["../kernel"], "pkg/init").unwrap(), ["pkg/kernel"]);
    assert_eq!(selected(&[".:common/b.yml"], "pkg/kernel").unwrap(), ["pkg/kernel:common/b.yml"]);
    assert_eq!(selected(&["init*"], "tools").unwrap(), ["tools/init"]);
}

#[test]
fn what_is_selected_is_sorted_and_stands_once() {
    let both = selected(&["tools/init", "pkg/kernel", "kernel", "tools"], ".");
    assert_eq!(both.unwrap(), ["pkg/kernel", "tools/init"]);
}

#[test]
fn a_package_that_cannot_be_read_is_selected_by_path() {
    assert_eq!(at_root("pkg/initrd"), ["pkg/initrd"]);
}

#[test]
fn all_unknown_selectors_are_reported_with_suggestions() {
    let problem = selected(&["pkg/kernl", "pkg/init", "./tolls/init/", "zzz"], ".").unwrap_err();
    assert_eq!((problem.class(), problem.code().as_str()), (Class::Usage, "selector::unknown"));
    assert_eq!(problem.to_string(), "no package is selected by `pkg/kernl`, `./tolls/init/`, `zzz`");
    let help = problem.diagnostic().help().unwrap().to_string();
    assert_eq!(help, "did you mean `pkg/kernel`?\ndid you mean `tools/init`?");
}

#[test]
fn nothing_and_places_outside_the_root_select_nothing() {
    for text in ["/r2/pkg/init", "../x", "../../r/../pkg/init", "", ":", "pkg/init:", "/"] {
        assert!(selected(&[text], ".").is_err(), "{text}");
    }
}

#[test]
fn a_malformed_glob_is_said_to_be_one() {
    let problem = selected(&["pkg/["], ".").unwrap_err();
    assert_eq!((problem.class(), problem.code().as_str()), (Class::Usage, "selector::glob"));
}

/// A chain with a side branch: user needs mid, mid needs base; lib is an input of mid, self names itself.
fn chain() -> Repo {
    repo([
        Pkg::new("pkg/base"),
        Pkg::new("pkg/lib"),
        Pkg::new("pkg/mid").from("t/base:now").source("/r/pkg/lib"),
        Pkg::new("pkg/old").from("t/base:then"),
        Pkg::new("pkg/self").from("t/self:then"),
        Pkg::new("pkg/user").from("t/mid:now"),
        Pkg::new("pkg/x").image("dotted"),
    ])
}

fn marked(selectors: &[&str]) -> Result<Vec<String>, Problem> {
    changed_since(selectors, &[])
}

/// As if these had changed since `main`.
fn changed_since(selectors: &[&str], changed: &[&str]) -> Result<Vec<String>, Problem> {
    let repo = chain();
    let selectors: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
    let changed = Changed::from([("main".to_owned(), changed.iter().map(|name| repo.id(name)).collect())]);
    let named = named(&repo.workspace, &selectors, ".", None)?;
    let ids = named.select(&repo.graph, &changed)?;
    Ok(ids.into_iter().map(|id| repo.name(id).to_owned()).collect())
}

#[test]
fn marks_add_what_is_needed_and_what_needs_it_along_edges_of_both_sorts() {
    for (selector, expected) in [
        ("pkg/mid...", &["pkg/base", "pkg/lib", "pkg/mid"][..]),
        ("...pkg/mid", &["pkg/mid", "pkg/user"]),
        ("...pkg/mid...", &["pkg/base", "pkg/lib", "pkg/mid", "pkg/user"]),
        ("pkg/mid^...", &["pkg/base", "pkg/lib"]),
        ("...^pkg/mid", &["pkg/user"]),
        ("...^pkg/base", &["pkg/mid", "pkg/old", "pkg/user"]),
        ("...^t/lib", &["pkg/mid", "pkg/user"]),
        ("...pkg/self...", &["pkg/self"]),
    ] {
        assert_eq!(marked(&[selector]).unwrap(), expected, "{selector}");
    }
}

#[test]
fn without_itself_means_each_package_of_a_glob_by_itself() {
    assert_eq!(marked(&["pkg/{mid,user}^..."]).unwrap(), ["pkg/base", "pkg/lib", "pkg/mid"]);
    assert_eq!(marked(&["...^pkg/{base,mid}"]).unwrap(), ["pkg/mid", "pkg/old", "pkg/user"]);
}

#[test]
fn exclusion_wins_wherever_it_stands() {
    for selectors in [["pkg", "!pkg/mid..."], ["!pkg/mid...", "pkg"]] {
        assert_eq!(marked(&selectors).unwrap(), ["pkg/old", "pkg/self", "pkg/user", "pkg/x"]);
    }
    assert_eq!(marked(&["pkg/mid...", "!pkg/mid"]).unwrap(), ["pkg/base", "pkg/lib"]);
}

#[test]
fn marks_do_not_hide_directories_that_look_like_them() {
    let dotted = repo([Pkg::new("pkg/x..."), Pkg::new("!a").image("a"), Pkg::new("[m]").image("m")]);
    for (selector, expected) in [("pkg/x.../", "pkg/x..."), ("./!a", "!a"), ("./\\[m\\]", "[m]")] {
        let named = named(&dotted.workspace, &[selector.to_owned()], ".", None).unwrap();
        let found: Vec<&str> = named.packages().into_iter().map(|id| dotted.name(id)).collect();
        assert_eq!(found, [expected], "{selector}");
    }
    assert_eq!(marked(&["./..."]).unwrap().len(), 7);
    assert_eq!(marked(&["pkg/..."]).unwrap().len(), 7);
}

#[test]
fn unknown_names_are_suggested_with_their_marks() {
    let problem = marked(&["pkg/usr^...", "!pkg/midd", "pkg"]).unwrap_err();
    assert_eq!(problem.to_string(), "no package is selected by `pkg/usr^...`, `!pkg/midd`");
    let help = problem.diagnostic().help().unwrap().to_string();
    assert_eq!(help, "did you mean `pkg/user^...`?\ndid you mean `!pkg/mid`?");
    for text in ["...", "^...", "!", "!...", "^pkg/mid", "pkg/mid^", "!!pkg/mid"] {
        assert_eq!(marked(&["pkg", text]).unwrap_err().code(), "selector::unknown", "{text}");
    }
}

#[test]
fn an_empty_selection_is_an_error_that_says_why() {
    for (selectors, reason) in [
        (&["pkg/base^..."][..], "nothing is selected: there is no other package that `pkg/base^...` could mean"),
        (&["pkg/mid", "!pkg"], "nothing is selected: all that `pkg/mid` selects is excluded by `!pkg`"),
        (&["pkg/mid", "!...[main]"], "nothing is selected: all that `pkg/mid` selects is excluded by `!...[main]`"),
    ] {
        let problem = changed_since(selectors, &["pkg/base"]).unwrap_err();
        assert_eq!((problem.class(), problem.to_string().as_str()), (Class::Usage, reason));
    }
}

#[test]
fn a_revision_means_what_has_changed_since_and_may_mean_nothing() {
    assert_eq!(changed_since(&["[main]"], &["pkg/mid"]).unwrap(), ["pkg/mid"]);
    assert_eq!(changed_since(&["...[main]"], &["pkg/mid"]).unwrap(), ["pkg/mid", "pkg/user"]);
    assert_eq!(changed_since(&["[main]^..."], &["pkg/mid"]).unwrap(), ["pkg/base", "pkg/lib"]);
    assert_eq!(changed_since(&["pkg", "![main]..."], &["pkg/user"]).unwrap(), ["pkg/old", "pkg/self", "pkg/x"]);
    assert!(changed_since(&["...[main]"], &[]).unwrap().is_empty());
    let repo = chain();
    let named = named(&repo.workspace, &["...[main]".to_owned()], ".", None).unwrap();
    assert_eq!(named.revisions().into_iter().collect::<Vec<_>>(), ["main"]);
    assert_eq!(named.nothing(), "nothing is selected: nothing has changed since `main`");
}

#[test]
fn what_cannot_be_read_matters_where_it_could_change_what_is_selected() {
    let repo = repo([
        Pkg::new("pkg/base"),
        Pkg::new("pkg/broken").unreadable(),
        Pkg::new("pkg/lone").from("t/base:now"),
        Pkg::new("test/broken-user").from("t/broken:now"),
    ]);
    for (selectors, expected) in [
        (&["pkg/base"][..], &[][..]),
        (&["...pkg/base"], &["pkg/broken"]),
        (&["...^pkg/base"], &["pkg/broken"]),
        (&["...pkg/base", "!pkg/broken"], &["pkg/broken"]),
        (&["...pkg/base", "!pkg/broken", "!test"], &[]),
        (&["pkg/lone..."], &[]),
        (&["test/broken-user..."], &["pkg/broken"]),
        (&["pkg/lone", "!...pkg/base"], &[]),
        (&["test", "pkg/lone", "!...pkg/base"], &["pkg/broken"]),
        (&[".", "!pkg/broken..."], &["pkg/broken"]),
    ] {
        let texts: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
        let named = named(&repo.workspace, &texts, ".", None).unwrap();
        let unsure = named.unsure(&repo.workspace, &repo.graph, &Changed::new());
        let unsure: Vec<&str> = unsure.into_iter().map(|id| repo.name(id)).collect();
        assert_eq!(unsure, expected, "{selectors:?}");
    }
}

#[test]
fn a_glob_with_a_class_is_no_revision() {
    assert_eq!(marked(&["pkg/[mx]*"]).unwrap(), ["pkg/mid", "pkg/x"]);
    assert_eq!(marked(&["./pkg/[x]"]).unwrap(), ["pkg/x"]);
}

mod closures {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::super::testing::bare;
    use super::*;
    use crate::workspace::PackageId;

    /// By repeating one step until nothing is new.
    fn fixpoint(edges: &[(usize, usize)], start: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([start]);
        loop {
            let next: Vec<usize> = edges.iter().filter(|(from, _)| found.contains(from)).map(|&(_, to)| to).collect();
            let before = found.len();
            found.extend(next);
            if found.len() == before {
                return found;
            }
        }
    }

    fn graphs() -> impl Strategy<Value = (usize, Vec<(usize, usize)>, BTreeSet<usize>)> {
        (2..12usize).prop_flat_map(|count| {
            let edges = prop::collection::vec((0..count, 0..count), 0..24);
            (Just(count), edges, prop::collection::btree_set(0..count, 1..4))
        })
    }

    proptest! {
        #[test]
        fn closures_are_those_of_a_naive_fixpoint((count, edges, start) in graphs()) {
            let (_, graph) = bare(count, &edges);
            let back: Vec<(usize, usize)> = edges.iter().map(|&(from, to)| (to, from)).collect();
            let ids: Vec<PackageId> = start.iter().map(|&at| PackageId(u32::try_from(at).unwrap())).collect();
            let naive = |edges: &[(usize, usize)], itself: bool| -> Vec<usize> {
                let reached = start.iter().flat_map(|&at| {
                    let reached = fixpoint(edges, at).into_iter();
                    reached.filter(move |&other| itself || other != at)
                });
                reached.collect::<BTreeSet<_>>().into_iter().collect()
            };
            let numbers = |ids: Vec<PackageId>| ids.into_iter().map(PackageId::index).collect::<Vec<_>>();
            prop_assert_eq!(numbers(graph.with_needed(&ids)), naive(&edges, true));
            prop_assert_eq!(numbers(graph.with_needing(&ids)), naive(&back, true));
            prop_assert_eq!(numbers(graph.needed(&ids)), naive(&edges, false));
            prop_assert_eq!(numbers(graph.needing(&ids)), naive(&back, false));
        }

        #[test]
        fn the_order_of_selectors_does_not_matter(
            (count, edges, start) in graphs(),
            marks in prop::collection::vec(("!?(\\.\\.\\.\\^?)?", "(\\^?\\.\\.\\.)?"), 4),
        ) {
            let (workspace, graph) = bare(count, &edges);
            let mut texts: Vec<String> = start
                .iter()
                .zip(&marks)
                .map(|(at, (before, after))| format!("{before}p{at:06}{after}"))
                .chain(["p000000".to_owned()])
                .collect();
            let mut select = || {
                let named = named(&workspace, &texts, ".", None).unwrap();
                let selected = named.select(&graph, &Changed::new()).map_err(|problem| problem.code());
                texts.rotate_left(1);
                selected
            };
            let first = select();
            for _ in 0..start.len() {
                prop_assert_eq!(&select(), &first);
            }
        }
    }
}
