//! The dependency graph over all packages, by the law of edges.
//!
//! A reference is matched to a package by the org and image of its build yml, never by its directory or by a name that
//! the command line gives it. An equal tag makes the edge current; only current image edges order builds, and only they
//! can form a cycle.

mod closure;
mod cycle;
mod directories;
mod edges;
mod form;
mod glob;
mod inputs;
mod lkt;
mod order;
mod outputs;
mod paths;
mod query;
pub mod render;
mod repositories;
pub mod selector;
mod unread;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{DiGraph, NodeIndex};

use crate::image::Platform;
use crate::problem::Problem;
use crate::workspace::PackageId;
pub use crate::workspace::dockerfile::{Mistake, NotBuildable};

pub use edges::build;
pub(crate) use inputs::OWN_NAME;
pub use outputs::duplicate_outputs;
pub use repositories::Repositories;

/// Whether the image or the files, tag or published image of the other package are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Its built image.
    Image,
    /// Its files, its tag or its published image.
    Input,
}

/// Where an edge is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `FROM`
    From,
    /// `COPY --from=` or `ADD --from=`
    CopyFrom,
    /// `RUN --mount=from=`
    MountFrom,
    /// `extra-sources` of a build yml.
    ExtraSource,
    /// `buildArgs` of a build yml with an `@lkt:` value.
    BuildArg,
    /// `depends.docker-images` of a build yml.
    DockerImage,
}

impl Kind {
    /// As it is printed, and as it is called in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::CopyFrom => "copy-from",
            Self::MountFrom => "mount-from",
            Self::ExtraSource => "extra-source",
            Self::BuildArg => "build-arg",
            Self::DockerImage => "docker-image",
        }
    }
}

/// What an edge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Names a package of this repository with its computed tag.
    Current,
    /// Names a package of this repository with another tag, or itself.
    Stale,
    /// Names nothing here.
    External,
    /// A variable without a value.
    Unresolved,
    /// An input, whatever its tag.
    Input,
}

/// One reference of a package to something it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The package that needs.
    pub from: PackageId,
    /// The package that is needed; `None` when it is none of this repository.
    pub to: Option<PackageId>,
    /// What of it is needed.
    pub sort: Sort,
    /// Where it is written.
    pub kind: Kind,
    /// The image reference, or for an extra source its path relative to the root.
    pub reference: String,
    /// What it means.
    pub state: State,
    /// The file it is written in, relative to the root.
    pub file: String,
    /// Its line, counted from 1.
    pub line: u32,
    /// The platforms of `from` whose build needs it; none when no build reaches the stage it is written in.
    pub platforms: Vec<Platform>,
}

impl Edge {
    /// Whether `from` is built after `to`, joins `to` into its plan and is skipped when `to` fails.
    #[must_use]
    pub fn orders(&self) -> bool {
        self.sort == Sort::Image && self.state == State::Current && !self.platforms.is_empty()
    }

    /// By what edges are sorted.
    fn key(&self) -> (PackageId, Sort, Kind, &str, u32, &str, Option<PackageId>, State) {
        (self.from, self.sort, self.kind, &self.file, self.line, &self.reference, self.to, self.state)
    }
}

/// What one node refers to: a package on one platform.
#[derive(Debug, Clone, Default)]
pub struct NodeInputs {
    /// Resolved build args of the yml, in its order; presets are not among them.
    pub build_args: Vec<(String, String)>,
    /// The references of its Dockerfile with what each means.
    pub references: Vec<NodeReference>,
    /// Why its Dockerfile, if that can be read, cannot be built for this platform.
    pub not_buildable: Option<NotBuildable>,
    /// The platforms whose programs its build runs.
    pub runs: BTreeSet<Platform>,
}

/// One reference of a node's Dockerfile.
#[derive(Debug, Clone)]
pub struct NodeReference {
    /// As the Dockerfile has it.
    pub image: crate::workspace::dockerfile::ImageReference,
    /// What it means.
    pub state: State,
    /// The package of this repository it names, current or stale.
    pub package: Option<PackageId>,
    /// Whether its tag says that it is for another platform than the node. An engine takes such an image from a registry only.
    pub foreign: bool,
}

/// The packages as a petgraph over current image edges, and every edge of both sorts.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Needed by an edge -> needs: an edge `a -> b` means that `b` is built after `a`. Node weights are all packages in
    /// order, so that a node's index is its package's id. Edge weights index [`Graph::edges`].
    pub order: DiGraph<PackageId, usize>,
    /// Sorted.
    pub edges: Vec<Edge>,
    /// What each node refers to, for every platform asked for.
    pub nodes: BTreeMap<(PackageId, Platform), NodeInputs>,
    /// Errors by package: `@lkt:` values that name nothing, a cycle through it, and the like.
    pub problems: BTreeMap<PackageId, Vec<Problem>>,
    /// Why packages may need more than their edges say although their files can be read: references and values of which
    /// nobody knows what they name.
    pub open: BTreeMap<PackageId, Vec<Problem>>,
}

impl Graph {
    /// The petgraph node of a package.
    #[must_use]
    pub fn node(id: PackageId) -> NodeIndex {
        NodeIndex::new(id.index())
    }

    /// The edges that leave a package, in order.
    pub fn edges_of(&self, id: PackageId) -> impl Iterator<Item = &Edge> {
        let start = self.edges.partition_point(|edge| edge.from < id);
        self.edges[start..].iter().take_while(move |edge| edge.from == id)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
