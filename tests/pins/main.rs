//! `kitmake pins`, `pins check` and `pins fix` on real repositories, and what a build makes of `--repin`.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the set-up of a test ends the test")]

mod check;
mod fix;
mod generated;
mod input;
mod refused;
mod repin;
mod signals;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;

use support::Monorepo;
use walkdir::WalkDir;

/// The tag that `show-tag` prints for a directory.
fn tag(monorepo: &Monorepo, directory: &str) -> String {
    let reference = monorepo.show_tag(&[directory]).remove(0);
    reference.rsplit_once(':').unwrap().1.to_owned()
}

/// Every file of the repository, those of git included, with its bytes.
fn everything(monorepo: &Monorepo) -> BTreeMap<String, Vec<u8>> {
    let files =
        WalkDir::new(monorepo.root()).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().display().to_string(), fs::read(entry.path()).unwrap())).collect()
}

/// The text of every file that is tracked.
fn tracked(monorepo: &Monorepo) -> BTreeMap<String, String> {
    monorepo.files().into_iter().map(|file| (file.clone(), monorepo.read(&file))).collect()
}
