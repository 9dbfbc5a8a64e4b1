//! From workspace and tags to edges.

use crate::git::Tags;
use crate::image::Platform;
use crate::workspace::Workspace;

use super::Graph;

/// Builds the graph for the architectures of each yml and for `platforms`; `builder` is the builder's own platform.
#[must_use]
pub fn build(workspace: &Workspace, tags: &Tags, platforms: &[Platform], builder: &Platform) -> Graph {
    unimplemented!("{workspace:?} {tags:?} {platforms:?} {builder:?}")
}
