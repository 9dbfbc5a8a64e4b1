//! The passphrase of the delegation key: given, or what a command says.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::{Error, Options};
use crate::problem::Problem;
use crate::secret::Secret;

/// The part of linuxkit's configuration that is of use here; the rest is its own business.
#[derive(Deserialize, Default)]
struct Config {
    pkg: Option<Pkg>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pkg {
    content_trust_passphrase_command: Option<String>,
}

/// The passphrase, from the first place that has one.
pub(super) async fn find(options: &Options) -> Result<Secret, Problem> {
    if let Some(passphrase) = &options.passphrase {
        return Ok(passphrase.clone());
    }
    if let Some(command) = &options.passphrase_command {
        return Ok(first_line(command, options).await?);
    }
    for file in &options.linuxkit_configs {
        if let Some(command) = passphrase_command_of(file)? {
            return Ok(first_line(&command, options).await?);
        }
    }
    Err(Error::NoPassphrase.into())
}

/// `pkg.content-trust-passphrase-command` of a configuration file of linuxkit; `None` if it has none, or does not exist.
///
/// # Errors
/// When it cannot be read, or is no such file.
pub fn passphrase_command_of(file: &Path) -> Result<Option<String>, Problem> {
    let invalid = |reason: String| Error::Config { path: file.display().to_string(), reason };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(invalid(error.to_string()).into()),
    };
    let options = serde_yaml::options! { with_snippet: false };
    let config = serde_yaml::from_str_with_options::<Option<Config>>(&text, options)
        .map_err(|error| invalid(error.without_snippet().to_string()))?;
    let command = config.unwrap_or_default().pkg.and_then(|pkg| pkg.content_trust_passphrase_command);
    Ok(command.filter(|command| !command.trim().is_empty()))
}

/// The first line that a command writes. Its standard error is not passed on: nobody knows what is in it.
async fn first_line(command: &str, options: &Options) -> Result<Secret, Error> {
    let failed = |reason: String| Error::PassphraseCommand { command: command.to_owned(), reason };
    let mut process = Command::new("sh");
    process.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(options.timeout, process.output()).await;
    let output = output.map_err(|_| failed(format!("it takes longer than {} s", options.timeout.as_secs())))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it ends with {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("what it says is not UTF-8".to_owned()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(failed("the first line of its output is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn options(command: Option<&str>) -> Options {
        let passphrase_command = command.map(str::to_owned);
        Options { passphrase_command, timeout: Duration::from_secs(20), ..Options::new(PathBuf::from("/nonexistent")) }
    }

    fn config(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yml");
        std::fs::write(&file, text).unwrap();
        (directory, file)
    }

    #[tokio::test]
    async fn a_given_passphrase_wins_over_commands() {
        let (_directory, file) = config("pkg: {content-trust-passphrase-command: printf third}");
        let all = Options {
            passphrase: Some(Secret::new("first")),
            linuxkit_configs: vec![PathBuf::from("/nonexistent"), file],
            ..options(Some("printf second"))
        };
        let found = async |options: &Options| find(options).await.unwrap().reveal().to_owned();
        assert_eq!(found(&all).await, "first");
        let without = Options { passphrase: None, ..all };
        assert_eq!(found(&without).await, "second");
        assert_eq!(found(&Options { passphrase_command: None, ..without }).await, "third");
        assert_eq!(find(&options(None)).await.unwrap_err().code(), "trust::no_passphrase");
    }

    #[tokio::test]
    async fn the_first_line_of_a_command_counts_and_nothing_can_be_typed() {
        for command in [r"printf 'a b\nmore\n'", r"printf 'a b\r\n'", "printf 'a b'; cat"] {
            assert_eq!(find(&options(Some(command))).await.unwrap().reveal(), "a b", "{command}");
        }
    }

    #[tokio::test]
    async fn a_command_that_fails_is_an_error_without_what_it_said() {
        let commands = ["echo se''cret; exit 3", "echo se''cret >&2; exit 3", "printf '\\nse''cret'", "printf '\\377'"];
        for command in commands {
            let problem = find(&options(Some(command))).await.unwrap_err();
            assert_eq!(problem.code(), "trust::passphrase_command", "{command}");
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
        }
        let slow = Options { timeout: Duration::from_millis(100), ..options(Some("sleep 20")) };
        assert!(find(&slow).await.unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn linuxkit_may_name_the_command() {
        for (text, command) in [
            (
                "pkg:\n  content-trust-passphrase-command: \"pass show x\"\n  other: [1]\nmore: {}\n",
                Some("pass show x"),
            ),
            ("pkg: {content-trust-passphrase-command: ''}", None),
            ("pkg: {}\n", None),
            ("pkg:\n", None),
            ("# nothing\n", None),
            ("", None),
        ] {
            let (_directory, file) = config(text);
            assert_eq!(passphrase_command_of(&file).unwrap().as_deref(), command, "{text}");
        }
        assert_eq!(passphrase_command_of(Path::new("/nonexistent/config.yml")).unwrap(), None);
    }

    #[test]
    fn a_broken_configuration_is_an_error() {
        for text in ["pkg: [", "pkg: {content-trust-passphrase-command: [a]}", "pkg: text"] {
            let (_directory, file) = config(text);
            assert_eq!(passphrase_command_of(&file).unwrap_err().code(), "trust::config", "{text}");
        }
        let (directory, _) = config("");
        assert_eq!(passphrase_command_of(directory.path()).unwrap_err().code(), "trust::config");
    }
}
