//! The lock that linuxkit takes on its cache: a POSIX record lock on the file `.lock`.
//!
//! linuxkit writes index.json in place and reads it under the same exclusive lock, so that the lock is taken for reading
//! too, shared. A record lock belongs to the whole process and goes with the first handle of the file that is closed; so
//! one thread at a time has one, whatever the directory.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, fcntl_lock};

use super::error::Error;

const FILE: &str = ".lock";

/// One thread of this process at a time.
static THREADS: Mutex<()> = Mutex::new(());

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    /// Closed, and so unlocked, before the next thread has its turn: fields are dropped in this order.
    _file: Option<File>,
    _thread: MutexGuard<'static, ()>,
}

impl Lock {
    /// Waits until nobody else reads or writes.
    pub(super) fn exclusive(directory: &Path) -> Result<Self, Error> {
        let thread = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let path = directory.join(FILE);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.and_then(|file| wait(&file, FlockOperation::LockExclusive).map(|()| file));
        let file = file.map_err(|error| Error::unwritable(&path, &error))?;
        Ok(Self { _file: Some(file), _thread: thread })
    }

    /// Waits until nobody writes. Nothing is created: who never wrote needs no lock.
    pub(super) fn shared(directory: &Path) -> Result<Self, Error> {
        let thread = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let path = directory.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => wait(&file, FlockOperation::LockShared).map(|()| Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let file = file.map_err(|error| Error::unreadable(&path, &error))?;
        Ok(Self { _file: file, _thread: thread })
    }
}

fn wait(file: &File, operation: FlockOperation) -> io::Result<()> {
    loop {
        match fcntl_lock(file, operation) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}
