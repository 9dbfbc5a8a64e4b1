//! What the graph may lack: a package of which something cannot be read, is yet to be made or has no value may need more than
//! is known, and one whose name cannot be read may be needed by whoever names an image that nobody here is known to make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::image::Platform;
use crate::problem::{Class, Fault, Problem, SourceFile, span};
use crate::workspace::{Faulty, PackageId, Workspace};

use super::{Edge, Graph, Kind, NodeInputs};

/// A reference that may name any package.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("nobody knows what `{written}` names: {why}")]
#[diagnostic(
    code(graph::unresolved_reference),
    help(
        "give each variable in it a value: an `ARG` with a default above the first `FROM`, or `buildArgs` of the build yml"
    )
)]
struct Unresolved {
    written: String,
    why: String,
    #[source_code]
    file: NamedSource<Arc<str>>,
    #[label("names nothing so far")]
    at: SourceSpan,
}

impl Fault for Unresolved {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// The references of a Dockerfile that cannot be expanded, each once.
pub(super) fn without_value(file: &SourceFile, nodes: &[(Platform, NodeInputs)]) -> Vec<Problem> {
    let images = nodes.iter().flat_map(|(_, inputs)| &inputs.references).map(|reference| &reference.image);
    let unresolved: BTreeMap<(usize, usize), (&String, &String)> = images
        .filter_map(|image| {
            Some(((image.span.start, image.span.end), (&image.written, image.expanded.as_ref().err()?)))
        })
        .collect();
    let problem = |((start, end), (written, why)): ((usize, usize), (&String, &String))| {
        let (written, why, at) = (written.clone(), why.clone(), span(&(start..end)));
        Unresolved { written, why, file: file.named(), at }.into()
    };
    unresolved.into_iter().map(problem).collect()
}

impl Edge {
    /// Whether it may lead to a package whose name cannot be read: it names an image of nobody who is known.
    fn may_name_anybody(&self) -> bool {
        let names_image = match self.kind {
            Kind::From | Kind::CopyFrom | Kind::MountFrom | Kind::BuildArg | Kind::DockerImage => true,
            Kind::ExtraSource => false,
        };
        names_image && self.to.is_none()
    }
}

impl Graph {
    /// Why nobody knows all that a package needs, if that is so: its files cannot be read, its Dockerfile is yet to be made from
    /// a template, or what stands there has no value.
    pub fn unknown_needs<'a>(&'a self, workspace: &'a Workspace, id: PackageId) -> impl Iterator<Item = &'a Problem> {
        let package = workspace.package(id);
        let open = self.open.get(&id).into_iter().flatten();
        package.problems.iter().chain(&package.dockerfile_problem).chain(open)
    }

    /// Those of these packages of which nobody knows all that they need, with the reasons.
    pub fn open(&self, workspace: &Workspace, packages: impl IntoIterator<Item = PackageId>) -> Vec<Faulty> {
        let faulty = packages.into_iter().map(|id| {
            let problems = self.unknown_needs(workspace, id).cloned().collect();
            Faulty { name: workspace.package(id).name.clone(), problems }
        });
        faulty.filter(|faulty| !faulty.problems.is_empty()).collect()
    }

    /// The packages because of which it is not known all that `packages` need directly, sorted: of themselves those that may
    /// need more, and beside them those without a name that they may mean.
    #[must_use]
    pub fn unread_needs(&self, workspace: &Workspace, packages: &[PackageId]) -> Vec<PackageId> {
        let asked: BTreeSet<PackageId> = packages.iter().copied().collect();
        let names_others = asked.iter().any(|&id| self.edges_of(id).any(Edge::may_name_anybody));
        let hides = |id: &PackageId| {
            if asked.contains(id) {
                self.is_open(workspace, *id)
            } else {
                names_others && workspace.package(*id).is_nameless()
            }
        };
        workspace.ids().filter(hides).collect()
    }

    /// The packages because of which it is not known all that needs `packages` directly, sorted: those that may need another
    /// one of them, and of themselves those without a name.
    #[must_use]
    pub fn unread_users(&self, workspace: &Workspace, packages: &[PackageId]) -> Vec<PackageId> {
        let asked: BTreeSet<PackageId> = packages.iter().copied().collect();
        let hides = |id: &PackageId| {
            let is_asked = asked.contains(id);
            let may_need_another = asked.len() > usize::from(is_asked) && self.is_open(workspace, *id);
            may_need_another || is_asked && workspace.package(*id).is_nameless()
        };
        workspace.ids().filter(hides).collect()
    }

    fn is_open(&self, workspace: &Workspace, id: PackageId) -> bool {
        self.unknown_needs(workspace, id).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pkg, Repo, repo};
    use super::*;

    /// A user of an image of this repository, one of another image, and one whose yml nobody can read.
    fn monorepo() -> Repo {
        let mut repo = repo([
            Pkg::new("pkg/base"),
            Pkg::new("pkg/broken").unreadable(),
            Pkg::new("pkg/user").from("t/base:now"),
            Pkg::new("pkg/other").from("debian:12"),
        ]);
        let broken = repo.id("pkg/broken");
        repo.workspace.packages[broken.index()].identity = None;
        repo
    }

    fn names(repo: &Repo, ids: &[PackageId]) -> Vec<String> {
        ids.iter().map(|&id| repo.name(id).to_owned()).collect()
    }

    #[test]
    fn what_names_an_image_of_nobody_may_need_a_package_without_a_name() {
        let repo = monorepo();
        let of = |name: &str| names(&repo, &repo.graph.unread_needs(&repo.workspace, &[repo.id(name)]));
        assert_eq!(of("pkg/user"), [""; 0]);
        assert_eq!(of("pkg/other"), ["pkg/broken"]);
        assert_eq!(of("pkg/broken"), ["pkg/broken"]);
    }

    #[test]
    fn what_cannot_be_read_may_need_anything() {
        let repo = monorepo();
        let of = |name: &str| names(&repo, &repo.graph.unread_users(&repo.workspace, &[repo.id(name)]));
        assert_eq!(of("pkg/base"), ["pkg/broken"]);
        // Who names it is not known, either.
        assert_eq!(of("pkg/broken"), ["pkg/broken"]);
    }

    #[test]
    fn what_is_listed_as_a_docker_image_may_be_that_of_a_package_without_a_name_and_files_are_not() {
        let mut repo = repo([
            Pkg::new("pkg/broken").unreadable(),
            Pkg::new("pkg/files").source("/elsewhere/lib"),
            Pkg::new("pkg/list").docker_image(&format!("t/unknown:1@sha256:{}", "0".repeat(64))),
        ]);
        let broken = repo.id("pkg/broken");
        repo.workspace.packages[broken.index()].identity = None;
        let of = |name: &str| names(&repo, &repo.graph.unread_needs(&repo.workspace, &[repo.id(name)]));
        assert_eq!(of("pkg/list"), ["pkg/broken"]);
        assert_eq!(of("pkg/files"), [""; 0]);
    }

    /// Packages whose files can be read and leave open what they name, and one that is said to name what is none.
    fn open() -> Repo {
        let mut repo = repo([
            Pkg::new("arg").arg("BASE=@lkt:pkg:/r/nowhere"),
            Pkg::new("base"),
            Pkg::new("illegal").from("Not/Legal"),
            Pkg::new("stage").dockerfile("FROM $NOTHING AS unused\nFROM scratch\n").arches(&["amd64", "arm64"]),
            Pkg::new("template"),
        ]);
        let (arg, template) = (repo.id("arg"), repo.id("template"));
        let package = &mut repo.workspace.packages[template.index()];
        package.dockerfile = None;
        package.template = Some("template/Dockerfile.in".to_owned());
        package.dockerfile_problem = repo.graph.problems[&arg].first().cloned();
        repo
    }

    #[test]
    fn what_has_no_value_or_is_yet_to_be_made_may_need_anything() {
        let repo = open();
        let all = ["arg", "stage", "template"];
        for name in all.into_iter().chain(["base", "illegal"]) {
            let needs = names(&repo, &repo.graph.unread_needs(&repo.workspace, &[repo.id(name)]));
            assert_eq!(needs, if all.contains(&name) { vec![name] } else { vec![] });
        }
        let users = |of: &[&str]| {
            let of: Vec<PackageId> = of.iter().map(|name| repo.id(name)).collect();
            names(&repo, &repo.graph.unread_users(&repo.workspace, &of))
        };
        assert_eq!(users(&["base"]), all);
        // What needs a package is not asked of the package itself, but of another one that is asked about.
        assert_eq!(users(&["stage"]), ["arg", "template"]);
        assert_eq!(users(&["base", "stage"]), all);
        assert_eq!(users(&[]), [""; 0]);
    }

    #[test]
    fn why_it_is_open_is_said_once_and_of_the_place() {
        let repo = open();
        let why = |name: &str| -> Vec<String> {
            repo.graph.unknown_needs(&repo.workspace, repo.id(name)).map(ToString::to_string).collect()
        };
        assert_eq!(why("stage"), ["nobody knows what `$NOTHING` names: no value for `NOTHING`"]);
        assert_eq!(why("arg"), ["`nowhere` is not a package: there is no such directory"]);
        assert_eq!(why("illegal"), [""; 0]);
        let faulty = repo.graph.open(&repo.workspace, repo.workspace.ids());
        assert!(faulty.iter().all(|faulty| faulty.problems.len() == 1), "{faulty:?}");
    }
}
