//! The flags of linuxkit that change tags, shared by the verbs that print or use them.

use std::path::PathBuf;

use clap::Args;

use crate::git::TagOptions;

/// What is taken from the environment of the process.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The current directory, absolute.
    pub directory: PathBuf,
    /// `LINUXKIT_PKG_ORG`; empty is the same as unset.
    pub org: Option<String>,
    /// `USER`
    pub user: Option<String>,
}

/// Flags with the names and the meaning that they have in `linuxkit pkg`.
#[derive(Debug, Clone, Args)]
pub struct TagArgs {
    /// The org of the image instead of the yml's; `LINUXKIT_PKG_ORG` says the same
    #[arg(long, value_name = "ORG")]
    pub org: Option<String>,
    /// This text instead of the tree hash
    #[arg(long, value_name = "HASH", default_value = "", hide_default_value = true)]
    pub hash: String,
    /// The commit to take tree hashes from; with any but the literal HEAD nothing counts as dirty
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    pub hash_commit: String,
    /// The directory to hash: the package's own or one above it
    #[arg(long, value_name = "DIR")]
    pub hash_path: Option<PathBuf>,
    /// Treat packages as dirty
    #[arg(long)]
    pub force_dirty: bool,
    /// Org and hash are $USER and `dev`
    #[arg(long)]
    pub dev: bool,
    /// The tag instead of the yml's: text with `{{.Hash}}` in it
    #[arg(long, value_name = "TEMPLATE", default_value = "", hide_default_value = true)]
    pub tag: String,
    /// The build yml to read, relative to each directory
    #[arg(long, value_name = "FILE", default_value = "build.yml")]
    pub build_yml: String,
}

impl TagArgs {
    /// What they mean for tags: `--org`, else the variable, else `--dev`, else the yml.
    #[must_use]
    pub fn options(&self, environment: &Environment) -> TagOptions {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let hash_path = self.hash_path.as_deref().filter(|path| !path.as_os_str().is_empty());
        TagOptions {
            org: self.org.clone().or_else(|| environment.org.as_deref().and_then(given)),
            hash: given(&self.hash),
            hash_commit: Some(self.hash_commit.clone()),
            hash_path: hash_path.map(|path| environment.directory.join(path)),
            force_dirty: self.force_dirty,
            dev: self.dev.then(|| environment.user.clone().unwrap_or_default()),
            tag: given(&self.tag),
        }
    }
}
