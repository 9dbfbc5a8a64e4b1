//! `kitmake show-tag`: the names of images, one per line, as `linuxkit pkg show-tag` prints them, or as a map.
//!
//! Where all that is named are directories of packages, each is that package, wherever it lies on disk; only its build yml
//! and the kitmake.yml of the workspace are read, and neither a Dockerfile nor another package. Anything else makes all of
//! them selectors, as for every verb. All names are computed before the first is printed: one bad package suppresses all
//! output. Where nothing is named all packages of the workspace are shown; there a bad package suppresses only a map, since
//! nobody sees what is missing in one.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::options::Place;
use super::output::{Output, json};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty, provenance};
use crate::git::{TagMap, TagOptions, Tagged};
use crate::pipeline::{self, Picked, Picking};
use crate::problem::Problem;
use crate::workspace::Faulty;

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
    let Picked { workspace, tags, selected: order, nothing, unsure } = pick(arguments, place, &current, &options)?;
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
fn pick(arguments: &ShowTagArgs, place: &Place, current: &Path, options: &TagOptions) -> Result<Picked, Vec<Problem>> {
    let (root, inside) = match place.root() {
        Ok((root, inside)) => (root, Some(inside)),
        Err(problem) if arguments.selectors.is_empty() => return Err(vec![problem]),
        // A directory that is named needs no workspace around it.
        Err(_) => (current.to_owned(), None),
    };
    pipeline::pick(&Picking {
        root: &root,
        inside: inside.as_deref(),
        current,
        selectors: &arguments.selectors,
        workspace: &arguments.ymls.options(),
        tags: options,
    })
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
