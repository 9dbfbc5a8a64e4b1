//! Keys: ECDSA on P-256, in the files that openssl and cosign write.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use p256::SecretKey;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{self, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use zeroize::Zeroizing;

use super::boxed::{self, Shut};
use super::error::Error;
use crate::problem::Problem;

/// The longest key file that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// A private key.
#[derive(Clone)]
pub struct SigningKey(ecdsa::SigningKey);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A signature of some bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature(ecdsa::Signature);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads a private key: PEM of PKCS#8 or SEC1, or a key of cosign, which needs its password.
    ///
    /// # Errors
    /// When the file cannot be read or holds no such key, and when the password is missing or wrong.
    pub fn read(file: &Path, password: Option<&str>) -> Result<Self, Problem> {
        match Key::read(file, password)? {
            Key::Private(key) => Ok(key),
            Key::Public(_) => Err(Error::Public { file: file.display().to_string() }.into()),
        }
    }

    /// A key that depends on nothing but this number, which is not 0.
    #[cfg(test)]
    pub(super) fn from_number(number: u8) -> Self {
        let mut bytes = [0; 32];
        bytes[31] = number;
        Self(ecdsa::SigningKey::from_slice(&bytes).unwrap())
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The one signature of some bytes by this key: it holds nothing random.
    pub(super) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes))
    }
}

impl PublicKey {
    /// Reads a public key, or the public half of a private one, which may need a password.
    ///
    /// # Errors
    /// As for [`SigningKey::read`].
    pub fn read(file: &Path, password: Option<&str>) -> Result<Self, Problem> {
        Ok(match Key::read(file, password)? {
            Key::Private(key) => key.public(),
            Key::Public(key) => key,
        })
    }

    /// Whether this key made a signature of these bytes.
    pub(super) fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        self.0.verify(bytes, &signature.0).is_ok()
    }
}

impl Signature {
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        ecdsa::Signature::from_der(der).ok().map(Self)
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        self.0.to_der().as_bytes().to_vec()
    }
}

/// What a file holds.
enum Key {
    Private(SigningKey),
    Public(PublicKey),
}

impl Key {
    fn read(file: &Path, password: Option<&str>) -> Result<Self, Error> {
        let name = || file.display().to_string();
        let text = read(file).map_err(|reason| Error::Unreadable { file: name(), reason })?;
        let none = |reason| Error::NoKey { file: name(), reason };
        // What is wrong with a file is not quoted: it can be a part of a key.
        let blocks = pem::parse_many(&*text).map_err(|_| none("it is no proper PEM"))?;
        let blocks = blocks.into_iter().map(|block| (block.tag().to_owned(), Zeroizing::new(block.into_contents())));
        // openssl writes the name of the curve in front of a key in the form SEC1.
        let (kind, der) = blocks
            .filter(|(kind, _)| kind != "EC PARAMETERS")
            .reduce(|first, _| first)
            .ok_or_else(|| none("there is no PEM in it"))?;
        let other = || none("it is no key for ECDSA on P-256");
        let private = |key: Option<SecretKey>| key.map(|key| Self::Private(SigningKey(key.into()))).ok_or_else(other);
        match kind.as_str() {
            "PRIVATE KEY" => private(SecretKey::from_pkcs8_der(&der).ok()),
            "EC PRIVATE KEY" => private(SecretKey::from_sec1_der(&der).ok()),
            "ENCRYPTED COSIGN PRIVATE KEY" | "ENCRYPTED SIGSTORE PRIVATE KEY" => {
                let password = password.ok_or_else(|| Error::NoPassword { file: name() })?;
                let der = boxed::open(&der, password).map_err(|shut| match shut {
                    Shut::Malformed(reason) => none(reason),
                    Shut::Password => Error::WrongPassword { file: name() },
                })?;
                private(SecretKey::from_pkcs8_der(&der).ok())
            }
            "PUBLIC KEY" => {
                VerifyingKey::from_public_key_der(&der).map(|key| Self::Public(PublicKey(key))).map_err(|_| other())
            }
            "ENCRYPTED PRIVATE KEY" => Err(none("it is encrypted in the way of openssl")),
            _ => Err(other()),
        }
    }
}

/// The content of a file that is not too long for a key; the error says why there is none.
fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // With all of its room from the start it is never moved, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let read = File::open(file).and_then(|file| file.take(LONGEST as u64 + 1).read_to_end(&mut text));
    match read {
        Ok(length) if length <= LONGEST => Ok(text),
        Ok(_) => Err(format!("it is longer than the {LONGEST} bytes of any key")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use tempfile::TempDir;

    use super::*;
    use crate::problem::Class;

    /// A key of cosign's form that this program did not make.
    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cosign-keys").join(name)
    }

    /// The code of what is wrong with a key, which names the file and is for the user to mend.
    fn code(file: &Path, password: Option<&str>) -> String {
        let problem = SigningKey::read(file, password).unwrap_err();
        assert_eq!(problem.class(), Class::Usage);
        assert!(problem.to_string().contains(&file.display().to_string()), "{problem}");
        assert!(problem.diagnostic().help().is_some());
        problem.code()
    }

    fn block(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
    }

    /// A file with this text, as long as the directory lives.
    fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        std::fs::write(&file, text).unwrap();
        (directory, file)
    }

    #[test]
    fn a_key_that_cosign_encrypted_is_opened_by_its_password() {
        let public = PublicKey::read(&golden("key.pub"), None).unwrap();
        for (name, password) in
            [("cosign.key", "correct horse"), ("sigstore.key", "pässword"), ("empty-password.key", "")]
        {
            let key = SigningKey::read(&golden(name), Some(password)).unwrap();
            assert_eq!(key.public(), public, "{name}");
            assert_eq!(PublicKey::read(&golden(name), Some(password)).unwrap(), public, "{name}");
            assert_eq!(code(&golden(name), None), "signature::no_password");
        }
    }

    #[test]
    fn a_wrong_password_is_said_so_and_not_shown() {
        assert_eq!(code(&golden("cosign.key"), Some("battery staple")), "signature::wrong_password");
        let problem = SigningKey::read(&golden("cosign.key"), Some("battery staple")).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains("staple"));
    }

    #[test]
    fn a_changed_box_is_not_opened_and_one_that_asks_for_much_is_not_tried() {
        let text = std::fs::read(golden("cosign.key")).unwrap();
        let text = String::from_utf8(pem::parse(text).unwrap().into_contents()).unwrap();
        let kind = "ENCRYPTED COSIGN PRIVATE KEY";
        for (from, to) in [
            ("\"N\":32768", "\"N\":1073741824"),
            ("\"N\":32768", "\"N\":4294967295"),
            ("\"N\":32768", "\"N\":2"),
            ("\"N\":32768", "\"N\":0"),
            ("\"N\":32768", "\"N\":-1"),
            ("\"r\":8", "\"r\":1000000"),
            ("\"p\":1", "\"p\":1000000"),
            ("scrypt", "pbkdf2"),
            ("nacl/secretbox", "none"),
            ("\"nonce\":\"", "\"nonce\":\"AAAA"),
            ("\"salt\":\"", "\"salt\":\"*"),
            ("{", "["),
        ] {
            assert!(text.contains(from));
            let (_directory, file) = file(block(kind, text.replacen(from, to, 1).as_bytes()));
            assert_eq!(code(&file, Some("correct horse")), "signature::no_key", "{from} {to}");
        }
        let (_directory, file) =
            file(block(kind, text.replace("\"ciphertext\":\"", "\"ciphertext\":\"AAAA").as_bytes()));
        assert_eq!(code(&file, Some("correct horse")), "signature::wrong_password");
    }

    #[test]
    fn a_public_key_verifies_and_does_not_sign() {
        assert_eq!(code(&golden("key.pub"), None), "signature::public_key");
        let text = std::fs::read_to_string(golden("key.pub")).unwrap();
        let (_directory, file) = file(format!("a comment\r\n{}", text.replace('\n', "\r\n")));
        assert_eq!(PublicKey::read(&file, None).unwrap(), PublicKey::read(&golden("key.pub"), None).unwrap());

        let key = SigningKey::from_number(7);
        let signature = Signature::from_der(&key.sign(b"text").to_der()).unwrap();
        assert!(key.public().verifies(b"text", &signature));
        assert!(!key.public().verifies(b"test", &signature));
        assert!(!SigningKey::from_number(8).public().verifies(b"text", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let long = vec![b'a'; LONGEST + 1];
        for (text, expected) in [
            (&b""[..], "signature::no_key"),
            (b"s3cret", "signature::no_key"),
            (b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n", "signature::no_key"),
            (b"-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PUBLIC KEY-----\n", "signature::no_key"),
            (b"-----BEGIN EC PRIVATE KEY-----\nczNjcmV0\n-----END EC PRIVATE KEY-----\n", "signature::no_key"),
            (b"-----BEGIN EC PARAMETERS-----\nczNjcmV0\n-----END EC PARAMETERS-----\n", "signature::no_key"),
            (b"-----BEGIN RSA PRIVATE KEY-----\nczNjcmV0\n-----END RSA PRIVATE KEY-----\n", "signature::no_key"),
            (
                b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "signature::no_key",
            ),
            (&long, "signature::unreadable_key"),
        ] {
            let (_directory, file) = file(text);
            assert_eq!(code(&file, Some("")), expected, "{}", String::from_utf8_lossy(text));
            let problem = SigningKey::read(&file, Some("")).unwrap_err();
            assert!(!format!("{problem} {problem:?}").contains("s3cret"), "{problem}");
        }
        assert_eq!(code(Path::new("/nowhere/key.pem"), None), "signature::unreadable_key");
        assert_eq!(code(Path::new("/"), None), "signature::unreadable_key");
    }

    #[test]
    fn no_private_key_shows_itself() {
        assert_eq!(format!("{:?}", SigningKey::from_number(7)), "SigningKey(…)");
    }
}
