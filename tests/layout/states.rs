//! What a layout can be found as, whole or not, and what a write makes of it.

use std::fs::{self, File, FileTimes};
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use super::*;

const NAME: &str = "docker.io/kitmake-test/a:1";
const AMD64: &str = "linux/amd64";

fn code<T>(result: Result<T, kitmake::problem::Problem>) -> String {
    result.map(drop).unwrap_err().code()
}

fn stored(layout: &Layout, name: &str, wanted: &str, texts: &[&str]) {
    layout.store(&image(name), &platform(wanted), archive(wanted, texts)).unwrap();
}

fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::at(directory.path().join("some/cache"));
    (directory, layout)
}

#[test]
fn a_directory_that_is_not_there_has_nothing_and_stays_so() {
    let (directory, layout) = layout();
    assert_eq!(find(&layout, NAME, AMD64), None);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    fs::create_dir_all(layout.directory()).unwrap();
    assert_eq!(find(&layout, NAME, AMD64), None);
    assert_eq!(fs::read_dir(layout.directory()).unwrap().count(), 0);
    let sink = layout.archive(&image(NAME), &platform(AMD64), &[], std::io::sink());
    assert_eq!(code(sink), "layout::not_there");
}

#[test]
fn what_was_stored_is_found_under_both_names_with_labels() {
    let (_directory, layout) = layout();
    stored(&layout, "kitmake-test/a:1", AMD64, &["x", "y", "x"]);
    let found = find(&layout, NAME, AMD64).unwrap();
    assert_eq!((found.platform.to_string().as_str(), found.listed), (AMD64, true));
    assert_eq!(found.labels["org.kitmake.key"], "key of linux/amd64");
    let layers: Vec<_> = ["x", "y", "x"].map(layer).into();
    assert_eq!(found.id, digest(&config(AMD64, &layers)));

    let arch = find(&layout, "kitmake-test/a:1-amd64", AMD64).unwrap();
    assert_eq!(arch.digest, found.digest);
    for (name, wanted) in [(NAME, "linux/arm64"), ("kitmake-test/a:2", AMD64), ("quay.io/kitmake-test/a:1", AMD64)] {
        assert_eq!(find(&layout, name, wanted), None, "{name} {wanted}");
    }
    let by_digest = format!("kitmake-test/a@{}", found.digest);
    assert_eq!(find(&layout, &by_digest, AMD64).map(|found| found.id), Some(found.id));
    assert_eq!(find(&layout, &format!("kitmake-test/a:1@{}", digest(b"other")), AMD64), None);
    let mode = fs::metadata(blob(&layout, &found.digest)).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    assert_eq!(mode & 0o044, fs::metadata(layout.directory().join(".lock")).unwrap().permissions().mode() & 0o044);
}

#[test]
fn the_key_label_is_an_annotation_of_both_entries() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x"]);
    let names = names(&layout);
    let index = read_blob(&layout, &names[NAME]["digest"]);
    let (listed, suffixed) = (&index["manifests"][0], &names[&format!("{NAME}-amd64")]);
    for entry in [listed, suffixed] {
        assert_eq!(entry["annotations"]["org.kitmake.key"], "key of linux/amd64");
        assert_eq!(entry["annotations"].get("other"), None);
        assert_eq!(entry["platform"], json!({"os": "linux", "architecture": "amd64"}));
    }
    assert_eq!(listed["digest"], suffixed["digest"]);
}

#[test]
fn a_layout_that_cannot_be_understood_or_read_is_no_absence() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x"]);
    let index = layout.directory().join("index.json");
    let entry = |digest: &str| {
        json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 3,
            "annotations": {"org.opencontainers.image.ref.name": NAME},
        }]})
        .to_string()
    };
    let ask = || layout.find(&[(&image(NAME), &platform(AMD64))]);
    for text in ["", "{", "[]", r#"{"schemaVersion":2}"#, &entry("sha256:../../../index.json"), &entry("sha512:00")] {
        fs::write(&index, text).unwrap();
        assert_eq!(code(ask()), "layout::malformed", "{text}");
        let stored = layout.store(&image(NAME), &platform(AMD64), archive(AMD64, &["y"]));
        assert_eq!(code(stored), "layout::malformed", "{text}");
        assert_eq!(fs::read_to_string(&index).unwrap(), text);
    }
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    assert_eq!(code(ask()), "layout::unreadable");
    let file = Layout::at(index.join("..").join("oci-layout"));
    assert_eq!(code(file.find(&[(&image(NAME), &platform(AMD64))])), "layout::unreadable");
}

#[test]
fn an_image_with_any_blob_missing_or_cut_short_is_not_there_until_it_is_stored_again() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x", "y"]);
    let blobs = contents(&layout.directory().join("blobs"));
    assert_eq!(blobs.len(), 5, "two layers, configuration, manifest and index");
    let index = blob(&layout, names(&layout)[NAME]["digest"].as_str().unwrap());
    for (path, bytes) in &blobs {
        let zeros = vec![0; bytes.len()];
        let mut damages = vec![None, Some(&bytes[..bytes.len() - 1])];
        // A layer is not read to be found: its size tells whether it was written to its end.
        damages.extend((bytes.len() < 1024).then_some(Some(&zeros[..])));
        for damage in damages {
            match damage {
                None => fs::remove_file(path).unwrap(),
                Some(bytes) => fs::write(path, bytes).unwrap(),
            }
            let found = find(&layout, NAME, AMD64);
            if *path == index {
                assert!(!found.unwrap().listed, "the entry with the architecture still has it");
            } else {
                assert_eq!(found, None, "{}", path.display());
            }
            stored(&layout, NAME, AMD64, &["x", "y"]);
            assert!(find(&layout, NAME, AMD64).unwrap().listed, "{}", path.display());
            assert_eq!(contents(&layout.directory().join("blobs")), blobs);
        }
    }
}

#[test]
fn what_is_there_is_not_written_again() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x", "y"]);
    let inodes = || {
        let files = contents(layout.directory()).into_keys();
        files.map(|path| (fs::metadata(&path).unwrap().ino(), path)).collect::<Vec<_>>()
    };
    let before = inodes();
    stored(&layout, NAME, AMD64, &["x", "y"]);
    assert_eq!(inodes(), before);
    stored(&layout, "kitmake-test/b:1", AMD64, &["x", "z"]);
    let after = inodes();
    let unchanged = before.iter().filter(|known| after.contains(known)).count();
    assert_eq!(unchanged, before.len() - 1, "only index.json is another file");
}

#[test]
fn remains_of_dead_writers_harm_nothing_and_old_ones_go() {
    let (_directory, layout) = layout();
    fs::create_dir_all(layout.directory().join("blobs/sha256")).unwrap();
    let (young, old) = (layout.directory().join(".kitmake-young"), layout.directory().join(".kitmake-old"));
    let foreign = layout.directory().join("ingest");
    for path in [&young, &old, &foreign] {
        fs::write(path, "half a la").unwrap();
    }
    let long_ago = FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(25));
    for path in [&old, &foreign] {
        File::options().write(true).open(path).unwrap().set_times(long_ago).unwrap();
    }
    fs::write(blob(&layout, &digest(&layer("x"))), "half a layer").unwrap();
    stored(&layout, NAME, AMD64, &["x"]);
    assert!(find(&layout, NAME, AMD64).is_some());
    assert_eq!(fs::read(blob(&layout, &digest(&layer("x")))).unwrap(), layer("x"));
    assert!(young.exists() && !old.exists() && foreign.exists());
}

#[test]
fn another_platform_joins_and_a_rebuilt_one_is_replaced() {
    let (_directory, layout) = layout();
    let variants = ["linux/arm/v6", "linux/arm/v7", "linux/arm64", AMD64];
    for wanted in variants {
        stored(&layout, NAME, wanted, &["base", wanted]);
    }
    let found: Vec<_> = variants.iter().map(|wanted| find(&layout, NAME, wanted).unwrap()).collect();
    assert_eq!(found.iter().map(|found| found.platform.to_string()).collect::<Vec<_>>(), variants);
    let suffixes = ["", "-amd64", "-arm64", "-armv6", "-armv7"].map(|suffix| format!("{NAME}{suffix}"));
    assert_eq!(names(&layout).into_keys().collect::<Vec<_>>(), suffixes);

    stored(&layout, NAME, AMD64, &["base", "changed"]);
    let index = read_blob(&layout, &names(&layout)[NAME]["digest"]);
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4);
    assert_ne!(find(&layout, NAME, AMD64).unwrap().digest, found[3].digest);
    assert_eq!(find(&layout, NAME, "linux/arm64").as_ref(), Some(&found[2]));
}

#[test]
fn entries_and_fields_of_others_stay_and_are_read() {
    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    let (_directory, layout) = layout();
    let layers = [layer("by hand")];
    let config = put(&layout, "application/vnd.docker.container.image.v1+json", &config("linux/arm64", &layers));
    let layers = [put(&layout, "application/vnd.docker.image.rootfs.diff.tar", &layers[0])];
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let mut entry = put(&layout, MANIFEST, manifest.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": NAME, "note": "kept"});
    let unknown = json!({"mediaType": "application/x", "digest": digest(b"x"), "size": 1, "urls": ["u"]});
    let unnamed = json!({"mediaType": MANIFEST, "digest": digest(b"y"), "size": 1, "annotations": {"a": "b"}});
    write_index_json(&layout, &json!({"schemaVersion": 2, "extra": [1], "manifests": [unknown, entry, unnamed]}));

    let found = find(&layout, NAME, "linux/arm64").unwrap();
    assert!(found.listed && found.platform == platform("linux/arm64"));
    assert_eq!(find(&layout, NAME, AMD64), None, "an image for another architecture is not this one");

    stored(&layout, NAME, AMD64, &["x"]);
    let index = index_json(&layout);
    assert_eq!(index["extra"], json!([1]));
    assert_eq!(index["manifests"][0], unknown);
    assert_eq!(index["manifests"][1], unnamed);
    assert_eq!(find(&layout, NAME, "linux/arm64").unwrap(), found);
    assert!(find(&layout, NAME, AMD64).unwrap().listed);
    let listed = read_blob(&layout, &names_of(&index)[NAME])["manifests"].as_array().unwrap().clone();
    assert_eq!(listed[1]["annotations"], json!({"note": "kept"}));
}

/// Digests by name.
fn names_of(index: &Value) -> BTreeMap<String, Value> {
    let entries = index["manifests"].as_array().unwrap().iter();
    let named = entries.filter_map(|entry| {
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
        Some((name.to_owned(), entry["digest"].clone()))
    });
    named.collect()
}

#[test]
fn an_attestation_of_linuxkit_stays_with_its_image_and_goes_with_it() {
    let (_directory, layout) = layout();
    for wanted in [AMD64, "linux/arm64"] {
        stored(&layout, NAME, wanted, &[wanted]);
    }
    let mut index = read_blob(&layout, &names(&layout)[NAME]["digest"]);
    for number in [0, 1] {
        let of = index["manifests"][number]["digest"].clone();
        index["manifests"].as_array_mut().unwrap().push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(of.to_string().as_bytes()),
            "size": 1, "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of},
        }));
    }
    let mut entry = put(&layout, "application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": NAME});
    write_index_json(&layout, &json!({"schemaVersion": 2, "manifests": [entry]}));

    assert!(find(&layout, NAME, AMD64).is_some());
    assert!(layout.find(&[(&image(NAME), &platform("unknown/unknown"))]).unwrap()[0].is_none());
    stored(&layout, NAME, AMD64, &["rebuilt"]);
    let after = read_blob(&layout, &names(&layout)[NAME]["digest"]);
    let attested: Vec<_> = after["manifests"].as_array().unwrap().iter().skip(2).collect();
    assert_eq!(attested, [&index["manifests"][3]]);
}

#[test]
fn what_is_no_whole_image_for_the_platform_changes_nothing() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x"]);
    let before = contents(layout.directory());
    let (good, other) = (vec![layer("new")], vec![layer("old"), layer("older")]);
    let mut cut = archive(AMD64, &["new"]).into_inner();
    let middle = cut.len() / 2;
    cut.truncate(middle);
    let no_platform = json!({"rootfs": {"diff_ids": [digest(&good[0])]}}).to_string();
    for (expected, archive) in [
        ("layout::wrong_platform", archive("linux/arm64", &["new"])),
        ("layout::wrong_platform", archive_of(no_platform.as_bytes(), &good)),
        ("layout::bad_archive", archive_of(&config(AMD64, &other[..1]), &good)),
        ("layout::bad_archive", archive_of(&config(AMD64, &other), &good)),
        ("layout::bad_archive", archive_of(b"{", &good)),
        ("layout::bad_archive", Cursor::new(cut)),
        ("layout::bad_archive", Cursor::new(Vec::new())),
    ] {
        assert_eq!(code(layout.store(&image(NAME), &platform(AMD64), archive)), expected);
        assert_eq!(contents(layout.directory()), before);
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_of_writing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let layout = Layout::at(directory.path().join("file/cache"));
    let stored = layout.store(&image(NAME), &platform(AMD64), archive(AMD64, &["x"]));
    assert_eq!(code(stored), "layout::unwritable");
}

#[test]
fn an_archive_that_is_taken_out_can_be_stored_as_the_same_image() {
    let (_directory, layout) = layout();
    stored(&layout, NAME, AMD64, &["x", "y", "x"]);
    let mut out = Vec::new();
    let tags = [image("kitmake-test/b:1"), image("kitmake-test/c:1")];
    layout.archive(&image(NAME), &platform(AMD64), &tags, &mut out).unwrap();
    let (_other, copy) = self::layout();
    copy.store(&image(NAME), &platform(AMD64), Cursor::new(out)).unwrap();
    assert_eq!(find(&copy, NAME, AMD64), find(&layout, NAME, AMD64));
}
