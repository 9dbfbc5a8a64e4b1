//! build.yml: what a package says about itself.

use std::ops::Range;

use crate::problem::{Problem, SourceFile};

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value itself.
    pub value: T,
    /// The byte range of the value in the file.
    pub span: Range<usize>,
    /// The line of the value, counted from 1.
    pub line: u32,
}

/// The fields of a build.yml, with the defaults of `linuxkit pkg` filled in.
#[derive(Debug, Clone)]
pub struct BuildYml {
    /// The file itself, for diagnostics.
    pub source: SourceFile,
    /// Mandatory, never empty.
    pub image: String,
    /// `linuxkit` by default; may hold a registry host.
    pub org: String,
    /// The tag template, `{{.Hash}}` by default.
    pub tag: Located<String>,
    /// Relative to the package directory, `Dockerfile` by default.
    pub dockerfile: Located<String>,
    /// Architectures as written, or the defaults amd64, arm64, riscv64; empty means never built.
    pub arches: Vec<Located<String>>,
    /// `src:dst` entries as written.
    pub extra_sources: Vec<Located<String>>,
    /// A URL; only a label and a build arg. linuxkit's own repository by default.
    pub gitrepo: String,
    /// Whether build steps may use the network.
    pub network: bool,
    /// Whether the engine's build cache is not to be used.
    pub disable_cache: bool,
    /// Whether images of this package are not signed (a key of the years 2017 to 2021).
    pub disable_content_trust: bool,
    /// The JSON text of the label `org.mobyproject.config`, if the yml has a `config`.
    pub config_label: Option<String>,
    /// `KEY=VALUE` entries as written.
    pub build_args: Vec<Located<String>>,
    /// `depends.docker-images`, with `from-file` read.
    pub docker_images: DockerImages,
}

/// Images that a build wants as tar files in its context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerImages {
    /// Where each image becomes a tar file of its own, relative to the package directory.
    pub target_dir: Option<String>,
    /// One tar file for all images, relative to the package directory.
    pub target: Option<String>,
    /// The file that lists them, relative to the package directory.
    pub from_file: Option<String>,
    /// The images, each with a digest; `file` says where each entry is written.
    pub images: Vec<DockerImage>,
}

/// One entry of `depends.docker-images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// As written; always has a digest.
    pub reference: crate::image::Reference,
    /// The file with the entry (the build yml or the from-file), relative to the root.
    pub file: String,
    /// Its line in that file, counted from 1.
    pub line: u32,
}

/// What came of reading a build.yml.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The fields, if there was no error.
    pub build: Option<BuildYml>,
    /// Errors, all of them.
    pub problems: Vec<Problem>,
    /// Unknown and legacy keys.
    pub warnings: Vec<Problem>,
}
