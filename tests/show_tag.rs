//! `kitmake show-tag` against what the real `linuxkit pkg show-tag` printed in the same 194 states of a repository.
//!
//! `tests/golden/show-tag/cases.sh` makes the states and runs the program behind `$LK`; the table beside it is what
//! linuxkit printed. The exit code must agree in zero against non-zero; the wording of errors is our own.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its repository has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// What is expected where we part from linuxkit.
enum Instead {
    /// It is refused.
    Refused,
    /// It succeeds and prints this; `|` stands for a line feed.
    Prints(&'static str),
}
use Instead::{Prints, Refused};

const UNKNOWN_KEY: &str =
    "an unknown key is a warning, so that files of other years can be read; `--strict` refuses it";
const DIRTY_SOURCE: &str =
    "what is dirty in an extra source is built, so it makes the package dirty and its bytes are in the suffix";

/// Where we part from linuxkit on purpose, and why.
const DEVIATIONS: &[(&str, Instead, &str)] = &[
    (
        "dep-sibling-prefix-bug",
        Refused,
        "`../ab` is outside the package `a`: linuxkit compares strings where directories are meant",
    ),
    (
        "dubious-ownership",
        Refused,
        "a repository that git refuses is an error with its remedy, never silently `latest`",
    ),
    ("es-other-repo-dirty", Prints("linuxkit/a:e31f65e15e6612fbe6dd98e4e81d9cdfdb47248e-dirty-9067913"), DIRTY_SOURCE),
    // Its extra source still holds the untracked file of the case before.
    ("es-src-committed", Prints("linuxkit/a:238820b87a26287d9b5c5d649b488a8dc117ba34-dirty-32f4875"), DIRTY_SOURCE),
    ("es-src-modified", Prints("linuxkit/a:332f0e4e4a5c861f1671f110a2e09124d48b5798-dirty-5fb6ed3"), DIRTY_SOURCE),
    ("es-src-untracked", Prints("linuxkit/a:332f0e4e4a5c861f1671f110a2e09124d48b5798-dirty-32f4875"), DIRTY_SOURCE),
    ("hash-path-string-prefix-bug", Refused, "`pk` does not contain `pkg/a`: linuxkit compares strings"),
    (
        "not-enough-args",
        Prints("linuxkit/a:c6570b5990b1e8b6e0a88f36a350f7973d66a094|acme/b:2f57a290e2a2cfe3f59908aea942585ef800e496"),
        "no directory means all packages of the workspace",
    ),
    (
        "root-via-symlink-single-entry",
        Refused,
        "linuxkit takes the only entry of the repository for its root, and refuses a repository with two entries",
    ),
    ("tag-missing-key", Refused, "`<no value>` is never a tag that somebody wants"),
    ("yml-config-runtime-unknown", Prints("linuxkit/a:1771d91d06ee20c94e9e6de8dc130f811912abf4"), UNKNOWN_KEY),
    ("yml-config-unknown", Prints("linuxkit/a:5f41455c22fafa93e76cf2ca5279a3df8e1bb859"), UNKNOWN_KEY),
    ("yml-labels", Prints("linuxkit/a:743400c7c51f3cb9e474e88ee5a650735c053725"), UNKNOWN_KEY),
    ("yml-old-dct", Prints("linuxkit/a:4306286891c2121bcae43228824b8bfc953d7107"), UNKNOWN_KEY),
    ("yml-unknown", Prints("linuxkit/a:3b32b8ed66b121e871aab401cef3658e04f70a21"), UNKNOWN_KEY),
];

#[test]
fn every_state_gives_the_name_that_linuxkit_gives() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/show-tag");
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("linuxkit");
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2\" = 'pkg show-tag' ] || exit 99\nshift 2\nexec '{}' show-tag \"$@\"\n",
        env!("CARGO_BIN_EXE_kitmake")
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("bash")
        .arg(golden.join("cases.sh"))
        .arg(folder.path().join("work"))
        .env("LK", &wrapper)
        .env_remove("LKOLD")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = table(&String::from_utf8(output.stdout).unwrap());
    let mut theirs = table(&fs::read_to_string(golden.join("cases.tsv")).unwrap());
    assert_eq!(theirs.len(), 194);
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        // Only root can give a repository to somebody else.
        theirs.remove("dubious-ownership");
    }

    let deviations: BTreeMap<&str, &Instead> = DEVIATIONS.iter().map(|(id, instead, _)| (*id, instead)).collect();
    let mut differences = String::new();
    assert_eq!(deviations.len(), DEVIATIONS.len());
    for (id, their) in &theirs {
        let Some(our) = ours.get(id) else {
            writeln!(differences, "{id}: did not run").unwrap();
            continue;
        };
        let expected = match deviations.get(id.as_str()) {
            None => (their.succeeded, their.stdout.as_str()),
            Some(Refused) => (false, ""),
            Some(Prints(stdout)) => (true, *stdout),
        };
        if (our.succeeded, our.stdout.as_str()) != expected || our.arguments != their.arguments {
            writeln!(differences, "{id} {}\n  expected {expected:?}\n  got      {our:?}", their.arguments).unwrap();
        }
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(differences.is_empty(), "\n{differences}");
}

/// What a case gave, as the page shows it: tree hashes by their first digits.
fn outcome(succeeded: bool, stdout: &str) -> String {
    if !succeeded {
        return "refused".to_owned();
    }
    let short = |line: &str| match line.split_once(':') {
        Some((name, tag)) if tag.len() >= 40 => format!("`{name}:{}…{}`", &tag[..7], &tag[40..]),
        _ => format!("`{line}`"),
    };
    stdout.split('|').map(short).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_documented_deviations_are_those_that_are_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let theirs = table(&fs::read_to_string(root.join("tests/golden/show-tag/cases.tsv")).unwrap());
    let tested: Vec<Vec<String>> = DEVIATIONS
        .iter()
        .map(|(id, instead, why)| {
            let ours = match instead {
                Refused => outcome(false, ""),
                Prints(stdout) => outcome(true, stdout),
            };
            vec![format!("`{id}`"), outcome(theirs[*id].succeeded, &theirs[*id].stdout), ours, (*why).to_owned()]
        })
        .collect();
    let page = fs::read_to_string(root.join("docs/show-tag.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<Vec<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [case, situation, theirs, ours, why] = cells[..] else { panic!("{row}") };
            assert!(!situation.is_empty());
            [case, theirs, ours, why].map(str::to_owned).to_vec()
        })
        .collect();
    assert_eq!(documented, tested);
}

/// A repository with packages `p0`, `p1`, … and a way to run the program in it.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new(packages: usize) -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        for package in 0..packages {
            let directory = repository.0.path().join(format!("pkg/p{package}"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("build.yml"), format!("image: p{package}\n")).unwrap();
        }
        for arguments in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "c"]] {
            let mut git = Command::new("git");
            git.arg("-C").arg(repository.0.path()).args(["-c", "user.name=T", "-c", "user.email=t@example.org"]);
            assert!(git.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").status().unwrap().success());
        }
        repository
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).unwrap();
    }

    fn show_tag(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
        command.current_dir(self.0.path()).arg("show-tag").args(arguments).env_remove("LINUXKIT_PKG_ORG");
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.show_tag(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn the_number_of_git_processes_does_not_grow_with_the_packages() {
    let processes = |packages: usize| {
        let repository = Repository::new(packages);
        for package in 0..packages {
            repository.write(&format!("pkg/p{package}/new"), "n");
        }
        // git writes one file for each of its processes into this directory.
        let traces = tempfile::tempdir().unwrap();
        let directories: Vec<String> = (0..packages).map(|package| format!("pkg/p{package}")).collect();
        let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
        let output = repository.show_tag(&directories).env("GIT_TRACE2_EVENT", traces.path()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().matches("-dirty-").count(), packages);
        fs::read_dir(traces.path()).unwrap().count()
    };
    let few = processes(2);
    assert!((1..=8).contains(&few), "{few}");
    assert_eq!(processes(200), few);
}

#[test]
fn one_bad_package_suppresses_all_output() {
    let repository = Repository::new(2);
    fs::create_dir(repository.0.path().join("pkg/empty")).unwrap();
    let (code, stdout, stderr) = repository.run(&["pkg/p0", "pkg/empty", "pkg/nowhere", "pkg/p1"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("show_tag::no_yml") && stderr.contains("selector::unknown"), "{stderr}");
    // Where there is no workspace, there is nothing to select from.
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = repository.show_tag(&["pkg/nowhere"]);
    let output = command.current_dir(nowhere.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("show_tag::no_directory"));
    assert_eq!(repository.run(&["--nonsense"]).0, 2);
}

#[test]
fn names_come_in_the_order_of_the_arguments_and_as_often() {
    let repository = Repository::new(3);
    let (code, stdout, _) = repository.run(&["--hash", "h", "pkg/p2", "./pkg/p0/", "pkg/p2"]);
    assert_eq!((code, stdout.as_str()), (0, "linuxkit/p2:h\nlinuxkit/p0:h\nlinuxkit/p2:h\n"));
}

#[test]
fn the_forms_of_former_years_are_understood() {
    let repository = Repository::new(1);
    let (code, stdout, stderr) =
        repository.run(&["-org=x", "-hash=foo", "-network", "-disable-content-trust", "pkg/p0"]);
    assert_eq!((code, stdout.as_str()), (0, "x/p0:foo\n"));
    assert_eq!(stderr, "");
}

#[test]
fn unknown_keys_are_errors_only_when_asked_for() {
    let repository = Repository::new(1);
    repository.write("pkg/p0/build.yml", "image: p0\nfoo: 1\n");
    assert_eq!(repository.run(&["pkg/p0"]).0, 0);
    assert_eq!(repository.run(&["--strict", "pkg/p0"]).0, 3);
}

/// Commits with a fixed date, so that commit ids are constant, too.
fn commit(directory: &Path) {
    for arguments in [&["add", "-A"][..], &["commit", "-q", "-m", "c"]] {
        let mut git = Command::new("git");
        git.arg("-C").arg(directory).args(["-c", "user.name=T", "-c", "user.email=t@example.org"]).args(arguments);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_AUTHOR_DATE", "2020-01-02T03:04:05Z");
        assert!(git.env("GIT_COMMITTER_DATE", "2020-01-02T03:04:05Z").status().unwrap().success());
    }
}

#[test]
fn verbose_says_what_went_into_the_tag() {
    let repository = Repository(tempfile::tempdir().unwrap());
    let top = repository.0.path();
    for directory in ["pkg/a", "pkg/v", "lib"] {
        fs::create_dir_all(top.join(directory)).unwrap();
    }
    repository.write("pkg/a/build.yml", "image: a\norg: acme\nextra-sources:\n  - ../../lib:vendor/lib\n");
    repository.write("pkg/v/build.yml", "image: v\ntag: \"v1-{{slice .Hash 0 7}}\"\n");
    repository.write("lib/l", "l\n");
    let git = Command::new("git").args(["init", "-q"]).arg(top).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
    assert!(git.unwrap().success());
    commit(top);
    let verbose = |arguments: &[&str]| {
        let (code, stdout, stderr) = repository.run(&[&["-v"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (0, ""));
        stdout
    };
    assert_eq!(verbose(&["pkg/a", "pkg/v"]), CLEAN);

    repository.write("pkg/a/new", "n");
    repository.write("lib/l", "changed\n");
    assert_eq!(verbose(&["-C", "pkg/a", "."]), DIRTY);
    assert_eq!(verbose(&["--org=x", "--hash=0123456789", "--force-dirty", "pkg/v"]), GIVEN);
    assert_eq!(verbose(&["--hash-commit=@", "--hash-path=pkg", "--tag=t-{{.Hash}}", "pkg/v"]), OTHER);
}

const CLEAN: &str = "\
acme/a:83f56dc88d054ded7ef9324d7ce75b41c6f3275e
  package   pkg/a
  commit    7137247b6b3d3b476cf60874b403500f753bfd2a
  tree      8daaa33c4d8fff8da48da039a6d9c7540c4135e7
  source    b529198f398cbc52f3750968c80e9bfe0ca8b231 lib as vendor/lib
  hash      83f56dc88d054ded7ef9324d7ce75b41c6f3275e (SHA-1 of tree and sources)
linuxkit/v:v1-27e31fe
  package   pkg/v
  commit    7137247b6b3d3b476cf60874b403500f753bfd2a
  tree      27e31fef9b114ba2ec05f4994cccab067a128ef8
  template  v1-{{slice .Hash 0 7}} (build.yml)
";
const DIRTY: &str = "\
acme/a:83f56dc88d054ded7ef9324d7ce75b41c6f3275e-dirty-f09d80c
  package   pkg/a
  commit    7137247b6b3d3b476cf60874b403500f753bfd2a
  tree      8daaa33c4d8fff8da48da039a6d9c7540c4135e7
  source    b529198f398cbc52f3750968c80e9bfe0ca8b231 ../../lib as vendor/lib
  hash      83f56dc88d054ded7ef9324d7ce75b41c6f3275e-dirty-f09d80c (SHA-1 of tree and sources, SHA-256 of the content, dirty sources included)
  dirty     new is neither committed nor ignored
  dirty     ../../lib/l differs from HEAD, in an extra source
";
const GIVEN: &str = "\
x/v:v1-0123456
  package   pkg/v
  identity  linuxkit/v:v1-27e31fe
  commit    7137247b6b3d3b476cf60874b403500f753bfd2a
  tree      27e31fef9b114ba2ec05f4994cccab067a128ef8
  hash      0123456789 (--hash)
  template  v1-{{slice .Hash 0 7}} (build.yml)
  dirty     --force-dirty
";
const OTHER: &str = "\
linuxkit/v:t-6515df434e56f6884d754eff110798101e5d1904
  package   pkg/v
  identity  linuxkit/v:v1-27e31fe
  commit    7137247b6b3d3b476cf60874b403500f753bfd2a (--hash-commit @: nothing counts as dirty)
  tree      6515df434e56f6884d754eff110798101e5d1904 of pkg (--hash-path)
  template  t-{{.Hash}} (--tag)
";

#[test]
fn an_empty_variable_is_no_org_and_a_hook_does_not_choose_the_repository() {
    let (repository, other) = (Repository::new(1), Repository::new(2));
    let mut command = repository.show_tag(&["pkg/p0"]);
    command.env("LINUXKIT_PKG_ORG", "").env("GIT_DIR", other.0.path().join(".git")).env("GIT_INDEX_FILE", "/nowhere");
    let stdout = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(stdout, repository.run(&["pkg/p0"]).1);
    assert!(stdout.starts_with("linuxkit/p0:") && !stdout.contains("dirty"), "{stdout}");
}

#[test]
fn without_git_there_is_no_tag() {
    let repository = Repository::new(1);
    let output = repository.show_tag(&["pkg/p0"]).env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("git::missing"));
}

#[derive(Debug)]
struct Row {
    arguments: String,
    succeeded: bool,
    stdout: String,
    /// Shown when the row differs.
    #[expect(dead_code, reason = "read by the derived Debug")]
    stderr: String,
}

fn table(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.splitn(5, '\t').collect();
        let [id, arguments, exit, stdout, stderr] = columns[..] else { panic!("{line}") };
        let row = Row {
            arguments: arguments.to_owned(),
            succeeded: exit == "0",
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        assert!(rows.insert(id.to_owned(), row).is_none(), "{id} twice");
    }
    rows
}
