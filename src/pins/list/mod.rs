//! The pins of a workspace, and what each means.
//!
//! Dockerfiles are seen on all platforms of the graph and for all packages that use them; what is the same for several is
//! one pin. A reference that a build arg of a yml gives is the pin of that build arg, since it is written there. The state
//! of a pin is measured by the tags that are handed in.
//!
//! | module | whose pins |
//! |---|---|
//! | `dockerfile` | those of Dockerfiles |
//! | `build_yml` | those of build args and docker-images |
//! | `image_yml` | those of image ymls |
//! | `meaning` | what a reference at a place is |

mod build_yml;
mod dockerfile;
mod image_yml;
mod meaning;

use std::collections::{BTreeMap, BTreeSet};

use super::{ImageFile, Pin};
use crate::git::Tags;
use crate::graph::{Graph, NodeReference, Repositories};
use crate::workspace::{PackageId, Workspace};

/// All pins, sorted by file and place.
#[must_use]
pub fn list(workspace: &Workspace, tags: &Tags, graph: &Graph, images: &[ImageFile]) -> Vec<Pin> {
    let lister = Lister { workspace, tags, repositories: Repositories::new(workspace, tags) };
    let mut references: BTreeMap<PackageId, Vec<&NodeReference>> = BTreeMap::new();
    for ((id, _), node) in &graph.nodes {
        references.entry(*id).or_default().extend(&node.references);
    }
    let mut pins = Vec::new();
    for id in workspace.ids() {
        let args = lister.build_args(id);
        lister.dockerfile(id, references.get(&id).map_or(&[][..], Vec::as_slice), &args, &mut pins);
        pins.extend(args);
        pins.extend(lister.docker_images(id));
    }
    // What is read as something else already has its pins where that says.
    let mut known: BTreeSet<&str> = BTreeSet::from([workspace.config.source.path.as_str()]);
    for package in &workspace.packages {
        known.extend(package.build.iter().map(|build| build.source.path.as_str()));
        known.extend(package.dockerfile.iter().map(|file| file.source.path.as_str()));
        known.extend(package.build_args.iter().map(|file| file.source.path.as_str()));
    }
    for image in images.iter().filter(|image| !known.contains(image.source.path.as_str())) {
        lister.image_file(image, &mut pins);
    }
    merge(pins)
}

/// Pins that are one and the same for several packages.
fn merge(pins: Vec<Pin>) -> Vec<Pin> {
    let mut merged: BTreeMap<_, Pin> = BTreeMap::new();
    for pin in pins {
        let key = pin.key();
        let key = (key.0.to_owned(), key.1, key.2, key.3, key.4.to_owned(), pin.state.name());
        match merged.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(pin)),
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.used_by.extend(pin.used_by);
                known.is_reached |= pin.is_reached;
            }
        }
    }
    merged.into_values().collect()
}

/// What pins are told from.
struct Lister<'a> {
    workspace: &'a Workspace,
    tags: &'a Tags,
    repositories: Repositories,
}
