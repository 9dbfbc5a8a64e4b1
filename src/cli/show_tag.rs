//! `kitmake show-tag`: the names of images, one per line, as `linuxkit pkg show-tag` prints them, or as a map.
//!
//! Where all that is named are directories of packages, each is that package, wherever it lies on disk; only its build yml
//! and the kitmake.yml of the workspace are read, and neither a Dockerfile nor another package. Anything else makes all of
//! them selectors, as for every verb. All names are computed before the first is printed: one bad package suppresses all
//! output. Where nothing is named all packages of the workspace are shown; there a bad package suppresses only a map, since
//! nobody sees what is missing in one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use miette::Diagnostic;

use super::options::Place;
use super::output::{Output, json};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty, provenance};
use crate::git::{self, TagMap, TagOptions, Tagged};
use crate::image::Platform;
use crate::path::clean;
use crate::pipeline::{self, Picked, Survey};
use crate::problem::{Class, Fault, Problem};
use crate::settings::selectors_or;
use crate::workspace::{self, Faulty, KitmakeYml, Package, PackageId, PackageName, Workspace};

/// Print the image name of packages
///
/// One `org/image:tag` per line, in the order of the directories given, exactly as `linuxkit pkg show-tag` prints them. Where
/// one of them is not the directory of a package, all are selectors, and the names come in the order of the packages.
///
/// With `--format` a map for image files and templates: `node-exporter` is `NODE_EXPORTER_TAG`, whatever its org.
/// If nothing is named it has all packages of the workspace. A bad package, or a name that two packages with different
/// references would have, is an error, and nothing is printed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  kitmake show-tag pkg/init
  kitmake show-tag --canonical pkg/*
  kitmake show-tag 'pkg/init...'        that and all that it needs
  kitmake show-tag -v pkg/init          what went into the tag, and why it is dirty
  kitmake show-tag --format env > tags; set -a; . ./tags; envsubst < rootfs.yml.in > rootfs.yml")]
pub(super) struct ShowTagArgs {
    /// Directories of packages, or other selectors, of which `kitmake --help` says what they are [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<PathBuf>,
    /// Write the registry out: docker.io/linuxkit/init:… instead of linuxkit/init:…
    #[arg(long)]
    canonical: bool,
    /// One name per line, or all of them as a map from `NAME_TAG` to the name
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    tags: TagArgs,
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
    /// Why there are no names, where that is no mistake.
    nothing: Option<String>,
    /// Packages that cannot be read and on which hangs what is selected.
    unsure: Vec<Faulty>,
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
    if let Some(nothing) = &shown.nothing {
        output.say(&format!("{nothing}\n"));
    }
    faulty::say_unsure(output, &shown.unsure);
    for warning in &shown.warnings {
        output.warning(warning);
    }
    output.data(&shown.text)?;
    if shown.problems.is_empty() { Ok(exit::DONE) } else { Err(shown.problems) }
}

/// Computes the tags that were asked for.
fn show_tag(arguments: &ShowTagArgs, place: &Place, verbose: bool) -> Result<Shown, Vec<Problem>> {
    let current = place.working_directory().map_err(|problem| vec![problem])?;
    let options = arguments.tags.options(&place.environment, &current);
    let Picked { workspace, tags, selected: order, nothing, unsure } = picked(arguments, place, &current, &options)?;
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
        return if problems.is_empty() {
            Ok(Shown { text, warnings, problems, nothing, unsure })
        } else {
            Err(problems)
        };
    }
    // As in linuxkit, one bad package among those named suppresses all output.
    if problems.is_empty() || arguments.selectors.is_empty() {
        Ok(Shown { text, warnings, problems, nothing, unsure })
    } else {
        Err(problems)
    }
}

/// The packages that are asked for, in the order in which they are shown.
fn picked(
    arguments: &ShowTagArgs,
    place: &Place,
    current: &Path,
    options: &TagOptions,
) -> Result<Picked, Vec<Problem>> {
    let one = |problem| vec![problem];
    let read = arguments.ymls.options();
    let with_tags = |(workspace, selected): (Workspace, Vec<PackageId>)| {
        let tags = git::tags(&workspace, &selected, options)?;
        Ok(Picked { workspace, tags, selected, nothing: None, unsure: Vec::new() })
    };
    let (root, inside) = match place.root() {
        Ok((root, inside)) => (root, Some(inside)),
        Err(problem) if arguments.selectors.is_empty() => return Err(vec![problem]),
        // A directory that is named needs no workspace around it.
        Err(_) => (current.to_owned(), None),
    };
    if arguments.selectors.is_empty() {
        return all_packages(&root, &read).and_then(with_tags).map_err(one);
    }
    let directories = Directories::new(&root, &read).map_err(one)?;
    let texts: Option<Vec<String>> =
        arguments.selectors.iter().map(|selector| selector.to_str().map(str::to_owned)).collect();
    let is_package = |selector: &Path| directories.lacking(&current.join(selector)).is_none();
    match (inside, texts) {
        (Some(inside), Some(texts)) if !arguments.selectors.iter().all(|selector| is_package(selector)) => {
            let by = |selectors: &[String]| {
                let question = Survey::new(&root, &inside, selectors_or(selectors, "."), &read, options);
                pipeline::pick(&question, &Platform::host())
            };
            by(&texts).map_err(|problem| directories.no_packages(current, &texts, problem, &by))
        }
        _ => {
            let given = arguments.selectors.iter().map(|directory| current.join(directory));
            with_tags(directories.read(given)).map_err(one)
        }
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

/// Directories on disk that may be packages.
struct Directories<'a> {
    root: &'a Path,
    options: &'a workspace::Options,
    config: KitmakeYml,
    /// The yml of each directory that has another one than build.yml.
    choices: BTreeMap<String, String>,
}

impl<'a> Directories<'a> {
    fn new(root: &'a Path, options: &'a workspace::Options) -> Result<Self, Problem> {
        let config = workspace::config(root)?;
        let choices = config.choices(options.profile.as_deref())?.into_iter();
        let choices = choices.map(|(path, yml)| (path.to_owned(), yml.to_owned())).collect();
        Ok(Self { root, options, config, choices })
    }

    /// As a package is named (relative to the root where it lies below, else absolute), and its yml.
    fn named(&self, directory: &Path) -> (String, &str) {
        let absolute = clean(directory);
        let path = match absolute.strip_prefix(self.root) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.to_string_lossy().into_owned(),
            Err(_) => absolute.to_string_lossy().into_owned(),
        };
        let chosen = self.options.build_yml.as_ref().or_else(|| self.choices.get(&path));
        let yml = chosen.map_or("build.yml", String::as_str);
        (path, yml)
    }

    /// What an absolute directory lacks to be a package, which is what people get wrong.
    fn lacking(&self, directory: &Path) -> Option<Error> {
        let (path, yml) = self.named(directory);
        if !directory.is_dir() {
            Some(Error::NoDirectory { directory: path })
        } else if !directory.join(yml).exists() && (yml != "build.yml" || self.config.declared(&path).is_none()) {
            Some(Error::NoYml { directory: path, yml: yml.to_owned() })
        } else {
            None
        }
    }

    /// A workspace of exactly the packages in these absolute directories, and their ids in the order given.
    fn read(self, directories: impl Iterator<Item = PathBuf>) -> (Workspace, Vec<PackageId>) {
        let mut packages: BTreeMap<PackageName, Package> = BTreeMap::new();
        let mut names = Vec::new();
        for directory in directories {
            let (path, yml) = self.named(&directory);
            let name = PackageName::new(&path, yml);
            packages.entry(name.clone()).or_insert_with(|| match self.lacking(&directory) {
                Some(lacking) => Package { problems: vec![lacking.into()], ..Package::new(&path, yml) },
                None => workspace::package(self.root, &path, yml, &self.config, self.options.strict),
            });
            names.push(name);
        }
        let ids: BTreeMap<PackageName, PackageId> = packages.keys().cloned().zip((0..).map(PackageId)).collect();
        let order = names.iter().filter_map(|name| ids.get(name).copied()).collect();
        let (root, packages) = (self.root.to_owned(), packages.into_values().collect());
        let (config, files) = (self.config, std::sync::Arc::new(workspace::Disk));
        (Workspace { root, packages, config, rewritten: BTreeMap::new(), files }, order)
    }

    /// Why `selectors` select nothing: where one of them is a directory without a package, that is what is wrong with it.
    fn no_packages(
        &self,
        current: &Path,
        selectors: &[String],
        problem: Problem,
        by: &impl Fn(&[String]) -> Result<Picked, Problem>,
    ) -> Vec<Problem> {
        let lacking = |selector: &&String| {
            let lacking = self.lacking(&current.join(selector)).filter(|it| matches!(it, Error::NoYml { .. }))?;
            by(std::slice::from_ref(*selector)).is_err().then_some(lacking)
        };
        let mut problems: Vec<Problem> = selectors.iter().filter_map(|it| Some(lacking(&it)?.into())).collect();
        let others: Vec<String> = selectors.iter().filter(|it| lacking(it).is_none()).cloned().collect();
        match (problems.is_empty(), others.is_empty()) {
            (true, _) => vec![problem],
            (false, true) => problems,
            (false, false) => {
                problems.extend(by(&others).err());
                problems
            }
        }
    }
}

/// All packages of the workspace; with `--build-yml`, the directories that have it.
fn all_packages(root: &Path, options: &workspace::Options) -> Result<(Workspace, Vec<PackageId>), Problem> {
    let workspace = workspace::read(root, options)?;
    let wanted = |id: &PackageId| options.build_yml.as_ref().is_none_or(|yml| workspace.package(*id).yml == *yml);
    let ids = workspace.ids().filter(wanted).collect();
    Ok((workspace, ids))
}
