//! A repository, its places and a request, made by hand for the tests of the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Action, Inputs, Node, OnOutdated, Plan, Platforms, Reason, Request, State, Step};
use crate::builder::BuildRequest;
use crate::git::{ImageName, PackageTag};
use crate::graph::testing::{Pkg, Repo};
use crate::image::{Platform, Reference};
use crate::presence::{Cached, Fact, Facts, Found, KeyLabel, Registered};
use crate::problem::{Class, Fault, Problem};
use crate::trust::Signed;
use crate::workspace::{BuildYml, PackageId};

/// Everything a plan is made from. Images are called `t/<last component>:now`, the builder is amd64, and no place has
/// anything until it is said to.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) repo: Repo,
    pub(crate) facts: Facts,
    pub(crate) files: BTreeMap<PackageId, BTreeMap<String, String>>,
    pub(crate) request: Request,
    pub(crate) skipped: Vec<Platform>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
#[diagnostic(code(test::unanswered))]
struct Refused(&'static str);

impl Fault for Refused {
    fn class(&self) -> Class {
        Class::Infrastructure
    }
}

pub(crate) fn refused() -> Problem {
    unanswered("the registry refused")
}

/// A question that failed.
pub(crate) fn unanswered(why: &'static str) -> Problem {
    Refused(why).into()
}

pub(crate) fn amd64() -> Platform {
    Platform::linux("amd64")
}

pub(crate) fn arm64() -> Platform {
    Platform::linux("arm64")
}

pub(crate) fn world<const N: usize>(packages: [Pkg; N]) -> World {
    World::new(packages.into())
}

impl World {
    /// All packages are selected, on the builder's platform.
    pub(crate) fn new(packages: Vec<Pkg>) -> Self {
        let repo = Repo::at(Path::new("/r"), packages, &["linux/arm64"]);
        let request = Request {
            selected: repo.workspace.ids().collect(),
            platforms: Platforms::Own,
            builder: amd64(),
            runs: None,
            registry: None,
            build: true,
            cache: false,
            trust: false,
            publish: None,
            force: false,
            pull: false,
            assume_missing: BTreeSet::new(),
            on_outdated: OnOutdated::Warn,
            repinned: false,
        };
        let facts = Facts {
            builder: Fact::Yes(BTreeMap::new()),
            cache: Fact::NotAsked,
            trusted: BTreeMap::new(),
            registry: BTreeMap::new(),
            components: BTreeMap::new(),
            external: BTreeMap::new(),
        };
        let mut world = Self { repo, facts, files: BTreeMap::new(), request, skipped: Vec::new() };
        for tag in world.repo.tags.packages.iter_mut().flatten().flatten() {
            tag.output = tag.identity.clone();
        }
        world.registry_says(&Fact::No);
        world
    }

    /// The registry gives this answer to all questions; the last word so far.
    pub(crate) fn registry_says(&mut self, answer: &Fact<Found>) {
        let index = match answer {
            Fact::Unknown(problem) => Fact::Unknown(problem.clone()),
            Fact::NotAsked => Fact::NotAsked,
            Fact::Yes(_) | Fact::No => Fact::No,
        };
        let images: Vec<Reference> = self.repo.workspace.ids().filter_map(|id| self.image_of(id)).collect();
        for image in images {
            let arch_tags = [amd64(), arm64()].into_iter().map(|platform| (platform, answer.clone())).collect();
            let name = image.on(self.request.registry.as_deref()).canonical().to_string();
            self.facts.registry.insert(
                name,
                Registered {
                    index: index.clone(),
                    listing: None,
                    listed: BTreeSet::new(),
                    arch_tags,
                    release: Fact::No,
                    signed: BTreeMap::new(),
                },
            );
        }
    }

    fn image_of(&self, id: PackageId) -> Option<Reference> {
        self.repo.tags.get(id).and_then(|tag| tag.output.reference().ok()).cloned()
    }

    pub(crate) fn image(&self, name: &str) -> Reference {
        self.image_of(self.repo.id(name)).unwrap()
    }

    pub(crate) fn tag(&mut self, name: &str) -> &mut PackageTag {
        let id = self.repo.id(name);
        self.repo.tags.packages[id.index()].as_mut().unwrap().as_mut().unwrap()
    }

    pub(crate) fn build_yml(&mut self, name: &str) -> &mut BuildYml {
        let id = self.repo.id(name);
        self.repo.workspace.packages[id.index()].build.as_mut().unwrap()
    }

    /// A tag that does not contain the tree hash.
    pub(crate) fn mutable(&mut self, name: &str) {
        self.tag(name).content_tag = false;
    }

    /// What the command line makes of the name.
    pub(crate) fn called(&mut self, name: &str, output: (&str, &str, &str)) {
        self.tag(name).output = ImageName::new(output.0, output.1, output.2);
        self.registry_says(&Fact::No);
    }

    pub(crate) fn select(&mut self, names: &[&str]) {
        self.request.selected = names.iter().map(|name| self.repo.id(name)).collect();
    }

    /// The key that a node has when all that it needs is built here.
    pub(crate) fn key(&self, name: &str, platform: &Platform) -> KeyLabel {
        let mut request = self.request.clone();
        request.selected = self.repo.workspace.ids().collect();
        request.platforms = Platforms::These(vec![amd64(), arm64()]);
        request.assume_missing = self.repo.workspace.ids().collect();
        (request.force, request.publish) = (true, None);
        let plan = self.plan_with(&request);
        let id = self.repo.id(name);
        let node = plan.nodes.iter().find(|node| node.package == id && node.platform == *platform).unwrap();
        node.components.as_ref().unwrap().label()
    }

    /// A key that the node never has.
    pub(crate) fn other_key(&self, name: &str, platform: &Platform) -> KeyLabel {
        KeyLabel { hash: "0".repeat(64), ..self.key(name, platform) }
    }

    /// The builder has an image under exactly this name.
    pub(crate) fn builder_has(&mut self, name: &Reference, platform: &Platform, key: Option<KeyLabel>) {
        let Fact::Yes(images) = &mut self.facts.builder else { panic!("the builder has no store") };
        let digest = format!("id of {platform} {key:?}");
        images.insert(name.canonical().to_string(), Found::new(Some(platform.clone()), key, digest));
    }

    /// The builder has a node, under the names that a build gives it.
    pub(crate) fn stored(&mut self, name: &str, platform: &Platform, key: Option<KeyLabel>) {
        let image = self.image(name);
        self.builder_has(&image.arch_tag(platform), platform, key.clone());
        if *platform == amd64() {
            self.builder_has(&image, platform, key);
        }
    }

    /// linuxkit's cache has a node.
    pub(crate) fn in_cache(&mut self, name: &str, platform: &Platform, key: Option<KeyLabel>) {
        let image = self.image(name).canonical().to_string();
        if !matches!(self.facts.cache, Fact::Yes(_)) {
            self.facts.cache = Fact::Yes(BTreeMap::new());
        }
        let Fact::Yes(images) = &mut self.facts.cache else { return };
        let found = Found::new(Some(platform.clone()), key, "id".to_owned());
        images.insert((image, platform.clone()), Cached { found, listed: true });
    }

    /// A tag is signed with a digest in the trust data, or with none.
    pub(crate) fn signed_with(&mut self, tag: &str, digest: Option<&str>) {
        let signed = |digest: &str| Fact::Yes(Signed { digest: digest.to_owned(), size: 1 });
        let tag: Reference = tag.parse().unwrap();
        self.facts.trusted.insert(tag.canonical().to_string(), digest.map_or(Fact::No, signed));
    }

    pub(crate) fn registered(&mut self, image: &Reference) -> &mut Registered {
        let name = image.on(self.request.registry.as_deref()).canonical().to_string();
        let nothing = || Registered {
            index: Fact::No,
            listing: None,
            listed: BTreeSet::new(),
            arch_tags: BTreeMap::new(),
            release: Fact::No,
            signed: BTreeMap::new(),
        };
        self.facts.registry.entry(name).or_insert_with(nothing)
    }

    /// The registry has an image as `tag-arch`.
    pub(crate) fn at_arch_tag(&mut self, image: &Reference, platform: &Platform, key: Option<KeyLabel>) {
        let found = Found::new(Some(platform.clone()), key, digest(image, platform));
        self.registered(image).arch_tags.insert(platform.clone(), Fact::Yes(found));
    }

    /// The registry's index lists an image.
    pub(crate) fn in_index(&mut self, image: &Reference, platform: &Platform, key: Option<KeyLabel>) {
        let found = Found::new(Some(platform.clone()), key, digest(image, platform));
        let registered = self.registered(image);
        match &mut registered.index {
            Fact::Yes(listed) => drop(listed.insert(platform.clone(), found)),
            index => *index = Fact::Yes([(platform.clone(), found)].into()),
        }
    }

    /// The registry has a node, whole.
    pub(crate) fn published(&mut self, name: &str, platform: &Platform, key: Option<KeyLabel>) {
        let image = self.image(name);
        self.at_arch_tag(&image, platform, key.clone());
        self.in_index(&image, platform, key);
    }

    /// The registry has a node as it is here.
    pub(crate) fn published_here(&mut self, name: &str) {
        let key = self.key(name, &amd64());
        self.published(name, &amd64(), Some(key));
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan_with(&self.request)
    }

    pub(crate) fn plan_with(&self, request: &Request) -> Plan {
        let Repo { workspace, tags, graph } = &self.repo;
        let demand =
            super::demand(workspace, graph, &request.selected, &request.platforms, &self.skipped, &request.builder);
        let inputs = Inputs { workspace, tags, graph, facts: &self.facts, files: &self.files };
        super::plan(inputs, request, &demand)
    }

    pub(crate) fn steps(&self) -> Vec<String> {
        self.plan().ids()
    }

    /// The state of a node on the builder's platform.
    pub(crate) fn state(&self, name: &str) -> State {
        self.plan().on(name, "amd64").state
    }
}

/// What the registry calls the image of a node.
pub(crate) fn digest(image: &Reference, platform: &Platform) -> String {
    let hash = blake3::hash(format!("{} {platform}", image.path()).as_bytes());
    format!("sha256:{}", hash.to_hex())
}

impl Plan {
    pub(crate) fn ids(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.id.clone()).collect()
    }

    pub(crate) fn codes(&self) -> Vec<String> {
        self.problems.iter().map(Problem::code).collect()
    }

    pub(crate) fn on(&self, name: &str, arch: &str) -> &Node {
        let platform = Platform::linux(arch);
        self.nodes.iter().find(|node| node.name.as_str() == name && node.platform == platform).unwrap()
    }

    pub(crate) fn reasons(&self, name: &str) -> &[Reason] {
        &self.on(name, "amd64").reasons
    }

    pub(crate) fn step(&self, id: &str) -> &Step {
        self.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no step {id} in {:?}", self.ids()))
    }

    pub(crate) fn needs(&self, id: &str) -> Vec<&str> {
        self.step(id).needs.iter().map(|needed| self.steps[needed.index()].id.as_str()).collect()
    }

    pub(crate) fn build(&self, id: &str) -> &BuildRequest {
        match &self.step(id).action {
            Action::Build(request) => request,
            action => panic!("{id} is {action:?}"),
        }
    }
}
