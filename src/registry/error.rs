//! What can be wrong with a registry, and what to do about it.
//!
//! All of it is the turn of the infrastructure. No message carries a credential, a token or a URL with its query.

use std::fmt;

use miette::Diagnostic;
use reqwest::StatusCode;

use super::failure::Failure;
use super::response::Response;
use super::retry::retry_after;
use super::target::{Target, login};
use crate::problem::{Class, Fault};

/// A question to a registry that got no answer, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// 401: no login, or one that is not accepted.
    #[error("registry `{host}` does not accept our login, or wants one, for `{about}`{said}")]
    #[diagnostic(
        code(registry::unauthorized),
        help(
            "run `{}`; a registry that hides absent repositories answers like this too: `plan --assume-missing` takes them \
             for absent, `plan --offline` asks no registry",
            login(host)
        )
    )]
    Unauthorized {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What the registry said.
        said: Said,
    },

    /// 403: the login may not do this.
    #[error("registry `{host}` denies access to `{about}`{said}")]
    #[diagnostic(
        code(registry::denied),
        help(
            "ask for the right to this repository, or run `{}` as a user who has it; a registry that hides absent \
             repositories answers like this too: `plan --assume-missing` takes them for absent, `plan --offline` asks no \
             registry",
            login(host)
        )
    )]
    Denied {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What the registry said.
        said: Said,
    },

    /// 429, after all attempts or with a longer wait than anybody waits.
    #[error("registry `{host}` limits the rate of requests, asked for `{about}`{}{said}", wait(*.seconds))]
    #[diagnostic(
        code(registry::rate_limited),
        help("try again later, or log in for a higher limit: `{}`; `plan --offline` asks no registry", login(host))
    )]
    RateLimited {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// The seconds it asks us to wait.
        seconds: Option<u64>,
        /// What the registry said.
        said: Said,
    },

    /// 5xx, after all attempts.
    #[error("registry `{host}` failed with status {status}, asked for `{about}`{said}")]
    #[diagnostic(code(registry::server_error), help("try again later; `plan --offline` asks no registry"))]
    Server {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said.
        said: Said,
    },

    /// 405: nothing can be written there, or not like this.
    #[error("registry `{host}` does not allow the request (status 405), asked for `{about}`{said}")]
    #[diagnostic(
        code(registry::not_allowed),
        help(
            "it may be read-only, for maintenance or because it mirrors another one: try when it takes writes again, or \
             name another one with `--registry`"
        )
    )]
    NotAllowed {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What the registry said.
        said: Said,
    },

    /// Any other status.
    #[error("registry `{host}` answered with status {status}, asked for `{about}`{said}")]
    #[diagnostic(
        code(registry::unexpected_status),
        help("check that `{host}` is an OCI registry and that the repository may be named like this")
    )]
    Status {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said.
        said: Said,
    },

    /// Nothing listens there.
    #[error("registry `{host}` refuses connections, asked for `{about}`")]
    #[diagnostic(
        code(registry::refused),
        help("start the registry, or check host and port; `plan --offline` asks no registry")
    )]
    Refused {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
    },

    /// No answer in time, after all attempts.
    #[error("registry `{host}` does not answer in time, asked for `{about}`")]
    #[diagnostic(
        code(registry::timeout),
        help(
            "check the network and the proxy (HTTPS_PROXY, NO_PROXY), or try again later; `plan --offline` asks no registry"
        )
    )]
    Timeout {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
    },

    /// The name of the host cannot be resolved.
    #[error("the name of registry `{host}` cannot be resolved, asked for `{about}`: {reason}")]
    #[diagnostic(
        code(registry::dns),
        help("check the name and the network, or name another registry; `plan --offline` asks no registry")
    )]
    Dns {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What the resolver said.
        reason: String,
    },

    /// The certificate is not trusted.
    #[error("the certificate of registry `{host}` is not trusted, asked for `{about}`: {reason}")]
    #[diagnostic(
        code(registry::certificate),
        help(
            "put the certificate of its authority into /etc/docker/certs.d/{host}/ca.crt, where the engine finds it too, \
             or name it by `--cert-file FILE` or `certificate-authorities` in kitmake.yml; or trust it as it is: list `{host}` under `insecure-registries` in kitmake.yml, or give `--insecure-registry {host}`"
        )
    )]
    Certificate {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What is wrong with it.
        reason: String,
    },

    /// TLS cannot be spoken with it.
    #[error("cannot speak TLS with registry `{host}`, asked for `{about}`: {reason}")]
    #[diagnostic(
        code(registry::tls),
        help(
            "if it speaks plain HTTP only, list `{host}` under `insecure-registries` in kitmake.yml, or give \
             `--insecure-registry {host}`"
        )
    )]
    Tls {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What went wrong.
        reason: String,
    },

    /// The connection broke, after all attempts.
    #[error("the connection to registry `{host}` broke, asked for `{about}`: {reason}")]
    #[diagnostic(
        code(registry::connection),
        help(
            "check the network and the proxy (HTTPS_PROXY, NO_PROXY), or try again later; `plan --offline` asks no registry"
        )
    )]
    Connection {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// What went wrong.
        reason: String,
    },

    /// An answer that makes no sense.
    #[error("registry `{host}` gave an answer that makes no sense, asked for `{about}`: {reason}")]
    #[diagnostic(
        code(registry::nonsense),
        help("check that `{host}` is an OCI registry and that no proxy or login page answers in its place")
    )]
    Nonsense {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// Why it makes none.
        reason: String,
    },

    /// Content that is not what its digest says.
    #[error("what registry `{host}` gave for `{about}` has digest `{actual}` instead of `{expected}`")]
    #[diagnostic(
        code(registry::digest_mismatch),
        help("the content was damaged or replaced, there or on its way; push the image again, or check the proxy")
    )]
    Mismatch {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// The digest it should have.
        expected: String,
        /// The digest it has.
        actual: String,
    },

    /// A body that is longer than what is ever read.
    #[error("what registry `{host}` gave for `{about}` is longer than {limit} bytes")]
    #[diagnostic(
        code(registry::too_large),
        help("this is not what its manifest says, or no manifest or image configuration that kitmake can use")
    )]
    TooLarge {
        /// The registry.
        host: String,
        /// The reference asked for.
        about: String,
        /// In bytes.
        limit: usize,
    },

    /// Content that has the right digest and is still not what it should be.
    #[error("the content of `{about}` cannot be read: {reason}")]
    #[diagnostic(code(registry::malformed), help("whoever pushed it pushed no valid image; push it again"))]
    Malformed {
        /// The reference asked for.
        about: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A digest that cannot be asked for or checked.
    #[error("`{digest}` is not a digest of the form sha256:<64 hexadecimal digits>")]
    #[diagnostic(code(registry::invalid_digest), help("name content by its sha256 digest"))]
    InvalidDigest {
        /// As given.
        digest: String,
    },

    /// A credential helper that fails.
    #[error("the credential helper for registry `{host}` failed: {reason}")]
    #[diagnostic(
        code(registry::credential_helper),
        help("check `credsStore` and `credHelpers` in docker's config.json, or run `{}` again", login(host))
    )]
    Helper {
        /// The registry.
        host: String,
        /// What went wrong; never what the helper printed.
        reason: String,
    },

    /// A config.json that cannot be read.
    #[error("docker's configuration `{path}` cannot be read: {reason}")]
    #[diagnostic(code(registry::docker_config), help("repair the file, or remove it and run `docker login` again"))]
    DockerConfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of certificate authorities that cannot be read.
    #[error("the certificates in `{path}` cannot be read: {reason}")]
    #[diagnostic(code(registry::ca_file), help("the file has to hold certificates in PEM form and be readable"))]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A 404 for what has to be there for the work to go on.
    #[error("registry `{host}` does not have `{about}`")]
    #[diagnostic(
        code(registry::absent),
        help("somebody removed it, or never pushed it whole; push the image that it belongs to again")
    )]
    Absent {
        /// The registry.
        host: String,
        /// What is not there.
        about: String,
    },

    /// The file that a layer waits in between two repositories.
    #[error("the temporary file for `{about}` cannot be used: {reason}")]
    #[diagnostic(
        code(registry::temporary_file),
        help("make room for one layer where temporary files go; TMPDIR names another place")
    )]
    Disk {
        /// What was to be kept in it.
        about: String,
        /// The operating system's words.
        reason: String,
    },

    /// A tag that was to be given within one repository.
    #[error("`{from}` and `{to}` are in different repositories")]
    #[diagnostic(code(registry::other_repository), help("copy the image: `kitmake remote-tag {from} {to}`"))]
    OtherRepository {
        /// The image.
        from: String,
        /// What it was to be called.
        to: String,
    },

    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {reason}")]
    #[diagnostic(code(registry::setup), help("check the proxy variables and the certificates of the system"))]
    Setup {
        /// What went wrong.
        reason: String,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Infrastructure
    }

    fn of_host(&self) -> Option<(&str, &str)> {
        match self {
            Self::Refused { host, about }
            | Self::Denied { host, about, .. }
            | Self::Timeout { host, about }
            | Self::Dns { host, about, .. }
            | Self::Certificate { host, about, .. }
            | Self::Tls { host, about, .. }
            | Self::Connection { host, about, .. }
            | Self::RateLimited { host, about, .. }
            | Self::Server { host, about, .. } => Some((host, about)),
            _ => None,
        }
    }
}

impl Error {
    /// What a failed request means for what was asked.
    pub(super) fn failed(target: &Target, failure: Failure) -> Self {
        let (host, about) = (target.host.clone(), target.about.clone());
        match failure {
            Failure::Refused => Self::Refused { host, about },
            Failure::Timeout => Self::Timeout { host, about },
            Failure::Dns(reason) => Self::Dns { host, about, reason },
            Failure::Certificate(reason) => Self::Certificate { host, about, reason },
            Failure::Tls(reason) => Self::Tls { host, about, reason },
            Failure::Connection(reason) => Self::Connection { host, about, reason },
            Failure::TooLarge(limit) => Self::TooLarge { host, about, limit },
            Failure::Nonsense(reason) => Self::Nonsense { host, about, reason },
            Failure::Setup(reason) => Self::Setup { reason },
            Failure::Disk(reason) => Self::Disk { about, reason },
        }
    }

    /// What an answer means that is neither a success nor an absence.
    pub(super) fn answered(target: &Target, response: &Response) -> Self {
        let (host, about, said) = (target.host.clone(), target.about.clone(), Said::by(&response.body));
        match response.status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized { host, about, said },
            StatusCode::FORBIDDEN => Self::Denied { host, about, said },
            StatusCode::METHOD_NOT_ALLOWED => Self::NotAllowed { host, about, said },
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = retry_after(&response.headers).map(|wait| wait.as_secs());
                Self::RateLimited { host, about, seconds, said }
            }
            status if status.is_server_error() => Self::Server { host, about, status: status.as_u16(), said },
            status => Self::Status { host, about, status: status.as_u16(), said },
        }
    }

    /// A 404 for what has to be there.
    pub(super) fn absent(target: &Target) -> Self {
        Self::Absent { host: target.host.clone(), about: target.about.clone() }
    }

    /// An answer that makes no sense.
    pub(super) fn nonsense(target: &Target, reason: impl Into<String>) -> Self {
        Self::failed(target, Failure::Nonsense(reason.into()))
    }
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!(" (retry after {seconds} s)")).unwrap_or_default()
}

/// The explanation a registry gave, made fit for one line of a terminal; empty if it gave none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said(String);

impl Said {
    /// How many characters of it are shown.
    const LONGEST: usize = 200;

    /// What the body of an error says: `{"errors":[{"code","message"}]}`, or `details` as token servers have it.
    pub(super) fn by(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else { return Self::default() };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let first = &json["errors"][0];
        let parts = [text(&first["code"]), text(&first["message"]), text(&json["details"])];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let line = parts.join(" ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(Self::LONGEST).collect();
        Self(line)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": `{}`", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_said_is_one_short_line_without_control_characters() {
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"no\u001b[2J\n{}"}}]}}"#, "x".repeat(500));
        let said = Said::by(body.as_bytes()).to_string();
        assert!(said.starts_with(": `DENIED no [2J xxx"), "{said}");
        assert!(said.chars().count() <= Said::LONGEST + 4);
        assert!(!said.chars().any(char::is_control));
        for other in ["", "<html>", "[]", r#"{"errors":"no"}"#] {
            assert_eq!(Said::by(other.as_bytes()).to_string(), "");
        }
    }
}
