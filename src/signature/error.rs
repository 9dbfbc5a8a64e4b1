//! What can be wrong with a key or with the signatures of an image.

use miette::Diagnostic;

use crate::problem::{Class, Fault};

/// A key that cannot be used, or signatures that cannot be read or written.
///
/// No message quotes a key file or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The file of a key cannot be read.
    #[error("key `{file}` cannot be read: {reason}")]
    #[diagnostic(code(signature::unreadable_key), help("name a file that exists and that you may read"))]
    Unreadable {
        /// As given.
        file: String,
        /// Why not.
        reason: String,
    },

    /// The file holds no key that can be used.
    #[error("`{file}` is no key that can be used here: {reason}")]
    #[diagnostic(
        code(signature::no_key),
        help(
            "`cosign generate-key-pair` makes one, and so does `openssl genpkey -algorithm EC -pkeyopt \
             ec_paramgen_curve:P-256 -out key.pem`; a key that openssl encrypted becomes one by \
             `cosign import-key-pair --key FILE`"
        )
    )]
    NoKey {
        /// As given.
        file: String,
        /// Why it is none.
        reason: &'static str,
    },

    /// A public key where a private one is needed.
    #[error("`{file}` is a public key, which cannot sign")]
    #[diagnostic(code(signature::public_key), help("name the file of the private key"))]
    Public {
        /// As given.
        file: String,
    },

    /// A password is needed.
    #[error("key `{file}` is encrypted")]
    #[diagnostic(
        code(signature::no_password),
        help("the environment variable COSIGN_PASSWORD is its password, which may be empty")
    )]
    NoPassword {
        /// As given.
        file: String,
    },

    /// The password does not open the key.
    #[error("the password does not open key `{file}`")]
    #[diagnostic(
        code(signature::wrong_password),
        help("look at the environment variable COSIGN_PASSWORD; a key file that was changed is not opened either")
    )]
    WrongPassword {
        /// As given.
        file: String,
    },

    /// A digest by another algorithm has no place for its signatures.
    #[error("`{digest}` cannot be signed: it is no SHA-256 digest")]
    #[diagnostic(code(signature::digest), help("push the image to a registry that calls it by SHA-256"))]
    Digest {
        /// As given.
        digest: String,
    },

    /// There is something else where the signatures should be.
    #[error("`{about}` is no list of signatures: {reason}")]
    #[diagnostic(
        code(signature::malformed),
        help("look at it with `skopeo inspect --raw docker://{about}`; to have it written anew, remove the tag")
    )]
    Malformed {
        /// The tag.
        about: String,
        /// Why it is none.
        reason: String,
    },

    /// More signatures than are looked at.
    #[error("`{about}` lists {count} signatures, too many to look at")]
    #[diagnostic(
        code(signature::too_many),
        help("`cosign clean` removes the signatures of an image, so that it can be signed anew")
    )]
    TooMany {
        /// The tag.
        about: String,
        /// How many.
        count: usize,
    },

    /// What was written was not there afterwards, again and again.
    #[error("`{about}` was written {writes} times, and our signature was never there afterwards")]
    #[diagnostic(
        code(signature::overwritten),
        help("sign again when fewer others sign the same image, or see whether the registry drops writes to that tag")
    )]
    Overwritten {
        /// The tag.
        about: String,
        /// How often.
        writes: u32,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        match self {
            Self::Unreadable { .. }
            | Self::NoKey { .. }
            | Self::Public { .. }
            | Self::NoPassword { .. }
            | Self::WrongPassword { .. } => Class::Usage,
            Self::Digest { .. } | Self::Malformed { .. } | Self::TooMany { .. } | Self::Overwritten { .. } => {
                Class::Infrastructure
            }
        }
    }
}
