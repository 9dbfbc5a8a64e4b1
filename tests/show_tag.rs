//! `kitmake show-tag` against what the real `linuxkit pkg show-tag` printed in the same 194 states of a repository.
//!
//! `tests/golden/show-tag/cases.sh` makes the states and runs the program behind `$LK`; the table beside it is what
//! linuxkit printed. The exit code must agree in zero against non-zero; the wording of errors is our own.

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
