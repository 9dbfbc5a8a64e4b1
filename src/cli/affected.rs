//! `kitmake affected`: which packages differ between two revisions, and why.

use clap::{Args, ValueEnum};

use super::options::Place;
use super::output::{self, Output};
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty};
use crate::affected::{self, Named};
use crate::pipeline::{self, Comparison};
use crate::workspace::Faulty;

/// Show which packages have changed between two revisions
///
/// Compares what git determines of each package, each revision by its own files: tree, extra sources, Dockerfile, build args
/// with their `@lkt:` values, and kitmake.yml. Nothing is checked out, and files of the work tree mean nothing; a bare clone will do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake affected --since main                 what this branch changes against main as it is now
  kitmake affected --since main --merge-base    against where the branch began
  kitmake affected --since HEAD~1 --format names | xargs -r kitmake build
  kitmake affected --since main pkg/init...     only of pkg/init and what it needs
  kitmake build '...[main]'                     the same comparison as a selector, with the work tree

A SELECTOR is looked up in the later revision, and for packages that are gone in the earlier one; `[REF]` is what
differs between REF and the later revision.
Listed apart: packages that are built on a changed one by a pin that stays right, and pins that went stale.")]
pub(super) struct AffectedArgs {
    /// What is listed; `kitmake --help` says what a selector is [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The revision to compare with: a branch, a tag, a commit
    #[arg(long, value_name = "REF")]
    since: String,
    /// The revision that is compared
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    until: String,
    /// Compare with the common ancestor of the two instead, as `git diff A...B` does
    #[arg(long)]
    merge_base: bool,
    /// The form of the answer; `names` has what is there and has changed or is built on that, one per line
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    ymls: YmlArgs,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For scripts.
    Names,
}

pub(super) fn run(place: &Place, output: &Output, args: &AffectedArgs) -> Ended {
    let (root, current) = place.root().map_err(|problem| vec![problem])?;
    let comparison = Comparison {
        root: &root,
        since: &args.since,
        until: &args.until,
        merge_base: args.merge_base,
        selectors: &args.selectors,
        current: &current,
        workspace: &args.ymls.options(),
    };
    let compared = pipeline::affected(comparison).map_err(|problem| vec![problem])?;
    for submodule in &compared.affected.submodules {
        output.say(&format!(
            "the submodule {submodule} has moved and is not here with both commits: packages in it are not compared\n"
        ));
    }
    if let Some(nothing) = &compared.nothing {
        output.say(&format!("{nothing}\n"));
    }
    faulty::say_unsure(output, &compared.unsure);
    let is_new = |faulty: &&Faulty| compared.unsure.iter().all(|said| said.name != faulty.name);
    let unread: Vec<Faulty> = compared.unread.iter().filter(is_new).cloned().collect();
    let words = |own: &str| format!("cannot be read in full at {}, so that only {own} files are compared", args.until);
    faulty::say(output, &unread, &words("its own"), &words("their own"));
    let since = Named { revision: &args.since, commit: &compared.since };
    let until = Named { revision: &args.until, commit: &compared.until };
    output.data(&match args.format {
        Format::Text if compared.nothing.is_some() => String::new(),
        Format::Text => affected::text(&compared.affected, since, args.selectors.is_empty()),
        Format::Json => output::json(&affected::json(
            &compared.affected,
            since,
            until,
            faulty::names([&compared.unread[..], &compared.unsure]),
        )),
        Format::Names => affected::names(&compared.affected),
    })?;
    Ok(exit::DONE)
}
