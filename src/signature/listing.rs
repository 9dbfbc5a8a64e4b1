//! The manifest that lists the signatures of one digest.
//!
//! Its layers are kept as they were read, whatever they are, so that adding a signature takes no other one away. The
//! configuration says nothing but which layers there are, so it is made anew each time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::hex_of;
use super::key::Signature;
use crate::registry::{Descriptor, Manifest, digest, media_type};

/// The media type of a configuration.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a payload.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of a layer that is the signature of its payload: DER in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The longest payload that is read, in bytes; one without annotations has fewer than 500.
const LONGEST: u64 = 1024 * 1024;
/// The most signatures of one digest that are looked at, the same as with cosign: each can take a request.
pub(super) const MOST: usize = 1000;

/// The signatures of one digest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Listing {
    layers: Vec<Value>,
    /// Fields of the manifest that mean nothing here.
    rest: Map<String, Value>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// What is signed.
    pub(super) payload: Descriptor,
    pub(super) signature: Signature,
}

impl Listing {
    /// Reads one; the error says why it is none.
    pub(super) fn parse(manifest: &Manifest) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct File {
            layers: Vec<Value>,
            #[serde(flatten)]
            rest: Map<String, Value>,
        }
        if !matches!(manifest.descriptor.media_type.as_str(), media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST) {
            return Err(format!("it is of the media type `{}`", manifest.descriptor.media_type));
        }
        let File { layers, mut rest } = serde_json::from_slice(&manifest.bytes).map_err(|error| error.to_string())?;
        for written_anew in ["schemaVersion", "mediaType", "config"] {
            rest.remove(written_anew);
        }
        Ok(Self { layers, rest })
    }

    /// The signatures that can be checked.
    pub(super) fn signatures(&self) -> Vec<Listed> {
        self.layers.iter().filter_map(signature).collect()
    }

    /// Lists one more signature, unless it is there already.
    pub(super) fn add(&mut self, payload: &[u8], signature: &Signature) {
        let layer = json!({
            "mediaType": PAYLOAD,
            "digest": digest(payload),
            "size": payload.len(),
            "annotations": { SIGNATURE: STANDARD.encode(signature.to_der()) },
        });
        if !self.layers.contains(&layer) {
            self.layers.push(layer);
        }
    }

    /// The image configuration in the form of cosign, and what it is called. Payloads are not compressed, so they have the
    /// same digests there.
    pub(super) fn config(&self) -> (Descriptor, Vec<u8>) {
        let never = "0001-01-01T00:00:00Z";
        let digests: Vec<&Value> = self.layers.iter().filter_map(|layer| layer.get("digest")).collect();
        let history = vec![json!({ "created": never }); digests.len()];
        let config = json!({
            "architecture": "",
            "created": never,
            "history": history,
            "os": "",
            "rootfs": { "type": "layers", "diff_ids": digests },
            "config": {},
        });
        let bytes = config.to_string().into_bytes();
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        (Descriptor { media_type: CONFIG.to_owned(), digest: digest(&bytes), size }, bytes)
    }

    /// The bytes to be written, as [`media_type::OCI_MANIFEST`].
    pub(super) fn to_bytes(&self, config: &Descriptor) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct File<'l> {
            schema_version: u32,
            media_type: &'static str,
            config: &'l Descriptor,
            layers: &'l [Value],
            #[serde(flatten)]
            rest: &'l Map<String, Value>,
        }
        let (media_type, layers, rest) = (media_type::OCI_MANIFEST, &self.layers, &self.rest);
        let file = File { schema_version: 2, media_type, config, layers, rest };
        serde_json::to_vec(&file).expect("a manifest holds only text, numbers and what was JSON before")
    }
}

/// The signature that a layer is, if it is one that can be checked.
fn signature(layer: &Value) -> Option<Listed> {
    let payload = Descriptor::deserialize(layer).ok()?;
    if payload.media_type != PAYLOAD || payload.size > LONGEST || hex_of(&payload.digest).is_none() {
        return None;
    }
    let der = STANDARD.decode(layer.get("annotations")?.get(SIGNATURE)?.as_str()?.trim()).ok()?;
    Some(Listed { payload, signature: Signature::from_der(&der)? })
}
