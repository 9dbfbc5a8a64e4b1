//! `kitmake plan`: what a build would do, in which order, and why.

use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;

use super::options::{Place, PlanningArgs};
use super::output::Output;
use super::{Ended, exit};
use crate::pipeline::{self, Prepared};
use crate::plan;
use crate::problem::Problem;
use crate::settings::Settings;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    planning: PlanningArgs,
    /// The form of the plan
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit with code 5 if anything is to be built or pushed
    #[arg(long)]
    check: bool,
}

/// The form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(place: &Place, output: &Output, args: &PlanArgs, runtime: &Runtime) -> Ended {
    let settings = args.planning.settings(place, false).map_err(|problem| vec![problem])?;
    let prepared = prepare(&settings, output, runtime)?;
    print(&prepared, output, args.format)?;
    if !prepared.plan.problems.is_empty() {
        return Err(prepared.plan.problems);
    }
    Ok(if args.check && prepared.plan.makes_anything() { exit::TO_DO } else { exit::DONE })
}

/// Makes the plan and says what is odd about the repository.
pub(super) fn prepare(settings: &Settings, output: &Output, runtime: &Runtime) -> Result<Prepared, Vec<Problem>> {
    let prepared = pipeline::prepare(settings, runtime).map_err(|problem| vec![problem])?;
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

/// The same for `plan` and `build --dry-run`.
pub(super) fn print(prepared: &Prepared, output: &Output, format: Format) -> Result<(), Vec<Problem>> {
    let text = match format {
        Format::Text => plan::text(&prepared.plan, output.verbose > 0),
        Format::Json => plan::json(&prepared.plan),
    };
    output.data(&text)
}
