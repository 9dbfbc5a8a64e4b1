//! Holds `docs/statements.md` to the tests: each one that it names exists, and each row names one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a function of this name is there and an attribute above it makes it a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let opening = format!("fn {name}(");
    let defined = |line: &str| line.strip_prefix("async ").unwrap_or(line).starts_with(&opening);
    let attributes = |at: usize| lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    (0..lines.len()).any(|at| {
        let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        defined(lines[at]) && attributes(at).any(is_test)
    })
}

#[test]
fn every_statement_names_tests_that_exist() {
    let page = read("docs/statements.md");
    let cases = read("tests/golden/show-tag/cases.tsv");
    let cases: BTreeSet<&str> = cases.lines().filter_map(|line| line.split('\t').next()).collect();
    let mut sources = BTreeMap::new();
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| statement")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [statement, _, shown] = cells[..] else { panic!("three cells: {line}") };
        let mut tests = 0;
        for named in shown.split('`').skip(1).step_by(2) {
            let exists = match named.split_once(": ") {
                Some((file, test)) => {
                    tests += 1;
                    has_test(sources.entry(file.to_owned()).or_insert_with(|| read(file)), test)
                }
                None => cases.contains(named),
            };
            if !exists {
                wrong.push(named.to_owned());
            }
        }
        if tests == 0 {
            wrong.push(format!("no test: {statement}"));
        }
        rows += 1;
    }
    assert!(rows > 60, "{rows}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_a_function_with_the_attribute_is_a_test() {
    let source = "#[test]\n#[ignore]\nfn a() {}\nfn b() {}\n    #[tokio::test(flavor = \"x\")]\n    async fn c() {}\n";
    assert!(has_test(source, "a") && has_test(source, "c"));
    assert!(!has_test(source, "b") && !has_test(source, "ignore"));
}
