//! linuxkit's cache: an OCI image layout, that is a directory with blobs by digest and names in index.json.
//!
//! An image `org/image:tag` has two entries, in full spelling: `tag` is an index of the images for its platforms, and
//! `tag-arch` is one of those images. linuxkit finds both, and so does any other reader of OCI layouts.
//!
//! What always holds: an interrupted write leaves the layout valid, and what is in it findable; writers at the same time
//! lose no entry, linuxkit's own included, whose lock is taken; entries of others stay. A directory that is not there
//! has nothing; a file that cannot be read or understood is an error, never an absence.
//!
//! Layers are stored uncompressed, as engines save them: their digests are then known before they are read, so that a
//! base shared by many images is neither copied nor hashed again, whoever stored it. The price is disk space, and that
//! what `linuxkit cache push` publishes from here is not compressed either; kitmake itself pushes from the builder.
//!
//! Nothing is removed here, and nothing pulled: that is linuxkit's.

mod blobs;
mod docker_archive;
mod error;
mod lock;
mod read;
mod root;
mod store;

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::image::{Platform, Reference};
use crate::problem::Problem;

use blobs::Blobs;
use lock::Lock;
use root::Root;

pub use error::Error;

/// The layout in a directory. Everything blocks: on the disk, and on others that write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    directory: PathBuf,
}

/// An image that is there with all its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Of its manifest, `sha256:…`.
    pub digest: String,
    /// Of its configuration, `sha256:…`: the id that the image has on an engine.
    pub id: String,
    /// What it is for, as its index or configuration says.
    pub platform: Platform,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// Whether `tag` itself has it, which is where linuxkit looks; otherwise only `tag-arch` does.
    pub listed: bool,
}

impl Layout {
    /// The layout in a directory, which need not exist. Nothing is created before the first write.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is there of each name for each platform, in the order of the questions, from one reading of index.json.
    ///
    /// As linuxkit decides: an image under the name, or an index with an image of the same operating system and
    /// architecture, whose manifest, configuration and layers are all there. Unlike with linuxkit, an image that says that
    /// it is for another architecture is not there, nor is one with a blob of another size than it should have; and
    /// `tag-arch` is looked at where `tag` has nothing. A reference with a digest is looked for by that.
    ///
    /// # Errors
    /// When something may be there and cannot be read, or is malformed.
    pub fn find(&self, questions: &[(&Reference, &Platform)]) -> Result<Vec<Option<Stored>>, Problem> {
        let _lock = Lock::shared(&self.directory)?;
        let root = Root::read(&self.directory)?;
        let blobs = Blobs::of(&self.directory);
        let answers = questions.iter().map(|(name, platform)| read::stored(&blobs, &root, name, platform));
        Ok(answers.collect::<Result<_, _>>()?)
    }

    /// Stores the image of a docker-archive, as `docker save` writes it, for a platform: under `tag-arch`, and in the
    /// index of `tag` beside other platforms. Blobs that are there are not written again. The archive is read in pieces,
    /// and never held in memory.
    ///
    /// # Errors
    /// When the archive is not one whole image for this platform, or the directory cannot be written or is malformed.
    pub fn store(&self, image: &Reference, platform: &Platform, archive: impl Read + Seek) -> Result<(), Problem> {
        Ok(store::store(&self.directory, image, platform, archive)?)
    }

    /// Writes an image as a docker-archive, which `docker load` takes and gives these names, each with a tag. The image
    /// has the same id as when it was stored.
    ///
    /// # Errors
    /// Code `layout::not_there` when there is no such image; others when it cannot be read or `out` not be written.
    pub fn archive(
        &self,
        image: &Reference,
        platform: &Platform,
        names: &[Reference],
        out: impl Write,
    ) -> Result<(), Problem> {
        let whole = {
            let _lock = Lock::shared(&self.directory)?;
            read::required(&self.directory, &Root::read(&self.directory)?, image, platform)?
        };
        // Blobs of layers do not change, and writers need not wait until they are copied.
        Ok(whole.write(&Blobs::of(&self.directory), names, out)?)
    }
}
