//! Which engine to talk to: `DOCKER_HOST`, the docker context, the default socket, in this order.
//!
//! The rules are those of the `docker` command. Nothing is read from the environment and nothing is connected here: a
//! [`Connection`] is resolved to an [`Endpoint`] by reading docker's configuration files only. Engines behind ssh are
//! not spoken to; the error says how to reach one through a tunnel.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::hex::hex;

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

/// An engine's address in a form that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`, plain HTTP.
    Http(String),
    /// `host:port`, TLS with the material of a directory.
    Https(String, Tls),
}

/// TLS material as docker lays it out: `ca.pem`, and `cert.pem` with `key.pem` if the engine asks for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) ca: PathBuf,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address, _) => write!(f, "https://{address}"),
        }
    }
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

impl Connection {
    /// The engine's address: `DOCKER_HOST`, else the context that `DOCKER_CONTEXT` or config.json names, else the
    /// default socket.
    pub(super) fn resolve(&self) -> Result<Endpoint, Error> {
        if let Some(host) = filled(self.host.as_ref()) {
            return endpoint(host, self.tls());
        }
        let current = match filled(self.context.as_ref()) {
            Some(name) => Some(name.to_owned()),
            None => self.current_context()?,
        };
        match current.as_deref() {
            None | Some("default") => Ok(Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET))),
            Some(name) => self.context_endpoint(name),
        }
    }

    /// The TLS material that goes with `DOCKER_HOST`: asked for by `DOCKER_TLS_VERIFY`, or by naming where it is. A
    /// peer is always verified.
    fn tls(&self) -> Option<Tls> {
        let named = self.cert_path.as_deref();
        let wanted = self.tls_verify || named.is_some();
        named.or(self.config.as_deref()).filter(|_| wanted).map(Tls::in_directory)
    }

    fn current_context(&self) -> Result<Option<String>, Error> {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default, rename = "currentContext")]
            current_context: Option<String>,
        }
        let Some(directory) = &self.config else { return Ok(None) };
        let config: Option<Config> = json(&directory.join("config.json"))?;
        Ok(config.and_then(|config| config.current_context).filter(|name| !name.is_empty()))
    }

    /// The endpoint in the metadata of a docker context, which lies below the SHA-256 of its name.
    fn context_endpoint(&self, name: &str) -> Result<Endpoint, Error> {
        let Some(directory) = &self.config else { return Err(Error::NoContext { name: name.to_owned(), path: None }) };
        let id = context_id(name);
        let path = directory.join("contexts/meta").join(&id).join("meta.json");
        let Some(metadata) = json::<Metadata>(&path)? else {
            return Err(Error::NoContext { name: name.to_owned(), path: Some(path) });
        };
        let docker = metadata.endpoints.docker;
        let Some(host) = filled(docker.host.as_ref()) else {
            return Ok(Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET)));
        };
        let material = directory.join("contexts/tls").join(&id).join("docker");
        let tls = material.is_dir().then(|| Tls::in_directory(&material));
        if docker.skip_tls_verify {
            return Err(unsupported(host, "its docker context turns off the verification of TLS certificates"));
        }
        endpoint(host, tls)
    }
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    #[serde(default)]
    docker: DockerEndpoint,
}

#[derive(Deserialize, Default)]
struct DockerEndpoint {
    #[serde(default, rename = "Host")]
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

impl Tls {
    fn in_directory(directory: &Path) -> Self {
        let file = |name: &str| directory.join(name);
        let ca = file("ca.pem");
        Self {
            // The roots of the system are trusted in any case; an empty file adds none to them.
            ca: if ca.exists() { ca } else { PathBuf::from("/dev/null") },
            cert: file("cert.pem"),
            key: file("key.pem"),
        }
    }
}

fn endpoint(host: &str, tls: Option<Tls>) -> Result<Endpoint, Error> {
    let Some((scheme, rest)) = host.split_once("://") else {
        return Err(unsupported(host, "it has no scheme such as unix:// or tcp://"));
    };
    match (scheme, tls) {
        ("unix", _) if rest.is_empty() => Ok(Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET))),
        ("unix", _) => Ok(Endpoint::Unix(PathBuf::from(rest))),
        ("tcp", None) | ("http", _) => Ok(Endpoint::Http(address(host, rest, "2375")?)),
        ("tcp" | "https", Some(tls)) => Ok(Endpoint::Https(address(host, rest, "2376")?, tls)),
        ("https", None) => Err(unsupported(host, "https needs DOCKER_CERT_PATH")),
        ("ssh", _) => Err(unsupported(host, "ssh is not spoken here")),
        _ => Err(unsupported(host, "its scheme is not known")),
    }
}

/// `host:port` of the part behind the scheme.
fn address(host: &str, rest: &str, default_port: &str) -> Result<String, Error> {
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
        return Err(unsupported(host, "a host name with an optional port is expected behind the scheme"));
    }
    let name = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    if name.contains(':') { Ok(authority.to_owned()) } else { Ok(format!("{authority}:{default_port}")) }
}

/// The name of the directories of a context: the SHA-256 of its name in hexadecimal digits.
fn context_id(name: &str) -> String {
    hex(&Sha256::digest(name))
}

fn unsupported(host: &str, reason: &str) -> Error {
    Error::UnsupportedHost { host: host.to_owned(), reason: reason.to_owned() }
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// A JSON file; `None` if it is not there.
fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Error> {
    let bad = |reason: String| Error::BadConfiguration { path: path.to_owned(), reason };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| bad(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn host(host: &str) -> Connection {
        Connection { host: Some(host.to_owned()), ..Connection::default() }
    }

    fn unix(path: &str) -> Endpoint {
        Endpoint::Unix(PathBuf::from(path))
    }

    /// A docker configuration with a context `far` at `address`, which config.json may make the current one.
    fn configuration(address: &str, current: Option<&str>) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let id = context_id("far");
        let meta = directory.path().join("contexts/meta").join(id);
        fs::create_dir_all(&meta).unwrap();
        let text = format!(
            r#"{{"Name":"far","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{address}","SkipTLSVerify":false}}}}}}"#
        );
        fs::write(meta.join("meta.json"), text).unwrap();
        if let Some(current) = current {
            let text = format!(r#"{{"auths":{{}},"currentContext":"{current}"}}"#);
            fs::write(directory.path().join("config.json"), text).unwrap();
        }
        directory
    }

    #[test]
    fn nothing_configured_is_the_default_socket() {
        assert_eq!(Connection::default().resolve(), Ok(unix(DEFAULT_SOCKET)));
        assert_eq!(host("").resolve(), Ok(unix(DEFAULT_SOCKET)));
    }

    #[test]
    fn every_scheme_has_its_endpoint() {
        assert_eq!(host("unix:///run/x.sock").resolve(), Ok(unix("/run/x.sock")));
        assert_eq!(host("tcp://10.0.0.1:2375").resolve(), Ok(Endpoint::Http("10.0.0.1:2375".into())));
        assert_eq!(host("tcp://engine/").resolve(), Ok(Endpoint::Http("engine:2375".into())));
        assert_eq!(host("tcp://[::1]").resolve(), Ok(Endpoint::Http("[::1]:2375".into())));
        assert_eq!(host("http://[::1]:80").resolve(), Ok(Endpoint::Http("[::1]:80".into())));
    }

    #[test]
    fn tls_is_spoken_when_verification_or_certificates_are_asked_for() {
        let certificates = tempfile::tempdir().unwrap();
        fs::write(certificates.path().join("ca.pem"), "").unwrap();
        let connection = Connection { cert_path: Some(certificates.path().to_owned()), ..host("tcp://engine") };
        let Ok(Endpoint::Https(address, tls)) = connection.resolve() else { panic!("{:?}", connection.resolve()) };
        assert_eq!((address.as_str(), tls.ca), ("engine:2376", certificates.path().join("ca.pem")));
        let connection =
            Connection { tls_verify: true, config: Some(certificates.path().to_owned()), ..host("tcp://engine") };
        assert!(matches!(connection.resolve(), Ok(Endpoint::Https(..))));
    }

    #[test]
    fn what_cannot_be_spoken_is_an_error_that_names_the_ways_out() {
        for text in ["ssh://me@far", "npipe:////./pipe/docker_engine", "/var/run/docker.sock", "tcp://", "tcp://a/b"] {
            let problem = Problem::from(host(text).resolve().unwrap_err());
            assert_eq!(problem.code(), "builder::unsupported_host", "{text}");
            let help = problem.diagnostic().help().map(|help| help.to_string()).unwrap_or_default();
            assert!(help.contains("DOCKER_HOST") && help.contains("docker context"), "{help}");
        }
    }

    #[test]
    fn a_context_is_used_when_named_or_current_unless_a_host_is_set() {
        let directory = configuration("tcp://far:1", Some("far"));
        let connection = Connection { config: Some(directory.path().to_owned()), ..Connection::default() };
        assert_eq!(connection.resolve(), Ok(Endpoint::Http("far:1".into())));
        let default = Connection { context: Some("default".to_owned()), ..connection.clone() };
        assert_eq!(default.resolve(), Ok(unix(DEFAULT_SOCKET)));
        let host = Connection { host: Some("unix:///near".to_owned()), ..connection };
        assert_eq!(host.resolve(), Ok(unix("/near")));

        let directory = configuration("unix:///far.sock", None);
        let connection = Connection { config: Some(directory.path().to_owned()), ..Connection::default() };
        assert_eq!(connection.resolve(), Ok(unix(DEFAULT_SOCKET)));
        let named = Connection { context: Some("far".to_owned()), ..connection };
        assert_eq!(named.resolve(), Ok(unix("/far.sock")));
    }

    #[test]
    fn tls_material_of_a_context_is_used() {
        let directory = configuration("tcp://far:1", Some("far"));
        let id = context_id("far");
        let material = directory.path().join("contexts/tls").join(id).join("docker");
        fs::create_dir_all(&material).unwrap();
        let connection = Connection { config: Some(directory.path().to_owned()), ..Connection::default() };
        let Ok(Endpoint::Https(_, tls)) = connection.resolve() else { panic!("{:?}", connection.resolve()) };
        assert_eq!(tls.key, material.join("key.pem"));
    }

    #[test]
    fn a_missing_context_and_a_broken_configuration_are_told_apart() {
        let directory = configuration("tcp://far:1", Some("gone"));
        let connection = Connection { config: Some(directory.path().to_owned()), ..Connection::default() };
        assert!(matches!(connection.resolve(), Err(Error::NoContext { .. })));
        fs::write(directory.path().join("config.json"), "{").unwrap();
        assert!(matches!(connection.resolve(), Err(Error::BadConfiguration { .. })));
    }
}
