//! How long it takes to know what there is: scan, tags and graph of a generated monorepo.
//!
//! `cargo bench` makes repositories of 100, 1,000 and 10,000 packages in a temporary directory: each package has ten
//! files, and its Dockerfile pins two earlier packages by tags that are not theirs, so that every reference is matched.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use kitmake::git::TagOptions;
use kitmake::image::Platform;
use kitmake::pipeline::{Survey, survey};
use kitmake::workspace::Options;

fn main() {
    divan::main();
}

/// A repository with one commit and a checked-out work tree, made by one `git fast-import`.
fn repository(packages: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    git(directory.path(), &["init", "--quiet"], None);
    let mut stream = String::from("commit refs/heads/main\ncommitter B <b@example.org> 1600000000 +0000\ndata 0\n\n");
    for package in 0..packages {
        let mut file = |name: &str, text: &str| {
            let _ = write!(stream, "M 644 inline pkg/p{package:05}/{name}\ndata {}\n{text}\n", text.len());
        };
        file("build.yml", &format!("image: p{package:05}\norg: bench\n"));
        let pin = |other: usize| format!("bench/p{:05}:{:040x}", other % packages.max(1), other);
        file("Dockerfile", &format!("FROM {} AS build\nFROM {}\nCOPY . /src\n", pin(package / 2), pin(package / 3)));
        for number in 0..8 {
            file(&format!("src/f{number}"), &format!("{package} {number}\n"));
        }
    }
    git(directory.path(), &["fast-import", "--quiet"], Some(&stream));
    git(directory.path(), &["symbolic-ref", "HEAD", "refs/heads/main"], None);
    git(directory.path(), &["reset", "--quiet", "--hard"], None);
    directory
}

fn git(directory: &Path, arguments: &[&str], input: Option<&str>) {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .spawn()
        .expect("git is installed");
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.as_bytes()).expect("git reads its input");
    }
    assert!(child.wait().expect("git ends").success(), "git {arguments:?}");
}

#[divan::bench(args = [100, 1_000, 10_000], sample_count = 10, sample_size = 1)]
fn survey_of_a_clean_repository(bencher: divan::Bencher<'_, '_>, packages: usize) {
    let directory = repository(packages);
    let root = directory.path().canonicalize().expect("the directory exists");
    let tags = TagOptions::default();
    bencher.bench(|| {
        let selectors = vec![".".to_owned()];
        let question = Survey {
            root: &root,
            current: ".",
            selectors,
            workspace: &Options::default(),
            build_arg_files: &[],
            tags: &tags,
            platforms: None,
            repin: false,
        };
        let surveyed = survey(&question, &Platform::linux("amd64")).expect("the repository is well formed");
        assert_eq!(surveyed.workspace.packages.len(), packages);
        surveyed
    });
}
