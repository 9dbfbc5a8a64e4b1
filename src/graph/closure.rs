//! What packages need, and what needs them, directly or not: by edges of both sorts and whatever their state.

use std::collections::BTreeSet;

use crate::image::Platform;
use crate::workspace::{PackageId, Workspace};

use super::{Edge, Graph};

impl Graph {
    /// `packages` and all that they need, sorted.
    #[must_use]
    pub fn with_needed(&self, packages: &[PackageId]) -> Vec<PackageId> {
        let mut found: BTreeSet<PackageId> = packages.iter().copied().collect();
        walk(&mut found, |id| self.directly_needed(id).collect());
        found.into_iter().collect()
    }

    /// `packages` and all that need them, sorted.
    #[must_use]
    pub fn with_needing(&self, packages: &[PackageId]) -> Vec<PackageId> {
        let users = self.users(|_| true);
        let mut found: BTreeSet<PackageId> = packages.iter().copied().collect();
        walk(&mut found, |id| users[id.index()].clone());
        found.into_iter().collect()
    }

    /// For each of `packages` all that it needs but itself, sorted: a package of them is in it if another one needs it.
    #[must_use]
    pub fn needed(&self, packages: &[PackageId]) -> Vec<PackageId> {
        let users = self.users(|_| true);
        let forward = |id: PackageId| self.directly_needed(id).collect::<Vec<_>>();
        beyond(packages, forward, |id| users[id.index()].clone())
    }

    /// For each of `packages` all that needs it but itself, sorted: a package of them is in it if it needs another one.
    #[must_use]
    pub fn needing(&self, packages: &[PackageId]) -> Vec<PackageId> {
        let users = self.users(|_| true);
        let back = |id: PackageId| self.directly_needed(id).collect::<Vec<_>>();
        beyond(packages, |id| users[id.index()].clone(), back)
    }

    fn directly_needed(&self, id: PackageId) -> impl Iterator<Item = PackageId> {
        self.edges_of(id).filter_map(|edge| edge.to)
    }

    /// For each package those that are built directly on it, sorted.
    #[must_use]
    pub fn dependents(&self) -> Vec<Vec<PackageId>> {
        self.users(Edge::orders)
    }

    /// The same on the platforms alone that the build yml of each lists: on which machine that is asked means nothing.
    #[must_use]
    pub fn dependents_where_listed(&self, workspace: &Workspace) -> Vec<Vec<PackageId>> {
        self.users(|edge| {
            let build = workspace.package(edge.from).build.as_ref();
            let mut listed = build.into_iter().flat_map(|build| &build.arches).map(|arch| Platform::linux(&arch.value));
            edge.orders() && listed.any(|platform| edge.platforms.contains(&platform))
        })
    }

    /// For each package those that need it directly by such edges, sorted.
    fn users(&self, counts: impl Fn(&Edge) -> bool) -> Vec<Vec<PackageId>> {
        let mut users = vec![Vec::new(); self.order.node_count()];
        for edge in self.edges.iter().filter(|edge| counts(edge)) {
            if let Some(to) = edge.to {
                users[to.index()].push(edge.from);
            }
        }
        users.iter_mut().for_each(Vec::dedup);
        users
    }
}

/// Adds to `found` all that can be reached from it.
fn walk(found: &mut BTreeSet<PackageId>, next: impl Fn(PackageId) -> Vec<PackageId>) {
    let mut open: Vec<PackageId> = found.iter().copied().collect();
    while let Some(id) = open.pop() {
        open.extend(next(id).into_iter().filter(|&next| found.insert(next)));
    }
}

/// All that can be reached from one of `packages` and is not that one; `back` leads the other way.
fn beyond(
    packages: &[PackageId],
    next: impl Fn(PackageId) -> Vec<PackageId>,
    back: impl Fn(PackageId) -> Vec<PackageId>,
) -> Vec<PackageId> {
    let start: BTreeSet<PackageId> = packages.iter().copied().collect();
    let mut found: BTreeSet<PackageId> = start.iter().flat_map(|&id| next(id)).collect();
    walk(&mut found, next);
    let is_reached = |id: PackageId| !start.contains(&id) || leads_to_another(id, &start, &back);
    found.into_iter().filter(|&id| is_reached(id)).collect()
}

/// Whether one of `targets` other than `from` can be reached from it.
fn leads_to_another(
    from: PackageId,
    targets: &BTreeSet<PackageId>,
    next: &impl Fn(PackageId) -> Vec<PackageId>,
) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for next in next(id) {
            if seen.insert(next) {
                if targets.contains(&next) {
                    return true;
                }
                open.push(next);
            }
        }
    }
    false
}
