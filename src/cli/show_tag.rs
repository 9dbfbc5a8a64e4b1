//! `kitmake show-tag [DIR...]`: the names of images, one per line, as `linuxkit pkg show-tag` prints them.
//!
//! A directory is one on disk, whatever the workspace; only its build yml is read, and no Dockerfile. All names are
//! computed before the first is printed: one bad package suppresses all output. Without a directory all packages of the
//! workspace are shown, in the order of their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::Diagnostic;

use super::options::Place;
use super::output::Output;
use super::tag_args::TagArgs;
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
    /// The build yml to read, relative to each directory
    #[arg(long, value_name = "FILE", default_value = "build.yml")]
    pub(super) build_yml: String,
    /// Unknown keys in a build.yml are errors
    #[arg(long)]
    pub(super) strict: bool,
}

/// What is to be printed.
#[derive(Debug, Clone)]
struct Shown {
    /// For standard output.
    text: String,
    /// For standard error.
    warnings: Vec<Problem>,
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
        /// As given.
        directory: String,
    },

    /// There is no build yml.
    #[error("`{directory}` has no `{yml}`")]
    #[diagnostic(code(show_tag::no_yml), help("`--build-yml FILE` names another file than build.yml"))]
    NoYml {
        /// As given.
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
    output.data(&shown.text);
    Ok(exit::DONE)
}

/// Computes the tags that were asked for.
fn show_tag(arguments: &ShowTagArgs, place: &Place, verbose: bool) -> Result<Shown, Vec<Problem>> {
    let one = |problem| vec![problem];
    let current = place.working_directory().map_err(one)?;
    let (workspace, order) = if arguments.directories.is_empty() {
        let (root, _) = place.root().map_err(one)?;
        all_packages(arguments, &root).map_err(one)?
    } else {
        read_directories(&current, &arguments.directories, &arguments.build_yml, arguments.strict)
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
    if problems.is_empty() { Ok(Shown { text, warnings }) } else { Err(problems) }
}

/// A workspace of exactly the packages in these directories, and their ids in the order given.
fn read_directories(current: &Path, directories: &[PathBuf], yml: &str, strict: bool) -> (Workspace, Vec<PackageId>) {
    let mut packages: BTreeMap<PackageName, Package> = BTreeMap::new();
    let mut names = Vec::new();
    let yml = clean(Path::new(yml)).to_string_lossy().into_owned();
    for directory in directories {
        let path = relative(current, directory);
        let name = PackageName::new(&path, &yml);
        packages.entry(name.clone()).or_insert_with(|| read_package(current, &path, &yml, strict));
        names.push(name);
    }
    let ids: BTreeMap<PackageName, PackageId> = packages.keys().cloned().zip((0..).map(PackageId)).collect();
    let order = names.iter().filter_map(|name| ids.get(name).copied()).collect();
    let config = KitmakeYml::default();
    (Workspace { root: current.to_owned(), packages: packages.into_values().collect(), config }, order)
}

/// A directory as a package is named: relative to the current directory where it lies below, else absolute.
fn relative(current: &Path, directory: &Path) -> String {
    let absolute = clean(&current.join(directory));
    match absolute.strip_prefix(current) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => absolute.to_string_lossy().into_owned(),
    }
}

/// Reads a package after looking whether it is there at all, which is what people get wrong.
fn read_package(current: &Path, path: &str, yml: &str, strict: bool) -> Package {
    let directory = current.join(path);
    let problem = if !directory.is_dir() {
        Error::NoDirectory { directory: path.to_owned() }
    } else if !directory.join(yml).exists() {
        Error::NoYml { directory: path.to_owned(), yml: yml.to_owned() }
    } else {
        return workspace::package(current, path, yml, workspace::Options { strict });
    };
    Package {
        name: PackageName::new(path, yml),
        path: path.to_owned(),
        yml: yml.to_owned(),
        build: None,
        identity: None,
        dockerfile: None,
        problems: vec![problem.into()],
        dockerfile_problem: None,
        template: None,
        warnings: Vec::new(),
    }
}

/// All packages of the workspace; with another yml than build.yml, the directories that have it.
fn all_packages(arguments: &ShowTagArgs, root: &Path) -> Result<(Workspace, Vec<PackageId>), Problem> {
    let workspace = workspace::read(root, workspace::Options { strict: arguments.strict })?;
    let yml = &arguments.build_yml;
    if yml == "build.yml" {
        let ids = workspace.ids().collect();
        return Ok((workspace, ids));
    }
    let mut directories: Vec<PathBuf> = workspace.ids().map(|id| workspace.directory(id)).collect();
    directories.dedup();
    directories.retain(|directory| directory.join(yml).exists());
    Ok(read_directories(root, &directories, yml, arguments.strict))
}
