//! What there is: packages, their tags, the graph, and what is selected of it.
//!
//! Disk and git are asked, and nothing else; with pins brought up to date in memory, nothing is written either.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::compare;
use crate::git::{self, TagOptions, Tags};
use crate::graph::selector::{self, Named};
use crate::graph::{self, Graph};
use crate::image::Platform;
use crate::pins::spread::{Assumed, Spread};
use crate::pins::{self, Carried, DirtyTags};
use crate::plan::Platforms;
use crate::problem::Problem;
use crate::settings::{Settings, selectors_or};
use crate::workspace::{self, Faulty, PackageId, Workspace};

/// The part of the road that needs neither an engine nor a registry.
#[derive(Debug)]
pub struct Surveyed {
    /// The packages.
    pub workspace: Workspace,
    /// Their tags.
    pub tags: Tags,
    /// What they need.
    pub graph: Graph,
    /// The packages that the selectors name, sorted.
    pub selected: Vec<PackageId>,
    /// What was brought up to date in memory, if that was asked for.
    pub rewrites: Option<Rewritten>,
    /// Why nothing is selected, where that is no mistake.
    pub nothing: Option<String>,
    /// Packages that cannot be read and on which hangs what is selected, since selectors follow their edges.
    pub unsure: Vec<Faulty>,
}

/// Pins that were brought up to date in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// How many.
    pub pins: usize,
    /// In how many files.
    pub files: usize,
    /// The packages that they name.
    pub named: BTreeSet<PackageId>,
}

/// What is to be surveyed.
#[derive(Debug)]
pub struct Survey<'a> {
    /// The absolute path of the root.
    pub root: &'a Path,
    /// The directory that selectors are also relative to, relative to the root.
    pub current: &'a str,
    /// What is selected.
    pub selectors: Vec<String>,
    /// What is read, and how strictly.
    pub workspace: &'a workspace::Options,
    /// Further files of build args for all that is selected, absolute.
    pub build_arg_files: &'a [PathBuf],
    /// What changes tags.
    pub tags: &'a TagOptions,
    /// The platforms wanted; the kitmake.yml is asked when it is `None`.
    pub platforms: Option<&'a Platforms>,
    /// Whether all pins are taken to be what `pins fix` would make of them.
    pub repin: bool,
}

impl<'a> Survey<'a> {
    /// Of the repository as it is, without anything that only a plan is told.
    #[must_use]
    pub fn new(
        root: &'a Path,
        current: &'a str,
        selectors: Vec<String>,
        workspace: &'a workspace::Options,
        tags: &'a TagOptions,
    ) -> Self {
        Self { root, current, selectors, workspace, build_arg_files: &[], tags, platforms: None, repin: false }
    }

    /// Of what a plan is made for.
    #[must_use]
    pub fn of(settings: &'a Settings) -> Self {
        Self {
            build_arg_files: &settings.build_arg_files,
            platforms: settings.platforms.as_ref(),
            repin: settings.repin,
            ..Self::new(&settings.root, &settings.current, settings.selectors(), &settings.workspace, &settings.tags)
        }
    }
}

/// Scans, looks up names, tags, builds the graph, and follows it from what is named. `builder` is the builder's own
/// platform.
pub fn survey(survey: &Survey<'_>, builder: &Platform) -> Result<Surveyed, Problem> {
    let workspace = workspace::read(survey.root, survey.workspace)?;
    let (workspace, named) = look_up(survey, workspace)?;
    follow(survey, workspace, &named, builder)
}

/// The packages with the yml that is meant, and the names in the selectors.
pub(super) fn look_up(survey: &Survey<'_>, mut workspace: Workspace) -> Result<(Workspace, Named), Problem> {
    let build_yml = survey.workspace.build_yml.as_deref();
    let named = selector::named(&workspace, &survey.selectors, survey.current, build_yml)?;
    if build_yml.is_some() {
        workspace.choose(&named.packages());
    }
    Ok((workspace, named))
}

/// The rest of the way.
pub(super) fn follow(
    survey: &Survey<'_>,
    mut workspace: Workspace,
    named: &Named,
    builder: &Platform,
) -> Result<Surveyed, Problem> {
    if named.is_settled() {
        add_build_args(&mut workspace, &named.packages(), survey.build_arg_files)?;
    }
    let all: Vec<PackageId> = workspace.ids().collect();
    let mut tags = git::tags(&workspace, &all, survey.tags)?;
    let asked = asked(survey, &workspace);
    let mut graph = graph::build(&workspace, &tags, &asked, builder);
    let changed = compare::changed(&workspace, &graph, named, survey.workspace)?;
    let selected = named.select(&graph, &changed)?;
    let unsure = graph.open(&workspace, named.unsure(&workspace, &graph, &changed));
    if !named.is_settled() && !survey.build_arg_files.is_empty() {
        // What is selected follows the edges that the repository has by itself: files of build args may change edges.
        add_build_args(&mut workspace, &selected, survey.build_arg_files)?;
        graph = graph::build(&workspace, &tags, &asked, builder);
    }
    let mut rewrites = None;
    if survey.repin {
        let repinned = pins::repin(&pins::Request {
            workspace: &workspace,
            tags: &tags,
            options: survey.tags,
            platforms: &asked,
            builder,
            carried: Carried::All,
            images: &[],
            dirty: DirtyTags::Dirty,
        })?;
        rewrites = Some(Rewritten {
            pins: repinned.rewrites.len(),
            files: repinned.changes.len(),
            named: repinned.rewrites.iter().map(|rewrite| rewrite.package).collect(),
        });
        (workspace, tags) = (repinned.workspace, repinned.tags);
        graph = graph::build(&workspace, &tags, &asked, builder);
    }
    let nothing = selected.is_empty().then(|| named.nothing());
    Ok(Surveyed { workspace, tags, graph, selected, rewrites, nothing, unsure })
}

/// The platforms of the graph beside those of each package.
fn asked(survey: &Survey<'_>, workspace: &Workspace) -> Vec<Platform> {
    match survey.platforms {
        Some(Platforms::These(platforms)) => platforms.clone(),
        Some(Platforms::Own | Platforms::Arches) => Vec::new(),
        None => workspace.config.platforms.clone(),
    }
}

/// How far a change of what is selected would spread. What is dirty counts with the tag of the last commit, since that is
/// what pins name. Where nothing is selected, and that is no mistake, nothing spreads.
pub fn spread(question: &Survey<'_>, builder: &Platform) -> Result<(Surveyed, Option<Spread>), Problem> {
    let mut surveyed = survey(question, builder)?;
    if surveyed.nothing.is_some() {
        return Ok((surveyed, None));
    }
    if let Some(tags) = surveyed.tags.at_last_commit() {
        surveyed.graph = graph::build(&surveyed.workspace, &tags, &asked(question, &surveyed.workspace), builder);
        surveyed.tags = tags;
    }
    let Surveyed { workspace, tags, graph, selected: changed, .. } = &surveyed;
    let spread = pins::spread::spread(Assumed { workspace, tags, graph, changed })?;
    Ok((surveyed, Some(spread)))
}

/// What further selectors select.
#[derive(Debug)]
pub struct Selection {
    /// Sorted.
    pub packages: Vec<PackageId>,
    /// Why these are none, where that is no mistake.
    pub nothing: Option<String>,
    /// Packages that cannot be read and on which hangs what is selected.
    pub unsure: Vec<Faulty>,
}

/// The packages that further selectors name; with `!` alone, all others. `read` is how the workspace was read.
pub fn select(
    workspace: &Workspace,
    graph: &Graph,
    selectors: &[String],
    current: &str,
    read: &workspace::Options,
) -> Result<Selection, Problem> {
    let named = selector::named(workspace, &selectors_or(selectors, "."), current, None)?;
    let changed = compare::changed(workspace, graph, &named, read)?;
    let packages = named.select(graph, &changed)?;
    let unsure = graph.open(workspace, named.unsure(workspace, graph, &changed));
    let nothing = packages.is_empty().then(|| named.nothing());
    Ok(Selection { packages, nothing, unsure })
}

fn add_build_args(workspace: &mut Workspace, packages: &[PackageId], files: &[PathBuf]) -> Result<(), Problem> {
    files.iter().try_for_each(|file| workspace.add_build_args(packages, file))
}
