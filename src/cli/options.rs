//! Options that several verbs share, and how they become [`Settings`].

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use super::publish_args::PublishArgs;
use super::registry_args::RegistryArgs;
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use crate::image::Platform;
use crate::plan::{OnOutdated, Platforms};
use crate::problem::Problem;
use crate::settings::{AssumeMissing, Environment, Settings, parse_platforms, parse_registry, parse_skipped, relative};
use crate::workspace::find_root;

/// The platforms of one `--skip-platforms`.
type Skipped = Vec<Platform>;

/// Where the command runs.
#[derive(Debug)]
pub(super) struct Place {
    /// `-C DIR`
    pub(super) directory: Option<PathBuf>,
    /// What the process environment says.
    pub(super) environment: Environment,
}

/// The working directory cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum PlaceError {
    #[error("`{}` cannot be started in: {reason}", path.display())]
    #[diagnostic(code(cli::no_directory), help("`-C DIR` names an existing directory"))]
    NoDirectory { path: PathBuf, reason: String },
    #[error("`{}` lies in no workspace: neither it nor a parent has a kitmake.yml or is a git repository", path.display())]
    #[diagnostic(code(cli::no_root), help("go to the repository, or name a root with `-C DIR`"))]
    NoRoot { path: PathBuf },
}

impl crate::problem::Fault for PlaceError {
    fn class(&self) -> crate::problem::Class {
        crate::problem::Class::Usage
    }
}

impl Place {
    /// The absolute root, and the working directory relative to it. A directory that is named is one by itself where it
    /// lies in no workspace, as what `git archive` made does.
    pub(super) fn root(&self) -> Result<(PathBuf, String), Problem> {
        let directory = self.working_directory()?;
        let root = match find_root(&directory) {
            Some(root) => root,
            None if self.directory.is_some() => directory.clone(),
            None => return Err(PlaceError::NoRoot { path: directory }.into()),
        };
        let current = relative(&root, &directory);
        Ok((root, current))
    }

    /// The directory that relative paths are relative to, absolute and without links.
    pub(super) fn working_directory(&self) -> Result<PathBuf, Problem> {
        let given = self.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let unusable =
            |error: std::io::Error| PlaceError::NoDirectory { path: given.clone(), reason: error.to_string() };
        let absolute = given.canonicalize().map_err(unusable)?;
        if absolute.is_dir() { Ok(absolute) } else { Err(unusable(std::io::ErrorKind::NotADirectory.into()).into()) }
    }
}

/// Options of every verb that makes a plan.
#[derive(Debug, Clone, Args)]
pub(super) struct PlanningArgs {
    /// What to build; `kitmake --help` says what a selector is [default: pkg, if it exists, else everything]
    #[arg(value_name = "SELECTOR")]
    pub(super) selectors: Vec<String>,
    /// Platforms such as linux/arm64, separated by commas; `all` means those that each package lists [default: the
    /// builder's own]
    #[arg(long, value_name = "PLATFORMS", value_parser = parse_platforms, env = "KITMAKE_PLATFORMS")]
    pub(super) platforms: Option<Platforms>,
    #[command(flatten)]
    pub(super) publish: PublishArgs,
    /// Platforms such as linux/riscv64 on which nothing that is named is built, separated by commas, whether --platforms,
    /// kitmake.yml or the package chose them (may be repeated)
    #[arg(long, value_name = "PLATFORMS", value_parser = parse_skipped, action = ArgAction::Append)]
    pub(super) skip_platforms: Vec<Skipped>,
    /// Build all that is selected, whatever is there
    #[arg(long)]
    pub(super) force: bool,
    /// Bring what is only in the registry to the builder
    #[arg(long, conflicts_with = "force")]
    pub(super) pull: bool,
    /// What to do about a published image that was made from other inputs
    #[arg(long, value_enum, value_name = "WHAT", default_value = "warn")]
    pub(super) on_outdated: OnOutdated,
    /// Do it as if `pins fix` had been run and committed: with the tags that packages will have then, and without changing
    /// the work tree
    #[arg(long)]
    pub(super) repin: bool,
    /// Where images without a host in their name live
    #[arg(long, value_name = "HOST[/PREFIX]", value_parser = parse_registry, env = "KITMAKE_REGISTRY")]
    pub(super) registry: Option<String>,
    /// Ask no registry
    #[arg(long)]
    pub(super) offline: bool,
    /// Count as missing what cannot be asked, of all packages or of those selected; what an index is made of, and the
    /// signatures of what is built from, have to be known
    #[arg(long, value_name = "SELECTOR", num_args = 0..=1, require_equals = true, default_missing_value = "",
        action = ArgAction::Append)]
    pub(super) assume_missing: Vec<String>,
    /// Build only from images that are signed in the trust data (Docker Content Trust), and sign there what is pushed
    #[arg(long, overrides_with = "disable_content_trust")]
    pub(super) enable_content_trust: bool,
    /// Neither ask for such signatures nor make them, whatever kitmake.yml and `DOCKER_CONTENT_TRUST` say
    #[arg(long, overrides_with = "enable_content_trust")]
    pub(super) disable_content_trust: bool,
    /// Keep what is built in linuxkit's cache in this directory, too, and use what is there
    #[arg(long, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,
    /// The same with linuxkit's own directory: `$LINUXKIT_CACHE`, or `~/.linuxkit/cache`
    #[arg(long, conflicts_with = "cache")]
    pub(super) linuxkit_cache: bool,
    /// A file of KEY=VALUE lines with build args for all that is selected; wins over their ymls (may be repeated)
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(super) build_arg_file: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) ymls: YmlArgs,
    #[command(flatten)]
    pub(super) registries: RegistryArgs,
    #[command(flatten)]
    pub(super) tags: TagArgs,
}

impl PlanningArgs {
    /// The directory of linuxkit's cache, absolute.
    fn cache(&self, place: &Place, directory: &Path) -> Option<PathBuf> {
        match &self.cache {
            Some(cache) => Some(directory.join(cache)),
            None => self.linuxkit_cache.then(|| place.environment.linuxkit_cache.clone()),
        }
    }

    /// Resolves everything at once.
    pub(super) fn settings(&self, place: &Place, push: bool) -> Result<Settings, Problem> {
        let (root, current) = place.root()?;
        let directory = place.working_directory()?;
        let assume_missing = if self.assume_missing.iter().any(String::is_empty) {
            AssumeMissing::Everything
        } else if self.assume_missing.is_empty() {
            AssumeMissing::Nothing
        } else {
            AssumeMissing::These(self.assume_missing.clone())
        };
        Ok(Settings {
            root,
            current,
            selectors: self.selectors.clone(),
            workspace: self.ymls.options(),
            build_arg_files: self.build_arg_file.iter().map(|file| directory.join(file)).collect(),
            tags: self.tags.options(&place.environment, &directory),
            registry: self.registry.clone(),
            insecure_registries: self.registries.insecure_registry.clone(),
            certificate_authorities: self.registries.certificate_authorities(&directory)?,
            offline: self.offline,
            assume_missing,
            platforms: self.platforms.clone(),
            build: !self.publish.nobuild(),
            sign_key: self.publish.sign_key(push, &directory),
            content_trust: (self.enable_content_trust || self.disable_content_trust)
                .then_some(self.enable_content_trust),
            cache: self.cache(place, &directory),
            publish: self.publish.publish(push, self.offline)?,
            skip_platforms: self.skip_platforms.concat(),
            force: self.force,
            pull: self.pull,
            on_outdated: self.on_outdated,
            repin: self.repin,
            environment: place.environment.clone(),
        })
    }
}
