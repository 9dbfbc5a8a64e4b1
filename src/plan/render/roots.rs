//! The causes of a plan: builds that wait for no other build, and how many packages are built because of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Platform;
use crate::plan::Plan;
use crate::plan::step::{Step, StepIndex, StepKind};
use crate::wording::counted;

/// The builds of a plan by their causes.
pub(super) struct Roots {
    by_weight: Vec<Root>,
    /// Builds that are told by a root: itself, and what waits for it.
    told: BTreeSet<String>,
    /// By the nodes that roots build, how many packages each root pulls in.
    pulled_in: BTreeMap<usize, usize>,
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
        let mut root_nodes: Vec<usize> = Vec::new();
        for (position, step) in plan.steps.iter().enumerate() {
            if step.kind() != StepKind::Build {
                roots_of.push(BTreeSet::new());
                continue;
            }
            let needs = step.needs.iter().filter(|index| is_build(index));
            let mut roots: BTreeSet<usize> = needs.flat_map(|index| roots_of[index.index()].iter().copied()).collect();
            if roots.is_empty() {
                roots.insert(position);
                root_nodes.extend(step.node);
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
        let pulled_in = root_nodes.into_iter().filter_map(|node| {
            let root = found.get(plan.nodes[node].name.as_str())?;
            (root.dependents > 0).then_some((node, root.dependents))
        });
        let pulled_in = pulled_in.collect();
        let mut roots: Vec<Root> = found.into_values().collect();
        roots.sort_by(|a, b| b.dependents.cmp(&a.dependents).then_with(|| a.package.cmp(&b.package)));
        Self { by_weight: roots, told, pulled_in }
    }

    /// Those that others are built on.
    pub(super) fn with_dependents(&self) -> impl Iterator<Item = &Root> {
        self.by_weight.iter().filter(|root| root.dependents > 0)
    }

    /// Whether a step is told by [`with_dependents`](Self::with_dependents).
    pub(super) fn tell(&self, step: &Step) -> bool {
        self.told.contains(&step.id)
    }

    /// ` -> 23 packages`, if the step is a root that pulls in any.
    pub(super) fn pulled_in_by(&self, step: &Step) -> String {
        let built = step.node.filter(|_| step.kind() == StepKind::Build);
        let packages = built.and_then(|node| self.pulled_in.get(&node));
        packages.map(|&packages| format!(" -> {}", counted(packages, "package"))).unwrap_or_default()
    }
}
