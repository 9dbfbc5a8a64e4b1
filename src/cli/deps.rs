//! `kitmake deps` and `kitmake rdeps`: what packages need, and what needs them.

use clap::Args;

use super::options::Place;
use super::output::{self, Format, Output};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit};
use crate::graph::{Edge, render};
use crate::image::Platform;
use crate::pipeline;
use crate::problem::Problem;
use crate::workspace::PackageId;

/// Arguments of `deps` and `rdeps`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake deps pkg/init              what it needs, how, and where that is written
  kitmake rdeps -t tools/base        all that would have to be built again
  kitmake deps --external '**'       also images that are made elsewhere

One edge per line: who needs whom, how, FILE:LINE. Stale pins and inputs count, on whatever platform.")]
pub(super) struct DepsArgs {
    /// The packages that are asked about; `kitmake --help` says what a selector is
    #[arg(value_name = "SELECTOR", required = true)]
    selectors: Vec<String>,
    /// Also the edges of what is found that way, and so on
    #[arg(short, long)]
    transitive: bool,
    /// Also images that are made elsewhere, and references that name nothing (`deps` only)
    #[arg(long)]
    external: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    tags: TagArgs,
}

/// Which end of an edge is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// What packages need.
    Needs,
    /// What needs them.
    Uses,
}

pub(super) fn run(place: &Place, output: &Output, args: &DepsArgs, direction: Direction) -> Ended {
    let one = |problem| vec![problem];
    let (root, current) = place.root().map_err(one)?;
    let directory = place.working_directory().map_err(one)?;
    let (read, tags) = (args.ymls.options(), args.tags.options(&place.environment, &directory));
    let question =
        pipeline::Survey::new(&root, &current, crate::settings::selectors_or(&args.selectors, "."), &read, &tags);
    let surveyed = pipeline::survey(&question, &Platform::host()).map_err(one)?;
    if let Some(nothing) = &surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    let (graph, selected) = (&surveyed.graph, &surveyed.selected);
    let mut edges: Vec<&Edge> = match (direction, args.transitive) {
        (Direction::Needs, false) => graph.edges_from(selected),
        (Direction::Needs, true) => graph.edges_from(&graph.with_needed(selected)),
        (Direction::Uses, false) => graph.edges_to(selected),
        (Direction::Uses, true) => graph.edges_to(&graph.with_needing(selected)),
    };
    edges.retain(|edge| edge.to.is_some() || args.external);
    let looked_at = match (direction, args.transitive) {
        (Direction::Needs, true) => graph.with_needed(selected),
        _ => selected.clone(),
    };
    let of_these = unread(&surveyed, &looked_at);
    let follows_users = args.selectors.iter().any(|selector| selector.trim_start_matches('!').starts_with("..."));
    if direction == Direction::Uses || follows_users {
        // Whoever cannot be read may need them, too.
        let others: Vec<PackageId> = surveyed.workspace.ids().filter(|id| !looked_at.contains(id)).collect();
        for problem in unread(&surveyed, &others) {
            output.warning(&problem);
        }
    }
    if edges.is_empty() && surveyed.nothing.is_none() && of_these.is_empty() {
        output.say(match direction {
            Direction::Needs => "it needs no package of this workspace\n",
            Direction::Uses => "no package of this workspace needs it\n",
        });
    }
    print(&surveyed, output, &edges, args.format)?;
    if of_these.is_empty() { Ok(exit::DONE) } else { Err(of_these) }
}

/// Why nobody knows what some of these packages need.
pub(super) fn unread(surveyed: &pipeline::Surveyed, packages: &[PackageId]) -> Vec<Problem> {
    packages.iter().flat_map(|&id| surveyed.workspace.package(id).unread()).cloned().collect()
}

/// The same for all verbs that print edges.
pub(super) fn print(
    surveyed: &pipeline::Surveyed,
    output: &Output,
    edges: &[&Edge],
    format: Format,
) -> Result<(), Vec<Problem>> {
    output.data(&match format {
        Format::Text => render::edges_text(&surveyed.workspace, edges),
        Format::Json => output::json(&render::edges_json(&surveyed.workspace, edges)),
    })
}
