//! Images that a build needs and of which nobody knows whether they are there: the engine looks for them when it builds. That
//! keeps nothing from being built, and is said, since a build may fail for it.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Decided;
use super::findings::right;
use super::problem::PlanError;
use super::publication::is_open;
use super::unsatisfiable::{named, on_registry, references};
use super::{Inputs, Request};
use crate::graph::{NodeReference, State};
use crate::image::Reference;
use crate::presence::Fact;
use crate::problem::{Problem, SourceFile, span};
use crate::workspace::PackageId;
use crate::workspace::dockerfile::ReferenceKind;

/// Images of one registry that were not answered for, for the same reason.
#[derive(Debug, Clone)]
pub struct Unasked {
    /// The registry.
    pub host: String,
    /// The images as they are written, sorted.
    pub images: BTreeSet<String>,
    /// How the question about the first of them failed; `None` where it was not asked.
    pub why: Option<Problem>,
}

/// All of them that what is built needs, by registry and reason.
pub(super) fn unasked(inputs: Inputs<'_>, request: &Request, decided: &Decided) -> Vec<Unasked> {
    let mut groups: BTreeMap<(String, Option<String>), Unasked> = BTreeMap::new();
    for (_, reference) in references(inputs, request, decided) {
        let Some(image) = named(reference) else { continue };
        let why = match presence(inputs, request, reference, &image) {
            Fact::Yes(()) | Fact::No => continue,
            Fact::Unknown(problem) => Some(problem),
            Fact::NotAsked => None,
        };
        let remote =
            if reference.state == State::Stale { image.on(request.registry.as_deref()) } else { image.clone() };
        let host = remote.canonical().host().unwrap_or_default().to_owned();
        let code = why.as_ref().map(Problem::code);
        let group = groups.entry((host.clone(), code));
        group.or_insert_with(|| Unasked { host, images: BTreeSet::new(), why }).images.insert(image.to_string());
    }
    groups.into_values().collect()
}

/// Whether some place has an image that a build needs.
fn presence(inputs: Inputs<'_>, request: &Request, reference: &NodeReference, image: &Reference) -> Fact<()> {
    let platform = &reference.image.platform;
    let names = [image.clone(), image.arch_tag(platform)];
    if names.iter().any(|name| right(inputs.facts.on_builder(name), platform).found().is_some()) {
        return Fact::Yes(());
    }
    match reference.state {
        State::External => inputs.facts.external(image).clone(),
        State::Stale if image.digest().is_none() && inputs.facts.in_cache(image, platform).found().is_none() => {
            let [index, tagged] = on_registry(inputs, request, image, platform);
            let first = if index.is_no() || tagged.found().is_some() { tagged } else { index };
            first.map(|_| ())
        }
        _ => Fact::Yes(()),
    }
}

/// Images that look like the name of a stage, and are not known to be there: `COPY --from=biuld` asks docker.io for one.
pub(super) fn like_stages(inputs: Inputs<'_>, request: &Request, decided: &Decided) -> Vec<Problem> {
    let mut found: BTreeMap<(PackageId, usize), Problem> = BTreeMap::new();
    for (package, reference) in references(inputs, request, decided) {
        let Some(image) = named(reference).filter(|_| is_like_stage(reference)) else { continue };
        let is_open = is_open(&presence(inputs, request, reference, &image));
        let Some(file) = inputs.workspace.package(package).dockerfile.as_ref().filter(|_| is_open) else { continue };
        let error = PlanError::LikeStage {
            name: reference.image.written.clone(),
            source_code: SourceFile::named(&file.source),
            at: span(&reference.image.span),
        };
        found.entry((package, reference.image.span.start)).or_insert_with(|| error.into());
    }
    found.into_values().collect()
}

/// Whether a reference is from a stage or an image, and written as a stage would be.
pub(super) fn is_like_stage(reference: &NodeReference) -> bool {
    let written = &reference.image.written;
    reference.state == State::External
        && reference.image.kind != ReferenceKind::From
        && !written.contains(['/', ':', '@', '$'])
}
