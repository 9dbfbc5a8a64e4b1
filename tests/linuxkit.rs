//! kitmake against the public repositories linuxkit/linuxkit and lf-edge/eve.
//!
//! Nothing of theirs is kept here but facts: the golden tables are what linuxkit itself printed, the numbers of edges were
//! counted by hand. `KITMAKE_LINUXKIT_REPO` and `KITMAKE_EVE_REPO` name clones, which are only read: each test checks the
//! commit out into a directory of its own. Without them the tests say so and pass. A clone may lack blobs, as snapshots
//! do; only what lies in packages is needed.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its repository has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha1::{Digest as _, Sha1};

const LINUXKIT: &str = "3bf33c3a11fc20b459195294a7d8980cbca4195b";
const EVE: &str = "2c6b41543bd34725363073f04627500ad775e17f";

/// A package without a build.yml, from which nearly everything is made.
const TOOLS_ALPINE: &str = "\
packages:
  tools/alpine: {image: alpine, org: linuxkit, network: true, arches: [amd64, arm64, riscv64]}
";

/// A work tree of one commit.
struct Checkout(tempfile::TempDir);

impl Checkout {
    /// A work tree of the clone that a variable names; without it the test has nothing to do.
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the clone is")]
    #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
    fn new(variable: &str, commit: &str) -> Option<Self> {
        let Some(clone) = std::env::var_os(variable) else {
            eprintln!("not run: `{variable}=CLONE cargo test --test linuxkit` needs a clone with the commit {commit}");
            return None;
        };
        let checkout = Self(tempfile::tempdir().unwrap());
        let mut git = Command::new("git");
        git.args(["clone", "-q", "--shared", "--no-checkout"]).arg(clone).arg(checkout.path());
        assert!(git.status().unwrap().success());
        checkout.check_out(commit);
        Some(checkout)
    }

    /// Writes the folders that have build ymls in them, which saves most of the time. Missing blobs make git fail after it
    /// has written everything else; that packages are whole is seen by their tags.
    fn check_out(&self, commit: &str) {
        let files = self.git(&["ls-tree", "-r", "--name-only", commit]);
        let ymls = files.lines().filter(|file| file.ends_with("/build.yml"));
        let folders: BTreeSet<&str> = ymls.filter_map(|yml| yml.split('/').next()).collect();
        let arguments: Vec<&str> = ["sparse-checkout", "set"].into_iter().chain(folders).collect();
        assert!(self.git_command(&arguments).output().unwrap().status.success());
        let output = self.git_command(&["checkout", "-q", "--force", "--detach", commit]).output().unwrap();
        let head = self.git(&["rev-parse", "HEAD"]);
        assert_eq!(head.trim(), self.git(&["rev-parse", commit]).trim(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    fn git_command(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path()).args(arguments);
        git
    }

    fn git(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.git_command(arguments).output().unwrap().stdout).unwrap()
    }

    /// Exit code, standard output, standard error. The golden tables were made in UTC, which is in `GOPKGVERSION`.
    fn run<S: AsRef<str>>(&self, arguments: &[S]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
        command.current_dir(self.path()).args(arguments.iter().map(AsRef::as_ref)).env("TZ", "UTC");
        let output = command.env_remove("LINUXKIT_PKG_ORG").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// What `build` would do with the packages for one platform.
    fn builds(&self, platform: &str, packages: &[&str]) -> BTreeMap<String, Value> {
        let mut arguments = vec!["plan", "--format", "json", "--offline", "--assume-missing", "--platforms", platform];
        arguments.extend(packages);
        let plan = self.json(&arguments);
        let steps = plan["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "build");
        let named = |step: &Value| step["node"].as_str().unwrap().split_once('@').unwrap().0.to_owned();
        steps.map(|step| (named(step), step.clone())).collect()
    }

    fn references(&self) -> Vec<Reference> {
        let graph = self.json(&["graph", "--format", "json"]);
        let edges = graph["edges"].as_array().unwrap().iter();
        let text = |edge: &Value, field: &str| edge[field].as_str().map(str::to_owned);
        let inside = edges.filter(|edge| edge["sort"] == "image").filter_map(|edge| {
            let (from, to) = (text(edge, "from").unwrap(), text(edge, "to")?);
            Some(Reference { from, to, stale: edge["state"] == "stale" })
        });
        inside.collect()
    }
}

/// An image of a package that another package's Dockerfile names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    from: String,
    to: String,
    stale: bool,
}

/// How many packages are on each level; those on the first need none.
fn levels(packages: &BTreeSet<String>, references: &[Reference]) -> Vec<usize> {
    let mut level: BTreeMap<&str, usize> = packages.iter().map(|package| (package.as_str(), 0)).collect();
    for _ in 0..packages.len() {
        for reference in references.iter().filter(|reference| reference.from != reference.to) {
            let needed = level[reference.to.as_str()] + 1;
            let own = level.get_mut(reference.from.as_str()).unwrap();
            *own = needed.max(*own);
        }
    }
    let mut counts = vec![0; level.values().max().unwrap() + 1];
    for &level in level.values() {
        counts[level] += 1;
    }
    counts
}

fn table(name: &str) -> Vec<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/linuxkit-3bf33c3a").join(name);
    let rows = fs::read_to_string(file).unwrap();
    rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn linuxkit_tags_labels_and_build_args_are_those_of_linuxkit() {
    let Some(checkout) = Checkout::new("KITMAKE_LINUXKIT_REPO", LINUXKIT) else { return };
    let rows = table("show-tag.tsv");
    assert_eq!(rows.len(), 94);
    // Its build.yml has an unknown key on purpose, which linuxkit refuses and kitmake warns about.
    let (invalid, valid): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1].starts_with("ERROR"));
    assert_eq!(
        invalid.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(),
        ["test/cases/000_build/090_validate_build_yaml"]
    );
    let mut arguments = vec!["show-tag"];
    arguments.extend(valid.iter().map(|row| row[0].as_str()));
    let (code, stdout, stderr) = checkout.run(&arguments);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let theirs: Vec<&str> = valid.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(stdout.lines().collect::<Vec<_>>(), theirs);

    let mut builds = checkout.builds("linux/amd64", &["pkg", "tools", "test/pkg"]);
    // The table was made for amd64 whatever a package lists.
    builds.extend(checkout.builds("linux/arm64", &["tools/mkimage-rpi3"]));
    let labels: BTreeMap<String, String> =
        table("config-labels.tsv").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let (mut differences, mut compared) = (String::new(), 0);
    for row in table("build-args.tsv") {
        let [directory, reference, dockerfile, network, build_args, label_names] = &row[..] else { panic!("{row:?}") };
        if directory == "pkg/bpftrace" {
            // It lists no platform, so there is no build to look at.
            assert!(!builds.contains_key(directory));
            continue;
        }
        let build = &builds[directory];
        let words = |field: &str| -> BTreeMap<&str, &str> {
            build[field]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
                .collect()
        };
        let args: Vec<String> = words("build_args").iter().map(|(key, value)| format!("{key}={value}")).collect();
        let names: Vec<&str> = words("labels").into_keys().filter(|name| !name.starts_with("org.kitmake.")).collect();
        let own_reference = format!("docker.io/{}-amd64", build["reference"].as_str().unwrap());
        let own_dockerfile = format!("{directory}/{}", build["dockerfile"].as_str().unwrap());
        for (what, ours, theirs) in [
            ("reference", own_reference.as_str(), reference.as_str()),
            ("dockerfile", &own_dockerfile, dockerfile),
            ("network", build["network"].as_str().unwrap(), network),
            ("build args", &args.join(" "), build_args),
            ("labels", &names.join(" "), label_names),
            (
                "config",
                words("labels").get("org.mobyproject.config").unwrap_or(&""),
                labels.get(directory).map_or("", String::as_str),
            ),
        ] {
            if ours != theirs {
                writeln!(differences, "{directory}: {what}\n  ours   {ours}\n  theirs {theirs}").unwrap();
            }
        }
        compared += 1;
    }
    assert!(differences.is_empty(), "\n{differences}");
    assert_eq!(compared, 67);
}

#[test]
fn linuxkit_edges_are_those_found_by_hand() {
    let Some(checkout) = Checkout::new("KITMAKE_LINUXKIT_REPO", LINUXKIT) else { return };
    checkout.write("kitmake.yml", TOOLS_ALPINE);
    let mut references = checkout.references();
    references.retain(|reference| ["pkg/", "tools/", "test/pkg/"].iter().any(|top| reference.from.starts_with(top)));
    references.sort();
    references.dedup();
    let stale: Vec<&Reference> = references.iter().filter(|reference| reference.stale).collect();
    assert_eq!((references.len(), stale.len()), (73, 1), "{references:#?}");
    assert_eq!((stale[0].from.as_str(), stale[0].to.as_str()), ("tools/mkimage-rpi3", "tools/alpine"));
    assert_eq!(references.iter().filter(|reference| reference.to == "tools/alpine").count(), 61);

    let mut packages: BTreeSet<String> = table("show-tag.tsv").into_iter().map(|row| row[0].clone()).collect();
    packages.retain(|package| !package.starts_with("test/cases/"));
    packages.insert("tools/alpine".to_owned());
    assert_eq!(levels(&packages, &references), [3, 58, 5, 3]);
}

#[test]
fn eve_edges_are_those_found_by_hand() {
    let Some(checkout) = Checkout::new("KITMAKE_EVE_REPO", EVE) else { return };
    let references = checkout.references();
    // A Dockerfile may name a package several times, in the stages of several platforms.
    let pairs = |references: &[Reference]| -> BTreeSet<(String, String)> {
        references.iter().map(|reference| (reference.from.clone(), reference.to.clone())).collect()
    };
    let to_alpine = |pairs: &BTreeSet<(String, String)>| pairs.iter().filter(|(_, to)| to == "pkg/alpine").count();
    let stale: Vec<(&str, &str)> = references
        .iter()
        .filter(|reference| reference.stale)
        .map(|reference| (&*reference.from, &*reference.to))
        .collect();
    let expected = [
        ("pkg/alpine", "pkg/alpine"),
        ("pkg/alpine", "pkg/alpine-base"),
        ("pkg/cross-compilers", "pkg/alpine"),
        ("pkg/cross-compilers", "pkg/alpine"),
    ];
    assert_eq!(stale, expected);
    assert_eq!((pairs(&references).len(), to_alpine(&pairs(&references))), (60, 45));

    // Two Dockerfiles are rendered from templates by the Makefile; git ignores them, so nothing becomes dirty.
    // What was asked for and cannot be built is no success.
    for (arguments, expected) in [(&["graph"][..], 0), (&["plan", "--offline", "--assume-missing", "."], 3)] {
        let (code, _, stderr) = checkout.run(arguments);
        assert_eq!((code, stderr.matches("workspace::missing_dockerfile").count()), (expected, 2), "{stderr}");
        for template in ["pkg/eve/Dockerfile.in", "pkg/external-boot-image/Dockerfile.in"] {
            assert!(stderr.contains(&format!("make it from `{template}`")), "{stderr}");
        }
    }
    for (template, placeholders) in [
        (
            "pkg/eve",
            &[
                ("MKISO_TAG", "pkg/mkimage-iso-efi"),
                ("IPXE_TAG", "pkg/ipxe"),
                ("MKRAW_TAG", "pkg/mkimage-raw-efi"),
                ("MKCONF_TAG", "pkg/mkconf"),
            ][..],
        ),
        ("pkg/external-boot-image", &[("XENTOOLS_TAG", "pkg/xen-tools")]),
    ] {
        let mut text = fs::read_to_string(checkout.path().join(template).join("Dockerfile.in")).unwrap();
        for (placeholder, package) in placeholders {
            let (_, tag, _) = checkout.run(&["show-tag", package]);
            text = text.replace(placeholder, tag.trim());
        }
        checkout.write(&format!("{template}/Dockerfile"), &text.replace("KERNEL_TAG", "lfedge/eve-kernel:k"));
    }
    let rendered = checkout.references();
    assert_eq!((pairs(&rendered).len(), rendered.len() - references.len()), (66, 6));
    assert!(rendered.iter().filter(|reference| reference.stale).count() == 4);
}

/// How far apart the revisions are that are compared, in steps along the first parents of the commit: the earlier one and the
/// later one. The last goes back.
const RANGES: [(usize, usize); 6] = [(1, 0), (20, 0), (250, 20), (700, 0), (1500, 1300), (0, 250)];

#[test]
fn linuxkit_packages_that_are_affected_are_those_that_git_says() {
    let Some(checkout) = Checkout::new("KITMAKE_LINUXKIT_REPO", LINUXKIT) else { return };
    assert!(compare_ranges(&checkout, LINUXKIT) > 100);
}

#[test]
fn eve_packages_that_are_affected_are_those_that_git_says() {
    let Some(checkout) = Checkout::new("KITMAKE_EVE_REPO", EVE) else { return };
    assert!(compare_ranges(&checkout, EVE) > 100);
}

/// Compares what `affected` says of each range with what git says of each directory, and returns how many changed.
fn compare_ranges(checkout: &Checkout, commit: &str) -> usize {
    let history = checkout.git(&["rev-list", "--first-parent", commit]);
    let history: Vec<&str> = history.lines().collect();
    let (mut compared, mut differences) = (0, String::new());
    for (since, until) in RANGES.map(|(since, until)| (history[since], history[until])) {
        let affected = checkout.json(&["affected", "--since", since, "--until", until, "--format", "json"]);
        let changed: BTreeMap<&str, &Vec<Value>> = (affected["changed"].as_array().unwrap().iter())
            .map(|change| (change["id"].as_str().unwrap(), change["reasons"].as_array().unwrap()))
            .collect();
        let (then, now) = (sources(checkout, since), sources(checkout, until));
        let directories: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let unknown = changed.keys().filter(|name| !directories.iter().any(|directory| directory == *name));
        assert_eq!(unknown.collect::<Vec<_>>(), [&""; 0], "{since}..{until}");
        for directory in directories {
            let expected = match (then.get(directory), now.get(directory)) {
                (Some(_), None) => vec!["removed".to_owned()],
                (None, Some(_)) => vec!["new".to_owned()],
                (then, now) => reasons(checkout, [since, until], directory, then.into_iter().chain(now).flatten()),
            };
            // What else there is to a package is told beside it, and is the matter of other tests.
            let told = changed.get(directory.as_str()).into_iter().copied().flatten();
            let told: Vec<String> = told.filter_map(in_short).collect();
            if told != expected {
                writeln!(differences, "{since}..{until} {directory}: {told:?} instead of {expected:?}").unwrap();
            }
            compared += expected.len();
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    compared
}

/// The directories with a build.yml at a revision, with those that their ymls name as extra sources, read line by line.
fn sources(checkout: &Checkout, revision: &str) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let files = checkout.git(&["ls-tree", "-r", "--name-only", revision]);
    let ymls =
        files.lines().filter(|file| file.ends_with("/build.yml") && !file.contains("/.") && !file.starts_with('.'));
    let directories = ymls.map(|file| {
        let directory = file.strip_suffix("/build.yml").unwrap();
        let yml = checkout.git(&["show", &format!("{revision}:{file}")]);
        (directory.to_owned(), extra_sources(&yml, directory).into_iter().collect())
    });
    directories.collect()
}

/// How a directory and its extra sources differ, as `rev-parse` and `diff-tree` say.
fn reasons<'a>(
    checkout: &Checkout,
    [since, until]: [&str; 2],
    directory: &str,
    sources: impl Iterator<Item = &'a PathBuf>,
) -> Vec<String> {
    let id = |revision: &str, path: &str| checkout.git(&["rev-parse", "--verify", "-q", &format!("{revision}:{path}")]);
    let count = |path: &str| {
        let files = checkout.git(&["diff-tree", "-r", "--no-renames", "--name-only", since, until, "--", path]);
        files.lines().count()
    };
    let sources: BTreeSet<&str> = sources.map(|source| source.to_str().unwrap()).collect();
    let mut reasons = Vec::new();
    if id(since, directory) != id(until, directory) {
        reasons.push(format!("{} files", count(directory)));
    }
    let differs = sources.into_iter().filter(|source| id(since, source) != id(until, source));
    reasons.extend(differs.map(|source| format!("{source}: {} files", count(source))));
    reasons
}

/// A reason in the words of [`reasons`], if it is of this sort.
fn in_short(reason: &Value) -> Option<String> {
    let count = &reason["count"];
    match reason["kind"].as_str().unwrap() {
        "files" => Some(format!("{count} files")),
        "extra-source" => Some(format!("{}: {count} files", reason["source"].as_str().unwrap())),
        kind @ ("new" | "removed" | "unknown") => Some(kind.to_owned()),
        _ => None,
    }
}

/// Every commit of the years in between, as far as there is time: `KITMAKE_COMMITS` of them, 40 by default.
#[test]
#[ignore = "takes minutes; run it with `--ignored`"]
#[expect(clippy::disallowed_methods, reason = "the environment says how many commits")]
#[expect(clippy::print_stderr, reason = "what a commit cannot build is for people to read")]
fn linuxkit_tags_of_all_years_are_those_of_git() {
    let Some(checkout) = Checkout::new("KITMAKE_LINUXKIT_REPO", LINUXKIT) else { return };
    let wanted: usize = std::env::var("KITMAKE_COMMITS").map_or(40, |text| text.parse().unwrap());
    let history = checkout.git(&["rev-list", "--first-parent", "--reverse", "--since=2018-01-01", LINUXKIT]);
    let history: Vec<&str> = history.lines().collect();
    let (mut compared, mut differences) = (0, String::new());
    for commit in history.iter().step_by((history.len() / wanted).max(1)) {
        checkout.check_out(commit);
        let date = checkout.git(&["log", "-1", "--format=%cs", commit]);
        let mut expected = BTreeMap::new();
        for yml in checkout.git(&["ls-files", "build.yml", "*/build.yml"]).lines() {
            let directory = yml.rsplit_once('/').map_or(".", |(directory, _)| directory).to_owned();
            expected.extend(independent_name(&checkout, &directory).map(|name| (directory, name)));
        }
        let mut alone = |directory: &String| {
            let (code, stdout, stderr) = checkout.run(&["show-tag", directory]);
            if code != 0 {
                writeln!(differences, "{commit} {directory}: {stderr}").unwrap();
            }
            stdout
        };
        let arguments: Vec<&str> = ["show-tag"].into_iter().chain(expected.keys().map(String::as_str)).collect();
        let (code, stdout, _) = checkout.run(&arguments);
        let ours = if code == 0 { stdout } else { expected.keys().map(&mut alone).collect() };
        for ((directory, theirs), ours) in expected.iter().zip(ours.lines()) {
            if ours != theirs {
                writeln!(differences, "{commit} {directory}: {ours} instead of {theirs}").unwrap();
            }
        }
        compared += expected.len();
        let (graph, _, words) = checkout.run(&["graph"]);
        let (plan, _, wrong) = checkout.run(&["plan", "--offline", "--assume-missing", "--platforms", "all", "."]);
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for code in wrong.lines().filter(|line| line.contains("::") && !line.contains(' ')) {
            *codes.entry(code).or_default() += 1;
        }
        eprintln!("{} {} packages {} graph {graph} plan {plan} {codes:?}", date.trim(), &commit[..9], expected.len());
        if graph != 0 || ![0, 3].contains(&plan) {
            writeln!(differences, "{commit}: graph {graph}, plan {plan}: {words}{wrong}").unwrap();
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    assert!(compared > 1000, "{compared}");
}

/// The extra sources of a yml in this directory, read line by line.
fn extra_sources(yml: &str, directory: &str) -> Vec<PathBuf> {
    let rest = yml.lines().skip_while(|line| !line.starts_with("extra-sources:")).skip(1);
    let entries = rest.map_while(|line| line.trim_start().strip_prefix("- "));
    let source = |entry: &str| {
        let mut source = PathBuf::from(directory);
        for part in entry.trim().split(':').next().unwrap_or_default().split('/') {
            let _ = if part == ".." {
                source.pop()
            } else {
                source.push(part);
                true
            };
        }
        source
    };
    entries.map(source).collect()
}

/// The name of a package from its yml read line by line and from what `git rev-parse` says; `None` for a yml that is
/// wrong on purpose.
fn independent_name(checkout: &Checkout, directory: &str) -> Option<String> {
    let yml = fs::read_to_string(checkout.path().join(directory).join("build.yml")).unwrap();
    let value = |key: &str| -> Option<String> {
        let line = yml.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let value = line.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        Some(value.to_owned())
    };
    let tree = |directory: &Path| -> Option<String> {
        let inside = directory.to_str().unwrap();
        let id = checkout.git(&["rev-parse", "--verify", "-q", &format!("HEAD:{inside}")]);
        Some(id.trim().to_owned()).filter(|id| id.len() == 40)
    };
    let mut trees = vec![tree(Path::new(directory))?];
    for source in extra_sources(&yml, directory) {
        trees.push(tree(&source)?);
    }
    let hash = match &trees[..] {
        [own] => own.clone(),
        all => Sha1::digest(all.concat()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
    };
    let tag = value("tag").map_or_else(|| hash.clone(), |template| template.replace("{{.Hash}}", &hash));
    Some(format!("{}/{}:{tag}", value("org").unwrap_or_else(|| "linuxkit".to_owned()), value("image")?))
}
