//! The build args that every build gets.

use std::collections::BTreeMap;

use super::PackageTag;
use crate::workspace::BuildYml;

/// The build args that every build gets unless the yml sets them: `SOURCE`, `PKG_IMAGE` (the name that the image is built
/// under, without its tag), `PKG_HASH`, `GOPKGVERSION` of what is in git, and `REVISION` of what is clean too. Without a
/// tag only what the yml says by itself.
#[must_use]
pub fn preset_args(build: &BuildYml, tag: Option<&PackageTag>) -> BTreeMap<String, String> {
    let image = tag.map_or_else(|| format!("{}/{}", build.org, build.image), |tag| tag.output.name().to_owned());
    let mut args = BTreeMap::from([("SOURCE".to_owned(), build.gitrepo.clone()), ("PKG_IMAGE".to_owned(), image)]);
    let Some(tag) = tag else { return args };
    args.insert("PKG_HASH".to_owned(), tag.hash.clone());
    if let Some(commit) = &tag.commit {
        args.insert("GOPKGVERSION".to_owned(), commit.go_package_version.clone());
    }
    if let Some(revision) = tag.revision() {
        args.insert("REVISION".to_owned(), revision.to_owned());
    }
    args
}
