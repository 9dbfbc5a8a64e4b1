//! The full log of each step, in a file of its own.
//!
//! A run has a directory `<state>/runs/<time>-<pid>/`, where the time is UTC to the millisecond, so that the names sort
//! by age; `<state>/runs/latest` is a link to the newest. A file appears with the first line of its step and grows with
//! every line. The newest [`KEPT`] directories are kept, and those of processes that still run.
//!
//! A log that cannot be written costs one warning per run and never fails a step. Nothing here reads a log back.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::plan::Step;

/// How many directories of runs are kept.
const KEPT: usize = 20;
/// How many of the last lines a log remembers.
const REMEMBERED: usize = 100;

/// A directory with one log file per step of a run.
#[derive(Debug, Default)]
pub struct Logs {
    directory: Option<PathBuf>,
    warned: Arc<AtomicBool>,
}

impl Logs {
    /// Makes the directory of this run below the state directory, points `latest` to it and removes the oldest.
    /// Fails only if the directory itself cannot be made; [`Logs::disabled`] is what is left then.
    pub fn create(state: &Path) -> io::Result<Self> {
        Self::create_at(state, SystemTime::now())
    }

    fn create_at(state: &Path, now: SystemTime) -> io::Result<Self> {
        let runs = state.join("runs");
        fs::create_dir_all(&runs)?;
        let mut since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = loop {
            let name = format!("{}-{}", timestamp(since_epoch), std::process::id());
            match fs::create_dir(runs.join(&name)) {
                Ok(()) => break name,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => since_epoch += Duration::from_millis(1),
                Err(error) => return Err(error),
            }
        };
        // The link and the pruning are for comfort: every path that is printed is of the directory itself.
        drop(link_latest(&runs, &name));
        drop(prune(&runs));
        Ok(Self { directory: Some(runs.join(name)), ..Self::default() })
    }

    /// Writes no files; the last lines are still remembered.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }

    /// The directory of this run.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The log of a step. The file is made with its first line.
    #[must_use]
    pub fn writer(&self, step: &Step) -> StepLog {
        StepLog {
            path: self.directory.as_ref().map(|directory| directory.join(file_name(step))),
            file: None,
            tail: VecDeque::new(),
            warned: self.warned.clone(),
        }
    }
}

/// The log of one step.
#[derive(Debug)]
pub struct StepLog {
    /// `None` once it cannot be written.
    path: Option<PathBuf>,
    file: Option<File>,
    tail: VecDeque<String>,
    warned: Arc<AtomicBool>,
}

impl StepLog {
    /// Appends lines, given without their newlines. Returns a warning if that failed and it is the first time in this
    /// run; the log of the step ends there.
    pub fn append(&mut self, lines: &[String]) -> Option<String> {
        if lines.is_empty() {
            return None;
        }
        self.tail.extend(lines[lines.len().saturating_sub(REMEMBERED)..].iter().cloned());
        self.tail.drain(..self.tail.len().saturating_sub(REMEMBERED));
        let error = self.write(lines).err()?;
        let path = self.path.take()?;
        self.file = None;
        let first = !self.warned.swap(true, Ordering::Relaxed);
        first.then(|| format!("cannot write the log `{}`: {error}", path.display()))
    }

    /// The last lines, at most `count` and never more than a hundred.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.tail.iter().skip(self.tail.len().saturating_sub(count)).cloned().collect()
    }

    /// The file, if it holds every line so far and there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().and(self.path.as_deref())
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(path)?),
        };
        let mut text = lines.join("\n");
        text.push('\n');
        file.write_all(text.as_bytes())
    }
}

/// The name of a step's log file: `build:pkg/init@linux/amd64` has `build-pkg%2Finit@amd64.log`. Two steps never share
/// one, as everything that a file name should not have is percent-encoded.
fn file_name(step: &Step) -> String {
    let mut name = format!("{}-", step.kind());
    for byte in short_name(step).bytes() {
        if byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte) {
            name.push(char::from(byte));
        } else {
            write!(name, "%{byte:02X}").expect("a string takes everything");
        }
    }
    name + ".log"
}

/// What a step works on in one word: `build:pkg/init@linux/amd64` on `pkg/init@amd64`, without the `linux/` that nearly
/// every platform has.
#[must_use]
pub fn short_name(step: &Step) -> String {
    let what = step.id.split_once(':').map_or(step.id.as_str(), |(_, what)| what);
    match what.rsplit_once('@') {
        Some((package, platform)) => format!("{package}@{}", platform.strip_prefix("linux/").unwrap_or(platform)),
        None => what.to_owned(),
    }
}

/// UTC as `20260820T101112.345Z`.
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let milliseconds = since_epoch.subsec_millis();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milliseconds:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are taken to begin in March,
/// so that the leap day is the last, and 400 of them, an era, always have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

/// Whether a name is one that [`Logs::create`] gives: nothing else is ever removed. Returns the process id.
fn process_of(name: &str) -> Option<u32> {
    const SHAPE: &str = "00000000T000000.000Z-";
    let (time, process) = name.split_at_checked(SHAPE.len())?;
    let alike = |(shape, byte): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    let digits = process.bytes().all(|byte| byte.is_ascii_digit());
    if SHAPE.bytes().zip(time.bytes()).all(alike) && digits { process.parse().ok() } else { None }
}

/// A link is replaced by renaming another over it, so that it is there at every moment.
fn link_latest(runs: &Path, name: &str) -> io::Result<()> {
    let new = runs.join(format!(".latest-{name}"));
    std::os::unix::fs::symlink(name, &new)?;
    fs::rename(&new, runs.join("latest")).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Removes the oldest directories of runs, except those of processes that still run.
fn prune(runs: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && let Some(process) = process_of(&name)
            && entry.file_type()?.is_dir()
        {
            names.push((name, process));
        }
    }
    names.sort();
    let too_many = names.len().saturating_sub(KEPT);
    for (name, process) in names.into_iter().take(too_many) {
        if process == std::process::id() || !Path::new("/proc").join(process.to_string()).exists() {
            fs::remove_dir_all(runs.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::build;

    fn lines(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("line {number}")).collect()
    }

    /// A process id that no process has.
    const NOBODY: u32 = 4_194_305;

    #[test]
    fn lines_are_in_the_file_as_soon_as_they_are_appended() {
        let state = tempfile::tempdir().unwrap();
        let logs = Logs::create(state.path()).unwrap();
        let mut log = logs.writer(&build("pkg/init", &[]));
        assert_eq!(log.path(), None, "a step without lines has no file");
        assert_eq!(log.append(&lines(0..2)), None);
        assert_eq!(log.append(&lines(2..3)), None);
        let path = log.path().unwrap();
        assert_eq!(path, logs.directory().unwrap().join("build-pkg%2Finit@amd64.log"));
        assert_eq!(fs::read_to_string(path).unwrap(), "line 0\nline 1\nline 2\n");
        assert_eq!(state.path().join("runs/latest").canonicalize().unwrap(), logs.directory().unwrap());
    }

    #[test]
    fn the_tail_is_the_end_of_the_log() {
        let mut log = Logs::disabled().writer(&build("pkg/init", &[]));
        log.append(&lines(0..500));
        log.append(&lines(500..510));
        assert_eq!(log.tail(3), lines(507..510));
        assert_eq!(log.tail(1000), lines(410..510));
        assert_eq!(log.path(), None);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_one_warning_for_the_whole_run() {
        let state = tempfile::tempdir().unwrap();
        let logs = Logs::create(state.path()).unwrap();
        fs::remove_dir(logs.directory().unwrap()).unwrap();
        let (mut a, mut b) = (logs.writer(&build("a", &[])), logs.writer(&build("b", &[])));
        assert!(a.append(&lines(0..1)).unwrap().contains("build-a@amd64.log"));
        assert_eq!((a.append(&lines(1..2)), b.append(&lines(0..1))), (None, None));
        assert_eq!((a.path(), a.tail(5)), (None, lines(0..2)));
    }

    #[test]
    fn names_of_files_are_readable_and_never_collide() {
        let named = |id: &str| file_name(&Step { id: id.to_owned(), ..build("", &[]) });
        assert_eq!(named("build:pkg/init@linux/amd64"), "build-pkg%2Finit@amd64.log");
        assert_eq!(
            named("build:pkg/pillar:build-kvm.yml@linux/arm/v7"),
            "build-pkg%2Fpillar%3Abuild-kvm.yml@arm%2Fv7.log"
        );
        assert_eq!(named("build:pkg/init"), "build-pkg%2Finit.log");
        assert_ne!(named("build:pkg/a__b"), named("build:pkg/a/b"));
        assert_ne!(named("build:pkg/a%2Fb"), named("build:pkg/a/b"));
    }

    #[test]
    fn the_newest_runs_are_kept_and_nothing_else_is_touched() {
        let state = tempfile::tempdir().unwrap();
        let runs = state.path().join("runs");
        let old = |number: usize, process: u32| format!("20200101T0000{number:02}.000Z-{process}");
        for number in 1..=30 {
            fs::create_dir_all(runs.join(old(number, NOBODY))).unwrap();
        }
        // Of a process that runs, namely the first of the system.
        fs::create_dir(runs.join(old(0, 1))).unwrap();
        fs::create_dir(runs.join("20200101-mine")).unwrap();
        fs::write(runs.join(old(59, NOBODY)), "a file").unwrap();
        let logs = Logs::create(state.path()).unwrap();
        let mut left: Vec<String> =
            fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut expected: Vec<String> = (12..=30).map(|number| old(number, NOBODY)).collect();
        expected.extend([old(0, 1), "20200101-mine".into(), old(59, NOBODY), "latest".into()]);
        expected.push(logs.directory().unwrap().file_name().unwrap().to_str().unwrap().into());
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn two_runs_at_the_same_moment_have_directories_of_their_own() {
        let state = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (a, b) = (Logs::create_at(state.path(), now).unwrap(), Logs::create_at(state.path(), now).unwrap());
        assert!(a.directory().unwrap() < b.directory().unwrap());
        assert_eq!(state.path().join("runs/latest").canonicalize().unwrap(), b.directory().unwrap());
    }

    #[test]
    fn timestamps_are_utc() {
        // As `date -u -d @SECONDS` has them.
        for (seconds, text) in [
            (0, "19700101T000000.000Z"),
            (951_782_399, "20000228T235959.000Z"),
            (951_782_400, "20000229T000000.000Z"),
            (1_709_251_200, "20240301T000000.000Z"),
            (1_787_220_672, "20260820T101112.000Z"),
            (4_107_542_400, "21000301T000000.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        }
    }
}
