//! How urgent a step is: what waits longest behind it goes first.
//!
//! Urgency is the longest path of expected time from the start of the step to the end of the run. Where no time is
//! known it is the number of steps that need it, directly or not; then the order of the plan decides.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::{Step, StepIndex, StepKind};

/// How urgent a step is; the greatest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// The expected time of the longest path that starts with the step.
    path: Duration,
    /// How many steps need it, directly or not.
    dependents: u32,
    /// The place in the plan.
    step: Reverse<StepIndex>,
}

impl Priority {
    /// The step it is of.
    #[must_use]
    pub fn step(self) -> StepIndex {
        self.step.0
    }
}

/// The priority of each step. `expected` has the expected time of each step where it is known, and may be shorter than
/// `steps`; `dependents` lists for each step those that need it directly, each once.
#[must_use]
pub fn priorities(steps: &[Step], expected: &[Option<Duration>], dependents: &[Vec<StepIndex>]) -> Vec<Priority> {
    let paths = longest_paths(&times(steps, expected), dependents);
    let counts = transitive_dependents(dependents);
    (0..)
        .zip(paths.into_iter().zip(counts))
        .map(|(index, (path, dependents))| Priority { path, dependents, step: Reverse(StepIndex(index)) })
        .collect()
}

/// The expected time of each step: where it is not known, the mean of the known ones of the same kind; zero where there
/// are none.
pub(super) fn times(steps: &[Step], expected: &[Option<Duration>]) -> Vec<Duration> {
    let known = |step: usize| expected.get(step).copied().flatten();
    let mut of_kind: BTreeMap<StepKind, (u32, Duration)> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(time) = known(index) {
            let (count, sum) = of_kind.entry(step.kind()).or_default();
            *count += 1;
            *sum = sum.saturating_add(time);
        }
    }
    let mean = |kind| of_kind.get(&kind).and_then(|(count, sum)| sum.checked_div(*count)).unwrap_or_default();
    steps.iter().enumerate().map(|(index, step)| known(index).unwrap_or_else(|| mean(step.kind()))).collect()
}

/// The longest path of time from the start of each step. What needs a step stands behind it, so one pass from the end
/// sees every dependent before what it needs.
pub(super) fn longest_paths(times: &[Duration], dependents: &[Vec<StepIndex>]) -> Vec<Duration> {
    let mut paths = times.to_vec();
    for step in (0..paths.len()).rev() {
        let longest = dependents[step].iter().map(|dependent| paths[dependent.index()]).max().unwrap_or_default();
        paths[step] = paths[step].saturating_add(longest);
    }
    paths
}

/// How many steps need each step. Asked for 64 possible dependents at a time, one bit each, so that the memory stays
/// linear in the number of steps.
fn transitive_dependents(dependents: &[Vec<StepIndex>]) -> Vec<u32> {
    const AT_A_TIME: usize = 64;
    let mut counts = vec![0; dependents.len()];
    let mut reached = vec![0_u64; dependents.len()];
    for first in (0..dependents.len()).step_by(AT_A_TIME) {
        // A step needs only what stands before it, so nothing behind the last of these 64 leads to them.
        let end = dependents.len().min(first + AT_A_TIME);
        reached[..end].fill(0);
        for step in (0..end).rev() {
            let direct =
                dependents[step].iter().map(|dependent| dependent.index()).filter(|&dependent| dependent < end);
            let bits = direct.fold(0, |bits, dependent| {
                let own = if dependent >= first { 1 << (dependent - first) } else { 0 };
                bits | own | reached[dependent]
            });
            reached[step] = bits;
            counts[step] += bits.count_ones();
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::queue::dependents;
    use crate::run::testing::{build, push, seconds};

    /// The steps by falling urgency.
    fn order(steps: &[Step], expected: &[Option<Duration>]) -> Vec<u32> {
        let mut sorted = priorities(steps, expected, &dependents(steps));
        sorted.sort_by_key(|&priority| Reverse(priority));
        sorted.into_iter().map(|priority| priority.step().0).collect()
    }

    #[test]
    fn the_longest_remaining_path_goes_first() {
        // 0 takes long alone, but 1 -> 2 takes longer together.
        let steps = [build("a", &[]), build("b", &[]), build("c", &[1])];
        assert_eq!(order(&steps, &seconds(&[5, 3, 4])), [1, 0, 2]);
        assert_eq!(order(&steps, &seconds(&[9, 3, 4])), [0, 1, 2]);
    }

    #[test]
    fn without_known_times_the_number_of_dependents_decides_and_then_the_plan() {
        // 1 is needed by 2 and 3 and through them by 4; 0 and 5 are needed by none.
        let steps = [
            build("a", &[]),
            build("b", &[]),
            build("c", &[1]),
            build("d", &[1]),
            build("e", &[2, 3]),
            build("f", &[]),
        ];
        assert_eq!(order(&steps, &[]), [1, 2, 3, 0, 4, 5]);
    }

    #[test]
    fn an_unknown_time_is_taken_for_the_mean_of_its_kind() {
        let steps = [build("a", &[]), build("b", &[]), build("c", &[]), push("a", &[0])];
        // The push takes nothing as no push is known; `c` takes 3 s, the mean of `a` and `b`.
        assert_eq!(order(&steps, &seconds(&[2, 4])), [1, 2, 0, 3]);
    }

    proptest! {
        #[test]
        fn every_transitive_dependent_is_counted_once(
            needs in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..200)
        ) {
            let mut dependents = vec![Vec::new(); needs.len()];
            for (step, needs) in needs.iter().enumerate().skip(1) {
                for need in needs {
                    let of: &mut Vec<StepIndex> = &mut dependents[need.index(step)];
                    let step = StepIndex(u32::try_from(step).unwrap());
                    if !of.contains(&step) {
                        of.push(step);
                    }
                }
            }
            let mut sets = vec![std::collections::BTreeSet::new(); dependents.len()];
            for step in (0..dependents.len()).rev() {
                for dependent in &dependents[step] {
                    let further = sets[dependent.index()].clone();
                    sets[step].extend(further);
                    sets[step].insert(*dependent);
                }
            }
            let counts: Vec<usize> = sets.iter().map(std::collections::BTreeSet::len).collect();
            let found: Vec<usize> = transitive_dependents(&dependents).into_iter().map(|count| count as usize).collect();
            prop_assert_eq!(found, counts);
        }
    }
}
