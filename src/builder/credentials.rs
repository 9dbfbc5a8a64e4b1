//! What the engine needs to log in to registries on behalf of the user.
//!
//! The values come from elsewhere and are only passed on; they are never printed.

use std::collections::BTreeMap;
use std::fmt;

use bollard::auth::DockerCredentials;

use crate::registry::Credentials;

/// Credentials by registry host.
///
/// The spellings that docker's config.json has for one host (`https://HOST/v1/`, and four of them for docker.io) are
/// one entry.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RegistryAuth(BTreeMap<String, Credentials>);

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl From<&BTreeMap<String, Credentials>> for RegistryAuth {
    fn from(by_host: &BTreeMap<String, Credentials>) -> Self {
        by_host.iter().map(|(host, credentials)| (host.clone(), credentials.clone())).collect()
    }
}

impl FromIterator<(String, Credentials)> for RegistryAuth {
    fn from_iter<I: IntoIterator<Item = (String, Credentials)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(host, credentials)| (normal(&host).to_owned(), credentials)).collect())
    }
}

impl RegistryAuth {
    /// The credentials of a host; `None` means docker.io.
    #[must_use]
    pub fn of(&self, host: Option<&str>) -> Option<&Credentials> {
        self.0.get(normal(host.unwrap_or(DOCKER_IO)))
    }

    /// The form that goes with a pull or push.
    pub(super) fn header(&self, host: Option<&str>) -> Option<DockerCredentials> {
        let host = normal(host.unwrap_or(DOCKER_IO));
        self.0.get(host).map(|credentials| for_engine(host, credentials))
    }

    /// The form in which a build asks for them: by the host that is really spoken to.
    pub(super) fn session(&self) -> impl Iterator<Item = (String, DockerCredentials)> {
        self.0.iter().map(|(host, credentials)| {
            let asked = if host == DOCKER_IO { "registry-1.docker.io" } else { host };
            (asked.to_owned(), for_engine(host, credentials))
        })
    }
}

const DOCKER_IO: &str = "docker.io";

fn normal(host: &str) -> &str {
    let host = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://")).unwrap_or(host);
    match host.split('/').next().unwrap_or(host) {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_IO,
        host => host,
    }
}

fn for_engine(host: &str, credentials: &Credentials) -> DockerCredentials {
    let server = if host == DOCKER_IO { "https://index.docker.io/v1/" } else { host };
    let (username, password) = match &credentials.identity_token {
        Some(_) => (None, None),
        None => (Some(credentials.username.clone()), Some(credentials.password.clone())),
    };
    DockerCredentials {
        username,
        password,
        identitytoken: credentials.identity_token.clone(),
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(host: &str) -> RegistryAuth {
        let credentials =
            Credentials { username: "user".into(), password: "secret".into(), identity_token: Some("token".into()) };
        RegistryAuth::from_iter([(host.to_owned(), credentials)])
    }

    #[test]
    fn every_spelling_of_a_host_finds_its_credentials() {
        for host in ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"] {
            assert!(auth(host).of(None).is_some(), "{host}");
            assert!(auth(host).of(Some("docker.io")).is_some(), "{host}");
        }
        assert!(auth("https://reg.example:5000/v2/").of(Some("reg.example:5000")).is_some());
        assert!(auth("reg.example").of(Some("reg.example:5000")).is_none());
    }

    #[test]
    fn no_secret_is_printed() {
        let printed = format!("{:?}", auth("reg.example"));
        assert!(!printed.contains("secret") && !printed.contains("token"), "{printed}");
    }
}
