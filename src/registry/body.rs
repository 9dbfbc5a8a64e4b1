//! Blobs that are too long for the memory: sent from a file, and received into one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::failure::Failure;
use crate::hex::hex;

/// The rate, in bytes per second, below which sending a long file counts as standing still.
const SLOWEST: u64 = 128 * 1024;

/// What a request sends, as often as need be.
#[derive(Clone)]
pub(super) enum Body {
    /// From memory.
    Bytes(Bytes),
    /// From a file of this length, in bytes.
    File(PathBuf, u64),
}

/// What was received into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saved {
    /// `sha256:…`
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(_, size) => *size,
        }
    }

    /// How long it may take to send, if a body of no length takes `least`.
    pub fn patience(&self, least: Duration) -> Duration {
        least + Duration::from_secs(self.len() / SLOWEST)
    }

    /// As the HTTP client takes it.
    pub async fn open(&self) -> Result<reqwest::Body, Failure> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone().into()),
            Self::File(path, _) => Ok(File::open(path).await.map_err(|error| disk(&error))?.into()),
        }
    }
}

/// Writes a body over a file and says what it was. Each part of it has to come within `patience`; a body longer than
/// `limit` is not written whole.
pub(super) async fn save(
    response: &mut reqwest::Response,
    path: &Path,
    limit: usize,
    patience: Duration,
) -> Result<Saved, Failure> {
    let mut file = File::create(path).await.map_err(|error| disk(&error))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    loop {
        let chunk = timeout(patience, response.chunk()).await.map_err(|_| Failure::Timeout)?;
        let Some(chunk) = chunk.map_err(|error| Failure::of(&error))? else { break };
        size += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if size > most {
            return Err(Failure::TooLarge(limit));
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| disk(&error))?;
    }
    file.flush().await.map_err(|error| disk(&error))?;
    Ok(Saved { digest: format!("sha256:{}", hex(&hash.finalize())), size })
}

fn disk(error: &std::io::Error) -> Failure {
    Failure::Disk(error.to_string())
}
