//! `kitmake path A B`: why one package needs another one.

use clap::Args;

use super::deps::print;
use super::options::Place;
use super::output::{Format, Output};
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty};
use crate::image::Platform;
use crate::pipeline::{self, Selection};

/// Arguments of `path`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake path pkg/init tools/base   a shortest chain by which the first needs the second

One edge per line: who needs whom, how, FILE:LINE. Stale pins and inputs count, on whatever platform.
Exit codes: 0 there is a chain; 5 there is none.")]
pub(super) struct PathArgs {
    /// The package that needs; a selector (see `kitmake --help`) of several means any of them
    #[arg(value_name = "A")]
    from: String,
    /// The package that is needed; a selector of several means any of them
    #[arg(value_name = "B")]
    to: String,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    tags: TagArgs,
}

pub(super) fn run(place: &Place, output: &Output, args: &PathArgs) -> Ended {
    let one = |problem| vec![problem];
    let (root, current) = place.root().map_err(one)?;
    let directory = place.working_directory().map_err(one)?;
    let (read, tags) = (args.ymls.options(), args.tags.options(&place.environment, &directory));
    let question = pipeline::Survey::new(&root, &current, vec![".".to_owned()], &read, &tags);
    let surveyed = pipeline::survey(&question, &Platform::host()).map_err(one)?;
    let select = |selector: &String| {
        pipeline::select(&surveyed.workspace, &surveyed.graph, std::slice::from_ref(selector), &current, &read)
    };
    let (from, to) = (select(&args.from).map_err(one)?, select(&args.to).map_err(one)?);
    for Selection { nothing, unsure, .. } in [&from, &to] {
        if let Some(nothing) = nothing {
            output.say(&format!("{nothing}\n"));
        }
        faulty::say_unsure(output, unsure);
    }
    let unsure = faulty::names([&from.unsure[..], &to.unsure]);
    let (from, to) = (from.packages, to.packages);
    let (workspace, graph) = (&surveyed.workspace, &surveyed.graph);
    let chain = graph.path(&from, &to);
    let (a, b) = (&args.from, &args.to);
    let mut unread = graph.open(workspace, graph.unread_needs(workspace, &graph.with_needed(&from)));
    if chain.as_ref().is_some_and(|chain| chain.len() <= 1) {
        // Nothing is shorter.
        unread.clear();
    }
    let names = &faulty::names([&unread[..]]) | &unsure;
    print(&surveyed, output, chain.as_deref().unwrap_or_default(), names, args.format)?;
    if chain.is_none() && !unread.is_empty() {
        output.say(&format!(
            "it is not known whether `{a}` needs `{b}`: something between them cannot be read in full\n"
        ));
        return Err(unread.into_iter().flat_map(|faulty| faulty.problems).collect());
    }
    if chain.is_some() {
        let words = "cannot be read in full, so that a shorter path may be there";
        faulty::say(output, &unread, words, words);
    }
    match &chain {
        Some(chain) if chain.is_empty() => output.say(&format!("`{a}` and `{b}` have a package in common\n")),
        Some(_) => {}
        None if graph.path(&to, &from).is_some() => {
            output.say(&format!("`{a}` does not need `{b}`; it is `{b}` that needs `{a}`\n"));
        }
        None if graph.unread_needs(workspace, &graph.with_needed(&to)).is_empty() => {
            output.say(&format!("`{a}` does not need `{b}`, nor the other way round\n"));
        }
        None => output.say(&format!("`{a}` does not need `{b}`\n")),
    }
    Ok(if chain.is_some() { exit::DONE } else { exit::TO_DO })
}
