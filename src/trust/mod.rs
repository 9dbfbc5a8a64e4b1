//! Docker Content Trust: which digest a tag is signed with, and the signing of a tag, as LinuxKit did it in 2020.
//!
//! All work on trust data is that of the `notary` client (0.7): it fetches, verifies and signs, and keeps what it knows
//! in the directory that it shares with docker. Nothing of The Update Framework is done a second time here. A repository
//! of trust data is named by the canonical name of the image, `docker.io/org/image`; its targets are the tags. Signed is
//! what the roles `targets/releases` and `targets` say, in this order, as for docker; signatures are added to
//! `targets/releases`, with a delegation key that lies in the directory. Repositories, delegations and keys are made by
//! people beforehand: a repository that is not there is an error, since notary would make one with a new root key.
//!
//! What always holds:
//! * Absent is only what the server itself says is absent. notary goes on with what it has on disk where it reaches no
//!   server; that is an error here.
//! * At most one notary at a time works on one repository in one directory, whichever kitmake starts it; one that has begun
//!   is left to end by itself, also when nobody waits for it any more. Changes that somebody else has staged are never
//!   published, and none are left behind.
//! * Secrets reach notary through its environment only, and are struck out of what it says. Nobody is asked for one.

mod error;
mod list;
mod lock;
mod login;
mod notary;
mod options;
mod passphrase;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc};

pub use error::Error;
pub use options::Options;
pub use passphrase::passphrase_command_of;

use crate::image::Reference;
use crate::problem::Problem;
use crate::registry::Credentials;
use crate::secret::Secret;
use list::Listing;
use lock::Lock;
use notary::{Call, Output};

/// The role that tags are signed in.
const RELEASES: &str = "targets/releases";

/// How often a signature is offered to a server that others offer theirs to at the same time.
const ATTEMPTS: u32 = 8;

/// The wait after the first offer; it grows with each further one.
const BACKOFF: Duration = Duration::from_millis(200);

/// What a tag is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The digest of its manifest or index, as `sha256:…`.
    pub digest: String,
    /// The bytes of that manifest or index.
    pub size: u64,
}

/// The trust data of images.
#[derive(Debug)]
pub struct Trust {
    options: Options,
    passphrase: OnceCell<Secret>,
}

/// The trust data of one image, and how it is reached.
struct Repository<'a> {
    /// The canonical name of the image.
    name: String,
    tag: &'a str,
    server: String,
    /// Where the notary client keeps what it knows of this repository.
    directory: PathBuf,
    call: Call<'a>,
}

impl Trust {
    /// Nothing is asked or read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, passphrase: OnceCell::new() }
    }

    /// Whether anything can be signed at all: there is a notary client and a passphrase. To be asked before long work
    /// whose outcome is to be signed; it may run the command that gives the passphrase.
    ///
    /// # Errors
    /// When one of them is missing, or the command fails.
    pub async fn check(&self) -> Result<(), Problem> {
        let version = Call::new(&self.options, Vec::new(), Vec::new()).run(&["version"], None).await?;
        if !version.success {
            return Err(version.failure("version"));
        }
        self.passphrase().await.map(drop)
    }

    /// What the tag of an image is signed with; `None` if the server says that the tag, or all of the image, is not
    /// signed. The credentials are those for the registry of the image.
    ///
    /// # Errors
    /// When there is no tag, no notary client, or no answer that can be relied on.
    pub async fn signed(
        &self,
        image: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Option<Signed>, Problem> {
        // A token cannot be handed to notary; what is public can be read without.
        let usable = credentials.filter(|credentials| credentials.identity_token.is_none());
        let repository = self.repository(image, usable, None)?;
        let lock = self.lock(&repository).await?;
        Ok(repository.list(&lock).await?.and_then(|listing| listing.signed))
    }

    /// Signs the tag of an image: it names the manifest or index of this digest (`sha256:…`) and size in bytes. Nothing
    /// happens if it is signed so already. What notary says is sent to `log`, a line at a time.
    ///
    /// # Errors
    /// When there is no tag, no passphrase, no notary client, no trust data to add to, or when the server refuses it.
    pub async fn add(
        &self,
        image: &Reference,
        size: u64,
        digest: &str,
        credentials: Option<&Credentials>,
        log: mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let wanted = Signed { digest: digest.to_owned(), size };
        let sha256 = digest.strip_prefix("sha256:").filter(|hex| list::is_sha256(hex));
        let sha256 = sha256.ok_or_else(|| Error::Digest { digest: digest.to_owned() })?;
        if credentials.is_some_and(|credentials| credentials.identity_token.is_some()) {
            let host = image.canonical().host().unwrap_or_default().to_owned();
            return Err(Error::IdentityToken { host }.into());
        }
        let passphrase = self.passphrase().await?;
        let repository = self.repository(image, credentials, Some(passphrase))?;
        let lock = self.lock(&repository).await?;
        let mut attempt = 1;
        while !repository.holds(&wanted, &lock).await? {
            repository.refuse_foreign_changes(&lock).await?;
            let outcome = repository.publish(sha256, size, &lock).await?;
            for line in outcome.lines() {
                // Nobody listens any more: the signature counts all the same.
                let _ = log.send(line).await;
            }
            if outcome.success {
                if repository.holds(&wanted, &lock).await? {
                    break;
                }
                return Err(Error::Unconfirmed { repository: repository.name, tag: repository.tag.to_owned() }.into());
            }
            if !outcome.is_conflict() || attempt == ATTEMPTS {
                return Err(repository.failure(&outcome, "addhash"));
            }
            tokio::time::sleep(BACKOFF * attempt).await;
            attempt += 1;
        }
        Ok(())
    }

    fn repository<'a>(
        &'a self,
        image: &'a Reference,
        credentials: Option<&Credentials>,
        passphrase: Option<&Secret>,
    ) -> Result<Repository<'a>, Problem> {
        let Some(tag) = image.tag() else { return Err(Error::NoTag { image: image.to_string() }.into()) };
        let canonical = image.canonical();
        let name = canonical.name();
        let server = self.options.server_of(canonical.host().unwrap_or_default());
        let directory = self.options.directory.join("tuf").join(&name);
        let mut arguments =
            vec!["-s".into(), server.clone().into(), "-d".into(), self.options.directory.clone().into()];
        if let Some(file) = &self.options.ca_file {
            arguments.extend(["--tlscacert".into(), file.clone().into()]);
        }
        let login = credentials.map(|credentials| ("NOTARY_AUTH", login::basic(credentials)));
        let passphrase = passphrase.map(|passphrase| ("NOTARY_DELEGATION_PASSPHRASE", passphrase.clone()));
        let mut call = Call::new(&self.options, arguments, login.into_iter().chain(passphrase).collect());
        call.secrets.extend(credentials.map(|credentials| Secret::new(credentials.password.as_str())));
        Ok(Repository { name, tag, server, directory, call })
    }

    async fn lock(&self, repository: &Repository<'_>) -> Result<Lock, Problem> {
        // Another one at the same repository takes several processes, each within this time.
        Ok(Lock::take(&repository.directory, self.options.timeout.saturating_mul(ATTEMPTS)).await?)
    }

    async fn passphrase(&self) -> Result<&Secret, Problem> {
        self.passphrase.get_or_try_init(|| passphrase::find(&self.options)).await
    }
}

impl Repository<'_> {
    /// What the server has; `None` if it says that it has nothing of this repository.
    async fn list(&self, lock: &Lock) -> Result<Option<Listing>, Problem> {
        let output = self.call.run(&["list", "-r", RELEASES, "-r", "targets", &self.name], Some(lock)).await?;
        let doubtful = output.doubt().is_some();
        if output.success && !doubtful {
            return Ok(Some(list::read(&output, &self.name, self.tag, &self.directory)?));
        }
        let absent = format!(" does not have trust data for {}", self.name);
        if !doubtful && output.fatal().is_some_and(|said| said.ends_with(&absent)) {
            return Ok(None);
        }
        Err(self.failure(&output, "list"))
    }

    /// Whether the tag is signed so.
    async fn holds(&self, wanted: &Signed, lock: &Lock) -> Result<bool, Problem> {
        let (repository, server) = (self.name.clone(), self.server.clone());
        let Some(listing) = self.list(lock).await? else {
            return Err(Error::NotInitialised { repository, server }.into());
        };
        if listing.signed.as_ref() == Some(wanted) {
            return Ok(true);
        }
        if listing.has_releases { Ok(false) } else { Err(Error::NoDelegation { repository, server }.into()) }
    }

    /// What is staged is published together with what is added.
    async fn refuse_foreign_changes(&self, lock: &Lock) -> Result<(), Problem> {
        let status = self.call.run(&["status", &self.name], Some(lock)).await?;
        if !status.success {
            return Err(self.failure(&status, "status"));
        }
        if status.stdout.lines().any(|line| line.starts_with("No unpublished changes for ")) {
            return Ok(());
        }
        let directory = self.call.options.directory.display().to_string();
        Err(Error::Staged { repository: self.name.clone(), directory }.into())
    }

    /// Stages and publishes a signature; if that fails, forgets what it has staged.
    async fn publish(&self, sha256: &str, size: u64, lock: &Lock) -> Result<Output, Problem> {
        let size = size.to_string();
        let arguments = ["addhash", "-p", &self.name, self.tag, &size, "--sha256", sha256, "-r", RELEASES];
        let outcome = self.call.run(&arguments, Some(lock)).await;
        if !outcome.as_ref().is_ok_and(|outcome| outcome.success) {
            let reset = self.call.run(&["reset", "--all", &self.name], Some(lock)).await?;
            if !reset.success {
                return Err(self.failure(&reset, "reset"));
            }
        }
        outcome
    }

    fn failure(&self, output: &Output, command: &str) -> Problem {
        let said = output.said();
        let server = self.server.clone();
        if let Some(keys) = said.split("at least one of these keys must be available: ").nth(1) {
            let directory = self.call.options.directory.join("private").display().to_string();
            return Error::NoKey { repository: self.name.clone(), keys: keys.to_owned(), directory }.into();
        }
        if output.wants_login() {
            let host = self.name.split('/').next().unwrap_or_default().to_owned();
            return Error::Unauthorized { repository: self.name.clone(), server, host, said }.into();
        }
        if let Some(doubt) = output.doubt() {
            return Error::Unreliable { server, said: doubt }.into();
        }
        output.failure(command)
    }
}
