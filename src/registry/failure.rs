//! Why a request got no answer, found in the chain of causes of an HTTP error.
//!
//! The texts are those of the innermost cause: they name no URL, since a URL can carry a signature.

use std::error::Error as StdError;
use std::io;

/// Why a request got no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing listens there.
    Refused,
    /// Connecting or answering took too long.
    Timeout,
    /// The name of the host cannot be resolved.
    Dns(String),
    /// The certificate of the host is not trusted.
    Certificate(String),
    /// TLS cannot be spoken with the host.
    Tls(String),
    /// The connection broke, or something else that may be better the next time.
    Connection(String),
    /// The body is longer than the limit, in bytes.
    TooLarge(usize),
    /// The answer, or what it asks for, makes no sense.
    Nonsense(String),
    /// The HTTP client cannot be set up.
    Setup(String),
    /// The file that a body goes to or comes from cannot be used.
    Disk(String),
}

impl Failure {
    /// What an error of the HTTP client means.
    pub fn of(error: &reqwest::Error) -> Self {
        let mut cause: &(dyn StdError + 'static) = error;
        loop {
            if let Some(failure) = recognise(cause) {
                return failure;
            }
            match beneath(cause) {
                Some(next) => cause = next,
                None if error.is_timeout() => return Self::Timeout,
                None if error.is_builder() => return Self::Setup(cause.to_string()),
                None => return Self::Connection(cause.to_string()),
            }
        }
    }
}

/// The next cause; an `io::Error` hides the error it was made from from `source`.
fn beneath<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}

fn recognise(cause: &(dyn StdError + 'static)) -> Option<Failure> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) => Failure::Certificate(tls.to_string()),
            _ => Failure::Tls(tls.to_string()),
        });
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => return Some(Failure::Refused),
            io::ErrorKind::TimedOut => return Some(Failure::Timeout),
            _ => {}
        }
    }
    // The type of this error is private to the HTTP client; its text is all there is.
    let text = cause.to_string();
    text.starts_with("dns error").then(|| {
        let reason = cause.source().map_or(text, ToString::to_string);
        Failure::Dns(reason)
    })
}
