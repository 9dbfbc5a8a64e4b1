//! Workspaces for the tests of the graph, without a disk or git behind them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::git::{Dirt, ExtraSource, ImageName, PackageTag, Tags};
use crate::image::Platform;
use crate::problem::{Class, Fault, SourceFile};
use crate::workspace::build_yml::{DockerImage, DockerImages, Located};
use crate::workspace::{BuildYml, Dockerfile, KitmakeYml, Package, PackageId, PackageName, Workspace};

use super::{Edge, Graph, State, build};

/// One package of a test; its image is `t/<last component>`, its tag `now`.
#[derive(Debug, Clone)]
pub(crate) struct Pkg {
    path: String,
    yml: String,
    image: String,
    tag: String,
    output: Option<String>,
    dockerfile: Option<String>,
    arches: Vec<String>,
    build_args: Vec<String>,
    sources: Vec<PathBuf>,
    docker_images: Vec<String>,
    readable: bool,
    tagged: bool,
    dirty: bool,
}

impl Pkg {
    pub(crate) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            yml: "build.yml".to_owned(),
            image: path.rsplit('/').next().unwrap().to_owned(),
            tag: "now".to_owned(),
            output: None,
            dockerfile: Some("FROM scratch\n".to_owned()),
            arches: vec!["amd64".to_owned()],
            build_args: Vec::new(),
            sources: Vec::new(),
            docker_images: Vec::new(),
            readable: true,
            tagged: true,
            dirty: false,
        }
    }

    pub(crate) fn yml(mut self, yml: &str) -> Self {
        yml.clone_into(&mut self.yml);
        self
    }

    pub(crate) fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    pub(crate) fn tag(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// The tag that the command line gives it.
    pub(crate) fn output(mut self, tag: &str) -> Self {
        self.output = Some(tag.to_owned());
        self
    }

    pub(crate) fn dockerfile(mut self, text: &str) -> Self {
        self.dockerfile = Some(text.to_owned());
        self
    }

    /// A Dockerfile of this one line.
    pub(crate) fn from(self, image: &str) -> Self {
        self.dockerfile(&format!("FROM {image}\n"))
    }

    pub(crate) fn arches(mut self, arches: &[&str]) -> Self {
        self.arches = arches.iter().map(|&arch| arch.to_owned()).collect();
        self
    }

    pub(crate) fn arg(mut self, entry: &str) -> Self {
        self.build_args.push(entry.to_owned());
        self
    }

    /// An extra source by its absolute path.
    pub(crate) fn source(mut self, path: &str) -> Self {
        self.sources.push(path.into());
        self
    }

    pub(crate) fn docker_image(mut self, reference: &str) -> Self {
        self.docker_images.push(reference.to_owned());
        self
    }

    pub(crate) fn unreadable(mut self) -> Self {
        self.readable = false;
        self
    }

    pub(crate) fn untagged(mut self) -> Self {
        self.tagged = false;
        self
    }

    pub(crate) fn dirty(mut self) -> Self {
        self.dirty = true;
        self
    }

    fn yml_path(&self) -> String {
        if self.path == "." { self.yml.clone() } else { format!("{}/{}", self.path, self.yml) }
    }

    /// The build args stand one per line, from the second line on.
    fn build(&self) -> BuildYml {
        let mut text = "buildArgs:\n".to_owned();
        let build_args = (2..)
            .zip(&self.build_args)
            .map(|(line, entry)| {
                let start = text.len() + 2;
                writeln!(text, "- {entry}").unwrap();
                Located { value: entry.clone(), span: start..start + entry.len(), line }
            })
            .collect();
        let located = |value: &str| Located { value: value.to_owned(), span: 0..0, line: 1 };
        let images = (1..).zip(&self.docker_images);
        BuildYml {
            source: SourceFile::new(self.yml_path(), text),
            image: self.image.clone(),
            org: "t".to_owned(),
            tag: located("{{.Hash}}"),
            dockerfile: located("Dockerfile"),
            arches: self.arches.iter().map(|arch| located(arch)).collect(),
            extra_sources: Vec::new(),
            gitrepo: String::new(),
            network: false,
            disable_cache: false,
            disable_content_trust: false,
            config_label: None,
            build_args,
            docker_images: DockerImages {
                images: images
                    .map(|(line, image)| DockerImage {
                        reference: image.parse().unwrap(),
                        file: format!("{}/images.lst", self.path),
                        line,
                    })
                    .collect(),
                ..DockerImages::default()
            },
        }
    }

    fn package(&self) -> Package {
        let dockerfile = self.dockerfile.as_ref().filter(|_| self.readable);
        let path = format!("{}/Dockerfile", self.path);
        Package {
            build: self.readable.then(|| self.build()),
            identity: format!("t/{}", self.image).parse().ok(),
            dockerfile: dockerfile.map(|text| Dockerfile::parse(SourceFile::new(path, text.as_str())).unwrap()),
            problems: if self.readable { Vec::new() } else { vec![Broken("yml is broken").into()] },
            ..Package::new(&self.path, &self.yml)
        }
    }

    fn package_tag(&self) -> PackageTag {
        let sources = (1..).zip(&self.sources);
        PackageTag {
            identity: ImageName::new("t", &self.image, &self.tag),
            output: ImageName::new("other", &self.image, self.output.as_ref().unwrap_or(&self.tag)),
            hash: self.tag.clone(),
            tree: None,
            extra_sources: sources
                .map(|(line, source)| ExtraSource {
                    source: source.clone(),
                    destination: "src".to_owned(),
                    tree: "0".repeat(40),
                    line,
                    dirt: Vec::new(),
                })
                .collect(),
            dirt: if self.dirty { vec![Dirt::Forced] } else { Vec::new() },
            commit: None,
            content_tag: true,
            outside_git: false,
            uncommitted: false,
            warnings: Vec::new(),
        }
    }
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
#[diagnostic(code(test::broken))]
struct Broken(&'static str);

impl Fault for Broken {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// Packages below a root, with their tags and the graph for amd64 on an amd64 builder.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) workspace: Workspace,
    pub(crate) tags: Tags,
    pub(crate) graph: Graph,
}

/// A workspace at `/r`, which need not exist.
pub(crate) fn repo<const N: usize>(packages: [Pkg; N]) -> Repo {
    Repo::at(Path::new("/r"), packages.into(), &[])
}

impl Repo {
    pub(crate) fn at(root: &Path, mut packages: Vec<Pkg>, platforms: &[&str]) -> Self {
        packages.sort_by_key(|package| PackageName::new(&package.path, &package.yml));
        let tag = |package: &Pkg| match (package.readable, package.tagged) {
            (false, _) => None,
            (true, false) => Some(Err(Broken("no tag").into())),
            (true, true) => Some(Ok(package.package_tag())),
        };
        let tags = Tags { packages: packages.iter().map(tag).collect() };
        let workspace = Workspace {
            root: root.to_owned(),
            packages: packages.iter().map(Pkg::package).collect(),
            config: KitmakeYml::default(),
            rewritten: BTreeMap::new(),
            files: std::sync::Arc::new(crate::workspace::Disk),
        };
        let platforms: Vec<Platform> = platforms.iter().map(|platform| platform.parse().unwrap()).collect();
        let graph = build(&workspace, &tags, &platforms, &Platform::linux("amd64"));
        Self { workspace, tags, graph }
    }

    pub(crate) fn id(&self, name: &str) -> PackageId {
        self.workspace.ids().find(|&id| self.workspace.package(id).name.as_str() == name).unwrap()
    }

    pub(crate) fn name(&self, id: PackageId) -> &str {
        self.workspace.package(id).name.as_str()
    }

    /// The edges that leave a package: what they name, the reference, the state.
    pub(crate) fn edges(&self, from: &str) -> Vec<(Option<&str>, &str, State)> {
        let edges = self.graph.edges_of(self.id(from));
        edges.map(|edge| (edge.to.map(|to| self.name(to)), edge.reference.as_str(), edge.state)).collect()
    }

    /// Who is built after whom.
    pub(crate) fn order(&self) -> Vec<(&str, &str)> {
        let order = &self.graph.order;
        let pair = |edge| {
            let (before, after) = order.edge_endpoints(edge).unwrap();
            (self.name(order[before]), self.name(order[after]))
        };
        order.edge_indices().map(pair).collect()
    }

    pub(crate) fn problems(&self, name: &str) -> Vec<String> {
        let problems = self.graph.problems.get(&self.id(name)).into_iter().flatten();
        problems.map(ToString::to_string).collect()
    }
}

/// A graph of `count` packages, in which each pair is a package and one that it needs as a current image.
pub(crate) fn bare(count: usize, needs: &[(usize, usize)]) -> (Workspace, Graph) {
    let packages = (0..count).map(|index| Pkg::new(&format!("p{index:06}")).unreadable().package()).collect();
    let workspace = Workspace {
        root: "/r".into(),
        packages,
        config: KitmakeYml::default(),
        rewritten: BTreeMap::new(),
        files: std::sync::Arc::new(crate::workspace::Disk),
    };
    let id = |index: usize| PackageId(u32::try_from(index).unwrap());
    let mut edges: Vec<Edge> = needs
        .iter()
        .map(|&(from, to)| Edge {
            from: id(from),
            to: Some(id(to)),
            sort: super::Sort::Image,
            kind: super::Kind::From,
            reference: format!("t/{to}"),
            state: State::Current,
            file: "Dockerfile".to_owned(),
            line: 1,
            platforms: vec![Platform::linux("amd64")],
        })
        .collect();
    edges.sort_by(|a, b| a.key().cmp(&b.key()));
    let order = super::edges::order(&workspace, &edges);
    let graph =
        Graph { order, edges, nodes: BTreeMap::default(), problems: BTreeMap::default(), open: BTreeMap::default() };
    (workspace, graph)
}
