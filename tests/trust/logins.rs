//! A token server that knows one user: what docker.io has for notary.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kitmake::registry::Credentials;

use crate::authority::Authority;
use crate::support;

/// A user, and the token server that knows them.
pub struct Logins {
    credentials: Credentials,
}

impl Logins {
    pub fn new(username: &str, password: &str) -> Self {
        let (username, password) = (username.to_owned(), password.to_owned());
        Self { credentials: Credentials { username, password, identity_token: None } }
    }

    pub fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// Starts the token server, which ends with the test; returns what a notary server has to know of it, and the login.
    pub fn serve(&self, authority: &Authority) -> (String, Option<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let realm = format!("http://{}/token", listener.local_addr().unwrap());
        let login = STANDARD.encode(format!("{}:{}", self.credentials.username, self.credentials.password));
        let issuer = Issuer { certificate: authority.path("server.crt"), key: authority.path("server.key"), login };
        let login = issuer.login.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| issuer.answer(stream)));
        let bundle = authority.path("ca.crt");
        let auth = format!(
            r#""auth": {{"type": "token", "options": {{"realm": "{realm}", "service": "notary", "issuer": "logins",
            "rootcertbundle": "{}"}}}},"#,
            bundle.display()
        );
        (auth, Some(login))
    }
}

struct Issuer {
    certificate: PathBuf,
    key: PathBuf,
    login: String,
}

impl Issuer {
    /// A wrong login is refused; nobody in particular gets a token that is good for nothing.
    fn answer(&self, mut stream: TcpStream) {
        let lines: Vec<String> =
            BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let given = lines.iter().find_map(|line| line.strip_prefix("Authorization: Basic "));
        let (status, body) = match given {
            Some(login) if login != self.login => ("401 Unauthorized", String::from("{}")),
            _ => ("200 OK", format!(r#"{{"token": "{}"}}"#, self.token(&lines[0], given.is_some()))),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
        let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }

    /// A token for the repository that the request line asks for, `scope=repository:NAME:ACTIONS`.
    fn token(&self, request: &str, allowed: bool) -> String {
        let scope = request.split(['?', '&', ' ']).find_map(|word| word.strip_prefix("scope=")).unwrap_or_default();
        let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace("%2A", "*");
        let access = match scope.split_once(':').and_then(|(_, rest)| rest.rsplit_once(':')) {
            Some((name, actions)) if allowed => {
                let actions: Vec<&str> = actions.split(',').collect();
                serde_json::json!([{"type": "repository", "name": name, "actions": actions}])
            }
            _ => serde_json::json!([]),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let pem = std::fs::read_to_string(&self.certificate).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
        let claims = serde_json::json!({
            "iss": "logins", "sub": "", "aud": "notary", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1",
            "access": access,
        });
        let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let directory = tempfile::tempdir().unwrap();
        let (file, signature) = (directory.path().join("text"), directory.path().join("signature"));
        std::fs::write(&file, &text).unwrap();
        let sign = ["dgst", "-sha256", "-sign"];
        support::run(Command::new("openssl").args(sign).arg(&self.key).arg("-out").arg(&signature).arg(&file));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(std::fs::read(signature).unwrap()))
    }
}
