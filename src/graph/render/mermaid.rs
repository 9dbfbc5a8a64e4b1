//! The graph for Mermaid, as GitHub and GitLab draw it in Markdown.
//!
//! Both keep Mermaid's own limits, and a page cannot lift them, so a graph that is too large is an error here instead of
//! a red box there.

use std::fmt::Write as _;

use miette::Diagnostic;

use super::{Line, lines, problems, shown};
use crate::git::{PackageTag, Tags};
use crate::graph::Graph;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::{PackageId, Workspace};

/// Mermaid's `maxEdges`.
const MOST_EDGES: usize = 500;

/// Mermaid's `maxTextSize`, in UTF-16 units, of which no character has more than it has bytes.
const MOST_TEXT: usize = 50_000;

/// Mermaid refuses the graph.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the graph is too large for Mermaid: {edges} edges in {bytes} bytes, of at most {MOST_EDGES} in {MOST_TEXT}")]
#[diagnostic(
    code(graph::mermaid_too_large),
    help(
        "name the packages to show, which come with what they need; `--format html` and `--format dot` have no limit"
    )
)]
struct TooLarge {
    edges: usize,
    bytes: usize,
}

impl Fault for TooLarge {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// The graph as a flowchart: an arrow leads from a package to what it needs. Current images are solid, stale pins dashed,
/// inputs dotted; a package with a problem is red, a dirty one yellow.
pub fn mermaid(
    graph: &Graph,
    workspace: &Workspace,
    tags: &Tags,
    selected: Option<&[PackageId]>,
) -> Result<String, Problem> {
    let shown = shown(graph, workspace, selected);
    let mut text = String::from("graph LR\n");
    for &id in &shown {
        let class = if problems(graph, workspace, tags, id).next().is_some() {
            ":::broken"
        } else if tags.get(id).is_some_and(PackageTag::is_dirty) {
            ":::dirty"
        } else {
            ""
        };
        line(&mut text, &format!("{}[\"{}\"]{class}", node(id), escaped(workspace.package(id).name.as_str())));
    }
    let arrows = lines(graph, &shown);
    for (&(from, to), &kind) in &arrows {
        let arrow = match kind {
            Line::Image | Line::Unused => "-->",
            Line::Stale | Line::Input => "-.->",
        };
        line(&mut text, &format!("{} {arrow} {}", node(from), node(to)));
    }
    for (kind, style) in [
        // Mermaid has one broken line; which one is told by the pattern.
        (Line::Stale, "stroke-dasharray:8 4"),
        (Line::Input, "stroke-dasharray:1 4"),
        (Line::Unused, "stroke:#999"),
    ] {
        let of_kind = arrows.values().enumerate().filter(|&(_, &arrow)| arrow == kind);
        let numbers: Vec<String> = of_kind.map(|(number, _)| number.to_string()).collect();
        if !numbers.is_empty() {
            line(&mut text, &format!("linkStyle {} {style}", numbers.join(",")));
        }
    }
    for (class, style) in [("broken", "stroke:#d1242f,stroke-width:2px"), ("dirty", "stroke:#bf8700,stroke-width:2px")]
    {
        if text.contains(&format!(":::{class}\n")) {
            line(&mut text, &format!("classDef {class} {style}"));
        }
    }
    if arrows.len() > MOST_EDGES || text.len() > MOST_TEXT {
        return Err(TooLarge { edges: arrows.len(), bytes: text.len() }.into());
    }
    Ok(text)
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("writing to a string does not fail");
}

/// A name that no package's name can spoil: some words, such as `end`, mean something to Mermaid.
fn node(id: PackageId) -> String {
    format!("n{}", id.0)
}

/// The text of a label between quotes. Mermaid has no escape but its own sort of entity, and takes labels for Markdown
/// and HTML; a letter, a digit and what is common in paths stays readable.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_alphanumeric() || "/-_.: +@".contains(character) {
            text.push(character);
        } else {
            write!(text, "#{};", u32::from(character)).expect("writing to a string does not fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing::small;
    use super::*;
    use crate::graph::testing::{Pkg, Repo};

    #[test]
    fn mermaid_draws_what_is_between_packages() {
        let repo = small();
        insta::assert_snapshot!(mermaid(&repo.graph, &repo.workspace, &repo.tags, None).unwrap());
    }

    #[test]
    fn no_character_of_a_name_means_anything_to_mermaid() {
        assert_eq!(escaped("pkg/a-b_c.d:e.yml"), "pkg/a-b_c.d:e.yml");
        assert_eq!(escaped("a\"]<b>#`&;*é"), "a#34;#93;#60;b#62;#35;#96;#38;#59;#42;é");
    }

    #[test]
    fn a_graph_that_mermaid_refuses_is_an_error() {
        let wide = |count: usize| {
            let users = (0..count).map(|number| Pkg::new(&format!("pkg/u{number:03}")).from("t/base:now"));
            Repo::at(Path::new("/r"), std::iter::once(Pkg::new("pkg/base")).chain(users).collect(), &[])
        };
        let draw = |count: usize| {
            let repo = wide(count);
            mermaid(&repo.graph, &repo.workspace, &repo.tags, None)
        };
        assert!(draw(MOST_EDGES).is_ok());
        let problem = draw(MOST_EDGES + 1).unwrap_err();
        assert_eq!(problem.code(), "graph::mermaid_too_large");
        assert_eq!(problem.class(), Class::Usage);
    }
}
