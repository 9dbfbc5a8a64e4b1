//! Selectors mean the same to every verb that takes packages.
//!
//! One small repository, one table of selectors, and all verbs with all of them: each is asked in its own way which packages
//! it took the selectors for. A verb or an option that is new has to be added here, since the help is compared with the table.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be prepared fails the test")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Monorepo, Output, output};

/// What needs what: `pkg/user` is built on `pkg/mid`, that on `pkg/base`, and `pkg/mid` has `pkg/lib` as an extra source.
const EDGES: [(&str, &str); 3] = [("pkg/mid", "pkg/base"), ("pkg/mid", "pkg/lib"), ("pkg/user", "pkg/mid")];

const ALL: [&str; 5] = ["pkg/alone", "pkg/base", "pkg/lib", "pkg/mid", "pkg/user"];

/// Selectors, and what they select in the repository of [`repository`].
const SELECTED: [(&[&str], &[&str]); 13] = [
    (&["pkg/mid"], &["pkg/mid"]),
    (&["pkg"], &ALL),
    (&["pkg/{base,l?b}"], &["pkg/base", "pkg/lib"]),
    (&["t/a*"], &["pkg/alone"]),
    (&["t/user"], &["pkg/user"]),
    (&["alone"], &["pkg/alone"]),
    (&["pkg/mid..."], &["pkg/base", "pkg/lib", "pkg/mid"]),
    (&["...pkg/mid"], &["pkg/mid", "pkg/user"]),
    (&["pkg/mid^..."], &["pkg/base", "pkg/lib"]),
    (&["...^pkg/base"], &["pkg/mid", "pkg/user"]),
    (&["[before]..."], &["pkg/base", "pkg/lib", "pkg/mid", "pkg/user"]),
    (&["!...[before]"], &["pkg/alone", "pkg/base", "pkg/lib", "pkg/mid"]),
    (&["!pkg/lib", "...pkg/mid...", "pkg/alone"], &["pkg/alone", "pkg/base", "pkg/mid", "pkg/user"]),
];

/// A reference without a value: `deps` and `pins` tell of it, and nothing that has it can be built.
const NAMELESS: &str = "ARG NOTHING\nFROM $NOTHING AS never\n";

/// Five packages, of which each Dockerfile begins with the same lines; `pkg/user` has changed since `before`, and none was
/// there at `empty`.
fn repository(first_lines: &str) -> Monorepo {
    let monorepo = Monorepo::with_files(&[("README", "no package yet\n")]);
    monorepo.git(&["tag", "empty"]);
    for (package, base) in
        [("base", None), ("lib", None), ("alone", None), ("mid", Some("base")), ("user", Some("mid"))]
    {
        let sources = if package == "mid" { "extra-sources: ['../lib:lib']\n" } else { "" };
        monorepo.write(
            &format!("pkg/{package}/build.yml"),
            &format!("org: t\nimage: {package}\narches: [amd64]\n{sources}"),
        );
        let base = base.map(|base| monorepo.show_tag(&[&format!("pkg/{base}")]).remove(0));
        let base = base.unwrap_or_else(|| "scratch".to_owned());
        monorepo.write(&format!("pkg/{package}/Dockerfile"), &format!("{first_lines}FROM {base}\n"));
        monorepo.commit("Add a package");
    }
    monorepo.git(&["tag", "before"]);
    monorepo.write("pkg/user/file", "new\n");
    let former = format!(":{}", "1".repeat(40));
    let names = monorepo.show_tag(&[]).into_iter().map(|tag| before(&tag, ':'));
    let lines = names.fold("onboot:\n".to_owned(), |text, name| text + "- image: " + &name + &former + "\n");
    monorepo.write("images.yml", &lines);
    monorepo.write("key.pub", include_str!("golden/cosign-keys/key.pub"));
    monorepo.commit("Change one");
    monorepo
}

/// Runs a verb that must neither ask an engine nor a registry that is there.
fn run(monorepo: &Monorepo, arguments: &[&str], selectors: &[&str]) -> Output {
    let all = [arguments, &["--"], selectors].concat();
    output(monorepo.kitmake_command(&all).env("DOCKER_HOST", "unix:///nonexistent/engine.sock"))
}

/// The texts of a field in a list of objects.
fn texts(list: &Value, field: &str) -> BTreeSet<String> {
    let of = |entry: &Value| entry[field].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(of).collect()
}

/// A text without what stands behind a sign.
fn before(text: &str, sign: char) -> String {
    text.split(sign).next().unwrap().to_owned()
}

/// The packages that a plan was asked for.
fn of_plan(output: &Output) -> BTreeSet<String> {
    let json = output.json();
    let nodes = json["nodes"].as_array().unwrap().iter().filter(|node| node["selected"] == true);
    nodes.map(|node| before(node["id"].as_str().unwrap(), '@')).collect()
}

/// The packages whose pins are among these, which all are of one package.
fn of_pins<'a>(pins: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let users = pins.flat_map(|pin| pin["used_by"].as_array().unwrap());
    users.map(|user| user.as_str().unwrap().to_owned()).collect()
}

/// The packages that images are of.
fn of_images<'a>(images: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    images.map(|image| format!("pkg/{}", before(image.rsplit('/').next().unwrap(), ':'))).collect()
}

/// The packages that are among those of a selector in one place of `path`, each asked for by itself in the other.
fn of_path(monorepo: &Monorepo, selector: &str, is_first: bool) -> BTreeSet<String> {
    let is_common = |package: &&str| {
        let both = if is_first { [selector, *package] } else { [*package, selector] };
        run(monorepo, &["path"], &both).stderr.contains("have a package in common")
    };
    ALL.into_iter().filter(is_common).map(str::to_owned).collect()
}

/// What a verb can tell of the packages that were selected.
#[derive(Clone, Copy)]
enum Told {
    /// All of them.
    Themselves,
    /// Those that something needs.
    Needed,
    /// All of them with all that they need.
    WithNeeded,
}

/// How one verb is asked.
struct Verb {
    /// The words before the options.
    name: &'static str,
    /// Further options that it cannot do without here.
    options: &'static [&'static str],
    told: Told,
    /// The exit code when some packages are selected.
    code: i32,
    read: fn(&Output) -> BTreeSet<String>,
}

const QUIET: &[&str] = &["--offline", "--assume-missing", "--format", "json"];
const JSON: &[&str] = &["--format", "json"];

const VERBS: [Verb; 14] = [
    Verb { name: "plan", options: QUIET, told: Told::Themselves, code: 0, read: of_plan },
    Verb {
        name: "build",
        options: &["--dry-run", "--offline", "--assume-missing", "--format", "json"],
        told: Told::Themselves,
        code: 0,
        read: of_plan,
    },
    Verb {
        name: "push",
        options: &["--dry-run", "--offline", "--assume-missing", "--format", "json"],
        told: Told::Themselves,
        code: 0,
        read: of_plan,
    },
    Verb {
        name: "explain",
        options: QUIET,
        told: Told::Themselves,
        code: 0,
        read: |output| texts(&output.json()["nodes"], "id").iter().map(|node| before(node, '@')).collect(),
    },
    Verb {
        name: "pins",
        options: JSON,
        told: Told::Themselves,
        code: 0,
        read: |output| of_pins(output.json()["pins"].as_array().unwrap().iter()),
    },
    Verb {
        name: "pins check",
        options: &["--offline", "--format", "json"],
        told: Told::Themselves,
        code: 5,
        read: |output| {
            let json = output.json();
            of_pins(json["findings"].as_array().unwrap().iter().flat_map(|it| it["pins"].as_array().unwrap()))
        },
    },
    // It tells by what it would write which tags it carries on.
    Verb {
        name: "pins fix",
        options: &["--dry-run", "--files", "images.yml"],
        told: Told::Themselves,
        code: 0,
        read: |output| of_images(output.stdout.lines().filter_map(|line| line.strip_prefix("+- image: "))),
    },
    // The registry cannot be reached, so that nothing is known of any image.
    Verb {
        name: "verify",
        options: &["--key", "key.pub", "--registry", "127.0.0.1:9", "--format", "json"],
        told: Told::Themselves,
        code: 4,
        read: |output| texts(&output.json()["images"], "id"),
    },
    // What has a reference without a value may need more.
    Verb {
        name: "deps",
        options: &["--external", "--format", "json"],
        told: Told::Themselves,
        code: 3,
        read: |output| texts(&output.json()["edges"], "from"),
    },
    Verb {
        name: "rdeps",
        options: JSON,
        told: Told::Needed,
        code: 0,
        read: |output| texts(&output.json()["edges"], "to"),
    },
    Verb {
        name: "graph",
        options: JSON,
        told: Told::WithNeeded,
        code: 0,
        read: |output| texts(&output.json()["packages"], "id"),
    },
    Verb {
        name: "show-tag",
        options: &[],
        told: Told::Themselves,
        code: 0,
        read: |output| of_images(output.stdout.lines()),
    },
    Verb {
        name: "affected",
        options: &["--since", "empty", "--format", "json"],
        told: Told::Themselves,
        code: 0,
        read: |output| texts(&output.json()["changed"], "id"),
    },
    Verb {
        name: "path",
        options: &[],
        told: Told::Themselves,
        code: 0,
        read: |_| unreachable!("it takes two selectors and is asked otherwise"),
    },
];

impl Verb {
    fn run(&self, monorepo: &Monorepo, selectors: &[&str]) -> Output {
        let words: Vec<&str> = self.name.split(' ').chain(self.options.iter().copied()).collect();
        let both: Vec<&str>;
        let selectors = if self.name == "path" {
            both = vec![selectors[0], "pkg"];
            &both
        } else {
            selectors
        };
        run(monorepo, &words, selectors)
    }

    fn takes_two(&self) -> bool {
        self.name == "path"
    }
}

/// What a verb tells of these packages.
fn told(told: Told, packages: &[&str]) -> BTreeSet<String> {
    let mut packages: BTreeSet<&str> = packages.iter().copied().collect();
    match told {
        Told::Themselves => {}
        Told::Needed => packages.retain(|package| EDGES.iter().any(|(_, to)| to == package)),
        Told::WithNeeded => {
            for _ in 0..EDGES.len() {
                let needed: Vec<&str> =
                    EDGES.iter().filter(|(from, _)| packages.contains(from)).map(|(_, to)| *to).collect();
                packages.extend(needed);
            }
        }
    }
    packages.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_verb_takes_the_same_selectors_for_the_same_packages() {
    let (monorepo, nameless) = (repository(""), repository(NAMELESS));
    for (selectors, expected) in SELECTED {
        for verb in VERBS.iter().filter(|verb| !verb.takes_two()) {
            let tells_of_references = ["pins", "pins check", "deps"].contains(&verb.name);
            let output =
                verb.run(if tells_of_references { &nameless } else { &monorepo }, selectors).with_code(verb.code);
            assert_eq!((verb.read)(&output), told(verb.told, expected), "{}\n{}", output.command, output.stderr);
        }
        if let [selector] = selectors {
            for is_first in [true, false] {
                let found = of_path(&monorepo, selector, is_first);
                assert_eq!(found, told(Told::Themselves, expected), "path {selector} {is_first}");
            }
        }
    }
}

#[test]
fn options_that_take_packages_take_the_same_selectors() {
    let monorepo = repository("");
    for (selectors, expected) in SELECTED {
        let missing: Vec<String> = selectors.iter().map(|selector| format!("--assume-missing={selector}")).collect();
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        let plan = [&["plan", "--registry", "127.0.0.1:9", "--format", "json"][..], &missing].concat();
        let plan = run(&monorepo, &plan, &["pkg"]).json();
        let is_assumed = |node: &&Value| {
            node["reasons"].as_array().unwrap().iter().any(|reason| reason["reason"] == "assumed-missing")
        };
        let assumed = plan["nodes"].as_array().unwrap().iter().filter(is_assumed);
        let assumed: BTreeSet<String> = assumed.map(|node| before(node["id"].as_str().unwrap(), '@')).collect();
        assert_eq!(assumed, told(Told::Themselves, expected), "{missing:?}");

        let changed: Vec<&str> = selectors.iter().flat_map(|selector| ["--assume-changed", selector]).collect();
        let spread = run(&monorepo, &[&["plan", "--format", "json"][..], &changed].concat(), &[]).with_code(0).json();
        let assumed = spread["assumed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        assert_eq!(assumed.collect::<BTreeSet<_>>(), told(Told::Themselves, expected), "{changed:?}");
    }
}

#[test]
fn every_verb_says_what_is_wrong_with_a_selector() {
    let monorepo = repository("");
    for verb in &VERBS {
        let unknown = verb.run(&monorepo, &["pkg/usr..."]).with_code(2);
        assert!(unknown.stderr.contains("did you mean `pkg/user...`?"), "{}: {}", verb.name, unknown.stderr);
        let empty = verb.run(&monorepo, &["pkg/alone^..."]).with_code(2);
        assert!(empty.stderr.contains("selector::empty"), "{}: {}", verb.name, empty.stderr);
        assert_eq!((unknown.stdout, empty.stdout), (String::new(), String::new()), "{}", verb.name);
        // That nothing has changed is no mistake; there is no path from or to nothing.
        let nothing = verb.run(&monorepo, &["[HEAD]"]).with_code(if verb.takes_two() { 5 } else { 0 });
        let said = "nothing is selected: nothing has changed since `HEAD`\n";
        assert!(nothing.stderr.contains(said), "{}: {}", verb.name, nothing.stderr);
        let gone = verb.run(&monorepo, &["[nowhere]"]).with_code(2);
        assert!(gone.stderr.contains("git::unknown_revision"), "{}: {}", verb.name, gone.stderr);
    }
}

#[test]
fn every_verb_says_what_it_could_not_read_on_the_way() {
    let monorepo = repository("");
    monorepo.write("pkg/broken/build.yml", "image: [\n");
    monorepo.write("pkg/mid/build.yml", "org: t\nimage: mid\narches: [amd64]\ndockerfile: Nowhere\n");
    monorepo.commit("Break two");
    // Either may need it; what it needs itself is not known. Nothing of both is asked of others.
    let both =
        "2 packages cannot be read in full, on which hangs what is selected: pkg/broken, pkg/mid (-v says why)\n";
    let one = "1 package cannot be read in full, on which hangs what is selected: pkg/mid (-v says why)\n";
    for verb in &VERBS {
        for (selector, line) in [("...pkg/base", Some(both)), ("pkg/user...", Some(one)), ("pkg/user", None)] {
            let stderr = verb.run(&monorepo, &[selector]).stderr;
            match line {
                Some(line) => assert!(stderr.contains(line), "{} {selector}: {stderr}", verb.name),
                None => assert!(!stderr.contains("hangs"), "{} {selector}: {stderr}", verb.name),
            }
        }
    }
    let assumed = |selector: &str| {
        let missing = format!("--assume-missing={selector}");
        run(&monorepo, &["plan", "--offline", &missing], &["pkg/alone"]).stderr
    };
    let line =
        "1 package cannot be read in full, on which hangs what `--assume-missing` covers: pkg/mid (-v says why)\n";
    assert!(assumed("pkg/user...").contains(line), "{}", assumed("pkg/user..."));
    assert!(!assumed("pkg/user").contains("hangs"), "{}", assumed("pkg/user"));
    let nothing = "--assume-missing: nothing is selected: nothing has changed since `HEAD`\n";
    assert!(assumed("[HEAD]").contains(nothing), "{}", assumed("[HEAD]"));
    let spread = run(&monorepo, &["plan", "--assume-changed", "pkg/base"], &[]).with_code(0);
    let said =
        "2 packages cannot be read in full and may have to be built again, too: pkg/broken, pkg/mid (-v says why)\n";
    assert_eq!(spread.stderr, said);
    let names = run(&monorepo, &["show-tag"], &["...pkg/base"]).with_code(0);
    let said =
        "2 packages cannot be read in full, on which hangs what is selected: pkg/broken, pkg/mid (-v says why)\n";
    assert_eq!(names.stderr, said);
    let names = run(&monorepo, &["show-tag", "-v"], &["...pkg/base"]).with_code(0);
    assert!(names.stderr.contains("workspace::missing_dockerfile"), "{}", names.stderr);
}

#[test]
fn what_is_left_out_on_a_platform_asks_for_nothing_there() {
    let monorepo = repository("");
    let explain = |selectors: &[&str]| run(&monorepo, &[&["explain"], QUIET].concat(), selectors);
    let refused = explain(&["pkg/mid", "!pkg/lib@arm64"]).with_code(2);
    assert!(refused.stderr.contains("explain::only_left_out") && refused.stdout.is_empty(), "{}", refused.stderr);
    let nodes = explain(&["pkg/mid", "pkg/{lib,user}@amd64", "!pkg/lib@amd64"]).with_code(0).json();
    let names: Vec<String> = texts(&nodes["nodes"], "id").into_iter().collect();
    assert_eq!(names, ["pkg/mid", "pkg/user"]);
}

#[test]
fn no_verb_that_takes_packages_is_missing_here() {
    let monorepo = Monorepo::with_files(&[("README", "no package\n")]);
    let help = |words: &[&str]| monorepo.kitmake(&[words, &["--help"]].concat()).with_code(0).stdout;
    let verbs = |words: &[&str]| -> Vec<String> {
        let help = help(words);
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
        let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
        names.filter(|verb| *verb != "help").map(str::to_owned).collect()
    };
    let mut all: BTreeSet<String> = verbs(&[]).into_iter().collect();
    all.extend(verbs(&["pins"]).into_iter().map(|verb| format!("pins {verb}")));
    let without = ["remote-tag"].map(str::to_owned);
    let here: BTreeSet<String> = VERBS.iter().map(|verb| verb.name.to_owned()).chain(without).collect();
    assert_eq!(here, all);
    for verb in &VERBS {
        let help = help(&verb.name.split(' ').collect::<Vec<_>>());
        assert!(help.to_lowercase().contains("selector") && help.contains("kitmake --help"), "{}:\n{help}", verb.name);
    }
}

#[test]
fn directories_of_packages_are_looked_up_on_disk_and_anything_else_makes_selectors_of_them() {
    let monorepo = repository("");
    let outside = Monorepo::with_files(&[("a/build.yml", "image: elsewhere\n")]);
    let elsewhere = outside.path("a");
    let elsewhere = elsewhere.to_str().unwrap();
    let names = |selectors: &[&str]| of_lines(&run(&monorepo, &["show-tag"], selectors).with_code(0).stdout);
    // As often and in the order as they are named, wherever they are.
    assert_eq!(names(&["pkg/user", elsewhere, "pkg/base", "pkg/user"]), ["user", "elsewhere", "base", "user"]);
    assert_eq!(names(&["pkg/user", "pkg/b*", "pkg/user"]), ["base", "user"]);
    assert_eq!(names(&["pkg"]), ["alone", "base", "lib", "mid", "user"]);
    monorepo.write("pkg/user/nested/build.yml", "image: nested\n");
    monorepo.write("pkg/empty/file", "\n");
    assert_eq!(names(&["pkg/user"]), ["user"]);

    let wrong = run(&monorepo, &["show-tag"], &["pkg", "pkg/empty", "pkg/bse", "pkg/user"]).with_code(2);
    assert!(wrong.stderr.contains("`pkg/empty` has no `build.yml`"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("no package is selected by `pkg/bse`"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("did you mean `pkg/base`?"), "{}", wrong.stderr);
    // Another repository is no part of the workspace that selectors are about.
    let mixed = run(&monorepo, &["show-tag"], &[elsewhere, "pkg/mid..."]).with_code(2);
    assert!(mixed.stderr.contains("selector::unknown"), "{}", mixed.stderr);
}

/// The last part of each image.
fn of_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| before(line.rsplit('/').next().unwrap(), ':')).collect()
}

#[test]
fn what_was_there_before_can_be_selected_of_what_is_affected() {
    let monorepo = repository("");
    monorepo.git(&["tag", "full"]);
    std::fs::remove_dir_all(monorepo.path("pkg/user")).unwrap();
    monorepo.write("pkg/new/build.yml", "org: t\nimage: new\n");
    monorepo.write("pkg/new/Dockerfile", "FROM scratch\n");
    monorepo.write("pkg/lib/file", "\n");
    monorepo.commit("Replace one");
    let told = |selectors: &[&str]| {
        let output = run(&monorepo, &["affected", "--since", "full", "--format", "json"], selectors).with_code(0);
        texts(&output.json()["changed"], "id").into_iter().collect::<Vec<_>>()
    };
    assert_eq!(told(&[]), ["pkg/lib", "pkg/mid", "pkg/new", "pkg/user"]);
    assert_eq!(told(&["t/user", "pkg/new"]), ["pkg/new", "pkg/user"]);
    assert_eq!(told(&["...pkg/lib"]), ["pkg/lib", "pkg/mid", "pkg/user"]);
    assert_eq!(told(&["!pkg/user", "!pkg/new"]), ["pkg/lib", "pkg/mid"]);
    assert_eq!(told(&["[full]", "!pkg/lib"]), ["pkg/mid", "pkg/new", "pkg/user"]);
    let none = run(&monorepo, &["affected", "--since", "full"], &["pkg/alone"]).with_code(0);
    assert!(none.stdout.starts_with("none of these packages has changed since full ("), "{}", none.stdout);
    run(&monorepo, &["affected", "--since", "full"], &["pkg/usre"]).with_code(2);
}
