//! Why a plan cannot be run, as far as the plan itself finds it out.

use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::node::Place;
use crate::image::Reference;
use crate::problem::{Class, Fault, Problem};

/// Why a plan cannot be run.
#[derive(Debug, Error, Diagnostic)]
pub enum PlanError {
    /// A dirty package is to be pushed.
    #[error("refusing to push {packages}: {why}")]
    #[diagnostic(
        code(plan::dirty_push),
        help("commit or discard the changes (`kitmake show-tag -v` names them), or build without `--push`")
    )]
    DirtyPush {
        /// The packages.
        packages: String,
        /// Dirty themselves, or made from dirty ones.
        why: String,
    },
    /// It is to be pushed, is nowhere, and is not to be built.
    #[error("`{image}` of `{package}` for {platform} is nowhere to be had, and nothing is to be built")]
    #[diagnostic(
        code(plan::not_there),
        help("build it first, leave `--nobuild` away, or select the packages and platforms that are there")
    )]
    NotThere {
        /// The package.
        package: String,
        /// The platform.
        platform: String,
        /// The image.
        image: String,
    },
    /// An index of nothing is to be made.
    #[error(
        "there is nothing to make the index `{image}` of `{package}` from: the registry has it for no architecture"
    )]
    #[diagnostic(
        code(plan::nothing_to_list),
        help("push the images first, on a machine of each architecture: `kitmake push --manifest=false`")
    )]
    NothingToList {
        /// The package.
        package: String,
        /// The index.
        image: String,
    },
    /// An index is written, and lacks a platform.
    #[error("the index `{image}` of `{package}` has no image for {platforms}")]
    #[diagnostic(
        code(plan::lacks_platforms),
        help(
            "push it on a machine of that architecture with `kitmake push --manifest=false`, then write the index again"
        )
    )]
    LacksPlatforms {
        /// The package.
        package: String,
        /// The index.
        image: String,
        /// Those that were asked for and that the package lists.
        platforms: String,
    },
    /// A release of what is built elsewhere and has not been pushed.
    #[error("`{package}` is not released: it is not built here, and the registry has no index `{image}`")]
    #[diagnostic(
        code(plan::nothing_to_release),
        help("release it where it is built, or after it was pushed from there; a release is of the index")
    )]
    NothingToRelease {
        /// The package.
        package: String,
        /// The index.
        image: String,
    },
    /// An image that was made from other inputs is not vouched for.
    #[error("`{package}` is not {left_out}: its image for {platforms} was made from other inputs than it has here")]
    #[diagnostic(
        code(plan::not_vouched_for),
        help("`--on-outdated rebuild` builds it again and publishes that; everything else is done")
    )]
    NotVouchedFor {
        /// The package.
        package: String,
        /// What is not done.
        left_out: String,
        /// Those of the outdated images.
        platforms: String,
    },
    /// There is a mistake in the Dockerfile of a package that was asked for, or that one of these is built on.
    #[error("`{package}` cannot be built: {why}")]
    #[diagnostic(
        code(plan::not_buildable),
        help(
            "mend the Dockerfile, which can get values from `buildArgs` or `--build-arg-file`, or leave the package out with \
             `'!{package}'`; all others are done"
        )
    )]
    NotBuildable {
        /// The package.
        package: String,
        /// What is wrong.
        why: String,
        /// The Dockerfile.
        #[source_code]
        source_code: NamedSource<Arc<str>>,
        /// The first mistake.
        #[label("here")]
        span: SourceSpan,
    },
    /// The builder cannot run what a build runs.
    #[error("{packages} cannot be built: the builder cannot run programs of {platform}")]
    #[diagnostic(
        code(plan::no_emulator),
        help(
            "install an emulator on the builder's machine:\n\
             `docker run --privileged --rm tonistiigi/binfmt --install {arch}`\n\
             or Debian's package qemu-user-static; or build in a stage `FROM --platform=$BUILDPLATFORM`;\n\
             all others are done"
        )
    )]
    NoEmulator {
        /// The packages that were asked for.
        packages: String,
        /// The platform of the programs.
        platform: String,
        /// Its architecture.
        arch: String,
    },
    /// What is asked for lists a platform that what it is built on is not for.
    #[error("{packages} cannot be built for {platform}: `{base}`, which is needed for that, is not built for it")]
    #[diagnostic(
        code(plan::base_lacks_platform),
        help(
            "let `{base}` be built for it, or take the platform from the `arches` of what is built on it; all others are done"
        )
    )]
    BaseLacksPlatform {
        /// The packages that were asked for.
        packages: String,
        /// The platform.
        platform: String,
        /// What they are built on, directly or not.
        base: String,
    },
    /// Content trust is on, and what a package is built from is not signed.
    #[error("`{package}` is built from `{image}` ({place}), which is not signed")]
    #[diagnostic(
        code(plan::unsigned),
        help(
            "have its publisher sign it; or say `disable-content-trust: true` in the build yml, or `--disable-content-trust`"
        )
    )]
    Unsigned {
        /// The image, by its tag.
        image: String,
        /// The package.
        package: String,
        /// File and line.
        place: String,
    },
    /// An extra source is to be put where no build sees it.
    #[error("`{destination}` is no path inside the build context")]
    #[diagnostic(
        code(plan::outside_context),
        help("what stands behind the `:` is relative to the package directory and stays below it: remove the `..`")
    )]
    OutsideContext {
        /// As cleaned.
        destination: String,
        /// The build yml.
        #[source_code]
        source_code: NamedSource<Arc<str>>,
        /// The entry.
        #[label("this extra source")]
        span: SourceSpan,
    },
    /// Images are to be placed in a build context, and nobody says where.
    #[error("the docker-images of `{package}` ({place}) have no `target` and no `target-dir`")]
    #[diagnostic(
        code(plan::no_target),
        help("add `target-dir: PATH` for a tar file of each image, or `target: FILE` for one of them all")
    )]
    NoTarget {
        /// The package.
        package: String,
        /// File and line of the first one.
        place: String,
    },
    /// A release exists, and is another image.
    #[error("`{image}` is another image than `{package}` has here, and a release is never overwritten")]
    #[diagnostic(
        code(plan::release_taken),
        help("choose another name for the release, or overwrite this one with `--force-release`")
    )]
    ReleaseTaken {
        /// The package.
        package: String,
        /// The release.
        image: String,
    },
    /// What is to be built is built on an image that is nowhere.
    #[error("`{image}` is nowhere to be had for {platforms}, and {users}")]
    #[diagnostic(code(plan::unsatisfiable_pin), help("{help}"))]
    UnsatisfiablePin {
        /// What is to be built on it, and where each says so if there are several.
        users: String,
        /// The image.
        image: String,
        /// The platforms that it is needed for.
        platforms: String,
        /// What to do.
        help: String,
        /// The Dockerfile.
        #[source_code]
        source_code: Option<NamedSource<Arc<str>>>,
        /// The reference.
        #[label("this image")]
        at: Option<SourceSpan>,
    },
    /// A question that was not asked decides.
    #[error("nobody asked whether {place} has `{image}`")]
    #[diagnostic(
        code(plan::not_asked),
        help("plan without `--offline`, or count what cannot be asked as missing with `--assume-missing[=SELECTOR]`")
    )]
    NotAsked {
        /// Which place.
        place: &'static str,
        /// The image.
        image: String,
    },
    /// What is taken for an image may well be meant to be a stage.
    #[error("no stage above is called `{name}`, so it is taken for an image, which is not known to be there")]
    #[diagnostic(
        code(plan::like_stage),
        help("correct the name if a stage is meant; an image is told apart by a tag, such as `{name}:1`")
    )]
    LikeStage {
        /// As written.
        name: String,
        /// The Dockerfile.
        #[source_code]
        source_code: NamedSource<Arc<str>>,
        /// Where it stands.
        #[label("neither a stage nor an image that is known")]
        at: SourceSpan,
    },
    /// The name that an image would get is none.
    #[error("the image of `{package}` cannot be called `{name}`: {why}")]
    #[diagnostic(
        code(plan::illegal_name),
        help("change `org`, `image` or `tag` in its build yml, or the flags that replace them")
    )]
    IllegalName {
        /// The package.
        package: String,
        /// The name.
        name: String,
        /// The rule that it breaks.
        why: String,
    },
    /// Tree hashes of another commit than the one that is checked out.
    #[error("cannot plan a build from the commit `{commit}`: only what is checked out as HEAD can be built")]
    #[diagnostic(
        code(plan::other_commit),
        help("check that commit out and leave `--hash-commit` away; `show-tag` takes it")
    )]
    OtherCommit {
        /// As asked for.
        commit: String,
    },
    /// A published image was made from other inputs, and that is to be an error.
    #[error("`{image}` for {platform} is there, but was made from other inputs than `{package}` has here")]
    #[diagnostic(
        code(plan::outdated),
        help("`--on-outdated rebuild` builds it again, `--on-outdated warn` uses it as it is")
    )]
    Outdated {
        /// The package.
        package: String,
        /// The platform.
        platform: String,
        /// The image.
        image: String,
    },
}

impl Fault for PlanError {
    fn of_host(&self) -> Option<(&str, &str)> {
        match self {
            Self::NotAsked { place, image } => Some((place, image)),
            _ => None,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NotAsked { .. }
            | Self::NotThere { .. }
            | Self::NothingToList { .. }
            | Self::NothingToRelease { .. }
            | Self::NoEmulator { .. }
            | Self::LacksPlatforms { .. } => Class::Infrastructure,
            Self::OtherCommit { .. } => Class::Usage,
            Self::NotVouchedFor { .. } => Class::Unpublished,
            Self::DirtyPush { .. }
            | Self::IllegalName { .. }
            | Self::Outdated { .. }
            | Self::NotBuildable { .. }
            | Self::LikeStage { .. }
            | Self::BaseLacksPlatform { .. }
            | Self::OutsideContext { .. }
            | Self::NoTarget { .. }
            | Self::UnsatisfiablePin { .. }
            | Self::Unsigned { .. }
            | Self::ReleaseTaken { .. } => Class::Repository,
        }
    }
}

/// The problem of a question that was not asked.
pub(super) fn not_asked(place: Place, image: &Reference) -> Problem {
    let place = match place {
        Place::Builder => "the builder",
        Place::Cache => "linuxkit's cache",
        Place::Index | Place::ArchTag => "the registry",
    };
    PlanError::NotAsked { place, image: image.to_string() }.into()
}
