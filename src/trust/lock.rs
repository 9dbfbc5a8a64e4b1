//! One process at a time for each repository of trust data.
//!
//! notary keeps staged changes and fetched data in files without locks of its own: of two at once one publishes the
//! changes of the other, or finds them gone. The lock is one of the open file: the process that gets it as its standard
//! input, where it also stands for "nothing to read", holds it to its end, whatever becomes of who started it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Error;

/// How often a lock that another one holds is tried.
const INTERVAL: Duration = Duration::from_millis(50);

/// The right to work on one repository of trust data.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the lock of the repository in this directory, which is made if it is not there.
    pub(super) async fn take(directory: &Path, patience: Duration) -> Result<Self, Error> {
        let failed = |path: &Path, error: &io::Error| Error::Directory {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| failed(directory, &error))?;
        let path = directory.join("kitmake.lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = open.map_err(|error| failed(&path, &error))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
                Err(TryLockError::WouldBlock) if start.elapsed() > patience => {
                    return Err(Error::Locked { path: path.display().to_string(), seconds: patience.as_secs() });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(INTERVAL).await,
            }
        }
    }

    /// The lock as the standard input of a process, which reads nothing from it.
    pub(super) fn stdin(&self) -> io::Result<Stdio> {
        self.0.try_clone().map(Stdio::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lock_is_held_by_the_process_that_has_it_as_its_input() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path(), Duration::ZERO).await.unwrap();
        // `read` gets nothing, so the wait is that of `sleep`, which has the same input.
        let mut command = std::process::Command::new("sh");
        let mut child = command.args(["-c", "read x; sleep 0.3"]).stdin(lock.stdin().unwrap()).spawn().unwrap();
        drop((lock, command));
        let refused = Lock::take(directory.path(), Duration::ZERO).await.unwrap_err();
        assert!(matches!(refused, Error::Locked { .. }), "{refused:?}");
        let start = Instant::now();
        Lock::take(directory.path(), Duration::from_secs(30)).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(child.wait().unwrap().success());
    }
}
