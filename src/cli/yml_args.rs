//! The flags that choose the build yml of a directory, shared by all verbs that read packages.

use clap::Args;

use crate::workspace::Options;

/// Which build yml makes the package of a directory.
#[derive(Debug, Clone, Args)]
pub(super) struct YmlArgs {
    /// The build yml of each selected directory, relative to it; directories without it are passed over
    #[arg(long, value_name = "FILE")]
    pub(super) build_yml: Option<String>,
    /// The profile of kitmake.yml that chooses the build yml of directories
    #[arg(long, value_name = "NAME", env = "KITMAKE_PROFILE")]
    pub(super) profile: Option<String>,
    /// Unknown keys in build ymls are errors
    #[arg(long)]
    pub(super) strict: bool,
}

impl YmlArgs {
    /// What they mean for what is read.
    pub(super) fn options(&self) -> Options {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Options::new(self.strict, given(&self.profile), given(&self.build_yml).as_deref())
    }
}
