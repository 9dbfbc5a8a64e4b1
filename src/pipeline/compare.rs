//! States of the repository that are not checked out, and what has changed since.

use std::collections::BTreeSet;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use miette::Diagnostic;

use crate::affected::{self, Affected, Side};
use crate::git::{self, Repository, Revision, TagOptions, Tags};
use crate::graph::selector::{self, Changed, Named};
use crate::graph::{self, Graph};
use crate::image::Platform;
use crate::problem::{Class, Fault, Problem};
use crate::settings::selectors_or;
use crate::workspace::{self, Faulty, PackageId, PackageName, Workspace};

/// What is to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The absolute path of the root: in a work tree, or a bare repository.
    pub root: &'a Path,
    /// The earlier revision.
    pub since: &'a str,
    /// The later one.
    pub until: &'a str,
    /// Compare with where the two began to differ instead of with the earlier one.
    pub merge_base: bool,
    /// What is looked at; everything if there are none.
    pub selectors: &'a [String],
    /// The directory that selectors are also relative to, relative to the root.
    pub current: &'a str,
    /// What is read, and how strictly.
    pub workspace: &'a workspace::Options,
}

/// What came of comparing.
#[derive(Debug)]
pub struct Compared {
    /// What differs.
    pub affected: Affected,
    /// The full id of the earlier commit.
    pub since: String,
    /// The full id of the later commit.
    pub until: String,
    /// Why nothing is selected, where that is no mistake.
    pub nothing: Option<String>,
    /// The packages of the later state that cannot be read: nobody knows what they need.
    pub unread: Vec<Faulty>,
    /// The packages of the later state, and of those that are gone of the earlier one, that cannot be read and on which hangs
    /// what is selected.
    pub unsure: Vec<Faulty>,
}

/// What selectors select of two states.
struct Selected {
    packages: BTreeSet<PackageName>,
    /// Why these are none, where that is no mistake.
    nothing: Option<String>,
    /// Packages that cannot be read and on which hangs what is selected.
    unsure: Vec<Faulty>,
}

/// A state that cannot be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the workspace at `{revision}` cannot be read: {problem}")]
#[diagnostic(code(affected::unreadable), help("{help}"))]
struct Unreadable {
    revision: String,
    problem: String,
    help: String,
    class: Class,
}

impl Fault for Unreadable {
    fn class(&self) -> Class {
        self.class
    }
}

/// Compares two revisions from git's objects alone: neither a checkout nor a work tree is needed.
pub fn affected(comparison: Comparison<'_>) -> Result<Compared, Problem> {
    let Comparison { root, since, until, merge_base, workspace, .. } = comparison;
    let repository = Repository::open(root)?;
    let base = if merge_base { repository.merge_base(since, until)? } else { since.to_owned() };
    let (before, after) = rayon::join(
        || State::read(&repository, &base, root, workspace, &[]),
        || State::read(&repository, until, root, workspace, &[]),
    );
    let (before, after) = (before?, after?);
    repository.check_complete()?;
    let mut affected = affected::compare(before.side(), after.side());
    let mut selected = None;
    if !comparison.selectors.is_empty() {
        let only = select(&repository, comparison, &before, &after)?;
        affected.keep(&only.packages);
        selected = Some(only);
    }
    let commit = |state: &State| state.revision.commit().id.clone();
    let is_selected =
        |id: &PackageId| selected.as_ref().is_none_or(|it| it.packages.contains(&after.workspace.package(*id).name));
    let selected_now: Vec<PackageId> = after.workspace.ids().filter(is_selected).collect();
    // A package that nobody can read hides what it needs, for itself and for those that need it.
    let needed: BTreeSet<PackageId> = after.graph.with_needed(&selected_now).into_iter().collect();
    let is_told = |id: &PackageId| needed.contains(id) || after.workspace.package(*id).is_nameless();
    let unread = after.graph.open(&after.workspace, after.workspace.ids().filter(is_told));
    let (nothing, unsure) = selected.map(|selected| (selected.nothing, selected.unsure)).unwrap_or_default();
    Ok(Compared { affected, since: commit(&before), until: commit(&after), nothing, unread, unsure })
}

/// Selects of two states: what is in the later one there, and what only the earlier one has there. `[REVISION]` is what
/// differs from the later one.
fn select(
    repository: &Repository,
    comparison: Comparison<'_>,
    before: &State,
    after: &State,
) -> Result<Selected, Problem> {
    let Comparison { root, current, workspace: read, .. } = comparison;
    let selectors = selectors_or(comparison.selectors, ".");
    let look_up =
        |state: &State, texts: &[String]| selector::named(&state.workspace, texts, current, read.build_yml.as_deref());
    let known = |state: &State| -> Vec<String> {
        selectors.iter().filter(|text| look_up(state, slice::from_ref(text)).is_ok()).cloned().collect()
    };
    let (then, now) = (known(before), known(after));
    let unknown: Vec<String> =
        selectors.iter().filter(|text| !then.contains(text) && !now.contains(text)).cloned().collect();
    if !unknown.is_empty() {
        look_up(if after.workspace.packages.is_empty() { before } else { after }, &unknown)?;
    }
    let (then, now) = (look_up(before, &then)?, look_up(after, &now)?);
    let (mut changed_then, mut changed_now) = (Changed::new(), Changed::new());
    for revision in now.revisions().into_iter().chain(then.revisions()) {
        if !changed_now.contains_key(revision) {
            let base = State::read(repository, revision, root, read, &[])?;
            repository.check_complete()?;
            let since = affected::compare(base.side(), after.side());
            changed_then.insert(revision.to_owned(), affected::changed_ids(&before.workspace, &since));
            changed_now.insert(revision.to_owned(), affected::changed_ids(&after.workspace, &since));
        }
    }
    let names = |state: &State, ids: Vec<PackageId>| -> BTreeSet<PackageName> {
        ids.into_iter().map(|id| state.workspace.package(id).name.clone()).collect()
    };
    let everything = names(after, after.workspace.ids().collect());
    let of_now = now.select(&after.graph, &changed_now);
    let of_then = then.select(&before.graph, &changed_then).map(|ids| {
        let mut gone = names(before, ids);
        gone.retain(|name| !everything.contains(name));
        gone
    });
    let packages = match (of_now, of_then) {
        (Ok(ids), gone) => &names(after, ids) | &gone.unwrap_or_default(),
        (Err(_), Ok(gone)) if !gone.is_empty() => gone,
        (Err(problem), _) => return Err(problem),
    };
    let nothing = packages.is_empty().then(|| now.nothing());
    let mut unsure = after.graph.open(&after.workspace, now.unsure(&after.workspace, &after.graph, &changed_now));
    // Of what is gone the earlier state says whether it is selected.
    let unsure_then = then.unsure(&before.workspace, &before.graph, &changed_then);
    unsure.extend(
        before.graph.open(&before.workspace, unsure_then).into_iter().filter(|it| !everything.contains(&it.name)),
    );
    unsure.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Selected { packages, nothing, unsure })
}

/// What has changed in the work tree since each of the revisions that selectors name.
pub(super) fn changed(
    workspace: &Workspace,
    graph: &Graph,
    named: &Named,
    read: &workspace::Options,
) -> Result<Changed, Problem> {
    let mut changed = Changed::new();
    let revisions = named.revisions();
    if revisions.is_empty() {
        return Ok(changed);
    }
    let repository = Repository::open(&workspace.root)?;
    // Options of the command line change what is written, and not what is the same.
    let all: Vec<PackageId> = workspace.ids().collect();
    let tags = git::tags(workspace, &all, &TagOptions::default())?;
    let chosen: Vec<PackageName> = match read.build_yml {
        Some(_) => named.packages().into_iter().map(|id| workspace.package(id).name.clone()).collect(),
        None => Vec::new(),
    };
    let directories = git::directories(&affected::directories_without_tag(workspace, &tags))?;
    let now = Side { workspace, tags: &tags, graph, revision: None, directories: Some(&directories) };
    for revision in revisions {
        let then = State::read(&repository, revision, &workspace.root, read, &chosen)?;
        repository.check_complete()?;
        let mut ids = affected::changed_ids(workspace, &affected::compare(then.side(), now));
        ids.retain(|&id| read.build_yml.as_ref().is_none_or(|yml| workspace.package(id).yml == *yml));
        changed.insert(revision.to_owned(), ids);
    }
    Ok(changed)
}

/// A workspace as it was committed.
struct State {
    revision: Arc<Revision>,
    workspace: Workspace,
    tags: Tags,
    graph: Graph,
}

impl State {
    /// `chosen` packages are what their directories mean, where they were there.
    fn read(
        repository: &Repository,
        name: &str,
        root: &Path,
        options: &workspace::Options,
        chosen: &[PackageName],
    ) -> Result<Self, Problem> {
        let revision = Arc::new(repository.at(name)?);
        let unreadable = |problem: Problem| -> Problem {
            // What was left out of the clone is no fault of what is written there.
            repository.check_complete().err().unwrap_or_else(|| {
                let help = problem.diagnostic().help().map(|help| help.to_string()).unwrap_or_default();
                let (revision, class) = (name.to_owned(), problem.class());
                Unreadable { revision, problem: problem.to_string(), help, class }.into()
            })
        };
        let mut workspace = workspace::read_from(revision.clone(), root.to_owned(), options).map_err(unreadable)?;
        let is_chosen = |id: &PackageId| chosen.contains(&workspace.package(*id).name);
        let chosen: Vec<PackageId> = workspace.ids().filter(is_chosen).collect();
        workspace.choose(&chosen);
        let tags = git::tags_at(&workspace, &revision)?;
        let graph = graph::build(&workspace, &tags, &[], &Platform::host());
        Ok(Self { revision, workspace, tags, graph })
    }

    fn side(&self) -> Side<'_> {
        Side {
            workspace: &self.workspace,
            tags: &self.tags,
            graph: &self.graph,
            revision: Some(&self.revision),
            directories: None,
        }
    }
}
