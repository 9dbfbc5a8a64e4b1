//! A docker-archive: the tar file that `docker save` writes and `docker load` reads.
//!
//! Its manifest.json, which comes last, tells which files are the configuration and the layers. So the headers are read
//! first, and then each file from where it lies. Older engines call files by ids of their own and write a layer that is
//! there twice as a link; newer ones call them by digest, and may leave layers compressed.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use super::blobs::part;
use crate::path::clean;

/// More than any manifest.json or configuration has, in bytes.
const LARGEST: u64 = 64 << 20;
/// Links to links; one is usual.
const LINKS: usize = 8;

/// Where a file of the archive is.
enum Place {
    Bytes { offset: u64, size: u64 },
    Link(String),
}

/// The image in manifest.json.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Image {
    /// The file of the configuration.
    pub config: String,
    /// `name:tag` that the image has or is to get.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub repo_tags: Vec<String>,
    /// The files of the layers, lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<String>,
}

/// An archive of one image.
pub(super) struct DockerArchive<R> {
    reader: R,
    places: BTreeMap<String, Place>,
    pub(super) image: Image,
}

impl<R: Read + Seek> DockerArchive<R> {
    /// Reads headers and manifest.json; the error says what is wrong.
    pub(super) fn read(mut reader: R) -> Result<Self, String> {
        let places = places(&mut reader).map_err(|error| error.to_string())?;
        let bytes = bytes(&mut reader, &places, "manifest.json")?;
        let images: Vec<Image> = serde_json::from_slice(&bytes).map_err(|error| format!("manifest.json: {error}"))?;
        let count = images.len();
        let image = images.into_iter().next().filter(|_| count == 1);
        let image = image.ok_or_else(|| format!("it has {count} images instead of one"))?;
        Ok(Self { reader, places, image })
    }

    /// The bytes of the configuration.
    pub(super) fn config(&mut self) -> Result<Vec<u8>, String> {
        bytes(&mut self.reader, &self.places, &self.image.config)
    }

    /// Size in bytes and content of a layer.
    pub(super) fn layer(&mut self, name: &str) -> Result<(u64, impl Read), String> {
        open(&mut self.reader, &self.places, name)
    }
}

fn places(reader: &mut (impl Read + Seek)) -> io::Result<BTreeMap<String, Place>> {
    let mut places = BTreeMap::new();
    reader.rewind()?;
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let path = entry.path()?;
        let kind = entry.header().entry_type();
        let place = if kind.is_file() {
            Place::Bytes { offset: entry.raw_file_position(), size: entry.size() }
        } else if let (true, Some(target)) = (kind.is_symlink() || kind.is_hard_link(), entry.link_name()?) {
            let base = path.parent().filter(|_| kind.is_symlink()).unwrap_or(Path::new(""));
            Place::Link(text(&base.join(target)))
        } else {
            continue;
        };
        places.insert(text(&path), place);
    }
    Ok(places)
}

fn text(path: &Path) -> String {
    clean(path).to_string_lossy().into_owned()
}

fn open<R: Read + Seek>(
    reader: R,
    places: &BTreeMap<String, Place>,
    name: &str,
) -> Result<(u64, impl Read + use<R>), String> {
    let mut path = text(Path::new(name));
    for _ in 0..LINKS {
        match places.get(&path) {
            Some(&Place::Bytes { offset, size }) => {
                let part = part(reader, offset, size).map_err(|error| format!("`{name}`: {error}"))?;
                return Ok((size, part));
            }
            Some(Place::Link(target)) => path.clone_from(target),
            None => break,
        }
    }
    Err(format!("`{name}` is missing"))
}

fn bytes(reader: impl Read + Seek, places: &BTreeMap<String, Place>, name: &str) -> Result<Vec<u8>, String> {
    let (size, mut part) = open(reader, places, name)?;
    if size > LARGEST {
        return Err(format!("`{name}` has {size} bytes, which are too many"));
    }
    let mut bytes = Vec::new();
    let read = part.read_to_end(&mut bytes).map_err(|error| format!("`{name}`: {error}"))?;
    if u64::try_from(read) == Ok(size) { Ok(bytes) } else { Err(format!("`{name}` is cut short")) }
}

/// Writes an archive file by file; the same files are the same bytes.
pub(super) struct Writer<W: Write>(tar::Builder<W>);

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self(tar::Builder::new(out))
    }

    /// One file of `size` bytes.
    pub(super) fn file(&mut self, name: &str, size: u64, content: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        self.0.append_data(&mut header, name, content)
    }

    /// manifest.json, and the end.
    pub(super) fn finish(mut self, image: &Image) -> io::Result<()> {
        let bytes = serde_json::to_vec(&[image]).map_err(io::Error::other)?;
        self.file("manifest.json", u64::try_from(bytes.len()).unwrap_or(u64::MAX), &*bytes)?;
        self.0.into_inner()?.flush()
    }
}

/// An empty list as Go writes it.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn archive(files: &[(&str, &str)], links: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len().try_into().unwrap());
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        for (name, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, name, target).unwrap();
        }
        Cursor::new(tar.into_inner().unwrap())
    }

    #[test]
    fn a_layer_that_is_a_link_is_the_one_it_points_to() {
        let manifest = r#"[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]"#;
        let files = [("./a/layer.tar", "layer"), ("c.json", "{}"), ("manifest.json", manifest)];
        let mut archive = DockerArchive::read(archive(&files, &[("b/layer.tar", "../a/layer.tar")])).unwrap();
        assert_eq!(archive.config().unwrap(), b"{}");
        let (size, mut layer) = archive.layer("b/layer.tar").unwrap();
        let mut text = String::new();
        layer.read_to_string(&mut text).unwrap();
        assert_eq!((size, text.as_str()), (5, "layer"));
    }

    #[test]
    fn what_is_no_archive_of_one_image_is_refused() {
        let image = r#"{"Config":"c.json","Layers":null}"#;
        for (manifest, links) in [
            ("[]".to_owned(), &[][..]),
            (format!("[{image},{image}]"), &[]),
            ("{}".to_owned(), &[]),
            (format!("[{image}]"), &[("c.json", "c.json")]),
        ] {
            let read = DockerArchive::read(archive(&[("manifest.json", &manifest)], links));
            assert!(read.and_then(|mut archive| archive.config()).is_err(), "{manifest}");
        }
        assert!(DockerArchive::read(archive(&[], &[])).is_err());
        let mut cut = archive(&[("x", "y"), ("manifest.json", &format!("[{image}]"))], &[]).into_inner();
        cut.truncate(512 * 3 + 10);
        assert!(DockerArchive::read(Cursor::new(cut)).is_err());
    }
}
