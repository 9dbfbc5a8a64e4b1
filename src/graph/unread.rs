//! What the graph may lack: a package that cannot be read may need more than is known, and one whose name cannot be read may
//! be needed by whoever names an image that nobody here is known to make.

use std::collections::BTreeSet;

use crate::workspace::{PackageId, Workspace};

use super::{Graph, Sort, State};

impl Graph {
    /// The packages because of which it is not known all that `packages` need directly, sorted.
    #[must_use]
    pub fn unread_needs(&self, workspace: &Workspace, packages: &[PackageId]) -> Vec<PackageId> {
        let asked: BTreeSet<PackageId> = packages.iter().copied().collect();
        let is_external =
            |id: &&PackageId| self.edges_of(**id).any(|edge| edge.sort == Sort::Image && edge.state == State::External);
        let names_others = asked.iter().find(is_external).is_some();
        let hides = |id: &PackageId| {
            let package = workspace.package(*id);
            let is_asked = asked.contains(id);
            is_asked && package.unread().next().is_some() || !is_asked && names_others && package.is_nameless()
        };
        workspace.ids().filter(hides).collect()
    }

    /// The packages because of which it is not known all that needs `packages` directly, sorted.
    #[must_use]
    pub fn unread_users(&self, workspace: &Workspace, packages: &[PackageId]) -> Vec<PackageId> {
        let asked: BTreeSet<PackageId> = packages.iter().copied().collect();
        let hides = |id: &PackageId| {
            let package = workspace.package(*id);
            !asked.contains(id) && package.unread().next().is_some() || asked.contains(id) && package.is_nameless()
        };
        workspace.ids().filter(hides).collect()
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
}
