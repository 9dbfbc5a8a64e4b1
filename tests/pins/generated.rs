//! A generated repository of 60 packages and depth 6: one run of `pins fix` is what many rounds of commit and bump are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::support::Monorepo;
use super::{everything, tag, tracked};

const PACKAGES: usize = 60;
const LEVELS: usize = 6;

/// Package `n` lies on level `n % LEVELS` and names up to three packages of the level below, in every way there is.
fn needs(package: usize) -> Vec<usize> {
    let (level, row) = (package % LEVELS, package / LEVELS);
    if level == 0 {
        return Vec::new();
    }
    let mut needs: Vec<usize> =
        [row, (row + 1) % 10, (row * 3) % 10].iter().map(|row| row * LEVELS + level - 1).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn directory(package: usize) -> String {
    format!("pkg/p{package:02}")
}

fn image(package: usize) -> String {
    format!("linuxkit/p{package:02}")
}

fn files() -> Vec<(String, String)> {
    let old = "0".repeat(40);
    let mut files = vec![("lib/shared/file".to_owned(), "shared\n".to_owned())];
    for package in 0..PACKAGES {
        let directory = directory(package);
        let mut yml = format!("image: p{package:02}\n");
        if package % 7 == 0 {
            // The files of another package on a lower level, and some of no package.
            let lower = (package % LEVELS > 1).then(|| format!("  - ../p{:02}:other\n", package - 2));
            write!(yml, "extra-sources:\n  - ../../lib/shared:shared\n{}", lower.unwrap_or_default()).unwrap();
        }
        let mut head = String::new();
        let mut body = String::from("FROM scratch\n");
        for (place, need) in needs(package).into_iter().enumerate() {
            let pinned = format!("{}:{old}", image(need));
            match (place + package) % 4 {
                0 => body = format!("FROM {pinned} AS s{place}\r\n{body}"),
                1 => {
                    writeln!(head, "ARG BASE{place}=\"{pinned}\"").unwrap();
                    body = format!("FROM ${{BASE{place}}} AS s{place}\n{body}");
                }
                2 => writeln!(body, "COPY --from={pinned} /a /b").unwrap(),
                _ => {
                    write!(yml, "buildArgs:\n  - \"GIVEN={pinned}\"\n").unwrap();
                    writeln!(head, "ARG GIVEN=scratch").unwrap();
                    body = format!("FROM $GIVEN AS s{place}\n{body}");
                }
            }
        }
        files.push((format!("{directory}/build.yml"), yml));
        files.push((format!("{directory}/Dockerfile"), format!("{head}{body}")));
        // Two ymls of one directory have one tree hash.
        if package % 20 == 0 {
            files.push((format!("{directory}/build-dev.yml"), format!("image: p{package:02}-dev\n")));
        }
    }
    let ymls: Vec<String> =
        (0..PACKAGES).step_by(20).map(|n| format!("  {}: [build-dev.yml]\n", directory(n))).collect();
    files.push(("kitmake.yml".to_owned(), format!("packages:\n{}", ymls.concat())));
    let services: Vec<String> =
        (0..PACKAGES).step_by(9).map(|n| format!("  - name: s{n}\n    image: {}:{old}\n", image(n))).collect();
    files.push(("image.yml".to_owned(), format!("kernel:\n  image: a/kernel:1\nservices:\n{}", services.concat())));
    files
}

fn monorepo() -> Monorepo {
    let files = files();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Monorepo::with_files(&files)
}

/// Bumps as people do: write the present tags into whatever names them, commit, and again until nothing changes.
fn bump_by_hand(monorepo: &Monorepo) -> usize {
    for round in 0.. {
        let tags: BTreeMap<String, String> =
            (0..PACKAGES).map(|n| (image(n), n)).map(|(image, n)| (image, directory(n))).collect();
        let directories: Vec<&str> = tags.values().map(String::as_str).collect();
        let shown = monorepo.show_tag(&directories);
        let mut changed = false;
        for (path, text) in tracked(monorepo) {
            let mut new = text.clone();
            for reference in &shown {
                let (name, tag) = reference.rsplit_once(':').unwrap();
                let mut from = 0;
                while let Some(at) = new[from..].find(&format!("{name}:")).map(|at| from + at + name.len() + 1) {
                    new.replace_range(at..at + 40, tag);
                    from = at;
                }
            }
            if new != text {
                monorepo.write(&path, &new);
                changed = true;
            }
        }
        if !changed {
            return round;
        }
        monorepo.commit("Bump");
    }
    unreachable!("an endless loop ends by returning")
}

#[test]
fn one_run_reaches_what_repeated_commit_and_bump_reaches() {
    let (by_hand, fixed) = (monorepo(), monorepo());
    assert!(bump_by_hand(&by_hand) >= LEVELS - 1);

    fixed.kitmake(&["pins", "fix", "--files", "image.yml"]).with_code(0);
    fixed.commit("Fix");
    assert_eq!(tracked(&fixed), tracked(&by_hand));
    assert!(tracked(&fixed).iter().any(|(path, text)| path.ends_with("Dockerfile") && text.contains("\r\n")));
    let checked = fixed.kitmake(&["pins", "check", "--offline", "--files", "*.yml"]).with_code(0);
    assert!(checked.stdout.starts_with("no findings"), "{}", checked.stdout);

    // A change of one package on the lowest level goes all the way up.
    for monorepo in [&by_hand, &fixed] {
        monorepo.write("pkg/p00/etc/new", "staged\n");
        monorepo.git(&["add", "pkg/p00/etc/new"]);
        monorepo.write("pkg/p00/build.yml", &format!("{}# changed\n", monorepo.read("pkg/p00/build.yml")));
        monorepo.write("lib/shared/file", "changed\n");
    }
    by_hand.commit("Change");
    assert!(bump_by_hand(&by_hand) >= LEVELS - 1);
    fixed.kitmake(&["pins", "fix", "--files", "image.yml"]).with_code(0);
    fixed.commit("Change and fix");
    assert_eq!(tracked(&fixed), tracked(&by_hand));
}

#[test]
fn a_second_run_changes_nothing_committed_or_not() {
    let monorepo = monorepo();
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    let first = tracked(&monorepo);
    let again = monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert!(again.stderr.contains("nothing to rewrite") && again.stdout.is_empty(), "{again:?}");
    assert_eq!(tracked(&monorepo), first);
    monorepo.commit("Fix");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert_eq!(tracked(&monorepo), first);
}

#[test]
fn only_the_work_tree_changes_and_not_even_that_in_a_dry_run() {
    let monorepo = monorepo();
    monorepo.git(&["status"]);
    let before = everything(&monorepo);
    let dry = monorepo.kitmake(&["pins", "fix", "--dry-run", "--files", "image.yml"]).with_code(0);
    assert_eq!(everything(&monorepo), before);

    monorepo.kitmake(&["pins", "fix", "--files", "image.yml"]).with_code(0);
    let mut after = everything(&monorepo);
    let git: Vec<&String> = after.keys().filter(|path| path.contains("/.git/")).collect();
    assert_eq!(git, before.keys().filter(|path| path.contains("/.git/")).collect::<Vec<_>>());
    after.retain(|path, _| path.contains("/.git/"));
    assert!(after.iter().all(|(path, bytes)| before[path] == *bytes));

    // The diff says the same as what was written.
    let fixed = tracked(&monorepo);
    monorepo.git(&["checkout", "."]);
    monorepo.write("../fix.diff", &dry.stdout);
    monorepo.git(&["apply", "../fix.diff"]);
    assert_eq!(tracked(&monorepo), fixed);
}

#[test]
fn the_tag_of_a_named_package_is_carried_on_and_no_other() {
    let monorepo = monorepo();
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.commit("Fix");
    let before: BTreeMap<usize, String> = (0..PACKAGES).map(|n| (n, tag(&monorepo, &directory(n)))).collect();
    for changed in ["pkg/p06", "pkg/p30"] {
        monorepo
            .write(&format!("{changed}/build.yml"), &format!("{}\n", monorepo.read(&format!("{changed}/build.yml"))));
    }
    monorepo.kitmake(&["pins", "fix", "pkg/p06"]).with_code(0);
    monorepo.commit("Change two, carry on one");
    let named = |package: usize| {
        let pins = monorepo.kitmake(&["pins", "--format", "json"]).with_code(0).json();
        let pins = pins["pins"].as_array().unwrap().clone();
        let of: Vec<_> = pins.into_iter().filter(|pin| pin["package"] == directory(package)).collect();
        of.into_iter().map(|pin| pin["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(named(6).iter().all(|state| state == "current") && !named(6).is_empty());
    assert!(named(30).iter().all(|state| state == "stale") && !named(30).is_empty());
    let after: BTreeMap<usize, String> = (0..PACKAGES).map(|n| (n, tag(&monorepo, &directory(n)))).collect();
    assert_ne!(before[&30], after[&30]);
    assert_ne!(before[&7], after[&7]);
}

#[test]
fn a_change_reaches_what_it_was_said_to_reach() {
    let monorepo = monorepo();
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.commit("Fix");
    let directories: Vec<String> = (0..PACKAGES).map(directory).collect();
    let arguments: Vec<&str> = directories.iter().map(String::as_str).collect();
    let before = monorepo.show_tag(&arguments);
    for changed in ["pkg/p00", "pkg/p12", "pkg/p31", "pkg/p42"] {
        let said = monorepo.kitmake(&["plan", "--assume-changed", changed, "--format", "json"]).with_code(0).json();
        monorepo.write(&format!("{changed}/new"), "new\n");
        monorepo.git(&["add", "--all"]);
        let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(0);
        monorepo.commit("Change and fix");
        let after = monorepo.show_tag(&arguments);
        let pairs = before.iter().zip(&after).zip(&directories);
        let found: BTreeSet<&str> =
            pairs.filter(|((old, new), _)| old != new).map(|(_, directory)| directory.as_str()).collect();
        let names = said["packages"].as_array().unwrap().iter().map(|package| package["id"].as_str().unwrap());
        // Two ymls of one directory have one tree hash.
        let expected: BTreeSet<&str> = names.map(|name| name.split(':').next().unwrap()).collect();
        assert_eq!(found, expected, "{changed}");
        let rewrote = format!("rewrote {} pins in {} files", said["pins"].as_array().unwrap().len(), said["files"]);
        assert!(fixed.stderr.contains(&rewrote), "{rewrote}: {}", fixed.stderr);
        assert!(found.len() > 3, "{found:?}");
        monorepo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
}
