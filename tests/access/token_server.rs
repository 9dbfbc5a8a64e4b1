//! A token server: whoever has the password of a user gets a token for what that user may do.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{base64, certificate};

/// What the registry and the tokens call each other.
pub const SERVICE: &str = "kitmake test registry";
/// Who signs the tokens.
pub const ISSUER: &str = "kitmake test tokens";

/// A running token server; it ends with the test process.
pub struct TokenServer {
    address: String,
    certificate: PathBuf,
    given: Arc<Mutex<Given>>,
}

/// What was asked for and given.
#[derive(Default)]
struct Given {
    scopes: Vec<String>,
    tokens: Vec<String>,
}

/// A user, their password, and the actions they may do.
pub type User = (&'static str, &'static str, &'static [&'static str]);

impl TokenServer {
    /// Starts one whose key lies in this directory.
    pub fn start(directory: &Path, users: &'static [User]) -> Self {
        let (key, certificate) = certificate(directory);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let given = Arc::new(Mutex::new(Given::default()));
        let signer = Signer { key, certificate: certificate.clone() };
        let log = given.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who goes away in the middle gets no answer.
                let _ = answer(&stream, users, &signer, &log);
            }
        });
        Self { address, certificate, given }
    }

    /// The section of a registry's configuration that trusts it.
    pub fn section(&self) -> String {
        format!(
            "auth:\n  token:\n    realm: http://{}/token\n    service: {SERVICE}\n    issuer: {ISSUER}\n    \
             rootcertbundle: {}\n",
            self.address,
            self.certificate.display()
        )
    }

    /// The tokens given so far: whoever has one has a right.
    pub fn tokens(&self) -> Vec<String> {
        self.given.lock().unwrap().tokens.clone()
    }

    /// The scopes asked for so far.
    pub fn scopes(&self) -> Vec<String> {
        self.given.lock().unwrap().scopes.clone()
    }
}

/// Signs tokens with ES256 by openssl.
struct Signer {
    key: PathBuf,
    certificate: PathBuf,
}

impl Signer {
    fn token(&self, user: &str, access: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let pem = fs::read_to_string(&self.certificate).unwrap();
        let chain: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [chain]});
        let claims = json!({"iss": ISSUER, "aud": SERVICE, "sub": user, "iat": now, "nbf": now - 60, "exp": now + 300,
            "jti": format!("{now}-{user}"), "access": access});
        let signed = format!("{}.{}", url(header.to_string().as_bytes()), url(claims.to_string().as_bytes()));
        format!("{signed}.{}", url(&self.sign(signed.as_bytes())))
    }

    /// Both numbers of a signature, 32 bytes each, which openssl gives as two integers of ASN.1.
    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(text).unwrap();
        let der = openssl.wait_with_output().unwrap().stdout;
        let mut rest = &der[2..];
        let mut signature = Vec::new();
        for _ in 0..2 {
            let (number, after) = rest[2..].split_at(usize::from(rest[1]));
            let number = &number[number.len().saturating_sub(32)..];
            signature.extend(std::iter::repeat_n(0, 32 - number.len()).chain(number.iter().copied()));
            rest = after;
        }
        signature
    }
}

/// Base64 as tokens have it.
fn url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn answer(mut stream: &TcpStream, users: &[User], signer: &Signer, given: &Mutex<Given>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut authorization = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.to_owned());
        }
    }
    let (status, body) = granted(&request, authorization.as_deref(), users, signer, given);
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The status and the body for a request line.
fn granted(
    request: &str,
    authorization: Option<&str>,
    users: &[User],
    signer: &Signer,
    given: &Mutex<Given>,
) -> (&'static str, String) {
    let basic = |(user, password, _): &&User| format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
    let Some((user, _, may)) = users.iter().find(|user| Some(basic(user).as_str()) == authorization) else {
        let said = json!({"errors": [{"code": "UNAUTHORIZED", "message": "no such user with this password"}]});
        return ("401 Unauthorized", said.to_string());
    };
    let target = request.split(' ').nth(1).unwrap_or_default();
    let query = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
    let mut access = Vec::new();
    for (_, scope) in query.query_pairs().filter(|(name, _)| name == "scope") {
        given.lock().unwrap().scopes.push(scope.to_string());
        let [kind, name, actions] = scope.split(':').collect::<Vec<_>>()[..] else { continue };
        let actions: Vec<&str> = actions.split(',').filter(|action| may.contains(action)).collect();
        access.push(json!({"type": kind, "name": name, "actions": actions}));
    }
    let token = signer.token(user, &Value::Array(access));
    given.lock().unwrap().tokens.push(token.clone());
    ("200 OK", json!({"token": token, "expires_in": 300}).to_string())
}
