//! Answers the challenge of a registry: basic authentication, or a bearer token from its token server.
//!
//! One token per registry, repository and action is kept until shortly before it expires, and many requests that need
//! the same token ask for it once. Whoever has credentials asks for the right to push even to read, because some
//! registries admit that a repository is absent only to those who might create it; when the token server refuses
//! that, the right to read is asked for. A challenge is remembered per registry, so that only its first request is
//! sent in vain. Credentials go only where the transport says that it is safe for secrets, and into no message.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_auth::ChallengeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::body::Body;
use super::credentials::{Credentials, lookup};
use super::error::{Error, Said};
use super::flight::Flight;
use super::response::Response;
use super::target::Target;
use super::transport::{Authorization, Place, Request, Transport};

/// The longest answer of a token server, in bytes.
const TOKEN_LIMIT: usize = 1024 * 1024;

/// How long a token lasts that does not say so.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// How long before it expires a token is no longer used, at most; half its life if that is shorter.
const SLACK: Duration = Duration::from_secs(10);

/// What is to be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// Reading.
    Pull,
    /// Writing, which needs reading too.
    Push,
}

/// All registries, with their credentials, challenges and tokens.
pub(super) struct Auth {
    transport: Arc<Transport>,
    sites: Mutex<BTreeMap<String, Arc<Site>>>,
}

/// What a token is good for: a repository, another one that blobs are taken over from, and what is done.
type Wanted = (String, Option<String>, Action);

/// One token, fetched once for all who need it.
type TokenSlot = Arc<Flight<Token, Error>>;

#[derive(Default)]
struct Site {
    credentials: Flight<Option<Credentials>, Error>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<BTreeMap<Wanted, TokenSlot>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

#[derive(Clone)]
struct Token {
    value: String,
    expires: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    /// Knows nothing yet.
    pub fn new(transport: Arc<Transport>) -> Self {
        Self { transport, sites: Mutex::default() }
    }

    /// The credentials for a registry, looked up once.
    pub async fn credentials(&self, host: &str) -> Result<Option<Credentials>, Error> {
        let options = self.transport.options();
        let fetch = lookup(options.docker_config.clone(), host.to_owned(), options.helper_timeout);
        self.site(host).credentials.get(|_| true, fetch).await
    }

    /// Sends a request to a registry with what it takes to be let in. An answer that is still 401 is an error.
    pub async fn send(&self, target: &Target, action: Action, mut request: Request) -> Result<Response, Error> {
        let site = self.site(&target.host);
        let known = locked(&site.challenge).clone();
        if let Some(challenge) = known {
            request.authorization = self.authorization(&site, target, &challenge, action, None).await?;
        }
        let mut refreshed = false;
        loop {
            let response = self.transport.send(&request).await.map_err(|failure| Error::failed(target, failure))?;
            if response.status != StatusCode::UNAUTHORIZED || response.elsewhere {
                return Ok(response);
            }
            let refused = Error::answered(target, &response);
            if matches!(request.authorization, Some(Authorization::Basic(..))) || refreshed {
                return Err(refused);
            }
            let challenge = challenge(target, &response.headers)?;
            *locked(&site.challenge) = Some(challenge.clone());
            let used = request.authorization.take();
            refreshed = used.is_some();
            request.authorization = self.authorization(&site, target, &challenge, action, used.as_ref()).await?;
            if request.authorization.is_none() {
                return Err(refused);
            }
        }
    }

    /// What to send in answer to a challenge, other than `refused`; `None` if there is nothing to send.
    async fn authorization(
        &self,
        site: &Site,
        target: &Target,
        challenge: &Challenge,
        action: Action,
        refused: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Error> {
        let credentials = self.credentials(&target.host).await?;
        match challenge {
            Challenge::Basic => Ok(credentials
                .filter(|credentials| credentials.identity_token.is_none())
                .map(|credentials| Authorization::Basic(credentials.username, credentials.password))),
            Challenge::Bearer { realm, service } => {
                let wanted = (target.repository.clone(), target.source.clone(), action);
                let slot = locked(&site.tokens).entry(wanted).or_default().clone();
                let usable = |token: &Token| {
                    let value = matches!(refused, Some(Authorization::Bearer(value)) if *value == token.value);
                    !value && Instant::now() < token.expires
                };
                let fetch = self.fetch(target, realm, service.as_deref(), action, credentials.as_ref());
                Ok(Some(Authorization::Bearer(slot.get(usable, fetch).await?.value)))
            }
        }
    }

    async fn fetch(
        &self,
        target: &Target,
        realm: &Url,
        service: Option<&str>,
        action: Action,
        credentials: Option<&Credentials>,
    ) -> Result<Token, Error> {
        // Whoever waits for this token may have asked for another tag.
        let target = &Target { about: target.repository.clone(), ..target.clone() };
        if credentials.is_some() && !self.transport.is_safe_for_secrets(realm) {
            let reason = format!(
                "its token server `{}` wants credentials over plain HTTP",
                realm.origin().ascii_serialization()
            );
            return Err(Error::nonsense(target, reason));
        }
        let ask = async |rights: &str, source: Option<&String>| {
            let mut scopes = vec![format!("repository:{}:{rights}", target.repository)];
            scopes.extend(source.map(|source| format!("repository:{source}:pull")));
            let response = self.transport.send(&token_request(realm, service, &scopes, credentials)).await;
            response.map_err(|failure| Error::failed(target, failure))
        };
        let mighty = action == Action::Push || credentials.is_some();
        let refused = |response: &Response| matches!(response.status.as_u16(), 400 | 401 | 403);
        let rights = if mighty { "pull,push" } else { "pull" };
        let mut response = ask(rights, target.source.as_ref()).await?;
        if target.source.is_some() && refused(&response) {
            // Without the right to read there a blob is not taken over, but can still be uploaded.
            response = ask(rights, None).await?;
        }
        if mighty && action == Action::Pull && refused(&response) {
            response = ask("pull", None).await?;
        }
        granted(target, &response)
    }

    fn site(&self, host: &str) -> Arc<Site> {
        locked(&self.sites).entry(host.to_owned()).or_default().clone()
    }
}

/// A panic of another task does not make what it left behind any less true.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The request for a token: GET with basic authentication, or, with an identity token, the refresh grant of OAuth 2.
fn token_request(realm: &Url, service: Option<&str>, scopes: &[String], credentials: Option<&Credentials>) -> Request {
    let identity = credentials.and_then(|credentials| credentials.identity_token.as_deref());
    let mut form = realm.clone();
    if identity.is_some() {
        form.set_query(None);
    }
    {
        let mut pairs = form.query_pairs_mut();
        if let Some(service) = service {
            pairs.append_pair("service", service);
        }
        if identity.is_some() {
            // A form of OAuth 2 has one list where a query has one parameter for each.
            pairs.append_pair("scope", &scopes.join(" "));
        } else {
            pairs.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        }
        if let Some(token) = identity {
            pairs.append_pair("grant_type", "refresh_token").append_pair("client_id", "kitmake");
            pairs.append_pair("refresh_token", token);
        }
    }
    if identity.is_some() {
        let mut request = Request::new(Method::POST, Place::Url(realm.clone()), TOKEN_LIMIT);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, kind);
        request.body = Some(Body::Bytes(form.query().unwrap_or_default().to_owned().into()));
        return request;
    }
    let mut request = Request::new(Method::GET, Place::Url(form), TOKEN_LIMIT);
    request.authorization =
        credentials.map(|known| Authorization::Basic(known.username.clone(), known.password.clone()));
    request
}

/// The token in the answer of a token server. An absent token server is an error, unlike an absent manifest.
fn granted(target: &Target, response: &Response) -> Result<Token, Error> {
    if !response.status.is_success() {
        return Err(Error::answered(target, response));
    }
    let nonsense = |reason: &str| Error::nonsense(target, format!("its token server gave {reason}"));
    let granted: Granted = serde_json::from_slice(&response.body).map_err(|_| nonsense("no JSON with a token"))?;
    let value = granted.token.or(granted.access_token).ok_or_else(|| nonsense("no token"))?;
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(nonsense("a token that cannot stand in a header"));
    }
    let lifetime = granted.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
    let usable = lifetime.saturating_sub(SLACK).max(lifetime / 2).min(Duration::from_hours(24));
    Ok(Token { value, expires: Instant::now() + usable })
}

/// The challenge among the headers of a 401 that can be answered; bearer is preferred.
fn challenge(target: &Target, headers: &HeaderMap) -> Result<Challenge, Error> {
    let mut basic = false;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        for challenge in ChallengeParser::new(header.to_str().unwrap_or_default()).flatten() {
            basic |= challenge.scheme.eq_ignore_ascii_case("basic");
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let parameter = |wanted: &str| {
                    let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok());
                let realm = realm.filter(|realm| realm.has_host() && matches!(realm.scheme(), "http" | "https"));
                let realm = realm.ok_or_else(|| Error::nonsense(target, "a bearer challenge whose realm is no URL"))?;
                return Ok(Challenge::Bearer { realm, service: parameter("service") });
            }
        }
    }
    if basic {
        return Ok(Challenge::Basic);
    }
    let (host, about) = (target.host.clone(), target.about.clone());
    Err(Error::Unauthorized { host, about, said: Said::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge_of(headers: &[&str]) -> Result<Challenge, Error> {
        let target = Target::of(&"r.example/a".parse().unwrap());
        let headers = headers.iter().map(|text| (WWW_AUTHENTICATE, text.parse().unwrap())).collect();
        challenge(&target, &headers)
    }

    #[test]
    fn bearer_is_preferred_over_basic_wherever_it_stands() {
        let bearer = Ok(Challenge::Bearer {
            realm: Url::parse("https://auth.example/token").unwrap(),
            service: Some("a, b".to_owned()),
        });
        let text = r#"Bearer realm="https://auth.example/token",service="a, b",scope="repository:a:pull""#;
        assert_eq!(challenge_of(&[text]), bearer);
        assert_eq!(challenge_of(&[r#"Basic realm="x""#, text]), bearer);
        assert_eq!(challenge_of(&[&format!(r#"Basic realm="x", {text}"#)]), bearer);
        assert_eq!(challenge_of(&[r#"basic realm="x""#]), Ok(Challenge::Basic));
    }

    #[test]
    fn a_challenge_that_cannot_be_answered_is_an_error() {
        for headers in
            [&[][..], &["Negotiate"], &["Bearer realm=x"], &[r#"Bearer realm="file:///etc/passwd""#], &["\""]]
        {
            assert!(challenge_of(headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn an_identity_token_goes_into_the_body_and_a_password_into_a_header() {
        let realm = Url::parse("https://auth.example/token?x=1").unwrap();
        let identity =
            Credentials { username: String::new(), password: String::new(), identity_token: Some("a&b".to_owned()) };
        let request = token_request(&realm, Some("s"), &["repository:a:pull".to_owned()], Some(&identity));
        let body = concat!(
            "service=s&scope=repository%3Aa%3Apull&grant_type=refresh_token",
            "&client_id=kitmake&refresh_token=a%26b"
        );
        assert!(matches!(request.body, Some(Body::Bytes(bytes)) if bytes == body));
        assert!(request.authorization.is_none());
        assert!(!format!("{:?}", request.place).contains("a%26b"));
    }
}
