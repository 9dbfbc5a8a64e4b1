//! Does a step of a plan on the engine and the registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{OnceCell, mpsc};

use super::publisher::{IndexTask, Publisher};
use super::{Failure, FailureClass, StepRunner};
use crate::builder::{Engine, Proxies, RegistryAuth};
use crate::image::{Platform, Reference};
use crate::layout::Layout;
use crate::plan::{Action, PushSource, Step, StepIndex};
use crate::problem::{Class, Problem};
use crate::registry::{Client, Content};
use crate::signature::SigningKey;
use crate::trust::Trust;

/// How often a push is tried.
const PUSH_ATTEMPTS: u32 = 3;
/// How long to wait before the second push; twice as long before each further one.
const PUSH_WAIT: Duration = Duration::from_secs(1);

/// What steps are done with.
#[derive(Debug)]
pub struct Means {
    /// The engine, or why there is none; no step that is done without it fails for that.
    pub engine: Result<Engine, Problem>,
    /// The registries.
    pub client: Client,
    /// linuxkit's cache, if it is in use.
    pub layout: Option<Layout>,
    /// What is published is signed by it.
    pub key: Option<SigningKey>,
    /// Where what is published is notarized, if it is.
    pub trust: Option<Arc<Trust>>,
}

/// Runs steps for real.
#[derive(Debug)]
pub struct Executor {
    engine: Result<Engine, Problem>,
    client: Client,
    layout: Option<Layout>,
    publisher: Publisher,
    steps: Arc<Vec<Step>>,
    proxies: Proxies,
    planned_at: SystemTime,
    /// What an image that was fetched is called on the builder, by where it came from.
    fetched: Mutex<BTreeMap<String, Arc<OnceCell<String>>>>,
    /// How long it took to do what is done.
    took: Mutex<BTreeMap<StepIndex, Duration>>,
}

/// What a step that is done has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// What it costs each time.
    Done,
    /// Nothing, as the engine had it all in its build cache.
    Cached,
}

impl Executor {
    /// An executor of `steps`, which were planned from what the tree was at `planned_at`; `proxies` are handed to each
    /// build as they are.
    #[must_use]
    pub fn new(means: Means, steps: Arc<Vec<Step>>, proxies: Proxies, planned_at: SystemTime) -> Self {
        let Means { engine, client, layout, key, trust } = means;
        let publisher = Publisher::new(client.clone(), key, trust);
        Self {
            engine,
            client,
            layout,
            publisher,
            steps,
            proxies,
            planned_at,
            fetched: Mutex::default(),
            took: Mutex::default(),
        }
    }

    /// How long each step took that is done, in the order of the plan. Builds that the engine answered from its cache are
    /// left out: they say nothing about the next one.
    #[must_use]
    pub fn took(&self) -> BTreeMap<StepIndex, Duration> {
        self.took.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn engine(&self) -> Result<&Engine, Problem> {
        self.engine.as_ref().map_err(Clone::clone)
    }

    async fn build(&self, request: &crate::builder::BuildRequest, log: mpsc::Sender<String>) -> Result<Work, Failure> {
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
            Ok(built) => Ok(if built.cached { Work::Cached } else { Work::Done }),
            Err(error) => Err(match error.class() {
                None | Some(Class::Repository | Class::Usage) => failure(FailureClass::Build, &error),
                Some(Class::Infrastructure | Class::Unpublished) => failure(FailureClass::Infrastructure, &error),
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

    /// Loads an image from linuxkit's cache and gives it the names it has here.
    async fn load(
        &self,
        image: &Reference,
        platform: &Platform,
        names: &[Reference],
        log: mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let layout = self.layout(image)?;
        let (image, platform, names) = (image.clone(), platform.clone(), names.to_vec());
        let archive = blocking(move || {
            let mut file = temporary(&image)?;
            layout.archive(&image, &platform, &names, &mut file)?;
            file.rewind().map_err(|error| ExecuteError::temporary(&image, &error))?;
            Ok(file)
        });
        self.engine()?.load(archive.await?, log).await
    }

    /// Writes an image of the builder into linuxkit's cache.
    async fn store(&self, source: &Reference, image: &Reference, platform: &Platform) -> Result<(), Problem> {
        let layout = self.layout(image)?;
        let archive = self.engine()?.save_to(&[source.to_string()]).await?;
        let (image, platform) = (image.clone(), platform.clone());
        blocking(move || layout.store(&image, &platform, archive)).await
    }

    fn layout(&self, image: &Reference) -> Result<Layout, Problem> {
        self.layout.clone().ok_or_else(|| ExecuteError::NoCache { image: image.to_string() }.into())
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
            PushSource::Registry(from) => self.client.retag(from, to).await.map(drop),
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
        let started = Instant::now();
        if self.work(step, log).await? == Work::Done {
            self.took.lock().unwrap_or_else(PoisonError::into_inner).insert(step, started.elapsed());
        }
        Ok(())
    }
}

impl Executor {
    async fn work(&self, step: StepIndex, log: mpsc::Sender<String>) -> Result<Work, Failure> {
        match &self.steps[step.index()].action {
            Action::Build(request) => return self.build(request, log).await,
            Action::Fetch { from, platform, names } => moved(self.fetch(from, platform, names, log).await),
            Action::Load { image, platform, names } => moved(self.load(image, platform, names, log).await),
            Action::Store { source, image, platform } => moved(self.store(source, image, platform).await),
            Action::Push { source, to } => pushed(self.push(source, to, log).await),
            Action::Index { to, required, looked_for, annotations } => {
                pushed(self.publisher.index(IndexTask { to, required, looked_for, annotations }, &log).await)
            }
            Action::Notarize { images } => pushed(self.publisher.notarize(images, &log).await),
            Action::Sign { images } => pushed(self.publisher.sign(images, &log).await),
            Action::Release { from, to, force } => pushed(self.publisher.release(from, to, *force).await),
        }?;
        Ok(Work::Done)
    }
}

/// Work that waits for the disk, on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(ended) => ended,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

/// A file that goes away with its handle.
fn temporary(image: &Reference) -> Result<File, ExecuteError> {
    tempfile::tempfile().map_err(|error| ExecuteError::temporary(image, &error))
}

/// What came of a step that moves an image between the places of this machine.
fn moved(ended: Result<(), Problem>) -> Result<(), Failure> {
    ended.map_err(|problem| failure(FailureClass::Infrastructure, problem.diagnostic()))
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
    #[error("there is no cache for `{image}`")]
    #[diagnostic(code(run::no_cache), help("name it with `--cache`"))]
    NoCache { image: String },
    #[error("`{image}` cannot be held in a temporary file: {reason}")]
    #[diagnostic(code(run::temporary), help("make room in the directory that TMPDIR names, or name another one"))]
    Temporary { image: String, reason: String },
    #[error("there is no trust data to add `{image}` to")]
    #[diagnostic(code(run::no_trust), help("switch content trust on with `--enable-content-trust`"))]
    NoTrust { image: String },
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

impl ExecuteError {
    fn temporary(image: &Reference, error: &std::io::Error) -> Self {
        Self::Temporary { image: image.to_string(), reason: error.to_string() }
    }
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
