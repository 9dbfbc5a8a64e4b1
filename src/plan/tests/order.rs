//! Whatever the repository: each node at most once, each step after what it needs, and the same bytes again.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, arm64};
use crate::plan::{Plan, Platforms, Publish, State, StepKind, json, text};

/// A repository in which a package may need those before it, with images lying about, and something asked of it.
fn worlds() -> impl Strategy<Value = World> {
    let needs =
        (2usize..14).prop_flat_map(|count| prop::collection::vec(prop::collection::btree_set(0..count, 0..4), count));
    let there = prop::collection::vec(0u8..6, 28);
    let flags = prop::collection::vec(any::<bool>(), 4);
    let selected = prop::collection::vec(any::<bool>(), 14);
    (needs, there, flags, selected).prop_map(|(needs, there, flags, selected)| {
        let package = |(index, needs): (usize, &BTreeSet<usize>)| {
            let lines =
                needs.iter().filter(|&&base| base < index).map(|base| format!("COPY --from=t/p{base:02}:now / /\n"));
            let text = format!("FROM scratch\n{}", lines.collect::<String>());
            Pkg::new(&format!("p{index:02}")).dockerfile(&text).arches(&["amd64", "arm64"])
        };
        let mut world = World::new(needs.iter().enumerate().map(package).collect());
        for (index, there) in there.chunks(2).take(needs.len()).enumerate() {
            let name = format!("p{index:02}");
            for (platform, there) in [amd64(), arm64()].iter().zip(there) {
                match there {
                    0 => world.stored(&name, platform, None),
                    1 => world.published(&name, platform, None),
                    2 => world.in_index(&world.image(&name), platform, None),
                    _ => {}
                }
            }
        }
        world.request.selected =
            world.repo.workspace.ids().zip(&selected).filter(|(_, on)| **on).map(|(id, _)| id).collect();
        (world.request.publish, world.request.pull, world.request.force) =
            (flags[0].then(Publish::default), flags[1], flags[2]);
        world.request.platforms = if flags[3] { Platforms::Arches } else { Platforms::Own };
        world
    })
}

/// For each built node: every node it needs is built before, fetched before, or on the builder.
fn everything_is_there_in_time(plan: &Plan) -> Result<(), TestCaseError> {
    for (at, step) in plan.steps.iter().enumerate() {
        prop_assert!(step.needs.iter().all(|needed| needed.index() < at));
        prop_assert!(step.needs.windows(2).all(|pair| pair[0] < pair[1]));
        if step.kind() != StepKind::Build {
            continue;
        }
        let components = plan.nodes[step.node.unwrap()].components.as_ref().unwrap();
        for needed in components.needs.keys() {
            let (reference, platform) = needed.rsplit_once(' ').unwrap();
            let base = (plan.nodes.iter())
                .position(|node| node.reference == reference && node.platform.to_string() == platform)
                .unwrap();
            let by_step = step.needs.iter().any(|needed| plan.steps[needed.index()].node == Some(base));
            let brought = plan
                .steps
                .iter()
                .any(|other| other.node == Some(base) && matches!(other.kind(), StepKind::Build | StepKind::Fetch));
            prop_assert!(by_step || !brought && plan.nodes[base].state.is_there());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_step_comes_once_and_after_all_it_needs(world in worlds()) {
        let plan = world.plan();
        prop_assert!(plan.problems.is_empty());
        let ids: BTreeSet<String> = plan.ids().into_iter().collect();
        prop_assert_eq!(ids.len(), plan.steps.len());
        everything_is_there_in_time(&plan)?;
        for node in plan.nodes.iter().filter(|node| node.selected && node.state == State::Missing) {
            let id = format!("build:{}", node.id());
            prop_assert!(ids.contains(&id));
        }
        for step in plan.steps.iter().filter(|step| step.kind() == StepKind::Push) {
            prop_assert!(plan.nodes[step.node.unwrap()].selected);
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(world in worlds()) {
        let (a, b) = (world.plan(), world.plan());
        prop_assert_eq!(json(&a), json(&b));
        prop_assert_eq!(text(&a, true), text(&b, true));
    }
}
