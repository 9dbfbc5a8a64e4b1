//! Explains nodes of a plan: what each is, what its key is made from, what differs from the image that exists, what it waits
//! for and what is built on it.
//!
//! Everything but one thing is in the plan already. With a tag that is nowhere, the image to compare with is the newest
//! one that the history of the package names and the registry has; that is asked here.

mod since;
mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::git::Tags;
use crate::graph::{Graph, State as EdgeState};
use crate::plan::difference::Comparison;
use crate::plan::files::together;
use crate::plan::key::Components;
use crate::plan::{Node, Place, Plan, Reason, State};
use crate::problem::Problem;
use crate::registry::Client;
use crate::workspace::{PackageId, Workspace};

pub use since::{Since, since};
pub use text::text;

/// What a node is of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The packages.
    pub workspace: &'a Workspace,
    /// Their tags.
    pub tags: &'a Tags,
    /// What they need.
    pub graph: &'a Graph,
    /// What was found out about them.
    pub plan: &'a Plan,
}

/// All that is explained; fields are only ever added.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// 1
    pub schema_version: u32,
    /// One for each node asked for.
    pub nodes: Vec<Explanation<'a>>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    /// The package.
    pub id: &'a str,
    /// The platform.
    pub platform: String,
    /// The image with its tag.
    pub reference: &'a str,
    /// What the plan found out about it.
    pub state: State,
    /// Where it is.
    #[serde(rename = "where")]
    pub places: &'a [Place],
    /// Where another image is under its name.
    pub others: &'a [Place],
    /// Why it is what it is.
    pub reasons: &'a [Reason],
    /// The key that it has here.
    pub key: Option<String>,
    /// Whether the key says all there is to say: not if an image below it is not known.
    pub definite: bool,
    /// What the key is made from.
    pub components: Option<&'a Components>,
    /// The image under the same tag that was made from other inputs.
    pub compared: Option<&'a Comparison>,
    /// With a tag that is nowhere, the newest former image and what changed since.
    pub since: Option<Since>,
    /// What it is built on, of this repository.
    pub needs: Vec<Other>,
    /// Other images that it is built on, as the Dockerfile has them.
    pub pinned: Vec<Pinned>,
    /// The packages that are built on it.
    pub needed_by: Vec<&'a str>,
    /// How many packages are built on it, directly or not.
    pub needed_by_in_all: usize,
}

/// A node that another one is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    /// `package@platform`
    pub node: String,
    /// What the plan found out about it.
    pub state: State,
    /// Where it is.
    #[serde(rename = "where")]
    pub places: Vec<Place>,
    /// Whether it is built first.
    pub built: bool,
}

/// An image that is built on but not built here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pinned {
    /// As written, with its variables filled in.
    pub image: String,
    /// `stale` where this repository makes it with another tag, else `external`.
    pub state: EdgeState,
}

/// Explains a node of a plan; `dependents` are those of its graph. Blocks on `runtime` for the registry, and on git.
///
/// # Errors
/// When git cannot be asked.
pub fn explain<'a>(
    subject: Subject<'a>,
    node: &'a Node,
    dependents: &[Vec<PackageId>],
    registry: Option<&str>,
    client: Option<&Client>,
    runtime: &tokio::runtime::Runtime,
) -> Result<Explanation<'a>, Problem> {
    let Subject { workspace, graph, plan, .. } = subject;
    let since = match client {
        Some(client)
            if node.state.is_absent() || node.reasons.iter().any(|reason| matches!(reason, Reason::Missing)) =>
        {
            since(subject, node.package, registry, client, runtime)?
        }
        _ => None,
    };
    let references = graph.nodes.get(&(node.package, node.platform.clone()));
    let references = references.map_or(&[][..], |inputs| &inputs.references).iter();
    let reached = references.filter(|reference| reference.image.reached);
    let (mut needs, mut pinned): (Vec<Other>, BTreeSet<Pinned>) = (Vec::new(), BTreeSet::new());
    for reference in reached {
        let found = reference.package.filter(|_| reference.state == EdgeState::Current).and_then(|package| {
            plan.nodes.iter().find(|node| node.package == package && node.platform == reference.image.platform)
        });
        match (found, &reference.image.expanded) {
            (Some(other), _) => {
                needs.push(Other {
                    node: other.id(),
                    state: other.state,
                    places: other.places.clone(),
                    built: other.built,
                });
            }
            (None, Ok(image)) => drop(pinned.insert(Pinned { image: image.clone(), state: reference.state })),
            (None, Err(_)) => {}
        }
    }
    needs.sort_by(|a, b| a.node.cmp(&b.node));
    needs.dedup();
    let name = |package: PackageId| workspace.package(package).name.as_str();
    Ok(Explanation {
        id: node.name.as_str(),
        platform: node.platform.to_string(),
        reference: &node.reference,
        state: node.state,
        places: &node.places,
        others: &node.others,
        reasons: &node.reasons,
        key: node.components.as_ref().map(|components| components.label().to_string()),
        definite: node.components.as_ref().is_some_and(Components::is_definite),
        components: node.components.as_ref(),
        compared: node.reasons.iter().find_map(Reason::comparison),
        since,
        needs,
        pinned: pinned.into_iter().collect(),
        needed_by_in_all: all_dependents(dependents, node.package).len(),
        needed_by: dependents[node.package.index()].iter().copied().map(name).collect(),
    })
}

/// The packages that are built on a package, directly or not.
fn all_dependents(dependents: &[Vec<PackageId>], package: PackageId) -> BTreeSet<PackageId> {
    let mut found = BTreeSet::new();
    let mut open = vec![package];
    while let Some(package) = open.pop() {
        open.extend(dependents[package.index()].iter().filter(|&&dependent| found.insert(dependent)));
    }
    found.remove(&package);
    found
}

/// The files outside git of a node's context, as lines: many are told by their directories.
fn files_outside(components: &Components) -> Vec<(String, usize)> {
    together(&components.files.keys().map(|path| (path.clone(), 1)).collect()).into_iter().collect()
}
