//! A registry for one test.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a registry may take to start, or to write its log.
const PATIENCE: Duration = Duration::from_secs(30);

/// A registry on a free port of 127.0.0.1 that goes away with this value; so do its images on the engine.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: String,
    directory: TempDir,
    /// What its configuration has beside what every one has.
    sections: String,
    marks: AtomicU32,
}

/// One request as the registry logged it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Such as `HEAD`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

impl Request {
    /// Whether it asked for a change.
    pub fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

impl Registry {
    /// Starts a registry without TLS and credentials and waits until it answers.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with more: lines of the section `http`, and further sections after it.
    pub fn start_with(sections: &str) -> Self {
        // Another process may take the port between the choice and the start.
        (0..5).find_map(|_| Self::try_start(sections)).expect("docker-registry starts on one of five free ports")
    }

    fn try_start(sections: &str) -> Option<Self> {
        let directory = TempDir::with_prefix("kitmake-registry-").expect("a temporary directory can be made");
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .to_string();
        let child = Self::serve(&directory, &address, "", sections);
        let sections = sections.to_owned();
        let mut registry = Self { child, address, directory, sections, marks: AtomicU32::new(0) };
        let deadline = Instant::now() + PATIENCE;
        while registry.get("/v2/").is_none() {
            if Instant::now() > deadline || registry.child.try_wait().is_ok_and(|status| status.is_some()) {
                return None;
            }
            sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// The process, with further lines of the section `storage` and what follows.
    fn serve(directory: &TempDir, address: &str, storage: &str, sections: &str) -> Child {
        let config = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
             delete:\n    enabled: true\n{storage}http:\n  addr: {address}\n{sections}",
            directory.path().join("data").display()
        );
        fs::write(&config, text).expect("the directory is there");
        let log = File::create(directory.path().join("log")).expect("the directory is there");
        Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry cannot be run: {error}; `tests/run.sh` installs it"))
    }

    /// Starts it again on the same port so that it answers every upload with a refusal; `Registry::requests` begins anew.
    pub fn make_read_only(&mut self) {
        self.restart("  maintenance:\n    readonly:\n      enabled: true\n");
    }

    /// Stops it: nothing listens on its port any more.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port with what it had.
    pub fn start_again(&mut self) {
        self.restart("");
    }

    fn restart(&mut self, storage: &str) {
        self.stop();
        self.child = Self::serve(&self.directory, &self.address, storage, &self.sections);
        let deadline = Instant::now() + PATIENCE;
        while self.get("/v2/").is_none() {
            assert!(Instant::now() < deadline, "docker-registry starts again at {}", self.address);
            sleep(Duration::from_millis(20));
        }
    }

    /// The file that holds the bytes of a blob or manifest, such as `sha256:…`.
    pub fn file_of(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.directory.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Publishes what the fixtures name and do not build below a path of this registry.
    pub fn publish_outside_images(&self, path: &str) {
        super::run(Command::new(super::fixtures().join("publish.sh")).arg(format!("{}/{path}", self.address)));
    }

    /// The status that a GET of this path is answered with; `None` if nothing answers.
    fn get(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_whitespace().nth(1)?.parse().ok()
    }

    /// All requests so far, in the order of their answers, without those of this value itself; not with TLS, whose
    /// failures are not logged.
    pub fn requests(&self) -> Vec<Request> {
        // A request is logged after its answer: what came before this one is in the log when it is.
        let mark = format!("/v2/?mark={}", self.marks.fetch_add(1, Ordering::Relaxed));
        assert!(matches!(self.get(&mark), Some(200 | 401)), "the registry answers");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(self.directory.path().join("log")).expect("the registry writes its log");
            let requests: Vec<Request> = log.lines().filter_map(request).collect();
            if requests.iter().any(|request| request.path == mark) {
                return requests
                    .into_iter()
                    .filter(|request| !request.path.starts_with("/v2/?mark="))
                    // The start asks this too; nobody can tell who did.
                    .filter(|request| request.path != "/v2/")
                    .collect();
            }
            assert!(Instant::now() < deadline, "the registry logs its requests; its log is:\n{log}");
            sleep(Duration::from_millis(20));
        }
    }

    /// The requests so far that asked for a change.
    pub fn writes(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::writes).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let docker = |arguments: &[&str]| {
            let output = Command::new("docker").args(arguments).stderr(Stdio::null()).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let format = "{{.Repository}} {{.Tag}} {{.Digest}}";
        for depth in ["*/*", "*/*/*"] {
            let filter = format!("reference={}/{depth}", self.address);
            for line in docker(&["image", "ls", "--digests", "--filter", &filter, "--format", format]).lines() {
                let image = match line.split(' ').collect::<Vec<_>>()[..] {
                    [repository, "<none>", digest] => format!("{repository}@{digest}"),
                    [repository, tag, _] => format!("{repository}:{tag}"),
                    _ => continue,
                };
                docker(&["image", "rm", &image]);
            }
        }
        // What was built twice under one name has lost it to the second; its key still says whose it is.
        let nameless = ["image", "ls", "--quiet", "--filter", "dangling=true", "--filter", "label=org.kitmake.key"];
        for id in docker(&nameless).lines() {
            let key = docker(&["image", "inspect", "--format", "{{index .Config.Labels \"org.kitmake.key\"}}", id]);
            if key.starts_with(&format!("1:{}/", self.address)) {
                docker(&["image", "rm", id]);
            }
        }
    }
}

/// A line of the access log, in Apache's combined format:
/// `127.0.0.1 - - [23/Nov/2026:19:36:59 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "curl/7.88.1"`.
fn request(line: &str) -> Option<Request> {
    let mut quoted = line.split('"');
    let (before, request, after) = (quoted.next()?, quoted.next()?, quoted.next()?);
    if !before.ends_with("] ") {
        return None;
    }
    let [method, path, _] = request.split(' ').collect::<Vec<_>>()[..] else { return None };
    let status = after.split_whitespace().next()?.parse().ok()?;
    Some(Request { method: method.to_owned(), path: path.to_owned(), status })
}
