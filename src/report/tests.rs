//! Exact output of the plain reporter and of the summary, from recorded events.

use std::io;

use super::summary::summary;
use super::*;
use crate::plan::StepIndex;
use crate::run::testing::{build, fetch, index, push};
use crate::run::{Failure, FailureClass};

/// Two packages, the second on the first.
fn steps() -> Vec<Step> {
    vec![
        fetch("busybox:1", &[]),
        build("pkg/x", &[0]),
        push("pkg/x", &[1]),
        index("pkg/x", &[2]),
        build("pkg/y", &[1]),
        push("pkg/y", &[4]),
    ]
}

const FETCH_BUSYBOX: StepIndex = StepIndex(0);
const BUILD_X: StepIndex = StepIndex(1);
const PUSH_X: StepIndex = StepIndex(2);
const INDEX_X: StepIndex = StepIndex(3);
const BUILD_Y: StepIndex = StepIndex(4);
const PUSH_Y: StepIndex = StepIndex(5);

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

fn line(step: StepIndex, line: &str) -> Event {
    Event::Line(step, line.to_owned())
}

fn failure() -> Failure {
    Failure {
        class: FailureClass::Build,
        message: "the build failed at `RUN make`\nexit code: 2".to_owned(),
        tail: vec!["\x1b[1mmake\x1b[0m: *** [all] Error 2".to_owned(), String::new(), "\tdone".to_owned()],
        log: Some("/state/runs/1/build-pkg%2Fx@amd64.log".into()),
    }
}

fn plain(verbosity: Verbosity, color: bool, events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut reporter = Plain::new(&mut out, verbosity, color);
    for event in events {
        reporter.event(&steps(), event);
    }
    String::from_utf8(out).unwrap()
}

fn all_is_well() -> Vec<Event> {
    vec![
        Event::Started(FETCH_BUSYBOX),
        Event::Done(FETCH_BUSYBOX, seconds(0.5)),
        Event::Started(BUILD_X),
        line(BUILD_X, "RUN make"),
        line(BUILD_X, "10%\r100%"),
        Event::Done(BUILD_X, seconds(3.25)),
        Event::Started(BUILD_Y),
        Event::Started(PUSH_X),
        Event::Done(PUSH_X, seconds(1.0)),
        Event::Started(INDEX_X),
        Event::Done(INDEX_X, seconds(0.04)),
        Event::Done(BUILD_Y, seconds(185.0)),
        Event::Started(PUSH_Y),
        Event::Done(PUSH_Y, seconds(3725.0)),
    ]
}

fn x_fails() -> Vec<Event> {
    vec![
        Event::Started(FETCH_BUSYBOX),
        Event::Done(FETCH_BUSYBOX, seconds(0.5)),
        Event::Warning("cannot write the log `/state/x.log`: disk full".to_owned()),
        Event::Started(BUILD_X),
        Event::Failed(BUILD_X, seconds(2.0), failure()),
        Event::Skipped(PUSH_X, BUILD_X),
        Event::Skipped(BUILD_Y, BUILD_X),
    ]
}

#[test]
fn plain_tells_what_is_built_and_what_became_of_each_step() {
    assert_eq!(
        plain(Verbosity::Normal, false, &all_is_well()),
        "     Fetched busybox:1 linux/amd64 in 0.5s (1/6)
    Building pkg/x linux/amd64
       Built pkg/x linux/amd64 in 3.2s (2/6)
    Building pkg/y linux/amd64
      Pushed pkg/x linux/amd64 in 1.0s (3/6)
     Indexed pkg/x in 0.0s (4/6)
       Built pkg/y linux/amd64 in 3m 05s (5/6)
      Pushed pkg/y linux/amd64 in 1h 02m (6/6)
"
    );
}

#[test]
fn verbose_adds_every_start_and_the_lines_of_the_logs() {
    assert_eq!(
        plain(Verbosity::Verbose, false, &all_is_well()[..8]),
        "    Fetching busybox:1 linux/amd64
     Fetched busybox:1 linux/amd64 in 0.5s (1/6)
    Building pkg/x linux/amd64
pkg/x@amd64 | RUN make
pkg/x@amd64 | 100%
       Built pkg/x linux/amd64 in 3.2s (2/6)
    Building pkg/y linux/amd64
     Pushing pkg/x linux/amd64
"
    );
}

#[test]
fn a_failure_shows_message_end_of_log_and_the_path_of_the_rest() {
    assert_eq!(
        plain(Verbosity::Normal, false, &x_fails()),
        "     Fetched busybox:1 linux/amd64 in 0.5s (1/6)
     Warning cannot write the log `/state/x.log`: disk full
    Building pkg/x linux/amd64
      FAILED build pkg/x linux/amd64 after 2.0s
  the build failed at `RUN make`
  exit code: 2
  | make: *** [all] Error 2
  |
  |     done
  full log: /state/runs/1/build-pkg%2Fx@amd64.log
     Skipped push pkg/x linux/amd64 (needs pkg/x linux/amd64)
     Skipped pkg/y linux/amd64 (needs pkg/x linux/amd64)
"
    );
}

#[test]
fn quiet_shows_failures_only() {
    assert_eq!(plain(Verbosity::Quiet, false, &all_is_well()), "");
    let shown = plain(Verbosity::Quiet, false, &x_fails());
    assert!(shown.starts_with("      FAILED build pkg/x") && shown.ends_with("x@amd64.log\n"), "{shown}");
}

#[test]
fn an_interruption_names_what_was_cancelled() {
    let events = [Event::Started(BUILD_X), Event::Interrupted, Event::Cancelled(BUILD_X), Event::NotStarted(BUILD_Y)];
    assert_eq!(
        plain(Verbosity::Verbose, false, &events),
        "    Building pkg/x linux/amd64
 Interrupted cancelling the running steps
   Cancelled pkg/x linux/amd64
 Not started pkg/y linux/amd64
"
    );
}

#[test]
fn only_the_verb_is_coloured() {
    let events = [Event::Started(BUILD_X), Event::Done(BUILD_X, seconds(1.0))];
    assert_eq!(
        plain(Verbosity::Normal, true, &events),
        "\x1b[36m\x1b[1m    Building\x1b[0m pkg/x linux/amd64\n\
         \x1b[32m\x1b[1m       Built\x1b[0m pkg/x linux/amd64 in 1.0s (1/6)\n"
    );
}

#[test]
fn every_minute_the_running_steps_are_listed() {
    let mut out = Vec::new();
    let mut reporter = Plain::new(&mut out, Verbosity::Normal, false);
    let steps = steps();
    let tick = |reporter: &mut Plain<_>, now: f32| reporter.tick(&steps, seconds(now));
    tick(&mut reporter, 60.0);
    reporter.event(&steps, &Event::Started(BUILD_X));
    tick(&mut reporter, 100.0);
    reporter.event(&steps, &Event::Started(PUSH_Y));
    tick(&mut reporter, 119.0);
    tick(&mut reporter, 120.0);
    tick(&mut reporter, 121.0);
    reporter.event(&steps, &Event::Done(BUILD_X, seconds(130.0)));
    tick(&mut reporter, 180.5);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "    Building pkg/x linux/amd64
     Running pkg/x linux/amd64 (1m 00s), push pkg/y linux/amd64 (20.0s)
       Built pkg/x linux/amd64 in 2m 10s (1/6)
     Running push pkg/y linux/amd64 (1m 20s)
"
    );
}

/// A pipe whose reader is gone.
struct Gone(u32);

impl io::Write for &mut Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_ends_the_report_quietly() {
    let mut gone = Gone(0);
    let mut reporter = Plain::new(&mut gone, Verbosity::Normal, false);
    for event in all_is_well() {
        reporter.event(&steps(), &event);
    }
    assert_eq!(gone.0, 1);
}

#[test]
fn the_summary_counts_what_is_done() {
    let done = vec![FETCH_BUSYBOX, BUILD_X, PUSH_X, INDEX_X, BUILD_Y, PUSH_Y];
    let outcome = Outcome { done, ..Outcome::default() };
    let text = summary(&steps(), &outcome, seconds(63.0), "", false);
    assert_eq!(text, "built 2, pushed 2, indexed 1, fetched 1 in 1m 03s\n");
    assert_eq!(summary(&[], &Outcome::default(), seconds(0.0), "", false), "nothing done in 0.0s\n");
    let text = summary(&steps(), &outcome, seconds(63.0), "; 1 outdated image stays published", false);
    assert!(text.ends_with(" in 1m 03s; 1 outdated image stays published\n"), "{text}");
}

#[test]
fn what_has_nothing_to_show_of_its_work_is_told_in_the_summary_alone() {
    let refused = Failure::new(FailureClass::Push, "refused\nhelp: log in");
    let event = plain(Verbosity::Normal, false, &[Event::Failed(PUSH_X, seconds(1.0), refused.clone())]);
    assert_eq!(event, "      FAILED push pkg/x linux/amd64 after 1.0s\n");
    let outcome = Outcome { failed: vec![(PUSH_X, refused)], ..Outcome::default() };
    assert!(summary(&steps(), &outcome, seconds(1.0), "", false).ends_with("  refused\n  help: log in\n"));
}

#[test]
fn the_summary_ends_with_the_failures() {
    let refused = Failure::new(FailureClass::Push, "refused\nby\nthe\nregistry");
    let outcome = Outcome {
        done: vec![FETCH_BUSYBOX],
        failed: vec![(BUILD_X, failure()), (PUSH_X, refused)],
        skipped: vec![(INDEX_X, PUSH_X), (PUSH_Y, BUILD_X), (BUILD_Y, BUILD_X)],
        ..Outcome::default()
    };
    assert_eq!(
        summary(&steps(), &outcome, seconds(12.0), "", false),
        "fetched 1 in 12.0s
skipped 2 that need pkg/x linux/amd64: pkg/y linux/amd64, push pkg/y linux/amd64
skipped 1 that needs push pkg/x linux/amd64: index pkg/x
      FAILED build pkg/x linux/amd64
  the build failed at `RUN make`
  exit code: 2
  full log: /state/runs/1/build-pkg%2Fx@amd64.log
      FAILED push pkg/x linux/amd64
  refused
  by
  the
  registry
"
    );
}

#[test]
fn the_summary_says_what_was_left_and_cuts_long_lists() {
    let steps: Vec<Step> = (0..31).map(|number| build(&format!("p{number}"), &[])).collect();
    let outcome = Outcome {
        failed: vec![(StepIndex(0), Failure::new(FailureClass::Build, "no"))],
        not_started: (1..31).map(StepIndex).collect(),
        ..Outcome::default()
    };
    let text = summary(&steps, &outcome, seconds(1.0), "", false);
    let cut: Vec<String> = (1..=20).map(|number| format!("p{number} linux/amd64")).collect();
    let left = format!("not started after the failure 30: {}, and 10 more\n", cut.join(", "));
    assert_eq!(text, format!("nothing done in 1.0s\n{left}      FAILED build p0 linux/amd64\n  no\n"));
}

#[test]
fn the_summary_of_an_interrupted_run_says_how_far_it_came() {
    let outcome = Outcome {
        done: vec![FETCH_BUSYBOX, BUILD_X],
        cancelled: vec![PUSH_X],
        not_started: vec![INDEX_X, BUILD_Y, PUSH_Y],
        interrupted: true,
        ..Outcome::default()
    };
    assert_eq!(
        summary(&steps(), &outcome, seconds(5.0), "", false),
        "built 1, fetched 1 in 5.0s\ninterrupted: 2 of 6 steps done\n"
    );
}

#[test]
fn a_quiet_run_that_went_well_has_no_summary() {
    for (verbosity, failed, shown) in [
        (Verbosity::Quiet, vec![], false),
        (Verbosity::Normal, vec![], true),
        (Verbosity::Quiet, vec![(BUILD_X, failure())], true),
    ] {
        let mut out = Vec::new();
        let outcome = Outcome { failed, ..Outcome::default() };
        Plain::new(&mut out, verbosity, false).finish(&steps(), &outcome, seconds(1.0), "");
        assert_eq!(!out.is_empty(), shown);
    }
}

#[tokio::test]
async fn a_reporter_is_handed_every_event_and_the_time() {
    #[derive(Default)]
    struct Recorder {
        events: Vec<Event>,
        ticks: Vec<Duration>,
    }
    impl Reporter for Recorder {
        fn event(&mut self, _: &[Step], event: &Event) {
            self.events.push(event.clone());
        }
        fn tick(&mut self, _: &[Step], now: Duration) {
            self.ticks.push(now);
        }
        fn finish(&mut self, _: &[Step], _: &Outcome, _: Duration, _: &str) {}
    }
    let (sender, events) = crate::run::channel();
    let mut recorder = Recorder::default();
    let steps = steps();
    let tell = async {
        for event in all_is_well() {
            sender.tell(event);
        }
        tokio::time::sleep(TICK * 3).await;
        drop(sender);
    };
    tokio::join!(follow(&steps, events, &mut recorder), tell);
    assert_eq!(recorder.events, all_is_well());
    assert!(recorder.ticks.len() >= 2 && recorder.ticks.is_sorted());
}
