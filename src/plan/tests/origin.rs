//! Images that were made while it was not known what an image below them was made from.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::graph::testing::Pkg;
use crate::plan::testing::{World, amd64, digest, world};
use crate::plan::{Doubt, OnOutdated, Publish, Reason, Request, State};
use crate::presence::{COMPONENTS_LABEL, Fact, KeyLabel};

/// A package whose image carries no key, one on it, and the one that is asked for on that.
fn chain(arg: &str) -> World {
    let mut world = world([
        Pkg::new("base"),
        Pkg::new("middle").from("t/base:now"),
        Pkg::new("user").arg(arg).dockerfile("FROM t/middle:now\nCOPY --from=t/base:now / /\n"),
    ]);
    world.select(&["user"]);
    world
}

/// The key of a package in this world, and the label with what it was made from, as its build would write it.
fn made(world: &World, name: &str) -> (KeyLabel, String) {
    let request = Request { selected: vec![world.repo.id(name)], force: true, ..world.request.clone() };
    let plan = world.plan_with(&request);
    let label = plan.build(&format!("build:{name}@linux/amd64")).labels[COMPONENTS_LABEL].clone();
    (plan.on(name, "amd64").components.as_ref().unwrap().label(), label)
}

/// The registry has a package as it was made there, and tells from what.
fn published_as(world: &mut World, name: &str, (key, label): (KeyLabel, String)) {
    world.published(name, &amd64(), Some(key));
    world.facts.components.insert(digest(&world.image(name), &amd64()), Fact::Yes(label));
}

#[test]
fn an_image_over_a_base_that_was_unknown_is_of_unknown_origin_and_not_outdated() {
    let mut then = chain("X=1");
    then.published("base", &amd64(), None);
    let middle = made(&then, "middle");
    let mut now = chain("X=1");
    now.select(&["middle"]);
    now.published_here("base");
    now.published("middle", &amd64(), Some(middle.0.clone()));
    let asked = now.plan();
    assert_eq!((asked.on("middle", "amd64").state, asked.more.components.len()), (State::Outdated, 1));

    published_as(&mut now, "middle", middle);
    now.request.on_outdated = OnOutdated::Rebuild;
    now.request.publish = Some(Publish::default());
    let plan = now.plan();
    assert_eq!(plan.on("middle", "amd64").state, State::UnknownOrigin);
    assert_eq!(plan.reasons("middle"), [Reason::UnknownOrigin { why: Doubt::BaseWasUnknown }]);
    assert!(plan.is_empty() && plan.more.is_empty(), "{:?}", plan.ids());
}

#[test]
fn what_differs_beside_it_is_outdated_whether_the_base_is_known_by_now_or_not() {
    let mut then = chain("X=1");
    then.published("base", &amd64(), None);
    then.published("middle", &amd64(), Some(made(&then, "middle").0));
    let user = made(&then, "user");
    for known in [true, false] {
        let mut now = chain("X=2");
        if known {
            now.published_here("base");
        } else {
            now.published("base", &amd64(), None);
        }
        published_as(&mut now, "middle", made(&then, "middle"));
        now.published("user", &amd64(), Some(user.0.clone()));
        assert_eq!(now.plan().more.components.len(), 1, "what differs is asked for");
        published_as(&mut now, "user", user.clone());
        let plan = now.plan();
        assert_eq!(plan.on("user", "amd64").state, State::Outdated, "{known}");
        let [Reason::Outdated(comparison)] = plan.reasons("user") else { panic!("{:?}", plan.reasons("user")) };
        assert!(comparison.to_string().contains("build arg X: another value"), "{comparison}");
    }
}

#[test]
fn the_reason_says_so() {
    let why = Reason::UnknownOrigin { why: Doubt::BaseWasUnknown };
    assert_eq!(
        crate::plan::reason_words(&why),
        "it is not known what the image was made from: it was built on an image that carried no key, directly or not, and \
         nothing else differs"
    );
}

/// Packages each of which is built on some of those before it.
fn packages(needs: &[BTreeSet<usize>], changed: Option<usize>) -> World {
    let package = |(number, below): (usize, &BTreeSet<usize>)| {
        let copies: Vec<String> =
            below.iter().map(|below| format!("COPY --from=t/p{below}:now / /{below}\n")).collect();
        let value = if changed == Some(number) { "X=new" } else { "X=old" };
        Pkg::new(&format!("p{number}")).arg(value).dockerfile(&format!("FROM scratch\n{}", copies.concat()))
    };
    World::new(needs.iter().enumerate().map(package).collect())
}

/// All that a package is built on, directly or not.
fn below(needs: &[BTreeSet<usize>], of: usize) -> BTreeSet<usize> {
    needs[of].iter().flat_map(|&direct| below(needs, direct).into_iter().chain([direct])).collect()
}

const PACKAGES: usize = 5;
const TOP: usize = PACKAGES - 1;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Some images carried no key when the topmost one was built; by now all of them are built again, from the same, and
    /// perhaps something else has changed.
    #[test]
    fn only_a_real_difference_makes_outdated_what_was_built_on_the_unknown(
        chosen in proptest::collection::vec(proptest::collection::vec(any::<bool>(), PACKAGES), PACKAGES),
        keyless in proptest::collection::btree_set(0..TOP, 0..3),
        changed in proptest::option::of(0..PACKAGES),
    ) {
        let needs: Vec<BTreeSet<usize>> =
            chosen.iter().enumerate().map(|(number, chosen)| (0..number).filter(|&below| chosen[below]).collect()).collect();
        let mut then = packages(&needs, None);
        for number in 0..TOP {
            let name = format!("p{number}");
            let key = made(&then, &name).0;
            then.published(&name, &amd64(), (!keyless.contains(&number)).then_some(key));
        }
        let top = format!("p{TOP}");
        let published = made(&then, &top);

        let mut now = packages(&needs, changed);
        for number in 0..TOP {
            let name = format!("p{number}");
            let key = made(&now, &name).0;
            now.published(&name, &amd64(), Some(key));
        }
        published_as(&mut now, &top, published);
        let all = below(&needs, TOP);
        let over_unknown = all.iter().any(|number| keyless.contains(number));
        let state = now.state(&top);
        match changed {
            // Its own.
            Some(TOP) => prop_assert_eq!(state, State::Outdated),
            // What a known image below it is made from.
            Some(number) if all.contains(&number) && !over_unknown => prop_assert_eq!(state, State::Outdated),
            Some(number) if all.contains(&number) => prop_assert!(
                matches!(state, State::Outdated | State::UnknownOrigin), "{state}"
            ),
            _ if over_unknown => prop_assert_eq!(state, State::UnknownOrigin),
            _ => prop_assert_eq!(state, State::Present),
        }
    }
}
