//! `kitmake show-tag [DIR...]`: the names of images, one per line, as `linuxkit pkg show-tag` prints them.
//!
//! A directory is one on disk, wherever it lies; only its build yml and the kitmake.yml of the workspace are read, and no
//! Dockerfile. All names are computed before the first is printed: one bad package suppresses all output. Without a directory all packages of the
//! workspace are shown, in the order of their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::Diagnostic;

use super::options::Place;
use super::output::Output;
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, provenance};
use crate::git;
use crate::path::clean;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::{self, KitmakeYml, Package, PackageId, PackageName, Workspace};

/// Print the image name of packages
///
/// One `org/image:tag` per line, in the order of the directories given, exactly as `linuxkit pkg show-tag` prints them.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  kitmake show-tag pkg/init
  kitmake show-tag --canonical pkg/*
  kitmake show-tag -v pkg/init          what went into the tag, and why it is dirty")]
pub(super) struct ShowTagArgs {
    /// Package directories; all packages of the workspace by default
    #[arg(value_name = "DIR")]
    pub(super) directories: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) tags: TagArgs,
    /// Write the registry out: docker.io/linuxkit/init:… instead of linuxkit/init:…
    #[arg(long)]
    pub(super) canonical: bool,
    #[command(flatten)]
    pub(super) ymls: YmlArgs,
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

    let (mut text, mut warnings, mut problems) = (String::new(), Vec::new(), Vec::new());
    for &id in &order {
        let package = workspace.package(id);
        problems.extend(package.problems.iter().cloned());
        warnings.extend(package.warnings.iter().cloned());
        match &tags.packages[id.index()] {
            Some(Ok(tag)) => {
                warnings.extend(tag.warnings.iter().cloned());
                let name = if arguments.canonical { tag.output.canonical() } else { tag.output.to_string() };
                text.push_str(&name);
                text.push('\n');
                if verbose {
                    text.push_str(&provenance::text(package, tag, &options, &workspace.directory(id), &current));
                }
            }
            Some(Err(problem)) => problems.push(problem.clone()),
            None => {}
        }
    }
    // As in linuxkit, one bad directory among those named suppresses all output.
    if problems.is_empty() || arguments.directories.is_empty() {
        Ok(Shown { text, warnings, problems })
    } else {
        Err(problems)
    }
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
    Ok((Workspace { root: root.to_owned(), packages: packages.into_values().collect(), config }, order))
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
