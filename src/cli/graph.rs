//! `kitmake graph`: the dependency graph as text.

use clap::{Args, ValueEnum};

use super::options::Place;
use super::output::Output;
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty};
use crate::graph::render;
use crate::image::Platform;
use crate::workspace::PackageId;
use crate::{page, pipeline, settings};

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// What to show, with all that it needs; `kitmake --help` says what a selector is [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The form of the graph
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "dot")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    tags: TagArgs,
}

/// The form of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
    /// For Markdown on GitHub or GitLab.
    Mermaid,
    /// One page for a browser.
    Html,
}

pub(super) fn run(place: &Place, output: &Output, args: &GraphArgs) -> Ended {
    let (root, current) = place.root().map_err(|problem| vec![problem])?;
    let directory = place.working_directory().map_err(|problem| vec![problem])?;
    let (read, tags) = (args.ymls.options(), args.tags.options(&place.environment, &directory));
    let question = pipeline::Survey::new(&root, &current, settings::selectors_or(&args.selectors, "."), &read, &tags);
    let surveyed = pipeline::survey(&question, &Platform::host()).map_err(|problem| vec![problem])?;
    if let Some(nothing) = &surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    let (workspace, tags, graph) = (&surveyed.workspace, &surveyed.tags, &surveyed.graph);
    let whole = args.selectors.is_empty() && args.ymls.build_yml.is_none();
    let selected = (!whole).then_some(&surveyed.selected[..]);
    let shown = graph.with_needed(&surveyed.selected);
    let unread = graph.unread_needs(workspace, &shown);
    let names = faulty::names([&graph.open(workspace, unread.iter().copied())[..], &surveyed.unsure]);
    let nameless: Vec<PackageId> = unread.into_iter().filter(|id| shown.binary_search(id).is_err()).collect();
    let words = "cannot be read and may make an image that is shown as one of others";
    faulty::say(output, &graph.open(workspace, nameless), words, words);
    faulty::say_unsure(output, &surveyed.unsure);
    for id in shown {
        // Nobody knows what they need; only a plan fails for it.
        let warnings = workspace.package(id).warnings.iter().chain(graph.unknown_needs(workspace, id));
        warnings.for_each(|warning| output.warning(warning));
    }
    let text = match args.format {
        Format::Dot => render::dot(graph, workspace, tags, selected, render::DotOptions::default()),
        Format::Json => super::output::json(&render::json(graph, workspace, tags, selected, names)),
        Format::Mermaid => render::mermaid(graph, workspace, tags, selected).map_err(|problem| vec![problem])?,
        Format::Html => page::html(&page::of_graph(graph, workspace, tags, selected)),
    };
    output.data(&text)?;
    Ok(exit::DONE)
}
