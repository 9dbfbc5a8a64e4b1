//! A signal keeps a fix from writing anything, or comes too late; it is never lost, and leaves no file behind.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::support::Monorepo;
use super::tag;

/// So many that a list of them does not fit into a pipe.
const FILES: usize = 1000;
const OLD: &str = "0000000000000000000000000000000000000000";

fn many_files() -> Monorepo {
    let mut files = vec![
        ("pkg/base/build.yml".to_owned(), "image: base\n".to_owned()),
        ("pkg/base/Dockerfile".to_owned(), "FROM scratch\n".to_owned()),
    ];
    files.extend((0..FILES).map(|n| (format!("images/{n:04}.yml"), format!("init: [linuxkit/base:{OLD}]\n"))));
    let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Monorepo::with_files(&files)
}

fn fix(monorepo: &Monorepo) -> Child {
    let mut command = monorepo.kitmake_command(&["-v", "pins", "fix", "--files", "images/*.yml"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, to: &Child) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([format!("-{signal}"), to.id().to_string()]).stderr(Stdio::null()).status();
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited a minute for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// The names of the files that the fix is about, and the texts that they have.
fn images(monorepo: &Monorepo) -> (Vec<String>, Vec<String>) {
    let entries = fs::read_dir(monorepo.root().join("images")).unwrap().map(|entry| entry.unwrap());
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let texts = (0..FILES).map(|n| monorepo.read(&format!("images/{n:04}.yml"))).collect();
    (names, texts)
}

#[test]
fn two_signals_leave_all_files_or_none_as_they_were_and_nothing_beside_them() {
    let monorepo = many_files();
    let fixing = fix(&monorepo);
    let folder = monorepo.root().join("images");
    wait("the first new file", || fs::read_dir(&folder).unwrap().count() > FILES);
    send("INT", &fixing);
    sleep(Duration::from_millis(20));
    send("INT", &fixing);
    let ended = fixing.wait_with_output().unwrap();
    let (names, texts) = images(&monorepo);
    assert_eq!(names.len(), FILES, "{names:?}");
    let is_old = texts[0].contains(OLD);
    assert!(texts.iter().all(|text| text.contains(OLD) == is_old));
    if is_old {
        assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn a_signal_after_all_is_written_ends_what_waits_for_its_reader() {
    let monorepo = many_files();
    let mut fixing = fix(&monorepo);
    let mut stdout = fixing.stdout.take().unwrap();
    // What is listed is written, and there is more of it than the pipe holds.
    stdout.read_exact(&mut [0]).unwrap();
    let new = tag(&monorepo, "pkg/base");
    assert!(images(&monorepo).1.iter().all(|text| text.contains(&new)));
    let mut ended = None;
    wait("the end of a fix whose output nobody reads", || {
        send("TERM", &fixing);
        ended = fixing.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(143));
}
