//! The workspace with the new texts of its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Rewrite;
use crate::path::clean;
use crate::pins::Kind;
use crate::pins::files::{Files, directories, real};
use crate::problem::{Problem, SourceFile};
use crate::workspace::build_yml::Located;
use crate::workspace::{Dockerfile, Workspace};

/// The packages as they will be, whatever path they have for a file.
pub(super) fn rewritten(
    workspace: &Workspace,
    files: &Files,
    texts: &BTreeMap<usize, String>,
    rewrites: &[Rewrite],
) -> Result<Workspace, Problem> {
    let mut new = workspace.clone();
    for (path, file) in &files.by_path {
        if let Some(text) = texts.get(file) {
            new.rewritten.insert(clean(&workspace.root.join(path)), text.as_str().into());
        }
    }
    // Behind a link lies a file that other packages, or other extra sources, have by a path of their own.
    let mut by_real: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for directory in workspace.ids().flat_map(|id| directories(workspace, id)) {
        by_real.entry(real(&directory)).or_default().insert(directory);
    }
    for (file, text) in texts {
        let path = &files.all[*file].real;
        let text: Arc<str> = text.as_str().into();
        for above in path.ancestors() {
            let Ok(inside) = path.strip_prefix(above) else { continue };
            let named = by_real.get(above).into_iter().flatten().map(|directory| directory.join(inside));
            new.rewritten.extend(named.map(|path| (path, text.clone())));
        }
        new.rewritten.insert(path.clone(), text);
    }
    let mut by_file: BTreeMap<&str, Vec<&Rewrite>> = BTreeMap::new();
    for rewrite in rewrites.iter().filter(|rewrite| rewrite.pin.kind == Kind::BuildArg) {
        by_file.entry(&rewrite.pin.file).or_default().push(rewrite);
    }
    let of = |source: &SourceFile| by_file.get(source.path.as_str()).map_or(&[][..], Vec::as_slice);
    for package in &mut new.packages {
        if let Some(dockerfile) = &mut package.dockerfile
            && let Some(text) = files.by_path.get(&dockerfile.source.path).and_then(|file| texts.get(file))
        {
            *dockerfile = Dockerfile::parse(SourceFile::new(dockerfile.source.path.clone(), text.as_str()))?;
        }
        if let Some(build) = &mut package.build {
            replace_values(of(&build.source), &mut build.build_args);
        }
        for args in &mut package.build_args {
            replace_values(of(&args.source), &mut args.entries);
        }
    }
    Ok(new)
}

/// Gives build args their new values; where they stand is still said of the file as it is on disk.
fn replace_values(rewrites: &[&Rewrite], entries: &mut [Located<String>]) {
    for Rewrite { pin, to, .. } in rewrites {
        let Ok(range) = &pin.tag_at else { continue };
        let Some(entry) = entries.iter_mut().find(|entry| entry.span.contains(&range.start)) else { continue };
        if let Some((key, value)) = entry.value.split_once('=')
            && value == pin.reference
        {
            entry.value = format!("{key}={to}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::pins::files::PinFile;
    use crate::workspace::Options;

    #[test]
    fn a_file_behind_a_link_has_its_new_text_by_every_path_that_a_package_has_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (real, root) = (folder.path().canonicalize().unwrap().join("real"), folder.path().join("root"));
        for (file, text) in [
            ("kitmake.yml", ""),
            ("common/Dockerfile", "FROM linuxkit/base:old\n"),
            ("pkg/a/build.yml", "image: a\n"),
            ("pkg/b/build.yml", "image: b\nextra-sources: ['../../common:common']\n"),
            ("pkg/b/Dockerfile", "FROM scratch\n"),
        ] {
            fs::create_dir_all(real.join(file).parent().unwrap()).unwrap();
            fs::write(real.join(file), text).unwrap();
        }
        symlink("../../common/Dockerfile", real.join("pkg/a/Dockerfile")).unwrap();
        symlink(&real, &root).unwrap();
        let workspace = crate::workspace::read(&root, &Options::new(false, None, None)).unwrap();
        let source = SourceFile::new("pkg/a/Dockerfile", "FROM linuxkit/base:old\n");
        let file = PinFile { source, real: real.join("common/Dockerfile"), covered_by: vec![1], ignored: false };
        let files = Files { all: vec![file], by_path: BTreeMap::from([("pkg/a/Dockerfile".to_owned(), 0)]) };
        let texts = BTreeMap::from([(0, "FROM linuxkit/base:new\n".to_owned())]);
        let new = rewritten(&workspace, &files, &texts, &[]).unwrap();
        let root = &workspace.root;
        for path in [root.join("pkg/a/Dockerfile"), root.join("common/Dockerfile"), real.join("common/Dockerfile")] {
            assert_eq!(new.rewritten.get(&path).map(AsRef::as_ref), Some("FROM linuxkit/base:new\n"), "{path:?}");
        }
        assert_eq!(new.rewritten.len(), if *root == real { 2 } else { 3 });
    }
}
