//! Two packages must not make one image.

use std::collections::BTreeMap;

use miette::Diagnostic;

use crate::git::Tags;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::{PackageId, Workspace};

/// Several packages that would overwrite each other's image.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the image `{image}` is made by {} packages: {}", packages.len(), packages.join(", "))]
#[diagnostic(
    code(graph::duplicate_image),
    help(
        "select one of them, or give each build yml of a directory a tag of its own, such as `tag: \"{{{{.Hash}}}}-variant\"`"
    )
)]
struct DuplicateImage {
    image: String,
    packages: Vec<String>,
}

impl Fault for DuplicateImage {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// One problem for each image that several of `packages` would make, naming all of them.
#[must_use]
pub fn duplicate_outputs(workspace: &Workspace, tags: &Tags, packages: &[PackageId]) -> Vec<Problem> {
    let mut makers: BTreeMap<String, Vec<PackageId>> = BTreeMap::new();
    for &id in packages {
        if let Some(tag) = tags.get(id) {
            makers.entry(tag.output.to_string()).or_default().push(id);
        }
    }
    makers
        .into_iter()
        .filter_map(|(image, mut packages)| {
            packages.sort_unstable();
            packages.dedup();
            (packages.len() > 1).then(|| {
                let packages = packages.iter().map(|&id| format!("`{}`", workspace.package(id).name)).collect();
                DuplicateImage { image, packages }.into()
            })
        })
        .collect()
}
