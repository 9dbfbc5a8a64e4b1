//! The JSON Schema that editors check a kitmake.yml with is the one that the types give, and what the documentation shows
//! can be read.

use std::path::Path;

use super::file::File;
use super::*;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether the schema is to be written anew")]
fn the_schema_is_that_of_the_types() {
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap();
    text.push('\n');
    let path = project().join("docs/kitmake.schema.json");
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == text, "docs/kitmake.schema.json differs from the types; `UPDATE=1 cargo test schema` writes it");
}

/// The blocks of a page that show a kitmake.yml.
fn shown(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project().join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

#[test]
fn what_the_documentation_shows_can_be_read() {
    for (page, least) in [("README.md", 1), ("docs/kitmake-yml.md", 8)] {
        let blocks = shown(page);
        assert!(blocks.len() >= least, "{page} shows {}", blocks.len());
        for text in blocks {
            // Where an image is declared there is no build.yml.
            let exists = |path: &str| !path.starts_with("tools/alpine/") || path.ends_with("Dockerfile");
            let read = parse(&SourceFile::new(FILE_NAME, text.as_str()), &exists);
            assert!(read.is_ok(), "{page}: {:?}\n{text}", read.err());
        }
    }
}

#[test]
fn the_documentation_names_every_key() {
    let page = std::fs::read_to_string(project().join("docs/kitmake-yml.md")).unwrap();
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    let schema = serde_json::to_value(&schema).unwrap();
    let keys = |object: &serde_json::Value| -> Vec<String> {
        object["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let definitions =
        schema["$defs"].as_object().unwrap().values().filter(|definition| definition["properties"].is_object());
    let all: Vec<String> = keys(&schema).into_iter().chain(definitions.flat_map(keys)).collect();
    assert!(all.len() > 20, "{all:?}");
    for key in all {
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("`{key}:")), "{key} is not explained");
    }
}
