//! `kitmake plan`: what a build would do, in which order, and why.

use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;

use super::options::{Place, PlanningArgs};
use super::output::{Output, json};
use super::{Ended, exit, faulty};
use crate::image::Platform;
use crate::page;
use crate::pins::spread::render;
use crate::pipeline::{self, Prepared, Surveyed};
use crate::plan;
use crate::problem::{Class, Fault, Problem};
use crate::run::{Limits, estimate};
use crate::settings::{Settings, selectors_or};
use crate::wording::counted;
use crate::workspace::{Faulty, PackageName};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The form of the plan
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Builds at once that the expected time is for [default: the builder's CPUs]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "KITMAKE_JOBS")]
    jobs: Option<u16>,
    /// Exit with code 5 if anything is to be built or pushed, or an image was made from other inputs
    #[arg(long)]
    check: bool,
    /// Show what a change of these packages would rebuild and re-pin, on all platforms, instead of a plan; asks neither the
    /// engine nor a registry (may be repeated)
    #[arg(long, value_name = "SELECTOR", conflicts_with_all = [
        "selectors", "check", "push", "nobuild", "image", "manifest", "sign", "release", "force_release", "skip_platforms",
        "force", "pull", "on_outdated", "repin", "assume_missing", "enable_content_trust", "disable_content_trust", "cache",
        "linuxkit_cache", "build_arg_file",
    ])]
    assume_changed: Vec<String>,
    // Last, since it sets the headings of what follows it.
    #[command(flatten)]
    planning: PlanningArgs,
}

/// The form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// One page for a browser.
    Html,
}

pub(super) fn run(place: &Place, output: &Output, args: &PlanArgs, runtime: &Runtime) -> Ended {
    let settings = args.planning.settings(place, false).map_err(|problem| vec![problem])?;
    if !args.assume_changed.is_empty() {
        return assumed(&settings, output, &args.assume_changed, args.format);
    }
    let prepared = prepare(&settings, output, runtime)?;
    print(&prepared, output, args.format, limits(&prepared, args.jobs, false))?;
    let up_to_date = prepared.plan.is_up_to_date();
    let code = shown(prepared.plan)?;
    Ok(if args.check && !up_to_date { exit::TO_DO } else { code })
}

/// A form that only a plan has.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("what a change would rebuild cannot be shown as a page")]
#[diagnostic(code(cli::no_page), help("leave `--format html` away, or use `--format json`"))]
struct NoPage;

impl Fault for NoPage {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// Shows how far a change of packages would spread.
fn assumed(settings: &Settings, output: &Output, selectors: &[String], format: Format) -> Ended {
    if format == Format::Html {
        return Err(vec![NoPage.into()]);
    }
    let (root, current) = (&settings.root, &settings.current);
    let question = pipeline::Survey {
        platforms: settings.platforms.as_ref(),
        ..pipeline::Survey::new(root, current, selectors_or(selectors, "."), &settings.workspace, &settings.tags)
    };
    let (surveyed, spread) = pipeline::spread(&question, &Platform::host()).map_err(|problem| vec![problem])?;
    if let Some(nothing) = &surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    output.data(&match (format, spread) {
        (Format::Json, spread) => json(&render::json(&spread.unwrap_or_default())),
        (_, Some(spread)) => render::text(&spread, output.verbose > 0),
        (_, None) => return Ok(exit::DONE),
    })?;
    let Surveyed { workspace, graph, .. } = &surveyed;
    let words = "cannot be read in full and may have to be built again, too";
    faulty::say(output, &graph.open(workspace, workspace.ids()), words, words);
    Ok(exit::DONE)
}

/// What the command ends with that prints a plan: all that keeps it from being run, or from being all that was asked for.
pub(super) fn shown(plan: plan::Plan) -> Ended {
    let wrong: Vec<Problem> = plan.problems.into_iter().chain(plan.left_out).collect();
    if wrong.is_empty() { Ok(exit::DONE) } else { Err(wrong) }
}

/// Makes the plan and says what is odd about the repository.
pub(super) fn prepare(settings: &Settings, output: &Output, runtime: &Runtime) -> Result<Prepared, Vec<Problem>> {
    let prepared = pipeline::prepare(settings, runtime).map_err(|problem| vec![problem])?;
    if output.verbose > 0 {
        output.say(&format!("durations of earlier runs: {}\n", prepared.durations.file().display()));
    }
    if let Some(pipeline::Rewritten { pins, files, .. }) = &prepared.surveyed.rewrites {
        output.say(&match *pins {
            0 => "all pins are up to date\n".to_owned(),
            pins => {
                format!("as if {} in {} had been brought up to date\n", counted(pins, "pin"), counted(*files, "file"))
            }
        });
    }
    let also = prepared.also_published.iter().map(|&id| &prepared.surveyed.workspace.package(id).name);
    let names: Vec<&str> = also.filter(|name| prepared.plan.publishes(name)).map(PackageName::as_str).collect();
    if !names.is_empty() {
        output.say(&format!("also publishes {}: new pins name them\n", names.join(", ")));
    }
    if let Some(nothing) = &prepared.surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    for warning in &prepared.plan.warnings {
        output.warning(warning);
    }
    if let Some(nothing) = &prepared.assumed_missing.nothing {
        output.say(&format!("--assume-missing: {nothing}\n"));
    }
    faulty::say_unsure(output, &prepared.surveyed.unsure);
    let words = "cannot be read in full, on which hangs what `--assume-missing` covers";
    faulty::say(output, &prepared.assumed_missing.unsure, words, words);
    let is_new = |faulty: &&Faulty| prepared.surveyed.unsure.iter().all(|said| said.name != faulty.name);
    let elsewhere: Vec<Faulty> = prepared.plan.broken_elsewhere.iter().filter(is_new).cloned().collect();
    faulty::say(output, &elsewhere, "that is not selected has errors", "that are not selected have errors");
    Ok(prepared)
}

/// How much is done at once, of which `jobs` builds if that is said.
pub(super) fn limits(prepared: &Prepared, jobs: Option<u16>, keep_going: bool) -> Limits {
    Limits::new(jobs.map_or(prepared.cpus, usize::from), keep_going)
}

/// The same for `plan` and `build --dry-run`.
pub(super) fn print(prepared: &Prepared, output: &Output, format: Format, limits: Limits) -> Result<(), Vec<Problem>> {
    let Prepared { plan, surveyed: Surveyed { graph, workspace, tags, .. }, .. } = prepared;
    let expected = estimate(&plan.steps, limits, &prepared.durations.expected(&plan.steps));
    let text = match format {
        Format::Text => {
            let line = expected.map(|expected| expected.line(plan)).unwrap_or_default();
            plan::text(plan, output.verbose > 0) + &line
        }
        Format::Json => expected.map_or_else(|| plan::json(plan), |expected| expected.json(plan)),
        Format::Html => page::html(&page::of_plan(plan, expected.as_ref(), graph, workspace, tags)),
    };
    if let (Err(problem), true) = (&prepared.means.engine, plan.steps.iter().any(plan::Step::needs_builder)) {
        output.say(&format!("the builder was not asked what it has: {problem}\n"));
    }
    output.data(&text)
}
