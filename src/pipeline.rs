//! The road from settings to a plan: every verb takes it, and leaves it at its own exit.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Runtime;

use crate::builder::Engine;
use crate::durations::Durations;
use crate::excludes::Excludes;
use crate::git::{self, TagOptions, Tags};
use crate::graph::{self, Graph, selector};
use crate::image::{Platform, Reference};
use crate::layout::Layout;
use crate::memo::Memo;
use crate::pins::{self, Carried, DirtyTags};
use crate::plan::{self, Demand, Inputs, Plan, Platforms, Request};
use crate::presence::{Facts, Places, Question, ask, ask_more};
use crate::problem::Problem;
use crate::registry::Client;
use crate::run::Means;
use crate::secret::Secret;
use crate::settings::{AssumeMissing, Settings, selectors_or};
use crate::signature::SigningKey;
use crate::trust::Trust;
use crate::workspace::{self, PackageId, Workspace};

pub use compare::{Compared, Comparison, affected};

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
    /// If pins were brought up to date in memory, how many, and in how many files.
    pub rewrites: Option<(usize, usize)>,
    /// Why nothing is selected, where that is no mistake.
    pub nothing: Option<String>,
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

/// Scans, looks up names, tags, builds the graph, and follows it from what is named. `builder` is the builder's own
/// platform.
pub fn survey(survey: &Survey<'_>, builder: &Platform) -> Result<Surveyed, Problem> {
    let mut workspace = workspace::read(survey.root, survey.workspace)?;
    let build_yml = survey.workspace.build_yml.as_deref();
    let named = selector::named(&workspace, &survey.selectors, survey.current, build_yml)?;
    if build_yml.is_some() {
        workspace.choose(&named.packages());
    }
    if named.is_settled() {
        add_build_args(&mut workspace, &named.packages(), survey.build_arg_files)?;
    }
    let all: Vec<PackageId> = workspace.ids().collect();
    let mut tags = git::tags(&workspace, &all, survey.tags)?;
    let asked = match survey.platforms {
        Some(Platforms::These(platforms)) => platforms.clone(),
        Some(Platforms::Own | Platforms::Arches) => Vec::new(),
        None => workspace.config.platforms.clone(),
    };
    let mut graph = graph::build(&workspace, &tags, &asked, builder);
    let changed = compare::changed(&workspace, &graph, &named, survey.workspace)?;
    let selected = named.select(&graph, &changed)?;
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
        rewrites = Some((repinned.rewrites.len(), repinned.changes.len()));
        (workspace, tags) = (repinned.workspace, repinned.tags);
        graph = graph::build(&workspace, &tags, &asked, builder);
    }
    let nothing = selected.is_empty().then(|| named.nothing());
    Ok(Surveyed { workspace, tags, graph, selected, rewrites, nothing })
}

/// The packages that further selectors name, sorted; with `!` alone, all others. `read` is how the workspace was read.
pub fn select(
    workspace: &Workspace,
    graph: &Graph,
    selectors: &[String],
    current: &str,
    read: &workspace::Options,
) -> Result<Vec<PackageId>, Problem> {
    let named = selector::named(workspace, &selectors_or(selectors, "."), current, None)?;
    named.select(graph, &compare::changed(workspace, graph, &named, read)?)
}

fn add_build_args(workspace: &mut Workspace, packages: &[PackageId], files: &[PathBuf]) -> Result<(), Problem> {
    files.iter().try_for_each(|file| workspace.add_build_args(packages, file))
}

/// A plan with the means to run it.
#[derive(Debug)]
pub struct Prepared {
    /// What is to be done.
    pub plan: Plan,
    /// What it is run with.
    pub means: Means,
    /// The CPUs of the builder.
    pub cpus: usize,
    /// Hashes of files, to be saved by a command that may write.
    pub memo: Memo,
    /// How long steps took in earlier runs.
    pub durations: Durations,
    /// When the tree began to be looked at.
    pub planned_at: SystemTime,
    /// What it is a plan of.
    pub surveyed: Surveyed,
    /// Where images without a host in their name live.
    pub registry: Option<String>,
}

/// Goes the whole road. What waits for the engine and the registry does so on `runtime`; git and the hashing of files
/// block this thread, which must not be one of the runtime's.
pub fn prepare(settings: &Settings, runtime: &Runtime) -> Result<Prepared, Problem> {
    let planned_at = SystemTime::now();
    if let Some(commit) = settings.tags.hash_commit.as_deref().filter(|commit| *commit != "HEAD") {
        return Err(plan::PlanError::OtherCommit { commit: commit.to_owned() }.into());
    }
    let engine = runtime.block_on(Engine::connect(&settings.environment.engine));
    let builder = engine.as_ref().map_or_else(|_| Platform::host(), |(_, info)| info.platform.clone());
    let question = Survey {
        root: &settings.root,
        current: &settings.current,
        selectors: settings.selectors(),
        workspace: &settings.workspace,
        build_arg_files: &settings.build_arg_files,
        tags: &settings.tags,
        platforms: settings.platforms.as_ref(),
        repin: settings.repin,
    };
    let surveyed = survey(&question, &builder)?;
    let Surveyed { workspace, tags, graph, selected, .. } = &surveyed;
    let config = &workspace.config;
    let registry = settings.registry(config);
    let platforms = settings.platforms(config);
    let demand = plan::demand(workspace, graph, selected, &platforms, &settings.skip_platforms, &builder);

    let client = Client::new(settings.registry_options(config))?;
    let trust = settings.trust(config).map(|options| Arc::new(Trust::new(options)));
    let mut publish = settings.publish.clone();
    if let Some(publish) = &mut publish {
        publish.notarize &= trust.is_some();
    }
    let mut request = Request {
        selected: selected.clone(),
        platforms,
        builder,
        runs: None,
        registry,
        build: settings.build,
        trust: trust.is_some(),
        cache: settings.cache.is_some(),
        publish,
        force: settings.force,
        pull: settings.pull,
        assume_missing: assume_missing(settings, &surveyed)?,
        on_outdated: settings.on_outdated,
    };
    let questions = questions(&surveyed, &request, &demand);
    let tags_to_trust = tags_to_trust(&surveyed, &request, &demand, &questions);
    let password = settings.environment.cosign_password.as_ref().map(Secret::reveal);
    let key = settings.sign_key.as_ref().map(|file| SigningKey::read(file, password)).transpose()?;
    let public = key.as_ref().map(SigningKey::public);
    let layout = settings.cache.as_ref().map(Layout::at);
    let places = Places {
        engine: engine.as_ref().map(|(engine, _)| engine).map_err(Clone::clone),
        client: (!settings.offline).then_some(&client),
        registry: request.registry.as_deref(),
        layout: layout.as_ref(),
        trust: trust.as_deref().map(|trust| (trust, &tags_to_trust)),
        signer: public.as_ref(),
    };
    let may_run = async {
        match &engine {
            Ok((engine, _)) if plan::foreign_programs(graph, &demand, &request.builder) => engine.runs().await,
            _ => None,
        }
    };
    let asking = async { tokio::join!(ask(&questions, &places), may_run) };
    let (mut facts, runs): (Facts, _) = runtime.block_on(asking);
    request.runs = runs;

    let mut memo = Memo::open(&settings.environment.cache, &settings.root);
    let files = files_outside_trees(workspace, tags, &demand, &mut memo)?;
    let inputs = Inputs { workspace, tags, graph, facts: &facts, files: &files };
    let mut plan = plan::plan(inputs, &request, &demand);
    let mut more = plan.more.clone();
    // What docker.io does not have, a mirror of the engine may.
    let mirrored = engine.as_ref().is_ok_and(|(_, info)| info.mirrors);
    more.external.retain(|image| !mirrored || image.canonical().host() != Some("docker.io"));
    if let Some(client) = places.client.filter(|_| !more.is_empty()) {
        runtime.block_on(ask_more(&more, client, &mut facts));
        let inputs = Inputs { workspace, tags, graph, facts: &facts, files: &files };
        plan = plan::plan(inputs, &request, &demand);
    }
    let (engine, cpus) = match engine {
        Ok((engine, info)) => (Ok(engine), info.cpus.max(1)),
        Err(problem) => (Err(problem), 1),
    };
    let names = workspace.packages.iter().map(|package| package.name.to_string()).collect();
    let durations = Durations::open(&settings.environment.state, &settings.root, names);
    let registry = request.registry;
    let means = Means { engine, client, layout, key, trust };
    Ok(Prepared { plan, means, cpus, memo, durations, planned_at, surveyed, registry })
}

/// The tags whose signatures matter: what is built from, and what is published. Nobody asks where content trust is off.
fn tags_to_trust(
    surveyed: &Surveyed,
    request: &Request,
    demand: &Demand,
    questions: &[Question],
) -> BTreeSet<Reference> {
    if !request.trust {
        return BTreeSet::new();
    }
    let Surveyed { workspace, tags, graph, .. } = surveyed;
    let registry = request.registry.as_deref();
    let mut asked = plan::trust_questions(plan::Repository { workspace, tags, graph, registry }, demand);
    if let Some(publish) = request.publish.as_ref().filter(|publish| publish.notarize) {
        let written = questions.iter().filter(|question| question.written && question.published);
        asked.extend(written.flat_map(|question| publish.tags(&question.image.on(registry))));
    }
    asked
}

/// The packages that count as missing where their presence cannot be asked.
fn assume_missing(settings: &Settings, surveyed: &Surveyed) -> Result<BTreeSet<PackageId>, Problem> {
    Ok(match &settings.assume_missing {
        AssumeMissing::Nothing => BTreeSet::new(),
        AssumeMissing::Everything => surveyed.workspace.ids().collect(),
        AssumeMissing::These(selectors) => {
            select(&surveyed.workspace, &surveyed.graph, selectors, &settings.current, &settings.workspace)?
                .into_iter()
                .collect()
        }
    })
}

/// One question per image of the demand, and per image of this repository that one of them is pinned to.
fn questions(surveyed: &Surveyed, request: &Request, demand: &Demand) -> Vec<Question> {
    let Surveyed { workspace, tags, graph, selected, .. } = surveyed;
    let mut questions: BTreeMap<(Reference, bool), Question> = BTreeMap::new();
    for &package in selected.iter().filter(|_| request.publish.is_some()) {
        let Some(tag) = tags.get(package) else { continue };
        let Ok(image) = tag.output.reference() else { continue };
        let question = about(&mut questions, image, !tag.is_dirty());
        question.written = true;
        question.release = request.publish.as_ref().and_then(|publish| Some(publish.release.as_ref()?.name.clone()));
        if request.only_index() {
            question.platforms = plan::indexed_platforms(workspace, package);
        }
    }
    for node in &demand.nodes {
        let Some(tag) = tags.get(node.0) else { continue };
        if let Ok(image) = tag.output.reference() {
            about(&mut questions, image, !tag.is_dirty()).platforms.insert(node.1.clone());
        }
        let references = graph.nodes.get(node).map_or(&[][..], |inputs| &inputs.references);
        for reference in references.iter().filter(|reference| reference.state == graph::State::Stale) {
            let pinned = reference.image.expanded.as_ref().ok().and_then(|text| text.parse::<Reference>().ok());
            if let Some(image) = pinned.filter(|image| reference.image.reached && image.digest().is_none()) {
                about(&mut questions, &image, true).platforms.insert(reference.image.platform.clone());
            }
        }
    }
    questions.into_values().collect()
}

/// The question about an image; whether a registry can have it is part of what makes it one.
fn about<'a>(
    questions: &'a mut BTreeMap<(Reference, bool), Question>,
    image: &Reference,
    published: bool,
) -> &'a mut Question {
    questions.entry((image.clone(), published)).or_insert_with(|| Question::new(image.clone(), published))
}

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
fn files_outside_trees(
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
