//! Dockerfile: the images a build refers to, for a platform.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::image::Platform;
use crate::problem::{Problem, SourceFile};

/// A parsed Dockerfile.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// The file itself.
    pub source: SourceFile,
}

/// What the expansion of a Dockerfile depends on.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// Build args of the package, by name.
    pub build_args: &'a BTreeMap<String, String>,
    /// The platform the image is for: `TARGETPLATFORM`, `TARGETARCH`, `TARGETOS`, `TARGETVARIANT`.
    pub target: &'a Platform,
    /// The builder's own: `BUILDPLATFORM` and the like.
    pub build: &'a Platform,
}

/// Which instruction refers to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// `FROM image`
    From,
    /// `COPY --from=image` or `ADD --from=image`
    CopyFrom,
    /// `RUN --mount=from=image`
    MountFrom,
}

/// One reference to an image that is not a stage of the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// The instruction.
    pub kind: ReferenceKind,
    /// The image as written, variables unexpanded.
    pub written: String,
    /// The image after expansion, or the names of the variables without a value (or why it cannot be expanded).
    pub expanded: Result<String, String>,
    /// The platform it is needed for: that of `FROM --platform=`, else the target.
    pub platform: Platform,
    /// The byte range of the image (only) in the file, which a rewrite replaces.
    pub span: Range<usize>,
    /// Its line, counted from 1.
    pub line: u32,
    /// Whether the final stage needs it on this target platform.
    pub reached: bool,
    /// The build args and global ARGs through which it was expanded.
    pub through: Vec<String>,
}

/// The references of a Dockerfile for one platform.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    /// In the order of the file.
    pub references: Vec<ImageReference>,
    /// Why the file cannot be built for this platform, such as `FROM build-${TARGETARCH}` without such a stage.
    pub not_buildable: Option<String>,
}

impl Dockerfile {
    /// Parses a Dockerfile.
    pub fn parse(source: SourceFile) -> Result<Self, Problem> {
        Ok(Self { source })
    }

    /// The references it makes under a scope.
    #[must_use]
    pub fn resolve(&self, _scope: &Scope<'_>) -> Resolution {
        unimplemented!()
    }

    /// The text with byte ranges replaced; the ranges must not overlap.
    #[must_use]
    pub fn rewrite(&self, replacements: &BTreeMap<(usize, usize), String>) -> String {
        let mut text = self.source.text.to_string();
        for (&(start, end), replacement) in replacements.iter().rev() {
            text.replace_range(start..end, replacement);
        }
        text
    }
}
