//! How long steps took: what is remembered of earlier runs to tell how long the next one takes, and may be deleted at
//! any time.
//!
//! A step is remembered under what it does and to what, without a tag, so that the next version of a package is expected to
//! take as long as the last. Of each step the last [`KEPT`] times are kept, and their median is what is expected: one
//! build on a busy machine, or one that the engine answered half from its cache, changes little.
//!
//! Each workspace has a file of its own in the state directory. Who writes holds a lock, reads the file again and replaces
//! it in one go, so that runs at the same time lose nothing of each other. A file that cannot be read, or is of another
//! version, is taken for an empty one, and nothing but estimates is lost with one that cannot be written. What is of no
//! package here (one that is gone, or is on another branch; an image from outside) is forgotten when it has not been
//! measured for [`REMEMBERED`], and of the whole no more than the newest [`MOST`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::plan::{Action, Step};

/// Times that are kept of one step.
const KEPT: usize = 5;
/// How long what is of no package here is remembered.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// Steps in one file.
const MOST: usize = 50_000;
/// Of the file's form.
const VERSION: u32 = 1;

/// The file. The root is there for who looks into it.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    root: String,
    steps: BTreeMap<String, Times>,
}

/// The times of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    /// When it was last measured, in seconds since 1970.
    last: u64,
    /// The oldest first.
    milliseconds: Vec<u64>,
}

impl Times {
    fn add(&mut self, took: Duration, now: u64) {
        self.last = now;
        self.milliseconds.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let too_many = self.milliseconds.len().saturating_sub(KEPT);
        self.milliseconds.drain(..too_many);
    }

    fn median(&self) -> Option<Duration> {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_unstable();
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Duration::from_millis(lower.midpoint(upper)))
    }
}

/// What is remembered of one workspace.
#[derive(Debug, Clone)]
pub struct Durations {
    file: PathBuf,
    root: PathBuf,
    packages: BTreeSet<String>,
    steps: BTreeMap<String, Times>,
}

impl Durations {
    /// What is remembered of the workspace at `root` in the directory `state`; `packages` are the names of those that it
    /// has. Only reads.
    #[must_use]
    pub fn open(state: &Path, root: &Path, packages: BTreeSet<String>) -> Self {
        let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        let file = state.join(format!("durations-{}.json", &name[..16]));
        let steps = read(&file);
        Self { file, root: root.to_owned(), packages, steps }
    }

    /// Where it is remembered.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How long each step is expected to take, where it was done before.
    #[must_use]
    pub fn expected(&self, steps: &[Step]) -> Vec<Option<Duration>> {
        steps.iter().map(|step| self.steps.get(&key(step))?.median()).collect()
    }

    /// Remembers how long steps took, beside what other runs have remembered meanwhile.
    pub fn record<'a>(&mut self, took: impl IntoIterator<Item = (&'a Step, Duration)>) -> io::Result<()> {
        self.record_at(took, SystemTime::now())
    }

    fn record_at<'a>(
        &mut self,
        took: impl IntoIterator<Item = (&'a Step, Duration)>,
        now: SystemTime,
    ) -> io::Result<()> {
        let mut took = took.into_iter().peekable();
        if took.peek().is_none() {
            return Ok(());
        }
        let directory = self.file.parent().unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&directory)?;
        // The file itself is replaced, so that a lock on it would be one on a file that is gone.
        let lock = File::options().write(true).create(true).truncate(false).open(self.file.with_extension("lock"))?;
        lock.lock()?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.steps = read(&self.file);
        for (step, took) in took {
            self.steps.entry(key(step)).or_default().add(took, now);
        }
        self.forget(now);
        let document = Document {
            version: VERSION,
            root: self.root.to_string_lossy().into_owned(),
            steps: std::mem::take(&mut self.steps),
        };
        let mut fresh = tempfile::NamedTempFile::new_in(&directory)?;
        serde_json::to_writer(&mut fresh, &document)?;
        self.steps = document.steps;
        fresh.persist(&self.file)?;
        Ok(())
    }

    /// Forgets what is of no use any more.
    fn forget(&mut self, now: u64) {
        let packages = &self.packages;
        let is_here = |key: &str| {
            let what = key.split_once(':').map_or(key, |(_, what)| what);
            packages.contains(what) || what.rsplit_once('@').is_some_and(|(package, _)| packages.contains(package))
        };
        self.steps.retain(|key, times| times.last.saturating_add(REMEMBERED.as_secs()) >= now || is_here(key));
        let Some(too_many) = self.steps.len().checked_sub(MOST).filter(|&count| count > 0) else { return };
        let mut by_age: Vec<(u64, String)> = self.steps.iter().map(|(key, times)| (times.last, key.clone())).collect();
        by_age.sort_unstable();
        for (_, key) in by_age.into_iter().take(too_many) {
            self.steps.remove(&key);
        }
    }
}

fn read(file: &Path) -> BTreeMap<String, Times> {
    let document = fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
    document.filter(|document| document.version == VERSION).map(|document| document.steps).unwrap_or_default()
}

/// What a step is remembered under: its id, which names the package and never a tag; of an image from outside the name
/// alone.
fn key(step: &Step) -> String {
    match &step.action {
        Action::Fetch { from, platform, .. } if step.node.is_none() => format!("fetch:{}@{platform}", from.name()),
        _ => step.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::run::testing::{build, fetch, index, push};

    fn open(state: &Path, packages: &[&str]) -> Durations {
        Durations::open(state, Path::new("/root"), packages.iter().map(|name| (*name).to_owned()).collect())
    }

    fn seconds(seconds: &[u64]) -> Vec<Option<Duration>> {
        seconds.iter().map(|&seconds| Some(Duration::from_secs(seconds))).collect()
    }

    #[test]
    fn what_a_step_took_is_expected_of_it_the_next_time_and_of_no_other() {
        let state = tempfile::tempdir().unwrap();
        let (a, pushed) = (build("pkg/a", &[]), push("pkg/a", &[]));
        open(state.path(), &[]).record([(&a, Duration::from_mins(1)), (&pushed, Duration::from_secs(2))]).unwrap();
        let steps = [pushed, a, build("pkg/b", &[]), index("pkg/a", &[])];
        assert_eq!(
            open(state.path(), &[]).expected(&steps),
            [Some(Duration::from_secs(2)), Some(Duration::from_mins(1)), None, None]
        );
        let other = Durations::open(state.path(), Path::new("/other"), BTreeSet::new());
        assert_eq!(other.expected(&steps), [None; 4], "another workspace");
    }

    #[test]
    fn an_image_from_outside_is_remembered_whatever_its_tag() {
        let state = tempfile::tempdir().unwrap();
        let old = fetch("image", &[]);
        let mut new = old.clone();
        new.id = "fetch:org/image:new@linux/amd64".to_owned();
        if let Action::Fetch { from, .. } = &mut new.action {
            *from = from.with_tag("new");
        }
        open(state.path(), &[]).record([(&old, Duration::from_secs(9))]).unwrap();
        assert_eq!(open(state.path(), &[]).expected(&[new]), seconds(&[9]));
    }

    #[test]
    fn the_median_of_the_last_five_is_expected() {
        let state = tempfile::tempdir().unwrap();
        let step = build("pkg/a", &[]);
        let mut medians = Vec::new();
        for took in [100, 100, 100, 10, 12, 900, 14, 16] {
            let mut durations = open(state.path(), &[]);
            durations.record([(&step, Duration::from_secs(took))]).unwrap();
            medians.extend(durations.expected(std::slice::from_ref(&step)));
        }
        // Of 100, 100, 100, 10 it is 100; of 10, 12, 900, 14, 16 it is 14.
        assert_eq!(medians, seconds(&[100, 100, 100, 100, 100, 100, 14, 14]));
    }

    #[test]
    fn runs_at_the_same_time_lose_nothing_of_each_other() {
        let state = tempfile::tempdir().unwrap();
        let steps: Vec<Step> = (0..16).map(|number| build(&format!("pkg/p{number}"), &[])).collect();
        thread::scope(|scope| {
            for step in &steps {
                // Opened before any of them has written.
                let mut durations = open(state.path(), &[]);
                scope.spawn(move || durations.record([(step, Duration::from_secs(3))]).unwrap());
            }
        });
        assert_eq!(open(state.path(), &[]).expected(&steps), seconds(&[3; 16]));
    }

    #[test]
    fn what_cannot_be_read_is_empty_and_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        let step = build("pkg/a", &[]);
        let file = open(state.path(), &[]).file().to_owned();
        let newer = r#"{"version":2,"root":"/root","steps":{"build:pkg/a@linux/amd64":{"last":1,"milliseconds":[9]}}}"#;
        let no_times = newer.replace("2,", "1,").replace("[9]", "[]");
        for text in ["", "{\"version\":", "[]", "\0\u{ff}", newer, &no_times] {
            fs::write(&file, text).unwrap();
            let mut durations = open(state.path(), &[]);
            assert_eq!(durations.expected(std::slice::from_ref(&step)), [None], "{text:?}");
            durations.record([(&step, Duration::from_secs(1))]).unwrap();
            assert_eq!(open(state.path(), &[]).expected(std::slice::from_ref(&step)), seconds(&[1]), "{text:?}");
        }
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 2, "the file and its lock");
    }

    #[test]
    fn a_run_without_times_writes_nothing_and_a_directory_that_cannot_be_made_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        open(state.path(), &[]).record([]).unwrap();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
        fs::write(state.path().join("file"), "").unwrap();
        let step = build("pkg/a", &[]);
        open(&state.path().join("file"), &[]).record([(&step, Duration::ZERO)]).unwrap_err();
    }

    #[test]
    fn what_is_of_no_package_here_is_forgotten_after_a_while() {
        let state = tempfile::tempdir().unwrap();
        let took = Duration::from_secs(1);
        let (here, gone) = (build("pkg/here", &[]), build("pkg/gone", &[]));
        let index = index("pkg/here", &[]);
        let later = build("pkg/later", &[]);
        let start = SystemTime::now();
        open(state.path(), &[]).record_at([(&here, took), (&gone, took), (&index, took)], start).unwrap();
        let packages = ["pkg/here", "pkg/later"];
        let mut durations = open(state.path(), &packages);
        durations.record_at([(&later, took)], start + REMEMBERED / 2).unwrap();
        assert!(durations.expected(std::slice::from_ref(&gone))[0].is_some(), "it may be on another branch");
        durations.record_at([(&later, took)], start + REMEMBERED + Duration::from_secs(1)).unwrap();
        let known = open(state.path(), &packages).expected(&[here, index, gone, later]);
        assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
    }

    #[test]
    fn a_file_has_a_bound_and_the_oldest_go_first() {
        let state = tempfile::tempdir().unwrap();
        let mut durations = open(state.path(), &[]);
        let times = |last| Times { last, milliseconds: vec![1] };
        durations.steps = (0..MOST as u64 + 2).map(|last| (format!("build:{last:06}"), times(last + 10))).collect();
        durations.forget(10);
        assert_eq!(durations.steps.len(), MOST);
        assert_eq!(durations.steps.keys().next().map(String::as_str), Some("build:000002"));
    }
}
