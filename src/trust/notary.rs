//! One run of the notary client: what it is given, and what it said.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::Stdio;

use tokio::process::Command;

use super::lock::Lock;
use super::{Error, Options};
use crate::problem::Problem;
use crate::secret::Secret;

/// What all runs for one image have in common.
pub(super) struct Call<'a> {
    pub(super) options: &'a Options,
    /// Stand before the subcommand.
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, Secret)>,
    /// What is struck out of everything that is passed on.
    pub(super) secrets: Vec<Secret>,
}

/// What a run came to. The texts are as notary wrote them; what is passed on is asked of the methods.
pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: String,
    stderr: String,
    secrets: Vec<Secret>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        options: &'a Options,
        arguments: Vec<OsString>,
        environment: Vec<(&'static str, Secret)>,
    ) -> Self {
        let secrets = environment.iter().map(|(_, secret)| secret.clone()).collect();
        Self { options, arguments, environment, secrets }
    }

    /// Runs it to its end. It is in a process group of its own and writes into files, so that neither an interrupt nor the
    /// end of this process stops it half-way; only its time limit does.
    pub(super) async fn run(&self, arguments: &[&str], lock: Option<&Lock>) -> Result<Output, Problem> {
        let program = self.options.program.display().to_string();
        let failed = |error: io::Error| Error::Missing { program: program.clone(), reason: error.to_string() };
        let (mut stdout, mut stderr) = (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
        let mut command = Command::new(&self.options.program);
        command.args(&self.arguments).args(arguments).process_group(0);
        command.envs(self.environment.iter().map(|(name, secret)| (name, secret.reveal())));
        command.stdin(lock.map_or_else(|| Ok(Stdio::null()), Lock::stdin).map_err(failed)?);
        command.stdout(stdout.try_clone().map_err(failed)?).stderr(stderr.try_clone().map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        let Ok(status) = tokio::time::timeout(self.options.timeout, child.wait()).await else {
            child.kill().await.map_err(failed)?;
            let (command, seconds) = (arguments.first().copied().unwrap_or_default(), self.options.timeout.as_secs());
            return Err(Error::Late { command: format!("notary {command}"), seconds }.into());
        };
        Ok(Output {
            success: status.map_err(failed)?.success(),
            stdout: text(&mut stdout).map_err(failed)?,
            stderr: text(&mut stderr).map_err(failed)?,
            secrets: self.secrets.clone(),
        })
    }
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Output {
    #[cfg(test)]
    pub(super) fn success(stdout: &str) -> Self {
        Self { success: true, stdout: stdout.to_owned(), stderr: String::new(), secrets: Vec::new() }
    }

    /// What notary says last where it fails, secrets and all.
    pub(super) fn fatal(&self) -> Option<&str> {
        self.stdout.lines().rev().find_map(|line| line.strip_prefix("* fatal: "))
    }

    /// The reason not to rely on a list: notary did not reach the server, or could not use a part of what that has. A
    /// warning that is not known to be harmless counts as one.
    pub(super) fn doubt(&self) -> Option<String> {
        let doubtful = self.stderr.lines().map(message).find(|said| !said.is_empty() && !is_harmless(said));
        doubtful.map(|said| self.without_secrets(&said))
    }

    /// Whether the server has got another version since the one that was changed.
    pub(super) fn is_conflict(&self) -> bool {
        self.fatal().is_some_and(|said| said.starts_with("trust server rejected operation"))
    }

    /// Whether the server wants a login, or another one.
    pub(super) fn wants_login(&self) -> bool {
        let refused = |said: &str| {
            let said = said.to_lowercase();
            // Where no login is given, notary asks for one on its standard input.
            said.contains("not authorized") || said.contains("unauthorized") || said.contains("processing username")
        };
        self.fatal().is_some_and(refused) || self.stderr.lines().map(message).any(|said| refused(&said))
    }

    /// The reason of a failure.
    pub(super) fn said(&self) -> String {
        let last = || self.stderr.lines().map(message).rfind(|said| !said.is_empty());
        let said = self.fatal().map(str::to_owned).or_else(last);
        self.without_secrets(said.as_deref().unwrap_or("it said nothing"))
    }

    /// Everything it said, to be shown.
    pub(super) fn lines(&self) -> Vec<String> {
        let stdout = self.stdout.lines().map(str::to_owned);
        let lines = stdout.chain(self.stderr.lines().map(message)).filter(|line| !line.trim().is_empty());
        lines.map(|line| self.without_secrets(&line)).collect()
    }

    /// The error that has no variant of its own.
    pub(super) fn failure(&self, command: &str) -> Problem {
        Error::Failed { command: command.to_owned(), said: self.said() }.into()
    }

    fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.strike_from(&text))
    }
}

/// The message of a line of the log, which is `time="…" level=warning msg="…"`; the whole line if it is another one.
fn message(line: &str) -> String {
    let Some((_, message)) = line.split_once(" msg=") else { return line.trim().to_owned() };
    let quoted = message.strip_prefix('"').and_then(|message| message.strip_suffix('"'));
    quoted.map_or_else(|| message.to_owned(), |message| message.replace("\\\"", "\""))
}

/// Whether a message of the log says nothing about whether the list is whole.
fn is_harmless(message: &str) -> bool {
    let about_expiry = message.starts_with("certificate with CN ") && message.ends_with(" is near expiry")
        || message.ends_with(" is nearing expiry, you should re-sign the role metadata");
    // A root of its own store that has expired is replaced by that of the server, or the run fails.
    about_expiry || message == "Metadata for root expired" || message.starts_with("Could not parse key file at ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str, stderr: &str) -> Output {
        Output {
            success: false,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            secrets: vec![Secret::new("hunter2")],
        }
    }

    #[test]
    fn a_list_from_the_disk_is_doubtful() {
        let cached = "time=\"2026-11-25T04:33:20Z\" level=error msg=\"could not reach https://n: Get \\\"https://n/v2/\\\": \
                      refused\"\ntime=\"…\" level=warning msg=\"Error while downloading remote metadata, using cached\"\n";
        let doubt = output("", cached).doubt();
        assert_eq!(doubt.as_deref(), Some("could not reach https://n: Get \"https://n/v2/\": refused"));
        assert_eq!(output("", "panic: hunter2\n").doubt().as_deref(), Some("panic: ***"));
    }

    #[test]
    fn a_warning_of_a_near_expiry_is_harmless() {
        for said in [
            "",
            "time=\"…\" level=warning msg=\"certificate with CN del is near expiry\"\n",
            "time=\"…\" level=warning msg=\"targets metadata is nearing expiry, you should re-sign the role metadata\"\n",
        ] {
            assert_eq!(output("", said).doubt(), None, "{said}");
        }
        let other = "level=warning msg=\"Error getting targets/releases: certificate with CN x is near expiry\"\n";
        assert!(output("", other).doubt().is_some());
    }

    #[test]
    fn what_is_passed_on_has_no_secret() {
        let output = output("Staged.\n\n* fatal: hunter2 is wrong\n", "level=error msg=\"no hunter2\"\n");
        assert_eq!(output.said(), "*** is wrong");
        assert_eq!(output.lines(), ["Staged.", "* fatal: *** is wrong", "no ***"]);
        assert!(!format!("{:?}", output.failure("addhash")).contains("hunter2"));
    }
}
