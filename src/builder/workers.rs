//! Which platforms' programs an engine can run, natively or by an emulator that its kernel knows.
//!
//! Its `BuildKit` is asked, as `docker buildx inspect` does: at each question it tries to start a small program of each
//! architecture. That is spoken in gRPC, over a connection to the engine that changes its protocol. An engine that is
//! reached through TLS is not asked. Whatever goes wrong, the answer is that it is not known: what cannot be known forbids no
//! build.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bollard::moby::buildkit::v1::ListWorkersRequest;
use bollard::moby::buildkit::v1::control_client::ControlClient;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::Channel;

use super::connection::Endpoint;
use crate::image::Platform;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The platforms whose programs the engine can run; `None` if that is not known.
pub(super) async fn platforms(endpoint: &Endpoint) -> Option<BTreeSet<Platform>> {
    let asked = async {
        let connection = match endpoint {
            Endpoint::Unix(path) => upgraded(UnixStream::connect(path).await.ok()?).await?,
            Endpoint::Http(address) => upgraded(TcpStream::connect(address).await.ok()?).await?,
            Endpoint::Https(..) => return None,
        };
        list(connection).await
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}

/// Asks the engine to go on in gRPC.
async fn upgraded(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Option<Upgraded> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection.with_upgrades());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/grpc")
        .header(HOST, "docker")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "h2c")
        .body(String::new());
    let answer = sender.send_request(request.ok()?).await.ok()?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        connection.abort();
        return None;
    }
    hyper::upgrade::on(answer).await.ok()
}

async fn list(connection: Upgraded) -> Option<BTreeSet<Platform>> {
    let mut connection = Some(connection);
    let connector = tower::service_fn(move |_| {
        let connection = connection.take();
        async { connection.ok_or_else(|| io::Error::other("there is one connection only")) }
    });
    let channel = Channel::from_static("http://docker").connect_with_connector(connector).await.ok()?;
    let answer = ControlClient::new(channel).list_workers(ListWorkersRequest::default()).await.ok()?;
    let listed = answer.into_inner().record.into_iter().flat_map(|worker| worker.platforms);
    let named = listed.filter_map(|platform| {
        let variant = if platform.variant.is_empty() { String::new() } else { format!("/{}", platform.variant) };
        format!("{}/{}{variant}", platform.os, platform.architecture).parse().ok()
    });
    // A worker that lists nothing runs something all the same.
    Some(named.collect()).filter(|platforms: &BTreeSet<Platform>| !platforms.is_empty())
}
