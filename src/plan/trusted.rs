//! With content trust on, what a package is built from must be signed, and is taken by the digest that is signed.
//!
//! That is asked of every tag that a build would have a registry resolve: images from outside, stale pins, packages of
//! this repository that are not built here, and docker-images that carry a tag. A digest without a tag is trusted as it is,
//! as docker does. A package with `disable-content-trust` is neither signed nor asked for signatures of what it is built
//! from.

use std::collections::BTreeSet;

use super::decide::Decided;
use super::node::Place;
use super::problem::{PlanError, not_asked};
use super::{Demand, Inputs, Request};
use crate::git::Tags;
use crate::graph::{Graph, NodeReference, State};
use crate::image::{Platform, Reference};
use crate::presence::Fact;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// What the rules on trust are applied to.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// The packages.
    pub workspace: &'a Workspace,
    /// Their tags.
    pub tags: &'a Tags,
    /// What they need.
    pub graph: &'a Graph,
    /// `HOST[/PREFIX]` where images without a host in their name live.
    pub registry: Option<&'a str>,
}

/// A tag that a build wants a registry to resolve.
#[derive(Debug, Clone)]
struct Wanted {
    /// As it is asked for.
    image: Reference,
    /// The digest that it must be signed with, where the package says so.
    digest: Option<String>,
    /// Where it is written.
    place: String,
    /// Whether it is a package of this repository, which may be built instead.
    sibling: Option<(PackageId, Platform)>,
}

/// All tags of which a plan wants to know what they are signed with.
#[must_use]
pub fn trust_questions(repository: Repository<'_>, demand: &Demand) -> BTreeSet<Reference> {
    let wanted = demand.nodes.iter().flat_map(|(package, platform)| repository.wanted(*package, platform));
    wanted.map(|wanted| wanted.image).collect()
}

impl<'a> Repository<'a> {
    /// That of a plan.
    pub(super) fn of(inputs: Inputs<'a>, request: &'a Request) -> Self {
        let Inputs { workspace, tags, graph, .. } = inputs;
        Self { workspace, tags, graph, registry: request.registry.as_deref() }
    }
}

impl Repository<'_> {
    /// Whether trust is of no concern to a package.
    fn is_exempt(self, package: PackageId) -> bool {
        let build = self.workspace.package(package).build.as_ref();
        build.is_none_or(|build| build.disable_content_trust)
    }

    /// What a node is built from by tag.
    fn wanted(self, package: PackageId, platform: &Platform) -> Vec<Wanted> {
        if self.is_exempt(package) {
            return Vec::new();
        }
        let described = self.workspace.package(package);
        let node = self.graph.nodes.get(&(package, platform.clone()));
        let references = node.map_or(&[][..], |node| &node.references);
        let mut wanted: Vec<Wanted> = references.iter().filter_map(|it| self.reference(described, it)).collect();
        let images = described.build.iter().flat_map(|build| &build.docker_images.images);
        for image in images.filter(|image| image.reference.tag().is_some()) {
            let digest = image.reference.digest().map(str::to_owned);
            let tag = image.reference.tag().unwrap_or_default();
            let named = image.reference.with_tag(tag).on(self.registry);
            wanted.push(Wanted {
                image: named,
                digest,
                place: format!("{}:{}", image.file, image.line),
                sibling: None,
            });
        }
        wanted
    }

    fn reference(self, described: &crate::workspace::Package, reference: &NodeReference) -> Option<Wanted> {
        if !reference.image.reached {
            return None;
        }
        let written: Reference = reference.image.expanded.as_ref().ok()?.parse().ok()?;
        let (image, sibling) = match reference.state {
            State::External => (written.canonical(), None),
            State::Stale => (written.on(self.registry), None),
            State::Current => {
                let output = self.tags.get(reference.package?)?.output.reference().ok()?;
                (output.on(self.registry), Some((reference.package?, reference.image.platform.clone())))
            }
            State::Unresolved | State::Input => return None,
        };
        if image.digest().is_some() {
            return None;
        }
        let file = described.dockerfile.as_ref().map(|file| file.source.path.as_str()).unwrap_or_default();
        let image = if image.tag().is_some() { image } else { image.with_tag("latest") };
        Some(Wanted { image, digest: None, place: format!("{file}:{}", reference.image.line), sibling })
    }
}

/// The image that a reference of a Dockerfile must be replaced by: that of the digest that its tag is signed with.
pub(super) fn pinned(
    inputs: Inputs<'_>,
    repository: Repository<'_>,
    package: PackageId,
    of: &NodeReference,
) -> Option<Reference> {
    if repository.is_exempt(package) {
        return None;
    }
    let wanted = repository.reference(inputs.workspace.package(package), of)?;
    let signed = inputs.facts.signed_with(&wanted.image).found()?.digest.clone();
    format!("{}@{signed}", wanted.image.name()).parse().ok()
}

/// What is wrong with the images that the nodes to be built are built from.
pub(super) fn problems(inputs: Inputs<'_>, repository: Repository<'_>, decided: &Decided) -> Vec<Problem> {
    let mut problems = Vec::new();
    let built = decided.nodes.iter().enumerate().filter(|(index, _)| decided.is_built(*index));
    for (_, node) in built {
        for wanted in repository.wanted(node.package, &node.platform) {
            let mut expected = wanted.digest;
            if let Some(position) = wanted.sibling.and_then(|sibling| decided.positions.get(&sibling)) {
                match decided.settled[*position].found() {
                    Some((place, found)) if place.is_registry() => {
                        let platform = &decided.nodes[*position].platform;
                        expected = Some(vouched(inputs, &wanted.image, platform, &found.digest));
                    }
                    // It is built here, or has been.
                    _ => continue,
                }
            }
            let signed = match inputs.facts.signed_with(&wanted.image) {
                Fact::Yes(signed) => Some(signed.digest.clone()),
                Fact::No => None,
                Fact::Unknown(problem) => {
                    problems.push(problem.clone());
                    continue;
                }
                Fact::NotAsked => {
                    problems.push(not_asked(Place::Index, &wanted.image));
                    continue;
                }
            };
            if signed.is_none() || expected.is_some() && expected != signed {
                let (image, package) = (wanted.image.to_string(), node.name.to_string());
                problems.push(PlanError::Unsigned { image, package, place: wanted.place }.into());
            }
        }
    }
    problems
}

/// What must be signed for an image of a registry to be trusted: the index that lists it, or else the image itself.
fn vouched(inputs: Inputs<'_>, image: &Reference, platform: &Platform, digest: &str) -> String {
    let is_listed = inputs.facts.in_index(image, platform).found().is_some_and(|listed| listed.digest == digest);
    let index = inputs.facts.listing(image);
    let index = index.found().filter(|_| is_listed);
    index.map_or_else(|| digest.to_owned(), |index| index.digest.clone())
}

/// The tags of a package whose signature is of another digest than what is there, or missing.
pub(super) fn is_notarized(inputs: Inputs<'_>, tag: &Reference, digest: Option<&str>) -> bool {
    inputs.facts.signed_with(tag).found().is_some_and(|signed| Some(signed.digest.as_str()) == digest)
}
