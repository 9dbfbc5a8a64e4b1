//! The OCI distribution protocol over HTTP: manifests, indexes, blobs, with credentials and retries.
//!
//! "404" is the only no. Everything else that is not a success is an error, never an absence.

mod auth;
mod client;

pub use client::{Client, Descriptor, Manifest, Options};
