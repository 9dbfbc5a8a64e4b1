//! An image from a docker-archive becomes blobs and two entries.

use std::fmt::Display;
use std::io::{Read, Seek};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::blobs::Blobs;
use super::docker_archive::DockerArchive;
use super::error::Error;
use super::lock::Lock;
use super::read;
use super::root::{Kind, NAME, Root};
use crate::image::{Platform, Reference};
use crate::registry::{Descriptor, Entry, ImageConfig, Index, media_type};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYOUT_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Labels whose names begin so are written to the entries as well: who pushes the index publishes them with it, and they
/// are read there without a look at the configuration.
const NAMESPACE: &str = "org.kitmake.";

/// Writes blobs first, each under its name when it is whole, and index.json last.
pub(super) fn store(
    directory: &Path,
    image: &Reference,
    platform: &Platform,
    archive: impl Read + Seek,
) -> Result<(), Error> {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| Error::unwritable(&blobs, &error))?;
    let blobs = Blobs::of(directory);
    blobs.sweep();
    let mut archive = DockerArchive::read(archive).map_err(|reason| Error::archive(image, &reason))?;
    let config = archive.config().map_err(|reason| Error::archive(image, &reason))?;
    let parsed = ImageConfig::parse(&config, &image.to_string()).map_err(|problem| Error::archive(image, &problem))?;
    check(&parsed, image, platform)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST,
        layers: layers(&blobs, image, &mut archive, &config)?,
        config: blobs.put(&config, CONFIG)?,
    };
    let manifest = serde_json::to_vec(&manifest).expect("a manifest holds only text and numbers");
    let mut entry = Entry::new(blobs.put(&manifest, media_type::OCI_MANIFEST)?, platform);
    for (name, value) in parsed.labels.iter().filter(|(name, _)| name.starts_with(NAMESPACE)) {
        entry = entry.with_annotation(name, value);
    }
    enter(directory, image, platform, entry)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// An image of another architecture must not be found as one of this. Variants are spelled in too many ways to be
/// compared.
fn check(config: &ImageConfig, image: &Reference, wanted: &Platform) -> Result<(), Error> {
    let right = |found: &Platform| found.os() == wanted.os() && found.architecture() == wanted.architecture();
    if config.platform.as_ref().is_some_and(right) {
        return Ok(());
    }
    let found = config.platform.as_ref().map_or_else(|| "no platform".to_owned(), Platform::to_string);
    Err(Error::WrongPlatform { image: image.to_string(), found, wanted: wanted.clone() })
}

/// Stores the layers as they are in the archive.
///
/// Engines save them uncompressed, and then the configuration tells the digest of each: a layer that the layout has is
/// not even read.
fn layers<R: Read + Seek>(
    blobs: &Blobs<'_>,
    image: &Reference,
    archive: &mut DockerArchive<R>,
    config: &[u8],
) -> Result<Vec<Descriptor>, Error> {
    #[derive(Deserialize)]
    struct File {
        rootfs: RootFs,
    }
    #[derive(Deserialize)]
    struct RootFs {
        #[serde(default)]
        diff_ids: Option<Vec<String>>,
    }
    let file: File = serde_json::from_slice(config).map_err(|error| Error::archive(image, &error))?;
    let digests = file.rootfs.diff_ids.unwrap_or_default();
    let names = std::mem::take(&mut archive.image.layers);
    if names.len() != digests.len() {
        let reason = format!("it has {} layers, its configuration {}", names.len(), digests.len());
        return Err(Error::archive(image, &reason));
    }
    let stored = names.iter().zip(digests).map(|(name, diff_id)| {
        let failed = |reason: &dyn Display| Error::archive(image, &format!("`{name}`: {reason}"));
        let (size, mut layer) = archive.layer(name).map_err(|reason| failed(&reason))?;
        let mut magic = Vec::new();
        layer.by_ref().take(4).read_to_end(&mut magic).map_err(|error| failed(&error))?;
        let compression = match magic.as_slice() {
            [0x1f, 0x8b, ..] => "+gzip",
            [0x28, 0xb5, 0x2f, 0xfd] => "+zstd",
            _ => "",
        };
        let media_type = format!("{LAYER}{compression}");
        if compression.is_empty() {
            let known = Descriptor { media_type: media_type.clone(), digest: diff_id.clone(), size };
            if blobs.has(&known)? {
                return Ok(known);
            }
        }
        let whole = magic.chain(layer);
        let accept = |found: &Descriptor| {
            let right = found.size == size && (!compression.is_empty() || found.digest == diff_id);
            if right { Ok(()) } else { Err(failed(&"it is not the layer that the configuration names")) }
        };
        blobs.put_from(whole, &media_type, accept, |error| failed(error))
    });
    stored.collect()
}

/// Writes the entries: `tag-arch` is the image itself, which every reader takes whatever its own platform, and `tag` the
/// index of all platforms.
fn enter(directory: &Path, image: &Reference, platform: &Platform, entry: Entry) -> Result<(), Error> {
    let _lock = Lock::exclusive(directory)?;
    let blobs = Blobs::of(directory);
    let layout_file = directory.join("oci-layout");
    if !layout_file.exists() {
        blobs.replace(&layout_file, LAYOUT_FILE.as_bytes())?;
    }
    let before = Root::read(directory)?;
    let index = joined(&blobs, &before, image, entry.clone())?;
    let index = blobs.put(&index.to_bytes(), media_type::OCI_INDEX)?;
    let mut root = before.clone();
    root.set(&image.arch_tag(platform), entry);
    root.set(image, index.into());
    if root == before { Ok(()) } else { root.write(directory) }
}

/// The index of a name with one more image, which takes the place of the one for its platform. An image that had the
/// name by itself becomes an entry; an index that is not whole is none.
fn joined(blobs: &Blobs<'_>, root: &Root, image: &Reference, entry: Entry) -> Result<Index, Error> {
    let (mut there, mut images) = (None, Vec::new());
    for (kind, found) in root.named(&image.with_tag(image.tag().unwrap_or("latest"))) {
        match kind {
            Kind::Index if there.is_none() => there = read::index(blobs, found.descriptor())?,
            Kind::Index => {}
            Kind::Image => {
                let Some(whole) = read::image(blobs, found.descriptor())? else { continue };
                let Some(platform) = whole.config.platform else { continue };
                let plain = Entry::new(found.descriptor().clone(), &platform);
                let annotations = found.annotations().iter().filter(|(name, _)| *name != NAME);
                images.push(annotations.fold(plain, |plain, (name, value)| plain.with_annotation(name, value)));
            }
        }
    }
    images.push(entry);
    Ok(Index::union(there.as_ref(), &images))
}
