//! `kitmake show-tag [DIR...]`: the names of images, one per line, as `linuxkit pkg show-tag` prints them, or as a map.
//!
//! A directory is one on disk, wherever it lies; only its build yml and the kitmake.yml of the workspace are read, and no
//! Dockerfile. All names are computed before the first is printed: one bad package suppresses all output. Without a
//! directory all packages of the workspace are shown, in the order of their names; there a bad package suppresses only a
//! map, since nobody sees what is missing in one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use miette::Diagnostic;

use super::options::Place;
use super::output::{Output, json};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, provenance};
use crate::git::{self, TagMap, Tagged};
use crate::path::clean;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::{self, KitmakeYml, Package, PackageId, PackageName, Workspace};

/// Print the image name of packages
///
/// One `org/image:tag` per line, in the order of the directories given, exactly as `linuxkit pkg show-tag` prints them.
///
/// With `--format` a map for image files and templates: `node-exporter` is `NODE_EXPORTER_TAG`, whatever its org.
/// Without a directory it has all packages of the workspace. A bad package, or a name that two packages with different
/// references would have, is an error, and nothing is printed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  kitmake show-tag pkg/init
  kitmake show-tag --canonical pkg/*
  kitmake show-tag -v pkg/init          what went into the tag, and why it is dirty
  kitmake show-tag --format env > tags; set -a; . ./tags; envsubst < rootfs.yml.in > rootfs.yml")]
pub(super) struct ShowTagArgs {
    /// Package directories; all packages of the workspace by default
    #[arg(value_name = "DIR")]
    pub(super) directories: Vec<PathBuf>,
    /// Write the registry out: docker.io/linuxkit/init:… instead of linuxkit/init:…
    #[arg(long)]
    pub(super) canonical: bool,
    /// One name per line, or all of them as a map from `NAME_TAG` to the name
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    pub(super) ymls: YmlArgs,
    #[command(flatten)]
    pub(super) tags: TagArgs,
}

/// The form of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One per line.
    Text,
    /// `NAME_TAG=name` lines, for a shell and for docker's `--env-file`.
    Env,
    /// One object.
    Json,
    /// One mapping.
    Yaml,
}

/// What is to be printed.
#[derive(Debug, Clone)]
struct Shown {
    /// For standard output.
    text: String,
    /// For standard error.
    warnings: Vec<Problem>,
    /// What is wrong with packages that were not asked for by name, which fail no other.
    problems: Vec<Problem>,
}

/// A directory that is no package.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Error {
    /// Nothing is there.
    #[error("`{directory}` is not a directory")]
    #[diagnostic(
        code(show_tag::no_directory),
        help("name the directories of packages, relative to the current directory")
    )]
    NoDirectory {
        /// Relative to the root where it lies below.
        directory: String,
    },

    /// There is no build yml.
    #[error("`{directory}` has no `{yml}`")]
    #[diagnostic(code(show_tag::no_yml), help("`--build-yml FILE` names another file than build.yml"))]
    NoYml {
        /// Relative to the root where it lies below.
        directory: String,
        /// Relative to the directory.
        yml: String,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Usage
    }
}

pub(super) fn run(place: &Place, output: &Output, args: &ShowTagArgs) -> Ended {
    let shown = show_tag(args, place, output.verbose > 0)?;
    for warning in &shown.warnings {
        output.warning(warning);
    }
    output.data(&shown.text)?;
    if shown.problems.is_empty() { Ok(exit::DONE) } else { Err(shown.problems) }
}

/// Computes the tags that were asked for.
fn show_tag(arguments: &ShowTagArgs, place: &Place, verbose: bool) -> Result<Shown, Vec<Problem>> {
    let one = |problem| vec![problem];
    let current = place.working_directory().map_err(one)?;
    // A directory that is named needs no workspace around it.
    let root = match place.root() {
        Ok((root, _)) => root,
        Err(problem) if arguments.directories.is_empty() => return Err(vec![problem]),
        Err(_) => current.clone(),
    };
    let read = arguments.ymls.options();
    let (workspace, order) = if arguments.directories.is_empty() {
        all_packages(&root, &read).map_err(one)?
    } else {
        let directories = arguments.directories.iter().map(|directory| current.join(directory));
        read_directories(&root, directories, &read).map_err(one)?
    };
    let options = arguments.tags.options(&place.environment, &current);
    let tags = git::tags(&workspace, &order, &options).map_err(one)?;

    let (mut text, mut tagged, mut warnings, mut problems) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    for &id in &order {
        let package = workspace.package(id);
        problems.extend(package.problems.iter().cloned());
        warnings.extend(package.warnings.iter().cloned());
        match &tags.packages[id.index()] {
            Some(Ok(tag)) => {
                warnings.extend(tag.warnings.iter().cloned());
                let name = if arguments.canonical { tag.output.canonical() } else { tag.output.to_string() };
                tagged.push(Tagged { package: &package.name, image: &tag.output, canonical: arguments.canonical });
                text.push_str(&name);
                text.push('\n');
                if verbose && arguments.format == Format::Text {
                    text.push_str(&provenance::text(package, tag, &options, &workspace.directory(id), &current));
                }
            }
            Some(Err(problem)) => problems.push(problem.clone()),
            None => {}
        }
    }
    if arguments.format != Format::Text {
        let text = map(&tagged, arguments.format).unwrap_or_else(|clashes| {
            problems.extend(clashes);
            String::new()
        });
        return if problems.is_empty() { Ok(Shown { text, warnings, problems }) } else { Err(problems) };
    }
    // As in linuxkit, one bad directory among those named suppresses all output.
    if problems.is_empty() || arguments.directories.is_empty() {
        Ok(Shown { text, warnings, problems })
    } else {
        Err(problems)
    }
}

/// The tags as a map in a form that is one.
fn map(tagged: &[Tagged<'_>], format: Format) -> Result<String, Vec<Problem>> {
    let map = TagMap::new(tagged.iter().copied())?;
    Ok(match format {
        Format::Text | Format::Env => map.env(),
        Format::Json => json(map.entries()),
        Format::Yaml => map.yaml(),
    })
}

/// A workspace of exactly the packages in these absolute directories, and their ids in the order given.
fn read_directories(
    root: &Path,
    directories: impl Iterator<Item = PathBuf>,
    options: &workspace::Options,
) -> Result<(Workspace, Vec<PackageId>), Problem> {
    let config = workspace::config(root)?;
    let choices = config.choices(options.profile.as_deref())?;
    let mut packages: BTreeMap<PackageName, Package> = BTreeMap::new();
    let mut names = Vec::new();
    for directory in directories {
        let path = relative(root, &directory);
        let yml = options.build_yml.as_deref().or(choices.get(path.as_str()).copied()).unwrap_or("build.yml");
        let name = PackageName::new(&path, yml);
        packages.entry(name.clone()).or_insert_with(|| read_package(root, &path, yml, &config, options.strict));
        names.push(name);
    }
    let ids: BTreeMap<PackageName, PackageId> = packages.keys().cloned().zip((0..).map(PackageId)).collect();
    let order = names.iter().filter_map(|name| ids.get(name).copied()).collect();
    let packages = packages.into_values().collect();
    let files = std::sync::Arc::new(workspace::Disk);
    Ok((Workspace { root: root.to_owned(), packages, config, rewritten: BTreeMap::new(), files }, order))
}

/// A directory as a package is named: relative to the root where it lies below, else absolute.
fn relative(root: &Path, directory: &Path) -> String {
    let absolute = clean(directory);
    match absolute.strip_prefix(root) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => absolute.to_string_lossy().into_owned(),
    }
}

/// Reads a package after looking whether it is there at all, which is what people get wrong.
fn read_package(root: &Path, path: &str, yml: &str, config: &KitmakeYml, strict: bool) -> Package {
    let directory = root.join(path);
    let problem = if !directory.is_dir() {
        Error::NoDirectory { directory: path.to_owned() }
    } else if !directory.join(yml).exists() && (yml != "build.yml" || config.declared(path).is_none()) {
        Error::NoYml { directory: path.to_owned(), yml: yml.to_owned() }
    } else {
        return workspace::package(root, path, yml, config, strict);
    };
    Package { problems: vec![problem.into()], ..Package::new(path, yml) }
}

/// All packages of the workspace; with `--build-yml`, the directories that have it.
fn all_packages(root: &Path, options: &workspace::Options) -> Result<(Workspace, Vec<PackageId>), Problem> {
    let workspace = workspace::read(root, options)?;
    let wanted = |id: &PackageId| options.build_yml.as_ref().is_none_or(|yml| workspace.package(*id).yml == *yml);
    let ids = workspace.ids().filter(wanted).collect();
    Ok((workspace, ids))
}
