//! Credentials from docker's config.json and the credential helpers it names.
//!
//! A file that does not exist, or that does not name the registry, means no credentials. A file or helper that is
//! broken is an error: going on without a login would make a private repository look absent.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use super::error::Error;

/// The name under which docker keeps the login to docker.io.
const DOCKER_IO_KEY: &str = "https://index.docker.io/v1/";

/// A login to a registry: either user name and password, or an identity token (and the other two are empty).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password, or an access token in its place.
    pub password: String,
    /// A refresh token of the registry's token server.
    pub identity_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The credentials for a registry, read on a thread that may block, since a helper is another process.
pub(super) async fn lookup(
    directory: Option<PathBuf>,
    host: String,
    timeout: Duration,
) -> Result<Option<Credentials>, Error> {
    let Some(directory) = directory else { return Ok(None) };
    let failed = |reason: &str| Error::Helper { host: host.clone(), reason: reason.to_owned() };
    let (late, broken) = (failed("it does not answer in time"), failed("it ended abnormally"));
    let reading = tokio::task::spawn_blocking(move || read(&directory, &host));
    tokio::time::timeout(timeout, reading).await.map_err(|_| late)?.map_err(|_| broken)?
}

fn read(directory: &Path, host: &str) -> Result<Option<Credentials>, Error> {
    let path = directory.join("config.json");
    let unreadable = |reason: String| Error::DockerConfig { path: path.display().to_string(), reason };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let config: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| unreadable(format!("line {}, column {}: no valid JSON", error.line(), error.column())))?;
    for name in names(host, &config) {
        let helper = |reason: &str| Error::Helper { host: host.to_owned(), reason: reason.to_owned() };
        match get_credential_from_reader(text.as_slice(), name) {
            Ok(found) => return Ok(usable(found)),
            Err(CredentialRetrievalError::NoCredentialConfigured) => {}
            // This is how every helper says that it knows nothing of a registry.
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => {
            }
            Err(CredentialRetrievalError::HelperFailure { helper: name, .. }) => {
                return Err(helper(&format!("`{name}` ended with an error")));
            }
            Err(CredentialRetrievalError::HelperCommunicationError) => {
                return Err(helper("it cannot be run; is it installed and on the PATH?"));
            }
            Err(CredentialRetrievalError::MalformedHelperResponse) => {
                return Err(helper("its answer is no credential"));
            }
            Err(CredentialRetrievalError::CredentialMismatchError) => {
                return Err(unreadable(format!("`auth` and `username` for `{name}` contradict each other")));
            }
            Err(CredentialRetrievalError::CredentialDecodingError) => {
                return Err(unreadable(format!("the `auth` of `{name}` is not the base64 of user:password")));
            }
            Err(CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::ConfigReadError) => {
                return Err(unreadable("its fields are not of the types that docker writes".to_owned()));
            }
        }
    }
    Ok(None)
}

/// The names under which the login to a registry may be kept. Helpers need the exact name, and for docker.io people
/// write several; `auths` has been written under a bare host as well, which is not to be asked of a store.
fn names<'h>(host: &'h str, config: &serde_json::Value) -> Vec<&'h str> {
    if host != "docker.io" {
        return vec![host];
    }
    let has_helper = |name: &&str| config["credHelpers"].get(name).is_some();
    let mut names: Vec<_> =
        ["docker.io", "index.docker.io", "registry-1.docker.io"].into_iter().filter(has_helper).collect();
    names.push(DOCKER_IO_KEY);
    if config["credsStore"].is_null() {
        names.push(host);
    }
    names
}

fn usable(found: DockerCredential) -> Option<Credentials> {
    match found {
        DockerCredential::IdentityToken(token) if !token.is_empty() => {
            Some(Credentials { username: String::new(), password: String::new(), identity_token: Some(token) })
        }
        DockerCredential::UsernamePassword(username, password) if !username.is_empty() => {
            Some(Credentials { username, password, identity_token: None })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(config: &str, host: &str) -> Result<Option<Credentials>, Error> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        read(directory.path(), host)
    }

    fn login(username: &str, password: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: password.to_owned(), identity_token: None }
    }

    #[test]
    fn the_login_to_docker_io_is_found_under_the_names_docker_writes() {
        for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io"] {
            let config = format!(r#"{{"auths": {{"{key}": {{"auth": "dXNlcjpwYTpzcw=="}}}}}}"#);
            assert_eq!(read_from(&config, "docker.io"), Ok(Some(login("user", "pa:ss"))), "{key}");
            assert_eq!(read_from(&config, "ghcr.io"), Ok(None));
        }
    }

    #[test]
    fn an_identity_token_is_taken_as_such() {
        let config = r#"{"auths": {"r.example:5000": {"auth": "dXNlcjo=", "identitytoken": "refresh"}}}"#;
        let found = read_from(config, "r.example:5000").unwrap().unwrap();
        assert_eq!(found.identity_token.as_deref(), Some("refresh"));
    }

    #[test]
    fn no_file_no_entry_and_an_empty_entry_mean_no_credentials() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(read(empty.path(), "r.example"), Ok(None));
        assert_eq!(read_from("{}", "r.example"), Ok(None));
        assert_eq!(read_from(r#"{"auths": {"r.example": {}}}"#, "r.example"), Ok(None));
    }

    #[test]
    fn what_is_broken_is_an_error_without_the_secret() {
        let secret = "c2VjcmV0";
        let configs = [
            format!(r#"{{"auths": {{"r.example": {{"auth": "{secret}"}}}}}}"#),
            format!(r#"{{"auths": {{"r.example": {{"auth": "{secret}""#),
            format!(r#"{{"auths": {{"r.example": "{secret}"}}}}"#),
            r#"{"credHelpers": {"r.example": "is-not-installed-anywhere"}}"#.to_owned(),
        ];
        for config in configs {
            let error = read_from(&config, "r.example").unwrap_err();
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials {
            username: "me".to_owned(),
            password: "hunter2".to_owned(),
            identity_token: Some("refresh".to_owned()),
        };
        assert_eq!(format!("{credentials:?}"), "Credentials(…)");
    }
}
