//! A notary server for one test, and the notary client as its owner and as a witness.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kitmake::trust::Signed;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::support::{self, Output};

/// What opens the delegation key.
pub const DELEGATION_PASSPHRASE: &str = "delegation-phrase";

/// A notary server with TLS that keeps everything in its memory, and a place for directories of clients.
pub struct Server {
    process: Child,
    address: String,
    authority: Authority,
    /// `NOTARY_AUTH` of the owner and of witnesses.
    login: Option<String>,
    directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// A server that everybody may read and write.
    pub fn start() -> Self {
        Self::start_with(|_| (String::new(), None))
    }

    /// A server with a further member of its configuration, and the login that it wants.
    pub fn start_with(auth: impl FnOnce(&Authority) -> (String, Option<String>)) -> Self {
        let directory = TempDir::with_prefix("kitmake-notary-").unwrap();
        let authority = Authority::new(directory.path());
        let (auth, login) = auth(&authority);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            r#"{{"server": {{"http_addr": "{address}", "tls_key_file": "server.key", "tls_cert_file": "server.crt"}},
            "trust_service": {{"type": "local", "hostname": "", "port": "", "key_algorithm": "ecdsa"}},
            "storage": {{"backend": "memory"}}, {auth} "logging": {{"level": "info"}}}}"#
        );
        fs::write(directory.path().join("server.json"), config).unwrap();
        let process = Command::new("notary-server")
            .arg("-config")
            .arg(directory.path().join("server.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .expect("notary-server is installed: `tests/run.sh` installs it");
        let server = Self { process, address, authority, login, directory };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            let log = || fs::read_to_string(server.directory.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(20), "notary-server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Ends it: nothing listens on its port any more.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn ca_file(&self) -> PathBuf {
        self.authority.path("ca.crt")
    }

    /// A directory for keys and trust data with nothing in it.
    pub fn empty_directory(&self) -> PathBuf {
        TempDir::new_in(self.directory.path()).unwrap().keep()
    }

    /// A directory for keys and trust data with the delegation key in it.
    pub fn directory_with_key(&self) -> PathBuf {
        let directory = self.empty_directory();
        let (_, key) = self.authority.signer();
        self.notary(&directory, &["key", "import", "--role", "user", key.to_str().unwrap()]).with_code(0);
        directory
    }

    /// Makes the trust data of an image, with snapshots signed by the server, as docker does.
    pub fn initialise(&self, image: &str) {
        self.as_owner(&["init", "-p", image]);
        self.as_owner(&["key", "rotate", image, "snapshot", "-r"]);
    }

    /// Lets the delegation key sign in a role.
    pub fn delegate(&self, image: &str, role: &str) {
        let (certificate, _) = self.authority.signer();
        self.as_owner(&["delegation", "add", "-p", image, role, certificate.to_str().unwrap(), "--all-paths"]);
    }

    /// Signs in a role, with the owner's key for `targets` and the delegation key for others.
    pub fn sign(&self, image: &str, name: &str, what: &Signed, role: &str) {
        let (size, sha256) = (what.size.to_string(), what.digest.replace("sha256:", ""));
        let directory = if role == "targets" { self.owner() } else { self.directory_with_key() };
        self.notary(&directory, &["addhash", "-p", image, name, &size, "--sha256", &sha256, "-r", role]).with_code(0);
    }

    /// Stages a signature in a directory, and does not publish it.
    pub fn stage(&self, image: &str, name: &str, what: &Signed, directory: &Path) {
        let (size, sha256) = (what.size.to_string(), what.digest.replace("sha256:", ""));
        self.notary(directory, &["addhash", image, name, &size, "--sha256", &sha256, "-r", "targets/releases"])
            .with_code(0);
    }

    /// Whether a directory holds no change that waits to be published.
    pub fn is_nothing_staged(&self, image: &str, directory: &Path) -> bool {
        self.notary(directory, &["status", image]).with_code(0).stdout.contains("No unpublished changes")
    }

    /// The lines of `notary list` for somebody who knows nothing yet: name, digest, size and role.
    pub fn list(&self, image: &str) -> Vec<Vec<String>> {
        let text = self.notary(&self.empty_directory(), &["list", image]).with_code(0).stdout;
        let lines = text.lines().skip_while(|line| !line.starts_with("----")).skip(1);
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    /// What `notary lookup` says of a tag to somebody who knows nothing yet.
    pub fn lookup(&self, image: &str, tag: &str) -> String {
        self.notary(&self.empty_directory(), &["lookup", image, tag]).with_code(0).stdout.trim().to_owned()
    }

    /// Whether there is trust data of an image.
    pub fn knows(&self, image: &str) -> bool {
        let output = self.notary(&self.empty_directory(), &["list", image]);
        let absent = output.stdout.contains("does not have trust data for");
        assert!(absent || output.code == Some(0), "{}", output.stdout);
        !absent
    }

    fn owner(&self) -> PathBuf {
        self.directory.path().join("owner")
    }

    fn as_owner(&self, arguments: &[&str]) {
        self.notary(&self.owner(), arguments).with_code(0);
    }

    fn notary(&self, directory: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("notary");
        command.args(["-s", &self.url(), "--tlscacert"]).arg(self.ca_file()).arg("-d").arg(directory).args(arguments);
        command.env("NOTARY_ROOT_PASSPHRASE", "root-passphrase").env("NOTARY_TARGETS_PASSPHRASE", "targets-phrase");
        command
            .env("NOTARY_SNAPSHOT_PASSPHRASE", "snapshot-phrase")
            .env("NOTARY_DELEGATION_PASSPHRASE", DELEGATION_PASSPHRASE);
        if let Some(login) = &self.login {
            command.env("NOTARY_AUTH", login);
        }
        support::output(command.stdin(Stdio::null()))
    }
}
