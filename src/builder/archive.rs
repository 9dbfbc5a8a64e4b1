//! Images of the engine's store as tar files: what `docker save` and `docker load` do.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use bollard::query_parameters::ImportImageOptions;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::body::body;
use super::engine::{Engine, absent_or};
use super::error::Error;
use super::stream;
use crate::problem::Problem;

const LOAD: &str = "load an archive of images";

impl Engine {
    /// Saves images of the store, by name or id, without their names, as `docker save` does by id, to a temporary file that
    /// is positioned at its start. The archive is whole.
    ///
    /// # Errors
    /// Code `builder::image_not_found` when one is not in the store; others when the engine or the disk is in trouble.
    pub async fn save_to(&self, images: &[String]) -> Result<File, Problem> {
        Ok(self.save(images).await?)
    }

    /// Loads the images of an archive, as `docker load` does, from where the file is positioned; lines of the engine go
    /// to `log`. Dropping the future ends the transfer.
    ///
    /// # Errors
    /// When the file cannot be read, or is no archive that the engine takes.
    pub async fn load(&self, file: File, log: mpsc::Sender<String>) -> Result<(), Problem> {
        let (mut writer, pieces) = body();
        let copying = tokio::task::spawn_blocking(move || {
            let mut file = file;
            let mut piece = vec![0; 128 * 1024];
            loop {
                let count = file.read(&mut piece)?;
                // The receiver has gone when the engine answers before the end, and its answer counts.
                if count == 0 || writer.write_all(&piece[..count]).is_err() {
                    let _ = writer.finish();
                    return Ok(());
                }
            }
        });
        let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
        let mut messages = self.worker.import_image(options, bollard::body_try_stream(pieces), None);
        let mut refused = None;
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => {
                    for line in message.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()) {
                        // A log that nobody reads any more stops no transfer.
                        drop(log.send(line.to_owned()).await);
                    }
                }
                Err(error) if stream::is_end(&error) => break,
                Err(error) => {
                    refused = Some(Error::engine(LOAD, &error));
                    break;
                }
            }
        }
        drop(messages);
        let copied: io::Result<()> = copying.await.map_err(io::Error::other).flatten();
        if let Err(error) = copied {
            let reason = format!("the archive cannot be read: {error}");
            return Err(Error::Engine { action: LOAD.to_owned(), reason }.into());
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    /// As [`Self::save_to`], with an error that a build can pass on.
    pub(super) async fn save(&self, images: &[String]) -> Result<File, Error> {
        let names = images.join("`, `");
        let stored = |error: &io::Error| Error::TemporaryFile { image: names.clone(), reason: error.to_string() };
        let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(|error| stored(&error))?);
        let mut ids = Vec::new();
        for image in images {
            let found = self.docker.inspect_image(image).await;
            let found = found.map_err(|error| absent_or(&format!("save `{image}`"), image, &error))?;
            ids.push(found.id.unwrap_or_else(|| image.clone()));
        }
        let mut pieces = self.worker.export_images(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| absent_or(&format!("save `{names}`"), &names, &error))?;
            file.write_all(&piece).await.map_err(|error| stored(&error))?;
        }
        file.flush().await.map_err(|error| stored(&error))?;
        let file = file.into_std().await;
        let checked = tokio::task::spawn_blocking(move || checked(file)).await.map_err(io::Error::other);
        checked
            .flatten()
            .map_err(|error| Error::Engine { action: format!("save `{names}`"), reason: error.to_string() })
    }
}

/// A saved archive, if it is whole: an engine in trouble ends the stream early, or with its error as text.
fn checked(mut file: File) -> io::Result<File> {
    file.rewind()?;
    let mut manifest = false;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let mut entry = entry?;
        manifest |= entry.path_bytes().as_ref() == b"manifest.json";
        io::copy(&mut entry.by_ref(), &mut io::sink())?;
    }
    if !manifest {
        return Err(io::Error::other("the archive has no manifest.json"));
    }
    let mut file = archive.into_inner();
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_archive_that_was_cut_short_is_refused() {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["layer", "manifest.json"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            tar.append_data(&mut header, name, b"abc".as_slice()).unwrap();
        }
        let whole = tar.into_inner().unwrap();
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        assert!(checked(file(&whole)).is_ok());
        assert!(checked(file(&whole[..1024])).is_err());
        assert!(checked(file(&whole[..514])).is_err());
    }
}
