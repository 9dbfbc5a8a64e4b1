//! A registry for tests: answers HTTP/1.1 on a loopback port as a closure says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Lower-case names.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How many requests for the same method and path came before it.
    pub before: usize,
    /// When it was read.
    pub at: Instant,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// A running stub; it ends with the runtime of its test.
pub(crate) struct Stub {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (answer.clone(), log.clone());
                tokio::spawn(async move { serve(stream, &*answer, &log).await });
            }
        });
        Self { address, asked }
    }

    /// What was asked so far, without the probes of the scheme.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often a path (without query) was asked for with a method.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let path_of = |asked: &Asked| asked.path.split('?').next().unwrap_or_default().to_owned();
        self.asked().iter().filter(|asked| asked.method == method && path_of(asked) == path).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&Asked) -> Answer + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let mut asked = receive(&mut stream, &mut buffer).await?;
        let reply = if asked.path == "/v2/" {
            Answer::ok("{}")
        } else {
            let mut log = log.lock().unwrap();
            asked.before = log.iter().filter(|old| (&old.method, &old.path) == (&asked.method, &asked.path)).count();
            log.push(asked.clone());
            drop(log);
            answer(&asked)
        };
        tokio::time::sleep(reply.delay).await;
        let mut lines = vec![format!("HTTP/1.1 {} X", reply.status)];
        lines.extend(reply.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            lines.push(format!("content-length: {}", reply.body.len()));
        }
        let head = lines.join("\r\n") + "\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        if asked.method != "HEAD" {
            stream.write_all(&reply.body).await.ok()?;
        }
    }
}

/// The next request of a connection; `None` at its end and for what is no HTTP, such as the hello of TLS.
async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if buffer.first() == Some(&0x16) {
            return None;
        }
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut asked = Asked { method, path, headers, body: Vec::new(), before: 0, at: Instant::now() };
    let length: usize = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = buffer.drain(..length).collect();
    Some(asked)
}
