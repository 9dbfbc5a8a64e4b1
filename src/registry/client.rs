//! One HTTP client for all registries.

use crate::image::Reference;
use crate::problem::Problem;

/// How registries are spoken to.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Hosts (with port) to speak plain HTTP to; loopback hosts need not be listed.
    pub insecure: Vec<String>,
    /// The directory of docker's config.json; `None` means no credentials.
    pub docker_config: Option<std::path::PathBuf>,
}

/// What a manifest or blob is called by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Such as `application/vnd.oci.image.index.v1+json`.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// A manifest or index as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is called by content.
    pub descriptor: Descriptor,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// A client with its connections, tokens and credentials; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}

impl Client {
    /// A client that has asked nothing yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(options: Options) -> Result<Self, Problem> {
        unimplemented!("{options:?}")
    }

    /// What a tag or digest names (HEAD); `None` if the registry says it is not there.
    pub async fn head(&self, reference: &Reference) -> Result<Option<Descriptor>, Problem> {
        unimplemented!("{reference}")
    }

    /// The manifest or index that a tag or digest names (GET); `None` if the registry says it is not there.
    pub async fn manifest(&self, reference: &Reference) -> Result<Option<Manifest>, Problem> {
        unimplemented!("{reference}")
    }

    /// A blob of a repository, such as an image configuration; `None` if it is not there.
    pub async fn blob(&self, repository: &Reference, digest: &str) -> Result<Option<Vec<u8>>, Problem> {
        unimplemented!("{repository} {digest}")
    }

    /// Writes a manifest or index under a tag, or under its digest.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Result<Descriptor, Problem> {
        unimplemented!("{reference} {media_type} {bytes:?}")
    }
}
