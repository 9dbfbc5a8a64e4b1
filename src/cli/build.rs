//! `kitmake build` and `kitmake push`: do what the plan says.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tokio::runtime::{Handle, Runtime};
use tokio_util::sync::CancellationToken;

use super::options::{Place, PlanningArgs};
use super::output::Output;
use super::plan::{Format, limits, prepare, print, shown};
use super::signals::{Second, Watch};
use super::{Ended, exit, exit_code};
use crate::pipeline::Prepared;
use crate::plan::{self, IdleReason, Node, Plan, State, Step};
use crate::report::{self, Left};
use crate::run::{self, Executor, Logs};
use crate::settings::Environment;
use crate::wording::counted;

/// Arguments of `build` and `push`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Print the plan instead of running it
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// The form of the plan that --dry-run prints
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", requires = "dry_run")]
    format: Format,
    /// Builds at once [default: the builder's CPUs]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "KITMAKE_JOBS")]
    jobs: Option<u16>,
    /// After a failure go on with what does not need the failed step
    #[arg(short, long)]
    keep_going: bool,
    // Last, since it sets the headings of what follows it.
    #[command(flatten)]
    planning: PlanningArgs,
}

pub(super) fn run(place: &Place, output: &Output, args: &BuildArgs, push: bool, runtime: &Runtime) -> Ended {
    let settings = args.planning.settings(place, push).map_err(|problem| vec![problem])?;
    let mut prepared = prepare(&settings, output, runtime)?;
    if args.dry_run {
        print(&prepared, output, args.format, limits(&prepared, args.jobs, args.keep_going))?;
        return shown(prepared.plan);
    }
    // A memo only makes the next command quicker: nothing is lost with it.
    let _ = prepared.memo.save();
    if !prepared.plan.problems.is_empty() {
        return Err(prepared.plan.problems);
    }
    let left_out = std::mem::take(&mut prepared.plan.left_out);
    let code = if prepared.plan.is_empty() {
        let is_there = |node: &Node| node.selected && node.state.is_there();
        if left_out.is_empty() || prepared.plan.nodes.iter().any(is_there) {
            output.say(&nothing_to_do(&prepared.plan));
        }
        if left_undone(&prepared.plan) {
            output.say(&plan::notes(&prepared.plan));
        }
        Ok(exit::DONE)
    } else {
        output.say(&plan::notes(&prepared.plan));
        runtime.block_on(carry_out(prepared, args, output, &place.environment))
    };
    for problem in &left_out {
        output.error(problem);
    }
    Ok(match code? {
        exit::DONE if !left_out.is_empty() => exit_code(&left_out),
        code => code,
    })
}

/// One line.
fn nothing_to_do(plan: &Plan) -> String {
    let count = |state| plan.nodes.iter().filter(|node| node.selected && node.state == state).count();
    let present = count(State::Present) + count(State::UnknownOrigin) + count(State::Outdated);
    let mut line = format!("nothing to do: {present} present");
    for (state, words) in [
        (State::UnknownOrigin, "of them of unknown origin"),
        (State::Outdated, "of them outdated and left as published"),
        (State::NotBuildable, "not buildable"),
        (State::Blocked, "blocked"),
    ] {
        if count(state) > 0 {
            let _ = write!(line, ", {} {words}", count(state));
        }
    }
    let idle = |reason| plan.idle.iter().filter(|idle| idle.reason == reason).count();
    for (count, one, several) in [
        (not_listed(plan), "not built here", "not built here"),
        (idle(IdleReason::NoArches), "lists no architectures", "list no architectures"),
        (idle(IdleReason::AllSkipped), "is wanted on skipped platforms only", "are wanted on skipped platforms only"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {count} {}", if count == 1 { one } else { several });
        }
    }
    match plan::stale_pin_count(plan) {
        0 => {}
        pins => {
            let _ = write!(line, "; {}", counted(pins, "stale pin"));
        }
    }
    line.push('\n');
    line
}

/// Whether something that was asked for is neither there nor can be built, or is there as made from other inputs, so that
/// the one line is not enough.
fn left_undone(plan: &Plan) -> bool {
    let left = |state| matches!(state, State::NotBuildable | State::Blocked | State::Outdated);
    plan.nodes.iter().any(|node| node.selected && left(node.state))
}

/// How many selected nodes are on a platform that their package, which lists some, does not list.
fn not_listed(plan: &Plan) -> usize {
    let lists_some = |node: &&Node| plan.idle.iter().all(|idle| idle.name != node.name);
    let selected = plan.nodes.iter().filter(|node| node.selected && node.state == State::NotBuiltHere);
    selected.filter(lists_some).count()
}

/// Runs the steps and returns the exit code.
async fn carry_out(prepared: Prepared, args: &BuildArgs, output: &Output, environment: &Environment) -> Ended {
    let limits = limits(&prepared, args.jobs, args.keep_going);
    let Prepared { plan, means, mut durations, planned_at, .. } = prepared;
    if plan.steps.iter().any(Step::needs_builder)
        && let Err(problem) = &means.engine
    {
        return Err(vec![problem.clone()]);
    }
    if let Some(trust) = means.trust.as_ref().filter(|_| plan.notarizes()) {
        trust.check().await.map_err(|problem| vec![problem])?;
    }
    let logs = Logs::create(&environment.state).unwrap_or_else(|error| {
        output.say(&format!("warning: no logs are kept: {}: {error}\n", environment.state.display()));
        Logs::disabled()
    });
    let (stays, unpublished) = (plan::stays(&plan), plan::unpublished(&plan));
    let steps = Arc::new(plan.steps);
    let executor = Arc::new(Executor::new(means, steps.clone(), environment.proxies.clone(), planned_at));
    let expected = durations.expected(&steps);
    let mut reporter = output.reporter(Left::new(limits, expected.clone()));
    let started = Instant::now();
    let (sender, events) = run::channel();
    let cancel = CancellationToken::new();
    let watch = Watch::start(&Handle::current(), cancel.clone(), Second::EndsTheProcess);
    // A terminal that stands still stops its own thread, and neither the steps nor their cancellation.
    let shown = steps.clone();
    let showing = tokio::task::spawn_blocking(move || {
        Handle::current().block_on(report::follow(&shown, events, &mut *reporter));
        reporter
    });
    let outcome = run::run(&steps, limits, &expected, executor.clone(), &logs, sender, cancel).await;
    match showing.await {
        Ok(mut reporter) => reporter.finish(&steps, &outcome, started.elapsed(), &stays),
        Err(stopped) => output.say(&format!("internal error: the report stopped: {stopped}\n")),
    }
    if outcome.exit_code() == exit::DONE {
        output.say(&unpublished);
    }
    // What was done counts, however the run ended. Nothing but estimates is lost with it.
    let took = executor.took().into_iter().map(|(step, took)| (&steps[step.index()], took));
    if let Err(error) = durations.record(took) {
        let file = durations.file().display();
        output.say(&format!("warning: how long this took is not remembered: {file}: {error}\n"));
    }
    Ok(watch.end().filter(|_| outcome.interrupted).unwrap_or_else(|| outcome.exit_code()))
}
