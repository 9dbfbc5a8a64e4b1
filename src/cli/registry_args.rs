//! The flags that say how registries are spoken to, shared by all verbs that ask one.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

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

impl RegistryArgs {
    /// The files, relative to this directory where they are not absolute.
    pub(super) fn certificate_authorities(&self, directory: &Path) -> Vec<PathBuf> {
        self.cert_file.iter().map(|file| directory.join(file)).collect()
    }
}
