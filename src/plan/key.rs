//! The key of a node: a blake3 hash over everything its image is made from.
//!
//! The tree hash in a tag sees the committed files of a package and no more. The key also sees what the build args
//! resolve to, the files of the context that git does not track, the chosen build yml, and the keys of the images that
//! the build really starts from. It is computed from a list of components that can be printed and compared one by one;
//! the key is nothing but the hash of that list.
//!
//! What changes with every commit but not with the image is left out: the revision label, and the build args
//! `REVISION` and `GOPKGVERSION`. So two images with equal keys may differ in bytes, and digests are never compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image::Platform;
use crate::presence::KeyLabel;

/// What a node's image is made from. The serialised form is what is hashed: a change of it is a new
/// [`KeyLabel::VERSION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Components {
    /// [`KeyLabel::VERSION`].
    pub version: u32,
    /// `org/image`.
    pub name: String,
    /// The platform it is built for.
    pub platform: Platform,
    /// Git's tree id of the package directory; none outside git.
    pub tree: Option<String>,
    /// Tree ids of the extra sources, in order, each with its destination in the context.
    pub extra_sources: Vec<(String, String)>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// blake3 of the Dockerfile's text as it is on disk; where its references are pointed elsewhere, `needs` says so.
    pub dockerfile_text: String,
    /// Build args, yml and presets, but not those that change with every commit.
    pub build_args: BTreeMap<String, String>,
    /// Labels, but not those that change with every commit.
    pub labels: BTreeMap<String, String>,
    /// Whether build steps may use the network.
    pub network: bool,
    /// Context path to the digest references of images placed there.
    pub docker_images: BTreeMap<String, Vec<String>>,
    /// Context path to mode and blake3 of the files that the tree ids do not see; `deleted` for a tracked file that is
    /// gone.
    pub files: BTreeMap<String, String>,
    /// Reference and platform of each image of this repository that it is built on, current or stale, with the key of
    /// the image really used; `unknown` where it has none.
    pub needs: BTreeMap<String, String>,
    /// References to all other images, by their text.
    pub external: Vec<String>,
    /// Patterns for what of the package directory does not enter the context.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Stands for the key of a needed image that carries none.
pub const UNKNOWN_ORIGIN: &str = "unknown";

impl Components {
    /// The key of these components.
    #[must_use]
    pub fn label(&self) -> KeyLabel {
        let text = serde_json::to_vec(self).expect("components are maps and lists of strings, which always serialise");
        KeyLabel {
            name: self.name.clone(),
            platform: self.platform.clone(),
            hash: blake3::hash(&text).to_hex().to_string(),
        }
    }

    /// Whether the key itself says all there is to say: a key over an image of unknown origin cannot tell an image
    /// outdated. Nor can one over an image with such a key, which is not seen here.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        self.needs.values().all(|key| key != UNKNOWN_ORIGIN)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Those of a small package.
    pub(in crate::plan) fn components() -> Components {
        Components {
            version: KeyLabel::VERSION,
            name: "fixtures/init".to_owned(),
            platform: Platform::linux("amd64"),
            tree: Some("0".repeat(40)),
            extra_sources: vec![("common".to_owned(), "1".repeat(40))],
            dockerfile: "Dockerfile".to_owned(),
            dockerfile_text: "2".repeat(64),
            build_args: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            labels: BTreeMap::new(),
            network: false,
            docker_images: BTreeMap::new(),
            files: BTreeMap::new(),
            needs: BTreeMap::new(),
            external: Vec::new(),
            exclude: Vec::new(),
        }
    }

    #[test]
    fn every_component_changes_the_key() {
        let key = |change: fn(&mut Components)| {
            let mut components = components();
            change(&mut components);
            components.label().hash
        };
        let changes: [fn(&mut Components); 16] = [
            |_| {},
            |c| c.version += 1,
            |c| c.name.push('x'),
            |c| c.platform = Platform::linux("arm64"),
            |c| c.tree = None,
            |c| c.extra_sources.clear(),
            |c| c.dockerfile.push('x'),
            |c| c.dockerfile_text.push('x'),
            |c| c.build_args.clear(),
            |c| c.network = true,
            |c| c.external.push("alpine".to_owned()),
            |c| c.labels.extend([("l".to_owned(), "x".to_owned())]),
            |c| c.docker_images.extend([("t".to_owned(), vec!["x".to_owned()])]),
            |c| c.files.extend([("f".to_owned(), "x".to_owned())]),
            |c| c.exclude.push("*.log".to_owned()),
            |c| c.needs.extend([("n".to_owned(), "x".to_owned())]),
        ];
        let keys: std::collections::BTreeSet<String> = changes.into_iter().map(key).collect();
        assert_eq!(keys.len(), changes.len());
    }

    #[test]
    fn a_key_over_an_image_of_unknown_origin_is_not_definite() {
        let mut components = components();
        assert!(components.is_definite());
        components.needs.insert("fixtures/base:a".to_owned(), UNKNOWN_ORIGIN.to_owned());
        assert!(!components.is_definite());
    }

    #[test]
    fn the_label_reads_back() {
        let label = components().label();
        assert_eq!(KeyLabel::parse(&label.to_string()), Some(label));
    }
}
