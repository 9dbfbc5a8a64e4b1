//! What a request is about: one repository on one registry.

use crate::image::Reference;

/// A repository on a registry, with the reference that it was asked for as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The registry as references and docker's config.json call it, such as `docker.io`.
    pub host: String,
    /// Host and port that answer for it over HTTP.
    pub authority: String,
    /// The repository on the registry, such as `library/alpine`.
    pub repository: String,
    /// The tag or digest of a manifest.
    pub version: String,
    /// Another repository of the registry that blobs are taken over from.
    pub source: Option<String>,
    /// The reference as written, for messages.
    pub about: String,
}

impl Target {
    /// The repository and version that a reference names; a digest wins over a tag, and without either it is `latest`.
    pub fn of(reference: &Reference) -> Self {
        let canonical = reference.canonical();
        let host = canonical.host().unwrap_or("docker.io").to_owned();
        let authority = if host == "docker.io" { "registry-1.docker.io".to_owned() } else { host.clone() };
        Self {
            host,
            authority,
            repository: canonical.path().to_owned(),
            version: reference.digest().or(reference.tag()).unwrap_or("latest").to_owned(),
            source: None,
            about: reference.to_string(),
        }
    }

    /// Content of the same repository by its digest.
    pub fn at(&self, digest: &str) -> Self {
        let about = format!("{}/{}@{digest}", self.host, self.repository);
        Self { version: digest.to_owned(), about, ..self.clone() }
    }
}

/// The end of the sentence `docker login…` for a registry: docker.io is the one that needs no name.
pub(super) fn login(host: &str) -> String {
    if host == "docker.io" { "docker login".to_owned() } else { format!("docker login {host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_host_is_asked_for_at_the_http_name_of_docker_io() {
        let target = Target::of(&"alpine".parse().unwrap());
        assert_eq!((target.host.as_str(), target.authority.as_str()), ("docker.io", "registry-1.docker.io"));
        assert_eq!((target.repository.as_str(), target.version.as_str()), ("library/alpine", "latest"));
        assert_eq!(login(&target.host), "docker login");
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let target = Target::of(&format!("127.0.0.1:5000/a/b:1@{digest}").parse().unwrap());
        assert_eq!(target.version, digest);
        assert_eq!(target.authority, "127.0.0.1:5000");
    }
}
