//! Does a step of a plan on the engine and the registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{OnceCell, mpsc};

use super::publisher::{IndexTask, Publisher};
use super::{Failure, FailureClass, StepRunner};
use crate::builder::{Engine, Proxies, RegistryAuth};
use crate::image::{Platform, Reference};
use crate::plan::{Action, PushSource, Step, StepIndex};
use crate::problem::{Class, Problem};
use crate::registry::{Client, Content};
use crate::signature::SigningKey;

/// How often a push is tried.
const PUSH_ATTEMPTS: u32 = 3;
/// How long to wait before the second push; twice as long before each further one.
const PUSH_WAIT: Duration = Duration::from_secs(1);

/// Runs steps for real.
#[derive(Debug)]
pub struct Executor {
    engine: Result<Engine, Problem>,
    client: Client,
    publisher: Publisher,
    steps: Arc<Vec<Step>>,
    proxies: Proxies,
    planned_at: SystemTime,
    /// What an image that was fetched is called on the builder, by where it came from.
    fetched: Mutex<BTreeMap<String, Arc<OnceCell<String>>>>,
}

impl Executor {
    /// An executor of `steps`, for which no engine is needed if none of them is done on the builder. They were planned from what the tree was at `planned_at`; `proxies` are handed to each
    /// build as they are.
    #[must_use]
    pub fn new(
        engine: Result<Engine, Problem>,
        client: Client,
        key: Option<SigningKey>,
        steps: Arc<Vec<Step>>,
        proxies: Proxies,
        planned_at: SystemTime,
    ) -> Self {
        let publisher = Publisher::new(client.clone(), key);
        Self { engine, client, publisher, steps, proxies, planned_at, fetched: Mutex::default() }
    }

    fn engine(&self) -> Result<&Engine, Problem> {
        self.engine.as_ref().map_err(Clone::clone)
    }

    async fn build(&self, request: &crate::builder::BuildRequest, log: mpsc::Sender<String>) -> Result<(), Failure> {
        let mut request = request.clone();
        request.planned_at = Some(self.planned_at);
        for (name, value) in &self.proxies.0 {
            request.build_args.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let auth = match self.auth(request.registries.iter().cloned()).await {
            Ok(auth) => auth,
            Err(problem) => return Err(failure(FailureClass::Infrastructure, problem.diagnostic())),
        };
        let engine = self.engine().map_err(|problem| failure(FailureClass::Infrastructure, problem.diagnostic()))?;
        match engine.build(&request, &auth, log).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.class() {
                None | Some(Class::Repository | Class::Usage) => failure(FailureClass::Build, &error),
                Some(Class::Infrastructure) => failure(FailureClass::Infrastructure, &error),
            }),
        }
    }

    /// The credentials that the engine needs for these registries.
    async fn auth(&self, hosts: impl IntoIterator<Item = String>) -> Result<RegistryAuth, Problem> {
        let mut by_host = BTreeMap::new();
        for host in hosts {
            if let Some(credentials) = self.client.credentials(&host).await? {
                by_host.insert(host, credentials);
            }
        }
        Ok(RegistryAuth::from(&by_host))
    }

    /// Pulls from the first place that has it, unless another step did, and gives it the names it has here.
    async fn fetch(
        &self,
        from: &Reference,
        platform: &Platform,
        names: &[Reference],
        log: mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let source = self.source(from, platform).await?;
        let slot = if source.pinned { source.name.to_string() } else { format!("{} {platform}", source.name) };
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).entry(slot).or_default().clone();
        let image = fetched.get_or_try_init(|| self.pull(&source, platform, names, log)).await?;
        for name in names {
            self.engine()?.tag(image, name).await?;
        }
        Ok(())
    }

    /// Where an image is fetched from: by the digest of the one manifest that is for the platform. An engine that has one
    /// platform of an index under its tag or digest does not take another under the same. Where the registry cannot be
    /// asked, the engine has to find it by itself.
    async fn source(&self, from: &Reference, platform: &Platform) -> Result<Source, Problem> {
        let place = if self.client.has_mirrors(from) {
            self.client.find(from).await?.map_or_else(|| from.clone(), |(place, _)| place)
        } else {
            from.clone()
        };
        let Ok(Some(manifest)) = self.client.manifest(&place).await else {
            return Ok(Source { name: place, pinned: false });
        };
        let digest = match manifest.content(&place.to_string())? {
            Content::Image(_) => manifest.descriptor.digest.clone(),
            Content::Index(index) => {
                let Some(entry) = index.entry(platform) else {
                    let (image, platform) = (place.to_string(), platform.to_string());
                    return Err(ExecuteError::OtherPlatforms { image, platform }.into());
                };
                entry.descriptor().digest.clone()
            }
        };
        let name = format!("{}@{digest}", place.name()).parse();
        Ok(name.map_or(Source { name: place, pinned: false }, |name| Source { name, pinned: true }))
    }

    /// Pulls, unless the builder has it, and names it. The name that it was pulled by is taken away unless the builder knew
    /// it before. Returns a name that stays.
    async fn pull(
        &self,
        Source { name: source, pinned }: &Source,
        platform: &Platform,
        names: &[Reference],
        log: mpsc::Sender<String>,
    ) -> Result<String, Problem> {
        let known = self.is_known(source).await?;
        if !(known && *pinned) {
            self.engine()?.pull(source, platform, &self.auth(host_of(source)).await?, log).await?;
        }
        let pulled = source.to_string();
        for name in names {
            self.engine()?.tag(&pulled, name).await?;
        }
        let Some(name) = names.first() else { return Ok(pulled) };
        if !known && names.iter().all(|name| name.canonical() != source.canonical()) {
            self.engine()?.untag(source).await?;
        }
        Ok(name.to_string())
    }

    /// Whether the builder has an image of this name, which then is not taken away.
    async fn is_known(&self, name: &Reference) -> Result<bool, Problem> {
        Ok(self.engine()?.platform(&name.to_string()).await?.is_some())
    }

    async fn push(&self, source: &PushSource, to: &Reference, log: mpsc::Sender<String>) -> Result<(), Problem> {
        match source {
            PushSource::Builder(local) if local.canonical() == to.canonical() => {
                self.push_name(to, &self.auth(host_of(to)).await?, &log).await
            }
            PushSource::Builder(local) => {
                let auth = self.auth(host_of(to)).await?;
                let keep = self.is_known(to).await?;
                self.engine()?.tag(&local.to_string(), to).await?;
                let pushed = self.push_name(to, &auth, &log).await;
                let untagged = if keep { Ok(()) } else { self.engine()?.untag(to).await };
                pushed.and(untagged)
            }
            PushSource::Registry(from) => self.publisher.retag(from, to).await,
        }
    }

    /// Pushes, and again where the transfer broke off: registries answer uploads of one layer at the same time with
    /// server errors, and the engine does not ask twice.
    async fn push_name(&self, to: &Reference, auth: &RegistryAuth, log: &mpsc::Sender<String>) -> Result<(), Problem> {
        let mut wait = PUSH_WAIT;
        for _ in 1..PUSH_ATTEMPTS {
            match self.engine()?.push(to, auth, log.clone()).await {
                Err(problem) if problem.code() == "builder::transfer" => {
                    // Nobody reads the log of a step that has been cancelled.
                    let _ = log.send(format!("{problem}; pushing again")).await;
                }
                ended => return ended,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.engine()?.push(to, auth, log.clone()).await
    }
}

/// Where an image is fetched from.
struct Source {
    name: Reference,
    /// Whether the name is the digest of one manifest, which is the same image whatever the platform.
    pinned: bool,
}

impl StepRunner for Executor {
    async fn run(&self, step: StepIndex, log: mpsc::Sender<String>) -> Result<(), Failure> {
        match &self.steps[step.index()].action {
            Action::Build(request) => self.build(request, log).await,
            Action::Fetch { from, platform, names } => (self.fetch(from, platform, names, log).await)
                .map_err(|problem| failure(FailureClass::Infrastructure, problem.diagnostic())),
            Action::Push { source, to } => pushed(self.push(source, to, log).await),
            Action::Index { to, required, looked_for, annotations } => {
                pushed(self.publisher.index(IndexTask { to, required, looked_for, annotations }, &log).await)
            }
            Action::Sign { images } => pushed(self.publisher.sign(images, &log).await),
            Action::Release { from, to, force } => pushed(self.publisher.release(from, to, *force).await),
        }
    }
}

/// What came of a step that writes to a registry.
fn pushed(ended: Result<(), Problem>) -> Result<(), Failure> {
    ended.map_err(|problem| failure(FailureClass::Push, problem.diagnostic()))
}

/// The registry that an image lives on.
fn host_of(image: &Reference) -> Option<String> {
    image.canonical().host().map(str::to_owned)
}

/// Why a step cannot be done although engine and registry answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum ExecuteError {
    #[error("`{image}` is gone from the registry since the plan was made")]
    #[diagnostic(code(run::vanished), help("run the same command again: the plan will then know"))]
    Vanished { image: String },
    #[error("`{image}` has no image for {platform}")]
    #[diagnostic(
        code(run::other_platforms),
        help("name an image that is for all platforms of the package, or leave this one out with `--skip-platforms`")
    )]
    OtherPlatforms { image: String, platform: String },
    #[error("the index `{image}` was changed by other writers each time it was written")]
    #[diagnostic(code(run::contended), help("run the same command again; only the index is left to be written"))]
    Contended { image: String },
    #[error("there is no key to sign `{image}` with")]
    #[diagnostic(code(run::no_key), help("name it with `--sign-key`"))]
    NoKey { image: String },
    #[error("`{image}` was released by somebody else since the plan was made, as another image")]
    #[diagnostic(
        code(run::released),
        help("choose another name for the release, or overwrite it with `--force-release`")
    )]
    Released { image: String },
}

impl crate::problem::Fault for ExecuteError {
    fn class(&self) -> Class {
        Class::Infrastructure
    }
}

/// What a step that failed says: the sentence, and what to do about it.
fn failure(class: FailureClass, diagnostic: &dyn miette::Diagnostic) -> Failure {
    let help = diagnostic.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    Failure { class, message: format!("{diagnostic}{help}"), tail: Vec::new(), log: None }
}
