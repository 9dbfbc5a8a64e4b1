//! What each node of one package refers to: its build args, and the images of its Dockerfile on each platform.

use crate::git::{Tags, preset_args};
use crate::image::{Platform, Reference};
use crate::workspace::dockerfile::{Mistake, NotBuildable, Resolution, Scope};
use crate::workspace::{BuildYml, Package, PackageId};

use super::lkt::BuildArgs;
use super::repositories::Repositories;
use super::{NodeInputs, NodeReference, State};

/// The preset build args with the name and the hash of the package, by which one build yml can refer to the image of
/// another one in its own directory. Both change with the names that the command line gives.
pub(crate) const OWN_NAME: [&str; 2] = ["PKG_IMAGE", "PKG_HASH"];

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
    let mut scope_args = preset_args(build, tags.get(id));
    scope_args.extend(args.values.iter().map(|(key, value)| (key.clone(), value.clone())));
    let is_own = |name: &String| OWN_NAME.contains(&name.as_str()) && !args.values.contains_key(name);
    platforms
        .iter()
        .map(|target| {
            let resolution = match &package.dockerfile {
                Some(file) => file.resolve(&Scope { build_args: &scope_args, target, build: builder }),
                None => Resolution::default(),
            };
            let mut mistakes = Vec::new();
            let mut references = Vec::with_capacity(resolution.references.len());
            for mut image in resolution.references {
                let mut foreign = false;
                let (state, package) = match image.expanded.as_ref().map(|text| text.parse::<Reference>()) {
                    Ok(Ok(reference)) => {
                        let own_name = image.through.iter().any(is_own);
                        // As if it were written with `--platform`.
                        if let Some((_, platform)) = repositories.one_platform(&reference) {
                            foreign = platform.normal() != image.platform.normal();
                            image.platform = platform;
                        }
                        repositories.meaning(id, &reference, own_name)
                    }
                    Ok(Err(invalid)) => {
                        if image.reached {
                            let why = format!("{invalid} (line {})", image.line);
                            mistakes.push(Mistake { why, span: image.written_at().clone() });
                        }
                        (State::Unresolved, None)
                    }
                    // That this stops the build, if it does, is among the mistakes of the Dockerfile.
                    Err(_) => (State::Unresolved, None),
                };
                references.push(NodeReference { image, state, package, foreign });
            }
            let not_buildable = match resolution.not_buildable {
                Some(NotBuildable::Mistake(first)) => {
                    mistakes.insert(0, first);
                    None
                }
                no_stage => no_stage,
            };
            let not_buildable = Mistake::all(mistakes).map(NotBuildable::Mistake).or(not_buildable);
            let build_args = args.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            NodeInputs { build_args, references, not_buildable, runs: resolution.runs }
        })
        .collect()
}
