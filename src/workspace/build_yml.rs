//! build.yml: what a package says about itself.
//!
//! Reading follows `linuxkit pkg` field by field: its defaults, its rules for scalars and null, the first document
//! only. All errors of a file are reported at once. A key that linuxkit does not know is a warning, or an error where
//! strictness is asked for; keys of former years are accepted. Entries of `extra-sources` and `buildArgs` are kept as
//! written; who uses them says what is wrong with them.

use super::error::Error;
use super::fields::{Reader, closest, list};
use super::yaml::{self, Kind, Node};
use super::{docker_images, image_config};
use crate::image::{Platform, Reference};
use crate::problem::{Problem, SourceFile, span};

pub use super::docker_images::{DockerImage, DockerImages};
pub use super::located::{Located, ReadFile};

const KEYS: [&str; 13] = [
    "arches",
    "buildArgs",
    "config",
    "depends",
    "disable-cache",
    "disable-content-trust",
    "dockerfile",
    "extra-sources",
    "gitrepo",
    "image",
    "network",
    "org",
    "tag",
];
const DEFAULT_ARCHES: [&str; 3] = ["amd64", "arm64", "riscv64"];
const DEFAULT_DOCKERFILE: &str = "Dockerfile";
const DEFAULT_GITREPO: &str = "https://github.com/linuxkit/linuxkit";
const DEFAULT_ORG: &str = "linuxkit";
const DEFAULT_TAG: &str = "{{.Hash}}";

/// The fields of a build.yml, with the defaults of `linuxkit pkg` filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildYml {
    /// The file itself, for diagnostics.
    pub source: SourceFile,
    /// Mandatory, never empty.
    pub image: String,
    /// `linuxkit` by default; may hold a registry host.
    pub org: String,
    /// The tag template, `{{.Hash}}` by default or if it is empty.
    pub tag: Located<String>,
    /// Relative to the package directory, `Dockerfile` by default. As written, so it may be wrong.
    pub dockerfile: Located<String>,
    /// Architectures as written, or the defaults amd64, arm64, riscv64; empty means never built.
    pub arches: Vec<Located<String>>,
    /// `src:dst` entries as written.
    pub extra_sources: Vec<Located<String>>,
    /// A URL; only a label and a build arg. linuxkit's own repository by default.
    pub gitrepo: String,
    /// Whether build steps may use the network.
    pub network: bool,
    /// Whether the engine's build cache is not to be used.
    pub disable_cache: bool,
    /// Whether images of this package are not signed (a key of the years 2017 to 2021).
    pub disable_content_trust: bool,
    /// The JSON text of the label `org.mobyproject.config`, if the yml has a `config`.
    pub config_label: Option<String>,
    /// `KEY=VALUE` entries as written.
    pub build_args: Vec<Located<String>>,
    /// `depends.docker-images`, with `from-file` read.
    pub docker_images: DockerImages,
}

impl BuildYml {
    /// Org and image without a tag; `None` if they are no legal name.
    pub(super) fn identity(&self) -> Option<Reference> {
        format!("{}/{}", self.org, self.image).parse().ok()
    }
}

/// What came of reading a build.yml.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The fields, if there was no error.
    pub build: Option<BuildYml>,
    /// Org and image without a tag, if they can be read, whatever else is wrong, and are a legal name.
    pub identity: Option<Reference>,
    /// Errors, all of them.
    pub problems: Vec<Problem>,
    /// Unknown keys, unless they are errors.
    pub warnings: Vec<Problem>,
}

/// How a build.yml is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    /// Unknown keys are errors.
    pub strict: bool,
    /// The org of a yml that gives none, if it is another one than `linuxkit`.
    pub org: Option<&'a str>,
}

/// Reads a build.yml of the package in the directory `package`, which is relative to the root. `read` reads the file
/// that `depends.docker-images.from-file` names.
#[must_use]
pub fn parse(source: &SourceFile, package: &str, reading: Reading<'_>, read: &ReadFile<'_>) -> Parsed {
    let mut reader = Reader::new(source, reading.strict);
    let root = match yaml::parse(&source.text) {
        Ok(Some(root)) => Some(root),
        Ok(None) => {
            reader.fail(Error::EmptyYml { path: source.path.clone() });
            None
        }
        Err(error) => {
            reader.fail(Error::InvalidYaml {
                path: source.path.clone(),
                message: error.message,
                source_code: source.named(),
                span: span(&error.span),
            });
            None
        }
    };
    let build = root.as_ref().and_then(|root| fields(&mut reader, root, package, reading.org, read));
    let org_is_said = root.as_ref().is_some_and(|root| says_org(root));
    let identity = build.as_ref().filter(|_| org_is_said).and_then(BuildYml::identity);
    let Reader { problems, warnings, .. } = reader;
    Parsed { build: build.filter(|_| problems.is_empty()), identity, problems, warnings }
}

/// The fields, or `None` if no image is named.
fn fields(
    reader: &mut Reader<'_>,
    root: &Node,
    package: &str,
    default_org: Option<&str>,
    read: &ReadFile<'_>,
) -> Option<BuildYml> {
    let entries = reader.entries("a build.yml", root);
    for entry in &entries {
        if !KEYS.contains(&entry.key.value) {
            reader.unknown_key(&entry.key, "a build.yml", KEYS.into_iter());
        }
    }
    let value = |key: &str| entries.iter().find(|entry| entry.key.value == key).map(|entry| entry.value);
    let mut text = |key| value(key).and_then(|node| reader.text(key, node));
    let (image, org, gitrepo) = (text("image"), text("org"), text("gitrepo"));
    let (tag, dockerfile) = (text("tag"), text("dockerfile"));
    let mut flag = |key| value(key).and_then(|node| reader.boolean(key, node)).unwrap_or(false);
    let (network, disable_cache) = (flag("network"), flag("disable-cache"));
    let disable_content_trust = flag("disable-content-trust");
    let mut texts = |key| value(key).map(|node| reader.texts(key, node));
    let (arches, extra_sources, build_args) = (texts("arches"), texts("extra-sources"), texts("buildArgs"));
    for arch in arches.iter().flatten() {
        check_architecture(reader, arch);
    }
    let config_label = value("config").and_then(|node| image_config::label(reader, node));
    let docker_images = value("depends").map(|node| docker_images::read(reader, node, package, read));

    let image = match image {
        Some(image) if !image.value.is_empty() => image,
        other => {
            // A value that is a list or the like was complained about already.
            if value("image").is_none_or(|node| node.scalar().is_some()) {
                reader.fail(Error::MissingImage {
                    path: reader.source.path.clone(),
                    source_code: reader.source.named(),
                    span: span(&other.map_or(0..0, |image| image.span)),
                });
            }
            return None;
        }
    };
    let default = |value: &str| Located { value: value.to_owned(), span: image.span.clone(), line: image.line };
    Some(BuildYml {
        source: reader.source.clone(),
        org: org.map_or_else(|| default_org.unwrap_or(DEFAULT_ORG).to_owned(), |org| org.value),
        tag: tag.filter(|tag| !tag.value.is_empty()).unwrap_or_else(|| default(DEFAULT_TAG)),
        dockerfile: dockerfile.unwrap_or_else(|| default(DEFAULT_DOCKERFILE)),
        arches: arches.unwrap_or_else(|| DEFAULT_ARCHES.map(default).into()),
        extra_sources: extra_sources.unwrap_or_default(),
        gitrepo: gitrepo.map_or_else(|| DEFAULT_GITREPO.to_owned(), |gitrepo| gitrepo.value),
        network,
        disable_cache,
        disable_content_trust,
        config_label,
        build_args: build_args.unwrap_or_default(),
        docker_images: docker_images.unwrap_or_default(),
        image: image.value,
    })
}

/// A package that kitmake.yml declares because its directory has no build.yml.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its image.
    pub image: Located<String>,
    /// `linuxkit` by default.
    pub org: Option<String>,
    /// Whether build steps may use the network.
    pub network: bool,
    /// The same defaults as for a build.yml.
    pub arches: Option<Vec<Located<String>>>,
}

/// The package that is declared in `source`.
///
/// # Errors
/// The first unknown architecture.
pub fn declared(source: &SourceFile, declaration: Declaration) -> Result<BuildYml, Problem> {
    let Declaration { image, org, network, arches } = declaration;
    let mut reader = Reader::new(source, true);
    for arch in arches.iter().flatten() {
        check_architecture(&mut reader, arch);
    }
    if let Some(problem) = reader.problems.into_iter().next() {
        return Err(problem);
    }
    let default = |value: &str| Located { value: value.to_owned(), span: image.span.clone(), line: image.line };
    Ok(BuildYml {
        source: source.clone(),
        org: org.unwrap_or_else(|| DEFAULT_ORG.to_owned()),
        tag: default(DEFAULT_TAG),
        dockerfile: default(DEFAULT_DOCKERFILE),
        arches: arches.unwrap_or_else(|| DEFAULT_ARCHES.map(default).into()),
        extra_sources: Vec::new(),
        gitrepo: DEFAULT_GITREPO.to_owned(),
        network,
        disable_cache: false,
        disable_content_trust: false,
        config_label: None,
        build_args: Vec::new(),
        docker_images: DockerImages::default(),
        image: image.value,
    })
}

/// Whether the org is written as a text or left to its default: what is neither was meant to be something else.
fn says_org(root: &Node) -> bool {
    let Kind::Mapping(entries) = &root.kind else { return false };
    entries
        .iter()
        .filter(|(key, _)| key.scalar().is_some_and(|key| key.text == "org"))
        .all(|(_, value)| value.scalar().is_some())
}

fn check_architecture(reader: &mut Reader<'_>, arch: &Located<String>) {
    if Platform::ARCHITECTURES.contains(&arch.value.as_str()) {
        return;
    }
    let meant = match arch.value.to_lowercase().as_str() {
        "x86_64" | "x86-64" | "x64" => Some("amd64"),
        "aarch64" | "armv8" | "arm64v8" => Some("arm64"),
        "x86" | "i386" | "i686" => Some("386"),
        "armhf" | "armv6" | "armv7" | "arm/v6" | "arm/v7" => Some("arm"),
        "riscv" => Some("riscv64"),
        "powerpc64le" | "ppc64el" => Some("ppc64le"),
        "loongarch64" => Some("loong64"),
        _ => closest(arch.value.strip_prefix("linux/").unwrap_or(&arch.value), &Platform::ARCHITECTURES),
    };
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the architectures are {}", list(&Platform::ARCHITECTURES)),
    };
    reader.fail(Error::UnknownArchitecture {
        architecture: arch.value.clone(),
        help,
        source_code: reader.source.named(),
        span: span(&arch.span),
    });
}

#[cfg(test)]
mod tests;
