//! The command line: one file per verb, each of which parses, calls the library and prints.

pub mod legacy;
pub mod show_tag;
pub mod tag_args;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::problem::{Class, Problem};
use crate::workspace;
use show_tag::ShowTagArgs;
use tag_args::Environment;

#[derive(Debug, Parser)]
#[command(name = "kitmake", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    ShowTag(ShowTagArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let rewritten = legacy::rewrite(arguments, &|_| false);
    for note in &rewritten.notes {
        say(&format!("note: {note}\n"));
    }
    let Verb::ShowTag(arguments) = Arguments::parse_from(rewritten.arguments).verb;
    let environment = environment();
    let root = workspace::find_root(&environment.directory);
    match show_tag::show_tag(&arguments, &environment, &root) {
        Ok(shown) => {
            for warning in &shown.warnings {
                say(&render(warning));
            }
            match io::stdout().write_all(shown.text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::from(4),
            }
        }
        Err(problems) => {
            for problem in &problems {
                say(&render(problem));
            }
            match problems.iter().map(Problem::class).max() {
                Some(Class::Usage) => ExitCode::from(2),
                Some(Class::Infrastructure) => ExitCode::from(4),
                Some(Class::Repository) | None => ExitCode::from(3),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "stands in for settings, which reads the environment once")]
fn environment() -> Environment {
    Environment {
        directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        org: std::env::var("LINUXKIT_PKG_ORG").ok(),
        user: std::env::var("USER").ok(),
    }
}

fn render(problem: &Problem) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    match handler.render_report(&mut text, problem.diagnostic()) {
        Ok(()) => text,
        Err(_) => format!("{problem}\n"),
    }
}

fn say(text: &str) {
    // Nothing can be said about a standard error that is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}
