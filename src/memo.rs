//! The memo of file hashes: what is remembered on disk to be quick, and may be deleted at any time.
//!
//! A hash is remembered under everything that changes with a file's content: path, size, times of content and inode,
//! and the inode itself. A file touched just before it was hashed is not remembered, since it could be touched again
//! within the same tick of the clock. A file that is gone is forgotten when the memo is saved. A memo that cannot be read
//! is taken for an empty one, and nothing but time is lost with one that cannot be written.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How old a change must be to be told from the next one.
const SETTLED: Duration = Duration::from_secs(2);

/// What identifies the content of a file without reading it; times in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: i128,
    changed: i128,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let now =
            now.duration_since(UNIX_EPOCH).map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
        let margin = i128::try_from(SETTLED.as_nanos()).unwrap_or(i128::MAX);
        self.modified.max(self.changed) + margin < now
    }
}

/// Hashes of files by absolute path.
#[derive(Debug, Clone, Default)]
pub struct Memo {
    remembered: BTreeMap<PathBuf, (Stamp, String)>,
    file: Option<PathBuf>,
    /// It is not what the file says.
    changed: bool,
}

impl Memo {
    /// The memo for the workspace at `root` in the directory `cache`.
    #[must_use]
    pub fn open(cache: &Path, root: &Path) -> Self {
        let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        let file = cache.join(format!("file-hashes-{}.json", &name[..16]));
        let remembered = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { remembered, file: Some(file), changed: false }
    }

    /// Mode and content of each file, as `mode:blake3`; `deleted` for one that is not there. Links are hashed by where
    /// they point, directories only by being one.
    pub fn hash_all(&mut self, files: &[&Path]) -> Vec<io::Result<String>> {
        let now = SystemTime::now();
        let fresh: Vec<_> = files.par_iter().map(|file| self.hash(file, now)).collect();
        let mut hashes = Vec::with_capacity(files.len());
        for (file, answer) in files.iter().zip(fresh) {
            hashes.push(answer.map(|(hash, stamp)| {
                if let Some(stamp) = stamp {
                    self.remembered.insert(file.to_path_buf(), (stamp, hash.clone()));
                    self.changed = true;
                }
                hash
            }));
        }
        hashes
    }

    fn hash(&self, file: &Path, now: SystemTime) -> io::Result<(String, Option<Stamp>)> {
        let metadata = match fs::symlink_metadata(file) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(("deleted".to_owned(), None));
            }
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            let target = fs::read_link(file)?;
            let hash = blake3::hash(target.as_os_str().as_encoded_bytes());
            return Ok((format!("link:{}", hash.to_hex()), None));
        }
        if !metadata.is_file() {
            return Ok(("other".to_owned(), None));
        }
        let stamp = Stamp::of(&metadata);
        if let Some((_, hash)) = self.remembered.get(file).filter(|(known, _)| *known == stamp) {
            return Ok((hash.clone(), None));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(file)?)?;
        let hash = format!("{:o}:{}", metadata.permissions().mode() & 0o7777, hasher.finalize().to_hex());
        Ok((hash, Some(stamp).filter(|stamp| stamp.is_settled(now))))
    }

    /// Forgets the files that are gone, and writes the memo if it has changed, replacing the old one in one go.
    pub fn save(&mut self) -> io::Result<()> {
        let before = self.remembered.len();
        self.remembered.retain(|file, _| fs::symlink_metadata(file).is_ok());
        self.changed |= self.remembered.len() != before;
        let Some(file) = self.file.as_ref().filter(|_| self.changed) else { return Ok(()) };
        let Some(directory) = file.parent() else { return Ok(()) };
        fs::create_dir_all(directory)?;
        let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut fresh, &self.remembered)?;
        fresh.persist(file)?;
        self.changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(memo: &mut Memo, file: &Path) -> String {
        memo.hash_all(&[file]).remove(0).unwrap()
    }

    #[test]
    fn a_changed_byte_or_mode_changes_the_hash() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        let mut memo = Memo::default();
        assert_eq!(hash(&mut memo, &file), "deleted");
        fs::write(&file, "a").unwrap();
        let first = hash(&mut memo, &file);
        fs::write(&file, "b").unwrap();
        let second = hash(&mut memo, &file);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let third = hash(&mut memo, &file);
        assert!(first != second && second != third);
    }

    #[test]
    fn what_is_remembered_is_not_read_again_and_what_was_just_touched_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        fs::write(&old, "a").unwrap();
        std::thread::sleep(SETTLED + Duration::from_millis(100));
        fs::write(&new, "a").unwrap();
        let mut memo = Memo::open(&directory.path().join("cache"), directory.path());
        memo.hash_all(&[&old, &new]);
        memo.save().unwrap();
        let mut memo = Memo::open(&directory.path().join("cache"), directory.path());
        assert_eq!(memo.remembered.keys().collect::<Vec<_>>(), [&old]);

        let file = memo.file.clone().unwrap();
        fs::remove_file(&file).unwrap();
        memo.hash_all(&[&old]);
        memo.save().unwrap();
        assert!(!file.exists(), "what has not changed is not written");
        fs::remove_file(&old).unwrap();
        memo.save().unwrap();
        assert!(Memo::open(&directory.path().join("cache"), directory.path()).remembered.is_empty());
        assert!(file.exists(), "a file that is gone is forgotten on disk too");
    }
}
