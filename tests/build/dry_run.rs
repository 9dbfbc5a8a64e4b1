//! A dry run prints the plan and changes nothing anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::Bench;
use crate::support::output;

/// Every file below a directory with its content and time of change.
fn state(directory: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let files = WalkDir::new(directory).into_iter().filter_map(Result::ok).map(|entry| {
        let metadata = entry.path().symlink_metadata().unwrap();
        let bytes = if metadata.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.path().display().to_string(), (bytes, metadata.modified().unwrap()))
    });
    files.collect()
}

#[test]
fn a_dry_run_is_the_plan_and_writes_nowhere() {
    let bench = Bench::new();
    bench.kitmake(&["push", "pkg/ca-certificates"]).with_code(0);
    bench.kitmake(&["build", "pkg/recovery"]).with_code(0);
    // An ignored file has to be hashed, which is what a run remembers.
    bench.monorepo.write(".git/info/exclude", "*.generated\n");
    bench.monorepo.write("pkg/vtpm/x.generated", "generated\n");
    let home = tempfile::tempdir().unwrap();
    let place = bench.monorepo.root().parent().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let mut command = bench.monorepo.kitmake_command(arguments);
        output(command.env("HOME", home.path())).with_code(0)
    };
    let before = (state(&place), bench.images(), bench.registry.writes());
    let plan = run(&["plan", ".", "--push"]);
    assert_eq!(run(&["build", ".", "--push", "--dry-run"]).stdout, plan.stdout);
    assert_eq!(run(&["push", ".", "-n"]).stdout, plan.stdout);
    let three = run(&["plan", ".", "--push", "-j", "3"]);
    assert_eq!(run(&["build", ".", "--push", "-n", "-j", "3", "-k"]).stdout, three.stdout);
    assert!(plan.stdout.starts_with("fetch 2, build 20, push 21, index 21; "), "{}", plan.stdout);
    let json = run(&["plan", ".", "--push", "--format", "json"]);
    assert_eq!(run(&["plan", ".", "--push", "--format", "json"]).stdout, json.stdout);
    assert_eq!(run(&["build", ".", "--push", "-n", "--format", "json"]).stdout, json.stdout);
    run(&["graph", "--format", "json"]);
    run(&["show-tag", "pkg/vtpm"]);
    let after = (state(&place), bench.images(), bench.registry.writes());
    let changed: Vec<&String> =
        after.0.iter().filter(|(path, state)| before.0.get(*path) != Some(*state)).map(|(path, _)| path).collect();
    assert_eq!(changed, Vec::<&String>::new());
    assert_eq!(before.0.len(), after.0.len());
    assert_eq!((before.1, before.2), (after.1, after.2));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}
