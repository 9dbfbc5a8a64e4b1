//! The causes of a plan: builds that wait for no other build, and how many packages are built because of each.

use std::collections::{BTreeMap, BTreeSet};

use super::words::plural;
use crate::image::Platform;
use crate::plan::Plan;
use crate::plan::step::{Step, StepIndex, StepKind};

/// The builds of a plan by their causes.
pub(super) struct Roots {
    roots: Vec<Root>,
    /// Builds that are told by a root: itself, and what waits for it.
    told: BTreeSet<String>,
}

/// A package whose build waits for no other one, and on whose image others are built.
pub(super) struct Root {
    /// Its name.
    pub(super) package: String,
    /// Those that it is built on for that reason.
    pub(super) platforms: BTreeSet<Platform>,
    /// The first of its builds.
    pub(super) step: StepIndex,
    /// How many packages are built on it, directly or not.
    pub(super) dependents: usize,
}

impl Roots {
    /// Of a plan. Of two roots the one that pulls in more comes first.
    pub(super) fn of(plan: &Plan) -> Self {
        let is_build = |index: &StepIndex| plan.steps[index.index()].kind() == StepKind::Build;
        let package = |step: &Step| step.node.map(|node| plan.nodes[node].name.to_string()).unwrap_or_default();
        // Steps stand after what they need, so the roots of these are known already.
        let mut roots_of: Vec<BTreeSet<usize>> = Vec::with_capacity(plan.steps.len());
        let mut dependents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut found: BTreeMap<String, Root> = BTreeMap::new();
        for (position, step) in plan.steps.iter().enumerate() {
            if step.kind() != StepKind::Build {
                roots_of.push(BTreeSet::new());
                continue;
            }
            let needs = step.needs.iter().filter(|index| is_build(index));
            let mut roots: BTreeSet<usize> = needs.flat_map(|index| roots_of[index.index()].iter().copied()).collect();
            if roots.is_empty() {
                roots.insert(position);
                let root = found.entry(package(step)).or_insert_with(|| Root {
                    package: package(step),
                    platforms: BTreeSet::new(),
                    step: StepIndex(u32::try_from(position).unwrap_or(u32::MAX)),
                    dependents: 0,
                });
                root.platforms.extend(step.node.map(|node| plan.nodes[node].platform.clone()));
            } else {
                for &root in &roots {
                    dependents.entry(package(&plan.steps[root])).or_default().insert(package(step));
                }
            }
            roots_of.push(roots);
        }
        for (package, root) in &mut found {
            root.dependents =
                dependents.get(package).map_or(0, |built| built.iter().filter(|it| *it != package).count());
        }
        let is_told = |roots: &BTreeSet<usize>| {
            roots.iter().any(|&root| found.get(&package(&plan.steps[root])).is_some_and(|root| root.dependents > 0))
        };
        let told = plan.steps.iter().zip(&roots_of).filter(|(_, roots)| is_told(roots));
        let told = told.map(|(step, _)| step.id.clone()).collect();
        let mut roots: Vec<Root> = found.into_values().collect();
        roots.sort_by(|a, b| b.dependents.cmp(&a.dependents).then_with(|| a.package.cmp(&b.package)));
        Self { roots, told }
    }

    /// Those that others are built on.
    pub(super) fn with_dependents(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter(|root| root.dependents > 0)
    }

    /// Whether a step is told by [`with_dependents`](Self::with_dependents).
    pub(super) fn tell(&self, step: &Step) -> bool {
        self.told.contains(&step.id)
    }

    /// ` -> 23 packages`, if the step is a root that pulls in any.
    pub(super) fn pulled_in_by(&self, step: &Step) -> String {
        let builds = |root: &&Root| {
            step.kind() == StepKind::Build
                && root.platforms.iter().any(|platform| step.title == format!("{} {platform}", root.package))
        };
        let root = self.with_dependents().find(builds);
        root.map(|root| format!(" -> {}", plural(root.dependents, "package"))).unwrap_or_default()
    }
}
