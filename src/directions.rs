//! The layout is the architecture: no module of the first level imports one that imports it, directly or not, and each is
//! explained where the library is.
//!
//! Read from the sources, without what only tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use petgraph::algo::toposort;
use petgraph::graphmap::DiGraphMap;
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
        let others = text.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let others: BTreeSet<String> = others.filter(|other| !other.is_empty() && *other != module).collect();
        imports.entry(module).or_default().extend(others);
    }
    for outside in ["lib", "main", "directions"] {
        imports.remove(outside);
    }
    imports
}

#[test]
fn no_module_imports_one_that_imports_it() {
    let imports = imports();
    assert!(imports["cli"].contains("pipeline") && imports["plan"].contains("graph"), "{imports:#?}");
    let edges = imports.iter().flat_map(|(from, others)| others.iter().map(|to| (from.as_str(), to.as_str())));
    let graph: DiGraphMap<&str, ()> = edges.collect();
    let circle = toposort(&graph, None).map_err(|circle| circle.node_id().to_owned());
    assert!(circle.is_ok(), "{circle:?} imports itself by way of others: {imports:#?}");
}

#[test]
fn every_module_is_explained_where_the_library_is() {
    let library = include_str!("lib.rs");
    for module in imports().keys() {
        let named = [format!("[`{module}`]"), format!("`{module}`")];
        assert!(named.iter().any(|name| library.contains(name)), "`{module}` is not in the documentation of the crate");
    }
}
