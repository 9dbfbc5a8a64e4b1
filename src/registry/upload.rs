//! Writing blobs: uploaded from memory or a file, or mounted from another repository of the same registry.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};

use super::auth::Action;
use super::body::Body;
use super::client::{Client, MANIFEST_LIMIT, place};
use super::content::digest;
use super::error::Error;
use super::response::Response;
use super::target::Target;
use super::transport::{Place, Request, resolve};
use crate::image::Reference;
use crate::problem::Problem;

impl Client {
    /// Writes a blob into a repository unless it is there already, and says its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn upload_blob(&self, repository: &Reference, bytes: Bytes) -> Result<String, Problem> {
        let digest = digest(&bytes);
        self.upload(&Target::of(repository), &digest, &Body::Bytes(bytes)).await?;
        Ok(digest)
    }

    /// Writes a blob, which has this digest, unless it is there already.
    pub(super) async fn upload(&self, target: &Target, digest: &str, blob: &Body) -> Result<(), Error> {
        let mut last = None;
        // An upload that broke off cannot be resumed in one piece, so another one is begun, once.
        for _ in 0..2 {
            if self.has_blob_of(target, Action::Push, digest).await? {
                return Ok(());
            }
            match self.upload_once(target, digest, blob.clone()).await {
                Ok(()) => return Ok(()),
                Err(error @ (Error::Timeout { .. } | Error::Connection { .. } | Error::Server { .. })) => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("the loop ends only after an error"))
    }

    async fn upload_once(&self, target: &Target, digest: &str, blob: Body) -> Result<(), Error> {
        // To begin an upload twice leaves nothing behind that a registry does not clean up.
        let session = self.auth.send(target, Action::Push, begin(place(target, "blobs/uploads/"))).await?;
        if session.status != StatusCode::ACCEPTED {
            return Err(Error::answered(target, &session));
        }
        let mut url = location(target, &session)?;
        url.query_pairs_mut().append_pair("digest", digest);
        let mut put = Request::new(Method::PUT, Place::Url(url), MANIFEST_LIMIT);
        put.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        put.body = Some(blob);
        (put.transfer, put.again) = (true, false);
        let done = self.auth.send(target, Action::Push, put).await?;
        if done.status.is_success() { Ok(()) } else { Err(Error::answered(target, &done)) }
    }

    /// Asks the registry to take a blob over from another of its repositories, which `target` says it reads from. `false`
    /// if it does not do that, or not with this blob.
    pub(super) async fn mount(&self, target: &Target, digest: &str) -> Result<bool, Error> {
        let Some(source) = &target.source else { return Ok(false) };
        let path = format!("blobs/uploads/?mount={digest}&from={source}");
        let answer = self.auth.send(target, Action::Push, begin(place(target, &path))).await?;
        match answer.status {
            StatusCode::CREATED => Ok(true),
            // It begins an upload instead, which a registry cleans up when nothing comes.
            StatusCode::ACCEPTED => Ok(false),
            _ => Err(Error::answered(target, &answer)),
        }
    }
}

fn begin(place: Place) -> Request {
    let mut request = Request::new(Method::POST, place, MANIFEST_LIMIT);
    request.body = Some(Body::Bytes(Bytes::new()));
    request
}

/// Where an upload goes that a registry has begun.
fn location(target: &Target, session: &Response) -> Result<Url, Error> {
    let location = session
        .header(LOCATION.as_str())
        .ok_or_else(|| Error::nonsense(target, "it begins an upload without saying where"))?;
    let url = resolve(&session.url, location).map_err(|failure| Error::failed(target, failure))?;
    if url.origin() != session.url.origin() {
        return Err(Error::nonsense(target, "it wants the upload on another host"));
    }
    Ok(url)
}
