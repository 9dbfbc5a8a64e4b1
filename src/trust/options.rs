//! How trust data is reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// The server for images of docker.io.
const DOCKER_IO_SERVER: &str = "https://notary.docker.io";

/// How trust data is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// The notary client, looked for on the PATH if it is a bare name.
    pub program: PathBuf,
    /// The URL of the notary server for all images. `None` means <https://notary.docker.io> for images of docker.io and
    /// the host of the registry for others, as for docker.
    pub server: Option<String>,
    /// Where keys and trust data lie: docker's own place is `~/.docker/trust`.
    pub directory: PathBuf,
    /// A PEM file with the only certificate authority that may vouch for the server; `None` means those of the platform.
    pub ca_file: Option<PathBuf>,
    /// The passphrase of the delegation key.
    pub passphrase: Option<Secret>,
    /// A command for `sh -c` whose first line of output is the passphrase, if `passphrase` is `None`.
    pub passphrase_command: Option<String>,
    /// Configuration files of linuxkit that may name such a command, if neither of the two is given; the first one that
    /// does counts, and none of them need be there.
    pub linuxkit_configs: Vec<PathBuf>,
    /// For one run of notary, or of the command, which may ask its user for something in a way of its own.
    pub timeout: Duration,
}

impl Options {
    /// The defaults, with keys and trust data in this directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            program: PathBuf::from("notary"),
            server: None,
            directory,
            ca_file: None,
            passphrase: None,
            passphrase_command: None,
            linuxkit_configs: Vec::new(),
            timeout: Duration::from_mins(2),
        }
    }

    /// The URL of the server for the images of a registry host.
    pub(super) fn server_of(&self, host: &str) -> String {
        match &self.server {
            Some(server) => server.clone(),
            None if host == "docker.io" => DOCKER_IO_SERVER.to_owned(),
            None => format!("https://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_follows_the_registry_unless_one_is_named() {
        let options = Options::new(PathBuf::from("/trust"));
        assert_eq!(options.server_of("docker.io"), "https://notary.docker.io");
        assert_eq!(options.server_of("reg.example:5000"), "https://reg.example:5000");
        let named = Options { server: Some("https://notary.example".to_owned()), ..options };
        assert_eq!(named.server_of("docker.io"), "https://notary.example");
    }
}
