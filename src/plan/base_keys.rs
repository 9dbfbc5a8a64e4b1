//! The keys of the images of this repository that a node is built on.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Settled;
use super::findings::right;
use super::key::UNKNOWN_ORIGIN;
use super::node::Node;
use super::{Inputs, Request};
use crate::graph::State;
use crate::image::{Platform, Reference};
use crate::presence::Fact;
use crate::workspace::PackageId;

/// The keys, and how far they say what an image was made from.
#[derive(Debug, Clone, Default)]
pub(super) struct BaseKeys {
    /// By reference as the Dockerfile has it, and platform; [`UNKNOWN_ORIGIN`] for an image that carries none.
    pub(super) keys: BTreeMap<String, String>,
    /// Those of them that are over an image of unknown origin, however far below.
    pub(super) indefinite: BTreeSet<String>,
}

/// The keys for a node whose needs are settled. Those of stale pins are among them: whether an image was made from another
/// base does not depend on whether the pin to it is still current. A digest is a key of its own.
pub(super) fn keys(
    inputs: Inputs<'_>,
    request: &Request,
    member: &(PackageId, Platform),
    needed: &[&(Node, Settled)],
) -> BaseKeys {
    let references = inputs.graph.nodes.get(member).map_or(&[][..], |node| &node.references);
    let mut found = BaseKeys::default();
    for reference in references.iter().filter(|reference| reference.image.reached) {
        let (Some(package), Ok(written)) = (reference.package, &reference.image.expanded) else { continue };
        let platform = &reference.image.platform;
        let name = format!("{written} {platform}");
        let key = match reference.state {
            State::Current => {
                let is_named = |node: &Node| node.package == package && node.platform == *platform;
                let base = needed.iter().find(|(node, _)| is_named(node));
                let key = base.and_then(|(node, _)| node.key.as_ref()).map(ToString::to_string);
                if key.is_some() && base.is_some_and(|(_, settled)| !settled.definite) {
                    found.indefinite.insert(name.clone());
                }
                key
            }
            State::Stale => pinned_key(inputs, request, written, platform),
            _ => continue,
        };
        found.keys.insert(name, key.unwrap_or_else(|| UNKNOWN_ORIGIN.to_owned()));
    }
    found
}

/// The key of an image that this repository made some time ago: the builder's own copy is used before the registry's.
fn pinned_key(inputs: Inputs<'_>, request: &Request, written: &str, platform: &Platform) -> Option<String> {
    let image: Reference = written.parse().ok()?;
    if let Some(digest) = image.digest() {
        return Some(digest.to_owned());
    }
    let facts = inputs.facts;
    let remote = image.on(request.registry.as_deref());
    let found = match right(facts.on_builder(&image), platform) {
        Fact::Yes(local) => vec![local],
        _ => [facts.in_index(&remote, platform), facts.at_arch_tag(&remote, platform)]
            .into_iter()
            .filter_map(|fact| right(fact, platform).found().cloned())
            .collect(),
    };
    let mut keys = found.into_iter().filter_map(|found| found.key);
    keys.find(|key| key.name == image.name() && key.platform == *platform).map(|key| key.to_string())
}
