//! Turns what is due of a package into steps: pushes, then the index, then what hangs on the index.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::node::Place;
use super::publication::{Due, Publication, indexed_platforms};
use super::request::Publish;
use super::step::{Action, PushSource, Step, StepIndex};
use super::steps::Composer;
use crate::image::Reference;
use crate::presence::{Fact, Found};
use crate::workspace::PackageId;

const TITLE: &str = "org.opencontainers.image.title";
const SOURCE: &str = "org.opencontainers.image.source";
const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";

impl Composer<'_> {
    /// The steps of one package.
    pub(super) fn publish(&mut self, publish: &Publish, due: &Publication) {
        let pushes: Vec<StepIndex> = due.pushes.iter().filter_map(|&index| self.push(index)).collect();
        let index = if due.index { Some(self.index(publish, due, pushes.clone())) } else { None };
        let mut last = index;
        if let (Due::Yes, Some(release)) = (due.release, &publish.release) {
            last = Some(self.release(due, &release.name, release.force, index));
        }
        if !due.notarize.is_empty() {
            let action = Action::Notarize { images: due.notarize.clone() };
            self.of_package("notarize", due, last.into_iter().collect(), due.to.to_string(), action);
        }
        if due.sign {
            self.sign(publish, due, index, pushes);
        }
    }

    fn push(&mut self, index: usize) -> Option<StepIndex> {
        let decided = self.decided;
        let (node, settled) = (&decided.nodes[index], &decided.settled[index]);
        let image = settled.image.as_ref()?;
        let remote = image.on(self.request.registry.as_deref());
        let (source, built) = match settled.found() {
            None => {
                let built = self.ready.get(&(image.to_string(), node.platform.clone()));
                (PushSource::Builder(image.arch_tag(&node.platform)), built.copied())
            }
            // What is published stays the same image, whatever else was made from the same inputs.
            Some((Place::Builder | Place::Cache, found)) if self.is_listed_alike(&remote, index, found) => {
                let listed = self.inputs.facts.in_index(&remote, &node.platform).found()?.digest.clone();
                (PushSource::Registry(format!("{}@{listed}", remote.name()).parse().ok()?), None)
            }
            Some((Place::Builder, found)) => (PushSource::Builder(self.stored_as(image, &node.platform, found)), None),
            Some((Place::Cache, _)) => (PushSource::Builder(image.arch_tag(&node.platform)), self.bring(index)),
            Some((Place::Index | Place::ArchTag, found)) => {
                let by_digest = format!("{}@{}", remote.name(), found.digest).parse();
                (PushSource::Registry(by_digest.unwrap_or_else(|_| remote.clone())), None)
            }
        };
        let to = remote.arch_tag(&node.platform);
        Some(self.add(Step {
            id: format!("push:{}", node.id()),
            title: format!("{} {}", node.name, node.platform),
            node: Some(index),
            reference: to.to_string(),
            needs: built.into_iter().collect(),
            action: Action::Push { source, to },
        }))
    }

    /// Whether the index lists an image for a node that was made from the same inputs as this one.
    fn is_listed_alike(&self, remote: &Reference, index: usize, found: &Found) -> bool {
        let listed = self.inputs.facts.in_index(remote, &self.decided.nodes[index].platform);
        let is_published = matches!(self.decided.settled[index].published.index, Fact::Yes(()));
        is_published && listed.found().is_some_and(|listed| listed.key == found.key)
    }

    fn index(&mut self, publish: &Publish, due: &Publication, pushes: Vec<StepIndex>) -> StepIndex {
        let platforms = due.members.iter().map(|&member| &self.decided.nodes[member].platform);
        // What nobody pushes may be listed without a `tag-arch` of its own, and then stays so.
        let required = platforms
            .filter(|platform| publish.images || self.inputs.facts.at_arch_tag(&due.to, platform).found().is_some());
        let required = required.cloned().collect();
        let looked_for = indexed_platforms(self.inputs.workspace, due.package).into_iter().collect();
        let annotations = self.annotations(due.package);
        let action = Action::Index { to: due.to.clone(), required, looked_for, annotations };
        self.of_package("index", due, pushes, due.to.to_string(), action)
    }

    fn release(&mut self, due: &Publication, name: &str, force: bool, index: Option<StepIndex>) -> StepIndex {
        let to = due.to.with_tag(name);
        let action = Action::Release { from: due.to.clone(), to: to.clone(), force };
        self.of_package("release", due, index.into_iter().collect(), to.to_string(), action)
    }

    fn sign(&mut self, publish: &Publish, due: &Publication, index: Option<StepIndex>, pushes: Vec<StepIndex>) {
        let platforms = due.members.iter().map(|&member| &self.decided.nodes[member].platform);
        let images = if publish.index {
            vec![due.to.clone()]
        } else {
            platforms.map(|platform| due.to.arch_tag(platform)).collect()
        };
        let needs = index.map_or(pushes, |index| vec![index]);
        self.of_package("sign", due, needs, due.to.to_string(), Action::Sign { images });
    }

    fn of_package(
        &mut self,
        verb: &str,
        due: &Publication,
        needs: Vec<StepIndex>,
        reference: String,
        action: Action,
    ) -> StepIndex {
        let name = self.inputs.workspace.package(due.package).name.to_string();
        self.add(Step { id: format!("{verb}:{name}"), title: name, node: None, reference, needs, action })
    }

    /// What an index says of itself, as far as it is the same for whoever writes it from the same commit.
    fn annotations(&self, package: PackageId) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        let mut say = |name: &str, value: &str| drop(annotations.insert(name.to_owned(), value.to_owned()));
        let build = self.inputs.workspace.package(package).build.as_ref();
        let Some((build, tag)) = build.zip(self.inputs.tags.get(package)) else { return annotations };
        say(TITLE, tag.output.name());
        if let Some(commit) = &tag.commit {
            if !build.gitrepo.is_empty() {
                say(SOURCE, &build.gitrepo);
            }
            say(REVISION, &commit.id);
            let time =
                OffsetDateTime::from_unix_timestamp(commit.time).ok().and_then(|time| time.format(&Rfc3339).ok());
            if let Some(time) = time {
                say(CREATED, &time);
            }
        }
        annotations
    }
}
