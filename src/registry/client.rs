//! One client for all registries: what is asked, and what a good answer looks like.
//!
//! A body is believed only after its digest was checked, and a 404 only when the registry itself gives it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};

use super::auth::{Action, Auth};
use super::body::Body;
use super::content::{Manifest, digest, is_digest, known, media_type_of};
use super::credentials::Credentials;
use super::descriptor::{Descriptor, media_type};
use super::error::Error;
use super::mirror::Mirrors;
use super::options::Options;
use super::response::Response;
use super::target::Target;
use super::transport::{Place, Request, Transport};
use crate::image::Reference;
use crate::problem::Problem;

/// The longest manifest that is read, in bytes; the distribution specification asks registries to take as much.
pub(super) const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

/// The longest blob that is read, in bytes. Image configurations are far shorter, and layers are not read here.
const BLOB_LIMIT: usize = 64 * 1024 * 1024;

/// Where a registry names the digest of what it sends or took.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A client with its connections, tokens and credentials; cheap to clone.
///
/// [`head`](Self::head), [`manifest`](Self::manifest) and [`blob`](Self::blob) look at the mirrors of a registry first;
/// everything else is between the registry itself and this client.
#[derive(Clone)]
pub struct Client {
    pub(super) auth: Arc<Auth>,
    mirrors: Arc<Mirrors>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has asked nothing yet.
    ///
    /// # Errors
    /// When a file of certificate authorities cannot be read.
    pub fn new(options: Options) -> Result<Self, Problem> {
        let mirrors = Arc::new(Mirrors::new(options.mirrors.clone()));
        Ok(Self { auth: Arc::new(Auth::new(Arc::new(Transport::new(options)?))), mirrors })
    }

    /// The credentials for a registry, such as `docker.io` or `127.0.0.1:5000`; `None` if docker has none for it.
    ///
    /// # Errors
    /// When docker's config.json or a credential helper is broken.
    pub async fn credentials(&self, host: &str) -> Result<Option<Credentials>, Problem> {
        let host = if host == "index.docker.io" { "docker.io" } else { host };
        Ok(self.auth.credentials(host).await?)
    }

    /// What a tag or digest names (HEAD); `None` if the registry says it is not there.
    ///
    /// # Errors
    /// When the registry says neither yes nor no.
    pub async fn head(&self, reference: &Reference) -> Result<Option<Descriptor>, Problem> {
        Ok(self.find(reference).await?.map(|(_, descriptor)| descriptor))
    }

    /// The first place that has what a tag or digest names, and what it is; `None` if the registry says it is not there.
    ///
    /// # Errors
    /// When no mirror has it and the registry says neither yes nor no.
    pub async fn find(&self, reference: &Reference) -> Result<Option<(Reference, Descriptor)>, Problem> {
        for mirror in self.mirrors.of(reference) {
            match self.head_of(&Target::of(&mirror)).await {
                Ok(Some(descriptor)) => return Ok(Some((mirror, descriptor))),
                Ok(None) => {}
                Err(error) => self.mirrors.failed(&mirror, &error),
            }
        }
        let found = self.head_of(&Target::of(reference)).await?;
        Ok(found.map(|descriptor| (reference.clone(), descriptor)))
    }

    /// Whether some place is read from before the registry of an image.
    #[must_use]
    pub fn has_mirrors(&self, reference: &Reference) -> bool {
        !self.mirrors.of(reference).is_empty()
    }

    pub(super) async fn head_of(&self, target: &Target) -> Result<Option<Descriptor>, Error> {
        let response = self.auth.send(target, Action::Pull, manifest_request(target, Method::HEAD)).await?;
        if response.is_absence() {
            return Ok(None);
        }
        // Some registries do not do HEAD, and some do without telling the digest.
        if response.status != StatusCode::METHOD_NOT_ALLOWED {
            if response.status != StatusCode::OK {
                return Err(Error::answered(target, &response));
            }
            if let Some(descriptor) = described(&response) {
                agree(target, requested(target), &descriptor.digest)?;
                return Ok(Some(descriptor));
            }
        }
        Ok(self.manifest_of(target).await?.map(|manifest| manifest.descriptor))
    }

    /// The manifest or index that a tag or digest names (GET); `None` if the registry says it is not there.
    ///
    /// # Errors
    /// When the registry says neither yes nor no, and when what it gives is no manifest or has another digest.
    pub async fn manifest(&self, reference: &Reference) -> Result<Option<Manifest>, Problem> {
        for mirror in self.mirrors.of(reference) {
            match self.manifest_of(&Target::of(&mirror)).await {
                Ok(Some(manifest)) => return Ok(Some(manifest)),
                Ok(None) => {}
                Err(error) => self.mirrors.failed(&mirror, &error),
            }
        }
        self.own_manifest(reference).await
    }

    /// The same as the registry itself has it, which is what is about to be changed there.
    ///
    /// # Errors
    /// As for [`manifest`](Self::manifest).
    pub async fn own_manifest(&self, reference: &Reference) -> Result<Option<Manifest>, Problem> {
        Ok(self.manifest_of(&Target::of(reference)).await?)
    }

    async fn manifest_of(&self, target: &Target) -> Result<Option<Manifest>, Error> {
        let response = self.auth.send(target, Action::Pull, manifest_request(target, Method::GET)).await?;
        if response.is_absence() {
            return Ok(None);
        }
        if response.status != StatusCode::OK {
            return Err(Error::answered(target, &response));
        }
        let media_type = media_type_of(&response.body, response.header(CONTENT_TYPE.as_str()))
            .map_err(|reason| Error::nonsense(target, reason))?;
        let actual = digest(&response.body);
        agree(target, requested(target), &actual)?;
        agree(target, response.header(CONTENT_DIGEST), &actual)?;
        let bytes = response.body.to_vec();
        let descriptor = Descriptor { media_type, digest: actual, size: length(&bytes) };
        Ok(Some(Manifest { descriptor, bytes }))
    }

    /// A blob of a repository, such as an image configuration; `None` if it is not there. It is held in memory as a
    /// whole and may be 64 MiB long at most.
    ///
    /// # Errors
    /// When the registry says neither yes nor no, and when what it gives has another digest.
    pub async fn blob(&self, repository: &Reference, digest: &str) -> Result<Option<Vec<u8>>, Problem> {
        for mirror in self.mirrors.of(repository) {
            match self.blob_of(&Target::of(&mirror), digest).await {
                Ok(Some(blob)) => return Ok(Some(blob)),
                Ok(None) => {}
                Err(error) => self.mirrors.failed(&mirror, &error),
            }
        }
        Ok(self.blob_of(&Target::of(repository), digest).await?)
    }

    async fn blob_of(&self, target: &Target, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let response = self.auth.send(target, Action::Pull, blob_request(target, Method::GET, digest)?).await?;
        if response.is_absence() {
            return Ok(None);
        }
        if response.status != StatusCode::OK {
            return Err(Error::answered(target, &response));
        }
        agree(target, Some(digest), &super::content::digest(&response.body))?;
        Ok(Some(response.body.to_vec()))
    }

    /// Whether a repository has a blob (HEAD).
    ///
    /// # Errors
    /// When the registry says neither yes nor no.
    pub async fn has_blob(&self, repository: &Reference, digest: &str) -> Result<bool, Problem> {
        let target = Target::of(repository);
        Ok(self.has_blob_of(&target, Action::Pull, digest).await?)
    }

    pub(super) async fn has_blob_of(&self, target: &Target, action: Action, digest: &str) -> Result<bool, Error> {
        let response = self.auth.send(target, action, blob_request(target, Method::HEAD, digest)?).await?;
        match response.status {
            StatusCode::OK => Ok(true),
            _ if response.is_absence() => Ok(false),
            _ => Err(Error::answered(target, &response)),
        }
    }

    /// Writes a manifest or index under the tag of a reference, or under its digest. What it names must be there first.
    ///
    /// # Errors
    /// When the registry does not take it, and when the reference has a digest that is not that of the bytes.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Result<Descriptor, Problem> {
        Ok(self.put(&Target::of(reference), media_type, bytes.into()).await?)
    }

    pub(super) async fn put(&self, target: &Target, media_type: &str, bytes: Bytes) -> Result<Descriptor, Error> {
        let descriptor = Descriptor { media_type: media_type.to_owned(), digest: digest(&bytes), size: length(&bytes) };
        agree(target, requested(target), &descriptor.digest)?;
        let mut request = manifest_request(target, Method::PUT);
        let kind = HeaderValue::from_str(media_type).map_err(|_| Error::Malformed {
            about: target.about.clone(),
            reason: format!("media type `{media_type}`"),
        })?;
        request.headers.insert(CONTENT_TYPE, kind);
        request.body = Some(Body::Bytes(bytes));
        let response = self.auth.send(target, Action::Push, request).await?;
        if !response.status.is_success() {
            return Err(Error::answered(target, &response));
        }
        agree(target, response.header(CONTENT_DIGEST), &descriptor.digest)?;
        Ok(descriptor)
    }
}

pub(super) fn place(target: &Target, path: &str) -> Place {
    Place::Registry { authority: target.authority.clone(), path: format!("v2/{}/{path}", target.repository) }
}

pub(super) fn manifest_request(target: &Target, method: Method) -> Request {
    let mut request = Request::new(method, place(target, &format!("manifests/{}", target.version)), MANIFEST_LIMIT);
    let accepted = HeaderValue::from_str(&media_type::ALL.join(", ")).expect("media types are plain ASCII");
    request.headers.insert(ACCEPT, accepted);
    request
}

pub(super) fn blob_request(target: &Target, method: Method, digest: &str) -> Result<Request, Error> {
    if !is_digest(digest) {
        return Err(Error::InvalidDigest { digest: digest.to_owned() });
    }
    let transfer = method == Method::GET;
    let mut request = Request::new(method, place(target, &format!("blobs/{digest}")), BLOB_LIMIT);
    request.transfer = transfer;
    Ok(request)
}

/// What the headers of an answer to HEAD say, if they say all of it.
fn described(response: &Response) -> Option<Descriptor> {
    let digest = response.header(CONTENT_DIGEST).filter(|digest| is_digest(digest))?;
    let size = response.header(CONTENT_LENGTH.as_str())?.parse().ok()?;
    let media_type = known(response.header(CONTENT_TYPE.as_str()))?;
    Some(Descriptor { media_type: media_type.to_owned(), digest: digest.to_owned(), size })
}

/// The digest that was asked for, if it was one.
fn requested(target: &Target) -> Option<&str> {
    Some(target.version.as_str()).filter(|version| version.contains(':'))
}

/// Fails when content has another digest than it should have. A digest by another algorithm says nothing.
pub(super) fn agree(target: &Target, expected: Option<&str>, actual: &str) -> Result<(), Error> {
    match expected.filter(|expected| expected.starts_with("sha256:")) {
        Some(expected) if expected != actual => Err(Error::Mismatch {
            host: target.host.clone(),
            about: target.about.clone(),
            expected: expected.to_owned(),
            actual: actual.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
