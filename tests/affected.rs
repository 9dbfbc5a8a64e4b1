//! `kitmake affected` and selectors by revision, over real repositories.
//!
//! What it tells from git's objects is compared with checking out both commits and looking at the keys of everything.
//! `KITMAKE_STATES` is the number of random commits, 20 by default.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be prepared fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{Monorepo, Output, Random, output};

const PACKAGES: usize = 7;

/// What a package of the generated repository says.
#[derive(Debug, Clone, Default)]
struct Package {
    /// Not there at all.
    absent: bool,
    content: usize,
    argument: usize,
    /// The number of a package before it, whose image is a build arg.
    lkt: Option<usize>,
    /// The number of a package before it, and the reference to it.
    base: Option<(usize, String)>,
    source: Option<usize>,
    exclude: usize,
    literal_tag: bool,
    arm64: bool,
}

struct Generated {
    monorepo: Monorepo,
    packages: Vec<Package>,
    sources: [usize; 2],
    random: Random,
}

impl Generated {
    fn new(seed: u64) -> Self {
        let mut generated = Self {
            monorepo: Monorepo::with_files(&[("README", "generated\n")]),
            packages: vec![Package::default(); PACKAGES],
            sources: [0; 2],
            random: Random(seed),
        };
        // A tag that says nothing of its content, and two that are built on it.
        generated.packages[0].literal_tag = true;
        for at in [1, 2] {
            generated.packages[at].base = Some((0, "t/p0:fixed".to_owned()));
        }
        generated.commit();
        generated
    }

    fn commit(&self) {
        let root = self.monorepo.root();
        for entry in ["pkg", "lib", "kitmake.yml"] {
            let path = root.join(entry);
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        let mut config = String::new();
        for (at, package) in self.packages.iter().enumerate().filter(|(_, package)| !package.absent) {
            let mut yml =
                format!("org: t\nimage: p{at}\narches: [amd64{}]\n", if package.arm64 { ", arm64" } else { "" });
            if let Some(source) = package.source {
                writeln!(yml, "extra-sources: ['../../lib/l{source}:src']").unwrap();
            }
            write!(yml, "buildArgs:\n- A={}\n", package.argument).unwrap();
            if let Some(lkt) = package.lkt.filter(|&lkt| !self.packages[lkt].absent) {
                writeln!(yml, "- B=@lkt:pkg:../p{lkt}").unwrap();
            }
            let base = package.base.as_ref().map_or("scratch", |(_, reference)| reference);
            self.monorepo.write(&format!("pkg/p{at}/build.yml"), &yml);
            self.monorepo.write(&format!("pkg/p{at}/Dockerfile"), &format!("FROM {base}\nCOPY . /\n"));
            self.monorepo.write(&format!("pkg/p{at}/content"), &package.content.to_string());
            if package.exclude > 0 || package.literal_tag {
                let tag = if package.literal_tag { ", tag: 'fixed'" } else { "" };
                writeln!(config, "  pkg/p{at}: {{exclude: ['*.{}']{tag}}}", package.exclude).unwrap();
            }
        }
        for (at, content) in self.sources.iter().enumerate() {
            self.monorepo.write(&format!("lib/l{at}/content"), &content.to_string());
        }
        if !config.is_empty() {
            self.monorepo.write("kitmake.yml", &format!("packages:\n{config}"));
        }
        self.monorepo.git(&["add", "--all"]);
        self.monorepo.git(&["commit", "--quiet", "--allow-empty", "--message", "Edit"]);
    }

    /// One edit of some package, and a commit of it.
    fn edit(&mut self) {
        // Rather one that others are built on.
        let at = self.random.below(PACKAGES).min(self.random.below(PACKAGES));
        let other = self.random.below(at.max(1));
        let (kind, number) = (self.random.below(14), self.random.below(3));
        let there = at > 0 && !self.packages[other].absent;
        let reference = || self.monorepo.show_tag(&[&format!("pkg/p{other}")])[0].clone();
        let base = (kind >= 8 && there).then(|| (other, reference()));
        let package = &mut self.packages[at];
        match kind {
            0 | 1 => package.content += 1,
            2 => package.argument += 1,
            3 => self.sources[number % 2] += 1,
            4 => package.source = [None, Some(0), Some(1)][number],
            5 => package.exclude = number,
            6 => package.literal_tag = !package.literal_tag,
            7 if number == 0 => package.absent = !package.absent,
            7 if number == 1 => package.arm64 = !package.arm64,
            7 => package.lkt = (at > 0).then_some(other),
            _ => package.base = base,
        }
        self.commit();
    }
}

/// Everything that a checked-out state says of itself.
struct Checked {
    keys: BTreeMap<String, Option<String>>,
    tags: BTreeMap<String, String>,
    edges: Vec<Value>,
}

fn check_out(monorepo: &Monorepo, commit: &str) -> Checked {
    monorepo.git(&["checkout", "--quiet", "--force", "--detach", commit]);
    monorepo.git(&["clean", "-qfd"]);
    let quiet = |arguments: &[&str]| -> Value {
        output(monorepo.kitmake_command(arguments).env("DOCKER_HOST", "unix:///nonexistent/engine.sock")).json()
    };
    let plan = quiet(&["plan", "--offline", "--assume-missing", "--platforms", "amd64", "--format", "json", "."]);
    let graph = quiet(&["graph", "--format", "json"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Checked {
        keys: plan["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| (text(&node["id"]).unwrap(), text(&node["key"])))
            .collect(),
        tags: (graph["packages"].as_array().unwrap().iter())
            .filter_map(|package| Some((text(&package["id"])?, text(&package["tag"])?)))
            .collect(),
        edges: graph["edges"].as_array().unwrap().clone(),
    }
}

fn ids(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// Those and all that are built on them by a current pin.
fn with_users(checked: &Checked, mut names: BTreeSet<String>) -> BTreeSet<String> {
    loop {
        let before = names.len();
        for edge in &checked.edges {
            let is_order = edge["sort"] == "image" && edge["state"] == "current";
            if is_order && edge["to"].as_str().is_some_and(|to| names.contains(to)) {
                names.insert(edge["from"].as_str().unwrap().to_owned());
            }
        }
        if names.len() == before {
            return names;
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long to look is said by the environment")]
fn what_git_says_is_what_checking_out_both_commits_says() {
    let count: usize = std::env::var("KITMAKE_STATES").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let mut generated = Generated::new(7);
    for _ in 0..count {
        for _ in 0..3 {
            generated.edit();
        }
    }
    let monorepo = &generated.monorepo;
    let mut commits: Vec<String> = monorepo.git(&["rev-list", "HEAD"]).lines().map(str::to_owned).collect();
    // There were no packages yet.
    commits.pop();
    let (mut told_changed, mut told_following, mut told_stale) = (0, 0, 0);
    for _ in 0..count {
        let until = generated.random.below(commits.len() - 6);
        let since = until + 1 + generated.random.below(6);
        let (since, until) = (&commits[since], &commits[until]);
        let (before, after) = (check_out(monorepo, since), check_out(monorepo, until));
        let affected = monorepo.kitmake(&["affected", "--since", since, "--until", until, "--format", "json"]);
        let affected = affected.with_code(0).json();
        let changed = ids(&affected["changed"]);
        let following = ids(&affected["followers"]);
        let context = format!("{since}..{until}: {affected:#}");

        // Stale pins are those that were current and are not any longer.
        let mut expected = BTreeSet::new();
        for edge in after.edges.iter().filter(|edge| edge["state"] == "stale") {
            let was = edge["to"].as_str().and_then(|to| Some((to, before.tags.get(to)?)));
            let tag = edge["reference"].as_str().unwrap().rsplit(':').next().unwrap();
            if was.is_some_and(|(_, was)| was == tag) {
                expected.insert(edge["from"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(ids(&affected["stale_pins"]), expected, "{context}");

        // A pin that changes its meaning changes keys as well, of which this is not about.
        let mut turned: BTreeSet<String> = BTreeSet::new();
        for edge in &after.edges {
            let same = |other: &&Value| {
                ["from", "reference", "line", "kind"].iter().all(|field| other[*field] == edge[*field])
            };
            if before
                .edges
                .iter()
                .find(same)
                .is_some_and(|other| other["state"] != edge["state"] || other["to"] != edge["to"])
            {
                turned.insert(edge["from"].as_str().unwrap().to_owned());
            }
        }
        let turned = with_users(&after, turned);
        let names: BTreeSet<&String> = before.tags.keys().chain(after.tags.keys()).collect();
        for name in names {
            match (before.tags.get(name), after.tags.get(name)) {
                (Some(old), Some(new)) => {
                    assert!(old == new || changed.contains(name), "{name}: tag\n{context}");
                }
                _ => assert!(changed.contains(name), "{name}: new or removed\n{context}"),
            }
            let node = format!("{name}@linux/amd64");
            let (Some(old), Some(new)) = (before.keys.get(&node), after.keys.get(&node)) else { continue };
            let differs = old != new;
            let told = changed.contains(name) || following.contains(name);
            assert!(!differs || told || turned.contains(name), "{name}: another key\n{context}");
            let change = affected["changed"].as_array().unwrap().iter().find(|change| change["id"] == name.as_str());
            let kinds: Vec<&Value> =
                change.into_iter().flat_map(|change| change["reasons"].as_array().unwrap()).collect();
            let not_in_the_key =
                |reason: &&Value| reason["kind"] == "platforms" || reason["kind"] == "field" && reason["name"] == "tag";
            let only_name = !kinds.is_empty() && kinds.iter().all(not_in_the_key);
            assert!(differs || !told || only_name || following.contains(name), "{name}: the same key\n{context}");
        }
        told_changed += changed.len();
        told_following += following.len();
        told_stale += expected.len();
    }
    let told = (told_changed, told_following, told_stale);
    assert!(told_changed > count && told_following > 0 && told_stale > 0, "nothing to compare: {told:?}");
}

/// Packages with pins, an extra source, a value from another package, and a second commit that changes a base and the source.
fn changed() -> Monorepo {
    let monorepo = Monorepo::with_files(&[
        ("pkg/base/build.yml", "org: t\nimage: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/lib/build.yml", "org: t\nimage: lib\nextra-sources: ['../../common:common']\n"),
        ("pkg/lib/Dockerfile", "FROM scratch\n"),
        ("pkg/value/build.yml", "org: t\nimage: value\nbuildArgs: ['BASE=@lkt:pkg:../base']\n"),
        ("pkg/value/Dockerfile", "FROM scratch\n"),
        ("pkg/other/build.yml", "org: t\nimage: other\n"),
        ("pkg/other/Dockerfile", "FROM scratch\n"),
        ("common/a", "1\n"),
    ]);
    let base = monorepo.show_tag(&["pkg/base"])[0].clone();
    monorepo.write("pkg/user/build.yml", "org: t\nimage: user\n");
    monorepo.write("pkg/user/Dockerfile", &format!("FROM {base}\n"));
    monorepo.commit("Use the base");
    monorepo.git(&["tag", "before"]);
    monorepo.write("pkg/base/file", "new\n");
    monorepo.write("common/a", "2\n");
    monorepo.write("kitmake.yml", "packages: {pkg/other: {exclude: ['*.log']}}\n");
    monorepo.commit("Change");
    monorepo
}

#[test]
fn each_package_is_told_with_its_reason_and_stale_pins_apart() {
    let monorepo = changed();
    let text = monorepo.kitmake(&["affected", "--since", "before"]).with_code(0).stdout;
    let short = |text: &str| text[..12].to_owned();
    let (commit, was, is) = (
        monorepo.git(&["rev-parse", "before"]),
        monorepo.git(&["rev-parse", "before:pkg/base"]),
        monorepo.git(&["rev-parse", "HEAD:pkg/base"]),
    );
    let expected = format!(
        "changed since before ({}): 4\n  \
         pkg/base   1 file: file\n  \
         pkg/lib    extra source common: 1 file: a\n  \
         pkg/other  exclude: nothing -> `*.log`\n  \
         pkg/value  build arg BASE is another pkg/base\n\
         pins that went stale: 1\n  \
         pkg/user  pkg/user/Dockerfile:1  t/base:{was}, now {}\n",
        short(&commit),
        short(&is)
    );
    assert_eq!(text, expected);
    let names = monorepo.kitmake(&["affected", "--since", "before", "--format", "names"]).with_code(0).stdout;
    assert_eq!(names, "pkg/base\npkg/lib\npkg/other\npkg/value\n");
    let same = monorepo.kitmake(&["affected", "--since", "HEAD", "--format", "names"]).with_code(0);
    assert_eq!((same.stdout.as_str(), same.stderr.as_str()), ("", ""));
    assert!(monorepo.kitmake(&["affected", "--since", "HEAD"]).stdout.starts_with("no package has changed since HEAD"));
}

#[test]
fn neither_a_work_tree_nor_a_checkout_is_needed() {
    let monorepo = changed();
    let from_work_tree = monorepo.kitmake(&["affected", "--since", "before", "--format", "json"]).with_code(0);
    let bare = monorepo.path("../bare.git");
    monorepo.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let arguments = ["-C", bare.to_str().unwrap(), "affected", "--since", "before", "--format", "json"];
    assert_eq!(monorepo.kitmake(&arguments).with_code(0).stdout, from_work_tree.stdout);
    let mut inside = monorepo.kitmake_command(&arguments[2..]);
    let inside = inside.current_dir(bare.join("objects")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&inside.stdout), from_work_tree.stdout);
    // What is on disk is not looked at.
    fs::remove_dir_all(monorepo.path("pkg")).unwrap();
    fs::remove_dir_all(monorepo.path("common")).unwrap();
    monorepo.write("kitmake.yml", "nonsense");
    let without = monorepo.kitmake(&["affected", "--since", "before", "--format", "json"]).with_code(0);
    assert_eq!(without.stdout, from_work_tree.stdout);
}

#[test]
fn links_lead_where_they_led_then() {
    let monorepo = Monorepo::with_files(&[
        ("shared/Dockerfile", "FROM scratch\n"),
        ("pkg/a/build.yml", "org: t\nimage: a\nextra-sources: ['../../link:x']\n"),
        ("real/file", "1\n"),
    ]);
    std::os::unix::fs::symlink("../../shared/Dockerfile", monorepo.path("pkg/a/Dockerfile")).unwrap();
    std::os::unix::fs::symlink("real", monorepo.path("link")).unwrap();
    monorepo.commit("Link");
    monorepo.write("shared/Dockerfile", "FROM busybox\n");
    monorepo.commit("Change what a link leads to");
    let affected = monorepo.kitmake(&["affected", "--since", "HEAD~1", "--format", "json"]).with_code(0).json();
    let reasons = &affected["changed"][0]["reasons"];
    assert_eq!((reasons.as_array().unwrap().len(), &reasons[0]["name"]), (1, &Value::from("text of the Dockerfile")));
}

#[test]
fn a_revision_is_compared_with_itself_or_with_where_the_branch_began() {
    let monorepo = changed();
    monorepo.git(&["checkout", "--quiet", "-b", "branch", "before"]);
    monorepo.write("pkg/other/file", "branch\n");
    monorepo.commit("Work on a branch");
    let names = |arguments: &[&str]| {
        let all = [&["affected", "--format", "names"], arguments].concat();
        monorepo.kitmake(&all).with_code(0).stdout
    };
    assert_eq!(names(&["--since", "main", "--merge-base"]), "pkg/other\n");
    assert_eq!(names(&["--since", "main"]), "pkg/base\npkg/lib\npkg/other\npkg/value\n");
    assert_eq!(names(&["--since", "before", "--until", "branch"]), "pkg/other\n");
}

fn refused(output: Output, code: i32, name: &str) -> String {
    let output = output.with_code(code);
    assert!(output.stderr.contains(name) && output.stdout.is_empty(), "{}", output.stderr);
    output.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_unknown_revision_is_a_usage_error_and_a_shallow_clone_says_what_to_fetch() {
    let monorepo = changed();
    for revision in ["nope", "a..b", "HEAD~99", "--all", "^main", "HEAD:pkg"] {
        let since = format!("--since={revision}");
        refused(monorepo.kitmake(&["affected", &since]), 2, "git::unknown_revision");
    }
    let shallow = monorepo.path("../shallow");
    let url = format!("file://{}", monorepo.root().display());
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--depth=1", &url]).arg(&shallow);
    assert!(clone.status().unwrap().success());
    let at = |revision: &str| monorepo.kitmake(&["-C", shallow.to_str().unwrap(), "affected", "--since", revision]);
    let said = refused(at("before"), 3, "git::shallow");
    assert!(said.contains("git fetch --unshallow") && said.contains("git fetch --depth=1 origin before"), "{said}");
    assert!(!refused(at("HEAD~1"), 3, "git::shallow").contains("--depth=1"));
    let id = monorepo.git(&["rev-parse", "before"]);
    assert!(!refused(at(&id[..12]), 3, "git::shallow").contains("--depth=1"));
    assert!(refused(at(&id), 3, "git::shallow").contains(&format!("git fetch --depth=1 origin {id}`")));
    at("HEAD").with_code(0);
}

/// A repository with the submodule `vendor/sub`, in which there is a package; `pkg/lib` has an extra source there, and
/// `pkg/nested` contains another submodule. Since `before` both submodules have moved, and in `vendor/sub` the package and the
/// extra source have changed; what `pkg/other` has as an extra source there has not.
fn with_submodules() -> Monorepo {
    let monorepo = Monorepo::with_files(&[
        ("pkg/lib/build.yml", "org: t\nimage: lib\nextra-sources: ['../../vendor/sub/lib:lib']\n"),
        ("pkg/lib/Dockerfile", "FROM scratch\n"),
        ("pkg/other/build.yml", "org: t\nimage: other\nextra-sources: ['../../vendor/sub/same:same/']\n"),
        ("pkg/other/Dockerfile", "FROM scratch\n"),
        ("pkg/nested/build.yml", "org: t\nimage: nested\n"),
        ("pkg/nested/Dockerfile", "FROM scratch\n"),
    ]);
    let origin = monorepo.path("../origin");
    let origin = origin.to_str().unwrap();
    monorepo.git(&["init", "--quiet", "--initial-branch=main", origin]);
    let write = |file: &str, text: &str| monorepo.write(&format!("../origin/{file}"), text);
    let commit = || {
        monorepo.git(&["-C", origin, "add", "--all"]);
        monorepo.git(&["-C", origin, "commit", "--quiet", "--message", "Edit"]);
    };
    write("a/build.yml", "org: t\nimage: a\n");
    write("a/Dockerfile", "FROM scratch\n");
    write("lib/file", "1\n");
    write("same/file", "1\n");
    commit();
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--name"];
    monorepo.git(&[&add[..], &["other name", origin, "vendor/sub"]].concat());
    monorepo.git(&[&add[..], &["nested", origin, "pkg/nested/sub"]].concat());
    monorepo.commit("Add submodules");
    monorepo.git(&["tag", "before"]);
    write("a/file", "2\n");
    write("lib/file", "2\n");
    write("b/build.yml", "org: t\nimage: b\n");
    write("b/Dockerfile", "FROM scratch\n");
    commit();
    for submodule in ["vendor/sub", "pkg/nested/sub"] {
        monorepo.git(&["-C", submodule, "pull", "--quiet"]);
    }
    monorepo.commit("Move the submodules");
    monorepo
}

const OF_SUBMODULES: &str = "
  pkg/lib  extra source vendor/sub/lib: 1 file: file
  pkg/nested  4 files: sub/a/file, sub/b/Dockerfile, sub/b/build.yml, …
  pkg/nested/sub/a  1 file: file
  pkg/nested/sub/b  new
  vendor/sub/a  1 file: file
  vendor/sub/b  new
";

#[test]
fn what_lies_in_a_submodule_is_compared_by_its_objects_where_they_are_here() {
    let monorepo = with_submodules();
    let rows = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().filter(|line| line.starts_with("  ")).map(words).collect()
    };
    let told = monorepo.kitmake(&["affected", "--since", "before"]).with_code(0);
    assert_eq!((rows(&told.stdout), told.stderr.as_str()), (rows(OF_SUBMODULES), ""));
    // The selector compares with what is checked out, and agrees.
    let selected = monorepo.kitmake(&["show-tag", "[before]"]).with_code(0);
    let names: Vec<&str> = selected.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["t/lib", "t/nested", "t/a", "t/b", "t/a", "t/b"]);
    assert_eq!(monorepo.kitmake(&["show-tag", "[HEAD]"]).with_code(0).stdout, "");
    // What is kept of a submodule is enough, also for a revision that has none checked out.
    monorepo.git(&["submodule", "--quiet", "deinit", "--all"]);
    assert_eq!(monorepo.kitmake(&["affected", "--since", "before"]).with_code(0).stdout, told.stdout);
    // Back again it is the other way round.
    let back = monorepo.kitmake(&["affected", "--since", "HEAD", "--until", "before"]).with_code(0);
    let expected: Vec<String> = rows(OF_SUBMODULES).iter().map(|row| row.replace("new", "removed")).collect();
    assert_eq!(rows(&back.stdout), expected);
}

#[test]
fn what_lies_in_a_submodule_that_is_not_here_is_compared_by_its_commit_with_the_reason() {
    let monorepo = with_submodules();
    let short = |revision: &str| monorepo.git(&["rev-parse", &format!("{revision}:vendor/sub")])[..12].to_owned();
    let (was, is) = (short("before"), short("HEAD"));
    let bare = monorepo.path("../bare.git");
    let bare = bare.to_str().unwrap();
    monorepo.git(&["clone", "--quiet", "--bare", ".", bare]);
    let told = monorepo.kitmake(&["-C", bare, "affected", "--since", "before"]).with_code(0);
    let moved = format!("the submodule vendor/sub has moved, and neither {was} nor {is} is here");
    for row in [
        format!("  pkg/lib     extra source vendor/sub/lib: {moved}\n"),
        "  pkg/nested  1 file: sub\n".to_owned(),
        format!("  pkg/other   extra source vendor/sub/same: {moved}\n"),
    ] {
        assert!(told.stdout.contains(&row), "{row}{}", told.stdout);
    }
    assert_eq!(told.stderr.matches("packages in it are not compared").count(), 2, "{}", told.stderr);
    let same = monorepo.kitmake(&["-C", bare, "affected", "--since", "HEAD~1", "--until", "before"]).with_code(0);
    assert!(same.stdout.starts_with("no package has changed"), "{}", same.stdout);

    // A submodule that was fetched without its history has the later commit alone.
    let shallow = monorepo.path("../shallow");
    let shallow = shallow.to_str().unwrap();
    monorepo.git(&["clone", "--quiet", ".", shallow]);
    let update = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--depth=1"];
    let url = format!("file://{}", monorepo.path("../origin").display());
    for name in ["other name", "nested"] {
        monorepo.git(&["-C", shallow, "config", &format!("submodule.{name}.url"), &url]);
    }
    monorepo.git(&[&["-C", shallow][..], &update].concat());
    let told = monorepo.kitmake(&["-C", shallow, "affected", "--since", "before"]).with_code(0);
    let moved = format!("the submodule vendor/sub has moved, and {was} is not here");
    for row in [
        format!("  pkg/lib           extra source vendor/sub/lib: {moved}\n"),
        format!("  pkg/other         extra source vendor/sub/same: {moved}\n"),
        format!("  vendor/sub/a      {moved}\n"),
    ] {
        assert!(told.stdout.contains(&row), "{row}{}", told.stdout);
    }
    // What only the earlier commit shows cannot be built now.
    let back = ["-C", shallow, "affected", "--since", "HEAD", "--until", "before"];
    let told = monorepo.kitmake(&back).with_code(0).stdout;
    assert!(told.contains("  vendor/sub/a      the submodule vendor/sub has moved"), "{told}");
    let names = monorepo.kitmake(&[&back[..], &["--format", "names"]].concat()).with_code(0).stdout;
    assert_eq!(names, "pkg/lib\npkg/nested\npkg/other\n");
    let json = monorepo.kitmake(&["-C", shallow, "affected", "--since", "before", "--format", "json"]).json();
    let reasons: Vec<&Value> = (json["changed"].as_array().unwrap().iter())
        .filter(|change| change["id"] == "pkg/lib")
        .flat_map(|change| change["reasons"].as_array().unwrap())
        .collect();
    let ids: Vec<&Value> = reasons[0]["absent"].as_array().unwrap().iter().collect();
    assert_eq!((reasons.len(), &reasons[0]["kind"], ids.len()), (1, &Value::from("submodule"), 1));
    let selected = monorepo.kitmake(&["-C", shallow, "show-tag", "[before]"]).with_code(0);
    assert_eq!(selected.stdout.lines().count(), 7, "{}", selected.stdout);
    assert_eq!(monorepo.kitmake(&["-C", shallow, "show-tag", "[HEAD]"]).with_code(0).stdout, "");
}

#[test]
fn what_a_partial_clone_lacks_and_cannot_fetch_is_an_error_and_never_unchanged() {
    let monorepo = changed();
    monorepo.write("kitmake.yml", "packages: {pkg/other: {exclude: ['*.tmp']}}\n");
    monorepo.write("pkg/lib/build.yml", "org: t\nimage: lib\n");
    monorepo.commit("Change what is read");
    monorepo.git(&["config", "uploadpack.allowFilter", "true"]);
    monorepo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let beside = monorepo.root().parent().unwrap().to_owned();
    let (url, away) = (format!("file://{}", monorepo.root().display()), beside.join("away"));
    for (filter, missing) in [("blob:none", "before:pkg/lib/build.yml"), ("tree:0", "before^{tree}")] {
        let clone = beside.join(filter.replace(':', "-"));
        let clone = clone.to_str().unwrap();
        monorepo.git(&["clone", "--quiet", "--filter", filter, &url, clone]);
        let affected = || monorepo.kitmake_command(&["-C", clone, "affected", "--since", "before"]);
        let selected = || monorepo.kitmake_command(&["-C", clone, "deps", "[before]"]);
        let id = monorepo.git(&["rev-parse", missing]);
        fs::rename(monorepo.root(), &away).unwrap();
        for mut command in [affected(), selected()] {
            let said = refused(output(command.current_dir(&away)), 4, "git::missing_object");
            assert!(said.contains(&id) && said.contains("`before`"), "{filter}: {said}");
            assert!(said.contains("`git fetch --refetch --no-filter`"), "{said}");
        }
        // With the remote it is fetched by itself; what the help says fetches everything beforehand.
        fs::rename(&away, monorepo.root()).unwrap();
        monorepo.git(&["-C", clone, "fetch", "--quiet", "--refetch", "--no-filter"]);
        let expected = monorepo.kitmake(&["affected", "--since", "before"]).with_code(0).stdout;
        fs::rename(monorepo.root(), &away).unwrap();
        assert_eq!(output(affected().current_dir(&away)).with_code(0).stdout, expected, "{filter}");
        fs::rename(&away, monorepo.root()).unwrap();
    }
}

#[test]
fn line_ends_that_git_converts_are_no_change() {
    let monorepo = Monorepo::with_files(&[
        (".gitattributes", "Dockerfile text eol=crlf\n"),
        ("pkg/a/build.yml", "image: a\n"),
        ("pkg/a/Dockerfile", "FROM scratch\n"),
    ]);
    fs::remove_file(monorepo.path("pkg/a/Dockerfile")).unwrap();
    monorepo.git(&["checkout", "--quiet", "pkg/a/Dockerfile"]);
    assert_eq!(monorepo.read("pkg/a/Dockerfile"), "FROM scratch\r\n");
    let planned = monorepo.kitmake(&["plan", "[HEAD]", "--offline", "--assume-missing"]).with_code(0);
    assert!(planned.stdout.is_empty() || planned.stdout.contains("nothing"), "{}", planned.stdout);
    assert!(!planned.stdout.contains("pkg/a"), "{}", planned.stdout);
}

#[test]
fn as_a_selector_a_revision_is_compared_with_the_work_tree() {
    let monorepo = changed();
    let nodes = |selectors: &[&str]| -> BTreeSet<String> {
        let arguments =
            [&["plan", "--offline", "--assume-missing", "--platforms", "amd64", "--format", "json"], selectors]
                .concat();
        let mut command = monorepo.kitmake_command(&arguments);
        let plan = output(command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock")).with_code(0).json();
        let nodes = plan["nodes"].as_array().unwrap().iter().filter(|node| node["selected"] == true);
        nodes.map(|node| node["id"].as_str().unwrap().trim_end_matches("@linux/amd64").to_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(nodes(&["[before]"]), set(&["pkg/base", "pkg/lib", "pkg/other", "pkg/value"]));
    assert_eq!(nodes(&["...[before]", "!pkg/other"]), set(&["pkg/base", "pkg/lib", "pkg/user", "pkg/value"]));
    assert_eq!(nodes(&["[HEAD]"]), set(&[]));
    monorepo.write("pkg/user/untracked", "\n");
    monorepo.write("kitmake.yml", "packages: {pkg/lib: {exclude: ['*.tmp']}, pkg/other: {exclude: ['*.log']}}\n");
    assert_eq!(nodes(&["[HEAD]"]), set(&["pkg/lib", "pkg/user"]));
    monorepo.git(&["stash", "--quiet", "--include-untracked"]);

    let nothing = monorepo.kitmake(&["deps", "[HEAD]"]).with_code(0);
    let said = "nothing is selected: nothing has changed since `HEAD`\n";
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", said));
    refused(monorepo.kitmake(&["deps", "[nope]"]), 2, "git::unknown_revision");
}

#[test]
fn what_cannot_be_read_has_changed_when_its_files_have() {
    let monorepo = changed();
    let sources = "['../nowhere:x', '../../common:common']";
    monorepo.write("pkg/broken/build.yml", "image: [\n");
    monorepo.write("pkg/gone/build.yml", &format!("org: t\nimage: gone\nextra-sources: {sources}\n"));
    monorepo.write("pkg/gone/Dockerfile", "FROM scratch\n");
    monorepo.commit("Add what has no tag");
    let told = monorepo.kitmake(&["affected", "--since", "HEAD", "--format", "names"]).with_code(0).stdout;
    assert_eq!(told, "");
    let selected = |revision: &str| -> Vec<String> {
        let output = monorepo.kitmake(&["graph", "--format", "json", "--", &format!("[{revision}]")]).with_code(0);
        let json = output.json();
        json["packages"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(selected("HEAD"), [""; 0]);
    monorepo.kitmake(&["deps", "[HEAD]"]).with_code(0);
    // What they are made from is committed or not.
    monorepo.write("common/b", "new\n");
    assert_eq!(selected("HEAD"), ["pkg/gone", "pkg/lib"]);
    monorepo.write("pkg/broken/file", "new\n");
    monorepo.git(&["add", "pkg/broken/file"]);
    fs::remove_file(monorepo.path("common/b")).unwrap();
    assert_eq!(selected("HEAD"), ["pkg/broken"]);
    monorepo.commit("Change what cannot be read");
    assert_eq!(selected("HEAD"), [""; 0]);
    assert_eq!(selected("HEAD~1"), ["pkg/broken"]);
}

#[test]
fn what_cannot_be_read_and_is_gone_may_have_been_selected() {
    let monorepo = changed();
    let base = monorepo.show_tag(&["pkg/base"])[0].clone();
    for (name, yml) in [("broken", "image: [\n"), ("gone", "org: t\nimage: gone\n")] {
        monorepo.write(&format!("pkg/{name}/build.yml"), yml);
        monorepo.write(&format!("pkg/{name}/Dockerfile"), &format!("FROM {base}\n"));
    }
    monorepo.commit("Use the base twice");
    monorepo.git(&["tag", "old"]);
    monorepo.git(&["rm", "-rq", "pkg/broken", "pkg/gone"]);
    monorepo.commit("Remove both");
    let told = monorepo.kitmake(&["affected", "--since", "old", "--", "...pkg/base"]).with_code(0);
    assert!(told.stdout.contains("  pkg/gone  removed\n"), "{}", told.stdout);
    let said = "1 package cannot be read in full, on which hangs what is selected: pkg/broken (-v says why)\n";
    assert_eq!(told.stderr, said);
    assert_eq!(monorepo.kitmake(&["affected", "--since", "old", "pkg/base"]).with_code(0).stderr, "");
}

#[test]
fn what_the_clone_of_a_submodule_lacks_is_fetched_there() {
    let monorepo = with_submodules();
    let origin = monorepo.path("../origin");
    let at = origin.to_str().unwrap();
    monorepo.git(&["-C", at, "config", "uploadpack.allowFilter", "true"]);
    monorepo.git(&["-C", at, "config", "uploadpack.allowAnySHA1InWant", "true"]);
    monorepo.write("../origin/a/build.yml", "org: t\nimage: other\n");
    monorepo.git(&["-C", at, "commit", "--quiet", "--all", "--message", "Rename"]);
    monorepo.git(&["-C", "vendor/sub", "pull", "--quiet"]);
    monorepo.commit("Move one submodule");
    // As a clone with a filter for submodules, too, has it.
    let partial = monorepo.path(".git/modules/other name");
    fs::remove_dir_all(&partial).unwrap();
    let url = format!("file://{at}");
    monorepo.git(&["clone", "--quiet", "--bare", "--filter=blob:none", &url, partial.to_str().unwrap()]);
    fs::remove_file(monorepo.path("vendor/sub/.git")).unwrap();
    let away = monorepo.path("../away");
    fs::rename(&origin, &away).unwrap();
    let said = refused(monorepo.kitmake(&["affected", "--since", "HEAD~1"]), 4, "git::missing_object");
    let command = format!("`git --git-dir='{}' fetch --refetch --no-filter`", partial.display());
    assert!(said.contains(&command), "{said}");
    fs::rename(&away, &origin).unwrap();
    let directory = format!("--git-dir={}", partial.display());
    monorepo.git(&[&directory, "fetch", "--quiet", "--refetch", "--no-filter"]);
    fs::rename(&origin, &away).unwrap();
    monorepo.kitmake(&["affected", "--since", "HEAD~1"]).with_code(0);
}
