//! Settings: flags > environment > kitmake.yml > defaults, resolved once.
//!
//! The process environment is read here and nowhere else, but for the variables that stand for one option each and that the
//! parser of the command line reads: `KITMAKE_REGISTRY`, `KITMAKE_PLATFORMS`, `KITMAKE_JOBS` and `KITMAKE_PROGRESS`. The types
//! of the options are those of the stages that they are for.

use std::path::{Path, PathBuf};

use crate::builder::{Connection, Proxies};
use crate::git::TagOptions;
use crate::image::{Platform, Reference};
use crate::plan::{OnOutdated, Platforms, Publish};
use crate::registry;
use crate::secret::Secret;
use crate::trust;
use crate::workspace::KitmakeYml;

/// The names of the variables that tell a build step its proxy, each also in lower case.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// What the process environment says.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Which engine: `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`.
    pub engine: Connection,
    /// `$DOCKER_CONFIG`, or `~/.docker`: where docker's config.json lies.
    pub docker_config: Option<PathBuf>,
    /// `$XDG_STATE_HOME/kitmake`, or `~/.local/state/kitmake`: logs and durations of runs.
    pub state: PathBuf,
    /// `$XDG_CACHE_HOME/kitmake`, or `~/.cache/kitmake`: memos.
    pub cache: PathBuf,
    /// `$LINUXKIT_CACHE`, or `~/.linuxkit/cache`: linuxkit's cache.
    pub linuxkit_cache: PathBuf,
    /// Proxies in both spellings, as given.
    pub proxies: Proxies,
    /// `$LINUXKIT_PKG_ORG`
    pub org: Option<String>,
    /// `$USER`
    pub user: Option<String>,
    /// Some CI system runs this: `$CI` is set.
    pub ci: bool,
    /// `$NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `$CLICOLOR_FORCE` or `$FORCE_COLOR` is set, not empty and not `0`.
    pub force_color: bool,
    /// `$TERM` is `dumb`.
    pub dumb_terminal: bool,
    /// `$COSIGN_PASSWORD`, of private keys that cosign encrypted; set and empty is a password, too.
    pub cosign_password: Option<Secret>,
    /// `$HOME`
    pub home: Option<PathBuf>,
    /// `$DOCKER_CONTENT_TRUST`, read as docker does: what is no boolean means yes.
    pub content_trust: Option<bool>,
    /// `$DOCKER_CONTENT_TRUST_SERVER`
    pub content_trust_server: Option<String>,
    /// `$DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`
    pub content_trust_passphrase: Option<Secret>,
}

impl Environment {
    /// Reads the process environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let below_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        let docker_config = path("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        let base = |variable: &str, rest: &str| {
            path(variable).or_else(|| below_home(rest)).unwrap_or_else(std::env::temp_dir).join("kitmake")
        };
        let spellings = PROXIES.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase()]);
        let forced = |name: &str| text(name).is_some_and(|value| value != "0");
        Self {
            engine: Connection {
                host: text("DOCKER_HOST"),
                context: text("DOCKER_CONTEXT"),
                config: docker_config.clone(),
                tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
                cert_path: path("DOCKER_CERT_PATH"),
            },
            docker_config,
            state: base("XDG_STATE_HOME", ".local/state"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            linuxkit_cache: path("LINUXKIT_CACHE")
                .or_else(|| below_home(".linuxkit/cache"))
                .unwrap_or_else(|| std::env::temp_dir().join("linuxkit-cache")),
            proxies: Proxies(spellings.filter_map(|name| text(&name).map(|value| (name, value))).collect()),
            org: text("LINUXKIT_PKG_ORG"),
            user: text("USER"),
            ci: text("CI").is_some(),
            no_color: text("NO_COLOR").is_some(),
            force_color: forced("CLICOLOR_FORCE") || forced("FORCE_COLOR"),
            dumb_terminal: text("TERM").is_some_and(|terminal| terminal == "dumb"),
            cosign_password: std::env::var("COSIGN_PASSWORD").ok().map(Secret::new),
            content_trust: text("DOCKER_CONTENT_TRUST").map(|value| is_on(&value)),
            content_trust_server: text("DOCKER_CONTENT_TRUST_SERVER"),
            content_trust_passphrase: text("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE").map(|text| Secret::new(&text)),
            home,
        }
    }
}

/// Which packages count as missing where their presence cannot be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AssumeMissing {
    /// None.
    #[default]
    Nothing,
    /// All.
    Everything,
    /// Those that these selectors name.
    These(Vec<String>),
}

/// Everything that a plan depends on beside the repository.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The absolute path of the root.
    pub root: PathBuf,
    /// The directory that selectors are also relative to, relative to the root.
    pub current: String,
    /// What is to be built; where none adds anything, less than the default: `pkg` if it exists, else everything.
    pub selectors: Vec<String>,
    /// What is read, and how strictly.
    pub workspace: crate::workspace::Options,
    /// Further files of build args for all that is selected, absolute.
    pub build_arg_files: Vec<PathBuf>,
    /// What changes tags.
    pub tags: TagOptions,
    /// `HOST[/PREFIX]` where images without a host in their name live; the kitmake.yml is asked when it is `None`.
    pub registry: Option<String>,
    /// Registry hosts that are spoken to without TLS, beside those of the kitmake.yml.
    pub insecure_registries: Vec<String>,
    /// PEM files of certificate authorities to be trusted, absolute, beside those of the kitmake.yml.
    pub certificate_authorities: Vec<PathBuf>,
    /// No registry is asked.
    pub offline: bool,
    /// Which packages count as missing where their presence cannot be asked.
    pub assume_missing: AssumeMissing,
    /// The platforms wanted; the kitmake.yml is asked when it is `None`.
    pub platforms: Option<Platforms>,
    /// Build what is missing.
    pub build: bool,
    /// What is published; nothing without it.
    pub publish: Option<Publish>,
    /// The file of the key that signs what is published.
    pub sign_key: Option<PathBuf>,
    /// Whether content trust is on, whatever environment and kitmake.yml say.
    pub content_trust: Option<bool>,
    /// The directory of linuxkit's cache, if it is in use.
    pub cache: Option<PathBuf>,
    /// Platforms that nothing selected is wanted on, whatever chose them.
    pub skip_platforms: Vec<Platform>,
    /// Build all that is selected.
    pub force: bool,
    /// Bring what is only in the registry to the builder.
    pub pull: bool,
    /// What to do about a published image that was made from other inputs.
    pub on_outdated: OnOutdated,
    /// Plan as if all pins had been brought up to date.
    pub repin: bool,
    /// What the process environment says.
    pub environment: Environment,
}

impl Settings {
    /// Those of a command without options.
    #[must_use]
    pub fn new(root: PathBuf, environment: Environment) -> Self {
        Self {
            root,
            current: ".".to_owned(),
            selectors: Vec::new(),
            workspace: crate::workspace::Options::default(),
            build_arg_files: Vec::new(),
            tags: TagOptions::default(),
            registry: None,
            insecure_registries: Vec::new(),
            certificate_authorities: Vec::new(),
            offline: false,
            assume_missing: AssumeMissing::Nothing,
            platforms: None,
            skip_platforms: Vec::new(),
            build: true,
            publish: None,
            sign_key: None,
            content_trust: None,
            cache: None,
            force: false,
            pull: false,
            on_outdated: OnOutdated::Warn,
            repin: false,
            environment,
        }
    }

    /// Where images without a host in their name live.
    #[must_use]
    pub fn registry(&self, config: &KitmakeYml) -> Option<String> {
        registry(self.registry.as_deref(), config)
    }

    /// How registries are spoken to.
    #[must_use]
    pub fn registry_options(&self, config: &KitmakeYml) -> registry::Options {
        let (insecure, authorities) = (&self.insecure_registries, &self.certificate_authorities);
        registry_options(&self.root, config, insecure, authorities, &self.environment)
    }

    /// The platforms wanted.
    #[must_use]
    pub fn platforms(&self, config: &KitmakeYml) -> Platforms {
        match &self.platforms {
            Some(platforms) => platforms.clone(),
            None if config.platforms.is_empty() => Platforms::Own,
            None => Platforms::These(config.platforms.clone()),
        }
    }

    /// How trust data is reached; `None` where images are neither signed nor asked for signatures.
    #[must_use]
    pub fn trust(&self, config: &KitmakeYml) -> Option<trust::Options> {
        let (environment, trust) = (&self.environment, &config.content_trust);
        if !self.content_trust.or(environment.content_trust).or(trust.enabled).unwrap_or(false) {
            return None;
        }
        let home = environment.home.as_ref();
        let path = |written: &String| match written.strip_prefix("~/").zip(home) {
            Some((below, home)) => home.join(below),
            None => self.root.join(written),
        };
        let docker = || environment.docker_config.as_ref().unwrap_or(&environment.state).join("trust");
        let linuxkit = [".moby/linuxkit/config.yml", ".linuxkit/config.yml"];
        Some(trust::Options {
            server: environment.content_trust_server.clone().or_else(|| trust.server.clone()),
            ca_file: trust.ca_file.as_ref().map(path),
            passphrase: environment.content_trust_passphrase.clone(),
            passphrase_command: trust.passphrase_command.clone(),
            linuxkit_configs: linuxkit.iter().filter_map(|file| Some(home?.join(file))).collect(),
            ..trust::Options::new(trust.directory.as_ref().map_or_else(docker, path))
        })
    }

    /// The selectors, with the default filled in.
    #[must_use]
    pub fn selectors(&self) -> Vec<String> {
        selectors(&self.selectors, &self.root)
    }
}

/// Where images without a host in their name live: as the option says, else the kitmake.yml.
#[must_use]
pub fn registry(option: Option<&str>, config: &KitmakeYml) -> Option<String> {
    let registry = option.or(config.registry.as_deref());
    registry.map(|registry| registry.trim_end_matches('/').to_owned()).filter(|registry| !registry.is_empty())
}

/// The selectors given, and where none of them adds anything, the default: `pkg` if it exists, else everything.
#[must_use]
pub fn selectors(given: &[String], root: &Path) -> Vec<String> {
    selectors_or(given, if root.join("pkg").is_dir() { "pkg" } else { "." })
}

/// The selectors given, and where none of them adds anything, `default`.
#[must_use]
pub fn selectors_or(given: &[String], default: &str) -> Vec<String> {
    let only_exclude = given.iter().all(|selector| selector.starts_with('!'));
    only_exclude.then(|| default.to_owned()).into_iter().chain(given.iter().cloned()).collect()
}

/// How registries are spoken to: what the command line says and what the kitmake.yml of `root` says, both.
#[must_use]
pub fn registry_options(
    root: &Path,
    config: &KitmakeYml,
    insecure: &[String],
    certificate_authorities: &[PathBuf],
    environment: &Environment,
) -> registry::Options {
    let listed = config.certificate_authorities.iter().map(|file| root.join(file));
    registry::Options {
        insecure: insecure.iter().chain(&config.insecure_registries).cloned().collect(),
        mirrors: config.mirrors.clone(),
        docker_config: environment.docker_config.clone(),
        ca_files: certificate_authorities.iter().cloned().chain(listed).collect(),
        ..registry::Options::default()
    }
}

/// Whether a variable of docker switches something on.
fn is_on(value: &str) -> bool {
    !matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE")
}

/// Reads `--platforms`: `all`, or platforms separated by commas; a bare architecture means Linux.
pub fn parse_platforms(text: &str) -> Result<Platforms, String> {
    if text == "all" {
        return Ok(Platforms::Arches);
    }
    if text.split(',').any(|part| part.trim() == "all") {
        return Err("`all` stands alone".to_owned());
    }
    Ok(Platforms::These(parse_skipped(text)?))
}

/// Reads `--skip-platforms`: platforms separated by commas; a bare architecture means Linux.
pub fn parse_skipped(text: &str) -> Result<Vec<Platform>, String> {
    let mut platforms = text
        .split(',')
        .map(|part| {
            let part = part.trim();
            if Platform::ARCHITECTURES.contains(&part) {
                return Ok(Platform::linux(part));
            }
            Platform::known(part)
        })
        .collect::<Result<Vec<_>, _>>()?;
    platforms.sort();
    platforms.dedup();
    Ok(platforms)
}

/// Reads `--registry`: `HOST[:PORT][/PREFIX]`; empty means docker.io.
pub fn parse_registry(text: &str) -> Result<String, String> {
    let named = format!("{}/x", text.trim_end_matches('/')).parse::<Reference>();
    if text.is_empty() || named.is_ok_and(|image| image.host().is_some()) {
        return Ok(text.to_owned());
    }
    Err("it is HOST[:PORT][/PREFIX] without a scheme; a host has a dot or a port, or is `localhost`".to_owned())
}

/// `path` relative to `root`, with `/`; `.` for the root itself and for what lies outside it.
#[must_use]
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().and_then(Path::to_str).filter(|below| !below.is_empty());
    below.unwrap_or(".").to_owned()
}

/// Whether a variable of the environment is set to nothing, which counts as not being set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the one place that reads the environment")]
pub fn is_set_to_nothing(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_with_the_environment() {
        let password = Some(Secret::new("top secret"));
        let shown = format!("{:?}", Environment { cosign_password: password, ..Environment::default() });
        assert!(shown.contains("Secret(…)") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn platforms_are_named_whole_or_by_architecture() {
        let these = |names: &[&str]| Ok(Platforms::These(names.iter().map(|name| Platform::linux(name)).collect()));
        assert_eq!(parse_platforms("all"), Ok(Platforms::Arches));
        assert_eq!(parse_platforms("all,linux/amd64"), Err("`all` stands alone".to_owned()));
        assert_eq!(parse_platforms("linux/arm64,amd64,arm64"), these(&["amd64", "arm64"]));
        assert_eq!(parse_skipped("riscv64,linux/s390x"), Ok(["riscv64", "s390x"].map(Platform::linux).into()));
        assert!(parse_skipped("all").is_err());
        for wrong in ["x86", "linux/arm46", "linux/AMD64", "amd64,"] {
            assert!(parse_platforms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_registry_is_a_host_with_an_optional_prefix() {
        for right in ["", "reg.io", "reg.io:5000/mirror/", "localhost", "127.0.0.1:5000"] {
            assert_eq!(parse_registry(right), Ok(right.to_owned()));
        }
        for wrong in ["http://x", "mirror", "a b", "x:y:z", "reg.io/Upper", "reg.io/a:tag"] {
            assert!(parse_registry(wrong).is_err(), "{wrong}");
        }
    }

    /// Settings of a root `/repo` for a user whose home is `/home/me`.
    fn settings() -> Settings {
        let environment = Environment {
            home: Some(PathBuf::from("/home/me")),
            docker_config: Some(PathBuf::from("/home/me/.docker")),
            ..Environment::default()
        };
        Settings::new(PathBuf::from("/repo"), environment)
    }

    fn kitmake_yml(text: &str) -> KitmakeYml {
        let source = crate::problem::SourceFile::new("kitmake.yml", text);
        crate::workspace::kitmake_yml::parse(&source, &|_| true).unwrap()
    }

    #[test]
    fn trust_is_off_until_docker_or_the_file_says_otherwise() {
        for (variable, text, on) in [
            (None, "{}", false),
            (None, "content-trust: true", true),
            (None, "content-trust: {server: 'https://n'}", true),
            (Some(false), "content-trust: true", false),
            (Some(true), "content-trust: false", true),
            (Some(true), "{}", true),
        ] {
            let mut settings = settings();
            settings.environment.content_trust = variable;
            assert_eq!(settings.trust(&kitmake_yml(text)).is_some(), on, "{variable:?} {text}");
        }
        for (value, on) in [("1", true), ("true", true), ("yes", true), ("0", false), ("False", false)] {
            assert_eq!(is_on(value), on, "{value}");
        }
    }

    #[test]
    fn trust_has_the_places_of_docker_and_linuxkit_unless_others_are_named() {
        let mut settings = settings();
        let plain = settings.trust(&kitmake_yml("content-trust: true")).unwrap();
        assert_eq!((plain.directory, plain.server), (PathBuf::from("/home/me/.docker/trust"), None));
        let configs =
            [".moby/linuxkit/config.yml", ".linuxkit/config.yml"].map(|file| Path::new("/home/me").join(file));
        assert_eq!(plain.linuxkit_configs, configs);

        let text =
            "content-trust: {server: 'https://n', ca-file: ca.crt, directory: ~/keys, passphrase-command: pass x}";
        let named = settings.trust(&kitmake_yml(text)).unwrap();
        assert_eq!(named.server.as_deref(), Some("https://n"));
        assert_eq!(named.directory, PathBuf::from("/home/me/keys"));
        assert_eq!(named.ca_file, Some(PathBuf::from("/repo/ca.crt")));
        assert_eq!(named.passphrase_command.as_deref(), Some("pass x"));
        settings.environment.content_trust_server = Some("https://env".to_owned());
        settings.environment.content_trust_passphrase = Some(Secret::new("hunter2"));
        let trust = settings.trust(&kitmake_yml(text)).unwrap();
        assert_eq!(trust.server.as_deref(), Some("https://env"));
        assert!(trust.passphrase.is_some() && !format!("{settings:?} {trust:?}").contains("hunter2"));
    }
}
