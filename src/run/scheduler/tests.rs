//! The scheduler against a runner that the test holds in its hand: a step ends when the test says so, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::plan::StepKind;
use crate::run::testing::{build, push, seconds, store};
use crate::run::{Events, channel};

/// How the test lets a step end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Succeed,
    Fail,
    Panic,
}

/// The steps that run, each waiting for its verdict.
#[derive(Default)]
struct Hand {
    started: Mutex<Vec<u32>>,
    running: Mutex<BTreeMap<u32, oneshot::Sender<Verdict>>>,
}

impl Hand {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u32, oneshot::Sender<Verdict>>> {
        self.running.lock().unwrap()
    }

    fn started(&self) -> Vec<u32> {
        self.started.lock().unwrap().clone()
    }

    fn runs(&self) -> Vec<u32> {
        self.running().keys().copied().collect()
    }

    async fn end(&self, step: u32, verdict: Verdict) {
        let sender = self.running().remove(&step).expect("only a running step can end");
        sender.send(verdict).expect("a running step waits");
        settle().await;
    }
}

/// Takes a step out of the hand when its future is dropped.
struct Held(Arc<Hand>, u32);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.running().remove(&self.1);
    }
}

struct Runner(Arc<Hand>);

impl StepRunner for Runner {
    async fn run(&self, step: StepIndex, log: mpsc::Sender<String>) -> Result<(), Failure> {
        let _held = Held(self.0.clone(), step.0);
        let (sender, verdict) = oneshot::channel();
        self.0.started.lock().unwrap().push(step.0);
        self.0.running().insert(step.0, sender);
        log.send("first".to_owned()).await.unwrap();
        let verdict = verdict.await.unwrap();
        log.send("last".to_owned()).await.unwrap();
        match verdict {
            Verdict::Succeed => Ok(()),
            Verdict::Fail => Err(Failure::new(FailureClass::Build, "no luck")),
            Verdict::Panic => panic!("out of the blue"),
        }
    }
}

/// Lets every other task go on until it waits.
async fn settle() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

/// A run in progress.
struct Run {
    hand: Arc<Hand>,
    events: Events,
    cancel: CancellationToken,
    outcome: tokio::task::JoinHandle<Outcome>,
}

impl Run {
    async fn start(steps: &[Step], limits: Limits, expected: &[Option<Duration>]) -> Self {
        let (hand, cancel) = (Arc::new(Hand::default()), CancellationToken::new());
        let (sender, events) = channel();
        let (steps, expected, runner) = (steps.to_vec(), expected.to_vec(), Arc::new(Runner(hand.clone())));
        let token = cancel.clone();
        let outcome =
            tokio::spawn(async move { run(&steps, limits, &expected, runner, &Logs::disabled(), sender, token).await });
        settle().await;
        Self { hand, events, cancel, outcome }
    }

    async fn finish(mut self) -> (Outcome, Vec<Event>) {
        let outcome = tokio::time::timeout(Duration::from_secs(10), self.outcome).await.expect("the run ends").unwrap();
        let mut events = Vec::new();
        while let Some(event) = self.events.recv().await {
            events.push(event);
        }
        (outcome, events)
    }
}

fn limits(jobs: usize) -> Limits {
    Limits::new(jobs, false)
}

fn indices(steps: &[u32]) -> Vec<StepIndex> {
    steps.iter().copied().map(StepIndex).collect()
}

#[tokio::test]
async fn a_step_starts_when_its_last_need_is_done_whatever_else_runs() {
    let run = Run::start(&[build("a", &[]), build("slow", &[]), build("b", &[0])], limits(2), &[]).await;
    assert_eq!(run.hand.runs(), [0, 1]);
    run.hand.end(0, Verdict::Succeed).await;
    assert_eq!(run.hand.runs(), [1, 2]);
    run.hand.end(2, Verdict::Succeed).await;
    run.hand.end(1, Verdict::Succeed).await;
    assert_eq!(run.finish().await.0, Outcome { done: indices(&[0, 1, 2]), ..Outcome::default() });
}

#[tokio::test]
async fn the_most_urgent_ready_step_starts_first() {
    let steps = [build("a", &[]), build("b", &[]), build("c", &[1]), build("d", &[])];
    let run = Run::start(&steps, limits(1), &seconds(&[5, 3, 4, 6])).await;
    for step in [1, 3, 0, 2] {
        assert_eq!(run.hand.runs(), [step]);
        run.hand.end(step, Verdict::Succeed).await;
    }
    run.finish().await;
}

#[tokio::test]
async fn transfers_run_beside_builds_within_a_bound_of_their_own() {
    let steps = [push("a", &[]), push("b", &[]), push("c", &[]), build("d", &[]), build("e", &[])];
    let run = Run::start(&steps, Limits { jobs: 1, transfers: 2, keep_going: false }, &[]).await;
    assert_eq!(run.hand.runs(), [0, 1, 3]);
    run.hand.end(1, Verdict::Succeed).await;
    assert_eq!(run.hand.runs(), [0, 2, 3]);
    run.hand.end(3, Verdict::Succeed).await;
    assert_eq!(run.hand.runs(), [0, 2, 4]);
    for step in [0, 2, 4] {
        run.hand.end(step, Verdict::Succeed).await;
    }
    run.finish().await;
}

#[tokio::test]
async fn after_a_failure_running_steps_finish_and_not_even_a_push_starts() {
    let steps = [build("a", &[]), build("b", &[]), push("b", &[1]), build("c", &[0]), push("c", &[3])];
    let run = Run::start(&steps, limits(2), &[]).await;
    run.hand.end(0, Verdict::Fail).await;
    run.hand.end(1, Verdict::Succeed).await;
    let (outcome, events) = run.finish().await;
    assert_eq!(outcome.done, indices(&[1]));
    assert_eq!(outcome.failed.iter().map(|(step, _)| step.0).collect::<Vec<_>>(), [0]);
    assert_eq!(outcome.skipped, [(StepIndex(3), StepIndex(0)), (StepIndex(4), StepIndex(0))]);
    assert_eq!(outcome.not_started, indices(&[2]));
    assert_eq!((outcome.exit_code(), outcome.interrupted), (1, false));
    assert_eq!(events.last(), Some(&Event::NotStarted(StepIndex(2))));
}

#[tokio::test]
async fn an_image_that_cannot_be_stored_in_a_cache_stops_nothing() {
    let steps = [build("a", &[]), store("a", &[0]), build("b", &[]), push("b", &[2])];
    let run = Run::start(&steps, limits(2), &[]).await;
    run.hand.end(0, Verdict::Succeed).await;
    run.hand.end(1, Verdict::Fail).await;
    run.hand.end(2, Verdict::Succeed).await;
    run.hand.end(3, Verdict::Succeed).await;
    let (outcome, _) = run.finish().await;
    assert_eq!((outcome.done, outcome.failed.len()), (indices(&[0, 2, 3]), 1));
}

#[tokio::test]
async fn a_panic_is_a_failure_with_the_lines_before_it() {
    let run = Run::start(&[build("a", &[]), build("b", &[0])], limits(1), &[]).await;
    run.hand.end(0, Verdict::Panic).await;
    let (outcome, events) = run.finish().await;
    let (_, failure) = &outcome.failed[0];
    assert_eq!(failure.message, "internal error: the step panicked: out of the blue");
    assert_eq!(
        (failure.class, &failure.tail[..]),
        (FailureClass::Infrastructure, &["first".into(), "last".into()][..])
    );
    assert_eq!(events[1..3], ["first", "last"].map(|line| Event::Line(StepIndex(0), line.to_owned())));
    assert_eq!(outcome.skipped, [(StepIndex(1), StepIndex(0))]);
}

#[tokio::test]
async fn an_interruption_drops_what_runs_and_starts_nothing() {
    let run = Run::start(&[build("a", &[]), build("b", &[]), build("c", &[0])], limits(2), &[]).await;
    run.hand.end(1, Verdict::Succeed).await;
    run.cancel.cancel();
    settle().await;
    assert_eq!(run.hand.runs(), [0; 0], "the futures are dropped");
    let (outcome, events) = run.finish().await;
    let expected = Outcome {
        done: indices(&[1]),
        cancelled: indices(&[0]),
        not_started: indices(&[2]),
        interrupted: true,
        ..Outcome::default()
    };
    assert_eq!(outcome, expected);
    let tail = [Event::Interrupted, Event::Cancelled(StepIndex(0)), Event::NotStarted(StepIndex(2))];
    assert_eq!(events[events.len() - 3..], tail);
}

#[tokio::test]
async fn a_run_that_is_interrupted_before_it_starts_starts_nothing() {
    let (sender, _events) = channel();
    let (hand, cancel) = (Arc::new(Hand::default()), CancellationToken::new());
    cancel.cancel();
    let runner = Arc::new(Runner(hand.clone()));
    let outcome = run(&[build("a", &[])], limits(1), &[], runner, &Logs::disabled(), sender, cancel).await;
    assert_eq!(outcome, Outcome { not_started: indices(&[0]), interrupted: true, ..Outcome::default() });
    assert_eq!(hand.started(), [0; 0]);
}

/// Writes many lines, more than any channel holds, and leaves a sender behind.
struct Chatty;

impl StepRunner for Chatty {
    async fn run(&self, _: StepIndex, log: mpsc::Sender<String>) -> Result<(), Failure> {
        for number in 0..2000 {
            log.send(number.to_string()).await.unwrap();
        }
        tokio::spawn(async move {
            log.closed().await;
        });
        Err(Failure::new(FailureClass::Push, "refused"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_is_told_in_order_before_the_end_and_kept_in_the_log() {
    let state = tempfile::tempdir().unwrap();
    let logs = Logs::create(state.path()).unwrap();
    let (sender, mut events) = channel();
    let cancel = CancellationToken::new();
    let outcome = run(&[push("a", &[])], limits(1), &[], Arc::new(Chatty), &logs, sender, cancel).await;
    assert_eq!(events.recv().await, Some(Event::Started(StepIndex(0))));
    for number in 0..2000 {
        assert_eq!(events.recv().await, Some(Event::Line(StepIndex(0), number.to_string())));
    }
    assert!(matches!(events.recv().await, Some(Event::Failed(..))));
    assert_eq!(events.recv().await, None);
    let (_, failure) = &outcome.failed[0];
    assert_eq!(failure.tail, (1980..2000).map(|number| number.to_string()).collect::<Vec<_>>());
    let log = std::fs::read_to_string(failure.log.as_ref().unwrap()).unwrap();
    assert!(log.lines().eq((0..2000).map(|number| number.to_string())));
    assert_eq!(outcome.exit_code(), 6);
}

#[tokio::test]
async fn a_run_goes_on_when_nobody_reads_its_events() {
    let (sender, events) = channel();
    drop(events);
    let (logs, cancel) = (Logs::disabled(), CancellationToken::new());
    let outcome = run(&[push("a", &[])], limits(0), &[], Arc::new(Chatty), &logs, sender, cancel).await;
    assert_eq!(outcome.failed.len(), 1);
}

/// A run as chance has it.
#[derive(Debug, Clone)]
struct Case {
    steps: Vec<Step>,
    verdicts: Vec<Verdict>,
    limits: Limits,
    expected: Vec<Option<Duration>>,
    /// After so many ends the run is interrupted.
    interrupted_after: Option<usize>,
    /// Which of the running steps ends next.
    choices: Vec<prop::sample::Index>,
}

fn case() -> impl Strategy<Value = Case> {
    let verdict = prop_oneof![12 => Just(Verdict::Succeed), 2 => Just(Verdict::Fail), 1 => Just(Verdict::Panic)];
    let time = prop::option::of((0_u64..100).prop_map(Duration::from_secs));
    let needs = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let steps = prop::collection::vec((needs, any::<bool>(), verdict, time, any::<prop::sample::Index>()), 1..32);
    let limits = (1_usize..=16, 1_usize..=5, any::<bool>());
    (steps, limits, prop::option::weighted(0.3, 0_usize..32)).prop_map(|(rows, limits, interrupted_after)| {
        let mut case = Case {
            steps: Vec::new(),
            verdicts: Vec::new(),
            limits: Limits { jobs: limits.0, transfers: limits.1, keep_going: limits.2 },
            expected: Vec::new(),
            interrupted_after,
            choices: Vec::new(),
        };
        for (index, (needs, builds, verdict, time, choice)) in rows.into_iter().enumerate() {
            let needs: Vec<u32> = match u32::try_from(index).unwrap() {
                0 => Vec::new(),
                _ => needs.iter().map(|need| u32::try_from(need.index(index)).unwrap()).collect(),
            };
            let make = if builds { build } else { push };
            case.steps.push(make(&index.to_string(), &needs));
            case.verdicts.push(verdict);
            case.expected.push(time);
            case.choices.push(choice);
        }
        case
    })
}

impl Case {
    fn kind(&self, step: u32) -> StepKind {
        self.steps[step as usize].kind()
    }

    fn needs(&self, step: u32) -> impl Iterator<Item = u32> {
        self.steps[step as usize].needs.iter().map(|need| need.0)
    }

    /// All that need one of these, directly or not.
    fn dependents(&self, of: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for step in 0..u32::try_from(self.steps.len()).unwrap() {
            if self.needs(step).any(|need| of.contains(&need) || found.contains(&need)) {
                found.insert(step);
            }
        }
        found
    }
}

/// What the test knows of a run from what it did itself.
#[derive(Debug, Default)]
struct Model {
    done: BTreeSet<u32>,
    failed: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    interrupted: bool,
}

impl Model {
    /// What must hold whenever the scheduler has nothing more to do by itself.
    fn check(&self, case: &Case, hand: &Hand) -> Result<(), TestCaseError> {
        let (running, started) = (hand.runs(), hand.started());
        let once: BTreeSet<u32> = started.iter().copied().collect();
        prop_assert_eq!(once.len(), started.len(), "each step at most once");
        for &step in &running {
            prop_assert!(case.needs(step).all(|need| self.done.contains(&need)), "never before its needs");
        }
        let stopped = self.interrupted || (!case.limits.keep_going && !self.failed.is_empty());
        for (builds, bound) in [(true, case.limits.jobs), (false, case.limits.transfers)] {
            let of_lane = |step: &u32| (case.kind(*step) == StepKind::Build) == builds;
            let runs = running.iter().copied().filter(of_lane).count();
            prop_assert!(runs <= bound, "never more than the bound");
            let ready = (0..u32::try_from(case.steps.len()).unwrap())
                .filter(of_lane)
                .filter(|step| !once.contains(step) && case.needs(*step).all(|need| self.done.contains(&need)));
            prop_assert!(stopped || runs == bound || ready.count() == 0, "a free slot is used");
        }
        Ok(())
    }
}

async fn play(case: Case) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let run = Run::start(&case.steps, case.limits, &case.expected).await;
    for (ends, choice) in case.choices.iter().enumerate() {
        model.check(&case, &run.hand)?;
        let running = run.hand.runs();
        if running.is_empty() {
            break;
        }
        if case.interrupted_after == Some(ends) {
            model.interrupted = true;
            model.cancelled.extend(running);
            run.cancel.cancel();
            settle().await;
            prop_assert_eq!(run.hand.runs(), [0; 0], "an interruption drops what runs");
            break;
        }
        let step = *choice.get(&running);
        let verdict = case.verdicts[step as usize];
        let list = if verdict == Verdict::Succeed { &mut model.done } else { &mut model.failed };
        list.insert(step);
        let started = run.hand.started().len();
        run.hand.end(step, verdict).await;
        if !case.limits.keep_going && !model.failed.is_empty() {
            prop_assert_eq!(run.hand.started().len(), started, "nothing starts after a failure");
        }
    }
    model.check(&case, &run.hand)?;
    let started: BTreeSet<u32> = run.hand.started().into_iter().collect();
    let (outcome, events) = run.finish().await;
    check_outcome(&case, &model, &outcome)?;
    check_events(&case, &started, &outcome, &events)
}

fn check_outcome(case: &Case, model: &Model, outcome: &Outcome) -> Result<(), TestCaseError> {
    let set = |steps: &[StepIndex]| steps.iter().map(|step| step.0).collect::<BTreeSet<u32>>();
    let failed: Vec<StepIndex> = outcome.failed.iter().map(|(step, _)| *step).collect();
    let skipped: Vec<StepIndex> = outcome.skipped.iter().map(|(step, _)| *step).collect();
    prop_assert_eq!(&set(&outcome.done), &model.done);
    prop_assert_eq!(&set(&failed), &model.failed);
    prop_assert_eq!(&set(&outcome.cancelled), &model.cancelled);
    prop_assert_eq!(set(&skipped), case.dependents(&model.failed), "exactly what needs a failed step is skipped");
    for (step, root) in &outcome.skipped {
        prop_assert!(model.failed.contains(&root.0));
        prop_assert!(case.dependents(&[root.0].into()).contains(&step.0), "the root is a reason");
    }
    prop_assert_eq!(outcome.interrupted, model.interrupted);
    if case.limits.keep_going && !model.interrupted {
        prop_assert!(outcome.not_started.is_empty(), "everything else goes on");
    }
    let mut all: Vec<StepIndex> = Vec::new();
    for list in [&outcome.done, &failed, &skipped, &outcome.not_started, &outcome.cancelled] {
        prop_assert!(list.is_sorted());
        all.extend(list);
    }
    all.sort();
    prop_assert!(all.iter().map(|step| step.index()).eq(0..case.steps.len()), "each step in exactly one list");
    Ok(())
}

fn check_events(
    case: &Case,
    started: &BTreeSet<u32>,
    outcome: &Outcome,
    events: &[Event],
) -> Result<(), TestCaseError> {
    let mut stories = vec![String::new(); case.steps.len()];
    for event in events {
        let (step, word) = match event {
            Event::Started(step) => (step, "started "),
            Event::Line(step, line) => (step, if line == "first" { "first " } else { "last " }),
            Event::Done(step, _) => (step, "done"),
            Event::Failed(step, ..) => (step, "failed"),
            Event::Skipped(step, _) => (step, "skipped"),
            Event::NotStarted(step) => (step, "not started"),
            Event::Cancelled(step) => (step, "cancelled"),
            Event::Interrupted => continue,
            Event::Warning(warning) => return Err(TestCaseError::fail(warning.clone())),
        };
        stories[step.index()] += word;
    }
    for (index, story) in (0..).zip(stories) {
        let step = StepIndex(index);
        let expected = if outcome.done.contains(&step) {
            "started first last done"
        } else if outcome.failed.iter().any(|(failed, _)| *failed == step) {
            "started first last failed"
        } else if outcome.cancelled.contains(&step) {
            "started first cancelled"
        } else if outcome.not_started.contains(&step) {
            "not started"
        } else {
            "skipped"
        };
        prop_assert_eq!(&story, expected);
        prop_assert_eq!(started.contains(&index), story.starts_with("started"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_run_keeps_the_promises_of_the_scheduler(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(case))?;
    }
}
