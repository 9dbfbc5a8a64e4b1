//! Images that a build needs and that are nowhere: what would fail an hour into a build fails the plan.
//!
//! Only what is to be built is looked at, and only a definite no of every place counts: the engine may have credentials
//! and mirrors of its own for what could not be asked.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Decided;
use super::findings::right;
use super::problem::PlanError;
use super::unasked::is_like_stage;
use super::{Inputs, Request};
use crate::graph::{NodeReference, State};
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Found};
use crate::problem::{Problem, span};
use crate::workspace::PackageId;

/// The references to one image, by package and place in its Dockerfile.
type Places<'a> = BTreeMap<(PackageId, usize), &'a NodeReference>;

/// One problem for each image, whatever the number of platforms and of places that name it.
pub(super) fn problems(inputs: Inputs<'_>, request: &Request, decided: &Decided) -> Vec<Problem> {
    let mut nowhere: BTreeMap<String, (Places<'_>, BTreeSet<String>)> = BTreeMap::new();
    for (package, reference) in references(inputs, request, decided) {
        let Some(image) = named(reference) else { continue };
        let is_nowhere = match reference.state {
            State::Stale if image.digest().is_none() => {
                is_unpublished(inputs, request, &image, &reference.image.platform)
            }
            State::Current => is_foreign_nowhere(inputs, request, reference),
            State::External => inputs.facts.external(&image).is_no(),
            _ => false,
        };
        if is_nowhere {
            let (places, platforms) = nowhere.entry(image.to_string()).or_default();
            places.entry((package, reference.image.written_at().start)).or_insert(reference);
            platforms.insert(reference.image.platform.to_string());
        }
    }
    let problems = nowhere.into_iter().filter_map(|(image, (places, platforms))| {
        let (&(package, _), &reference) = places.first_key_value()?;
        let file = inputs.workspace.package(package).dockerfile.as_ref().map(|file| &file.source);
        let problem = PlanError::UnsatisfiablePin {
            users: users(inputs, &places),
            help: help(inputs, request, package, reference),
            image,
            platforms: platforms.into_iter().collect::<Vec<_>>().join(", "),
            source_code: file.map(crate::problem::SourceFile::named),
            at: file.map(|_| span(reference.image.written_at())),
        };
        Some(problem.into())
    });
    problems.collect()
}

/// What is to be built on the image, as the end of a sentence; of more than one place where each of them is.
fn users(inputs: Inputs<'_>, places: &Places<'_>) -> String {
    let packages: BTreeSet<PackageId> = places.keys().map(|&(package, _)| package).collect();
    let who = match packages.first() {
        Some(&package) if packages.len() == 1 => format!("`{}` is", inputs.workspace.package(package).name),
        _ => format!("{} packages are", packages.len()),
    };
    let place = |(&(package, _), reference): (&(PackageId, usize), &&NodeReference)| {
        let file = &inputs.workspace.package(package).dockerfile.as_ref()?.source;
        Some(format!("{}:{}", file.path, reference.image.line))
    };
    let lines: Vec<String> = places.iter().filter_map(place).collect();
    let lines = if lines.len() > 1 { format!(": {}", lines.join(", ")) } else { String::new() };
    format!("{who} to be built on it{lines}")
}

/// The images of others that are to be asked for: those of what is built that the builder does not have.
pub(super) fn questions(inputs: Inputs<'_>, request: &Request, decided: &Decided) -> BTreeSet<Reference> {
    if !request.assume_missing.is_empty() {
        return BTreeSet::new();
    }
    let external = references(inputs, request, decided).filter(|(_, reference)| reference.state == State::External);
    let images = external.filter_map(|(_, reference)| named(reference));
    let unknown = images.filter(|image| {
        inputs.facts.on_builder(image).is_no() && matches!(inputs.facts.external(image), Fact::NotAsked)
    });
    unknown.collect()
}

/// The references of all that is built, as far as its build reaches them. With content trust the signed digest is what
/// is built from, and is looked at there.
pub(super) fn references<'a>(
    inputs: Inputs<'a>,
    request: &Request,
    decided: &'a Decided,
) -> impl Iterator<Item = (PackageId, &'a NodeReference)> {
    let built = decided.nodes.iter().filter(|node| node.built && !request.trust);
    built.flat_map(move |node| {
        let inputs = inputs.graph.nodes.get(&(node.package, node.platform.clone()));
        let references = inputs.map_or(&[][..], |inputs| &inputs.references);
        references.iter().filter(|reference| reference.image.reached).map(|reference| (node.package, reference))
    })
}

pub(super) fn named(reference: &NodeReference) -> Option<Reference> {
    reference.image.expanded.as_ref().ok()?.parse().ok()
}

/// Whether no place has an image that this repository made some time ago.
fn is_unpublished(inputs: Inputs<'_>, request: &Request, image: &Reference, platform: &Platform) -> bool {
    let facts = inputs.facts;
    let on_builder = [image.clone(), image.arch_tag(platform)];
    on_builder.iter().all(|name| right(facts.on_builder(name), platform).is_no())
        && matches!(facts.in_cache(image, platform), Fact::No | Fact::NotAsked)
        && on_registry(inputs, request, image, platform).iter().all(Fact::is_no)
}

/// Whether an image that is for another platform than what is built on it is not where an engine would take it from.
fn is_foreign_nowhere(inputs: Inputs<'_>, request: &Request, reference: &NodeReference) -> bool {
    let on_registry = foreign_on_registry(inputs, request, reference);
    on_registry.is_some_and(|(_, facts)| facts.iter().all(Fact::is_no))
}

/// The image of the package that a reference names for another platform than it is built for, and what the registry says of it
/// for that platform; `None` for all other references.
pub(super) fn foreign_on_registry(
    inputs: Inputs<'_>,
    request: &Request,
    reference: &NodeReference,
) -> Option<(Reference, [Fact<Found>; 2])> {
    let package = reference.package.filter(|_| reference.foreign && reference.state == State::Current)?;
    let image = inputs.tags.get(package)?.output.reference().ok()?;
    Some((image.clone(), on_registry(inputs, request, image, &reference.image.platform)))
}

/// What the registry's index and its `tag-arch` say of an image that this repository made some time ago.
pub(super) fn on_registry(
    inputs: Inputs<'_>,
    request: &Request,
    image: &Reference,
    platform: &Platform,
) -> [Fact<Found>; 2] {
    let remote = image.on(request.registry.as_deref());
    let facts = [inputs.facts.in_index(&remote, platform), inputs.facts.at_arch_tag(&remote, platform)];
    facts.map(|fact| right(fact, platform))
}

fn help(inputs: Inputs<'_>, request: &Request, package: PackageId, reference: &NodeReference) -> String {
    let maker = reference.package.filter(|&maker| maker != package);
    let current = maker.and_then(|maker| Some((&inputs.workspace.package(maker).name, inputs.tags.get(maker)?)));
    match (reference.state, current) {
        (State::External, _) if is_like_stage(reference) => format!(
            "no stage above it is called `{}`, so it is taken for an image, and there is none: correct the name",
            reference.image.written
        ),
        (State::Current, Some((name, _))) => format!(
            "an engine takes an image for another platform from a registry only: `kitmake push --platforms {} {name}` puts it \
             there",
            reference.image.platform
        ),
        (State::External, _) => "its registry says that there is no such image: correct the reference".to_owned(),
        (_, Some(_)) if request.repinned || !is_fixable(inputs, package, reference) => {
            "`kitmake pins fix` cannot change this pin, and says why: push the image of the commit that it is of, or pin one \
             that is there"
                .to_owned()
        }
        // The pin may well be to what the package is called once its changes are committed, which is not known here.
        (_, Some((name, tag))) if tag.is_dirty() => format!(
            "if the changes of `{name}` are to be committed, commit them, and `kitmake pins fix` writes the tag that it then \
             has; else push the image of the commit that the pin is of"
        ),
        (_, Some((name, tag))) => format!(
            "`kitmake pins fix` writes the present tag of `{name}`, which is `{}`; or push the image of the commit that the \
             pin is of",
            tag.identity
        ),
        (_, None) => "push the image of the commit that the pin is of, or pin one that is there".to_owned(),
    }
}

/// Whether a fix could write another tag: the reference stands in one piece, and the tag of what it names does not follow
/// from the Dockerfile that it stands in.
fn is_fixable(inputs: Inputs<'_>, package: PackageId, reference: &NodeReference) -> bool {
    let (image, dockerfile) = (&reference.image, inputs.workspace.package(package).dockerfile.as_ref());
    let written = dockerfile.and_then(|file| file.source.text.get(image.written_at().clone()));
    if written.is_none() || written != image.expanded.as_deref().ok() {
        return false;
    }
    let mut reached: BTreeSet<PackageId> = reference.package.into_iter().collect();
    let mut open: Vec<PackageId> = reached.iter().copied().collect();
    while let Some(id) = open.pop() {
        let needed = inputs.graph.edges_of(id).filter_map(|edge| edge.to.filter(|&to| to != id));
        open.extend(needed.filter(|&to| reached.insert(to)));
    }
    !reached.contains(&package)
}
