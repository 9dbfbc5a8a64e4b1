//! One build: the context goes to the engine as a stream, the trace of its steps comes back.
//!
//! A build ends in one of three ways: with the id of the image, with a failure of its own, or with a problem of the
//! context or the engine. Dropping the future drops both streams, and the engine then stops what it runs.
//!
//! Each build has an asynchronous runtime of its own, of one thread: the client library leaves the connection by which
//! the engine asks for credentials to a task that ends only with its runtime, and a run of a thousand builds would keep
//! a thousand of them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use bollard::Docker;
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::body;
use super::context::{self, ArchiveFile, WriteError};
use super::credentials::RegistryAuth;
use super::error::{BuildError, Error};
use super::log::Log;
use super::stream;
use super::{BuildRequest, Built};

/// Builds and gives the image its first name.
pub(super) async fn run(
    docker: &Docker,
    request: &BuildRequest,
    archives: Vec<ArchiveFile>,
    auth: &RegistryAuth,
    lines: &mpsc::Sender<String>,
) -> Result<Built, BuildError> {
    let stopped =
        |reason: String| BuildError::from(Error::Engine { action: "be asked for a build".to_owned(), reason });
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| stopped(error.to_string()))?;
    let (docker, request, auth, lines) = (docker.clone(), request.clone(), auth.clone(), lines.clone());
    let building = runtime.spawn(build(docker, request, archives, auth, lines));
    let _ended_on_return = Own(Some(runtime));
    building.await.unwrap_or_else(|error| Err(stopped(error.to_string())))
}

/// A runtime that ends, with all its tasks and connections, when this is dropped, without waiting for them.
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(own) = self.0.take() {
            own.shutdown_background();
        }
    }
}

async fn build(
    docker: Docker,
    request: BuildRequest,
    archives: Vec<ArchiveFile>,
    auth: RegistryAuth,
    lines: mpsc::Sender<String>,
) -> Result<Built, BuildError> {
    let (mut writer, context) = body::body();
    let options = options(&request);
    let writing = tokio::task::spawn_blocking(move || {
        context::write(&request, archives, &mut writer)?;
        writer.finish().map_err(|_| WriteError::Output)
    });
    let mut writing = Some(writing);
    let mut messages =
        docker.build_image(options, Some(auth.session().collect()), Some(bollard::body_try_stream(context)));

    let mut log = Log::default();
    let mut image = None;
    let mut end = Ok(());
    loop {
        tokio::select! {
            written = join(&mut writing) => if let Some(error) = source_error(written) { return Err(error) },
            message = messages.next() => match message {
                None => break,
                Some(Err(error)) if stream::is_end(&error) => break,
                Some(Ok(message)) => send(&lines, read(message, &mut log, &mut image)).await,
                Some(Err(error)) => {
                    end = Err(error);
                    break;
                }
            },
        }
    }
    drop(messages);
    send(&lines, log.finish()).await;
    match (end, image) {
        (Ok(()), Some(id)) => Ok(Built { id, cached: log.is_cached() }),
        (Ok(()), None) => Err(Error::Engine {
            action: "finish the build".to_owned(),
            reason: "it ended the build without an image and without an error".to_owned(),
        }
        .into()),
        (Err(error), _) => {
            // A context that was cut short ends both streams; the file at fault says more than the engine does.
            let source = if writing.is_some() { source_error(join(&mut writing).await) } else { None };
            Err(source.unwrap_or_else(|| failure(&error, &log)))
        }
    }
}

/// The end of the writing thread, once; afterwards it is forever under way.
async fn join(writing: &mut Option<JoinHandle<Result<(), WriteError>>>) -> Result<Result<(), WriteError>, JoinError> {
    match writing {
        Some(handle) => {
            let written = handle.await;
            *writing = None;
            written
        }
        None => std::future::pending().await,
    }
}

/// What the end of the writing thread means for the build. An engine that stops reading says itself why.
fn source_error(written: Result<Result<(), WriteError>, JoinError>) -> Option<BuildError> {
    match written {
        Ok(Ok(()) | Err(WriteError::Output)) => None,
        Ok(Err(WriteError::Source(error))) => Some(error.into()),
        Err(error) => {
            Some(Error::Engine { action: "be sent the build context".to_owned(), reason: error.to_string() }.into())
        }
    }
}

fn options(request: &BuildRequest) -> BuildImageOptions {
    let owned = |map: &BTreeMap<String, String>| {
        Some(map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()).filter(|_| !map.is_empty())
    };
    BuildImageOptions {
        dockerfile: request.dockerfile.clone(),
        t: request.tags.first().cloned(),
        nocache: request.no_cache,
        rm: true,
        forcerm: true,
        buildargs: owned(&request.build_args),
        labels: owned(&request.labels),
        networkmode: Some(if request.network { "default" } else { "none" }.to_owned()),
        platform: request.platform.to_string(),
        version: BuilderVersion::BuilderBuildKit,
        session: Some(session_id()),
        ..BuildImageOptions::default()
    }
}

/// A name that no other build of any client has.
fn session_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The standard library seeds each of these from the system's random numbers.
    let random = || RandomState::new().hash_one((count, std::process::id()));
    format!("kitmake-{:016x}{:016x}", random(), random())
}

fn read(message: BuildInfo, log: &mut Log, image: &mut Option<String>) -> Vec<String> {
    match message.aux {
        Some(BuildInfoAux::BuildKit(status)) => log.read(&status),
        Some(BuildInfoAux::Default(id)) => {
            *image = id.id;
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// A log that nobody reads any more stops no build.
async fn send(lines: &mpsc::Sender<String>, text: Vec<String>) {
    for line in text {
        if lines.send(line).await.is_err() {
            return;
        }
    }
}

/// Whose fault it is that the engine's stream ended with an error.
fn failure(error: &bollard::errors::Error, log: &Log) -> BuildError {
    use bollard::errors::Error as Bollard;
    match error {
        Bollard::DockerStreamError { error } => BuildError::of_message(error, log.failed()),
        Bollard::DockerResponseServerError { status_code: 400..=499, message } => {
            BuildError::of_message(message, log.failed())
        }
        other => Error::engine("finish the build", other).into(),
    }
}
