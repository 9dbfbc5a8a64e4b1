//! The objects of a repository, read by id through one git process for as long as they are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
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
    child: Child,
    /// Gone when the process is to end.
    batch: Option<Batch>,
    known: BTreeMap<String, Arc<[u8]>>,
    /// Ids that the repository should have and has not.
    missing: BTreeSet<String>,
}

impl Objects {
    /// The objects of the repository at `directory`.
    pub(super) fn of(directory: &Path) -> Result<Self, Problem> {
        let mut git = command(directory, ["cat-file", "--batch"]);
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = git.spawn().map_err(|error| cannot_run(&error))?;
        let batch = Batch::new(&mut child).map_err(|error| cannot_run(&error))?;
        let asked = Asked { child, batch: Some(batch), known: BTreeMap::new(), missing: BTreeSet::new() };
        Ok(Self(Mutex::new(asked)))
    }

    /// The bytes of an object.
    pub(super) fn read(&self, id: &str) -> io::Result<Arc<[u8]>> {
        let asked = &mut *self.lock();
        if let Some(content) = asked.known.get(id) {
            return Ok(content.clone());
        }
        let answer = asked.batch.as_mut().map(|batch| batch.ask(&[id.to_owned()])).transpose()?;
        let Some(object) = answer.and_then(|mut objects| objects.pop().flatten()) else {
            asked.missing.insert(id.to_owned());
            return Err(io::Error::other("the clone lacks its content"));
        };
        let content: Arc<[u8]> = object.content.into();
        asked.known.insert(id.to_owned(), content.clone());
        Ok(content)
    }

    /// The first object that was asked for and is not in this clone.
    pub(super) fn first_missing(&self) -> Option<String> {
        self.lock().missing.first().cloned()
    }

    /// What one thread has learned is whole, even if it stopped thereafter.
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let asked = &mut *self.lock();
        // Without its input the process ends by itself.
        asked.batch = None;
        let _ = asked.child.wait();
    }
}
