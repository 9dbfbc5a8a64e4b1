//! The flags that say how registries are spoken to, shared by all verbs that ask one.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use crate::problem::{Class, Fault, Problem};

/// How registries are spoken to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registries")]
pub(super) struct RegistryArgs {
    /// Speak to this registry without TLS (may be repeated)
    #[arg(long, value_name = "HOST", action = ArgAction::Append)]
    pub(super) insecure_registry: Vec<String>,
    /// A PEM file of certificate authorities to trust besides those of the system (may be repeated)
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(super) cert_file: Vec<PathBuf>,
}

/// A file that `--cert-file` names and that is not there to be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the certificates in `{}` cannot be read: {reason}", path.display())]
#[diagnostic(code(cli::no_cert_file), help("`--cert-file FILE` names a file with certificates in PEM form"))]
struct NoCertFile {
    path: PathBuf,
    reason: String,
}

impl Fault for NoCertFile {
    fn class(&self) -> Class {
        Class::Usage
    }
}

impl RegistryArgs {
    /// The files, relative to this directory where they are not absolute; each can be opened.
    pub(super) fn certificate_authorities(&self, directory: &Path) -> Result<Vec<PathBuf>, Problem> {
        let opened = |file: &PathBuf| match std::fs::File::open(directory.join(file)) {
            Ok(_) => Ok(directory.join(file)),
            Err(error) => Err(NoCertFile { path: file.clone(), reason: error.to_string() }.into()),
        };
        self.cert_file.iter().map(opened).collect()
    }
}
