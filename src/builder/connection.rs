//! Which engine to talk to: DOCKER_HOST, the docker context, the default socket.

use std::path::PathBuf;

/// Where the engine is looked for.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// `DOCKER_HOST`
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`
    pub context: Option<String>,
    /// The directory of docker's config.json, which names the current context.
    pub config: Option<PathBuf>,
    /// `DOCKER_TLS_VERIFY`
    pub tls_verify: bool,
    /// `DOCKER_CERT_PATH`
    pub cert_path: Option<PathBuf>,
}
