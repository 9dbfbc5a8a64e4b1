//! The index of an image: which manifest serves which platform.
//!
//! An index is written again and again as platforms are added to it, by this program and by others. So everything that
//! is not understood is kept: unknown fields of entries, entries of other platforms, their annotations, and the
//! attestations that builders add for them. Entries are in one order, so that the same entries are the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::descriptor::{Descriptor, media_type, platform};
use crate::image::Platform;

/// On an attestation: the digest of the manifest it speaks of.
const ATTESTED: &str = "vnd.docker.reference.digest";

/// The manifests of an image, by platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    manifests: Vec<Entry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// One manifest of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The manifest.
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Words>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A platform as an index spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Words {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Entry {
    /// The manifest of an image for a platform.
    #[must_use]
    pub fn new(descriptor: Descriptor, platform: &Platform) -> Self {
        let words = Words {
            architecture: platform.architecture().to_owned(),
            os: platform.os().to_owned(),
            variant: platform.variant().map(str::to_owned),
            rest: BTreeMap::new(),
        };
        Self { descriptor, platform: Some(words), annotations: BTreeMap::new(), rest: BTreeMap::new() }
    }

    /// The same entry with one more annotation.
    #[must_use]
    pub fn with_annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The manifest.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What the manifest is for, as written; `None` for an attestation and for an entry that does not say.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        let words = self.platform.as_ref()?;
        let known = platform(&words.os, &words.architecture, words.variant.as_deref())?;
        (known.os() != "unknown").then_some(known)
    }

    /// Annotations by name.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Whether it serves this platform: a variant that an architecture has anyway may be left out on either side.
    #[must_use]
    pub fn serves(&self, wanted: &Platform) -> bool {
        self.platform().is_some_and(|platform| platform.normal() == wanted.normal())
    }

    /// The digest of the manifest that this attestation speaks of; `None` if it is no attestation.
    #[must_use]
    pub fn attests(&self) -> Option<&str> {
        let unknown =
            self.platform.as_ref().is_some_and(|words| words.os == "unknown" && words.architecture == "unknown");
        if unknown { self.annotations.get(ATTESTED).map(String::as_str) } else { None }
    }

    /// Platforms by name, then entries without one, then attestations.
    fn place(&self) -> (bool, bool, String, String, &str) {
        let name = self.platform().map(|platform| platform.to_string());
        let more = self.platform.as_ref().map(|words| format!("{:?}", words.rest)).unwrap_or_default();
        (self.attests().is_some(), name.is_none(), name.unwrap_or_default(), more, &self.descriptor.digest)
    }
}

/// An entry that does not say which platform it is for.
impl From<Descriptor> for Entry {
    fn from(descriptor: Descriptor) -> Self {
        Self { descriptor, platform: None, annotations: BTreeMap::new(), rest: BTreeMap::new() }
    }
}

impl Index {
    /// Reads an index of either generation.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The entries, in the order they were read, or in the one order of a [union](Self::union).
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.manifests
    }

    /// Annotations of the index as a whole.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The entry that serves a platform.
    #[must_use]
    pub fn entry(&self, wanted: &Platform) -> Option<&Entry> {
        self.manifests.iter().find(|entry| entry.serves(wanted))
    }

    /// `existing` with `entries` in the place of what it has for their platforms. Of two entries for one platform the
    /// later counts. An entry that is there already stays as it is, with its annotations, and so does every entry of
    /// another platform; an attestation stays if the manifest it speaks of does.
    #[must_use]
    pub fn union(existing: Option<&Self>, entries: &[Entry]) -> Self {
        let apart = |entries: &'_ [Entry]| -> (Vec<Entry>, Vec<Entry>) {
            entries.iter().cloned().partition(|entry| entry.attests().is_some())
        };
        let (mut attestations, images) = apart(existing.map(Self::entries).unwrap_or_default());
        let (new_attestations, new_images) = apart(entries);
        attestations.extend(new_attestations);
        let fresh: BTreeMap<_, _> =
            new_images.iter().map(|entry| (entry.platform().map(|platform| platform.normal()), entry)).collect();

        let mut manifests: Vec<Entry> = Vec::new();
        for entry in images {
            let replaced = entry.platform().and_then(|platform| fresh.get(&Some(platform.normal())));
            if replaced.is_none_or(|new| new.descriptor.digest == entry.descriptor.digest)
                && !manifests.contains(&entry)
            {
                manifests.push(entry);
            }
        }
        for (platform, entry) in fresh {
            let same = |old: &Entry| {
                old.platform().map(|platform| platform.normal()) == platform
                    && old.descriptor.digest == entry.descriptor.digest
            };
            if !manifests.iter().any(same) {
                manifests.push(entry.clone());
            }
        }
        let present: BTreeSet<String> = manifests.iter().map(|entry| entry.descriptor.digest.clone()).collect();
        for entry in attestations {
            if entry.attests().is_some_and(|digest| present.contains(digest)) && !manifests.contains(&entry) {
                manifests.push(entry);
            }
        }
        manifests.sort_by(|a, b| a.place().cmp(&b.place()));
        Self { manifests, annotations: existing.map(|index| index.annotations.clone()).unwrap_or_default() }
    }

    /// Whether this index lists all images of another, each for the same platform, so that the other may be an earlier
    /// state of it. That an index lists nothing says nothing.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let mut images = other.manifests.iter().filter(|entry| entry.attests().is_none()).peekable();
        let normal = |entry: &Entry| entry.platform().map(|platform| platform.normal());
        let listed = |image: &Entry| {
            let same = |own: &&Entry| own.descriptor.digest == image.descriptor.digest;
            self.manifests.iter().filter(same).any(|own| normal(own) == normal(image))
        };
        images.peek().is_some() && images.all(listed)
    }

    /// The same index with these annotations in the place of those of the same name.
    #[must_use]
    pub fn with_annotations(mut self, annotations: &BTreeMap<String, String>) -> Self {
        self.annotations.extend(annotations.clone());
        self
    }

    /// The entry that serves a platform, and the attestations of it.
    #[must_use]
    pub fn of(&self, wanted: &Platform) -> Vec<Entry> {
        let Some(image) = self.entry(wanted) else { return Vec::new() };
        let attests = |entry: &&Entry| entry.attests() == Some(image.descriptor.digest.as_str());
        [image].into_iter().chain(self.manifests.iter().filter(attests)).cloned().collect()
    }

    /// Whether both have the same entries, in whatever order, whatever is annotated to the index as a whole. An index
    /// whose union with what is to be added has the same entries need not be written.
    #[must_use]
    pub fn same_entries(&self, other: &Self) -> bool {
        let sorted = |index: &Self| {
            let mut entries = index.manifests.clone();
            entries.sort_by(|a, b| a.place().cmp(&b.place()));
            entries
        };
        sorted(self) == sorted(other)
    }

    /// The bytes to be written, as [`media_type::OCI_INDEX`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct File<'i> {
            schema_version: u32,
            media_type: &'static str,
            #[serde(flatten)]
            index: &'i Index,
        }
        let file = File { schema_version: 2, media_type: media_type::OCI_INDEX, index: self };
        serde_json::to_vec(&file).expect("an index holds only text, numbers and what was JSON before")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::content::digest;
    use super::*;

    fn descriptor(content: &str) -> Descriptor {
        Descriptor { media_type: media_type::DOCKER_MANIFEST.to_owned(), digest: digest(content.as_bytes()), size: 1 }
    }

    fn entry(platform: &str, content: &str) -> Entry {
        Entry::new(descriptor(content), &platform.parse().unwrap())
    }

    fn attestation(of: &str) -> Entry {
        let mut attestation = entry("unknown/unknown", &format!("attestation of {of}"));
        attestation.annotations.insert(ATTESTED.to_owned(), digest(of.as_bytes()));
        attestation
    }

    fn index(manifests: Vec<Entry>) -> Index {
        Index { manifests, annotations: BTreeMap::new() }
    }

    fn digests(index: &Index) -> Vec<&str> {
        index.manifests.iter().map(|entry| entry.descriptor.digest.as_str()).collect()
    }

    #[test]
    fn a_new_platform_joins_and_a_rebuilt_one_is_replaced() {
        let old = index(vec![entry("linux/arm64", "a"), entry("linux/amd64", "b")]);
        let new = Index::union(Some(&old), &[entry("linux/amd64", "c"), entry("linux/riscv64", "d")]);
        assert_eq!(digests(&new), [digest(b"c"), digest(b"a"), digest(b"d")]);
        assert_eq!(new.entry(&"linux/amd64".parse().unwrap()), Some(&entry("linux/amd64", "c")));
    }

    #[test]
    fn an_index_contains_its_earlier_states_whatever_they_attest() {
        let [amd64, arm64] = ["linux/amd64", "linux/arm64"].map(|platform| entry(platform, platform));
        let of = |entries: &[Entry]| Index::union(None, entries);
        let whole = of(&[amd64.clone(), arm64.clone()]);
        let earlier = of(&[amd64.clone(), attestation("linux/amd64")]);
        assert!(whole.contains(&earlier) && whole.contains(&whole));
        assert!(!earlier.contains(&whole), "it lacks a platform");
        assert!(!whole.contains(&of(&[entry("linux/amd64", "another image")])));
        assert!(!whole.contains(&of(&[entry("linux/s390x", "linux/amd64")])), "another platform");
        assert!(!whole.contains(&of(&[])));
    }

    #[test]
    fn attestations_stay_with_their_manifest_and_go_with_it() {
        let old = index(vec![
            attestation("b"),
            attestation("a"),
            attestation("nothing here"),
            entry("linux/arm64", "a"),
            entry("linux/amd64", "b"),
        ]);
        let new = Index::union(Some(&old), &[entry("linux/amd64", "c")]);
        assert_eq!(new.manifests, [entry("linux/amd64", "c"), entry("linux/arm64", "a"), attestation("a")]);
        assert_eq!(attestation("a").platform(), None);
    }

    #[test]
    fn an_entry_that_is_there_already_stays_as_it_is() {
        let mut known = entry("linux/arm64/v8", "a");
        known.annotations.insert("note".to_owned(), "kept".to_owned());
        let old = index(vec![known.clone()]);
        let new = Index::union(Some(&old), &[entry("linux/arm64", "a")]);
        assert_eq!(new.manifests, [known]);
        assert!(new.same_entries(&old));
    }

    #[test]
    fn what_is_not_understood_is_written_as_it_was_read() {
        let text = format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#,
                r#"{{"mediaType":"m","digest":"{0}","size":3,"platform":{{"architecture":"amd64","os":"windows","#,
                r#""os.version":"10.0"}},"annotations":{{"k":"v"}},"urls":["u"]}}],"annotations":{{"top":"level"}}}}"#
            ),
            digest(b"x")
        );
        let old = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(Index::union(Some(&old), &[]).to_bytes()).unwrap(), text);
    }

    #[test]
    fn equality_of_entries_ignores_order_and_what_is_annotated_to_the_whole() {
        let mut a = index(vec![entry("linux/arm64", "a"), entry("linux/amd64", "b")]);
        let b = index(vec![entry("linux/amd64", "b"), entry("linux/arm64", "a")]);
        a.annotations.insert("when".to_owned(), "now".to_owned());
        assert!(a.same_entries(&b));
        assert!(!a.same_entries(&index(vec![entry("linux/amd64", "b")])));
        assert!(!a.same_entries(&index(vec![entry("linux/amd64", "c"), entry("linux/arm64", "a")])));
    }

    #[test]
    fn an_entry_without_platform_stays_and_odd_words_are_no_platform() {
        let text = format!(
            concat!(
                r#"{{"manifests":[{{"mediaType":"m","digest":"{}","size":1}},"#,
                r#"{{"mediaType":"m","digest":"{}","size":1,"platform":{{"os":"","architecture":"a b"}}}}]}}"#
            ),
            digest(b"x"),
            digest(b"y")
        );
        let old = Index::parse(text.as_bytes()).unwrap();
        assert!(old.entries().iter().all(|entry| entry.platform().is_none()));
        assert_eq!(Index::union(Some(&old), &[entry("linux/amd64", "b")]).entries().len(), 3);
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let platforms =
            prop::sample::select(vec!["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v7", "linux/arm"]);
        let image = (platforms, 0..4u8).prop_map(|(platform, content)| entry(platform, &content.to_string()));
        let attestation = (0..4u8).prop_map(|content| attestation(&content.to_string()));
        prop::collection::vec(prop_oneof![3 => image, 1 => attestation], 0..8)
    }

    proptest! {
        #[test]
        fn adding_the_same_twice_changes_nothing(old in entries(), new in entries()) {
            let new: Vec<Entry> = new.into_iter().filter(|entry| entry.attests().is_none()).collect();
            let once = Index::union(Some(&index(old)), &new);
            let twice = Index::union(Some(&once), &new);
            prop_assert_eq!(once.to_bytes(), twice.to_bytes());
            prop_assert!(once.same_entries(&twice));
            for entry in &new {
                prop_assert!(once.entries().iter().any(|there| there.serves(&entry.platform().unwrap())));
            }
        }

        #[test]
        fn the_order_of_what_is_there_does_not_matter(old in entries(), new in entries()) {
            let mut reversed = old.clone();
            reversed.reverse();
            prop_assert_eq!(
                Index::union(Some(&index(old)), &new).to_bytes(),
                Index::union(Some(&index(reversed)), &new).to_bytes()
            );
        }
    }
}
