//! The objects of a repository, read by id through one git process for as long as they are needed.
//!
//! A partial clone fetches by itself what it lacks. Where it cannot, git ends; another process goes on without fetching, so
//! that nobody waits for the remote again and all that is missing becomes known.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::process::{cannot_run, command};
use super::trees::Batch;
use crate::problem::Problem;

/// A `git cat-file --batch` with what it has said so far.
#[derive(Debug)]
pub(super) struct Objects(Mutex<Asked>);

#[derive(Debug)]
struct Asked {
    directory: PathBuf,
    /// What stands before the subcommand.
    options: &'static [&'static str],
    child: Child,
    /// Gone when the process is to end.
    batch: Option<Batch>,
    known: BTreeMap<String, Arc<[u8]>>,
    /// What the repository should have and has not: what it is, and its id.
    missing: BTreeMap<String, String>,
}

impl Objects {
    /// The objects of the repository at `directory`; `options` stand before git's subcommand.
    pub(super) fn of(directory: &Path, options: &'static [&'static str]) -> Result<Self, Problem> {
        let (child, batch) = start(directory, options, true).map_err(|error| cannot_run(&error))?;
        let (known, missing) = (BTreeMap::new(), BTreeMap::new());
        let directory = directory.to_owned();
        Ok(Self(Mutex::new(Asked { directory, options, child, batch: Some(batch), known, missing })))
    }

    /// The bytes of an object; `what` says what it is, should it be missing.
    pub(super) fn read(&self, id: &str, what: impl FnOnce() -> String) -> io::Result<Arc<[u8]>> {
        let asked = &mut *self.lock();
        if let Some(content) = asked.known.get(id) {
            return Ok(content.clone());
        }
        match asked.ask(id) {
            Ok(Some(content)) => {
                asked.known.insert(id.to_owned(), content.clone());
                Ok(content)
            }
            answer => {
                asked.missing.insert(what(), id.to_owned());
                Err(answer.err().unwrap_or_else(|| io::Error::other("the clone lacks its content")))
            }
        }
    }

    /// Of what was asked for and is not in this clone: what the first is, its id, and how many there are beside it.
    pub(super) fn missing(&self) -> Option<(String, String, usize)> {
        let asked = self.lock();
        let (what, id) = asked.missing.first_key_value()?;
        Some((what.clone(), id.clone(), asked.missing.len() - 1))
    }

    /// What one thread has learned is whole, even if it stopped thereafter.
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn ask(&mut self, id: &str) -> io::Result<Option<Arc<[u8]>>> {
        let Some(batch) = &mut self.batch else { return Err(io::Error::other("git has ended")) };
        let answer = batch.ask(&[id.to_owned()]);
        if answer.is_err() {
            self.batch = None;
            let _ = self.child.wait();
            let (child, batch) = start(&self.directory, self.options, false)?;
            (self.child, self.batch) = (child, Some(batch));
        }
        Ok(answer?.pop().flatten().map(|object| object.content.into()))
    }
}

/// A process that is asked for objects, and may fetch what a partial clone lacks.
fn start(directory: &Path, options: &[&str], may_fetch: bool) -> io::Result<(Child, Batch)> {
    let mut git = command(directory, options.iter().chain(&["cat-file", "--batch"]));
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if !may_fetch {
        git.env("GIT_NO_LAZY_FETCH", "1");
    }
    let mut child = git.spawn()?;
    let batch = Batch::new(&mut child)?;
    Ok((child, batch))
}

impl Drop for Objects {
    fn drop(&mut self) {
        let asked = &mut *self.lock();
        // Without its input the process ends by itself.
        asked.batch = None;
        let _ = asked.child.wait();
    }
}
