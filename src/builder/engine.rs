//! The engine behind bollard: connecting, and everything it does with its image store.
//!
//! Requests that only ask are answered within two minutes or fail; builds, pulls, pushes and saves have no time limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Bollard;
use bollard::query_parameters::{
    CreateImageOptions, ListImagesOptions, PushImageOptions, RemoveImageOptions, TagImageOptions,
};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::connection::Endpoint;
use super::context::ArchiveFile;
use super::credentials::RegistryAuth;
use super::error::{BuildError, Error};
use super::{Archive, BuildRequest, Built, Connection, build, stream, workers};
use crate::image::{Platform, Reference};
use crate::problem::Problem;

/// How long an engine may take to answer at all.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take that needs no work.
const ASK: u64 = 120;
/// A time that no build takes: the engine decides when it begins to answer.
const WORK: Duration = Duration::from_hours(365 * 24);

/// A Docker Engine that answered; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    /// For what is asked.
    pub(super) docker: Docker,
    /// For what takes its time.
    pub(super) worker: Docker,
    /// Where it is.
    endpoint: Endpoint,
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its own platform.
    pub platform: Platform,
    /// Number of CPUs.
    pub cpus: usize,
    /// Such as `20.10.24`.
    pub version: String,
    /// Whether it looks for images of docker.io somewhere else first.
    pub mirrors: bool,
}

/// An image in the engine's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// `sha256:…`
    pub id: String,
    /// `name:tag` as the engine has them, sorted.
    pub tags: Vec<String>,
    /// `name@digest` as the engine has them, sorted.
    pub digests: Vec<String>,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// Connects and asks the engine for its version.
    ///
    /// # Errors
    /// When no engine answers; the help says how to start one or point to one.
    pub async fn connect(connection: &Connection) -> Result<(Self, Info), Problem> {
        let endpoint = connection.resolve()?;
        let name = endpoint.to_string();
        let refused = |error: &Bollard| Error::connecting(name.clone(), error);
        let docker = client(&endpoint).map_err(|error| refused(&error))?;
        let answer = tokio::time::timeout(CONNECT, async {
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            Ok((docker, version))
        });
        let answer = answer.await.unwrap_or(Err(Bollard::RequestTimeoutError));
        let (docker, version) = answer.map_err(|error| refused(&error))?;
        let info = docker.info().await.map_err(|error| refused(&error))?;
        let (os, architecture) = (version.os.unwrap_or_default(), version.arch.unwrap_or_default());
        let platform = platform("describe itself", &os, &architecture, "")?;
        let info = Info {
            platform,
            cpus: info.ncpu.and_then(|cpus| usize::try_from(cpus).ok()).unwrap_or(1).max(1),
            version: version.version.unwrap_or_default(),
            mirrors: info.registry_config.and_then(|config| config.mirrors).is_some_and(|mirrors| !mirrors.is_empty()),
        };
        Ok((Self { worker: docker.clone().with_timeout(WORK), docker, endpoint }, info))
    }

    /// The platforms whose programs it can run, natively or by an emulator; `None` if that is not known.
    pub async fn runs(&self) -> Option<BTreeSet<Platform>> {
        workers::platforms(&self.endpoint).await
    }

    /// All images of the store, by id, also those without a name.
    ///
    /// # Errors
    /// When the engine cannot list them.
    pub async fn images(&self) -> Result<Vec<StoredImage>, Problem> {
        let options = ListImagesOptions { digests: true, ..ListImagesOptions::default() };
        let images = self.docker.list_images(Some(options)).await;
        let named = |names: Vec<String>| {
            let mut names: Vec<_> = names.into_iter().filter(|name| !name.starts_with("<none>")).collect();
            names.sort();
            names
        };
        let mut images: Vec<_> = images
            .map_err(|error| Error::engine("list its images", &error))?
            .into_iter()
            .map(|image| StoredImage {
                id: image.id,
                tags: named(image.repo_tags),
                // An image that lost its name keeps the digest as `<none>@sha256:…`.
                digests: named(image.repo_digests),
                labels: image.labels.into_iter().collect(),
            })
            .collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// The platform of an image of the store; `None` if it is not there.
    ///
    /// # Errors
    /// When the engine cannot say.
    pub async fn platform(&self, image: &str) -> Result<Option<Platform>, Problem> {
        let action = format!("inspect `{image}`");
        match self.docker.inspect_image(image).await {
            Ok(found) => {
                let part = Option::unwrap_or_default;
                Ok(Some(platform(&action, &part(found.os), &part(found.architecture), &part(found.variant))?))
            }
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(Error::engine(action, &error).into()),
        }
    }

    /// Builds; lines of the log go to `log` as they come. Dropping the future cancels the build.
    ///
    /// # Errors
    /// [`BuildError`] tells a build that failed from a context that cannot be read and from an engine in trouble.
    pub async fn build(
        &self,
        request: &BuildRequest,
        auth: &RegistryAuth,
        log: mpsc::Sender<String>,
    ) -> Result<Built, BuildError> {
        let mut archives = Vec::new();
        for Archive { path, images } in &request.archives {
            archives.push(ArchiveFile { path: path.clone(), file: self.save(images).await? });
        }
        let built = build::run(&self.worker, request, archives, auth, &log).await?;
        for name in request.tags.iter().skip(1) {
            let (repo, tag) = split_tag(name);
            let options = TagImageOptions { repo: Some(repo.to_owned()), tag: tag.map(str::to_owned) };
            let tagged = self.docker.tag_image(&built.id, Some(options)).await;
            tagged.map_err(|error| Error::engine(format!("name the image `{name}`"), &error))?;
        }
        Ok(built)
    }

    /// Pulls an image for a platform.
    ///
    /// # Errors
    /// Codes `builder::image_not_found`, `builder::unauthorized`, and `builder::transfer` for the rest.
    pub async fn pull(
        &self,
        image: &Reference,
        platform: &Platform,
        auth: &RegistryAuth,
        log: mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let options = CreateImageOptions {
            from_image: Some(image.name()),
            // Without either the engine would pull every tag of the repository.
            tag: Some(image.digest().or(image.tag()).unwrap_or("latest").to_owned()),
            platform: platform.to_string(),
            ..CreateImageOptions::default()
        };
        let messages = self.worker.create_image(Some(options), None, auth.header(image.host()));
        let messages = messages.map(|message| {
            message.map(|message| {
                line(message.id, message.status, message.progress_detail.is_some_and(|p| p.current.is_some()))
            })
        });
        follow("pull", image, messages, &log).await
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// When the image is not in the store.
    pub async fn tag(&self, image: &str, name: &Reference) -> Result<(), Problem> {
        let options = TagImageOptions { repo: Some(name.name()), tag: name.tag().map(str::to_owned) };
        let tagged = self.docker.tag_image(image, Some(options)).await;
        tagged.map_err(|error| absent_or(&format!("name `{image}` also `{name}`"), image, &error).into())
    }

    /// Takes a name away; the image goes with its last name.
    ///
    /// # Errors
    /// When there is no such name, or a container needs it.
    pub async fn untag(&self, name: &Reference) -> Result<(), Problem> {
        let text = name.to_string();
        let removed = self.docker.remove_image(&text, None::<RemoveImageOptions>, None).await;
        removed.map(drop).map_err(|error| absent_or(&format!("remove the name `{text}`"), &text, &error).into())
    }

    /// Pushes a name of the store to its registry.
    ///
    /// # Errors
    /// Codes `builder::image_not_found`, `builder::unauthorized`, `builder::read_only`, and `builder::transfer` for the rest.
    pub async fn push(&self, image: &Reference, auth: &RegistryAuth, log: mpsc::Sender<String>) -> Result<(), Problem> {
        let options =
            PushImageOptions { tag: Some(image.tag().unwrap_or("latest").to_owned()), ..PushImageOptions::default() };
        let messages = self.worker.push_image(&image.name(), Some(options), auth.header(image.host()));
        let messages = messages.map(|message| {
            message
                .map(|message| line(None, message.status, message.progress_detail.is_some_and(|p| p.current.is_some())))
        });
        follow("push", image, messages, &log).await
    }
}

fn client(endpoint: &Endpoint) -> Result<Docker, Bollard> {
    // Refused if another part of the process has already chosen one, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let version = bollard::API_DEFAULT_VERSION;
    let docker = match endpoint {
        Endpoint::Unix(path) => Docker::connect_with_unix(&path.to_string_lossy(), ASK, version),
        Endpoint::Http(address) => Docker::connect_with_http(address, ASK, version),
        Endpoint::Https(address, tls) => Docker::connect_with_ssl(address, &tls.key, &tls.cert, &tls.ca, ASK, version),
    };
    // The engine reads credentials in the alphabet of base64 that is meant for URLs, and takes none where it fails to.
    Ok(docker?.with_request_modifier(|mut request| {
        if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
            let text: String = value.to_str().unwrap_or_default().replace('+', "-").replace('/', "_");
            if let Ok(safe) = text.parse() {
                *value = safe;
            }
        }
        request
    }))
}

fn platform(action: &str, os: &str, architecture: &str, variant: &str) -> Result<Platform, Error> {
    let variant = if variant.is_empty() { String::new() } else { format!("/{variant}") };
    let text = format!("{os}/{architecture}{variant}");
    text.parse().map_err(|error: crate::image::InvalidPlatform| Error::Engine {
        action: action.to_owned(),
        reason: error.to_string(),
    })
}

/// An image that is not there, or the engine's failure at `action`.
pub(super) fn absent_or(action: &str, image: &str, error: &Bollard) -> Error {
    match error {
        Bollard::DockerResponseServerError { status_code: 404, message } => {
            Error::ImageNotFound { image: image.to_owned(), reason: message.trim().to_owned() }
        }
        other => Error::engine(action, other),
    }
}

/// `name` and `tag` of a text without digest.
fn split_tag(image: &str) -> (&str, Option<&str>) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

/// The line of the log that a message of a transfer makes; none for the state of a transfer under way.
fn line(id: Option<String>, status: Option<String>, moving: bool) -> Option<String> {
    let status = status.filter(|_| !moving)?;
    Some(id.map_or_else(|| status.clone(), |id| format!("{id}: {status}")))
}

/// Reads a pull or push to its end; an error inside the stream is one.
async fn follow(
    action: &'static str,
    image: &Reference,
    messages: impl Stream<Item = Result<Option<String>, Bollard>>,
    log: &mpsc::Sender<String>,
) -> Result<(), Problem> {
    let mut messages = std::pin::pin!(messages);
    while let Some(message) = messages.next().await {
        if message.as_ref().is_err_and(stream::is_end) {
            break;
        }
        let host = image.canonical().host().unwrap_or_default().to_owned();
        let message = message.map_err(|error| Error::transfer(action, &image.to_string(), &host, &error))?;
        if let Some(line) = message {
            // A log that nobody reads any more stops no transfer.
            drop(log.send(line).await);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(split_tag("reg:5000/a/b"), ("reg:5000/a/b", None));
        assert_eq!(split_tag("reg:5000/a/b:1"), ("reg:5000/a/b", Some("1")));
    }
}
