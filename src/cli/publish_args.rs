//! Options on what is published, and how they become [`Publish`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use crate::image::{Platform, Reference};
use crate::plan::{Publish, Release};
use crate::problem::{Class, Fault, Problem};

/// Options on what is published.
#[derive(Debug, Clone, Args)]
pub(super) struct PublishArgs {
    /// Push what the registry lacks
    #[arg(help_heading = "Publishing", long)]
    push: bool,
    /// Build nothing; publish what is there
    #[arg(help_heading = "Publishing", long, conflicts_with = "force")]
    nobuild: bool,
    /// Push the images; `--image=false` builds and pushes none and makes the index from what the registry has
    #[arg(help_heading = "Publishing", long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set)]
    image: bool,
    /// Push the index over the platforms; `--manifest=false` leaves it to a later run
    #[arg(help_heading = "Publishing", long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set)]
    manifest: bool,
    /// Sign what is pushed with this key: PKCS#8 or SEC1 in PEM, or cosign's with its password in `COSIGN_PASSWORD`
    #[arg(help_heading = "Publishing", long, value_name = "FILE", env = "KITMAKE_SIGN_KEY")]
    sign_key: Option<OsString>,
    /// Sign what is pushed if it is configured; `--sign=false` does not
    #[arg(help_heading = "Publishing", long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set)]
    sign: bool,
    /// Give the index of each package this tag, too
    #[arg(help_heading = "Publishing", long, value_name = "TAG", value_parser = parse_release)]
    release: Option<String>,
    /// Let the release be taken from another image that has it
    #[arg(help_heading = "Publishing", long, requires = "release")]
    force_release: bool,
}

/// Options that do not go together.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum PublishError {
    #[error("{option} is about what is pushed, and nothing is to be pushed")]
    #[diagnostic(code(cli::nothing_is_pushed), help("add `--push`, or use `kitmake push`"))]
    NothingIsPushed { option: &'static str },
    #[error("neither images nor index are to be pushed")]
    #[diagnostic(code(cli::nothing_to_push), help("leave `--image=false` or `--manifest=false` away"))]
    NothingToPush,
    #[error("a release is a tag of the index, which is not to be pushed")]
    #[diagnostic(code(cli::release_without_index), help("leave `--manifest=false` or `--release` away"))]
    ReleaseWithoutIndex,
    #[error("an index is made of what the registry has, and no registry is to be asked")]
    #[diagnostic(code(cli::index_offline), help("leave `--offline` or `--image=false` away"))]
    IndexOffline,
}

impl Fault for PublishError {
    fn class(&self) -> Class {
        Class::Usage
    }
}

impl PublishArgs {
    /// Whether nothing is built.
    pub(super) fn nobuild(&self) -> bool {
        self.nobuild || !self.image
    }

    /// The absolute path of the key that signs, where something is pushed and signed.
    pub(super) fn sign_key(&self, push: bool, directory: &Path) -> Option<PathBuf> {
        self.sign_key
            .as_ref()
            .filter(|file| self.sign && (push || self.push) && !file.is_empty())
            .map(|file| directory.join(file))
    }

    /// What is published, with `push` if the verb already means so; `offline` if no registry is asked.
    pub(super) fn publish(&self, push: bool, offline: bool) -> Result<Option<Publish>, Problem> {
        if !push && !self.push {
            let options = [
                ("--nobuild", self.nobuild),
                ("--image=false", !self.image),
                ("--manifest=false", !self.manifest),
                ("--release", self.release.is_some()),
            ];
            return match options.into_iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(PublishError::NothingIsPushed { option }.into()),
                None => Ok(None),
            };
        }
        if !self.image && !self.manifest {
            return Err(PublishError::NothingToPush.into());
        }
        if !self.image && offline {
            return Err(PublishError::IndexOffline.into());
        }
        if self.release.is_some() && !self.manifest {
            return Err(PublishError::ReleaseWithoutIndex.into());
        }
        let release = self.release.clone().map(|name| Release { name, force: self.force_release });
        let sign = self.sign && self.sign_key.as_ref().is_some_and(|file| !file.is_empty());
        Ok(Some(Publish {
            images: self.image,
            index: self.manifest,
            release,
            notarize: self.sign && self.manifest,
            sign,
        }))
    }
}

/// Reads `--release`: a tag, and none of those that mean something else beside an index.
fn parse_release(text: &str) -> Result<String, String> {
    match format!("image:{text}").parse::<Reference>() {
        Ok(image) if image.tag() == Some(text) => {}
        _ => {
            return Err("a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"
                .to_owned());
        }
    }
    if text.starts_with("sha256-") {
        return Err("tags that begin with `sha256-` are those of signatures".to_owned());
    }
    let suffixes = Platform::ARCHITECTURES.into_iter().flat_map(|architecture| {
        let variants = ["", "v5", "v6", "v7", "v8"];
        variants.map(|variant| format!("-{architecture}{variant}"))
    });
    match suffixes.into_iter().find(|suffix| text.ends_with(suffix)) {
        Some(suffix) => Err(format!("a tag that ends with `{suffix}` is that of an image for one architecture")),
        None => Ok(text.to_owned()),
    }
}
