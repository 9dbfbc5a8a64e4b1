//! The command line: one file per verb that parses, calls the library and prints.
//!
//! Data goes to standard output; progress, warnings and errors go to standard error.

mod affected;
mod build;
mod deps;
mod explain;
mod faulty;
#[cfg(test)]
mod flags_page;
mod graph;
mod legacy;
mod options;
mod output;
mod parse;
mod path;
mod pins;
mod plan;
mod provenance;
mod publish_args;
mod registry_args;
mod remote_tag;
mod show_tag;
mod signals;
#[cfg(test)]
mod statements_page;
mod tag_args;
mod verify;
mod yml_args;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::problem::{Class, Problem};
use crate::settings::Environment;
use output::Output;

/// Exit codes, beside those of a run ([`crate::run::Outcome::exit_code`]).
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// The command line asks for something that does not exist.
    pub const USAGE: u8 = 2;
    /// The repository is wrong.
    pub const REPOSITORY: u8 = 3;
    /// Engine, registry, authentication or network.
    pub const INFRASTRUCTURE: u8 = 4;
    /// `--check`: something is to be done; `verify`: something is not signed, or not there; `path`: there is none; `pins
    /// check` and `pins fix`: something is wrong, or left.
    pub const TO_DO: u8 = 5;
    /// Built, but not published as it was asked to be.
    pub const UNPUBLISHED: u8 = 6;
}

const AFTER_HELP: &str = "\
Examples:
  kitmake plan                     what a build would do, and why
  kitmake explain pkg/init         what it is made from, why it is built, what has changed
  kitmake build -j 8 --push        build what is missing, push what the registry lacks
  kitmake build pkg/init           one package and what it needs
  kitmake push --manifest=false    the images alone, on a machine of each architecture,
  kitmake push --image=false       and then the index over all of them, from anywhere
  kitmake push --release v1        give the index of each package the tag v1, too
  kitmake plan --check             exit code 5 if anything is to be built
  kitmake show-tag pkg/init        org/image:tag, as `linuxkit pkg show-tag` prints it
  kitmake affected --since main    which packages have changed, and why
  kitmake rdeps tools/base         what needs it, how, and where that is written
  kitmake pins fix                 write new tags into all files that name them, before one commit
  kitmake graph --format dot | dot -Tsvg > graph.svg

A selector is a path, a glob, an image name, or a folder, which selects all below it. Marks around it follow the graph:
  pkg/init...    with all that it needs        ...pkg/base    with all that needs it
  pkg/init^...   what it needs, without itself ...^pkg/base   what needs it, without itself
  '[main]'       changed since main            '...[main]'     with all that needs it
  '!pkg/dom0*'   leave these out, wherever it stands; alone: out of what is selected without a selector
Quote `!`, `^`, `*` and `[` from the shell.

Exit codes: 0 done; 1 a build failed; 2 usage; 3 the repository is wrong; 4 engine, registry or network;
5 --check: something is to be done, verify: something is not signed, path: there is none, pins check: something is wrong;
6 built but not published as asked for; 130 interrupted; 143 terminated.";

/// Builds what is missing in a monorepo of LinuxKit packages, in dependency order and in parallel.
#[derive(Debug, Parser)]
#[command(name = "kitmake", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    /// Start in DIR. The root is the nearest parent of it with a kitmake.yml, else the git top level, else DIR itself
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// Say more: what is present too, and the log of each build
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Whether to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    color: When,
    /// How to show progress
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto", env = "KITMAKE_PROGRESS", global = true)]
    progress: Progress,
    #[command(subcommand)]
    verb: Verb,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// If standard error is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// As `tty` on a terminal outside CI, else as `plain`.
    Auto,
    /// Bars that are painted over.
    Tty,
    /// One line for each thing that happens.
    Plain,
    /// Nothing.
    None,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what a build would do, in which order, and why
    Plan(plan::PlanArgs),
    /// Say what a package is made from, why it is built, and what differs from the image that exists
    Explain(explain::ExplainArgs),
    /// Build what is missing
    Build(build::BuildArgs),
    /// Build what is missing and push what the registry lacks (`build --push`)
    Push(build::BuildArgs),
    /// Print the tag of packages, as `linuxkit pkg show-tag` does
    ShowTag(show_tag::ShowTagArgs),
    /// Give an image in a registry another name, without an engine
    RemoteTag(remote_tag::RemoteTagArgs),
    /// Print the dependency graph
    Graph(graph::GraphArgs),
    /// Show which packages have changed between two revisions
    Affected(affected::AffectedArgs),
    /// List what packages need
    Deps(deps::DepsArgs),
    /// List what needs packages
    Rdeps(deps::RdepsArgs),
    /// Show why a package needs another one
    Path(path::PathArgs),
    /// Say which images of this repository are named where, and bring their tags up to date
    Pins(pins::PinsArgs),
    /// Say which published images are signed by a key
    Verify(verify::VerifyArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // A directory of that name makes the word a selector.
    let rewritten = legacy::rewrite(arguments, &|word| std::path::Path::new(word).is_dir());
    let cli = parse::parse(rewritten.arguments);
    let environment = Environment::read();
    let output = Output::new(cli.color, cli.progress, cli.quiet, cli.verbose, &environment);
    for note in &rewritten.notes {
        output.say(&format!("note: {note}\n"));
    }
    let place = options::Place { directory: cli.directory, environment };
    let ended = match cli.verb {
        Verb::Plan(args) => plan::run(&place, &output, &args, &runtime()),
        Verb::Explain(args) => explain::run(&place, &output, &args, &runtime()),
        Verb::Build(args) => build::run(&place, &output, &args, false, &runtime()),
        Verb::Push(args) => build::run(&place, &output, &args, true, &runtime()),
        Verb::ShowTag(args) => show_tag::run(&place, &output, &args),
        Verb::RemoteTag(args) => remote_tag::run(&place, &output, &args, &runtime()),
        Verb::Graph(args) => graph::run(&place, &output, &args),
        Verb::Affected(args) => affected::run(&place, &output, &args),
        Verb::Deps(args) => deps::needs(&place, &output, &args),
        Verb::Rdeps(args) => deps::uses(&place, &output, &args),
        Verb::Path(args) => path::run(&place, &output, &args),
        Verb::Pins(args) => pins::run(&place, &output, &args, &runtime()),
        Verb::Verify(args) => verify::run(&place, &output, &args, &runtime()),
    };
    let code = ended.unwrap_or_else(|problems| {
        for problem in &problems {
            output.error(problem);
        }
        exit_code(&problems)
    });
    ExitCode::from(code)
}

/// A verb ends with an exit code, or with everything that kept it from its work.
type Ended = Result<u8, Vec<Problem>>;

/// The exit code of problems: a wrong command line before a wrong repository before a failing infrastructure, since
/// that is the order in which they have to be mended.
fn exit_code(problems: &[Problem]) -> u8 {
    match problems.iter().map(Problem::class).min() {
        None => exit::DONE,
        Some(Class::Usage) => exit::USAGE,
        Some(Class::Repository) => exit::REPOSITORY,
        Some(Class::Infrastructure) => exit::INFRASTRUCTURE,
        Some(Class::Unpublished) => exit::UNPUBLISHED,
    }
}

/// The one runtime of everything that waits for the network; the work itself is done by the engine.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs nothing but threads and an epoll instance, without which no command can run")
}
