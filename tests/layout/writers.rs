//! Several processes at the same layout, some of which die.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};

use super::*;

const TASK: &str = "KITMAKE_TEST_LAYOUT_TASK";

/// Another process with one of the tasks of [`process`].
fn start(task: &str, layout: &Layout) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "writers::process", "--ignored", "--nocapture"]);
    command.env(TASK, format!("{task} {}", layout.directory().display()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn name(writer: &str, number: usize) -> String {
    format!("docker.io/kitmake-test/{writer}:{number}")
}

#[test]
#[ignore = "a process that the other tests start"]
fn process() {
    #[expect(clippy::disallowed_methods, reason = "a process of a test has no settings")]
    let task = std::env::var(TASK).unwrap();
    let [task, number, directory] = task.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
    let layout = Layout::at(directory);
    match task {
        "write" => {
            for image_number in 0..6 {
                let texts = ["base", number, &image_number.to_string()];
                for wanted in ["linux/amd64", "linux/arm64"] {
                    let own = name(&format!("writer{number}"), image_number);
                    layout.store(&image(&own), &platform(wanted), archive(wanted, &texts)).unwrap();
                }
            }
            let wanted = platform(
                ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x"][number.parse::<usize>().unwrap() % 4],
            );
            let texts = archive(&wanted.to_string(), &["shared"]);
            layout.store(&image(&name("shared", 0)), &wanted, texts).unwrap();
        }
        "write_forever" => {
            for count in 0.. {
                let text = format!("{number} {count} {}", "x".repeat(1 << 16));
                let wanted = platform("linux/amd64");
                layout.store(&image(&name("endless", count % 20)), &wanted, archive("linux/amd64", &[&text])).unwrap();
            }
        }
        // As linuxkit does: a record lock on the whole file for writing.
        "hold_the_lock" => {
            let path = layout.directory().join(".lock");
            let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
            fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
            println_now("held");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn println_now(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}

#[test]
fn processes_and_threads_that_write_at_once_lose_no_entry() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::at(directory.path().join("cache"));
    let children: Vec<_> = (0..8).map(|number| start(&format!("write {number}"), &layout)).collect();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let layout = &layout;
            scope.spawn(move || {
                let own = name("thread", number);
                let texts = ["base", "thread", &number.to_string()];
                layout.store(&image(&own), &platform("linux/amd64"), archive("linux/amd64", &texts)).unwrap();
                assert!(find(layout, &own, "linux/amd64").is_some());
            });
        }
    });
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let mut expected: Vec<_> = (0..4).map(|number| (name("thread", number), "linux/amd64")).collect();
    for writer in 0..8 {
        for number in 0..6 {
            let own = name(&format!("writer{writer}"), number);
            expected.extend([(own.clone(), "linux/amd64"), (own, "linux/arm64")]);
        }
    }
    for wanted in ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x"] {
        expected.push((name("shared", 0), wanted));
    }
    let questions: Vec<_> = expected.iter().map(|(name, wanted)| (image(name), platform(wanted))).collect();
    let questions: Vec<_> = questions.iter().map(|(name, wanted)| (name, wanted)).collect();
    for (answer, question) in layout.find(&questions).unwrap().into_iter().zip(&expected) {
        assert!(answer.is_some_and(|found| found.listed), "{question:?}");
    }
    assert_eq!(names(&layout).len(), 4 * 2 + 8 * 6 * 3 + 5);
    let remains = fs::read_dir(layout.directory()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!remains.into_iter().any(|name| name.to_string_lossy().starts_with(".kitmake-")));
}

#[test]
fn while_linuxkit_holds_its_lock_nothing_is_read_or_written() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::at(directory.path());
    let (wanted, own) = (platform("linux/amd64"), image(&name("waiting", 0)));
    layout.store(&own, &wanted, archive("linux/amd64", &["before"])).unwrap();
    let before = find(&layout, &own.to_string(), "linux/amd64");
    let mut holder = start("hold_the_lock 0", &layout);
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("held")));

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| layout.store(&own, &wanted, archive("linux/amd64", &["after"])).unwrap());
        let reader = scope.spawn(|| find(&layout, &name("waiting", 1), "linux/amd64"));
        std::thread::sleep(Duration::from_millis(300));
        let waiting = !writer.is_finished() && !reader.is_finished();
        holder.stdin.take().unwrap().write_all(b"\n").unwrap();
        writer.join().unwrap();
        assert_eq!(reader.join().unwrap(), None);
        assert!(waiting);
    });
    assert!(holder.wait().unwrap().success());
    assert_ne!(find(&layout, &own.to_string(), "linux/amd64"), before);
}

#[test]
fn a_writer_that_is_killed_leaves_a_valid_layout() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::at(directory.path());
    for round in 0..12u64 {
        let mut writer = start(&format!("write_forever {round}"), &layout);
        let index = directory.path().join("index.json");
        let began = Instant::now();
        while !index.exists() {
            assert!(began.elapsed() < Duration::from_mins(1), "nothing was written");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(20 + 13 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let names = names(&layout);
        assert!(!names.is_empty());
        for name in names.keys() {
            assert!(find(&layout, name, "linux/amd64").unwrap().listed, "{name} after round {round}");
        }
    }
}
