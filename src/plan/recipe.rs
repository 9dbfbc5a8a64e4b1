//! How a node is built: the components of its key and the request to the builder, from one set of facts.

use std::collections::{BTreeMap, BTreeSet};

use super::Inputs;
use super::key::Components;
use super::record::Record;
use crate::builder::{Archive, BuildRequest, ContextSource};
use crate::git::{PackageTag, preset_args};
use crate::graph::{NodeInputs, State};
use crate::image::{Platform, Reference};
use crate::presence::{COMPONENTS_LABEL, KEY_LABEL, KeyLabel};
use crate::workspace::{BuildYml, PackageId};

/// Build args that change with every commit, and so are no part of a key.
const COMMIT_ARGS: [&str; 2] = ["REVISION", "GOPKGVERSION"];
const CONFIG_LABEL: &str = "org.mobyproject.config";
const SOURCE_LABEL: &str = "org.opencontainers.image.source";
const REVISION_LABEL: &str = "org.opencontainers.image.revision";
const TOOL_VERSION_LABEL: &str = "org.mobyproject.linuxkit.version";
const TOOL_REVISION_LABEL: &str = "org.mobyproject.linuxkit.revision";

/// A package that can be built: everything that its recipe is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe<'a> {
    inputs: Inputs<'a>,
    package: PackageId,
    platform: &'a Platform,
    build: &'a BuildYml,
    tag: &'a PackageTag,
    node: &'a NodeInputs,
    dockerfile: &'a str,
}

impl<'a> Recipe<'a> {
    /// The recipe of a node, unless its build yml, its tag or its Dockerfile is missing.
    pub(super) fn new(inputs: Inputs<'a>, package: PackageId, platform: &'a Platform) -> Option<Self> {
        let described = inputs.workspace.package(package);
        Some(Self {
            inputs,
            package,
            platform,
            build: described.build.as_ref()?,
            tag: inputs.tags.get(package)?,
            node: inputs.graph.nodes.get(&(package, platform.clone()))?,
            dockerfile: &described.dockerfile.as_ref()?.source.text,
        })
    }

    /// What the image is made from, given the keys of the images it is built on by reference.
    pub(super) fn components(&self, needs: BTreeMap<String, String>) -> Components {
        let external = self
            .node
            .references
            .iter()
            .filter(|reference| reference.image.reached && reference.state == State::External);
        let mut external: Vec<String> =
            external.filter_map(|reference| reference.image.expanded.as_ref().ok()).cloned().collect();
        external.sort_unstable();
        external.dedup();
        let mut build_args = self.build_args();
        build_args.retain(|name, _| !COMMIT_ARGS.contains(&name.as_str()) || self.sets(name));
        let mut labels = self.labels();
        for label in [REVISION_LABEL, TOOL_VERSION_LABEL, TOOL_REVISION_LABEL] {
            labels.remove(label);
        }
        Components {
            version: KeyLabel::VERSION,
            name: self.tag.output.name().to_owned(),
            platform: self.platform.clone(),
            tree: self.tag.tree.clone(),
            extra_sources: (self.tag.extra_sources.iter())
                .map(|source| (source.destination.clone(), source.tree.clone()))
                .collect(),
            dockerfile: self.build.dockerfile.value.clone(),
            dockerfile_text: blake3::hash(self.dockerfile.as_bytes()).to_hex().to_string(),
            build_args,
            labels,
            network: self.build.network,
            docker_images: self.archives().into_iter().map(|archive| (archive.path, archive.images)).collect(),
            files: self.inputs.files.get(&self.package).cloned().unwrap_or_default(),
            needs,
            external,
            exclude: self.exclude(),
        }
    }

    fn exclude(&self) -> Vec<String> {
        let overrides = &self.inputs.workspace.package(self.package).overrides;
        overrides.exclude.iter().map(|pattern| pattern.value.clone()).collect()
    }

    /// The request to the builder. `indefinite` has the needs whose keys do not say all there is to say; `replaced` maps
    /// byte ranges of the Dockerfile to the names that the builder has for the images referred to there.
    pub(super) fn request(
        &self,
        key: &KeyLabel,
        components: &Components,
        indefinite: &BTreeSet<String>,
        replaced: &BTreeMap<(usize, usize), String>,
        tags: &[Reference],
    ) -> BuildRequest {
        let workspace = self.inputs.workspace;
        let dockerfile = workspace.package(self.package).dockerfile.as_ref();
        let mut labels = self.labels();
        labels.insert(KEY_LABEL.to_owned(), key.to_string());
        labels.extend(Record::label(components, indefinite).map(|record| (COMPONENTS_LABEL.to_owned(), record)));
        let archives = self.archives();
        let images = &self.build.docker_images;
        BuildRequest {
            directory: workspace.directory(self.package),
            extra_sources: (self.tag.extra_sources.iter())
                .map(|source| ContextSource { source: source.source.clone(), destination: source.destination.clone() })
                .collect(),
            dockerfile: self.build.dockerfile.value.clone(),
            dockerfile_text: dockerfile.filter(|_| !replaced.is_empty()).map(|file| file.rewrite(replaced)),
            texts: self.texts(),
            left_out: if archives.is_empty() {
                Vec::new()
            } else {
                images.target_dir.iter().chain(&images.target).cloned().collect()
            },
            archives,
            exclude: self.exclude(),
            platform: self.platform.clone(),
            build_args: self.build_args(),
            labels,
            planned_at: None,
            registries: self.registries(),
            network: self.build.network,
            no_cache: self.build.disable_cache,
            tags: tags.iter().map(ToString::to_string).collect(),
        }
    }

    /// The files of the context that are taken to have another text than on disk.
    fn texts(&self) -> BTreeMap<String, String> {
        let workspace = self.inputs.workspace;
        let own = (workspace.directory(self.package), "");
        let extra = self.tag.extra_sources.iter();
        let extra = extra.map(|source| (source.source.clone(), source.destination.trim_matches('/')));
        let mut texts = BTreeMap::new();
        for (directory, destination) in std::iter::once(own).chain(extra) {
            for (file, text) in &workspace.rewritten {
                let Some(inside) = file.strip_prefix(&directory).ok().and_then(|inside| inside.to_str()) else {
                    continue;
                };
                let path = if destination.is_empty() { inside.to_owned() } else { format!("{destination}/{inside}") };
                texts.insert(path, text.to_string());
            }
        }
        texts
    }

    /// Where the engine may look for the images that the Dockerfile names.
    fn registries(&self) -> Vec<String> {
        let images = self.node.references.iter().filter(|reference| reference.image.reached);
        let images = images.filter_map(|reference| reference.image.expanded.as_ref().ok()?.parse::<Reference>().ok());
        let hosts: BTreeSet<String> = images.filter_map(|image| image.canonical().host().map(str::to_owned)).collect();
        hosts.into_iter().collect()
    }

    fn sets(&self, name: &str) -> bool {
        self.node.build_args.iter().any(|(set, _)| set == name)
    }

    /// The build args of the yml over the presets.
    fn build_args(&self) -> BTreeMap<String, String> {
        let mut args = preset_args(self.build, Some(self.tag));
        args.extend(self.node.build_args.iter().cloned());
        args
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (TOOL_VERSION_LABEL.to_owned(), concat!("kitmake-", env!("CARGO_PKG_VERSION")).to_owned()),
            (TOOL_REVISION_LABEL.to_owned(), option_env!("KITMAKE_REVISION").unwrap_or("unknown").to_owned()),
        ]);
        if self.tag.commit.is_some() {
            if !self.build.gitrepo.is_empty() {
                labels.insert(SOURCE_LABEL.to_owned(), self.build.gitrepo.clone());
            }
            if let Some(revision) = self.tag.revision() {
                labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
            }
        }
        if let Some(config) = &self.build.config_label {
            labels.insert(CONFIG_LABEL.to_owned(), config.clone());
        }
        labels
    }

    /// The images to be placed as tar files: each in a file of its own below `target-dir`, named by the last component
    /// of its name and its digest, or all in the one file `target`.
    fn archives(&self) -> Vec<Archive> {
        let images = &self.build.docker_images;
        let pinned = |reference: &Reference| match reference.digest() {
            Some(digest) => format!("{}@{digest}", reference.name()),
            None => reference.to_string(),
        };
        if let Some(target) = &images.target {
            let images: Vec<String> = images.images.iter().map(|image| pinned(&image.reference)).collect();
            return if images.is_empty() { Vec::new() } else { vec![Archive { path: target.clone(), images }] };
        }
        let Some(directory) = &images.target_dir else { return Vec::new() };
        let archive = |reference: &Reference| {
            let base = reference.path().rsplit('/').next().unwrap_or_default();
            let path = format!("{directory}/{base}@{}.tar", reference.digest().unwrap_or_default());
            Archive { path, images: vec![pinned(reference)] }
        };
        images.images.iter().map(|image| archive(&image.reference)).collect()
    }
}
