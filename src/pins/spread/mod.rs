//! How far a change of packages would spread: what would be built anew, and which pins would be written anew.
//!
//! Nothing is changed and nobody is asked but git, which files it ignores. A package whose files change has a new tag; a
//! pin that is current is written anew for it, which changes the files of all packages that have the file of the pin. A
//! stale or allowed pin, and one of a package to itself, stays what it is and carries nothing on. A package that only takes
//! a value or the image of a changed one keeps its own tag, and has another key.

mod follow;
pub mod render;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::files::Files;
use super::list;

use crate::git::{Future, Tags};
use crate::graph::Graph;
use crate::problem::Problem;
use crate::workspace::{PackageId, PackageName, Workspace};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Assumed<'a> {
    /// The packages.
    pub workspace: &'a Workspace,
    /// Their tags; a pin is current by them.
    pub tags: &'a Tags,
    /// What they need.
    pub graph: &'a Graph,
    /// Those of which some file is assumed to change.
    pub changed: &'a [PackageId],
}

/// Why a package is built anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Cause {
    /// It is assumed to change.
    Assumed,
    /// Its directory is, or contains, that of a package that is assumed to change.
    Directory {
        /// That package.
        package: PackageName,
    },
    /// It takes files from the directory of a package that is assumed to change.
    ExtraSource {
        /// That package.
        package: PackageName,
        /// The build yml.
        file: String,
        /// Counted from 1.
        line: u32,
    },
    /// A pin in one of its files is written anew.
    Pin(Place),
    /// A build arg has the image of a package as its value (`@lkt:`).
    BuildArg(Place),
    /// It is built on the image of a package whose name stays right.
    BuiltOn(Place),
}

/// Where a package is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Relative to the root, or absolute where it lies outside.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// The image that is named.
    pub reference: String,
    /// The package that makes it.
    pub package: PackageName,
}

/// A package that is built anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// What it is called.
    #[serde(rename = "id")]
    pub name: PackageName,
    /// One more than the highest of those that it is built anew for; 1 for what is only assumed to change. Packages that
    /// are causes of each other share one.
    pub level: usize,
    /// Whether it has another tag, or only another key.
    pub new_tag: bool,
    /// Sorted; never empty.
    pub causes: Vec<Cause>,
}

/// A pin that would go stale and that no fix can write anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Left {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// Why it is left, as part of a sentence.
    pub why: String,
}

/// How far a change spreads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// What is assumed to change, sorted.
    pub assumed: Vec<PackageName>,
    /// What is built anew, by level, then name.
    pub packages: Vec<Rebuilt>,
    /// The pins that are written anew, sorted; each once, however many packages read it.
    pub pins: Vec<Place>,
    /// In how many files they are.
    pub files: usize,
    /// The pins that would need it and cannot be, sorted.
    pub left: Vec<Left>,
}

/// Follows a change through the pins and edges of a workspace.
pub fn spread(question: Assumed<'_>) -> Result<Spread, Problem> {
    let Assumed { workspace, tags, graph, .. } = question;
    let mut future = Future::new()?;
    let mut pins = list(workspace, tags, graph, &[]);
    let files = Files::new(workspace, &[], &pins, &mut future)?;
    files.mark_ignored(&mut pins);
    let covers: Vec<Vec<usize>> = files.all.iter().map(|file| file.covered_by.clone()).collect();
    Ok(follow::follow(question, &pins, &|pin| files.of(pin), &covers))
}
