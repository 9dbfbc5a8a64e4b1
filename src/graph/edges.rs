//! From workspace and tags to edges.
//!
//! Each package is looked at on its own, in parallel, against two indexes: which package makes which repository, and
//! which package lives in which directory. Its platforms are those of its yml, those asked for and the builder's own;
//! references that are the same on several of them are one edge.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::DiGraph;
use rayon::prelude::*;

use crate::git::Tags;
use crate::image::Platform;
use crate::problem::Problem;
use crate::workspace::dockerfile::ReferenceKind;
use crate::workspace::{BuildYml, Package, PackageId, Workspace};

use super::directories::Directories;
use super::lkt::{self, BuildArgs};
use super::repositories::Repositories;
use super::{Edge, Graph, Kind, NodeInputs, Sort, State, cycle, inputs, paths, unread};

/// Builds the graph for the architectures of each yml and for `platforms`; `builder` is the builder's own platform.
#[must_use]
pub fn build(workspace: &Workspace, tags: &Tags, platforms: &[Platform], builder: &Platform) -> Graph {
    let context = Context {
        workspace,
        tags,
        asked: platforms.iter().chain([builder]).cloned().collect(),
        builder,
        directories: Directories::new(workspace),
        repositories: Repositories::new(workspace, tags),
    };
    let ids: Vec<PackageId> = workspace.ids().collect();
    let parts: Vec<Part> = ids.into_par_iter().map(|id| context.part(id)).collect();
    let (problems, open) = (BTreeMap::new(), BTreeMap::new());
    let mut graph = Graph { order: DiGraph::new(), edges: Vec::new(), nodes: BTreeMap::new(), problems, open };
    let mut nodes = Vec::new();
    for (id, part) in workspace.ids().zip(parts) {
        graph.edges.extend(part.edges);
        nodes.extend(part.nodes.into_iter().map(|(platform, inputs)| ((id, platform), inputs)));
        if !part.problems.is_empty() {
            graph.problems.insert(id, part.problems);
        }
        if !part.open.is_empty() {
            graph.open.insert(id, part.open);
        }
    }
    graph.nodes = nodes.into_iter().collect();
    graph.order = order(workspace, &graph.edges);
    for (id, problem) in cycle::problems(workspace, &graph) {
        graph.problems.entry(id).or_default().push(problem);
    }
    graph
}

/// The packages with one petgraph edge per pair that a current image edge joins.
pub(super) fn order(workspace: &Workspace, edges: &[Edge]) -> DiGraph<PackageId, usize> {
    let mut order = DiGraph::with_capacity(workspace.packages.len(), edges.len());
    for id in workspace.ids() {
        order.add_node(id);
    }
    let mut joined = BTreeSet::new();
    for (index, edge) in edges.iter().enumerate() {
        if let (true, Some(to)) = (edge.orders(), edge.to)
            && joined.insert((edge.from, to))
        {
            order.add_edge(Graph::node(to), Graph::node(edge.from), index);
        }
    }
    order
}

struct Context<'a> {
    workspace: &'a Workspace,
    tags: &'a Tags,
    asked: BTreeSet<Platform>,
    builder: &'a Platform,
    directories: Directories<'a>,
    repositories: Repositories,
}

/// What one package adds to the graph.
#[derive(Default)]
struct Part {
    edges: Vec<Edge>,
    nodes: Vec<(Platform, NodeInputs)>,
    problems: Vec<Problem>,
    open: Vec<Problem>,
}

impl Context<'_> {
    fn part(&self, id: PackageId) -> Part {
        let package = self.workspace.package(id);
        let Some(build) = &package.build else { return Part::default() };
        let listed = build.arches.iter().map(|arch| Platform::linux(&arch.value));
        let platforms: BTreeSet<Platform> = listed.chain(self.asked.iter().cloned()).collect();
        let platforms: Vec<Platform> = platforms.into_iter().collect();
        let (args, problems) = lkt::resolve(self.workspace, self.tags, &self.directories, package, build);
        let on = (platforms.as_slice(), self.builder);
        let nodes = inputs::nodes(package, build, id, &args, self.tags, &self.repositories, on);
        let nodes: Vec<(Platform, NodeInputs)> = platforms.iter().cloned().zip(nodes).collect();
        let mut edges = image_edges(id, package.dockerfile.as_ref().map(|file| file.source.path.as_str()), &nodes);
        let inputs = Inputs { id, build, platforms: &platforms };
        let values = inputs.build_args(&args, &edges);
        edges.extend(values);
        edges.extend(self.extra_sources(&inputs));
        edges.extend(self.docker_images(&inputs));
        edges.sort_by(|a, b| a.key().cmp(&b.key()));
        edges.dedup();
        let open = self.open(&inputs, package, &nodes, &problems);
        Part { edges, nodes, problems, open }
    }

    /// Its files are part of the context and of the tag: of which packages they are the files.
    fn extra_sources(&self, inputs: &Inputs<'_>) -> Vec<Edge> {
        let Some(tag) = self.tags.get(inputs.id) else { return Vec::new() };
        let mut edges = Vec::new();
        for source in &tag.extra_sources {
            let (files, root) = (&*self.workspace.files, &self.workspace.root);
            let (path, packages) = match paths::below(files, root, &source.source) {
                Some(path) => {
                    let packages = self.directories.sharing_files(&path);
                    (path, packages)
                }
                None => (paths::relative(files, root, &source.source), Vec::new()),
            };
            let file = &inputs.build.source.path;
            if packages.is_empty() {
                edges.push(inputs.edge(None, Kind::ExtraSource, &path, file, source.line));
            }
            edges.extend(packages.iter().map(|&to| inputs.edge(Some(to), Kind::ExtraSource, &path, file, source.line)));
        }
        edges
    }

    /// Why there may be more edges than these, although the files of the package can be read.
    fn open(
        &self,
        inputs: &Inputs<'_>,
        package: &Package,
        nodes: &[(Platform, NodeInputs)],
        problems: &[Problem],
    ) -> Vec<Problem> {
        let mut open: Vec<Problem> = problems.iter().filter(|it| it.code() == lkt::UNKNOWN).cloned().collect();
        // Where extra sources lie the tag says.
        if !inputs.build.extra_sources.is_empty()
            && let Some(Some(Err(problem))) = self.tags.packages.get(inputs.id.index())
        {
            open.push(problem.clone());
        }
        open.extend(package.dockerfile.iter().flat_map(|file| unread::without_value(&file.source, nodes)));
        open
    }

    /// Fetched by digest, so published before this run whoever makes them.
    fn docker_images(&self, inputs: &Inputs<'_>) -> Vec<Edge> {
        let images = inputs.build.docker_images.images.iter();
        images
            .map(|image| {
                let to = self.repositories.maker(&image.reference);
                inputs.edge(to, Kind::DockerImage, &image.reference.to_string(), &image.file, image.line)
            })
            .collect()
    }
}

/// A package that makes input edges.
struct Inputs<'a> {
    id: PackageId,
    build: &'a BuildYml,
    /// Every build needs the inputs.
    platforms: &'a [Platform],
}

impl Inputs<'_> {
    fn edge(&self, to: Option<PackageId>, kind: Kind, reference: &str, file: &str, line: u32) -> Edge {
        Edge {
            from: self.id,
            to,
            sort: Sort::Input,
            kind,
            reference: reference.to_owned(),
            state: State::Input,
            file: file.to_owned(),
            line,
            platforms: self.platforms.to_vec(),
        }
    }

    /// The values that name packages, without those that the Dockerfile uses as an image: these are image edges already.
    fn build_args(&self, args: &BuildArgs, images: &[Edge]) -> Vec<Edge> {
        let used = |package, image: &str| {
            images.iter().any(|edge| edge.orders() && edge.to == Some(package) && edge.reference == image)
        };
        let values = args.packages.iter().filter(|value| !used(value.package, &value.image));
        values
            .map(|value| self.edge(Some(value.package), Kind::BuildArg, &value.image, &value.file, value.line))
            .collect()
    }
}

/// The references of a Dockerfile on all platforms, each once.
fn image_edges(from: PackageId, file: Option<&str>, nodes: &[(Platform, NodeInputs)]) -> Vec<Edge> {
    let Some(file) = file else { return Vec::new() };
    let mut reached: BTreeMap<_, Vec<Platform>> = BTreeMap::new();
    for (platform, inputs) in nodes {
        for reference in &inputs.references {
            let image = &reference.image;
            let text = image.expanded.as_ref().unwrap_or(&image.written);
            let platforms =
                reached.entry((image.kind, image.line, text, reference.state, reference.package)).or_default();
            if image.reached && platforms.last() != Some(platform) {
                platforms.push(platform.clone());
            }
        }
    }
    let edge = |((kind, line, reference, state, to), platforms): ((_, _, &String, _, _), _)| Edge {
        from,
        to,
        sort: Sort::Image,
        kind: match kind {
            ReferenceKind::From => Kind::From,
            ReferenceKind::CopyFrom => Kind::CopyFrom,
            ReferenceKind::MountFrom => Kind::MountFrom,
        },
        reference: reference.clone(),
        state,
        file: file.to_owned(),
        line,
        platforms,
    };
    reached.into_iter().map(edge).collect()
}
