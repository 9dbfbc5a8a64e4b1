//! One request to one host: scheme, TLS, proxies, redirects, time limits, retries, and how many are in flight.
//!
//! Every host has an HTTP client of its own, so that what one host is trusted with is never extended to another:
//! a loopback host is spoken to without a proxy, a host listed as insecure with any certificate, and a host with a
//! directory under `certs_dir` with the authorities in there. Redirects are followed here instead of in the HTTP
//! client, because each hop needs the client of its host. An `Authorization` stays with the origin it was meant for,
//! and no hop leads from HTTPS to HTTP.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use reqwest::{Certificate, Method, Url, redirect};
use tokio::sync::Semaphore;

use super::body::{self, Body};
use super::error::Error;
use super::failure::Failure;
use super::flight::Flight;
use super::options::Options;
use super::response::Response;
use super::retry::Policy;

/// How many redirects are followed.
const HOPS: usize = 5;

/// How much of the body of an error is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;

/// What a request proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    /// A token of a token server.
    Bearer(String),
    /// User name and password.
    Basic(String, String),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(…)",
            Self::Basic(..) => "Basic(…)",
        })
    }
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A path of a registry, whose scheme is found out if need be.
    Registry {
        /// Host and port.
        authority: String,
        /// Path and query, without the leading slash.
        path: String,
    },
    /// Anywhere.
    Url(Url),
}

/// A request, to be sent as often as need be. It has no `Debug`: the body of a request for a token is a secret.
#[derive(Clone)]
pub(super) struct Request {
    pub method: Method,
    pub place: Place,
    pub headers: HeaderMap,
    pub authorization: Option<Authorization>,
    pub body: Option<Body>,
    /// The file that the body of a success is written to, instead of being held in memory.
    pub save: Option<PathBuf>,
    /// The longest body of an answer, in bytes.
    pub limit: usize,
    /// Whether it moves a blob, which takes longer.
    pub transfer: bool,
    /// Whether it is sent again when that may help.
    pub again: bool,
}

impl Request {
    /// A request without headers, authorization and body.
    pub fn new(method: Method, place: Place, limit: usize) -> Self {
        let headers = HeaderMap::new();
        Self {
            method,
            place,
            headers,
            authorization: None,
            body: None,
            save: None,
            limit,
            transfer: false,
            again: true,
        }
    }

    /// What tells it from other requests, for the waits between attempts.
    fn seed(&self) -> String {
        match &self.place {
            Place::Registry { authority, path } => format!("{} {authority}/{path}", self.method),
            Place::Url(url) => format!("{} {}{}", self.method, authority_of(url), url.path()),
        }
    }
}

/// All hosts, with their connections.
pub(super) struct Transport {
    options: Options,
    policy: Policy,
    authorities: Vec<Certificate>,
    permits: Semaphore,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
}

struct Host {
    http: reqwest::Client,
    base: Flight<Url, Failure>,
}

impl Transport {
    /// A transport without connections. Fails when a file of certificate authorities cannot be read.
    pub fn new(options: Options) -> Result<Self, Error> {
        // An error only says that a provider is installed already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut authorities = Vec::new();
        for file in &options.ca_files {
            authorities.extend(certificates(file)?);
        }
        let permits = Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { policy: Policy::new(&options), authorities, permits, hosts: Mutex::default(), options })
    }

    /// How this transport was set up.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether credentials may be sent to this URL: over HTTPS, or to a host that may be spoken to without.
    pub fn is_safe_for_secrets(&self, url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && self.may_be_plain(&authority_of(url)))
    }

    /// Sends a request, again where that may help, and reads the answer.
    pub async fn send(&self, request: &Request) -> Result<Response, Failure> {
        let seed = request.seed();
        let mut next = 2;
        loop {
            let outcome = self.send_once(request).await;
            let wait = match &outcome {
                _ if !request.again => None,
                Ok(response) => self.policy.after_answer(next, &seed, response.status, &response.headers),
                Err(failure) => self.policy.after_failure(next, &seed, failure),
            };
            let Some(wait) = wait else { return outcome };
            tokio::time::sleep(wait).await;
            next += 1;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Response, Failure> {
        let start = match &request.place {
            Place::Url(url) => url.clone(),
            Place::Registry { authority, path } => {
                let base = self.base(authority).await?;
                base.join(path).map_err(|error| Failure::Nonsense(format!("`{path}` is no path of a URL: {error}")))?
            }
        };
        let mut url = start.clone();
        let mut elsewhere = false;
        for _ in 0..=HOPS {
            let response = self.hop(request, &url, elsewhere).await?;
            let Some(next) = redirection(request, &response)? else { return Ok(response) };
            elsewhere |= next.origin() != start.origin();
            url = next;
        }
        Err(Failure::Nonsense(format!("more than {HOPS} redirects")))
    }

    async fn hop(&self, request: &Request, url: &Url, elsewhere: bool) -> Result<Response, Failure> {
        let host = self.host(&authority_of(url))?;
        let patience = self.options.request_timeout;
        let mut builder = host.http.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        let least = if request.transfer { self.options.transfer_timeout } else { patience };
        match &request.body {
            Some(body) => builder = builder.timeout(body.patience(least)),
            // How long a blob is nobody knows here: each part of it has its own limit.
            None if request.save.is_some() => {}
            None => builder = builder.timeout(least),
        }
        builder = match &request.authorization {
            Some(Authorization::Bearer(token)) if !elsewhere => builder.bearer_auth(token),
            Some(Authorization::Basic(user, password)) if !elsewhere => builder.basic_auth(user, Some(password)),
            _ => builder,
        };
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_LENGTH, body.len()).body(body.open().await?);
        }
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let sending = builder.send();
        let sent = if request.transfer && request.body.is_none() {
            // What takes long is the body; the answer itself has to begin as soon as any other.
            tokio::time::timeout(patience, sending).await.map_err(|_| Failure::Timeout)?
        } else {
            sending.await
        };
        let mut response = sent.map_err(|error| Failure::of(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let (url, limit) = (url.clone(), request.limit);
        if let (Some(file), true) = (&request.save, status.is_success()) {
            let saved = Some(body::save(&mut response, file, limit, patience).await?);
            return Ok(Response { status, headers, body: Bytes::new(), saved, url, elsewhere });
        }
        let reading = read(&mut response, limit, status.is_success());
        let body = tokio::time::timeout(least, reading).await.map_err(|_| Failure::Timeout)??;
        Ok(Response { status, headers, body, saved: None, url, elsewhere })
    }

    /// The URL below which a registry answers: HTTPS, unless the host may be plain and does not speak TLS.
    async fn base(&self, authority: &str) -> Result<Url, Failure> {
        let host = self.host(authority)?;
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{authority}/"))
                .map_err(|error| Failure::Nonsense(format!("`{authority}` is no host: {error}")))
        };
        if !self.may_be_plain(authority) {
            return url("https");
        }
        let probe = async {
            let (tls, plain) = (url("https")?, url("http")?);
            match self.probe(&host, &tls).await {
                Ok(()) => Ok(tls),
                // It does speak TLS, so plain HTTP would be a way around the certificate.
                Err(failure @ Failure::Certificate(_)) => Err(failure),
                Err(_) => self.probe(&host, &plain).await.map(|()| plain),
            }
        };
        host.base.get(|_| true, probe).await
    }

    /// Whether anything answers there, whatever it says.
    async fn probe(&self, host: &Host, base: &Url) -> Result<(), Failure> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let request = host.http.get(format!("{base}v2/")).timeout(self.options.probe_timeout);
        request.send().await.map(drop).map_err(|error| Failure::of(&error))
    }

    fn host(&self, authority: &str) -> Result<Arc<Host>, Failure> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(authority) {
            return Ok(host.clone());
        }
        let host = Arc::new(Host { http: self.build(authority)?, base: Flight::default() });
        hosts.insert(authority.to_owned(), host.clone());
        Ok(host)
    }

    fn build(&self, authority: &str) -> Result<reqwest::Client, Failure> {
        let mut authorities = self.authorities.clone();
        if let Some(directory) = &self.options.certs_dir {
            let own = authorities_in(&directory.join(authority)).map_err(|error| Failure::Setup(error.to_string()))?;
            authorities.extend(own);
        }
        let builder = || {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("kitmake/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(self.options.connect_timeout)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .tls_backend_rustls();
            if is_loopback(authority) {
                builder = builder.no_proxy();
            }
            if self.is_insecure(authority) {
                builder = builder.tls_danger_accept_invalid_certs(true);
            }
            builder
        };
        // A machine without any certificate authority is still good for registries that need none.
        builder()
            .tls_certs_merge(authorities.clone())
            .build()
            .or_else(|_| builder().tls_certs_only(authorities).build())
            .map_err(|error| Failure::of(&error))
    }

    fn may_be_plain(&self, authority: &str) -> bool {
        is_loopback(authority) || self.is_insecure(authority)
    }

    fn is_insecure(&self, authority: &str) -> bool {
        self.options.insecure.iter().any(|host| host.eq_ignore_ascii_case(authority))
    }
}

/// Where a redirect leads that is to be followed: only for what has no body, so that none goes astray.
fn redirection(request: &Request, response: &Response) -> Result<Option<Url>, Failure> {
    let follows = [Method::GET, Method::HEAD].contains(&request.method) && request.body.is_none();
    if !follows || !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.header(LOCATION.as_str()) else { return Ok(None) };
    resolve(&response.url, location).map(Some)
}

/// A `Location` as seen from the URL that gave it.
pub(super) fn resolve(from: &Url, location: &str) -> Result<Url, Failure> {
    let url = from.join(location).map_err(|error| Failure::Nonsense(format!("a location that is no URL: {error}")))?;
    match (from.scheme(), url.scheme()) {
        (_, "https") | ("http", "http") => Ok(url),
        (_, scheme) => Err(Failure::Nonsense(format!("a location that leads from HTTPS to `{scheme}`"))),
    }
}

async fn read(response: &mut reqwest::Response, limit: usize, whole: bool) -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(&error))? {
        if whole && body.len() + chunk.len() > limit {
            return Err(Failure::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
        if !whole && body.len() >= ERROR_BODY {
            break;
        }
    }
    Ok(body.into())
}

/// Host and port of a URL, the port only where it is not the one of the scheme.
pub(super) fn authority_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a host, with or without port, is this machine: 127.0.0.0/8, `::1` or `localhost`.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, Error> {
    let unreadable = |reason: String| Error::CaFile { path: file.display().to_string(), reason };
    let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(unreadable("it holds no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// The authorities that docker would trust for one host: every `*.crt` in its directory.
fn authorities_in(directory: &Path) -> Result<Vec<Certificate>, Error> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "crt"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        found.extend(certificates(&file)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for host in ["127.0.0.1", "127.77.0.1:5000", "localhost", "LocalHost:80", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["128.0.0.1", "localhost.example.org", "127.0.0.1.example.org:5000", "[::2]:1", "", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn secrets_go_over_https_or_to_hosts_that_may_be_plain() {
        let options = Options { insecure: vec!["plain.example:5000".to_owned()], ..Options::default() };
        let transport = Transport::new(options).unwrap();
        let safe = |url: &str| transport.is_safe_for_secrets(&Url::parse(url).unwrap());
        assert!(safe("https://auth.example/token"));
        assert!(safe("http://127.0.0.1:5001/token"));
        assert!(safe("http://plain.example:5000/token"));
        assert!(!safe("http://plain.example/token"));
        assert!(!safe("http://auth.example/token"));
        assert!(!safe("ftp://127.0.0.1/token"));
    }

    #[test]
    fn a_location_never_leads_from_https_to_http() {
        let from = Url::parse("https://r.example/v2/a/blobs/uploads/").unwrap();
        assert_eq!(resolve(&from, "/x?y=1").unwrap().as_str(), "https://r.example/x?y=1");
        assert_eq!(resolve(&from, "https://cdn.example/z").unwrap().as_str(), "https://cdn.example/z");
        assert!(resolve(&from, "http://r.example/x").is_err());
        assert!(resolve(&from, "file:///etc/passwd").is_err());
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.crt");
        std::fs::write(&file, "not a certificate").unwrap();
        let options = Options { ca_files: vec![file.clone()], ..Options::default() };
        let error = Transport::new(options).err().unwrap();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
}
