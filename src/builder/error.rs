//! What goes wrong between this program and a Docker Engine.
//!
//! [`Error`] is everything that is not the doing of a Dockerfile; [`BuildError`] keeps a build that failed apart from a
//! context that could not be read and from an engine or registry that let the build down.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use super::context::ContextError;
use crate::problem::{Class, Fault};

/// The engine, its connection or a registry behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Error {
    /// Nothing listens, or what listens is not an engine.
    #[error("no Docker Engine answers at `{endpoint}`: {reason}")]
    #[diagnostic(
        code(builder::no_engine),
        help(
            "start one with `systemctl start docker` or `dockerd &`; point to another with DOCKER_HOST or \
             `docker context use NAME`; to plan without one, add `--offline --assume-missing`"
        )
    )]
    NoEngine {
        /// Where it was looked for.
        endpoint: String,
        /// The last cause, in the words of the system.
        reason: String,
    },

    /// The socket is there and may not be used.
    #[error("permission denied for the Docker Engine at `{endpoint}`")]
    #[diagnostic(
        code(builder::permission_denied),
        help("join the group that owns the socket, `usermod -aG docker USER`, and log in again, or run as root")
    )]
    PermissionDenied {
        /// Where the engine is.
        endpoint: String,
    },

    /// The address of the engine is of a form that is not spoken.
    #[error("the Docker Engine at `{host}` cannot be reached: {reason}")]
    #[diagnostic(
        code(builder::unsupported_host),
        help(
            "set DOCKER_HOST to unix://PATH or tcp://HOST:PORT, or choose another with `docker context use NAME`; \
             an engine behind ssh is reached through a tunnel: \
             `ssh -nNT -L $HOME/engine.sock:/var/run/docker.sock HOST &` and DOCKER_HOST=unix://$HOME/engine.sock"
        )
    )]
    UnsupportedHost {
        /// As configured.
        host: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A docker context is named that does not exist.
    #[error("there is no docker context `{name}`{}", at(path.as_ref()))]
    #[diagnostic(
        code(builder::no_context),
        help("`docker context ls` lists them; choose one with DOCKER_CONTEXT or `docker context use NAME`")
    )]
    NoContext {
        /// The name of the context.
        name: String,
        /// Where its metadata was looked for.
        path: Option<PathBuf>,
    },

    /// A file of docker's configuration cannot be read.
    #[error("docker's configuration `{}` cannot be read: {reason}", path.display())]
    #[diagnostic(
        code(builder::bad_configuration),
        help("repair or remove the file, or set DOCKER_HOST, which needs none of it")
    )]
    BadConfiguration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The engine answered with an error, or stopped answering.
    #[error("the Docker Engine could not {action}: {reason}")]
    #[diagnostic(code(builder::engine), help("the log of the engine may say more: `journalctl -u docker`"))]
    Engine {
        /// What was asked, such as "list its images".
        action: String,
        /// In the words of the engine.
        reason: String,
    },

    /// An image is neither in the store nor on the registry.
    #[error("`{image}` was not found: {reason}")]
    #[diagnostic(
        code(builder::image_not_found),
        help("check name, tag and platform; an image of this repository must be built or pushed first")
    )]
    ImageNotFound {
        /// The image.
        image: String,
        /// In the words of the engine.
        reason: String,
    },

    /// The registry wants other credentials, or hides an absent repository behind such a demand.
    #[error("the registry refuses access to `{image}`: {reason}")]
    #[diagnostic(
        code(builder::unauthorized),
        help("log in with `docker login {host}`, and check that the repository exists and the account may use it")
    )]
    Unauthorized {
        /// The image.
        image: String,
        /// The host to log in to.
        host: String,
        /// In the words of the registry.
        reason: String,
    },

    /// The registry takes no writes at all.
    #[error("the registry takes no push of `{image}`: {reason}")]
    #[diagnostic(
        code(builder::read_only),
        help(
            "it may be read-only, for maintenance or because it mirrors another one: push when it takes writes again, \
             or to another one with `--registry`; what was built is kept on the builder"
        )
    )]
    ReadOnly {
        /// The image.
        image: String,
        /// In the words of the engine.
        reason: String,
    },

    /// Pull or push failed for any other reason.
    #[error("could not {action} `{image}`: {reason}")]
    #[diagnostic(
        code(builder::transfer),
        help(
            "check that the engine reaches the registry; a registry without TLS must be among the engine's \
             `insecure-registries` unless it is on a loopback address"
        )
    )]
    Transfer {
        /// "pull" or "push".
        action: &'static str,
        /// The image.
        image: String,
        /// In the words of the engine.
        reason: String,
    },

    /// The engine could not fetch an image that the Dockerfile names.
    #[error("an image that the build needs could not be fetched: {reason}")]
    #[diagnostic(
        code(builder::base_unavailable),
        help("check that the engine reaches the registry, and log in with `docker login` if the image is private")
    )]
    BaseUnavailable {
        /// In the words of the engine.
        reason: String,
    },

    /// A temporary file could not be used.
    #[error("`{image}` could not be stored in a temporary file: {reason}")]
    #[diagnostic(code(builder::temporary_file), help("make room in the temporary directory, or set TMPDIR"))]
    TemporaryFile {
        /// The images that were to be stored.
        image: String,
        /// In the words of the system.
        reason: String,
    },
}

fn at(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(": `{}` is missing", path.display()))
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Infrastructure
    }
}

impl Error {
    /// The engine's refusal of, or failure at, `action`.
    pub(super) fn engine(action: impl Into<String>, error: &bollard::errors::Error) -> Self {
        Self::Engine { action: action.into(), reason: reason(error) }
    }

    /// No answer at `endpoint`.
    pub(super) fn connecting(endpoint: String, error: &bollard::errors::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
                return Self::PermissionDenied { endpoint };
            }
            cause = error.source();
        }
        Self::NoEngine { endpoint, reason: reason(error) }
    }

    /// A pull or push that ended with `error`.
    pub(super) fn transfer(action: &'static str, image: &str, host: &str, error: &bollard::errors::Error) -> Self {
        let reason = reason(error);
        let lower = reason.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let image = image.to_owned();
        if says(&REFUSALS) {
            return Self::Unauthorized { image, host: host.to_owned(), reason };
        }
        if says(&["not found", "manifest unknown", "no matching manifest", "does not exist", "name unknown"]) {
            return Self::ImageNotFound { image, reason };
        }
        if action == "push" && says(&READ_ONLY) {
            return Self::ReadOnly { image, reason };
        }
        Self::Transfer { action, image, reason }
    }
}

/// How registries word that they take no writes. Digests contain any number, and an engine's file system may be
/// read-only too.
const READ_ONLY: [&str; 7] = [
    "status: 405",
    "http 405 ",
    "405 method not allowed",
    "operation is unsupported",
    "registry is read-only",
    "system is currently read-only",
    "system is in read only mode",
];

/// How registries and engines word that credentials are missing or insufficient.
const REFUSALS: [&str; 6] = [
    "no basic auth credentials",
    "unauthorized",
    "denied",
    "authentication required",
    "authorization failed",
    "403 forbidden",
];

/// The words of the engine where it had any, otherwise the innermost cause.
fn reason(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error as Bollard;
    match error {
        Bollard::DockerResponseServerError { message, .. } if !message.is_empty() => message.trim().to_owned(),
        Bollard::DockerStreamError { error } => error.trim().to_owned(),
        Bollard::SocketNotFoundError(path) => format!("`{path}` does not exist"),
        Bollard::RequestTimeoutError => "no answer in time".to_owned(),
        other => {
            let mut innermost = other.to_string();
            let mut cause = other.source();
            while let Some(error) = cause {
                innermost = error.to_string();
                cause = error.source();
            }
            innermost
        }
    }
}

/// How a build ends without an image.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum BuildError {
    /// The Dockerfile or what it runs is wrong: the same build would fail again.
    #[error("{0}")]
    #[diagnostic(code(builder::build_failed), help("the log of the build shows what led to it"))]
    Failed(Failure),

    /// The build context could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Context(#[from] ContextError),

    /// The engine, or a registry it asked, let the build down.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] Error),
}

impl BuildError {
    /// Whose turn it is to act; `None` for a build that failed by itself, which has an exit code of its own.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Failed(_) => None,
            Self::Context(error) => Some(error.class()),
            Self::Engine(error) => Some(error.class()),
        }
    }

    /// Sorts what the engine said at the end of a build: a step that exited is a failed build; so is everything else,
    /// unless it speaks of the network, of credentials or of the engine itself.
    pub(super) fn of_message(message: &str, failed: Option<(&str, &str)>) -> Self {
        let (step, cause) = failed.map_or((None, message), |(step, cause)| (Some(step.to_owned()), cause));
        let exit_code = exit_code(cause);
        let text = format!("{cause}\n{message}").to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if exit_code.is_none() {
            if says(&NETWORK) || says(&REFUSALS) {
                return Error::BaseUnavailable { reason: message.trim().to_owned() }.into();
            }
            if says(&ENGINE) {
                return Error::Engine { action: "finish the build".to_owned(), reason: message.trim().to_owned() }
                    .into();
            }
        }
        Self::Failed(Failure { step, exit_code, message: cause.trim().to_owned() })
    }
}

/// How the engine words that a registry could not be asked.
const NETWORK: [&str; 14] = [
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "tls handshake",
    "x509:",
    "server gave http response to https client",
    "too many requests",
    "unexpected status code [manifests",
    "unexpected status: 5",
    "failed to do request",
    "failed to fetch oauth token",
];

/// How the engine words that it is itself in trouble.
const ENGINE: [&str; 6] = [
    "no space left on device",
    "no active session",
    "context canceled",
    "transport is closing",
    "code = unavailable",
    "failed to mount",
];

/// A step that ended a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Such as `[2/3] RUN make`; `None` if the Dockerfile did not get as far as a step.
    pub step: Option<String>,
    /// Of the process that the step ran.
    pub exit_code: Option<i32>,
    /// In the words of the engine.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.step, self.exit_code) {
            (Some(step), Some(code)) => write!(f, "`{step}` failed with exit code {code}"),
            (Some(step), None) => write!(f, "`{step}` failed: {}", self.message),
            (None, _) => write!(f, "the build failed: {}", self.message),
        }
    }
}

/// The number behind `exit code: ` at the end of the engine's sentence.
fn exit_code(message: &str) -> Option<i32> {
    let (_, code) = message.trim().rsplit_once("exit code: ")?;
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn a_step_that_exits_is_a_failed_build_whatever_words_it_ran() {
        let error = BuildError::of_message(
            "executor failed running [/bin/sh -c echo connection refused; exit 7]: exit code: 7",
            Some(("[2/2] RUN x", "executor failed running [/bin/sh -c echo connection refused; exit 7]: exit code: 7")),
        );
        assert_eq!(error.class(), None);
        assert_eq!(error.to_string(), "`[2/2] RUN x` failed with exit code 7");
    }

    #[test]
    fn a_wrong_dockerfile_is_a_failed_build() {
        let error = BuildError::of_message("dockerfile parse error line 2: unknown instruction: FOO", None);
        assert_eq!(error.class(), None);
        assert!(error.to_string().contains("unknown instruction: FOO"));
    }

    #[test]
    fn a_registry_that_cannot_be_asked_is_not_the_builds_fault() {
        for message in [
            "failed to do request: Head \"https://reg.example/v2/\": dial tcp: lookup reg.example: no such host",
            "x: pulling from host reg.example/x failed with status code [manifests 1]: 401 Unauthorized",
            "write /var/lib/docker/tmp/x: no space left on device",
        ] {
            assert_eq!(BuildError::of_message(message, None).class(), Some(Class::Infrastructure), "{message}");
        }
    }

    #[test]
    fn absent_refused_and_broken_transfers_have_codes_of_their_own() {
        let code = |message: &str| {
            let error = bollard::errors::Error::DockerStreamError { error: message.to_owned() };
            Problem::from(Error::transfer("pull", "reg.example/a:1", "reg.example", &error)).code()
        };
        assert_eq!(code("manifest for reg.example/a:1 not found: manifest unknown"), "builder::image_not_found");
        assert_eq!(code("Get https://reg.example/v2/a: no basic auth credentials"), "builder::unauthorized");
        assert_eq!(code("Get https://reg.example/v2/: dial tcp: connection refused"), "builder::transfer");
        let pushed = |message: &str| {
            let error = bollard::errors::Error::DockerStreamError { error: message.to_owned() };
            Problem::from(Error::transfer("push", "reg.example/a:1", "reg.example", &error)).code()
        };
        for refused in ["unexpected status: 405 Method Not Allowed", "error parsing HTTP 405 response body: invalid"] {
            assert_eq!(pushed(refused), "builder::read_only", "{refused}");
        }
        assert_eq!(pushed("unsupported: The operation is unsupported."), "builder::read_only");
        for transient in [
            "received unexpected HTTP status: 500",
            "failed commit on ref \"layer-sha256:1405c4053\": unexpected status: 503 Service Unavailable",
            "write /var/lib/docker/tmp/x: read-only file system",
        ] {
            assert_eq!(pushed(transient), "builder::transfer", "{transient}");
        }
    }
}
