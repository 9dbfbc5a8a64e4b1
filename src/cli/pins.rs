//! `kitmake pins`, `pins check` and `pins fix`: the tags of this repository's images where they are named.

use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::options::Place;
use super::output::{Format, Output, json};
use super::registry_args::RegistryArgs;
use super::signals::{Second, Watch};
use super::{Ended, exit, faulty};
use crate::pins::{self, Availability, Change, KeptReason, Pin, render};
use crate::pipeline::{self, PinSurvey, SurveyedPins};
use crate::problem::{Problem, once};
use crate::registry::Client;
use crate::settings::{parse_registry, registry, registry_options};
use crate::workspace;

const FIX_HELP: &str = "\
PKG is a selector (see `kitmake --help`) of the packages whose tags are carried on, not of the files that are written:
  kitmake pins fix tools/base      the new tag of tools/base into all that names it, and so on from there
  kitmake pins fix '!tools/base'   the tags of all others, also into the files of tools/base";

/// Arguments of `pins`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct PinsArgs {
    #[command(subcommand)]
    verb: Option<PinsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum PinsVerb {
    /// Say what is wrong with them: exit code 5 if anything is
    Check(CheckArgs),
    /// Write the tags that packages will have after the next commit into all files that name them
    #[command(after_help = FIX_HELP)]
    Fix(FixArgs),
}

/// What is read.
#[derive(Debug, Args)]
struct Reading {
    /// Image ymls, as a glob relative to the root or the current directory (may be repeated)
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// The profile of kitmake.yml that chooses the build yml of directories
    #[arg(long, value_name = "NAME", env = "KITMAKE_PROFILE")]
    profile: Option<String>,
    /// Unknown keys in build ymls are errors
    #[arg(long)]
    strict: bool,
}

/// Arguments of the list.
#[derive(Debug, Args)]
struct ListArgs {
    /// The packages whose files are looked at; `kitmake --help` says what a selector is [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The form of the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    reading: Reading,
}

/// Arguments of `pins check`.
#[derive(Debug, Args)]
struct CheckArgs {
    /// The packages whose files are looked at; `kitmake --help` says what a selector is [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The form of the findings
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    reading: Reading,
    /// Where images without a host in their name live
    #[arg(long, value_name = "HOST[/PREFIX]", value_parser = parse_registry, env = "KITMAKE_REGISTRY")]
    registry: Option<String>,
    /// Ask no registry whether it has the images that no build here makes
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Arguments of `pins fix`.
#[derive(Debug, Args)]
struct FixArgs {
    /// The packages whose new tag is carried on, to what names them and from there on [default: all whose tag is not the one
    /// that is named]
    #[arg(value_name = "PKG")]
    selectors: Vec<String>,
    #[command(flatten)]
    reading: Reading,
    /// Count files that git does not track yet: they have to be part of the commit
    #[arg(long)]
    include_untracked: bool,
    /// Print a diff and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(place: &Place, output: &Output, args: &PinsArgs, runtime: &Runtime) -> Ended {
    match &args.verb {
        None => list(place, output, &args.list),
        Some(PinsVerb::Check(check)) => self::check(place, output, check, runtime),
        Some(PinsVerb::Fix(fix)) => self::fix(place, output, fix, runtime),
    }
}

/// What all three verbs look at.
fn survey(
    place: &Place,
    output: &Output,
    selectors: &[String],
    reading: &Reading,
) -> Result<SurveyedPins, Vec<Problem>> {
    let one = |problem| vec![problem];
    let (root, current) = place.root().map_err(one)?;
    let profile = reading.profile.clone().filter(|profile| !profile.is_empty());
    let surveyed = pipeline::survey_pins(&PinSurvey {
        root: &root,
        current: &current,
        selectors,
        image_files: &reading.files,
        workspace: &workspace::Options::new(reading.strict, profile, None),
    })
    .map_err(one)?;
    for package in &surveyed.surveyed.workspace.packages {
        // What is made from a template has no pins yet.
        let template = package.dockerfile_problem.iter().filter(|_| package.template.is_some());
        package.warnings.iter().chain(template).for_each(|warning| output.warning(warning));
    }
    if let Some(nothing) = &surveyed.surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    faulty::say_unsure(output, &surveyed.surveyed.unsure);
    Ok(surveyed)
}

/// Says of packages that cannot be read why that matters for what is asked about others.
fn say_unread(output: &Output, surveyed: &SurveyedPins, pins: &[Pin]) {
    faulty::say_unsure(output, &surveyed.surveyed.unsure);
    let words = "cannot be read and may make an image that is named";
    faulty::say(output, &surveyed.maybe_named(pins), words, words);
}

fn list(place: &Place, output: &Output, args: &ListArgs) -> Ended {
    let surveyed = survey(place, output, &args.selectors, &args.reading)?;
    let workspace = &surveyed.surveyed.workspace;
    let pins = surveyed.list().map_err(|problem| vec![problem])?;
    say_unread(output, &surveyed, &pins);
    surveyed.unread().iter().for_each(|problem| output.warning(problem));
    output.data(&match args.format {
        Format::Text => render::text(&pins, workspace, output.verbose > 0),
        Format::Json => json(&render::json(&pins, workspace)),
    })?;
    Ok(exit::DONE)
}

fn check(place: &Place, output: &Output, args: &CheckArgs, runtime: &Runtime) -> Ended {
    let one = |problem| vec![problem];
    let surveyed = survey(place, output, &args.selectors, &args.reading)?;
    let workspace = &surveyed.surveyed.workspace;
    let pins = surveyed.list().map_err(one)?;
    if args.selectors.is_empty() && surveyed.unread().is_empty() {
        output.say(&render::needless_text(&pins, workspace));
    }
    let config = &workspace.config;
    let needed = pins::needed_images(&pins, registry(args.registry.as_deref(), config).as_deref());
    let available = if args.offline {
        output.say(&render::not_asked_text(needed.len()));
        Availability::new()
    } else {
        let directory = place.working_directory().map_err(one)?;
        let authorities = args.registries.certificate_authorities(&directory).map_err(one)?;
        let insecure = &args.registries.insecure_registry;
        let options = registry_options(&workspace.root, config, insecure, &authorities, &place.environment);
        let client = Client::new(options).map_err(one)?;
        pipeline::ask_availability(&needed, &client, runtime)
    };
    let checked = pins::check(&pins, &available);
    say_unread(output, &surveyed, &pins);
    output.data(&match args.format {
        Format::Text => render::findings_text(&checked, &pins, workspace, output.verbose > 0),
        Format::Json => json(&render::findings_json(&checked, workspace)),
    })?;
    let mut problems = surveyed.unread();
    problems.extend(once(checked.unknown.values().flatten().cloned().collect()));
    if checked.findings.is_empty() {
        return if problems.is_empty() { Ok(exit::DONE) } else { Err(problems) };
    }
    for problem in &problems {
        output.warning(problem);
    }
    if checked.is_fixable() {
        output.say("`kitmake pins fix` brings stale pins up to date\n");
    }
    Ok(exit::TO_DO)
}

fn fix(place: &Place, output: &Output, args: &FixArgs, runtime: &Runtime) -> Ended {
    let one = |problem| vec![problem];
    let surveyed = survey(place, output, &args.selectors, &args.reading)?;
    let workspace = &surveyed.surveyed.workspace;
    let repinned = surveyed.repin(args.include_untracked).map_err(one)?;
    if args.dry_run {
        output.data(&pins::diff(&repinned.changes))?;
    } else {
        if let Some(code) = write(output, &repinned.changes, runtime)? {
            return Ok(code);
        }
        output.data(&render::fixed_text(&repinned, output.verbose > 0))?;
    }
    output.say(&render::outcome_text(&repinned, args.dry_run));
    if repinned.changes.is_empty()
        && let Some(selected) = surveyed.selected()
    {
        output.say(&render::elsewhere_text(&surveyed.list().map_err(one)?, selected, workspace));
    }
    // Whoever cannot be read may name what is carried on.
    let unread = surveyed.unread_anywhere();
    for problem in &unread {
        output.warning(problem);
    }
    if !unread.is_empty() {
        output.say("what cannot be read may have stale pins, too\n");
    }
    let is_finding = |reason: &KeptReason| !matches!(reason, KeptReason::Own | KeptReason::Foreign(_));
    let left = repinned.kept.iter().any(|kept| is_finding(&kept.reason));
    Ok(if left || !unread.is_empty() { exit::TO_DO } else { exit::DONE })
}

/// Replaces the files. A signal either keeps all of them as they are, which is then the exit code, or comes too late.
fn write(output: &Output, changes: &[Change], runtime: &Runtime) -> Result<Option<u8>, Vec<Problem>> {
    if changes.is_empty() {
        return Ok(None);
    }
    let cancel = CancellationToken::new();
    let watch = Watch::start(runtime.handle(), cancel.clone(), Second::Waits);
    let written = pins::write(changes, || cancel.is_cancelled());
    let signalled = watch.end();
    match (written, signalled) {
        (Ok(()), _) => Ok(None),
        (Err(interrupted @ pins::Error::Interrupted), Some(code)) => {
            output.error(&interrupted.into());
            Ok(Some(code))
        }
        (Err(error), _) => Err(vec![error.into()]),
    }
}
