//! What a host answered.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::body::Saved;

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What went into a file instead of `body`, if the request asked for that and it is a success.
    pub saved: Option<Saved>,
    /// Where it came from, which is what a relative `Location` is relative to.
    pub url: Url,
    /// Whether a redirect led to another origin than the one asked.
    pub elsewhere: bool,
}

impl Response {
    /// Whether the registry itself says that something is not there.
    pub fn is_absence(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && !self.elsewhere
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
