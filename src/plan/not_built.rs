//! What was asked for and cannot be built, each cause once. None of it keeps the rest from being done, and none of it may
//! pass for done.
//!
//! A Dockerfile that has no stage for a platform says so on purpose, and a package that does not list a platform likewise:
//! that alone is no problem. It is one for whoever lists the platform and is built on it.

use std::collections::{BTreeMap, BTreeSet};

use super::Inputs;
use super::decide::Decided;
use super::node::{Node, Reason};
use super::problem::PlanError;
use crate::graph::NotBuildable;
use crate::image::Platform;
use crate::problem::{Problem, span};
use crate::wording::listed;
use crate::workspace::PackageId;

/// One problem for each cause that keeps a selected node from being built: a package, or a platform of the builder.
pub(super) fn not_built(inputs: Inputs<'_>, decided: &Decided) -> Vec<Problem> {
    let nodes: BTreeMap<String, &Node> = decided.nodes.iter().map(|node| (node.id(), node)).collect();
    let mut mistakes: BTreeMap<(PackageId, &str), &Node> = BTreeMap::new();
    let mut foreign: BTreeMap<&Platform, BTreeSet<&str>> = BTreeMap::new();
    let mut lacking: BTreeMap<String, (&Node, BTreeSet<&str>)> = BTreeMap::new();
    // What is there is no failure, also where it could not be built again.
    for node in decided.nodes.iter().filter(|node| node.selected && !node.state.is_there()) {
        let root = root(&nodes, node);
        for reason in &root.reasons {
            match reason {
                Reason::NotBuildable { why } => {
                    mistakes.entry((root.package, why)).or_insert(root);
                }
                Reason::NoEmulator { platform } => {
                    foreign.entry(platform).or_default().insert(node.name.as_str());
                }
                Reason::NoStage { .. } | Reason::NotInArches if root.package != node.package => {
                    lacking.entry(root.id()).or_insert((root, BTreeSet::new())).1.insert(node.name.as_str());
                }
                _ => {}
            }
        }
    }
    let mut problems: Vec<Problem> = mistakes.into_values().filter_map(|node| mistake(inputs, node)).collect();
    problems.extend(foreign.into_iter().map(|(platform, names)| {
        let arch = platform.architecture().to_owned();
        PlanError::NoEmulator { packages: listed(names.into_iter()), platform: platform.to_string(), arch }.into()
    }));
    problems.extend(lacking.into_values().map(|(base, names)| {
        let (packages, platform) = (listed(names.into_iter()), base.platform.to_string());
        PlanError::BaseLacksPlatform { packages, platform, base: base.name.to_string() }.into()
    }));
    problems
}

/// The node that keeps this one from being built, itself if nothing else does.
fn root<'a>(nodes: &BTreeMap<String, &'a Node>, node: &'a Node) -> &'a Node {
    let mut root = node;
    // A node is blocked by one that was decided before it, so this comes to an end.
    while let Some(by) = root.reasons.iter().find_map(|reason| match reason {
        Reason::Blocked { by } => nodes.get(by),
        _ => None,
    }) {
        root = by;
    }
    root
}

/// What has to be mended in a package; `None` where that is a problem of its own already.
fn mistake(inputs: Inputs<'_>, node: &Node) -> Option<Problem> {
    let described = inputs.workspace.package(node.package);
    if let Some(problem) = &described.dockerfile_problem {
        return described.template.as_ref().map(|_| problem.clone());
    }
    let of_node = inputs.graph.nodes.get(&(node.package, node.platform.clone()))?;
    let (NotBuildable::Mistake(mistake), file) = (of_node.not_buildable.as_ref()?, described.dockerfile.as_ref()?)
    else {
        return None;
    };
    let error = PlanError::NotBuildable {
        package: node.name.to_string(),
        why: mistake.why.clone(),
        source_code: file.source.named(),
        span: span(&mistake.span),
    };
    Some(error.into())
}
