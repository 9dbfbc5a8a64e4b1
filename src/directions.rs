//! The layout is the architecture: the documentation of the crate lists all modules of the first level in an order, and each
//! imports only modules above it.
//!
//! Read from the sources, without what only tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// What each module of the first level names of the others.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in WalkDir::new(&source).into_iter().map(Result::unwrap) {
        let path = file.path().strip_prefix(&source).unwrap();
        let only_tests =
            path.iter().any(|part| ["tests", "tests.rs", "testing.rs", "stub.rs"].map(Some).contains(&part.to_str()));
        if path.extension().is_none_or(|extension| extension != "rs") || only_tests {
            continue;
        }
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(file.path()).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let others = text.split("crate::").skip(1).flat_map(named).filter(|other| *other != module);
        imports.entry(module.clone()).or_default().extend(others);
    }
    for outside in ["lib", "main", "directions"] {
        imports.remove(outside);
    }
    imports
}

/// The modules that are named right after `crate::`: one, or several in braces.
fn named(rest: &str) -> Vec<String> {
    let word = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut names) = (0, vec![word(group)]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn all_modules_of_a_group_are_seen() {
    assert_eq!(named("plan::{a, b};"), ["plan"]);
    assert_eq!(
        named("{page, pins::{self, list},\n    settings as s,\n};\nuse x::{y, z};"),
        ["page", "pins", "settings"]
    );
}

#[test]
fn every_module_has_its_place_and_imports_only_those_above_it() {
    let rows = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | "));
    let order: Vec<&str> =
        rows.map(|(module, _)| module.trim_matches(|c| "[`]".contains(c))).filter(|it| *it != "module").collect();
    let imports = imports();
    assert!(imports["cli"].contains("page") && imports["plan"].contains("graph"), "{imports:#?}");
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), imports.keys().map(String::as_str).collect());
    for (place, module) in order.iter().enumerate() {
        for import in &imports[*module] {
            assert!(order[..place].contains(&import.as_str()), "`{module}` imports `{import}`, which is below it");
        }
    }
}
