//! What comes of git's processes: their output, or what kept them from it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use super::Error;
use crate::problem::Problem;
pub(super) use crate::process::git_command as command;

/// The arguments that limit a command to directories; none for the whole repository.
pub(super) fn limited_to<'a>(
    arguments: &'a [&'a str],
    scopes: &'a [Vec<u8>],
) -> impl Iterator<Item = &'a OsStr> + use<'a> {
    arguments
        .iter()
        .map(|argument| OsStr::new(*argument))
        .chain([OsStr::new("--")])
        .chain(scopes.iter().map(|scope| OsStr::from_bytes(scope)))
}

/// Runs a command to its end, whatever its exit status.
pub(super) fn run(command: &mut Command) -> Result<Output, Problem> {
    command.output().map_err(|error| cannot_run(&error))
}

/// Runs a command whose failure is an error; returns what it wrote.
pub(super) fn read(top: &Path, command: &mut Command) -> Result<Vec<u8>, Problem> {
    let output = run(command)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failed(top, command, &output.stderr)) }
}

/// The error of a process that could not be started.
pub(super) fn cannot_run(error: &io::Error) -> Problem {
    Error::Missing { reason: error.to_string() }.into()
}

/// The error of a process that failed.
pub(super) fn failed(top: &Path, command: &Command, stderr: &[u8]) -> Problem {
    let words: Vec<_> =
        command.get_args().skip(3).map(OsStr::to_string_lossy).take_while(|word| word != "--").collect();
    let text = String::from_utf8_lossy(stderr);
    let reason = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Error::Failed { command: words.join(" "), directory: top.display().to_string(), reason: reason.trim().to_owned() }
        .into()
}

/// The names in a list that ends each with a NUL.
pub(super) fn split_nul(list: &[u8]) -> Vec<Vec<u8>> {
    list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}
