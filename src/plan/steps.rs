//! Turns settled nodes into steps, each after what it needs.
//!
//! What a build needs is there under a name of the builder: a node is stored as `tag-arch` and, for the builder's own
//! platform, as `tag`. A Dockerfile keeps its text where the names it writes are right, and is pointed at `tag-arch`
//! where they are not, as for a foreign platform, of which a plain tag can hold only one.

use std::collections::BTreeMap;

use super::decide::Decided;
use super::findings::right;
use super::node::Place;
use super::publication::Publication;
use super::recipe::Recipe;
use super::step::{Action, Step, StepIndex, StepKind};
use super::trusted::{Repository, pinned};
use super::unsatisfiable::foreign_on_registry;
use super::{Inputs, Request};
use crate::graph::{NodeReference, State};
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Found};
use crate::workspace::PackageId;

/// The steps of a plan.
pub(super) fn steps(
    inputs: Inputs<'_>,
    request: &Request,
    decided: &Decided,
    publications: &[Publication],
) -> Vec<Step> {
    let mut composer = Composer { inputs, request, decided, steps: Vec::new(), ready: BTreeMap::new() };
    for &index in &decided.order {
        if decided.is_built(index) {
            composer.build(index);
        } else if request.pull && decided.is_delivered(index) {
            composer.bring(index);
        }
        if request.cache {
            composer.store(index);
        }
    }
    if let Some(publish) = &request.publish {
        for due in publications {
            composer.publish(publish, due);
        }
    }
    composer.steps
}

/// A plan's steps while they are put together.
pub(super) struct Composer<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) request: &'a Request,
    pub(super) decided: &'a Decided,
    steps: Vec<Step>,
    /// The step that puts an image on the builder, by its name there and platform.
    pub(super) ready: BTreeMap<(String, Platform), StepIndex>,
}

impl Composer<'_> {
    pub(super) fn add(&mut self, step: Step) -> StepIndex {
        let index = StepIndex(u32::try_from(self.steps.len()).expect("a plan has fewer than 2^32 steps"));
        self.steps.push(step);
        index
    }

    /// The names that a node has on the builder once it is built or brought there.
    fn names(&self, image: &Reference, platform: &Platform) -> Vec<Reference> {
        let mut names = vec![image.arch_tag(platform)];
        if *platform == self.request.builder {
            names.push(image.clone());
        }
        names
    }

    fn build(&mut self, index: usize) {
        let decided = self.decided;
        let (node, settled) = (&decided.nodes[index], &decided.settled[index]);
        let Some(recipe) = Recipe::new(self.inputs, node.package, &node.platform) else { return };
        let (Some(image), Some(key), Some(components)) = (&settled.image, &node.key, &node.components) else { return };
        let mut needs = Vec::new();
        let mut replaced = BTreeMap::new();
        let references = self.inputs.graph.nodes.get(&(node.package, node.platform.clone()));
        for reference in references.map_or(&[][..], |inputs| &inputs.references) {
            if !reference.image.reached {
                continue;
            }
            let (step, name) = match reference.state {
                State::Current if reference.foreign => (None, self.foreign(reference)),
                State::Current => self.sibling(reference),
                State::Stale => self.signed(node.package, reference).unwrap_or_else(|| self.published(reference)),
                State::External => self.signed(node.package, reference).unwrap_or_default(),
                State::Unresolved | State::Input => continue,
            };
            needs.extend(step);
            if let Some(name) = name {
                replaced.insert((reference.image.span.start, reference.image.span.end), name.to_string());
            }
        }
        let mut action =
            recipe.request(key, components, &settled.indefinite, &replaced, &self.names(image, &node.platform));
        for archive in &mut action.archives {
            for image in &mut archive.images {
                let Ok(reference) = image.parse::<Reference>() else { continue };
                let (step, name) = self.by_digest(&reference, &node.platform);
                needs.extend(step);
                *image = name.to_string();
            }
        }
        needs.sort_unstable();
        needs.dedup();
        let step = self.add(Step {
            id: format!("build:{}", node.id()),
            title: format!("{} {}", node.name, node.platform),
            node: Some(index),
            reference: image.to_string(),
            needs,
            action: Action::Build(Box::new(action)),
        });
        self.ready.insert((image.to_string(), node.platform.clone()), step);
    }

    /// The step after which a node that is not built is on the builder; none if it is there.
    pub(super) fn bring(&mut self, index: usize) -> Option<StepIndex> {
        let (node, settled) = (&self.decided.nodes[index], &self.decided.settled[index]);
        let image = settled.image.as_ref()?;
        if let Some(&step) = self.ready.get(&(image.to_string(), node.platform.clone())) {
            return Some(step);
        }
        let (place, found) = settled.found()?;
        if place == Place::Builder {
            return None;
        }
        let names = self.names(image, &node.platform);
        let (kind, action) = if place == Place::Cache {
            (StepKind::Load, Action::Load { image: image.clone(), platform: node.platform.clone(), names })
        } else {
            let remote = image.on(self.request.registry.as_deref());
            let from = format!("{}@{}", remote.name(), found.digest).parse().unwrap_or(remote);
            (StepKind::Fetch, Action::Fetch { from, platform: node.platform.clone(), names })
        };
        let step = self.add(Step {
            id: format!("{kind}:{}", node.id()),
            title: format!("{} {}", node.name, node.platform),
            node: Some(index),
            reference: image.to_string(),
            needs: Vec::new(),
            action,
        });
        self.ready.insert((image.to_string(), node.platform.clone()), step);
        Some(step)
    }

    /// Writes what this plan puts on the builder into linuxkit's cache, and what is asked for and only on the builder.
    fn store(&mut self, index: usize) {
        let (node, settled) = (&self.decided.nodes[index], &self.decided.settled[index]);
        let Some(image) = &settled.image else { return };
        let built = self.decided.is_built(index);
        if settled.cached && !built {
            return;
        }
        let brought = self.ready.get(&(image.to_string(), node.platform.clone())).copied();
        let source = match settled.found() {
            _ if brought.is_some() => image.arch_tag(&node.platform),
            Some((Place::Builder, found)) if self.decided.is_delivered(index) => {
                self.stored_as(image, &node.platform, found)
            }
            _ => return,
        };
        self.add(Step {
            id: format!("store:{}", node.id()),
            title: format!("{} {}", node.name, node.platform),
            node: Some(index),
            reference: image.to_string(),
            needs: brought.into_iter().collect(),
            action: Action::Store { source, image: image.clone(), platform: node.platform.clone() },
        });
    }

    /// What a build waits for when it is built on a package of this repository, and the name to write into its
    /// Dockerfile, if the one there is not right.
    fn sibling(&mut self, reference: &NodeReference) -> (Option<StepIndex>, Option<Reference>) {
        let platform = &reference.image.platform;
        let index = reference.package.and_then(|package| self.decided.positions.get(&(package, platform.clone())));
        let Some(&index) = index else { return (None, None) };
        let Some(image) = self.decided.settled[index].image.clone() else { return (None, None) };
        let step = self.bring(index);
        let written = reference.image.expanded.as_deref().ok().and_then(|text| text.parse::<Reference>().ok());
        let as_written = written.is_some_and(|written| written.canonical() == image.canonical());
        let as_written = as_written && *platform == self.request.builder;
        if step.is_some() {
            return (step, (!as_written).then(|| image.arch_tag(platform)));
        }
        let Some((_, found)) = self.decided.settled[index].found() else { return (None, None) };
        let plain = self.inputs.facts.on_builder(&image);
        let plain_is_right = as_written && plain.found().is_some_and(|plain| plain.digest == found.digest);
        (None, (!plain_is_right).then(|| self.stored_as(&image, platform, found)))
    }

    /// Where an engine finds an image for another platform than it builds for: in the registry.
    fn foreign(&self, reference: &NodeReference) -> Option<Reference> {
        let (image, facts) = foreign_on_registry(self.inputs, self.request, reference)?;
        let remote = image.on(self.request.registry.as_deref());
        let digest = facts.iter().find_map(|fact| Some(format!("{}@{}", remote.name(), fact.found()?.digest)));
        let platform = &reference.image.platform;
        digest.and_then(|name| name.parse().ok()).or_else(|| Some(remote.arch_tag(platform)))
    }

    /// With content trust on, the image that the tag of a reference is signed with.
    fn signed(
        &mut self,
        package: PackageId,
        reference: &NodeReference,
    ) -> Option<(Option<StepIndex>, Option<Reference>)> {
        if !self.request.trust {
            return None;
        }
        let image = pinned(self.inputs, Repository::of(self.inputs, self.request), package, reference)?;
        let (step, name) = self.by_digest(&image, &reference.image.platform);
        Some((step, Some(name)))
    }

    /// The name under which the builder has an image that was found there.
    pub(super) fn stored_as(&self, image: &Reference, platform: &Platform, found: &Found) -> Reference {
        let suffixed = image.arch_tag(platform);
        let there = self.inputs.facts.on_builder(&suffixed);
        if there.found().is_some_and(|there| there.digest == found.digest) { suffixed } else { image.clone() }
    }

    /// The same for an image that this repository published some time ago: the engine looks for it by itself, unless
    /// the registry has another name for it.
    fn published(&mut self, reference: &NodeReference) -> (Option<StepIndex>, Option<Reference>) {
        let written = reference.image.expanded.as_deref().ok().and_then(|text| text.parse::<Reference>().ok());
        let Some(written) = written else { return (None, None) };
        let from = written.on(self.request.registry.as_deref());
        let platform = &reference.image.platform;
        if written.digest().is_some() && from != written {
            let (step, name) = self.by_digest(&written, platform);
            return (step, Some(name));
        }
        let elsewhere = self.elsewhere(&written, &from, platform);
        if from == written && elsewhere.is_none() {
            return (None, None);
        }
        let suffixed = written.arch_tag(platform);
        let own = *platform == self.request.builder;
        let name = (!own).then(|| suffixed.clone());
        let there = |name: &Reference| {
            let found = self.inputs.facts.on_builder(name);
            right(found, platform).found().is_some()
        };
        if there(if own { &written } else { &suffixed }) {
            return (None, name);
        }
        let slot = (written.to_string(), platform.clone());
        if let Some(&step) = self.ready.get(&slot) {
            return (Some(step), name);
        }
        let fetch = || Action::Fetch { from, platform: platform.clone(), names: self.names(&written, platform) };
        let action = elsewhere.unwrap_or_else(fetch);
        let kind = if matches!(action, Action::Load { .. }) { StepKind::Load } else { StepKind::Fetch };
        let step = self.add(Step {
            id: format!("{kind}:{written}@{platform}"),
            title: short_title(&written, platform),
            node: None,
            reference: written.to_string(),
            needs: Vec::new(),
            action,
        });
        self.ready.insert(slot, step);
        (Some(step), name)
    }

    /// How to bring an image that this repository published some time ago, if it is there but not where the engine looks for
    /// it: only as `tag-arch`, or only in linuxkit's cache.
    fn elsewhere(&self, written: &Reference, remote: &Reference, platform: &Platform) -> Option<Action> {
        let facts = self.inputs.facts;
        let listed = right(facts.in_index(remote, platform), platform);
        if written.digest().is_some() || right(facts.on_builder(written), platform).found().is_some() || !listed.is_no()
        {
            return None;
        }
        let names = self.names(written, platform);
        if let Fact::Yes(tagged) = right(facts.at_arch_tag(remote, platform), platform) {
            let from =
                format!("{}@{}", remote.name(), tagged.digest).parse().unwrap_or_else(|_| remote.arch_tag(platform));
            return Some(Action::Fetch { from, platform: platform.clone(), names });
        }
        facts.in_cache(written, platform).found()?;
        Some(Action::Load { image: written.clone(), platform: platform.clone(), names })
    }

    /// What a build waits for that wants an image by its digest, and what the image is called on the builder. The digest may
    /// be that of an index, of which an engine keeps one platform only, so each platform gets a name of its own.
    fn by_digest(&mut self, image: &Reference, platform: &Platform) -> (Option<StepIndex>, Reference) {
        let remote = image.on(self.request.registry.as_deref());
        let from = match remote.digest() {
            Some(digest) => format!("{}@{digest}", remote.name()).parse().unwrap_or(remote),
            None => remote,
        };
        // Any digest is as long as this or longer, and a tag is not as long as the longest.
        let digest: String = from.digest().unwrap_or_default().chars().take("sha256:".len() + 64).collect();
        let name = from.with_tag(&digest.replace(':', "-")).arch_tag(platform);
        if self.inputs.facts.on_builder(&name).found().is_some() {
            return (None, name);
        }
        let slot = (from.to_string(), platform.clone());
        if let Some(&step) = self.ready.get(&slot) {
            return (Some(step), name);
        }
        let step = self.add(Step {
            id: format!("fetch:{from}@{platform}"),
            title: short_title(&from, platform),
            node: None,
            reference: from.to_string(),
            needs: Vec::new(),
            action: Action::Fetch { from, platform: platform.clone(), names: vec![name.clone()] },
        });
        self.ready.insert(slot, step);
        (Some(step), name)
    }
}

/// The last component of an image's name, and the platform.
fn short_title(image: &Reference, platform: &Platform) -> String {
    format!("{} {platform}", image.path().rsplit('/').next().unwrap_or_default())
}
