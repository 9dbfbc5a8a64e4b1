//! The Docker Engine: what is in its image store, and builds, pulls, tags and pushes on it.
//!
//! What the engine is to do is handed in as plain data ([`BuildRequest`]); nothing here knows packages or plans.

mod archive;
mod body;
mod build;
mod connection;
mod context;
mod credentials;
mod engine;
mod error;
mod log;
mod stream;
mod workers;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::image::Platform;

pub use connection::Connection;
pub use context::ContextError;
pub use credentials::RegistryAuth;
pub use engine::{Engine, Info, StoredImage};
pub use error::{BuildError, Error, Failure};

/// One build of one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The package directory, absolute; it becomes the root of the context.
    pub directory: PathBuf,
    /// Further directories, in order; a later one wins over an earlier one.
    pub extra_sources: Vec<ContextSource>,
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// The text to stream instead of the file on disk, where references were pointed elsewhere.
    pub dockerfile_text: Option<String>,
    /// Files of the context, by their path in it, that are streamed with another text than on disk if they are there.
    pub texts: BTreeMap<String, String>,
    /// Images to place as tar files in the context.
    pub archives: Vec<Archive>,
    /// Paths of the package directory that do not enter the context (what the tree has where `archives` go).
    pub left_out: Vec<String>,
    /// Patterns of a .gitignore for what else of the package directory does not enter the context.
    pub exclude: Vec<String>,
    /// The platform to build for.
    pub platform: Platform,
    /// Build args by name.
    pub build_args: BTreeMap<String, String>,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Whether steps may use the network.
    pub network: bool,
    /// Whether the engine's build cache is not to be used.
    pub no_cache: bool,
    /// When the tree was looked at: what changed later fails the build. `None` takes the tree as it is.
    pub planned_at: Option<SystemTime>,
    /// Hosts of the registries that the Dockerfile's images may be pulled from.
    pub registries: Vec<String>,
    /// Names the image gets when the build is done.
    pub tags: Vec<String>,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its id.
    pub id: String,
    /// Everything that could be was answered from the engine's build cache.
    pub cached: bool,
}

/// A directory that joins the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSource {
    /// On disk, absolute.
    pub source: PathBuf,
    /// In the context, a slash path.
    pub destination: String,
}

/// A tar file of images in the context, as `docker save` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Path of the tar file in the context.
    pub path: String,
    /// The images in it by any of their names; the engine must have them. No name goes into the file, as none does when an
    /// image is saved by its digest.
    pub images: Vec<String>,
}

/// Proxies for the steps of a build: the values of `HTTP_PROXY` and its like by name. They may hold a password, so that
/// `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies(pub BTreeMap<String, String>);

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let proxies = [("HTTP_PROXY".to_owned(), "http://user:secret@proxy".to_owned())];
        assert_eq!(format!("{:?}", Proxies(proxies.into())), r#"{"HTTP_PROXY"}"#);
    }
}
