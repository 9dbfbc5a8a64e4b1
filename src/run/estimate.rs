//! How long a run takes, as far as earlier ones tell: the same queue as in a run, with a clock that is only counted.
//!
//! A step without a known time takes the mean of its kind in the same run. Nothing here measures or does anything: the same
//! steps and times give the same estimate. What another load of the machine, the network and the engine's build cache
//! change is not known.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use super::priority::{longest_paths, times};
use super::queue::{Queue, dependents};
use super::{Expected, Limits};
use crate::plan::{Step, StepIndex, StepKind};

/// How long the steps take; `None` where no time is known, or that of no build although something is built. `expected` has
/// the time of each step where it is known.
#[must_use]
pub fn estimate(steps: &[Step], limits: Limits, expected: &[Option<Duration>]) -> Option<Expected> {
    let known = |step: usize| expected.get(step).copied().flatten();
    let is_build = |step: usize| steps[step].kind() == StepKind::Build;
    let builds = (0..steps.len()).any(is_build);
    if !(0..steps.len()).any(|step| known(step).is_some() && (is_build(step) || !builds)) {
        return None;
    }
    let times = times(steps, expected);
    let (critical_path, at_least) = critical_path(&times, &dependents(steps));
    Some(Expected {
        jobs: limits.jobs.max(1),
        steps: (0..steps.len()).map(known).collect(),
        total: makespan(steps, limits, &times),
        critical_path,
        at_least,
    })
}

/// How long what is left of a run takes: of `running` steps what is left of their time, which may be nothing.
#[must_use]
pub fn left(
    steps: &[Step],
    limits: Limits,
    expected: &[Option<Duration>],
    done: &BTreeSet<StepIndex>,
    running: &BTreeMap<StepIndex, Duration>,
) -> Duration {
    let mut times = times(steps, expected);
    for step in done {
        times[step.index()] = Duration::ZERO;
    }
    for (step, elapsed) in running {
        times[step.index()] = times[step.index()].saturating_sub(*elapsed);
    }
    makespan(steps, limits, &times)
}

/// From the first start to the last end.
fn makespan(steps: &[Step], limits: Limits, times: &[Duration]) -> Duration {
    let all: Vec<Option<Duration>> = times.iter().copied().map(Some).collect();
    let mut queue = Queue::new(steps, limits, &all);
    let mut running = BinaryHeap::new();
    let mut now = Duration::ZERO;
    loop {
        while let Some(step) = queue.start_next() {
            running.push(Reverse((now.saturating_add(times[step.index()]), step)));
        }
        let Some(Reverse((end, step))) = running.pop() else { return now };
        now = end;
        queue.done(step);
    }
}

/// The steps that wait for each other the longest, and how long they take together. Of equal ones the first of the plan;
/// what takes no time at the end of it is left out.
fn critical_path(times: &[Duration], dependents: &[Vec<StepIndex>]) -> (Vec<StepIndex>, Duration) {
    let paths = longest_paths(times, dependents);
    let longest = |candidates: &mut dyn Iterator<Item = StepIndex>| {
        candidates
            .max_by_key(|step| (paths[step.index()], Reverse(*step)))
            .filter(|step| !paths[step.index()].is_zero())
    };
    let mut next = longest(&mut (0..).zip(times).map(|(step, _)| StepIndex(step)));
    let takes = next.map_or(Duration::ZERO, |first| paths[first.index()]);
    let mut path = Vec::new();
    while let Some(step) = next {
        path.push(step);
        next = longest(&mut dependents[step.index()].iter().copied());
    }
    (path, takes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::testing::{build, push, seconds};

    fn limits(jobs: usize) -> Limits {
        Limits::new(jobs, false)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_estimate_is_the_schedule_that_a_run_would_have() {
        // The chain 1 -> 2 -> 3 takes 9 s; 0 and 4 fill the other slot.
        let steps = [build("a", &[]), build("b", &[]), build("c", &[1]), push("c", &[2]), build("d", &[])];
        let known = seconds(&[4, 3, 5, 1, 6]);
        let with = |jobs| estimate(&steps, limits(jobs), &known).unwrap();
        assert_eq!((with(1).total, with(1).at_least), (secs(18), secs(9)));
        assert_eq!((with(2).total, with(3).total), (secs(10), secs(9)));
        assert_eq!(with(2).critical_path, [1, 2, 3].map(StepIndex));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_known_or_no_build_of_several() {
        let steps = [build("a", &[]), push("a", &[0])];
        let one = Some(secs(1));
        assert_eq!(estimate(&steps, limits(1), &[]), None);
        assert_eq!(estimate(&steps, limits(1), &[None, one]), None, "the build may take hours");
        assert_eq!(estimate(&[], limits(1), &[]), None);
        assert!(estimate(&steps, limits(1), &[one, None]).is_some());
        assert!(estimate(&[push("a", &[])], limits(1), &[one]).is_some());
    }

    #[test]
    fn a_step_without_a_record_takes_the_mean_of_its_kind() {
        let steps = [build("a", &[]), build("b", &[0]), build("c", &[1]), push("c", &[2])];
        let estimate = estimate(&steps, limits(4), &seconds(&[2, 4])).unwrap();
        assert_eq!((estimate.total, estimate.at_least), (secs(9), secs(9)));
        assert_eq!(estimate.steps, [Some(secs(2)), Some(secs(4)), None, None]);
        assert_eq!(estimate.critical_path, [0, 1, 2].map(StepIndex), "nothing is known of a push");
    }

    #[test]
    fn what_is_left_shrinks_as_steps_run_and_end() {
        let steps = [build("a", &[]), build("b", &[0]), build("c", &[])];
        let known = seconds(&[10, 20, 5]);
        let left = |done: &[u32], running: &[(u32, u64)]| {
            let done = done.iter().copied().map(StepIndex).collect();
            let running = running.iter().map(|&(step, elapsed)| (StepIndex(step), secs(elapsed))).collect();
            left(&steps, limits(2), &known, &done, &running)
        };
        assert_eq!(left(&[], &[]), secs(30));
        assert_eq!(left(&[], &[(0, 4), (2, 4)]), secs(26));
        assert_eq!(left(&[2], &[(0, 15)]), secs(20), "a step that takes longer than expected may end at once");
        assert_eq!(left(&[0, 2], &[(1, 19)]), secs(1));
        assert_eq!(left(&[0, 1, 2], &[]), secs(0));
    }

    /// Random steps in the order of a plan, with their times where they are known.
    fn plans() -> impl Strategy<Value = (Vec<Step>, Vec<Option<Duration>>)> {
        let step = (
            any::<bool>(),
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            prop::option::weighted(0.8, 0_u64..1_000),
        );
        prop::collection::vec(step, 1..60).prop_map(|drawn| {
            let mut steps = Vec::new();
            for (number, (builds, needs, _)) in drawn.iter().enumerate() {
                let place = |need: &prop::sample::Index| u32::try_from(need.index(number)).unwrap();
                let needs: Vec<u32> = if number == 0 { Vec::new() } else { needs.iter().map(place).collect() };
                let name = format!("p{number}");
                steps.push(if *builds { build(&name, &needs) } else { push(&name, &needs) });
            }
            let known = drawn.iter().map(|(_, _, time)| time.map(Duration::from_millis)).collect();
            (steps, known)
        })
    }

    proptest! {
        #[test]
        fn an_estimate_lies_between_its_bounds((steps, known) in plans(), jobs in 1_usize..6) {
            let Some(estimate) = estimate(&steps, limits(jobs), &known) else { return Ok(()) };
            let again = super::estimate(&steps, limits(jobs), &known);
            prop_assert_eq!(again.as_ref(), Some(&estimate));
            let times = times(&steps, &known);
            let sum = |of: &dyn Fn(&Step) -> bool| -> Duration {
                steps.iter().zip(&times).filter(|(step, _)| of(step)).map(|(_, time)| *time).sum()
            };
            let builds = sum(&|step| step.kind() == StepKind::Build);
            let others = sum(&|step| step.kind() != StepKind::Build);
            prop_assert!(estimate.total >= estimate.at_least);
            prop_assert!(estimate.total >= builds / u32::try_from(jobs).unwrap());
            prop_assert!(estimate.total >= others / u32::try_from(Limits::TRANSFERS).unwrap());
            prop_assert!(estimate.total <= builds + others);

            // The path is one of steps that need each other, and as long as is said.
            for pair in estimate.critical_path.windows(2) {
                prop_assert!(steps[pair[1].index()].needs.contains(&pair[0]));
            }
            let length: Duration = estimate.critical_path.iter().map(|step| times[step.index()]).sum();
            prop_assert_eq!(length, estimate.at_least);
            let unbounded = Limits { jobs: steps.len(), transfers: steps.len(), keep_going: false };
            prop_assert_eq!(makespan(&steps, unbounded, &times), estimate.at_least);
        }
    }
}
