//! The pure part: which packages a change reaches, and by which pins and edges.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::order::{Link, order};
use super::super::repin::follows_from_files;
use super::super::{Pin, State};
use super::{Assumed, Cause, Left, Place, Rebuilt, Spread};
use crate::graph::{Edge, Kind, OWN_NAME, Sort};
use crate::image::Platform;
use crate::path::clean;
use crate::workspace::{PackageId, PackageName};

/// Why pins of a loop are left alone.
const LOOP: &str = "its tag would follow from itself";

/// A cause, and the package that is one.
type Causes = BTreeMap<PackageId, BTreeSet<(Option<PackageId>, Cause)>>;

/// `file_of` says in which file a pin stands, and `covers` has for each file the packages that have it among theirs.
pub(super) fn follow(
    question: Assumed<'_>,
    pins: &[Pin],
    file_of: &dyn Fn(&Pin) -> Option<usize>,
    covers: &[Vec<usize>],
) -> Spread {
    let mut walk = Walk { question, content: BTreeSet::new(), causes: Causes::new() };
    walk.assume();
    let allowed = |pin: &Pin| question.workspace.config.allows(&pin.file, &pin.reference).is_some();
    let live: Vec<(&Pin, usize, PackageId)> = (pins.iter())
        .filter(|pin| pin.is_live() && !allowed(pin))
        .filter_map(|pin| Some((pin, file_of(pin)?, pin.package?)))
        .collect();
    let follows = |package: &usize| follows_from_files(&question.workspace.packages[*package]);
    let with_tag: Vec<Vec<usize>> =
        covers.iter().map(|covering| covering.iter().copied().filter(follows).collect()).collect();
    let links: Vec<Link> = (live.iter())
        .map(|(pin, file, package)| Link { file: *file, target: package.index(), stale: pin.state == State::Stale })
        .collect();
    let loops = order(&links, &with_tag, question.workspace.packages.len()).loops;
    let (looped, open): (Vec<_>, Vec<_>) = (live.iter().enumerate())
        .filter(|(_, (pin, ..))| pin.state == State::Current)
        .partition(|(place, _)| loops.contains_key(place));
    let rewritten = walk.rewrite(open.into_iter().map(|(_, pin)| *pin).collect(), covers);
    walk.keys();

    let mut left: Vec<Left> = Vec::new();
    let looped = looped.into_iter().map(|(_, (pin, ..))| (*pin, LOOP.to_owned()));
    let unwritable = pins.iter().filter(|pin| pin.state == State::Current && !allowed(pin));
    let unwritable = unwritable.filter_map(|pin| Some((pin, pin.tag_at.as_ref().err()?.clone())));
    for (pin, why) in looped.chain(unwritable) {
        let by_itself = pin.used_by.iter().any(|&user| walk.follows_by_itself(user, &pin.reference));
        if let Some(package) = pin.package.filter(|&package| walk.has_new_tag(package) && !by_itself) {
            left.push(Left { place: walk.place(pin, package), why });
        }
    }
    left.sort();
    left.dedup();
    walk.finish(rewritten, left)
}

struct Walk<'a> {
    question: Assumed<'a>,
    /// The packages whose files change.
    content: BTreeSet<PackageId>,
    causes: Causes,
}

impl<'a> Walk<'a> {
    fn name(&self, id: PackageId) -> PackageName {
        self.question.workspace.package(id).name.clone()
    }

    fn place(&self, pin: &Pin, package: PackageId) -> Place {
        let package = self.name(package);
        Place { file: pin.file.clone(), line: pin.line, reference: pin.reference.clone(), package }
    }

    fn add(&mut self, id: PackageId, from: Option<PackageId>, cause: Cause) {
        self.causes.entry(id).or_default().insert((from, cause));
    }

    /// Its files change, and its tag is made of them.
    fn has_new_tag(&self, id: PackageId) -> bool {
        let outside = self.question.tags.get(id).is_some_and(|tag| tag.outside_git);
        self.content.contains(&id) && !outside && follows_from_files(self.question.workspace.package(id))
    }

    /// What is assumed, and all that has files of the same directories. Which file it is nobody knows, so that it may be
    /// one of an extra source that is only a part of the directory.
    fn assume(&mut self) {
        let Assumed { workspace, tags, changed, .. } = self.question;
        for &id in changed {
            self.content.insert(id);
            self.add(id, None, Cause::Assumed);
            let directory = clean(&workspace.directory(id));
            for other in workspace.ids().filter(|&other| other != id) {
                let Some(build) = &workspace.package(other).build else { continue };
                let package = self.name(id);
                if directory.starts_with(clean(&workspace.directory(other))) {
                    self.content.insert(other);
                    self.add(other, Some(id), Cause::Directory { package });
                    continue;
                }
                let sources = tags.get(other).map(|tag| tag.extra_sources.as_slice()).unwrap_or_default();
                let shared = |source: &&crate::git::ExtraSource| {
                    let source = clean(&source.source);
                    directory.starts_with(&source) || source.starts_with(&directory)
                };
                if let Some(source) = sources.iter().find(shared) {
                    let (file, line) = (build.source.path.clone(), source.line);
                    self.content.insert(other);
                    self.add(other, Some(id), Cause::ExtraSource { package, file, line });
                }
            }
        }
    }

    /// Writes pins anew, as long as there is one that names a new tag. Returns those that are, by file and place.
    fn rewrite(
        &mut self,
        mut open: Vec<(&Pin, usize, PackageId)>,
        covers: &[Vec<usize>],
    ) -> BTreeMap<(usize, usize), Place> {
        let mut rewritten = BTreeMap::new();
        loop {
            let (due, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|(.., package)| self.has_new_tag(*package));
            if due.is_empty() {
                return rewritten;
            }
            open = rest;
            for (pin, file, package) in due {
                let place = self.place(pin, package);
                for id in self.question.workspace.ids().filter(|id| covers[file].contains(&id.index())) {
                    if self.question.workspace.package(id).build.is_some() {
                        self.content.insert(id);
                        self.add(id, Some(package), Cause::Pin(place.clone()));
                    }
                }
                let start = pin.tag_at.as_ref().map_or(0, |range| range.start);
                rewritten.entry((file, start)).or_insert(place);
            }
        }
    }

    /// Follows the edges by which a package has another key without a change of its own files.
    fn keys(&mut self) {
        let graph = self.question.graph;
        let mut users: BTreeMap<PackageId, Vec<&'a Edge>> = BTreeMap::new();
        for edge in &graph.edges {
            if let Some(to) = edge.to.filter(|&to| to != edge.from) {
                users.entry(to).or_default().push(edge);
            }
        }
        let mut reached = self.content.clone();
        let mut open: Vec<PackageId> = reached.iter().copied().collect();
        while let Some(id) = open.pop() {
            let new_tag = self.has_new_tag(id);
            for edge in users.get(&id).into_iter().flatten() {
                let is_value = edge.sort == Sort::Input && edge.kind == Kind::BuildArg && new_tag;
                let stays_right = !new_tag || self.follows_by_itself(edge.from, &edge.reference);
                if !(is_value || edge.orders() && stays_right) {
                    continue;
                }
                let (file, reference) = (edge.file.clone(), edge.reference.clone());
                let place = Place { file, line: edge.line, reference, package: self.name(id) };
                self.add(edge.from, Some(id), if is_value { Cause::BuildArg(place) } else { Cause::BuiltOn(place) });
                if reached.insert(edge.from) {
                    open.push(edge.from);
                }
            }
        }
    }

    /// Whether a reference of a package has the new tag without being written anew: it is put together from the package's
    /// own hash, which changes with it, or it is the value of an `@lkt:` build arg.
    fn follows_by_itself(&self, user: PackageId, reference: &str) -> bool {
        let Assumed { workspace, graph, .. } = self.question;
        let package = workspace.package(user);
        let files = package.build_args.iter().flat_map(|file| &file.entries);
        let entries: Vec<&str> =
            package.build.iter().flat_map(|build| &build.build_args).chain(files).map(|entry| &*entry.value).collect();
        let nodes = graph.nodes.range((user, Platform::linux(""))..).take_while(|((id, _), _)| *id == user);
        nodes.into_iter().any(|(_, node)| {
            let follows = |name: &String| match node.build_args.iter().find(|(key, _)| key == name) {
                Some((key, value)) => !entries.contains(&format!("{key}={value}").as_str()),
                None => OWN_NAME.contains(&name.as_str()) && self.content.contains(&user),
            };
            let named = |text: &Result<String, String>| text.as_deref() == Ok(reference);
            node.references.iter().any(|it| named(&it.image.expanded) && it.image.through.iter().any(follows))
        })
    }

    fn finish(self, rewritten: BTreeMap<(usize, usize), Place>, left: Vec<Left>) -> Spread {
        let levels = levels(&self.causes);
        let mut packages: Vec<Rebuilt> = (self.causes.iter())
            .map(|(&id, causes)| Rebuilt {
                name: self.name(id),
                level: levels[&id],
                new_tag: self.has_new_tag(id),
                causes: causes.iter().map(|(_, cause)| cause.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
            })
            .collect();
        packages.sort_by(|a, b| (a.level, &a.name).cmp(&(b.level, &b.name)));
        let mut assumed: Vec<PackageName> = self.question.changed.iter().map(|&id| self.name(id)).collect();
        assumed.sort();
        let files = rewritten.keys().map(|(file, _)| file).collect::<BTreeSet<_>>().len();
        let mut pins: Vec<Place> = rewritten.into_values().collect();
        pins.sort();
        Spread { assumed, packages, pins, files, left }
    }
}

/// One more than the highest level of what causes a package; what causes each other shares one.
fn levels(causes: &Causes) -> BTreeMap<PackageId, usize> {
    let mut graph: DiGraph<PackageId, ()> = DiGraph::new();
    let nodes: BTreeMap<PackageId, NodeIndex> = causes.keys().map(|&id| (id, graph.add_node(id))).collect();
    for (id, causes) in causes {
        for from in causes.iter().filter_map(|(from, _)| nodes.get(&(*from)?)) {
            graph.add_edge(nodes[id], *from, ());
        }
    }
    let mut levels: BTreeMap<PackageId, usize> = BTreeMap::new();
    // A component comes after all that it leads to, which are its causes.
    for component in tarjan_scc(&graph) {
        let below = component.iter().flat_map(|&node| graph.neighbors(node));
        let level = below.filter_map(|node| levels.get(&graph[node])).max().map_or(1, |level| level + 1);
        levels.extend(component.iter().map(|&node| (graph[node], level)));
    }
    levels
}
