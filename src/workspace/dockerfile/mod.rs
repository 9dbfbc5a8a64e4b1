//! Dockerfile: the images a build refers to, for a platform.
//!
//! Parsing and expansion follow `BuildKit`'s Dockerfile frontend, since that is what will read the file: what it takes for
//! an image, a stage or an error is taken for the same here. Every reference knows the exact bytes that name it, so that a
//! rewrite changes nothing else. A file is parsed once and resolved per platform; nothing is read from disk and no image is
//! looked up. `ONBUILD` counts for the images built on this one, so its references are not listed.
//!
//! The parser is our own because the published ones do not hold up: dockerfile-parser 0.9 rejects heredocs, `# escape=` and
//! an `ARG` with two names; dockerfile-parser-rs 3.4 has no spans, keeps one `--mount` of several and rejects arguments of
//! one character such as `WORKDIR /`.
//!
//! | module | what it does |
//! |---|---|
//! | `lexer`, `heredoc` | lines to instructions |
//! | `text` | keeps track of where each character stands in the file |
//! | `parse` | instructions to global ARGs, stages and what they name |
//! | `variables`, `expand`, `glob` | the values of variables, and words with variables in them |
//! | `resolve` | the references for one platform |

mod error;
mod expand;
mod glob;
mod heredoc;
mod lexer;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;
mod text;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::image::Platform;
use crate::problem::{Problem, SourceFile};
pub use error::Error;

/// A parsed Dockerfile.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// The file itself.
    pub source: SourceFile,
    parsed: parse::Parsed,
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
    /// The image after expansion, or why it cannot be told, as part of a sentence: such as "no value for `TAG`".
    pub expanded: Result<String, String>,
    /// The platform it is needed for: that of `FROM --platform=`, else the target.
    pub platform: Platform,
    /// The byte range of the image (only) in the file, which a rewrite replaces.
    pub span: Range<usize>,
    /// Where the image stands literally when `written` is a global ARG and nothing else (`${BASE}`) and the value is the
    /// default of that ARG: the byte range of the default's value, to change a pin there.
    pub origin: Option<Range<usize>>,
    /// The line of [`ImageReference::written_at`], counted from 1.
    pub line: u32,
    /// Whether the final stage needs it on this target platform.
    pub reached: bool,
    /// The build args and global ARGs through which it was expanded, sorted.
    pub through: Vec<String>,
}

impl ImageReference {
    /// What has to be edited for another image: the literal in the default of an ARG, else the place of use.
    #[must_use]
    pub fn written_at(&self) -> &Range<usize> {
        self.origin.as_ref().unwrap_or(&self.span)
    }
}

/// Why a Dockerfile cannot be built for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBuildable {
    /// It has no stage for the platform, such as `FROM build-${TARGETARCH}`: that is how a Dockerfile says what it is for.
    NoStage(String),
    /// Somebody has to mend something.
    Mistake(Mistake),
}

/// What is wrong in a Dockerfile that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Part of a sentence, with lines; several reasons are joined by `; `.
    pub why: String,
    /// The byte range of what is wrong, the first of several.
    pub span: Range<usize>,
}

impl Mistake {
    /// All of them as one; `None` of none.
    #[must_use]
    pub fn all(mistakes: Vec<Self>) -> Option<Self> {
        let span = mistakes.first()?.span.clone();
        let mut said = BTreeSet::new();
        let each = mistakes.into_iter().map(|mistake| mistake.why).filter(|why| said.insert(why.clone()));
        Some(Self { why: each.collect::<Vec<_>>().join("; "), span })
    }
}

/// The references of a Dockerfile for one platform.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    /// In the order of the file.
    pub references: Vec<ImageReference>,
    /// Why the file cannot be built for this platform, if it cannot.
    pub not_buildable: Option<NotBuildable>,
    /// The platforms of the stages that the final stage needs and that run something: the builder must be able to run
    /// programs of these. A stage that is `FROM scratch` is not counted, since nobody knows whose programs were copied there.
    pub runs: BTreeSet<Platform>,
}

impl Dockerfile {
    /// Parses a Dockerfile. The problem is an [`Error`], the first of the file.
    pub fn parse(source: SourceFile) -> Result<Self, Problem> {
        let parsed = parse::parse(&source)?;
        Ok(Self { source, parsed })
    }

    /// The references it makes under a scope.
    #[must_use]
    pub fn resolve(&self, scope: &Scope<'_>) -> Resolution {
        resolve::resolve(&self.source, &self.parsed, scope)
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
