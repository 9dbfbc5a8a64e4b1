//! Packages of which only names and tags are asked.
//!
//! Where all that is named are directories of packages, each is that package, wherever it lies on disk, and no other is read.
//! Anything else makes all of them selectors, which are looked up in one workspace. There is a graph only where a selector
//! needs one, which saves most of the time.

use std::path::{Path, PathBuf};
use std::slice;

use super::survey::{Survey, Surveyed, follow, look_up};
use crate::git::{self, TagOptions, Tags};
use crate::graph::selector;
use crate::image::Platform;
use crate::problem::Problem;
use crate::settings::selectors_or;
use crate::workspace::{self, Directories, Faulty, Lacking, PackageId, Workspace};

/// What is asked for.
#[derive(Debug)]
pub struct Picking<'a> {
    /// The absolute path of the root.
    pub root: &'a Path,
    /// The current directory relative to the root; `None` where no workspace is around it.
    pub inside: Option<&'a str>,
    /// The absolute path of the current directory.
    pub current: &'a Path,
    /// Directories of packages, or other selectors; everything if there are none.
    pub selectors: &'a [PathBuf],
    /// What is read, and how strictly.
    pub workspace: &'a workspace::Options,
    /// What changes tags.
    pub tags: &'a TagOptions,
}

/// Packages that are selected.
#[derive(Debug)]
pub struct Picked {
    /// The packages.
    pub workspace: Workspace,
    /// Tags, of what is selected at least.
    pub tags: Tags,
    /// Directories of packages in the order in which they are named, and as often; else the packages, sorted.
    pub selected: Vec<PackageId>,
    /// Why nothing is selected, where that is no mistake.
    pub nothing: Option<String>,
    /// Packages that cannot be read and on which hangs what is selected.
    pub unsure: Vec<Faulty>,
}

/// The packages that are asked for.
///
/// # Errors
/// With all that is wrong: each directory that is no package is named.
pub fn pick(picking: &Picking<'_>) -> Result<Picked, Vec<Problem>> {
    let one = |problem| vec![problem];
    let Picking { root, inside, current, selectors, workspace: read, tags: options } = *picking;
    if selectors.is_empty() {
        let (workspace, selected) = all_packages(root, read).map_err(one)?;
        return with_tags(workspace, selected, options).map_err(one);
    }
    let directories = Directories::new(root, read).map_err(one)?;
    let texts: Option<Vec<String>> = selectors.iter().map(|selector| selector.to_str().map(str::to_owned)).collect();
    let lacking: Vec<Option<Lacking>> =
        selectors.iter().map(|selector| directories.lacking(&current.join(selector))).collect();
    match (inside, texts) {
        (Some(inside), Some(texts)) if lacking.iter().any(Option::is_some) => {
            let workspace = workspace::read(root, read).map_err(one)?;
            let survey = Survey::new(root, inside, selectors_or(&texts, "."), read, options);
            no_packages(&workspace, &survey, &texts, lacking)?;
            by_selectors(workspace, &survey).map_err(one)
        }
        _ => {
            let (workspace, selected) = directories.read(selectors.iter().map(|directory| current.join(directory)));
            with_tags(workspace, selected, options).map_err(one)
        }
    }
}

fn with_tags(workspace: Workspace, selected: Vec<PackageId>, options: &TagOptions) -> Result<Picked, Problem> {
    let tags = git::tags(&workspace, &selected, options)?;
    Ok(Picked { workspace, tags, selected, nothing: None, unsure: Vec::new() })
}

/// All packages of the workspace; with `--build-yml`, the directories that have it.
fn all_packages(root: &Path, read: &workspace::Options) -> Result<(Workspace, Vec<PackageId>), Problem> {
    let workspace = workspace::read(root, read)?;
    let is_wanted = |id: &PackageId| read.build_yml.as_ref().is_none_or(|yml| workspace.package(*id).yml == *yml);
    let ids = workspace.ids().filter(is_wanted).collect();
    Ok((workspace, ids))
}

/// What selectors select.
fn by_selectors(workspace: Workspace, survey: &Survey<'_>) -> Result<Picked, Problem> {
    let (workspace, named) = look_up(survey, workspace)?;
    if let Some(selected) = named.settled() {
        return with_tags(workspace, selected?, survey.tags);
    }
    let Surveyed { workspace, tags, selected, nothing, unsure, .. } =
        follow(survey, workspace, &named, &Platform::host())?;
    Ok(Picked { workspace, tags, selected, nothing, unsure })
}

/// Where a directory without a package names nothing by itself, that is what is wrong with it; and so is what the other
/// selectors do not name.
fn no_packages(
    workspace: &Workspace,
    survey: &Survey<'_>,
    selectors: &[String],
    lacking: Vec<Option<Lacking>>,
) -> Result<(), Vec<Problem>> {
    let named = |selectors: &[String]| {
        selector::named(workspace, selectors, survey.current, survey.workspace.build_yml.as_deref())
    };
    let (mut problems, mut others) = (Vec::new(), Vec::new());
    for (selector, lacking) in selectors.iter().zip(lacking) {
        match lacking.filter(|lacking| matches!(lacking, Lacking::Yml { .. })) {
            Some(lacking) if named(slice::from_ref(selector)).is_err() => problems.push(lacking.into()),
            _ => others.push(selector.clone()),
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    problems.extend(named(&others).err());
    Err(problems)
}
