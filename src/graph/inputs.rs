//! What each node of one package refers to: its build args, and the images of its Dockerfile on each platform.

use std::collections::BTreeMap;

use crate::git::{PackageTag, Tags};
use crate::image::{Platform, Reference};
use crate::workspace::dockerfile::{Resolution, Scope};
use crate::workspace::{BuildYml, Package, PackageId};

use super::lkt::BuildArgs;
use super::repositories::Repositories;
use super::{NodeInputs, NodeReference, State};

/// The preset build arg with the hash of the package, by which one build yml can refer to the image of another one in
/// its own directory.
const PKG_HASH: &str = "PKG_HASH";

/// The inputs of a package on each of `platforms`, in their order.
pub(super) fn nodes(
    package: &Package,
    build: &BuildYml,
    id: PackageId,
    args: &BuildArgs,
    tags: &Tags,
    repositories: &Repositories,
    (platforms, builder): (&[Platform], &Platform),
) -> Vec<NodeInputs> {
    let mut scope_args = presets(build, tags.get(id));
    scope_args.extend(args.values.iter().map(|(key, value)| (key.clone(), value.clone())));
    let own_hash = !args.values.contains_key(PKG_HASH);
    platforms
        .iter()
        .map(|target| {
            let resolution = match &package.dockerfile {
                Some(file) => file.resolve(&Scope { build_args: &scope_args, target, build: builder }),
                None => Resolution {
                    references: Vec::new(),
                    not_buildable: package.dockerfile_problem.as_ref().map(ToString::to_string),
                },
            };
            let mut reasons: Vec<String> = resolution.not_buildable.into_iter().collect();
            let mut references = Vec::with_capacity(resolution.references.len());
            for image in resolution.references {
                let (state, package) = match image.expanded.as_ref().map(|text| text.parse::<Reference>()) {
                    Ok(Ok(reference)) => {
                        let own_hash = own_hash && image.through.iter().any(|name| name == PKG_HASH);
                        repositories.meaning(id, &reference, own_hash)
                    }
                    Ok(Err(invalid)) => {
                        if image.reached {
                            reasons.push(format!("{invalid} (line {})", image.line));
                        }
                        (State::Unresolved, None)
                    }
                    // That this stops the build, if it does, is among the reasons of the Dockerfile.
                    Err(_) => (State::Unresolved, None),
                };
                references.push(NodeReference { image, state, package });
            }
            let not_buildable = (!reasons.is_empty()).then(|| reasons.join("; "));
            let build_args = args.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            NodeInputs { build_args, references, not_buildable }
        })
        .collect()
}

/// The build args that every build gets unless the yml sets them.
fn presets(build: &BuildYml, tag: Option<&PackageTag>) -> BTreeMap<String, String> {
    let mut args = BTreeMap::from([
        ("SOURCE".to_owned(), build.gitrepo.clone()),
        ("PKG_IMAGE".to_owned(), format!("{}/{}", build.org, build.image)),
    ]);
    let Some(tag) = tag else { return args };
    args.insert(PKG_HASH.to_owned(), tag.hash.clone());
    if let Some(revision) = tag.revision() {
        args.insert("REVISION".to_owned(), revision.to_owned());
    }
    if let Some(commit) = &tag.commit {
        args.insert("GOPKGVERSION".to_owned(), commit.go_package_version.clone());
    }
    args
}
