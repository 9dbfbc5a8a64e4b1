//! What content is called: media type, digest and size, and the platform it is for.

use serde::{Deserialize, Serialize};

use crate::image::Platform;

/// The media types of manifests and indexes that are understood, two generations of each.
pub mod media_type {
    /// The index of the OCI image specification.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// The manifest of the OCI image specification.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// What Docker called an index.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// What Docker pushes for one platform.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

    /// All of them.
    pub const ALL: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
}

/// What a manifest or blob is called by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Such as `application/vnd.oci.image.index.v1+json`.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// The platform that the words of a configuration or index name, if they are fit for one.
pub(super) fn platform(os: &str, architecture: &str, variant: Option<&str>) -> Option<Platform> {
    match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{architecture}/{variant}").parse().ok(),
        None => format!("{os}/{architecture}").parse().ok(),
    }
}
