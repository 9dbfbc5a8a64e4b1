//! What git determines of one package, compared between two states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Reason, Side};
use crate::git::{Content, ExtraSource, Tags, clean_slash_path};
use crate::image::Platform;
use crate::path::clean;
use crate::workspace::{BuildYml, PackageId, PackageName, Workspace};

/// How many files are named.
const NAMED: usize = 3;

/// A package in a state.
type At<'a> = (Side<'a>, PackageId);

/// Why a package that is only in the later state is one that changed.
pub(super) fn appeared(before: Side<'_>, after: Side<'_>, id: PackageId) -> Vec<Reason> {
    vec![unlisted(before, &after.workspace.directory(id)).unwrap_or(Reason::New)]
}

/// Why a package that is only in the earlier state is one that changed.
pub(super) fn disappeared(before: Side<'_>, after: Side<'_>, id: PackageId) -> Vec<Reason> {
    vec![unlisted(after, &before.workspace.directory(id)).unwrap_or(Reason::Removed)]
}

/// That nobody knows whether a state has a package in this directory.
fn unlisted(side: Side<'_>, directory: &Path) -> Option<Reason> {
    match side.revision?.content(&clean(directory)) {
        Content::Unlisted { submodule, commit } => {
            Some(Reason::Submodule { submodule: shown(side, &submodule), source: None, absent: vec![commit] })
        }
        _ => None,
    }
}

/// A path relative to the root where it lies below.
fn shown(side: Side<'_>, path: &Path) -> String {
    path.strip_prefix(&side.workspace.root).unwrap_or(path).display().to_string()
}

/// Why a package that is in both states is one that changed.
pub(super) fn reasons(before: At<'_>, after: At<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let same_tree = match (trees(before), trees(after)) {
        (Ok(old), Ok(new)) => tree_reasons(before, after, &old, &new, &mut reasons),
        (Err(why), _) | (_, Err(why)) => {
            reasons.push(Reason::Unknown { why });
            true
        }
    };
    reasons.extend(dirty(after));
    if let (Some(old), Some(new)) = (build(before), build(after)) {
        build_args(before, after, &mut reasons);
        platforms(old, new, &mut reasons);
        fields((before, old), (after, new), same_tree, &mut reasons);
    }
    reasons
}

fn build((side, id): At<'_>) -> Option<&BuildYml> {
    side.workspace.package(id).build.as_ref()
}

fn dirty((side, id): At<'_>) -> Vec<Reason> {
    let is_dirty = match (side.tags.get(id), side.directories) {
        (Some(tag), None) => tag.is_dirty(),
        (Some(tag), Some(_)) if tag.tree.is_some() => tag.is_dirty(),
        (_, Some(known)) => {
            let mut known = directories(side.workspace, id).into_iter().filter_map(|path| known.get(&path));
            known.any(|directory| !directory.dirt.is_empty())
        }
        (None, None) => false,
    };
    is_dirty.then_some(Reason::Dirty).into_iter().collect()
}

/// What is in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tree {
    /// The tree with this id.
    Id(String),
    /// Nothing.
    Nothing,
    /// Whatever the commit of this submodule has there, which is not here.
    Unlisted { submodule: PathBuf, commit: String },
}

/// The tree of the package, and those of its extra sources by where they are and where they go.
struct Trees {
    own: Tree,
    sources: BTreeMap<(PathBuf, String), Tree>,
}

/// The directories, absolute, that packages are made from of which no tag says what git has there: their own, and their extra
/// sources as far as their build ymls can be read.
#[must_use]
pub fn directories_without_tag(workspace: &Workspace, tags: &Tags) -> BTreeSet<PathBuf> {
    let has_none = |id: &PackageId| tags.get(*id).is_none_or(|tag| tag.tree.is_none());
    workspace.ids().filter(has_none).flat_map(|id| directories(workspace, id)).collect()
}

fn directories(workspace: &Workspace, id: PackageId) -> BTreeSet<PathBuf> {
    let sources = sources(workspace, id).into_iter().map(|(source, _)| source);
    sources.chain([clean(&workspace.directory(id))]).collect()
}

/// The extra sources that a build yml names, absolute, and where they go.
fn sources(workspace: &Workspace, id: PackageId) -> Vec<(PathBuf, String)> {
    let directory = clean(&workspace.directory(id));
    let entries = workspace.package(id).build.iter().flat_map(|build| &build.extra_sources);
    let parts = entries.map(|entry| entry.value.split_once(':').unwrap_or((&entry.value, "")));
    parts.map(|(source, destination)| (clean(&directory.join(source)), clean_slash_path(destination))).collect()
}

/// As the tag has them; without a tag as the revision or the work tree has them.
fn trees((side, id): At<'_>) -> Result<Trees, String> {
    let directory = clean(&side.workspace.directory(id));
    if let Some(tag) = side.tags.get(id)
        && let Some(own) = &tag.tree
    {
        let of =
            |source: &ExtraSource| ((source.source.clone(), source.destination.clone()), Tree::Id(source.tree.clone()));
        return Ok(Trees { own: Tree::Id(own.clone()), sources: tag.extra_sources.iter().map(of).collect() });
    }
    let at = |path: &Path| match side.revision.map(|revision| revision.content(path)) {
        Some(Content::Id(id)) => Ok(Tree::Id(id)),
        Some(Content::Nothing) => Ok(Tree::Nothing),
        Some(Content::Unlisted { submodule, commit }) => Ok(Tree::Unlisted { submodule, commit }),
        Some(Content::Elsewhere) => Err(format!("`{}` lies outside the repository", path.display())),
        None => match side.directories.and_then(|known| known.get(path)) {
            Some(known) => Ok(known.tree.clone().map_or(Tree::Nothing, Tree::Id)),
            None => Err(match side.tags.packages.get(id.index()) {
                Some(Some(Err(problem))) => problem.to_string(),
                _ => "it has no tag".to_owned(),
            }),
        },
    };
    let mut trees = BTreeMap::new();
    for (source, destination) in sources(side.workspace, id) {
        let tree = at(&source)?;
        trees.insert((source, destination), tree);
    }
    Ok(Trees { own: at(&directory)?, sources: trees })
}

/// Whether the package's own tree is the same.
fn tree_reasons(before: At<'_>, after: At<'_>, old: &Trees, new: &Trees, reasons: &mut Vec<Reason>) -> bool {
    let differences = |path: &Path| -> (usize, Vec<String>) {
        let both = before.0.revision.zip(after.0.revision);
        let names = both.map(|(before, after)| before.differences(after, path)).unwrap_or_default();
        (names.len(), names.into_iter().take(NAMED).collect())
    };
    if old.own != new.own {
        reasons.push(moved(after.0, None, [Some(&old.own), Some(&new.own)]).unwrap_or_else(|| {
            let (count, first) = differences(&clean(&after.0.workspace.directory(after.1)));
            Reason::Files { count, first }
        }));
    }
    let places: BTreeSet<&(PathBuf, String)> = old.sources.keys().chain(new.sources.keys()).collect();
    for place in places.into_iter().filter(|place| old.sources.get(*place) != new.sources.get(*place)) {
        let source = shown(after.0, &place.0);
        let both = [old.sources.get(place), new.sources.get(place)];
        reasons.push(moved(after.0, Some(&source), both).unwrap_or_else(|| {
            let (count, first) = differences(&place.0);
            Reason::ExtraSource { source: source.clone(), count, first }
        }));
    }
    old.own == new.own
}

/// That two trees differ by the commit of a submodule, if that is all that is known.
fn moved(side: Side<'_>, source: Option<&str>, trees: [Option<&Tree>; 2]) -> Option<Reason> {
    let unlisted = trees.into_iter().flatten().filter_map(|tree| match tree {
        Tree::Unlisted { submodule, commit } => Some((submodule, commit)),
        Tree::Id(_) | Tree::Nothing => None,
    });
    let (submodules, absent): (Vec<&PathBuf>, Vec<String>) =
        unlisted.map(|(path, commit)| (path, commit.clone())).unzip();
    let submodule = shown(side, submodules.first()?);
    Some(Reason::Submodule { submodule, source: source.map(str::to_owned), absent })
}

/// Build args after resolution. They are the same on all platforms.
fn build_args(before: At<'_>, after: At<'_>, reasons: &mut Vec<Reason>) {
    let of = |(side, id): At<'_>| -> BTreeMap<String, String> {
        let nodes = side.graph.nodes.range((id, Platform::linux(""))..);
        let node = nodes.map(|((package, _), node)| (package, node)).find(|(package, _)| **package == id);
        node.map(|(_, node)| node.build_args.iter().cloned().collect()).unwrap_or_default()
    };
    let (old, new) = (of(before), of(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
        reasons.push(Reason::BuildArg {
            name: name.clone(),
            before: old.get(name).cloned(),
            after: new.get(name).cloned(),
            package: new.get(name).and_then(|value| made(after, value)),
        });
    }
}

/// The package whose image a value is, if the entry says so.
fn made((side, id): At<'_>, value: &str) -> Option<PackageName> {
    let package = side.workspace.package(id);
    let files = package.build_args.iter().flat_map(|file| &file.entries);
    let mut entries = package.build.iter().flat_map(|build| &build.build_args).chain(files);
    if !entries.any(|entry| entry.value.contains("=@lkt:")) {
        return None;
    }
    let mut ids = side.workspace.ids();
    let is_made = |id: &PackageId| side.tags.get(*id).is_some_and(|tag| tag.identity.as_str() == value);
    ids.find(is_made).map(|id| side.workspace.package(id).name.clone())
}

fn platforms(old: &BuildYml, new: &BuildYml, reasons: &mut Vec<Reason>) {
    let of = |build: &BuildYml| -> BTreeSet<Platform> {
        build.arches.iter().map(|arch| Platform::linux(&arch.value)).collect()
    };
    let (old, new) = (of(old), of(new));
    if old != new {
        let (added, removed) = (new.difference(&old).cloned().collect(), old.difference(&new).cloned().collect());
        reasons.push(Reason::Platforms { added, removed });
    }
}

/// What the tree of the package does not say, or says of fields that a reader of the plan would ask for.
fn fields(before: (At<'_>, &BuildYml), after: (At<'_>, &BuildYml), same_tree: bool, reasons: &mut Vec<Reason>) {
    let mut field = |name: &'static str, old: String, new: String| {
        if old != new {
            reasons.push(Reason::Field { name, before: old, after: new });
        }
    };
    let exclude = |(side, id): At<'_>| {
        let patterns = &side.workspace.package(id).overrides.exclude;
        patterns.iter().map(|pattern| pattern.value.as_str()).collect::<Vec<_>>().join(" ")
    };
    field("exclude", exclude(before.0), exclude(after.0));
    let image = |build: &BuildYml| format!("{}/{}", build.org, build.image);
    field("image", image(before.1), image(after.1));
    if !same_tree {
        return;
    }
    field("network", before.1.network.to_string(), after.1.network.to_string());
    field("dockerfile", before.1.dockerfile.value.clone(), after.1.dockerfile.value.clone());
    field("gitrepo", before.1.gitrepo.clone(), after.1.gitrepo.clone());
    let config = |build: &BuildYml| build.config_label.clone().unwrap_or_default();
    field("config", config(before.1), config(after.1));
    let images = |build: &BuildYml| {
        let references = build.docker_images.images.iter().map(|image| image.reference.to_string());
        references.collect::<Vec<_>>().join(" ")
    };
    field("docker-images", images(before.1), images(after.1));
    let text = |(side, id): At<'_>| side.workspace.package(id).dockerfile.as_ref().map(|file| file.source.text.clone());
    // Where it is made from a template, the one state may have it and the other not; the template is in the tree.
    if let (Some(old), Some(new)) = (text(before.0), text(after.0)) {
        // With the same tree, line ends differ by git's attributes alone.
        let hash = |text: &str| blake3::hash(text.replace("\r\n", "\n").as_bytes()).to_hex()[..12].to_owned();
        field("text of the Dockerfile", hash(&old), hash(&new));
    }
    let tag = |(side, id): At<'_>| side.tags.get(id).map(|tag| tag.identity.to_string());
    let only_tag = reasons.is_empty();
    if let (true, Some(old), Some(new)) = (only_tag, tag(before.0), tag(after.0))
        && old != new
    {
        reasons.push(Reason::Field { name: "tag", before: old, after: new });
    }
}
