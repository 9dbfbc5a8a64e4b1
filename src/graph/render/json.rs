//! The graph for programs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{problems, shown};
use crate::git::Tags;
use crate::graph::{Edge, Graph, Kind, Sort, State};
use crate::image::Platform;
use crate::workspace::{PackageId, PackageName, Workspace};

/// The version of [`Json`]: it changes when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// The graph as `graph --format json` prints it.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    schema_version: u32,
    packages: Vec<JsonPackage<'a>>,
    edges: Vec<JsonEdge<'a>>,
    /// The packages that cannot be read in full and may have more edges, or may be what an edge names.
    unread: BTreeSet<PackageName>,
}

#[derive(Debug, Serialize)]
struct JsonPackage<'a> {
    id: &'a PackageName,
    path: &'a str,
    /// Relative to the root.
    build_yml: String,
    /// Org and image; null when the yml cannot be read.
    image: Option<String>,
    /// Null when it cannot be computed, and then `problem` says why.
    tag: Option<String>,
    /// Null when there is no tag.
    dirty: Option<bool>,
    /// The platforms that the yml lists.
    platforms: Vec<Platform>,
    /// What is wrong with the package.
    problem: Option<String>,
}

/// An edge for JSON.
#[derive(Debug, Serialize)]
pub struct JsonEdge<'a> {
    from: &'a PackageName,
    to: Option<&'a PackageName>,
    sort: Sort,
    kind: Kind,
    reference: &'a str,
    state: State,
    file: &'a str,
    line: u32,
    /// The platforms of `from` whose build needs it.
    platforms: &'a [Platform],
}

impl<'a> JsonEdge<'a> {
    /// An edge between packages of this workspace.
    #[must_use]
    pub fn new(workspace: &'a Workspace, edge: &'a Edge) -> Self {
        let name = |id: PackageId| &workspace.package(id).name;
        Self {
            from: name(edge.from),
            to: edge.to.map(name),
            sort: edge.sort,
            kind: edge.kind,
            reference: &edge.reference,
            state: edge.state,
            file: &edge.file,
            line: edge.line,
            platforms: &edge.platforms,
        }
    }
}

/// The graph for JSON: all packages, or those `selected` with all that they need; and the edges that leave them. `unread` are
/// the packages because of which these may not be all.
#[must_use]
pub fn json<'a>(
    graph: &'a Graph,
    workspace: &'a Workspace,
    tags: &Tags,
    selected: Option<&[PackageId]>,
    unread: BTreeSet<PackageName>,
) -> Json<'a> {
    let shown = shown(graph, workspace, selected);
    Json {
        schema_version: SCHEMA_VERSION,
        packages: shown.iter().map(|&id| package(graph, workspace, tags, id)).collect(),
        edges: shown.iter().flat_map(|&id| graph.edges_of(id)).map(|edge| JsonEdge::new(workspace, edge)).collect(),
        unread,
    }
}

fn package<'a>(graph: &Graph, workspace: &'a Workspace, tags: &Tags, id: PackageId) -> JsonPackage<'a> {
    let package = workspace.package(id);
    let tag = tags.get(id);
    let arches = package.build.iter().flat_map(|build| &build.arches);
    let platforms: BTreeSet<Platform> = arches.map(|arch| Platform::linux(&arch.value)).collect();
    let problems: Vec<String> = problems(graph, workspace, tags, id).map(ToString::to_string).collect();
    let image = package.build.as_ref().map(|build| format!("{}/{}", build.org, build.image));
    let prefix = image.as_ref().map(|image| format!("{image}:")).unwrap_or_default();
    JsonPackage {
        id: &package.name,
        path: &package.path,
        build_yml: if package.path == "." { package.yml.clone() } else { format!("{}/{}", package.path, package.yml) },
        image,
        tag: tag.and_then(|tag| tag.identity.as_str().strip_prefix(&prefix)).map(str::to_owned),
        dirty: tag.map(crate::git::PackageTag::is_dirty),
        platforms: platforms.into_iter().collect(),
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::small;
    use super::*;

    #[test]
    fn json_has_every_package_and_edge_with_all_fields() {
        let repo = small();
        let json = serde_json::to_string_pretty(&json(&repo.graph, &repo.workspace, &repo.tags, None, BTreeSet::new()))
            .unwrap();
        insta::assert_snapshot!(json);
    }

    #[test]
    fn a_selection_shows_what_it_needs_and_no_more() {
        let repo = small();
        let names = |selected: &str| -> Vec<String> {
            let id = [repo.id(selected)];
            let json = json(&repo.graph, &repo.workspace, &repo.tags, Some(&id), BTreeSet::new());
            json.packages.iter().map(|package| package.id.to_string()).collect()
        };
        assert_eq!(names("pkg/user:b.yml"), ["pkg/base", "pkg/mid", "pkg/old", "pkg/user:b.yml"]);
        assert_eq!(names("pkg/base"), ["pkg/base"]);
    }
}
