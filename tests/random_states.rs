//! `kitmake show-tag` against linuxkit's algorithm in random states of a repository.
//!
//! The expected names are made here package by package, by the very git commands that linuxkit runs, in its order, from
//! the package's own directory; kitmake answers for all packages at once. The one rule that is not linuxkit's is that a
//! dirty extra source makes its package dirty. `KITMAKE_STATES` is the number of states, 40 by default.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its repository has failed")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use support::Random;

/// Packages: side by side with names that sort around a slash, nested, with blanks, and the repository itself.
const PACKAGES: [&str; 7] = ["pkg/a", "pkg/a-b", "pkg/a/inner", "pkg/b", "deep/down/c", "sp ace/d", "."];
/// Directories that packages take as extra sources.
const SOURCES: [&str; 3] = ["lib", "lib/sub", "pkg/b"];
const NAMES: [&str; 12] = [
    "x",
    "sub/y",
    "sub-z",
    "a b",
    " lead",
    "trail ",
    "caf\u{e9}",
    "q\"uote",
    "t\tab",
    "i.log",
    "sub/.gitignore",
    "kitmake.yml",
];
/// Comments, so that they mean nothing in a kitmake.yml.
const TEXTS: [&str; 5] = ["", "#a", "#b\n", "#a\r\n", "#c\n#d\n"];

/// What may be written to a file.
fn texts(name: &str) -> &'static [&'static str] {
    if name.ends_with(".gitignore") { &["x\nsub-z\n", "*\n!x\n", ""] } else { &TEXTS }
}

/// Whether a file has a meaning, so that something else must not be moved to its place.
fn is_special(name: &str) -> bool {
    name.ends_with(".gitignore") || name.ends_with("kitmake.yml")
}

struct Repository {
    _folder: tempfile::TempDir,
    top: PathBuf,
    /// What was done, for whoever has to find out why a state differs.
    done: Vec<String>,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap().join("r");
        fs::create_dir(&top).unwrap();
        let repository = Self { _folder: folder, top, done: Vec::new() };
        assert!(repository.git(".", &["init", "-q"]).status.success());
        repository
    }

    fn git(&self, directory: &str, arguments: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.top.join(directory)).args(arguments);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            git.env_remove(variable);
        }
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "T").env(format!("GIT_{role}_EMAIL"), "t@example.org");
        }
        git.output().unwrap()
    }

    fn write(&mut self, file: &str, text: &str) {
        self.done.push(format!("write {file:?} {text:?}"));
        let path = self.top.join(file);
        // A file may stand where a directory is wanted and the other way round: then nothing is written.
        let _ = fs::create_dir_all(path.parent().unwrap());
        let _ = fs::write(path, text);
    }

    /// Does one random thing to a file of a package or of an extra source.
    fn edit(&mut self, random: &mut Random) {
        let directory = if random.one_in(4) { random.of(&SOURCES) } else { random.of(&PACKAGES) };
        let file = format!("{directory}/{}", random.of(&NAMES));
        let path = self.top.join(&file);
        let text = random.of(texts(&file));
        let what = random.below(14);
        self.done.push(format!("{what} {file:?} {text:?}"));
        let parent = path.parent().unwrap();
        let staged = |arguments: &[&str]| drop(self.git(".", &[arguments, &["--", file.as_str()]].concat()));
        match what {
            0..=3 => self.write(&file, text),
            4 => drop(fs::remove_file(&path)),
            5 => staged(&["add"]),
            6 => staged(&["add", "-f"]),
            7 => staged(&["add", "-N"]),
            8 => staged(&["rm", "-q", "--cached", "-f"]),
            9 => drop(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))),
            10 if !is_special(&file) => {
                let _ = fs::remove_file(&path);
                let _ = fs::create_dir_all(parent);
                let _ = symlink(random.of(&["x", "nowhere", "sub"]), &path);
            }
            11 => {
                let to = format!("{}/{}", random.of(&PACKAGES), random.of(&NAMES));
                self.done.push(format!("to {to:?}"));
                if is_special(&file) || is_special(&to) {
                    return;
                }
                let to = self.top.join(to);
                let _ = fs::create_dir_all(to.parent().unwrap());
                let _ = fs::rename(&path, to);
            }
            12 => staged(&["update-index", random.of(&["--assume-unchanged", "--skip-worktree"])]),
            _ => {
                // A repository within, sometimes with a commit.
                let _ = fs::create_dir_all(self.top.join(directory).join("nested"));
                let nested = format!("{directory}/nested");
                self.git(&nested, &["init", "-q"]);
                if random.one_in(2) {
                    self.git(&nested, &["commit", "-q", "--allow-empty", "-m", "n"]);
                }
            }
        }
    }

    /// The packages committed, then edited; the extra sources of each.
    fn random(random: &mut Random) -> (Self, Vec<(String, Vec<String>)>) {
        let mut repository = Self::new();
        let quotes = if random.one_in(2) { "true" } else { "false" };
        repository.git(".", &["config", "core.quotePath", quotes]);
        repository.write(".gitignore", "*.log\n");
        for source in SOURCES {
            repository.write(&format!("{source}/l"), source);
        }
        let mut packages = Vec::new();
        for (number, package) in PACKAGES.iter().enumerate() {
            let mut yml = format!("image: p{number}\n");
            let mut sources = Vec::new();
            if random.one_in(3) {
                yml.push_str("extra-sources:\n");
                let up = "../".repeat(if *package == "." { 0 } else { package.split('/').count() });
                for _ in 0..=random.below(2) {
                    let source = random.of(&SOURCES);
                    writeln!(yml, "- {up}{source}:s/{source}").unwrap();
                    sources.push(source.to_owned());
                }
            }
            repository.write(&format!("{package}/build.yml"), &yml);
            packages.push(((*package).to_owned(), sources));
        }
        for _ in 0..random.below(12) {
            let file = format!("{}/{}", random.of(&PACKAGES), random.of(&NAMES));
            repository.write(&file, random.of(texts(&file)));
        }
        repository.git(".", &["add", "-A"]);
        assert!(repository.git(".", &["commit", "-q", "-m", "c"]).status.success());
        for _ in 0..random.below(10) {
            repository.edit(random);
        }
        (repository, packages)
    }

    /// `git rev-parse HEAD:DIR`.
    fn tree(&self, directory: &str) -> String {
        let object = if directory == "." { "HEAD^{tree}".to_owned() } else { format!("HEAD:{directory}") };
        let output = self.git(".", &["rev-parse", "--verify", &object]);
        assert!(output.status.success(), "{object}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Whether linuxkit finds a directory dirty: something differs from HEAD, or there is a file git does not know.
    fn is_dirty(&self, directory: &str) -> bool {
        let path = self.top.join(directory);
        let path = path.to_str().unwrap();
        let path = path.trim_end_matches("/.");
        let differs = self.git(directory, &["diff", "--no-ext-diff", "--exit-code", "--quiet", "HEAD", "--", path]);
        let others = ["ls-files", "--exclude-standard", "--others", "--error-unmatch", "--", path];
        !differs.status.success() || self.git(directory, &others).status.success()
    }

    /// The bytes of the files that git lists in a directory, in the order and the spelling of its two listings.
    fn content(&self, directory: &str) -> Vec<u8> {
        let listed = |arguments: &[&str]| String::from_utf8(self.git(directory, arguments).stdout).unwrap();
        let all = listed(&["ls-files"]) + "\n" + &listed(&["ls-files", "--exclude-standard", "--others"]);
        let mut bytes = Vec::new();
        for name in all.trim().lines() {
            let file = self.top.join(directory).join(name);
            if file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                bytes.extend(fs::read(file).unwrap());
            }
        }
        bytes
    }

    fn expected(&self, package: &str, sources: &[String]) -> String {
        let mut hash = self.tree(package);
        if !sources.is_empty() {
            let trees: String = sources.iter().map(|source| self.tree(source)).collect();
            hash = hex(&Sha1::digest(hash + &trees));
        }
        let dirty_sources: Vec<&String> = sources.iter().filter(|source| self.is_dirty(source)).collect();
        if self.is_dirty(package) || !dirty_sources.is_empty() {
            let mut bytes = self.content(package);
            bytes.extend(dirty_sources.iter().flat_map(|source| self.content(source)));
            hash = format!("{hash}-dirty-{}", &hex(&Sha256::digest(bytes))[..7]);
        }
        hash
    }

    /// What kitmake prints for all packages at once, seen from one of them.
    fn shown(&self, seen_from: &Path, packages: &[(String, Vec<String>)]) -> Vec<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kitmake"));
        command.current_dir(seen_from).arg("show-tag").env_remove("LINUXKIT_PKG_ORG");
        command.args(packages.iter().map(|(package, _)| self.top.join(package)));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}\n{:#?}", String::from_utf8_lossy(&output.stderr), self.done);
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the environment says how many states")]
fn every_state_gives_the_names_that_linuxkit_computes() {
    let states: u64 = std::env::var("KITMAKE_STATES").map_or(40, |text| text.parse().unwrap());
    let mut dirty = 0;
    for seed in 0..states {
        let mut random = Random(seed);
        let (repository, packages) = Repository::random(&mut random);
        let expected: Vec<String> = packages
            .iter()
            .enumerate()
            .map(|(number, (package, sources))| format!("linuxkit/p{number}:{}", repository.expected(package, sources)))
            .collect();
        let shown = repository.shown(&repository.top.join(random.of(&["pkg/b", ".", "deep"])), &packages);
        assert_eq!(shown, expected, "state {seed}: {:#?}", repository.done);
        dirty += shown.iter().filter(|name| name.contains("-dirty-")).count();
    }
    // States in which nothing is clean or nothing is dirty would show little.
    let all = usize::try_from(states).unwrap() * PACKAGES.len();
    assert!((all / 5..all * 4 / 5).contains(&dirty), "{dirty} of {all}");
}
