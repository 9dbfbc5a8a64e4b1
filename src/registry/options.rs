//! How registries are spoken to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How registries are spoken to; the default suits an interactive run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Hosts (with port, as in a reference) that may be spoken to by plain HTTP, or by TLS with any certificate.
    /// Loopback hosts need not be listed to be spoken to by plain HTTP.
    pub insecure: Vec<String>,
    /// Registry host to the places (`HOST[:PORT][/PREFIX]`) that are read from first, in their order. Writing goes to
    /// the registry itself.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// The directory of docker's config.json; `None` means no credentials.
    pub docker_config: Option<PathBuf>,
    /// PEM files of certificate authorities to be trusted besides those of the platform.
    pub ca_files: Vec<PathBuf>,
    /// The directory in which `HOST/*.crt` are certificate authorities to be trusted for that host only.
    pub certs_dir: Option<PathBuf>,
    /// Requests in flight at once, over all hosts.
    pub concurrency: usize,
    /// For a connection to stand.
    pub connect_timeout: Duration,
    /// For a request on a manifest or a token, its body included.
    pub request_timeout: Duration,
    /// For a request that moves a blob.
    pub transfer_timeout: Duration,
    /// For finding out whether a host that may be spoken to by plain HTTP speaks TLS.
    pub probe_timeout: Duration,
    /// For a credential helper to answer, which may ask its user for a passphrase.
    pub helper_timeout: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for; a registry that asks for more is reported at once.
    pub longest_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            mirrors: BTreeMap::new(),
            docker_config: None,
            ca_files: Vec::new(),
            certs_dir: Some(PathBuf::from("/etc/docker/certs.d")),
            concurrency: 64,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_mins(5),
            probe_timeout: Duration::from_secs(3),
            helper_timeout: Duration::from_mins(1),
            attempts: 4,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}
