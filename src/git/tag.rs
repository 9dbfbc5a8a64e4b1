//! The tag of each package, exactly as `linuxkit pkg show-tag` gives it.

use std::path::PathBuf;

use crate::image::Reference;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Command-line choices that change tags; the names are those of linuxkit's flags.
#[derive(Debug, Clone, Default)]
pub struct TagOptions {
    /// `--org`
    pub org: Option<String>,
    /// `--hash`: used verbatim instead of the tree hash.
    pub hash: Option<String>,
    /// `--hash-commit`: the commit to take tree hashes from; `HEAD` by default.
    pub hash_commit: Option<String>,
    /// `--hash-path`: the directory to hash instead of the package's own, absolute.
    pub hash_path: Option<PathBuf>,
    /// `--force-dirty`
    pub force_dirty: bool,
    /// `--dev` with the value of `$USER`: the org is the user, the hash is `dev`.
    pub dev: Option<String>,
    /// `--tag`: a template that wins over the yml's.
    pub tag: Option<String>,
}

/// Why a package is dirty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirt {
    /// A tracked file differs from the commit. The path is relative to the top of its repository.
    Modified(String),
    /// A file that git neither tracks nor ignores.
    Untracked(String),
    /// `--force-dirty` was given.
    Forced,
}

/// One extra source of a package: a directory that joins the context and the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSource {
    /// The absolute directory.
    pub source: PathBuf,
    /// Where it goes in the context, a clean slash path as linuxkit writes it.
    pub destination: String,
    /// Its tree hash, 40 or 64 hex digits.
    pub tree: String,
    /// The line of the entry in the build yml, counted from 1.
    pub line: u32,
    /// Why it is dirty; empty when clean.
    pub dirt: Vec<Dirt>,
}

/// The tag of a package and what went into it.
#[derive(Debug, Clone)]
pub struct PackageTag {
    /// Who it is: org and image of the yml with the tag computed without command-line changes of `org`, `hash`, `tag`.
    pub identity: Reference,
    /// What is printed, built and pushed: `identity` with `--org`, `--hash`, `--dev`, `--tag` applied.
    pub output: Reference,
    /// The value of `PKG_HASH` and of `.Hash` in templates, with a `-dirty-…` suffix where there is one; may be empty.
    pub hash: String,
    /// Git's tree id of the package directory (of `--hash-path` if given); `None` outside git.
    pub tree: Option<String>,
    /// The extra sources in the order of the yml.
    pub extra_sources: Vec<ExtraSource>,
    /// Why the package itself is dirty; empty when clean.
    pub dirt: Vec<Dirt>,
    /// The commit the hash was taken from; `None` outside git.
    pub commit: Option<Commit>,
    /// Whether the tag contains the tree hash; a tag that does not (`--hash`, `--dev`, a literal `tag:`) is mutable.
    pub content_tag: bool,
}

impl PackageTag {
    /// Whether the package or one of its extra sources is dirty.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirt.is_empty() || self.extra_sources.iter().any(|source| !source.dirt.is_empty())
    }
}

/// A commit, as labels and build args show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full id.
    pub id: String,
    /// The committer date in seconds since 1970.
    pub time: i64,
}

/// The tags of all packages that were asked for.
#[derive(Debug, Clone)]
pub struct Tags {
    /// One entry per package of the workspace: its tag, or why it has none; `None` when it was not asked for or its yml
    /// cannot be read.
    pub packages: Vec<Option<Result<PackageTag, Problem>>>,
}

impl Tags {
    /// The tag of a package, if it has one.
    #[must_use]
    pub fn get(&self, id: PackageId) -> Option<&PackageTag> {
        self.packages[id.index()].as_ref().and_then(|tag| tag.as_ref().ok())
    }
}

/// Computes the tags of `packages`.
///
/// # Errors
/// When git itself cannot be asked; what concerns one package only is in its entry.
pub fn tags(workspace: &Workspace, packages: &[PackageId], options: &TagOptions) -> Result<Tags, Problem> {
    unimplemented!("{workspace:?} {packages:?} {options:?}")
}
