//! `kitmake deps` and `kitmake rdeps`: what packages need, and what needs them.

use std::collections::BTreeSet;

use clap::Args;

use super::options::Place;
use super::output::{self, Format, Output};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty};
use crate::graph::{Edge, render};
use crate::image::Platform;
use crate::pipeline::{self, Surveyed};
use crate::problem::Problem;
use crate::settings;
use crate::workspace::{Faulty, PackageId, PackageName};

/// Arguments of `deps`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake deps pkg/init              what it needs, how, and where that is written
  kitmake deps --external '**'       also images that are made elsewhere

One edge per line: who needs whom, how, FILE:LINE. Stale pins and inputs count, on whatever platform.")]
pub(super) struct DepsArgs {
    #[command(flatten)]
    edges: EdgesArgs,
    /// Also images that are made elsewhere, and references that name nothing
    #[arg(long)]
    external: bool,
}

/// Arguments of `rdeps`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake rdeps tools/base           what needs it, how, and where that is written
  kitmake rdeps -t tools/base        all that would have to be built again

One edge per line: who needs whom, how, FILE:LINE. Stale pins and inputs count, on whatever platform.")]
pub(super) struct RdepsArgs {
    #[command(flatten)]
    edges: EdgesArgs,
}

/// What both are asked.
#[derive(Debug, Args)]
struct EdgesArgs {
    /// The packages that are asked about; `kitmake --help` says what a selector is
    #[arg(value_name = "SELECTOR", required = true)]
    selectors: Vec<String>,
    /// Also the edges of what is found that way, and so on
    #[arg(short, long)]
    transitive: bool,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    tags: TagArgs,
}

/// What packages need.
pub(super) fn needs(place: &Place, output: &Output, args: &DepsArgs) -> Ended {
    let surveyed = survey(place, output, &args.edges)?;
    let Surveyed { workspace, graph, selected, .. } = &surveyed;
    faulty::say_unsure(output, &surveyed.unsure);
    let asked = if args.edges.transitive { graph.with_needed(selected) } else { selected.clone() };
    let mut edges = graph.edges_from(&asked);
    edges.retain(|edge| edge.to.is_some() || args.external);
    let (unread, nameless): (Vec<PackageId>, Vec<PackageId>) =
        graph.unread_needs(workspace, &asked).into_iter().partition(|id| asked.binary_search(id).is_ok());
    let (unread, nameless) = (graph.open(workspace, unread), graph.open(workspace, nameless));
    let words = "cannot be read and may make an image that is needed";
    faulty::say(output, &nameless, words, words);
    if edges.is_empty() && surveyed.nothing.is_none() && unread.is_empty() {
        output.say(if nameless.is_empty() {
            "it needs no package of this workspace\n"
        } else {
            "it needs no other package of this workspace that can be read\n"
        });
    }
    let names = faulty::names([&unread[..], &nameless, &surveyed.unsure]);
    print(&surveyed, output, &edges, names, args.edges.format)?;
    ended(unread)
}

/// What needs packages.
pub(super) fn uses(place: &Place, output: &Output, args: &RdepsArgs) -> Ended {
    let surveyed = survey(place, output, &args.edges)?;
    let Surveyed { workspace, graph, selected, .. } = &surveyed;
    faulty::say_unsure(output, &surveyed.unsure);
    let asked = if args.edges.transitive { graph.with_needing(selected) } else { selected.clone() };
    let edges = graph.edges_to(&asked);
    // Who needs what has no name nobody knows.
    let is_nameless = |id: &PackageId| asked.binary_search(id).is_ok() && workspace.package(*id).is_nameless();
    let (nameless, others): (Vec<PackageId>, Vec<PackageId>) =
        graph.unread_users(workspace, &asked).into_iter().partition(is_nameless);
    let (nameless, others) = (graph.open(workspace, nameless), graph.open(workspace, others));
    let words = "cannot be read in full and may need it, too";
    faulty::say(output, &others, words, words);
    if edges.is_empty() && surveyed.nothing.is_none() && nameless.is_empty() {
        output.say(if others.is_empty() {
            "no package of this workspace needs it\n"
        } else {
            "no package of this workspace that can be read in full needs it\n"
        });
    }
    let names = faulty::names([&nameless[..], &others, &surveyed.unsure]);
    print(&surveyed, output, &edges, names, args.edges.format)?;
    ended(nameless)
}

fn survey(place: &Place, output: &Output, args: &EdgesArgs) -> Result<Surveyed, Vec<Problem>> {
    let one = |problem| vec![problem];
    let (root, current) = place.root().map_err(one)?;
    let directory = place.working_directory().map_err(one)?;
    let (read, tags) = (args.ymls.options(), args.tags.options(&place.environment, &directory));
    let selectors = settings::selectors_or(&args.selectors, ".");
    let question = pipeline::Survey::new(&root, &current, selectors, &read, &tags);
    let surveyed = pipeline::survey(&question, &Platform::host()).map_err(one)?;
    if let Some(nothing) = &surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    Ok(surveyed)
}

/// What keeps the answer from being one.
fn ended(unread: Vec<Faulty>) -> Ended {
    let problems: Vec<Problem> = unread.into_iter().flat_map(|faulty| faulty.problems).collect();
    if problems.is_empty() { Ok(exit::DONE) } else { Err(problems) }
}

/// The same for all verbs that print edges; `unread` are the packages because of which these may not be all.
pub(super) fn print(
    surveyed: &Surveyed,
    output: &Output,
    edges: &[&Edge],
    unread: BTreeSet<PackageName>,
    format: Format,
) -> Result<(), Vec<Problem>> {
    output.data(&match format {
        Format::Text => render::edges_text(&surveyed.workspace, edges),
        Format::Json => output::json(&render::edges_json(&surveyed.workspace, edges, unread)),
    })
}
