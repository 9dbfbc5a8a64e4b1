//! How cosign encrypts a private key: JSON with a secretbox, whose key scrypt makes from a password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The work factors that cosign has ever used, as powers of two. With them scrypt takes 128 MiB at most: a file cannot
/// ask for more.
const WORK: std::ops::RangeInclusive<u32> = 15..=17;
/// The block size that cosign has ever used.
const BLOCK: u32 = 8;
const PARALLEL: u32 = 1;

/// Why a box was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shut {
    /// It is none, or of another make.
    Malformed(&'static str),
    /// The password is wrong, or the content was changed.
    Password,
}

#[derive(Deserialize)]
struct Box {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// The content of a box: a private key as PKCS#8.
pub(super) fn open(text: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, Shut> {
    let Box { kdf, cipher, ciphertext } =
        serde_json::from_slice(text).map_err(|_| Shut::Malformed("what is encrypted is not in cosign's form"))?;
    if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
        return Err(Shut::Malformed("it is encrypted with other means than scrypt and nacl/secretbox"));
    }
    let Params { n, r, p } = kdf.params;
    if !(n.is_power_of_two() && WORK.contains(&n.ilog2()) && r == BLOCK && p == PARALLEL) {
        return Err(Shut::Malformed("its parameters of scrypt are none that cosign uses"));
    }
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| Shut::Malformed("what is encrypted is not base64"));
    let (salt, ciphertext) = (decoded(&kdf.salt)?, decoded(&ciphertext)?);
    let nonce: [u8; 24] =
        decoded(&cipher.nonce)?.try_into().map_err(|_| Shut::Malformed("its nonce is not of 24 bytes"))?;

    let params = u8::try_from(n.ilog2()).ok().and_then(|work| scrypt::Params::new(work, r, p).ok());
    let params = params.expect("they were checked above");
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut *key).expect("32 bytes are no more than scrypt can give");
    let opened = XSalsa20Poly1305::new(Key::from_slice(&*key)).decrypt(Nonce::from_slice(&nonce), &ciphertext[..]);
    opened.map(Zeroizing::new).map_err(|_| Shut::Password)
}
