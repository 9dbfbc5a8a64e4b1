//! Signatures of images as cosign stores them beside the image, by a key of one's own.
//!
//! A signature is a layer of the manifest under the tag `sha256-<hex>.sig` in the repository of the image: its blob is the
//! payload, which names the digest that is signed, and an annotation of it is the signature of that blob, ECDSA
//! on P-256 over SHA-256. `cosign verify --key` reads it, and what `cosign sign --key` stored under that tag is read here.
//! The same image and key give the same signature, byte by byte.
//!
//! * An error is never a no: [`is_signed`] says no only if the registry answered every question that a yes could hang on.
//! * A layer that is no signature that could be checked (another media type, no annotation, no ECDSA signature, a payload
//!   that is not there, longer than 1 MiB, or called by another digest than SHA-256) is passed over, and kept
//!   when a signature is added. A manifest that is none is an error, and never replaced.
//! * As with cosign, a payload has to name the digest and need not name the repository: an image that was copied together
//!   with its signatures is still signed. Unlike with cosign, it has to say that it is such a payload.
//! * Registries have no compare-and-swap. Who signs at the same time as others reads again after writing until the own
//!   signature is listed; one that another writer takes away after that is written again by the next [`sign`].
//!
//! Not done: transparency logs, certificates, signatures in bundles that refer to the image (the other form that cosign
//! knows), keys of other kinds, and signing anything but a digest.

mod audit;
mod boxed;
mod error;
mod key;
mod listing;
mod payload;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use audit::{Audited, State, audit};
pub use error::Error;
pub use key::{PublicKey, SigningKey};

use crate::image::Reference;
use crate::problem::Problem;
use crate::registry::{Client, media_type};
use listing::{Listed, Listing};

/// How often a signature is written that others overwrite.
const WRITES: u32 = 6;

/// The wait after a signature was overwritten; it doubles with each further time.
const PAUSE: Duration = Duration::from_millis(50);

/// Signs a digest of the repository of `image`, and says whether that was to be done: if a valid signature of it by this
/// key is there, nothing is written. Signatures by other keys are kept.
///
/// `image` is on its registry already, and its tag or digest does not matter; `digest` is `sha256:<64 hexadecimal digits>`.
///
/// # Errors
/// When the registry does not say what is there or does not take what is new, when there is something under the tag that
/// is no list of signatures, and when others overwrite the signature again and again.
pub async fn sign(client: &Client, image: &Reference, digest: &str, key: &SigningKey) -> Result<bool, Problem> {
    let place = place(image, digest)?;
    let public = key.public();
    for write in 0..=WRITES {
        let listing = read(client, &place).await?;
        if let Some(listing) = &listing
            && signer_in(client, &place, listing, digest, &public).await? == Signer::This
        {
            return Ok(write > 0);
        }
        if write == WRITES {
            break;
        }
        if write > 0 {
            tokio::time::sleep(PAUSE * 2_u32.pow(write - 1)).await;
        }
        add(client, &place, listing.unwrap_or_default(), &payload::bytes(image, digest), key).await?;
    }
    Err(Error::Overwritten { about: place.to_string(), writes: WRITES }.into())
}

/// By whom a digest is signed, as far as one key can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// By this key.
    This,
    /// Signatures of it are there, and none is by this key.
    Others,
    /// There is none.
    Nobody,
}

/// By whom a digest of the repository of `image` is signed. The registry itself is asked, not its mirrors, which can have
/// an old list.
///
/// # Errors
/// When that cannot be said: the registry says neither yes nor no, or there is something under the tag that is no list of
/// signatures.
pub async fn signer(client: &Client, image: &Reference, digest: &str, key: &PublicKey) -> Result<Signer, Problem> {
    let place = place(image, digest)?;
    match read(client, &place).await? {
        Some(listing) => signer_in(client, &place, &listing, digest, key).await,
        None => Ok(Signer::Nobody),
    }
}

/// Whether a digest of the repository of `image` is signed by this key.
///
/// # Errors
/// As for [`signer`].
pub async fn is_signed(client: &Client, image: &Reference, digest: &str, key: &PublicKey) -> Result<bool, Problem> {
    Ok(signer(client, image, digest, key).await? == Signer::This)
}

/// Where the signatures of a digest are.
fn place(image: &Reference, digest: &str) -> Result<Reference, Error> {
    let hex = hex_of(digest).ok_or_else(|| Error::Digest { digest: digest.to_owned() })?;
    Ok(image.with_tag(&format!("sha256-{hex}.sig")))
}

/// The digits of a SHA-256 digest; `None` for any other text.
fn hex_of(digest: &str) -> Option<&str> {
    let is_hex = |hex: &&str| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digest.strip_prefix("sha256:").filter(is_hex)
}

/// What is listed at a place; `None` if the registry says that nothing is there.
async fn read(client: &Client, place: &Reference) -> Result<Option<Listing>, Problem> {
    let Some(manifest) = client.own_manifest(place).await? else { return Ok(None) };
    let malformed = |reason| Error::Malformed { about: place.to_string(), reason };
    Ok(Some(Listing::parse(&manifest).map_err(malformed)?))
}

/// By whom the signatures of the digest in a listing are. One that is valid is a yes whatever is wrong with others.
async fn signer_in(
    client: &Client,
    place: &Reference,
    listing: &Listing,
    digest: &str,
    key: &PublicKey,
) -> Result<Signer, Problem> {
    let signatures = listing.signatures();
    if signatures.len() > listing::MOST {
        return Err(Error::TooMany { about: place.to_string(), count: signatures.len() }.into());
    }
    // Several keys sign one and the same payload. It is remembered if it is one for this digest.
    let mut payloads: BTreeMap<&str, Option<Vec<u8>>> = BTreeMap::new();
    let mut failed = None;
    for Listed { payload, signature } in &signatures {
        let blob = payload.digest.as_str();
        if !payloads.contains_key(blob) {
            let content = match client.blob(place, blob).await {
                Ok(content) => content,
                Err(problem) => {
                    failed.get_or_insert(problem);
                    continue;
                }
            };
            payloads.insert(blob, content.filter(|content| payload::names(content, digest)));
        }
        if let Some(Some(content)) = payloads.get(blob)
            && key.verifies(content, signature)
        {
            return Ok(Signer::This);
        }
    }
    let others = payloads.values().any(Option::is_some);
    failed.map_or(Ok(if others { Signer::Others } else { Signer::Nobody }), Err)
}

/// Writes a listing with one more signature.
async fn add(
    client: &Client,
    place: &Reference,
    mut listing: Listing,
    payload: &[u8],
    key: &SigningKey,
) -> Result<(), Problem> {
    client.upload_blob(place, payload.to_vec().into()).await?;
    listing.add(payload, &key.sign(payload));
    let (config, bytes) = listing.config();
    client.upload_blob(place, bytes.into()).await?;
    client.put_manifest(place, media_type::OCI_MANIFEST, listing.to_bytes(&config)).await?;
    Ok(())
}
