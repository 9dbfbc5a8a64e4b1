//! Parses the command line: a variable that is set to nothing counts as unset, and whoever gives a flag that linuxkit has
//! and kitmake has not is told so, instead of being shown the flag that is spelled most alike.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::{Cli, legacy};
use crate::settings::is_set_to_nothing;

/// Parses, or ends the process with what is wrong or with the help that was asked for.
pub(super) fn parse(arguments: Vec<OsString>) -> Cli {
    parsed(Cli::command(), arguments, &is_set_to_nothing).unwrap_or_else(|error| error.exit())
}

fn parsed(
    command: Command,
    arguments: Vec<OsString>,
    is_set_to_nothing: &dyn Fn(&OsStr) -> bool,
) -> Result<Cli, Error> {
    let mend = |arg: Arg| {
        let unset = arg.get_env().is_some_and(is_set_to_nothing);
        if unset { arg.env(Resettable::Reset) } else { arg }
    };
    let mut command = mended(command, &mend);
    let matches = command.try_get_matches_from_mut(arguments).map_err(of_linuxkit)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A command and its subcommands with all arguments changed.
fn mended(command: Command, mend: &dyn Fn(Arg) -> Arg) -> Command {
    command.mut_args(mend).mut_subcommands(|verb| mended(verb, mend))
}

/// Says of a flag of linuxkit that it is one, and where it says why it is not here.
fn of_linuxkit(mut error: Error) -> Error {
    let is_known = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => {
            let name = argument.trim_start_matches('-').split('=').next().unwrap_or_default();
            legacy::REFUSED.contains(&name)
        }
        _ => false,
    };
    if error.kind() == ErrorKind::UnknownArgument && is_known {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::Usage);
        let why = "`linuxkit pkg` has this flag and kitmake has not: docs/linuxkit-flags.md says what takes its place";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![why.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        parsed(Cli::command(), arguments, &|_| false).expect_err(line).to_string()
    }

    #[test]
    fn a_flag_of_linuxkit_that_is_not_here_is_said_to_be_one_and_others_get_suggestions() {
        for flag in ["--ssh=x", "--dockerfile", "--builders", "--registry-creds"] {
            let said = error(&format!("kitmake build {flag}"));
            assert!(said.contains("docs/linuxkit-flags.md") && !said.contains("similar"), "{said}");
        }
        assert!(error("kitmake build --platform=x").contains("--platforms"));
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_is_not_asked() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let none_is_set = |name: &OsStr| {
            asked.borrow_mut().insert(name.to_string_lossy().into_owned());
            true
        };
        parsed(Cli::command(), ["kitmake", "plan"].map(OsString::from).to_vec(), &none_is_set).unwrap();
        let asked = asked.into_inner();
        for name in ["PLATFORMS", "REGISTRY", "JOBS", "PROGRESS", "SIGN_KEY", "PROFILE"] {
            assert!(asked.contains(&format!("KITMAKE_{name}")), "{name}");
        }
    }

    #[test]
    fn what_a_verb_has_of_its_own_stands_under_no_heading_of_a_group() {
        for (verb, flags) in [
            ("plan", &["format", "check", "jobs"][..]),
            ("build", &["format", "dry_run", "jobs", "keep_going"]),
            ("show-tag", &["format", "canonical"]),
            ("verify", &["format", "key", "profile", "build_yml", "strict"]),
        ] {
            let command = Cli::command();
            let command = command.find_subcommand(verb).unwrap();
            for flag in flags {
                let arg = command.get_arguments().find(|arg| arg.get_id() == flag).unwrap();
                assert_eq!(arg.get_help_heading(), None, "{verb} {flag}");
            }
        }
    }
}
