//! A signal ends a run soon, its builds with it, and leaves nothing half done.

use std::fs::{self, File};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::expected::measured;
use super::{Bench, set, told_set};
use crate::support::run;

/// How long the slow step takes, and how long a run may take to end after a signal.
const SLOW: u64 = 10;
const SOON: Duration = Duration::from_secs(5);

/// A package with a step that sleeps, and how to know the process.
struct Slow {
    bench: Bench,
    seconds: String,
}

impl Slow {
    fn new() -> Self {
        let bench = Bench::fresh();
        // The engine runs on this machine, so its process is looked for by this unique number.
        let seconds = format!("{SLOW}.{}", bench.registry.address().rsplit_once(':').unwrap().1);
        let (org, base) = (bench.monorepo.org(), bench.reference("tools/base"));
        bench.monorepo.write("pkg/slow/build.yml", &format!("org: {org}\nimage: slow\narches: [amd64]\n"));
        bench.monorepo.write("pkg/slow/Dockerfile", &format!("FROM {base}\nRUN timed slow sleep {seconds}\n"));
        bench.monorepo.commit("Add a slow package");
        Self { bench, seconds }
    }

    fn is_running(&self) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else { return false };
        let command = format!("sleep\0{}\0", self.seconds);
        let lines = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        lines.into_iter().any(|line| String::from_utf8_lossy(&line).ends_with(&command) && line[0] == b's')
    }

    fn wait(what: &str, mut condition: impl FnMut() -> bool, patience: Duration) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < patience, "waited {patience:?} for {what}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Runs a push until the slow step runs, sends the signal, and returns how the run ended and what it said.
    fn interrupt(&self, signal: &str) -> (Option<i32>, String) {
        let said = self.bench.monorepo.root().parent().unwrap().join("stderr");
        let mut command = self.bench.monorepo.kitmake_command(&["push", "pkg/slow", "pkg/vtpm"]);
        let mut child: Child = command.stderr(File::create(&said).unwrap()).spawn().unwrap();
        Self::wait("the slow step to run", || self.is_running(), Duration::from_mins(1));
        run(std::process::Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
        let mut status = None;
        Self::wait(
            "kitmake to end",
            || {
                status = child.try_wait().unwrap();
                status.is_some()
            },
            SOON,
        );
        Self::wait("the engine to end the step", || !self.is_running(), SOON);
        (status.unwrap().code(), fs::read_to_string(said).unwrap())
    }
}

#[test]
fn an_interrupt_cancels_what_is_built_and_the_next_run_does_it() {
    let slow = Slow::new();
    let (code, said) = slow.interrupt("INT");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("Cancelled pkg/slow linux/amd64"), "{said}");
    assert!(said.contains("interrupted: "), "{said}");
    let bench = &slow.bench;
    let measured = measured(bench);
    assert!(measured.contains_key("build:tools/base@linux/amd64"), "what was done counts: {measured:?}");
    assert!(!measured.contains_key("build:pkg/slow@linux/amd64"), "{measured:?}");
    assert_eq!(bench.tags("slow"), set([]));
    assert!(!Bench::on_builder(&bench.reference("pkg/slow")));

    let again = bench.kitmake(&["push", "pkg/slow", "pkg/vtpm"]).with_code(0);
    assert!(told_set(&again, "Built").contains("pkg/slow"), "{}", again.stderr);
    for image in ["slow", "vtpm"] {
        assert_eq!(bench.tags(image).len(), 2, "{image}");
    }
}

#[test]
fn a_request_to_terminate_has_an_exit_code_of_its_own() {
    let slow = Slow::new();
    let (code, said) = slow.interrupt("TERM");
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("Cancelled pkg/slow linux/amd64"), "{said}");
    assert_eq!(slow.bench.tags("slow"), set([]));
}
