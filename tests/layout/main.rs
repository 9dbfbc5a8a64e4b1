//! linuxkit's cache as an OCI image layout: against a real Docker Engine, with skopeo as an independent reader and writer
//! of layouts, and with several processes and linuxkit's lock.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[path = "../support/mod.rs"]
mod support;

mod engine;
mod states;
mod writers;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use kitmake::image::{Platform, Reference};
use kitmake::layout::{Layout, Stored};
use kitmake::registry::digest;
use serde_json::{Value, json};

fn image(text: &str) -> Reference {
    text.parse().unwrap()
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn find(layout: &Layout, name: &str, wanted: &str) -> Option<Stored> {
    layout.find(&[(&image(name), &platform(wanted))]).unwrap().remove(0)
}

fn index_json(layout: &Layout) -> Value {
    serde_json::from_slice(&fs::read(layout.directory().join("index.json")).unwrap()).unwrap()
}

fn write_index_json(layout: &Layout, value: &Value) {
    fs::write(layout.directory().join("index.json"), value.to_string()).unwrap();
}

/// The entries of index.json by name.
fn names(layout: &Layout) -> BTreeMap<String, Value> {
    let index = index_json(layout);
    let entries = index["manifests"].as_array().unwrap().iter();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned();
    entries.map(|entry| (name(entry), entry.clone())).collect()
}

fn blob(layout: &Layout, digest: &str) -> PathBuf {
    layout.directory().join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
}

fn read_blob(layout: &Layout, digest: &Value) -> Value {
    serde_json::from_slice(&fs::read(blob(layout, digest.as_str().unwrap())).unwrap()).unwrap()
}

/// Stores bytes as a blob by hand and returns its descriptor.
fn put(layout: &Layout, media_type: &str, bytes: &[u8]) -> Value {
    let path = blob(layout, &digest(bytes));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// A tar file with one file.
fn layer(text: &str) -> Vec<u8> {
    tar(&[("file", text.as_bytes())])
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn config(wanted: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let platform = platform(wanted);
    json!({
        "os": platform.os(), "architecture": platform.architecture(), "variant": platform.variant(),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"Labels": {"org.kitmake.key": format!("key of {wanted}"), "other": "label"}},
    })
    .to_string()
    .into_bytes()
}

/// A docker-archive with one layer for each text, as an engine would save it.
fn archive(wanted: &str, texts: &[&str]) -> Cursor<Vec<u8>> {
    let layers: Vec<_> = texts.iter().map(|text| layer(text)).collect();
    archive_of(&config(wanted, &layers), &layers)
}

fn archive_of(config: &[u8], layers: &[Vec<u8>]) -> Cursor<Vec<u8>> {
    let paths: Vec<_> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{"Config": "config.json", "RepoTags": null, "Layers": paths}]).to_string();
    let mut files: Vec<(&str, &[u8])> =
        paths.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)).collect();
    files.push(("config.json", config));
    files.push(("manifest.json", manifest.as_bytes()));
    Cursor::new(tar(&files))
}

/// Everything below a directory, with content.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
}
