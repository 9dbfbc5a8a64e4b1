//! What is there: indexes and images that are whole.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::Stored;
use super::blobs::Blobs;
use super::docker_archive::{self, Writer};
use super::error::Error;
use super::root::{Kind, Root, choose};
use crate::image::{Platform, Reference};
use crate::registry::{Descriptor, Image, ImageConfig, Index};

/// An image whose manifest, configuration and layers are all there.
pub(super) struct Whole {
    pub(super) config: ImageConfig,
    config_bytes: Vec<u8>,
    manifest: Image,
    digest: String,
}

/// An index, if its blob is there.
pub(super) fn index(blobs: &Blobs<'_>, descriptor: &Descriptor) -> Result<Option<Index>, Error> {
    let Some(bytes) = blobs.read(descriptor)? else { return Ok(None) };
    let path = blobs.path(&descriptor.digest)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::malformed(&path, &error))
}

/// An image, if all its blobs are there.
pub(super) fn image(blobs: &Blobs<'_>, descriptor: &Descriptor) -> Result<Option<Whole>, Error> {
    let Some(bytes) = blobs.read(descriptor)? else { return Ok(None) };
    let path = blobs.path(&descriptor.digest)?;
    let manifest: Image = serde_json::from_slice(&bytes).map_err(|error| Error::malformed(&path, &error))?;
    for layer in &manifest.layers {
        if !blobs.has(layer)? {
            return Ok(None);
        }
    }
    let Some(config_bytes) = blobs.read(&manifest.config)? else { return Ok(None) };
    let path = blobs.path(&manifest.config.digest)?;
    let config = ImageConfig::parse(&config_bytes, "").map_err(|problem| Error::malformed(&path, &problem))?;
    Ok(Some(Whole { config, config_bytes, manifest, digest: descriptor.digest.clone() }))
}

/// The image of a name for a platform, and the platform it says it is for.
fn of_name(
    blobs: &Blobs<'_>,
    root: &Root,
    name: &Reference,
    wanted: &Platform,
) -> Result<Option<(Whole, Platform)>, Error> {
    for (kind, entry) in root.named(name) {
        let descriptor = entry.descriptor();
        match kind {
            Kind::Image => {
                let Some(whole) = image(blobs, descriptor)? else { continue };
                let platform = whole.config.platform.clone().unwrap_or_else(|| wanted.clone());
                if platform.os() == wanted.os() && platform.architecture() == wanted.architecture() {
                    return Ok(Some((whole, platform)));
                }
            }
            Kind::Index => {
                let Some(index) = index(blobs, descriptor)? else { continue };
                let Some(entry) = choose(&index, wanted) else { continue };
                if let Some(whole) = image(blobs, entry.descriptor())? {
                    return Ok(Some((whole, entry.platform().unwrap_or_else(|| wanted.clone()))));
                }
            }
        }
    }
    Ok(None)
}

/// The image of `tag` for a platform, otherwise that of `tag-arch`; and whether it was `tag`.
fn whole(
    blobs: &Blobs<'_>,
    root: &Root,
    name: &Reference,
    platform: &Platform,
) -> Result<Option<(Whole, Platform, bool)>, Error> {
    if let Some((whole, found)) = of_name(blobs, root, name, platform)? {
        return Ok(Some((whole, found, true)));
    }
    if name.digest().is_some() {
        return Ok(None);
    }
    let found = of_name(blobs, root, &name.arch_tag(platform), platform)?;
    Ok(found.map(|(whole, found)| (whole, found, false)))
}

/// What is there of a name for a platform.
pub(super) fn stored(
    blobs: &Blobs<'_>,
    root: &Root,
    name: &Reference,
    platform: &Platform,
) -> Result<Option<Stored>, Error> {
    Ok(whole(blobs, root, name, platform)?.map(|(whole, platform, listed)| Stored {
        digest: whole.digest,
        id: whole.manifest.config.digest,
        platform,
        labels: whole.config.labels,
        listed,
    }))
}

/// The image of a name for a platform, which has to be there.
pub(super) fn required(directory: &Path, root: &Root, name: &Reference, platform: &Platform) -> Result<Whole, Error> {
    let not_there =
        || Error::NotThere { image: name.to_string(), platform: platform.clone(), directory: directory.to_owned() };
    whole(&Blobs::of(directory), root, name, platform)?.map(|(whole, ..)| whole).ok_or_else(not_there)
}

impl Whole {
    /// Writes it as a docker-archive with these names; the layers as they are.
    pub(super) fn write(&self, blobs: &Blobs<'_>, names: &[Reference], out: impl Write) -> Result<(), Error> {
        let about = names.first().map_or_else(|| self.digest.clone(), Reference::to_string);
        let failed =
            |error: std::io::Error| Error::ArchiveNotWritten { image: about.clone(), reason: error.to_string() };
        let file = |blob: &Descriptor, ending: &str| format!("{}.{ending}", blob.digest.trim_start_matches("sha256:"));

        let config = &self.manifest.config;
        let image = docker_archive::Image {
            config: file(config, "json"),
            repo_tags: names.iter().map(Reference::to_string).collect(),
            layers: self.manifest.layers.iter().map(|layer| file(layer, "tar")).collect(),
        };
        let mut writer = Writer::new(out);
        writer.file(&image.config, config.size, &*self.config_bytes).map_err(failed)?;
        let layers: BTreeMap<_, _> = image.layers.iter().zip(&self.manifest.layers).collect();
        for (name, layer) in layers {
            let path = blobs.path(&layer.digest)?;
            let missing = || Error::unreadable(&path, &std::io::ErrorKind::NotFound.into());
            writer.file(name, layer.size, blobs.open(layer)?.ok_or_else(missing)?).map_err(failed)?;
        }
        writer.finish(&image).map_err(failed)
    }
}
