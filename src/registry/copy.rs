//! Gives an image another name: a further tag in its repository, or a copy in another one, without an engine.
//!
//! A copy is made from below: blobs, then the manifests that name them, then the index, and the tag last, so that nothing
//! half copied can be pulled by it. Whatever is there already is left as it is and not read, so that a copy that broke off
//! goes on where it was. On one registry blobs are mounted from repository to repository where it allows that. Elsewhere
//! each goes through a temporary file, which is read only after its digest was found to be right. Manifests are copied byte
//! by byte, those of unknown kinds included.
//!
//! Images that only refer to this one (the `subject` of a manifest) are not copied.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::auth::Action;
use super::body::Body;
use super::client::{Client, agree, blob_request, manifest_request};
use super::content::{Manifest, digest, is_digest};
use super::descriptor::{Descriptor, media_type};
use super::error::Error;
use super::target::Target;
use super::transport::Request;
use crate::image::Reference;
use crate::problem::Problem;

/// How many blobs of a manifest are moved at once, each with a temporary file of its own.
const AT_ONCE: usize = 4;

/// How deep indexes may lie in indexes.
const DEPTH: usize = 8;

/// What came of a further tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retagged {
    /// It named this image before.
    Already,
    /// It was written.
    Written,
}

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The manifest or index that now has the name.
    pub descriptor: Descriptor,
    /// Whether it had the name before.
    pub tag: Retagged,
    /// The digest of another image that had the name before.
    pub replaced: Option<String>,
    /// What had to be moved for it.
    pub moved: Moved,
}

/// What a copy moved from one repository to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Manifests and indexes, without the one that got the tag.
    pub manifests: usize,
    /// Blobs that the registry took over from another of its repositories.
    pub mounted: usize,
    /// Blobs that were downloaded and uploaded.
    pub transferred: usize,
    /// How many bytes these had.
    pub bytes: u64,
}

impl Client {
    /// Gives an image, named by tag or digest, a further tag in its repository. No blob is moved.
    ///
    /// # Errors
    /// When the image is not there, when `to` is in another repository, and when the registry does not take the tag.
    pub async fn retag(&self, from: &Reference, to: &Reference) -> Result<Retagged, Problem> {
        if !from.same_repository(to) {
            return Err(Error::OtherRepository { from: from.to_string(), to: to.to_string() }.into());
        }
        match self.copy(from, to).await? {
            Some(copied) => Ok(copied.tag),
            None => Err(Error::absent(&Target::of(from)).into()),
        }
    }

    /// Gives an image the name `to`, in whatever repository; `None` if the registry says that `from` is not there.
    /// Mirrors are not asked.
    ///
    /// # Errors
    /// When a registry does not answer or refuses, or a part of the image is missing.
    pub async fn copy(&self, from: &Reference, to: &Reference) -> Result<Option<Copied>, Problem> {
        let Some(manifest) = self.own_manifest(from).await? else { return Ok(None) };
        let Manifest { descriptor, bytes } = manifest;
        let there = self.head_of(&Target::of(to)).await?;
        let replaced = there.map(|there| there.digest);
        if replaced.as_ref() == Some(&descriptor.digest) {
            let (tag, moved) = (Retagged::Already, Moved::default());
            return Ok(Some(Copied { descriptor, tag, replaced: None, moved }));
        }
        let mut work = Copier::new(self, from, to);
        if !from.same_repository(to) {
            work.parts(&bytes, DEPTH).await?;
        }
        self.put_manifest(to, &descriptor.media_type, bytes).await?;
        Ok(Some(Copied { descriptor, tag: Retagged::Written, replaced, moved: work.moved }))
    }
}

impl Moved {
    fn add(&mut self, other: Self) {
        self.manifests += other.manifests;
        self.mounted += other.mounted;
        self.transferred += other.transferred;
        self.bytes += other.bytes;
    }
}

/// A copy from one repository to another.
struct Copier<'c> {
    client: &'c Client,
    from: Target,
    to: Target,
    /// Manifests that are there now.
    there: BTreeSet<String>,
    /// Whether the registry has not refused to mount a blob yet.
    mounts: AtomicBool,
    moved: Moved,
}

/// What a manifest of any kind says that it consists of.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Parts {
    manifests: Vec<Descriptor>,
    config: Option<Part>,
    layers: Vec<Part>,
    blobs: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    urls: Vec<String>,
}

impl Parts {
    /// The parts of a manifest. One that cannot be read so has none: a registry that knows better refuses it without them.
    fn of(manifest: &[u8]) -> Self {
        serde_json::from_slice(manifest).unwrap_or_default()
    }

    /// The blobs, each once, without those that lie elsewhere by the word of the manifest.
    fn blobs(self) -> Vec<Descriptor> {
        let mut seen = BTreeSet::new();
        let parts = self.config.into_iter().chain(self.layers).chain(self.blobs);
        let mut blobs: Vec<Descriptor> =
            parts.filter(|part| part.urls.is_empty()).map(|part| part.descriptor).collect();
        blobs.retain(|blob| seen.insert(blob.digest.clone()));
        blobs
    }
}

/// A future that calls itself.
type Nested<'f> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'f>>;

impl<'c> Copier<'c> {
    fn new(client: &'c Client, from: &Reference, to: &Reference) -> Self {
        let (from, mut to) = (Target::of(from), Target::of(to));
        let one_registry = from.host == to.host;
        to.source = one_registry.then(|| from.repository.clone());
        let (there, moved) = (BTreeSet::new(), Moved::default());
        Self { client, from, to, there, mounts: AtomicBool::new(one_registry), moved }
    }

    /// Copies what a manifest names, which `manifest` is the text of.
    fn parts<'f>(&'f mut self, manifest: &'f [u8], depth: usize) -> Nested<'f> {
        Box::pin(async move {
            let parts = Parts::of(manifest);
            if depth == 0 {
                return Err(Error::nonsense(&self.from, format!("indexes nested more than {DEPTH} deep")));
            }
            for child in &parts.manifests {
                self.manifest(child, depth - 1).await?;
            }
            let copier = &*self;
            let moving = stream::iter(parts.blobs()).map(|blob| async move { copier.blob(&blob).await });
            let moved: Vec<Moved> = moving.buffer_unordered(AT_ONCE).try_collect().await?;
            for moved in moved {
                self.moved.add(moved);
            }
            Ok(())
        })
    }

    /// Copies a manifest of an index, with what it names. Where it is already, so is that: no registry takes a manifest
    /// before.
    async fn manifest(&mut self, manifest: &Descriptor, depth: usize) -> Result<(), Error> {
        let (from, to) = (self.from.at(&manifest.digest), self.to.at(&manifest.digest));
        if !is_digest(&manifest.digest) {
            return Err(Error::InvalidDigest { digest: manifest.digest.clone() });
        }
        if !self.there.insert(manifest.digest.clone()) {
            return Ok(());
        }
        let auth = &self.client.auth;
        let known = auth.send(&to, Action::Push, accepting(&to, Method::HEAD, manifest)?).await?;
        match known.status {
            StatusCode::OK => return Ok(()),
            StatusCode::METHOD_NOT_ALLOWED => {}
            _ if known.is_absence() => {}
            _ => return Err(Error::answered(&to, &known)),
        }
        let read = auth.send(&from, Action::Pull, accepting(&from, Method::GET, manifest)?).await?;
        if read.is_absence() {
            return Err(Error::absent(&from));
        }
        if read.status != StatusCode::OK {
            return Err(Error::answered(&from, &read));
        }
        agree(&from, Some(&manifest.digest), &digest(&read.body))?;
        self.parts(&read.body, depth).await?;
        self.client.put(&to, &manifest.media_type, read.body).await?;
        self.moved.manifests += 1;
        Ok(())
    }

    async fn blob(&self, blob: &Descriptor) -> Result<Moved, Error> {
        let Descriptor { digest, size, .. } = blob;
        if self.client.has_blob_of(&self.to, Action::Push, digest).await? {
            return Ok(Moved::default());
        }
        if self.mounts.load(Ordering::Relaxed) {
            // A registry that refuses says why when the blob itself comes.
            if self.client.mount(&self.to, digest).await.unwrap_or(false) {
                return Ok(Moved { mounted: 1, ..Moved::default() });
            }
            self.mounts.store(false, Ordering::Relaxed);
        }
        let from = self.from.at(digest);
        let file = NamedTempFile::with_prefix("kitmake-blob-")
            .map_err(|error| Error::Disk { about: from.about.clone(), reason: error.to_string() })?;
        let mut request = blob_request(&from, Method::GET, digest)?;
        request.limit = usize::try_from(*size).unwrap_or(usize::MAX);
        request.save = Some(file.path().to_owned());
        let read = self.client.auth.send(&from, Action::Pull, request).await?;
        if read.is_absence() {
            return Err(Error::absent(&from));
        }
        let Some(saved) = read.saved else { return Err(Error::answered(&from, &read)) };
        agree(&from, Some(digest), &saved.digest)?;
        self.client.upload(&self.to, digest, &Body::File(file.path().to_owned(), saved.size)).await?;
        Ok(Moved { transferred: 1, bytes: saved.size, ..Moved::default() })
    }
}

/// A request on a manifest whose media type may be none of those that are understood.
fn accepting(target: &Target, method: Method, manifest: &Descriptor) -> Result<Request, Error> {
    let mut request = manifest_request(target, method);
    if !media_type::ALL.contains(&manifest.media_type.as_str()) {
        let kind = HeaderValue::from_str(&manifest.media_type).map_err(|_| {
            let reason = format!("media type `{}`", manifest.media_type);
            Error::Malformed { about: target.about.clone(), reason }
        })?;
        request.headers.append(ACCEPT, kind);
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
