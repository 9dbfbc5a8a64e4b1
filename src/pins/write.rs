//! Changed files: on disk, or as a diff.
//!
//! A file is replaced as a whole, with the mode it had, and with its owner and group as far as that is permitted; where it is
//! named through a symbolic link, the link stays. All new files are written beside the old ones before the first takes its place, so that a full disk changes nothing.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use similar::TextDiff;
use tempfile::NamedTempFile;

use super::Error;
use super::repin::Change;

/// Replaces the files, unless `is_cancelled` says so before the first takes its place.
///
/// # Errors
/// When a file is not what it was when it was read, in which case none is replaced, or cannot be replaced.
pub fn write(changes: &[Change], is_cancelled: impl Fn() -> bool) -> Result<(), Error> {
    let count = changes.len();
    let failed = |change: &Change, written, error: &std::io::Error| Error::Write {
        file: change.file.clone(),
        reason: error.to_string(),
        written,
        count,
    };
    let mut ready = Vec::with_capacity(count);
    for change in changes {
        if is_cancelled() {
            break;
        }
        if std::fs::read(&change.real).ok().as_deref() != Some(change.before.as_bytes()) {
            return Err(Error::Changed { file: change.file.clone() });
        }
        // Who made it read-only did not mean it to be replaced, although that could be done.
        if change.real.metadata().is_ok_and(|metadata| metadata.permissions().readonly()) {
            return Err(failed(change, 0, &std::io::Error::other("it is read-only")));
        }
        ready.push(beside(change).map_err(|error| failed(change, 0, &error))?);
    }
    if is_cancelled() {
        return Err(Error::Interrupted);
    }
    for (written, (change, file)) in changes.iter().zip(ready).enumerate() {
        file.persist(&change.real).map_err(|error| failed(change, written, &error.error))?;
    }
    Ok(())
}

fn beside(change: &Change) -> std::io::Result<NamedTempFile> {
    let directory = change.real.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".kitmake-").tempfile_in(directory)?;
    file.write_all(change.after.as_bytes())?;
    let metadata = change.real.metadata()?;
    let own = file.as_file().metadata()?;
    // Each on its own: a group of one's own can be given where the owner cannot. Before the mode, of which it takes bits away.
    let owner = (own.uid() != metadata.uid()).then_some(metadata.uid());
    let group = (own.gid() != metadata.gid()).then_some(metadata.gid());
    for (owner, group) in [(owner, None), (None, group)] {
        match fchown(file.as_file(), owner, group) {
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    file.as_file().set_permissions(metadata.permissions())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The changes as a unified diff, which `git apply` takes at the root.
#[must_use]
pub fn diff(changes: &[Change]) -> String {
    let mut text = String::new();
    for Change { file, before, after, .. } in changes {
        let difference = TextDiff::from_lines(before.as_ref(), after.as_str());
        let (old, new) = (format!("a/{file}"), format!("b/{file}"));
        text.push_str(&difference.unified_diff().context_radius(3).header(&old, &new).to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_its_owner_and_the_link_to_it_and_is_left_alone_once_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "old\r\n").unwrap();
        // Only root can give a file away.
        let _ = std::os::unix::fs::chown(&real, Some(12345), Some(54321));
        let owner = real.metadata().map(|metadata| (metadata.uid(), metadata.gid())).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o751)).unwrap();
        symlink("real", &link).unwrap();
        let change = Change {
            file: "link".to_owned(),
            real: link.canonicalize().unwrap(),
            before: "old\r\n".into(),
            after: "new\r\n".to_owned(),
        };
        assert_eq!(diff(std::slice::from_ref(&change)), "--- a/link\n+++ b/link\n@@ -1 +1 @@\n-old\r\n+new\r\n");
        let interrupted = write(std::slice::from_ref(&change), || true).unwrap_err();
        assert!(matches!(interrupted, Error::Interrupted), "{interrupted}");
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "old\r\n");
        write(std::slice::from_ref(&change), || false).unwrap();
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "new\r\n");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let metadata = real.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o751);
        assert_eq!((metadata.uid(), metadata.gid()), owner);
        let changed = write(std::slice::from_ref(&change), || false).unwrap_err();
        assert!(matches!(changed, Error::Changed { .. }), "{changed}");

        let again = Change { before: "new\r\n".into(), ..change };
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o444)).unwrap();
        let refused = write(std::slice::from_ref(&again), || false).unwrap_err().to_string();
        assert_eq!(refused, "`link` cannot be written: it is read-only (0 of 1 files are)");
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "new\r\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
