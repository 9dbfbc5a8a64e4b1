//! What can be wrong with the files of a workspace.
//!
//! One enum for build.yml, kitmake.yml and the search for them. Each variant about a file of the user points into it.

use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};

use crate::problem::{Class, Fault};

/// The file at fault, as `miette` quotes it.
pub(super) type Quoted = NamedSource<Arc<str>>;

/// What is wrong with a build.yml, a kitmake.yml, or a path.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// The root is no directory.
    #[error("`{path}` is not a directory that can be read: {reason}")]
    #[diagnostic(code(workspace::no_root), help("name the top directory of the repository with `-C DIR`"))]
    NoRoot {
        /// As asked for.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// A file or directory is there and cannot be read.
    #[error("`{path}` cannot be read: {reason}")]
    #[diagnostic(code(workspace::unreadable), help("make it a readable text file or directory, or remove it"))]
    Unreadable {
        /// Relative to the root.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// A path with a package in it is not UTF-8.
    #[error("the path `{path}` is not UTF-8")]
    #[diagnostic(
        code(workspace::path_not_utf8),
        help("rename the directory: names of packages are text, and so are tags and labels made of them")
    )]
    PathNotUtf8 {
        /// The path with replacement characters.
        path: String,
    },

    /// The file is not YAML.
    #[error("`{path}` is not valid YAML: {message}")]
    #[diagnostic(code(workspace::invalid_yaml), help("correct the YAML at this place"))]
    InvalidYaml {
        /// Relative to the root.
        path: String,
        /// What the parser says.
        message: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// Where the parser gave up.
        #[label("here")]
        span: SourceSpan,
    },

    /// The file holds no document.
    #[error("`{path}` is empty")]
    #[diagnostic(code(workspace::empty_yml), help("write at least `image: NAME`"))]
    EmptyYml {
        /// Relative to the root.
        path: String,
    },

    /// A value of another type than the field has.
    #[error("`{key}` must be {expected}, but it is {found}")]
    #[diagnostic(code(workspace::wrong_type))]
    WrongType {
        /// The key, or what else is meant.
        key: String,
        /// With an article.
        expected: String,
        /// What is there.
        found: String,
        /// What to write instead.
        #[help]
        help: Option<String>,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The value.
        #[label("not {expected}")]
        span: SourceSpan,
    },

    /// A value of the right type that is not allowed.
    #[error("{message}")]
    #[diagnostic(code(workspace::invalid_value))]
    InvalidValue {
        /// A sentence fragment.
        message: String,
        /// What to write instead.
        #[help]
        help: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The value.
        #[label("this one")]
        span: SourceSpan,
    },

    /// A key that stands twice in one mapping.
    #[error("the key `{key}` on line {line} is already on line {first_line}")]
    #[diagnostic(code(workspace::duplicate_key), help("keep one of the two"))]
    DuplicateKey {
        /// The key.
        key: String,
        /// Its second line.
        line: u32,
        /// Its first line.
        first_line: u32,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The first one.
        #[label("first here")]
        first: SourceSpan,
        /// The second one.
        #[label("again here")]
        second: SourceSpan,
    },

    /// A key that has to be there.
    #[error("{place} lacks the key `{key}`")]
    #[diagnostic(code(workspace::missing_key), help("add `{key}: VALUE`"))]
    MissingKey {
        /// The key.
        key: String,
        /// The mapping that lacks it.
        place: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The mapping.
        #[label("no `{key}` here")]
        span: SourceSpan,
    },

    /// A key that means nothing here, where that is an error.
    #[error("unknown key `{key}` in {place}")]
    #[diagnostic(code(workspace::unknown_key))]
    UnknownKey {
        /// The key.
        key: String,
        /// The mapping it stands in.
        place: String,
        /// The key that may be meant, or all of them.
        #[help]
        help: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The key.
        #[label("not a key of {place}")]
        span: SourceSpan,
    },

    /// A key that means nothing here, where that is only odd.
    #[error("unknown key `{key}` in {place} is ignored")]
    #[diagnostic(code(workspace::unknown_key), severity(warning))]
    IgnoredKey {
        /// The key.
        key: String,
        /// The mapping it stands in.
        place: String,
        /// The key that may be meant, or all of them.
        #[help]
        help: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The key.
        #[label("not a key of {place}")]
        span: SourceSpan,
    },

    /// No image is named.
    #[error("`{path}` does not name an image")]
    #[diagnostic(
        code(workspace::missing_image),
        help("write `image: NAME` with the name of the image without org and tag")
    )]
    MissingImage {
        /// Relative to the root.
        path: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The empty value, or the top of the file.
        #[label("`image` is mandatory")]
        span: SourceSpan,
    },

    /// An entry of `arches` that is no architecture.
    #[error("unknown architecture `{architecture}`")]
    #[diagnostic(code(workspace::unknown_architecture))]
    UnknownArchitecture {
        /// As written.
        architecture: String,
        /// The one that may be meant, or all of them.
        #[help]
        help: String,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The entry.
        #[label("not an architecture of Linux images")]
        span: SourceSpan,
    },

    /// Two keys that exclude each other.
    #[error("`{first_key}` and `{second_key}` exclude each other")]
    #[diagnostic(code(workspace::exclusive_keys), help("keep the one that is meant"))]
    ExclusiveKeys {
        /// One key.
        first_key: &'static str,
        /// The other key.
        second_key: &'static str,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The value of the one.
        #[label("`{first_key}` here")]
        first: SourceSpan,
        /// The value of the other.
        #[label("`{second_key}` here")]
        second: SourceSpan,
    },

    /// A path that must lie below the package directory.
    #[error("`{key}` {reason}")]
    #[diagnostic(
        code(workspace::path_outside_package),
        help("write a path below the package directory, relative to it")
    )]
    PathOutsidePackage {
        /// The key.
        key: &'static str,
        /// A predicate.
        reason: &'static str,
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// The path.
        #[label("this path")]
        span: SourceSpan,
    },

    /// The list of docker-images cannot be read.
    #[error("the list of images `{path}` cannot be read: {reason}")]
    #[diagnostic(code(workspace::unreadable_list), help("create the file, or name the images under `list`"))]
    UnreadableList {
        /// Relative to the root.
        path: String,
        /// What the system said.
        reason: String,
        /// The build yml.
        #[source_code]
        source_code: Quoted,
        /// The value of `from-file`.
        #[label("named here")]
        span: SourceSpan,
    },

    /// An entry of docker-images that is no reference.
    #[error("`{image}` cannot be fetched as a docker-image: {reason}")]
    #[diagnostic(
        code(workspace::invalid_docker_image),
        help("write it as `HOST/NAME:TAG@sha256:DIGEST`; images of Docker's library are `docker.io/library/NAME`")
    )]
    InvalidDockerImage {
        /// As written.
        image: String,
        /// The rule that it breaks.
        reason: String,
        /// The file with the entry.
        #[source_code]
        source_code: Quoted,
        /// The entry.
        #[label("this image")]
        span: SourceSpan,
    },

    /// An entry of docker-images without a digest.
    #[error("the docker-image `{image}` has no digest")]
    #[diagnostic(
        code(workspace::missing_digest),
        help("add `@sha256:DIGEST`, so that the build does not change when the tag moves")
    )]
    MissingDigest {
        /// As written.
        image: String,
        /// The file with the entry.
        #[source_code]
        source_code: Quoted,
        /// The entry.
        #[label("no digest here")]
        span: SourceSpan,
    },

    /// The Dockerfile is not there.
    #[error("the Dockerfile `{path}` of this package is missing{}", template.as_ref().map(|template| format!("; its template `{template}` is there")).unwrap_or_default())]
    #[diagnostic(code(workspace::missing_dockerfile))]
    MissingDockerfile {
        /// Relative to the root.
        path: String,
        /// A template beside it, relative to the root.
        template: Option<String>,
        /// What to do.
        #[help]
        help: String,
        /// The build yml.
        #[source_code]
        source_code: Quoted,
        /// The value of `dockerfile`, or of `image` where that is left out.
        #[label("asked for by this package")]
        span: SourceSpan,
    },

    /// The Dockerfile is there and cannot be read.
    #[error("the Dockerfile `{path}` of this package cannot be read: {reason}")]
    #[diagnostic(code(workspace::unreadable_dockerfile), help("make it a readable text file"))]
    UnreadableDockerfile {
        /// Relative to the root.
        path: String,
        /// What the system said.
        reason: String,
        /// The build yml.
        #[source_code]
        source_code: Quoted,
        /// The value of `dockerfile`, or of `image` where that is left out.
        #[label("asked for by this package")]
        span: SourceSpan,
    },

    /// The path of the Dockerfile has `..` in it.
    #[error("the Dockerfile `{dockerfile}` has `..` in its path")]
    #[diagnostic(
        code(workspace::dockerfile_outside_package),
        help("move it below the package directory: the directory is all that a build sees and that the tag covers")
    )]
    DockerfileOutsidePackage {
        /// As written.
        dockerfile: String,
        /// The build yml.
        #[source_code]
        source_code: Quoted,
        /// The value of `dockerfile`.
        #[label("refused")]
        span: SourceSpan,
    },

    /// A profile that kitmake.yml does not have.
    #[error("there is no profile `{name}`")]
    #[diagnostic(code(workspace::unknown_profile))]
    UnknownProfile {
        /// As asked for.
        name: String,
        /// The one that may be meant, or all of them.
        #[help]
        help: String,
    },

    /// A file of build args cannot be read.
    #[error("the build args in `{path}` cannot be read: {reason}")]
    #[diagnostic(code(workspace::unreadable_build_args))]
    UnreadableBuildArgs {
        /// Relative to the root where it lies below.
        path: String,
        /// What the system said.
        reason: String,
        /// What to do.
        #[help]
        help: String,
        /// kitmake.yml, where that names it.
        #[source_code]
        source_code: Option<Quoted>,
        /// The name of the file there.
        #[label("named here")]
        span: Option<SourceSpan>,
    },

    /// Entries of kitmake.yml that name nothing.
    #[error("`kitmake.yml` names {} not there", if labels.len() == 1 { "something that is" } else { "things that are" })]
    #[diagnostic(
        code(workspace::missing_listed),
        help("directories and Dockerfiles are relative to the root, the files of a package to its directory")
    )]
    MissingListed {
        /// The file.
        #[source_code]
        source_code: Quoted,
        /// Each entry.
        #[label(collection)]
        labels: Vec<LabeledSpan>,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        match self {
            Self::NoRoot { .. } | Self::UnknownProfile { .. } | Self::UnreadableBuildArgs { source_code: None, .. } => {
                Class::Usage
            }
            _ => Class::Repository,
        }
    }
}
