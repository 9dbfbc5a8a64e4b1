//! The graph for Graphviz.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{problems, shown};
use crate::git::Tags;
use crate::graph::{Edge, Graph, State};
use crate::workspace::{PackageId, Workspace};

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

#[cfg(test)]
mod tests {
    use super::super::testing::small;
    use super::*;

    #[test]
    fn dot_draws_what_is_between_packages() {
        let repo = small();
        insta::assert_snapshot!(dot(&repo.graph, &repo.workspace, &repo.tags, None, DotOptions::default()));
    }

    #[test]
    fn dot_can_draw_what_comes_from_outside() {
        let repo = small();
        let base = [repo.id("pkg/base")];
        let options = DotOptions { external: true };
        insta::assert_snapshot!(dot(&repo.graph, &repo.workspace, &repo.tags, Some(&base), options));
    }

    #[test]
    fn a_name_with_quotes_stays_one_dot_string() {
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
    }
}
