//! The dependency graph as a page: what each package is pinned to, and whether that is as it should be.

use std::collections::BTreeMap;

use super::data::{Arrow, Look, Node, Page, Pin, Tone};
use crate::git::{Dirt, PackageTag, Tags};
use crate::graph::render::{lines, problems, shown};
use crate::graph::{Edge, Graph, State};
use crate::wording::counted;
use crate::workspace::{PackageId, Workspace};

/// The worst first.
const LOOKS: [Look; 4] = [
    Look {
        key: "broken",
        mark: "!",
        label: "broken",
        meaning: "it has no tag or cannot be built: its build yml or Dockerfile is wrong, a pin has no value, or it is in a cycle",
        tone: Tone::Bad,
    },
    Look { key: "dirty", mark: "*", label: "dirty", meaning: "it differs from the commit", tone: Tone::Doubt },
    Look {
        key: "stale",
        mark: "~",
        label: "stale pins",
        meaning: "it names a package of this repository by another tag than the present one",
        tone: Tone::Warn,
    },
    Look { key: "current", mark: "✓", label: "current", meaning: "all its pins are right", tone: Tone::Good },
];

/// How many dirty files of a package are named.
const MOST_DIRT: usize = 20;

/// The page of all packages, or of those `selected` with all that they need.
#[must_use]
pub fn of_graph(graph: &Graph, workspace: &Workspace, tags: &Tags, selected: Option<&[PackageId]>) -> Page {
    let shown = shown(graph, workspace, selected);
    let scene = Scene::new(graph, workspace, tags, &shown);
    let nodes: Vec<Node> = shown.iter().map(|&id| Node { look: look(&scene, id), ..scene.node(id) }).collect();
    let arrows = scene.arrows();
    Page {
        title: format!("{} – dependency graph", scene.repository()),
        summary: format!("{}, {}", counted(nodes.len(), "package"), counted(arrows.len(), "dependency")),
        problems: Vec::new(),
        looks: LOOKS.to_vec(),
        nodes,
        arrows,
    }
}

fn look(scene: &Scene<'_>, id: PackageId) -> &'static str {
    let unresolved = |edge: &Edge| edge.state == State::Unresolved && !edge.platforms.is_empty();
    let stale = |edge: &Edge| edge.state == State::Stale && edge.to != Some(id) && scene.allowed(edge).is_none();
    if scene.problems(id).next().is_some() || scene.graph.edges_of(id).any(unresolved) {
        "broken"
    } else if scene.tags.get(id).is_some_and(PackageTag::is_dirty) {
        "dirty"
    } else if scene.graph.edges_of(id).any(stale) {
        "stale"
    } else {
        "current"
    }
}

/// The packages of a page, and what is known of them whatever is to be done with them.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    graph: &'a Graph,
    workspace: &'a Workspace,
    tags: &'a Tags,
    shown: &'a [PackageId],
    numbers: BTreeMap<PackageId, usize>,
}

impl<'a> Scene<'a> {
    /// `shown` are the packages in the order of the page.
    pub(super) fn new(graph: &'a Graph, workspace: &'a Workspace, tags: &'a Tags, shown: &'a [PackageId]) -> Self {
        let numbers = shown.iter().enumerate().map(|(number, &id)| (id, number)).collect();
        Self { graph, workspace, tags, shown, numbers }
    }

    /// What the directory of the repository is called.
    pub(super) fn repository(&self) -> String {
        self.workspace.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The arrows between the packages of the page.
    pub(super) fn arrows(&self) -> Vec<Arrow> {
        let lines = lines(self.graph, self.shown);
        let arrow = |((from, to), line)| {
            let (from, to) = (self.numbers.get(&from)?, self.numbers.get(&to)?);
            (from != to).then_some(Arrow { from: *from, to: *to, line })
        };
        lines.into_iter().filter_map(arrow).collect()
    }

    /// A package without a look.
    pub(super) fn node(&self, id: PackageId) -> Node {
        let tag = self.tags.get(id);
        Node {
            id: self.workspace.package(id).name.to_string(),
            look: "",
            reference: tag.map(|tag| tag.output.as_str().to_owned()),
            facts: self.facts(id),
            problems: self.problems(id).map(ToString::to_string).collect(),
            platforms: Vec::new(),
            pins: self.graph.edges_of(id).map(|edge| self.pin(edge)).collect(),
        }
    }

    fn facts(&self, id: PackageId) -> Vec<String> {
        let arches = self.workspace.package(id).build.iter().flat_map(|build| &build.arches);
        let arches: Vec<&str> = arches.map(|arch| arch.value.as_str()).collect();
        let listed =
            if arches.is_empty() { "for no architecture".to_owned() } else { format!("for {}", arches.join(", ")) };
        let mut facts = vec![listed];
        if let Some(tag) = self.tags.get(id) {
            let dirt: Vec<String> = tag
                .dirt
                .iter()
                .chain(tag.extra_sources.iter().flat_map(|source| &source.dirt))
                .map(Dirt::to_string)
                .collect();
            facts.extend(dirt.iter().take(MOST_DIRT).cloned());
            if dirt.len() > MOST_DIRT {
                facts.push(format!("and {} more", dirt.len() - MOST_DIRT));
            }
        }
        facts
    }

    fn problems(&self, id: PackageId) -> impl Iterator<Item = &'a crate::problem::Problem> {
        problems(self.graph, self.workspace, self.tags, id)
    }

    /// Why a stale pin may stay as it is.
    fn allowed(&self, edge: &Edge) -> Option<&'a str> {
        self.workspace.config.allows(&edge.file, &edge.reference)
    }

    fn pin(&self, edge: &Edge) -> Pin {
        let allowed = self.allowed(edge).filter(|_| edge.state == State::Stale);
        let (state, tone) = match edge.state {
            State::Current => ("current", Tone::Good),
            State::Stale if edge.to == Some(edge.from) => ("self", Tone::Mute),
            State::Stale if allowed.is_some() => ("stale, allowed", Tone::Mute),
            State::Stale => ("stale", Tone::Warn),
            State::External => ("external", Tone::Mute),
            State::Unresolved => ("unresolved", Tone::Bad),
            State::Input => ("input", Tone::Mute),
        };
        Pin {
            kind: edge.kind.name(),
            reference: edge.reference.clone(),
            state,
            tone,
            place: format!("{}:{}", edge.file, edge.line),
            note: allowed.map(str::to_owned).or_else(|| self.note(edge)),
            to: edge.to.and_then(|to| self.numbers.get(&to).copied()),
        }
    }

    fn note(&self, edge: &Edge) -> Option<String> {
        match edge.state {
            State::Stale if edge.to == Some(edge.from) => Some("its own previous generation".to_owned()),
            State::Stale => {
                let current = self.tags.get(edge.to?)?.identity.as_str();
                Some(format!("now {}", current.rsplit_once(':').map_or(current, |(_, tag)| tag)))
            }
            State::Current if edge.platforms.is_empty() => Some("in a stage that no build reaches".to_owned()),
            State::Current | State::External | State::Unresolved | State::Input => None,
        }
    }
}
