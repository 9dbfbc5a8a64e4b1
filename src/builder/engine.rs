//! The engine behind bollard.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::{BuildRequest, Connection};
use crate::image::{Platform, Reference};
use crate::problem::Problem;

/// A Docker Engine that answered; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its own platform.
    pub platform: Platform,
    /// Number of CPUs.
    pub cpus: usize,
    /// Such as `20.10.24`.
    pub version: String,
}

/// An image in the engine's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// `sha256:…`
    pub id: String,
    /// `name:tag` as the engine has them.
    pub tags: Vec<String>,
    /// `name@digest` as the engine has them.
    pub digests: Vec<String>,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// Connects and asks the engine for its version.
    ///
    /// # Errors
    /// When no engine answers; the help says how to start one or point to one.
    pub async fn connect(connection: &Connection) -> Result<(Self, Info), Problem> {
        unimplemented!("{connection:?}")
    }

    /// All images of the store.
    pub async fn images(&self) -> Result<Vec<StoredImage>, Problem> {
        unimplemented!()
    }

    /// The platform of an image of the store; `None` if it is not there.
    pub async fn platform(&self, image: &str) -> Result<Option<Platform>, Problem> {
        unimplemented!("{image}")
    }

    /// Builds; lines of the log go to `log` as they come. Dropping the future cancels the build. Returns the image id.
    pub async fn build(&self, request: &BuildRequest, log: mpsc::Sender<String>) -> Result<String, Problem> {
        unimplemented!("{request:?} {log:?}")
    }

    /// Pulls an image for a platform, with credentials from docker's config.json.
    pub async fn pull(&self, image: &Reference, platform: &Platform, log: mpsc::Sender<String>) -> Result<(), Problem> {
        unimplemented!("{image} {platform} {log:?}")
    }

    /// Gives an image another name.
    pub async fn tag(&self, image: &str, name: &Reference) -> Result<(), Problem> {
        unimplemented!("{image} {name}")
    }

    /// Takes a name away; the image goes with its last name.
    pub async fn untag(&self, name: &Reference) -> Result<(), Problem> {
        unimplemented!("{name}")
    }

    /// Pushes a name of the store to its registry, with credentials from docker's config.json.
    pub async fn push(&self, image: &Reference, log: mpsc::Sender<String>) -> Result<(), Problem> {
        unimplemented!("{image} {log:?}")
    }
}
