//! index.json: the names of a layout, and what each stands for.
//!
//! Other programs write it too, so that fields and entries that are not understood stay as they are, and so does the
//! order of the entries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::blobs::{Blobs, absent};
use super::error::Error;
use crate::image::{Platform, Reference};
use crate::registry::{Descriptor, Entry, Index, media_type};

/// The annotation that names an entry.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";

/// The file as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Root {
    #[serde(deserialize_with = "null_is_empty")]
    manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// What a media type says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// For one platform.
    Image,
    /// For several platforms.
    Index,
}

impl Root {
    /// A layout without names.
    fn empty() -> Self {
        let rest = [("schemaVersion", Value::from(2)), ("mediaType", Value::from(media_type::OCI_INDEX))];
        Self { manifests: Vec::new(), rest: rest.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join("index.json")
    }

    /// A file that is not there has no names; one that cannot be read or parsed is an error. The lock is the caller's.
    pub(super) fn read(directory: &Path) -> Result<Self, Error> {
        let path = Self::path(directory);
        match absent(std::fs::read(&path), &path)? {
            None => Ok(Self::empty()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::malformed(&path, &error)),
        }
    }

    /// Replaces the file. The lock is the caller's.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).expect("a root holds only text, numbers and what was JSON before");
        Blobs::of(directory).replace(&Self::path(directory), &bytes)
    }

    /// The entries that a reference means: images before indexes, as linuxkit looks for them.
    pub(super) fn named(&self, image: &Reference) -> Vec<(Kind, &Entry)> {
        let name = name(image);
        let meant = |entry: &Entry| match image.digest() {
            Some(digest) => entry.descriptor().digest == digest,
            None => entry.annotations().get(NAME) == Some(&name),
        };
        let entries = self.manifests.iter().filter(|entry| meant(entry));
        let mut entries: Vec<_> = entries.filter_map(|entry| Some((kind(entry.descriptor())?, entry))).collect();
        entries.sort_by_key(|(kind, _)| *kind);
        entries
    }

    /// Makes a name stand for this entry alone.
    pub(super) fn set(&mut self, image: &Reference, entry: Entry) {
        let name = name(image);
        self.manifests.retain(|entry| entry.annotations().get(NAME) != Some(&name));
        self.manifests.push(entry.with_annotation(NAME, &name));
    }
}

/// How linuxkit writes the name of an image: in full, with its tag.
pub(super) fn name(image: &Reference) -> String {
    image.canonical().with_tag(image.tag().unwrap_or("latest")).to_string()
}

/// What an entry is; `None` for what is neither image nor index.
pub(super) fn kind(descriptor: &Descriptor) -> Option<Kind> {
    match descriptor.media_type.as_str() {
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Some(Kind::Image),
        media_type::OCI_INDEX | media_type::DOCKER_LIST => Some(Kind::Index),
        _ => None,
    }
}

/// The image of an index for a platform. linuxkit goes by operating system and architecture; so does this where no
/// variant is asked for, and prefers the entry that is exactly for the platform.
pub(super) fn choose<'i>(index: &'i Index, wanted: &Platform) -> Option<&'i Entry> {
    let mut images = index.entries().iter().filter(|entry| kind(entry.descriptor()) == Some(Kind::Image));
    let same = |entry: &&Entry| {
        let alike = |found: Platform| found.os() == wanted.os() && found.architecture() == wanted.architecture();
        wanted.variant().is_none() && entry.platform().is_some_and(alike)
    };
    images.clone().find(|entry| entry.serves(wanted)).or_else(|| images.find(same))
}

/// An empty list as Go writes it.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::digest;

    fn descriptor(media_type: &str, content: &str) -> Descriptor {
        Descriptor { media_type: media_type.to_owned(), digest: digest(content.as_bytes()), size: 1 }
    }

    fn manifest(platform: &str, content: &str) -> Entry {
        Entry::new(descriptor(media_type::OCI_MANIFEST, content), &platform.parse().unwrap())
    }

    fn image(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn chosen(index: &Index, platform: &str) -> Option<String> {
        choose(index, &platform.parse().unwrap()).map(|entry| entry.descriptor().digest.clone())
    }

    #[test]
    fn a_name_is_written_in_full() {
        assert_eq!(name(&image("linuxkit/init:abc")), "docker.io/linuxkit/init:abc");
        assert_eq!(name(&image("alpine")), "docker.io/library/alpine:latest");
        assert_eq!(name(&image("reg.io:5000/a:1")), "reg.io:5000/a:1");
    }

    #[test]
    fn a_name_that_is_set_replaces_all_that_had_it_and_nothing_else() {
        let mut root = Root::empty();
        root.set(&image("a/b:1"), manifest("linux/amd64", "old"));
        root.set(&image("a/c:1"), manifest("linux/amd64", "other"));
        let twice = manifest("linux/arm64", "twice").with_annotation(NAME, "docker.io/a/b:1");
        root.manifests.push(twice);
        root.set(&image("docker.io/a/b:1"), manifest("linux/amd64", "new"));
        let digests: Vec<_> = root.manifests.iter().map(|entry| entry.descriptor().digest.clone()).collect();
        assert_eq!(digests, [digest(b"other"), digest(b"new")]);
    }

    #[test]
    fn what_is_not_understood_is_written_as_it_was_read() {
        let text = concat!(
            r#"{"manifests":[{"mediaType":"m","digest":"d","size":1,"annotations":{"k":"v"},"urls":["u"]}],"#,
            r#""annotations":{"a":"b"},"schemaVersion":2,"subject":{"x":[null]}}"#
        );
        let mut root: Root = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&root).unwrap(), text);
        root.set(&image("a:1"), manifest("linux/amd64", "new"));
        assert_eq!(root.manifests.len(), 2);
    }

    #[test]
    fn an_empty_list_may_be_null_and_no_list_is_an_error() {
        assert!(serde_json::from_str::<Root>(r#"{"schemaVersion":2,"manifests":null}"#).is_ok());
        for wrong in ["", "[]", "{}", r#"{"manifests":{}}"#, r#"{"manifests":[{}]}"#, r#"{"manifests":[]"#] {
            assert!(serde_json::from_str::<Root>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn images_are_looked_at_before_indexes_and_a_digest_names_its_entry() {
        let mut root = Root::empty();
        let index: Entry = descriptor(media_type::OCI_INDEX, "index").into();
        root.set(&image("a:1"), index);
        let plain = manifest("linux/amd64", "plain").with_annotation(NAME, "docker.io/library/a:1");
        root.manifests.push(plain.clone());
        let unknown: Entry = descriptor("application/x", "other").into();
        root.manifests.push(unknown.with_annotation(NAME, "docker.io/library/a:1"));
        let kinds: Vec<_> = root.named(&image("a:1")).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Image, Kind::Index]);
        let by_digest = image(&format!("any/name@{}", digest(b"plain")));
        assert_eq!(root.named(&by_digest), [(Kind::Image, &plain)]);
        assert_eq!(root.named(&image("a:2")), []);
    }

    #[test]
    fn a_variant_matters_only_where_it_is_asked_for() {
        let index = Index::union(
            None,
            &[manifest("linux/arm/v6", "6"), manifest("linux/arm64/v8", "8"), manifest("x/arm", "x")],
        );
        assert_eq!(chosen(&index, "linux/arm64"), Some(digest(b"8")));
        assert_eq!(chosen(&index, "linux/arm"), Some(digest(b"6")));
        assert_eq!(chosen(&index, "linux/arm/v7"), None);
        assert_eq!(chosen(&index, "linux/amd64"), None);
        let both = Index::union(Some(&index), &[manifest("linux/arm/v7", "7")]);
        assert_eq!(chosen(&both, "linux/arm"), Some(digest(b"7")));
        assert_eq!(chosen(&both, "linux/arm/v6"), Some(digest(b"6")));
    }
}
