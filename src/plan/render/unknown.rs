//! What nobody could be asked, or did not answer: what hangs on the same failure together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::text::{built_node, list};
use super::words::sentence;
use crate::plan::node::{Node, Reason, State};
use crate::plan::{Plan, Unasked};
use crate::wording::{and_more, columns};

/// The nodes that hang on a question that failed, those together that hang on the same; `verbose` lists all of them.
pub(super) fn unknown(out: &mut String, plan: &Plan, verbose: bool) {
    let built: BTreeSet<usize> = plan.steps.iter().filter_map(built_node).collect();
    let open = plan.nodes.iter().enumerate().filter(|(index, _)| !built.contains(index)).map(|(_, node)| node);
    let open: Vec<&Node> = open.filter(|node| node.state == State::Unknown).collect();
    if open.is_empty() {
        return;
    }
    let mut alike: BTreeMap<Vec<String>, Vec<&Node>> = BTreeMap::new();
    for &node in &open {
        let cause = if verbose { vec![node.id()] } else { causes(node) };
        alike.entry(cause).or_default().push(node);
    }
    let mut alike: Vec<Vec<&Node>> = alike.into_values().collect();
    alike.sort_by_key(|nodes| nodes[0].id());
    let rows = alike.into_iter().map(|nodes| {
        let [why, _] = sentence(nodes[0]);
        [nodes[0].id() + &and_more(nodes.len() - 1), why, String::new()]
    });
    let _ = writeln!(out, "unknown: {}", open.len());
    for row in columns(&rows.collect::<Vec<_>>()) {
        let _ = writeln!(out, "  {row}");
    }
}

/// What is wrong with the places that a node was asked for at, without what each was asked.
fn causes(node: &Node) -> Vec<String> {
    let causes = node.reasons.iter().filter_map(|reason| match reason {
        Reason::Unanswered { host: Some((host, code)), .. } => Some(format!("{code} {host}")),
        Reason::Unanswered { why, host: None } => Some(why.clone()),
        _ => None,
    });
    causes.collect()
}

/// The images that builds need and that nobody could be asked for, those of a registry together; `verbose` names all of them.
pub(super) fn unasked(out: &mut String, plan: &Plan, verbose: bool) {
    let row = |Unasked { host, images, why }: &Unasked| {
        let named: Vec<&str> = images.iter().map(String::as_str).take(if verbose { images.len() } else { 1 }).collect();
        let more = and_more(images.len() - named.len());
        let why = why.as_ref().map_or_else(|| format!("`{host}` was not asked"), ToString::to_string);
        [named.join(", ") + &more, why, String::new()]
    };
    let count = plan.unasked.iter().map(|unasked| unasked.images.len()).sum();
    list(
        out,
        "built on images that are not known to be there",
        count,
        &plan.unasked.iter().map(row).collect::<Vec<_>>(),
    );
}
