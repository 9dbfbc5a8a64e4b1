//! The files of a build context that no tree of git has: ignored, untracked, modified.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::excludes::Excludes;
use crate::git::{self, Tags};
use crate::memo::Memo;
use crate::plan::Demand;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Takes away the files of the package directory that kitmake.yml keeps out of the build context.
fn leave_out(workspace: &Workspace, package: PackageId, files: &mut git::OutsideTree) {
    let exclude = &workspace.package(package).overrides.exclude;
    if exclude.is_empty() {
        return;
    }
    let patterns: Vec<&str> = exclude.iter().map(|pattern| pattern.value.as_str()).collect();
    let (excludes, directory) = (Excludes::lossy(&patterns), workspace.directory(package));
    // The same path in the context may be a file of an extra source, which nothing keeps out.
    files.retain(|path, file| *file != directory.join(path) || !excludes.covers(path));
}

/// Hashes the files of each build context that its tree does not see.
pub(super) fn files_outside_trees(
    workspace: &Workspace,
    tags: &Tags,
    demand: &Demand,
    memo: &mut Memo,
) -> Result<BTreeMap<PackageId, BTreeMap<String, String>>, Problem> {
    let packages: BTreeSet<PackageId> = demand.nodes.iter().map(|(package, _)| *package).collect();
    let packages: Vec<PackageId> = packages.into_iter().filter(|package| tags.get(*package).is_some()).collect();
    let outside = git::outside_tree(workspace, tags, &packages)?;
    let mut hashes = BTreeMap::new();
    for (package, mut files) in packages.into_iter().zip(outside) {
        leave_out(workspace, package, &mut files);
        let paths: Vec<&Path> = files.values().map(PathBuf::as_path).collect();
        let answers = memo.hash_all(&paths);
        let entries = files.keys().zip(answers).map(|(path, hash)| {
            // A file that cannot be read fails the build with its name; until then it is a component like any other.
            (path.clone(), hash.unwrap_or_else(|error| format!("unreadable: {error}")))
        });
        hashes.insert(package, entries.collect());
    }
    Ok(hashes)
}
