//! `kitmake plan`: what a build would do, in which order, and why.

use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;

use super::options::{Place, PlanningArgs};
use super::output::Output;
use super::{Ended, exit};
use crate::page;
use crate::pipeline::{self, Prepared};
use crate::plan;
use crate::problem::Problem;
use crate::run::{Limits, estimate};
use crate::settings::Settings;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The form of the plan
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Builds at once that the expected time is for [default: the builder's CPUs]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "KITMAKE_JOBS")]
    jobs: Option<u16>,
    /// Exit with code 5 if anything is to be built or pushed
    #[arg(long)]
    check: bool,
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
    let prepared = prepare(&settings, output, runtime)?;
    print(&prepared, output, args.format, limits(&prepared, args.jobs, false))?;
    let makes_anything = prepared.plan.makes_anything();
    let code = shown(prepared.plan)?;
    Ok(if args.check && makes_anything { exit::TO_DO } else { code })
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
    if let Some((pins, files)) = prepared.surveyed.rewrites {
        let pins = if pins == 1 { "1 pin".to_owned() } else { format!("{pins} pins") };
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        output.say(&format!("as if {pins} in {files} had been brought up to date\n"));
    }
    if let Some(nothing) = &prepared.surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    for warning in &prepared.plan.warnings {
        output.warning(warning);
    }
    match prepared.plan.broken_elsewhere {
        0 => {}
        1 => output.say("1 package that is not selected has errors\n"),
        count => output.say(&format!("{count} packages that are not selected have errors\n")),
    }
    Ok(prepared)
}

/// How much is done at once, of which `jobs` builds if that is said.
pub(super) fn limits(prepared: &Prepared, jobs: Option<u16>, keep_going: bool) -> Limits {
    Limits::new(jobs.map_or(prepared.cpus, usize::from), keep_going)
}

/// The same for `plan` and `build --dry-run`.
pub(super) fn print(prepared: &Prepared, output: &Output, format: Format, limits: Limits) -> Result<(), Vec<Problem>> {
    let Prepared { plan, surveyed: pipeline::Surveyed { graph, workspace, tags, .. }, .. } = prepared;
    let expected = estimate(&plan.steps, limits, &prepared.durations.expected(&plan.steps));
    let text = match format {
        Format::Text => {
            let line = expected.map(|expected| expected.line(plan)).unwrap_or_default();
            plan::text(plan, output.verbose > 0) + &line
        }
        Format::Json => plan::json(plan, expected.as_ref()),
        Format::Html => page::html(&page::of_plan(plan, expected.as_ref(), graph, workspace, tags)),
    };
    output.data(&text)
}
