//! From settings to a plan, and to the means that it is run with.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Runtime;

use super::outside::files_outside_trees;
use super::questions::{questions, tags_to_trust};
use super::survey::{Selection, Survey, Surveyed, select, survey};
use crate::builder::Engine;
use crate::durations::Durations;
use crate::image::Platform;
use crate::layout::Layout;
use crate::memo::Memo;
use crate::plan::{self, Demand, Inputs, Plan, Request};
use crate::presence::{Facts, Places, ask, ask_more};
use crate::problem::Problem;
use crate::registry::Client;
use crate::run::Means;
use crate::secret::Secret;
use crate::settings::{AssumeMissing, Settings};
use crate::signature::SigningKey;
use crate::trust::Trust;
use crate::workspace::PackageId;

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
    /// What counts as missing where nobody can be asked for it.
    pub assumed_missing: Selection,
    /// What is published beside what is selected, since new pins name it; sorted.
    pub also_published: Vec<PackageId>,
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
    let question = Survey::of(settings);
    let surveyed = survey(&question, &builder)?;
    let Surveyed { workspace, tags, graph, .. } = &surveyed;
    let config = &workspace.config;
    let registry = settings.registry(config);
    let platforms = settings.platforms(config);
    let demand_of =
        |selected: &[_]| plan::demand(workspace, graph, selected, &platforms, &settings.skip_platforms, &builder);
    let (selected, also_published) = with_newly_pinned(settings, &surveyed, demand_of);
    let demand = demand_of(&selected);

    let client = Client::new(settings.registry_options(config))?;
    let trust = settings.trust(config).map(|options| Arc::new(Trust::new(options)));
    let mut publish = settings.publish.clone();
    if let Some(publish) = &mut publish {
        publish.notarize &= trust.is_some();
    }
    let assumed_missing = assume_missing(settings, &surveyed)?;
    let mut request = Request {
        selected,
        platforms: platforms.clone(),
        builder: builder.clone(),
        runs: None,
        registry,
        build: settings.build,
        trust: trust.is_some(),
        cache: settings.cache.is_some(),
        publish,
        force: settings.force,
        pull: settings.pull,
        assume_missing: assumed_missing.packages.iter().copied().collect(),
        on_outdated: settings.on_outdated,
        repinned: settings.repin,
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
    // What docker.io does not have, a mirror of the engine may.
    let mirrored = engine.as_ref().is_ok_and(|(_, info)| info.mirrors);
    // An answer may raise another question, and each is asked once.
    while let Some(client) = places.client {
        let mut more = plan.more.clone();
        more.external.retain(|image| !mirrored || image.canonical().host() != Some("docker.io"));
        if more.is_empty() {
            break;
        }
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
    Ok(Prepared { plan, means, cpus, memo, durations, planned_at, surveyed, assumed_missing, also_published, registry })
}

/// The packages that are asked for and, with a push, those of them that are so only because new pins name them and the others
/// need them; both sorted. Once the pins are committed, another machine finds what they name in the registry or nowhere.
fn with_newly_pinned(
    settings: &Settings,
    surveyed: &Surveyed,
    demand_of: impl Fn(&[PackageId]) -> Demand,
) -> (Vec<PackageId>, Vec<PackageId>) {
    let (mut selected, mut also) = (surveyed.selected.clone(), Vec::new());
    let pushes_images = settings.publish.as_ref().is_some_and(|publish| publish.images);
    let Some(rewrites) = surveyed.rewrites.as_ref().filter(|_| pushes_images) else { return (selected, also) };
    // What is published is wanted on platforms of its own, and may need more there.
    loop {
        let needed = demand_of(&selected).all_packages();
        let is_new = |id: &&PackageId| selected.binary_search(id).is_err();
        let new: Vec<PackageId> = needed.intersection(&rewrites.named).filter(is_new).copied().collect();
        if new.is_empty() {
            break;
        }
        also.extend_from_slice(&new);
        selected.extend(new);
        selected.sort_unstable();
    }
    also.sort_unstable();
    (selected, also)
}

/// The packages that count as missing where their presence cannot be asked.
fn assume_missing(settings: &Settings, surveyed: &Surveyed) -> Result<Selection, Problem> {
    let Surveyed { workspace, graph, .. } = surveyed;
    let all = |packages| Selection { packages, nothing: None, unsure: Vec::new() };
    match &settings.assume_missing {
        AssumeMissing::Nothing => Ok(all(Vec::new())),
        AssumeMissing::Everything => Ok(all(workspace.ids().collect())),
        AssumeMissing::These(selectors) => select(workspace, graph, selectors, &settings.current, &settings.workspace),
    }
}
