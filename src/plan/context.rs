//! What is wrong with the build context of what is to be built, as far as its build yml says so.
//!
//! Neither keeps a package from having a tag, so only a plan that builds it has these problems.

use std::collections::BTreeSet;

use super::Inputs;
use super::decide::Decided;
use super::problem::PlanError;
use crate::problem::{Problem, span};
use crate::workspace::PackageId;

/// The problems of all packages that are built on some platform, sorted by package.
pub(super) fn problems(inputs: Inputs<'_>, decided: &Decided) -> Vec<Problem> {
    let built = decided.nodes.iter().enumerate().filter(|(index, _)| decided.is_built(*index));
    let packages: BTreeSet<PackageId> = built.map(|(_, node)| node.package).collect();
    packages.into_iter().flat_map(|package| problems_of(inputs, package)).collect()
}

fn problems_of(inputs: Inputs<'_>, package: PackageId) -> Vec<Problem> {
    let described = inputs.workspace.package(package);
    let Some((build, tag)) = described.build.as_ref().zip(inputs.tags.get(package)) else { return Vec::new() };
    let mut problems = Vec::new();
    for (written, source) in build.extra_sources.iter().zip(&tag.extra_sources) {
        let destination = &source.destination;
        if destination == ".." || destination.starts_with("../") {
            problems.push(
                PlanError::OutsideContext {
                    destination: destination.clone(),
                    source_code: build.source.named(),
                    span: span(&written.span),
                }
                .into(),
            );
        }
    }
    let images = &build.docker_images;
    if let (Some(first), None, None) = (images.images.first(), &images.target, &images.target_dir) {
        let place = format!("{}:{}", first.file, first.line);
        problems.push(PlanError::NoTarget { package: described.name.to_string(), place }.into());
    }
    problems
}
