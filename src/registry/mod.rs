//! The OCI distribution protocol over HTTP: manifests, indexes, blobs, with credentials and retries.
//!
//! "404" is the only no. Everything else that is not a success is an error, never an absence.
//!
//! A request goes through three layers, each of which knows nothing of the one above: `client` says what is asked and
//! what a good answer looks like, and looks at the places of `mirror` first; `auth` answers the challenge of a registry,
//! `transport` sends one request to one host (scheme, TLS, proxies, redirects, time limits, retries), with a `body` from
//! memory or a file. What was received is read by `content` and `index`; `upload` and `copy` write blobs and whole images.

mod auth;
mod body;
mod client;
mod content;
mod copy;
mod credentials;
mod descriptor;
mod error;
mod failure;
mod flight;
mod index;
mod mirror;
mod options;
mod response;
mod retry;
mod target;
mod transport;
mod upload;

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;

pub use client::Client;
pub(crate) use content::is_digest;
pub use content::{Content, Image, ImageConfig, Manifest, digest};
pub use copy::{Copied, Moved, Retagged};
pub use credentials::Credentials;
pub use descriptor::{Descriptor, media_type};
pub use error::{Error, Said};
pub use index::{Entry, Index};
pub use options::Options;
