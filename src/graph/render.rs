//! The graph as text: dot and JSON.
//!
//! Both show the same packages: all of them, or those selected with all that they need. Sorted, so that the same
//! repository gives the same bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::git::Tags;
use crate::image::Platform;
use crate::problem::Problem;
use crate::workspace::{PackageId, PackageName, Workspace};

use super::{Edge, Graph, Kind, Sort, State};

/// The version of [`Json`]: it changes when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// The graph as `graph --format json` prints it.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    schema_version: u32,
    packages: Vec<JsonPackage<'a>>,
    edges: Vec<JsonEdge<'a>>,
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

#[derive(Debug, Serialize)]
struct JsonEdge<'a> {
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

/// The graph for JSON: all packages, or those `selected` with all that they need; and the edges that leave them.
#[must_use]
pub fn json<'a>(graph: &'a Graph, workspace: &'a Workspace, tags: &Tags, selected: Option<&[PackageId]>) -> Json<'a> {
    let shown = shown(graph, workspace, selected);
    let name = |id: PackageId| &workspace.package(id).name;
    let edge = |edge: &'a Edge| JsonEdge {
        from: name(edge.from),
        to: edge.to.map(name),
        sort: edge.sort,
        kind: edge.kind,
        reference: &edge.reference,
        state: edge.state,
        file: &edge.file,
        line: edge.line,
        platforms: &edge.platforms,
    };
    Json {
        schema_version: SCHEMA_VERSION,
        packages: shown.iter().map(|&id| package(graph, workspace, tags, id)).collect(),
        edges: shown.iter().flat_map(|&id| graph.edges_of(id)).map(edge).collect(),
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

/// Everything that is wrong with a package, in the order in which it was found out.
fn problems<'a>(
    graph: &'a Graph,
    workspace: &'a Workspace,
    tags: &'a Tags,
    id: PackageId,
) -> impl Iterator<Item = &'a Problem> {
    let package = workspace.package(id);
    let tag = tags.packages.get(id.index()).and_then(|tag| tag.as_ref()?.as_ref().err());
    let own = package.problems.iter().chain(tag).chain(&package.dockerfile_problem);
    own.chain(graph.problems.get(&id).into_iter().flatten())
}

/// What a drawing shows besides packages and the edges between them.
#[derive(Debug, Clone, Copy, Default)]
pub struct DotOptions {
    /// Images that are made elsewhere, and references that name nothing.
    pub external: bool,
}

/// The graph for Graphviz: an arrow leads from a package to what it needs. Current images are solid, stale pins dashed,
/// inputs dotted; a package with a problem is red.
#[must_use]
pub fn dot(
    graph: &Graph,
    workspace: &Workspace,
    tags: &Tags,
    selected: Option<&[PackageId]>,
    options: DotOptions,
) -> String {
    let shown = shown(graph, workspace, selected);
    let mut text = String::from("digraph kitmake {\n  rankdir=LR;\n  node [shape=box];\n");
    let mut external = BTreeSet::new();
    let mut arrows = BTreeSet::new();
    for &id in &shown {
        let color = if problems(graph, workspace, tags, id).next().is_some() { " [color=red]" } else { "" };
        line(&mut text, &format!("{}{color};", quoted(workspace.package(id).name.as_str())));
    }
    for edge in shown.iter().flat_map(|&id| graph.edges_of(id)) {
        let to = match edge.to {
            Some(to) => quoted(workspace.package(to).name.as_str()),
            None if options.external => {
                external.insert(edge.reference.as_str());
                outside(&edge.reference)
            }
            None => continue,
        };
        arrows.insert((edge.from, to, style(edge)));
    }
    for name in external {
        line(&mut text, &format!("{} [label={}, shape=ellipse, color=gray];", outside(name), quoted(name)));
    }
    for (from, to, style) in arrows {
        line(&mut text, &format!("{} -> {to}{style};", quoted(workspace.package(from).name.as_str())));
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("writing to a string does not fail");
}

fn style(edge: &Edge) -> &'static str {
    match edge.state {
        State::Current if edge.platforms.is_empty() => " [color=gray]",
        State::Current => "",
        State::Stale => " [style=dashed]",
        State::Input => " [style=dotted]",
        State::External => " [color=gray]",
        State::Unresolved => " [color=red]",
    }
}

/// The node of something that is no package; the blank keeps it apart from any package of that name.
fn outside(reference: &str) -> String {
    quoted(&format!("outside {reference}"))
}

/// A Graphviz string: only the quote needs an escape, and a backslash must not become one.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn shown(graph: &Graph, workspace: &Workspace, selected: Option<&[PackageId]>) -> Vec<PackageId> {
    selected.map_or_else(|| workspace.ids().collect(), |selected| graph.with_needed(selected))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pkg, Repo, repo};
    use super::*;

    fn small() -> Repo {
        repo([
            Pkg::new("pkg/base").from("debian:12").arches(&["arm64", "amd64"]).dirty(),
            Pkg::new("pkg/lost").unreadable(),
            Pkg::new("pkg/mid").dockerfile("FROM t/base:now\nCOPY --from=t/old:then / /\n").source("/r/pkg/base/x"),
            Pkg::new("pkg/old").untagged(),
            Pkg::new("pkg/user").yml("b.yml").from("t/mid:now"),
        ])
    }

    #[test]
    fn json_has_every_package_and_edge_with_all_fields() {
        let repo = small();
        let json = serde_json::to_string_pretty(&json(&repo.graph, &repo.workspace, &repo.tags, None)).unwrap();
        insta::assert_snapshot!(json);
    }

    #[test]
    fn dot_draws_what_is_between_packages() {
        let repo = small();
        insta::assert_snapshot!(dot(&repo.graph, &repo.workspace, &repo.tags, None, DotOptions::default()));
    }

    #[test]
    fn dot_can_draw_what_comes_from_outside() {
        let repo = small();
        let base = [repo.id("pkg/base")];
        insta::assert_snapshot!(dot(
            &repo.graph,
            &repo.workspace,
            &repo.tags,
            Some(&base),
            DotOptions { external: true }
        ));
    }

    #[test]
    fn a_selection_shows_what_it_needs_and_no_more() {
        let repo = small();
        let names = |selected: &str| -> Vec<String> {
            let id = [repo.id(selected)];
            let json = json(&repo.graph, &repo.workspace, &repo.tags, Some(&id));
            json.packages.iter().map(|package| package.id.to_string()).collect()
        };
        assert_eq!(names("pkg/user:b.yml"), ["pkg/base", "pkg/mid", "pkg/old", "pkg/user:b.yml"]);
        assert_eq!(names("pkg/base"), ["pkg/base"]);
    }

    #[test]
    fn a_name_with_quotes_stays_one_dot_string() {
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
    }
}
