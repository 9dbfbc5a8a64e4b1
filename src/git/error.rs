//! What can be wrong between a package and its tag.
//!
//! Where a build yml is at fault the error quotes its line. Paths are shown as the user knows them: relative to the root
//! of the workspace where they lie below it, absolute elsewhere.

use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::problem::{Class, Fault, Problem, SourceFile, span};
use crate::workspace::build_yml::Located;

/// The code of [`Error::Missing`].
pub(super) const MISSING: &str = "git::missing";

/// Whether this is why something has no tag that was never committed.
#[must_use]
pub fn is_uncommitted(problem: &Problem) -> bool {
    ["git::not_committed", "git::no_commit"].contains(&problem.code().as_str())
}

/// A place in a build yml, if one is at fault.
#[derive(Debug, Clone, Default)]
pub(super) struct Quote {
    source: Option<NamedSource<Arc<str>>>,
    span: Option<SourceSpan>,
}

impl Quote {
    /// The place of a value in a file.
    pub(super) fn of<T>(file: &SourceFile, value: &Located<T>) -> Self {
        Self { source: Some(file.named()), span: Some(span(&value.span)) }
    }

    /// An error about an extra source that is named here.
    pub(super) fn extra_source(&self, directory: String, reason: &'static str) -> Error {
        Error::ExtraSource { directory, reason, source_code: self.source.clone(), span: self.span }
    }
}

/// Why a package has no tag, or git no answer.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// There is no git program.
    #[error("`git` cannot be run: {reason}")]
    #[diagnostic(code(git::missing), help("install git, or put it on the PATH: tags are git's tree hashes"))]
    Missing {
        /// The operating system's words.
        reason: String,
    },

    /// A git process failed for a reason that has no variant of its own.
    #[error("`git {command}` failed in `{directory}`: {reason}")]
    #[diagnostic(code(git::failed), help("run the same command by hand in that directory"))]
    Failed {
        /// The subcommand with its options.
        command: String,
        /// The top level of the repository.
        directory: String,
        /// The last line git wrote to standard error.
        reason: String,
    },

    /// There is no room beside the repository to work out what it will be.
    #[error("what git will record cannot be worked out beside the repository: {reason}")]
    #[diagnostic(
        code(git::workshop),
        help("make room in the directory that TMPDIR names, or name another one; the repository is untouched")
    )]
    Workshop {
        /// The operating system's words.
        reason: String,
    },

    /// git refuses a repository that belongs to another user.
    #[error("git does not trust the repository `{directory}`: it belongs to another user")]
    #[diagnostic(
        code(git::dubious_ownership),
        help("run `git config --global --add safe.directory {directory}`, or change the owner of the directory")
    )]
    DubiousOwnership {
        /// The top level of the repository.
        directory: String,
    },

    /// The directory lies in a bare repository or below `.git`.
    #[error("`{directory}` is inside a git directory, not in a work tree")]
    #[diagnostic(
        code(git::not_in_work_tree),
        help("use a clone or a worktree of the repository: `git worktree add DIR`")
    )]
    NotInWorkTree {
        /// The directory of the package or of the extra source.
        directory: String,
    },

    /// `core.worktree` puts the work tree somewhere else than beside `.git`.
    #[error("the work tree of the repository in `{directory}` is `{top}`")]
    #[diagnostic(
        code(git::work_tree_elsewhere),
        help("unset `core.worktree`; `git worktree add DIR` makes a further work tree")
    )]
    WorkTreeElsewhere {
        /// Where the repository was found.
        directory: String,
        /// Where git says its work tree is.
        top: String,
    },

    /// There is no commit to take a tree from.
    #[error("the repository `{directory}` has no commit yet")]
    #[diagnostic(code(git::no_commit), help("commit the packages: `git add . && git commit`"))]
    NoCommit {
        /// The top level of the repository.
        directory: String,
    },

    /// `--hash-commit` names nothing.
    #[error("`{commit}` is no commit of the repository `{directory}`")]
    #[diagnostic(code(git::no_such_commit), help("`--hash-commit` takes a commit id, a branch, a tag or the like"))]
    NoSuchCommit {
        /// As given.
        commit: String,
        /// The top level of the repository.
        directory: String,
    },

    /// The directory is not in the commit that tags are taken from.
    #[error("`{directory}` is not committed yet: {commit} has no such directory")]
    #[diagnostic(
        code(git::not_committed),
        help("a tag is git's hash of the committed directory; run `git add {directory} && git commit`")
    )]
    NotCommitted {
        /// The directory of the package or of the extra source.
        directory: String,
        /// The commit, as given; `HEAD` by default.
        commit: String,
        #[source_code]
        /// The build yml that names an extra source.
        source_code: Option<NamedSource<Arc<str>>>,
        #[label("named here")]
        /// The entry in it.
        span: Option<SourceSpan>,
    },

    /// `linuxkit pkg` only knows tree hashes of 40 digits below the top level.
    #[error("`{directory}` lies in a SHA-256 repository; only a package at its top level has a tag there")]
    #[diagnostic(
        code(git::sha256_repository),
        help("`--hash-path {top}` hashes the whole repository, `--hash` gives a hash by hand")
    )]
    Sha256 {
        /// The directory of the package or of the extra source.
        directory: String,
        /// The top level of the repository.
        top: String,
    },

    /// The top level of a repository, reached through a symbolic link.
    #[error("`{directory}` is the top level of a repository, reached through a symbolic link")]
    #[diagnostic(code(git::top_through_symlink), help("use its real path: `{top}`"))]
    TopThroughSymlink {
        /// As given.
        directory: String,
        /// The real path.
        top: String,
    },

    /// A symbolic link in one repository that leads into another, or a hash path in another repository.
    #[error("`{directory}` is outside the repository `{top}`")]
    #[diagnostic(
        code(git::outside_repository),
        help("use the real path of the directory; a hash path must lie in the same repository as the package")
    )]
    OutsideRepository {
        /// As given.
        directory: String,
        /// The top level of the repository that the real directory lies in.
        top: String,
    },

    /// `--hash-path` must hold the package.
    #[error("the hash path `{hash_path}` does not contain the package `{directory}`")]
    #[diagnostic(code(git::hash_path), help("`--hash-path` is the directory of the package or one above it"))]
    HashPath {
        /// As given, made absolute.
        hash_path: String,
        /// The directory of the package.
        directory: String,
    },

    /// An entry of `extra-sources` that is not `src:dst`.
    #[error("the extra source `{entry}` is not of the form SOURCE:DESTINATION")]
    #[diagnostic(
        code(git::extra_source_format),
        help(
            "write `../../lib:vendor/lib`: a directory relative to the package, one colon, its place in the build context"
        )
    )]
    ExtraSourceFormat {
        /// As written.
        entry: String,
        #[source_code]
        /// The build yml.
        source_code: NamedSource<Arc<str>>,
        #[label("exactly one colon is needed")]
        /// The entry in it.
        span: SourceSpan,
    },

    /// An extra source without a tree hash.
    #[error("the extra source `{directory}` {reason}")]
    #[diagnostic(code(git::extra_source), help("an extra source is a directory that is committed to a git repository"))]
    ExtraSource {
        /// The absolute directory.
        directory: String,
        /// `does not exist`, `is not a directory`, `is not in a git repository`.
        reason: &'static str,
        #[source_code]
        /// The build yml.
        source_code: Option<NamedSource<Arc<str>>>,
        #[label("named here")]
        /// The entry in it.
        span: Option<SourceSpan>,
    },

    /// A tag template with something else than text and the hash.
    #[error("the tag template `{template}` cannot be used: {reason}")]
    #[diagnostic(
        code(git::tag_template),
        help("a template is literal text with `{{{{.Hash}}}}` or `{{{{slice .Hash 0 7}}}}` in it")
    )]
    Template {
        /// As written.
        template: String,
        /// What is wrong with it.
        reason: String,
        #[source_code]
        /// The build yml, unless the template came from `--tag`.
        source_code: Option<NamedSource<Arc<str>>>,
        #[label("this template")]
        /// The value in it.
        span: Option<SourceSpan>,
    },

    /// A file that is part of a dirty package or of a directory outside git cannot be read.
    #[error("`{file}` cannot be read: {reason}")]
    #[diagnostic(
        code(git::unreadable),
        help("its bytes are part of the key or of the tag of a package; make it readable")
    )]
    Unreadable {
        /// The file or directory.
        file: String,
        /// The operating system's words.
        reason: String,
    },

    /// Only a note: a package that git knows nothing about.
    #[error("`{directory}` is not in a git repository: {consequence}")]
    #[diagnostic(
        code(git::outside),
        severity(Warning),
        help(
            "a tag that does not follow the content is never known to be up to date; `git init` and a commit change that"
        )
    )]
    Outside {
        /// The directory of the package.
        directory: String,
        /// What its hash is for want of a tree.
        consequence: String,
    },

    /// Only a warning: files whose bytes are not in the dirty suffix.
    #[error("the dirty suffix of `{directory}` does not see the content of {names}")]
    #[diagnostic(
        code(git::name_not_hashed),
        severity(Warning),
        help(
            "linuxkit asks git for a list of names, in which names with non-ASCII letters, quotes or outer blanks do not stand as they are; \
             `git config core.quotePath false` makes both see non-ASCII names"
        )
    )]
    NameNotHashed {
        /// The directory of the package or of the extra source.
        directory: String,
        /// The names, quoted.
        names: String,
    },

    /// Two packages would have one name in the map of tags.
    #[error("`{name}` would be both `{first_image}` of `{first}` and `{second_image}` of `{second}`")]
    #[diagnostic(
        code(git::same_name),
        help("name the directories that are wanted, or one build yml of them by `--build-yml` or `--profile`")
    )]
    SameName {
        /// What both would be called.
        name: String,
        /// A package.
        first: String,
        /// Its reference.
        first_image: String,
        /// Another one.
        second: String,
        /// Its reference.
        second_image: String,
    },

    /// Nothing is called that.
    #[error("`{revision}` names no commit")]
    #[diagnostic(
        code(git::unknown_revision),
        help("name a branch, a tag or a commit of this clone; what only a remote has is fetched with `git fetch`")
    )]
    UnknownRevision {
        /// As given.
        revision: String,
    },

    /// The clone is shallow, and what is asked for lies beyond its end, if it is anything.
    #[error("{wanted} is not in this shallow clone")]
    #[diagnostic(code(git::shallow))]
    Shallow {
        /// What was asked for.
        wanted: String,
        /// The commands that fetch it.
        #[help]
        help: String,
    },

    /// Two revisions have nothing in common.
    #[error("`{one}` and `{other}` have no common ancestor")]
    #[diagnostic(code(git::no_merge_base), help("compare with the revision itself, without `--merge-base`"))]
    NoMergeBase {
        /// A revision.
        one: String,
        /// Another one.
        other: String,
    },

    /// A file or directory that is needed was left out when the repository was cloned.
    #[error("this clone lacks {what}, which is the object {id}{}", and_more(*others))]
    #[diagnostic(code(git::missing_object))]
    MissingObject {
        /// What the object is.
        what: String,
        /// The object.
        id: String,
        /// How many more are known to be missing.
        others: usize,
        #[help]
        help: String,
    },

    /// The image of a package is printed as it is, but cannot be used as a reference.
    #[error("the image of `{package}` cannot be used: {reason}")]
    #[diagnostic(
        code(git::no_reference),
        help("mend `org`, `image` or `tag` in the build yml, or what overrides them")
    )]
    NoReference {
        /// The package.
        package: String,
        /// What breaks the grammar of references.
        reason: String,
    },
}

fn and_more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", and {others} more") }
}

impl Error {
    /// Why the files of `revision` cannot be listed, if that is an object which this clone lacks: git names it.
    pub(super) fn missing_tree(revision: &str, stderr: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(stderr);
        let is_id = |word: &&str| matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let last = text.lines().rfind(|line| line.starts_with("fatal: "))?;
        let id = last.split(|letter: char| !letter.is_ascii_alphanumeric()).find(is_id)?;
        Some(Self::missing_object(format!("a directory of `{revision}`"), id.to_owned(), 0, None))
    }

    /// Something that a clone should have; `submodule` is the git directory of the submodule whose clone it is, if it is one.
    pub(super) fn missing_object(what: String, id: String, others: usize, submodule: Option<&Path>) -> Self {
        // What is kept of a submodule need not be checked out, so that no other directory is sure to be there.
        let of = submodule.map(|directory| format!(" --git-dir='{}'", directory.display())).unwrap_or_default();
        let help = format!(
            "a partial clone fetches it by itself while its remote can be reached; `git{of} fetch --refetch --no-filter` \
             fetches everything"
        );
        Self::MissingObject { what, id, others, help }
    }

    pub(super) fn workshop(error: &std::io::Error) -> Self {
        Self::Workshop { reason: error.to_string() }
    }

    /// `revision` is what can be fetched by itself, if it is a name.
    pub(super) fn shallow(wanted: &str, revision: Option<&str>) -> Self {
        // A remote knows names and whole ids, and hexadecimal digits may be the beginning of an id.
        let is_part = |revision: &str| revision.len() < 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        let name = revision.filter(|revision| !revision.contains(['~', '^', '@', ':']) && !is_part(revision));
        let name = name.map(|name| name.strip_prefix("origin/").unwrap_or(name)).filter(|name| *name != "HEAD");
        let alone = name.map(|name| {
            format!(", or this one alone: `git fetch --depth=1 origin {name}`, which is then called FETCH_HEAD")
        });
        let help = format!("fetch all commits with `git fetch --unshallow`{}", alone.unwrap_or_default());
        Self::Shallow { wanted: wanted.to_owned(), help }
    }

    pub(super) fn not_committed(directory: String, commit: &str, quote: &Quote) -> Self {
        Self::NotCommitted { directory, commit: commit.to_owned(), source_code: quote.source.clone(), span: quote.span }
    }

    pub(super) fn template(template: &str, reason: String, quote: &Quote) -> Self {
        Self::Template { template: template.to_owned(), reason, source_code: quote.source.clone(), span: quote.span }
    }
}

impl Fault for Error {
    fn class(&self) -> Class {
        match self {
            Self::Missing { .. } | Self::Failed { .. } | Self::Workshop { .. } | Self::MissingObject { .. } => {
                Class::Infrastructure
            }
            Self::NoSuchCommit { .. }
            | Self::HashPath { .. }
            | Self::UnknownRevision { .. }
            | Self::NoMergeBase { .. } => Class::Usage,
            _ => Class::Repository,
        }
    }
}
