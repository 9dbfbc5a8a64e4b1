//! `kitmake pins`, `pins check` and `pins fix`: the tags of this repository's images where they are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::options::Place;
use super::output::{Output, json};
use super::registry_args::RegistryArgs;
use super::{Ended, exit};
use crate::git::{self, Future, TagOptions, Tags};
use crate::graph::{self, Graph};
use crate::image::{Platform, Reference};
use crate::pins::{self, Carried, DirtyTags, ImageFile, KeptReason, Pin, Published, Repinned, render};
use crate::pipeline;
use crate::problem::Problem;
use crate::registry::Client;
use crate::settings::{parse_registry, registry, registry_options};
use crate::workspace::{self, Package, PackageId, Workspace};

/// How many images are asked about at once.
const AT_ONCE: usize = 16;

const FIX_HELP: &str = "\
PKG is a selector of the packages whose tags are carried on, not of the files that are written:
  kitmake pins fix tools/base      the new tag of tools/base into all that names it, and so on from there
  kitmake pins fix '!tools/base'   the tags of all others, also into the files of tools/base";

/// Arguments of `pins`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct PinsArgs {
    #[command(subcommand)]
    verb: Option<PinsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum PinsVerb {
    /// Say what is wrong with them: exit code 5 if anything is
    Check(CheckArgs),
    /// Write the tags that packages will have after the next commit into all files that name them
    #[command(after_help = FIX_HELP)]
    Fix(FixArgs),
}

/// What is read.
#[derive(Debug, Args)]
struct Reading {
    /// Image ymls, as a glob relative to the root or the current directory (may be repeated)
    #[arg(long, value_name = "GLOB")]
    files: Vec<String>,
    /// The profile of kitmake.yml that chooses the build yml of directories
    #[arg(long, value_name = "NAME", env = "KITMAKE_PROFILE")]
    profile: Option<String>,
    /// Unknown keys in build ymls are errors
    #[arg(long)]
    strict: bool,
}

/// Arguments of the list.
#[derive(Debug, Args)]
struct ListArgs {
    /// The packages whose files are looked at [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The form of the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    reading: Reading,
}

/// Arguments of `pins check`.
#[derive(Debug, Args)]
struct CheckArgs {
    /// The packages whose files are looked at [default: everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The form of the findings
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    reading: Reading,
    /// Where images without a host in their name live
    #[arg(long, value_name = "HOST[/PREFIX]", value_parser = parse_registry, env = "KITMAKE_REGISTRY")]
    registry: Option<String>,
    /// Ask no registry whether it has the former tags that are named
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Arguments of `pins fix`.
#[derive(Debug, Args)]
struct FixArgs {
    /// The packages whose new tag is carried on, to what names them and from there on [default: all whose tag is not the one
    /// that is named]
    #[arg(value_name = "PKG")]
    selectors: Vec<String>,
    #[command(flatten)]
    reading: Reading,
    /// Count files that git does not track yet: they have to be part of the commit
    #[arg(long)]
    include_untracked: bool,
    /// Print a diff and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(place: &Place, output: &Output, args: &PinsArgs, runtime: &Runtime) -> Ended {
    match &args.verb {
        None => list(place, output, &args.list),
        Some(PinsVerb::Check(check)) => self::check(place, output, check, runtime),
        Some(PinsVerb::Fix(fix)) => self::fix(place, output, fix),
    }
}

/// What all three verbs read.
struct Read {
    root: PathBuf,
    current: String,
    /// How the workspace was read.
    options: workspace::Options,
    workspace: Workspace,
    /// As they are.
    tags: Tags,
    images: Vec<ImageFile>,
}

impl Read {
    fn new(place: &Place, output: &Output, reading: &Reading) -> Result<Self, Vec<Problem>> {
        let one = |problem| vec![problem];
        let (root, current) = place.root().map_err(one)?;
        let profile = reading.profile.clone().filter(|profile| !profile.is_empty());
        let options = workspace::Options::new(reading.strict, profile, None);
        let workspace = workspace::read(&root, &options).map_err(one)?;
        let images = pins::image_files(&root, &current, &reading.files).map_err(one)?;
        let all: Vec<PackageId> = workspace.ids().collect();
        let tags = git::tags(&workspace, &all, &TagOptions::default()).map_err(one)?;
        for package in &workspace.packages {
            // What is made from a template has no pins yet.
            let template = package.dockerfile_problem.iter().filter(|_| package.template.is_some());
            package.warnings.iter().chain(template).for_each(|warning| output.warning(warning));
        }
        Ok(Self { root, current, options, workspace, tags, images })
    }

    /// The pins of the packages that are selected, and of the image ymls.
    fn pins(&self, output: &Output, selectors: &[String]) -> Result<Vec<Pin>, Problem> {
        let mut future = Future::new()?;
        let tags = pins::committed(&self.workspace, &self.tags, &TagOptions::default(), &mut future, false)?;
        let graph = self.graph(&tags);
        let (selected, nothing) = self.selected(selectors, &graph)?;
        if let Some(nothing) = nothing {
            output.say(&format!("{nothing}\n"));
        }
        let mut pins = pins::list(&self.workspace, &tags, &graph, &self.images);
        if let Some(selected) = selected {
            pins.retain(|pin| pin.used_by.is_empty() || pin.used_by.iter().any(|id| selected.contains(id)));
        }
        Ok(pins)
    }

    /// `None` for everything; and why nothing is selected, where that is no mistake.
    fn selected(
        &self,
        selectors: &[String],
        graph: &Graph,
    ) -> Result<(Option<Vec<PackageId>>, Option<String>), Problem> {
        if selectors.is_empty() {
            return Ok((None, None));
        }
        let (selected, nothing) = pipeline::select(&self.workspace, graph, selectors, &self.current, &self.options)?;
        Ok((Some(selected), nothing))
    }

    fn graph(&self, tags: &Tags) -> Graph {
        graph::build(&self.workspace, tags, &self.workspace.config.platforms, &Platform::host())
    }

    /// What cannot be read, and so has pins that nobody has looked at.
    fn unread(&self) -> Vec<Problem> {
        self.workspace.packages.iter().flat_map(Package::unread).cloned().collect()
    }
}

fn list(place: &Place, output: &Output, args: &ListArgs) -> Ended {
    let read = Read::new(place, output, &args.reading)?;
    let pins = read.pins(output, &args.selectors).map_err(|problem| vec![problem])?;
    read.unread().iter().for_each(|problem| output.warning(problem));
    output.data(&match args.format {
        Format::Text => render::text(&pins, &read.workspace, output.verbose > 0),
        Format::Json => json(&render::json(&pins, &read.workspace)),
    })?;
    Ok(exit::DONE)
}

fn check(place: &Place, output: &Output, args: &CheckArgs, runtime: &Runtime) -> Ended {
    let one = |problem| vec![problem];
    let read = Read::new(place, output, &args.reading)?;
    let pins = read.pins(output, &args.selectors).map_err(one)?;
    if args.selectors.is_empty() && read.unread().is_empty() {
        output.say(&needless(&pins, &read.workspace));
    }
    let images = pins::to_be_asked(&pins);
    let published = if args.offline {
        if !images.is_empty() {
            output.say(&format!("nobody asked whether {} is there: --offline\n", former(images.len())));
        }
        Published::new()
    } else {
        let config = &read.workspace.config;
        let directory = place.working_directory().map_err(one)?;
        let authorities = args.registries.certificate_authorities(&directory);
        let insecure = &args.registries.insecure_registry;
        let options = registry_options(&read.root, config, insecure, &authorities, &place.environment);
        let client = Client::new(options).map_err(one)?;
        let registry = registry(args.registry.as_deref(), config);
        runtime.block_on(ask(images, &client, registry.as_deref()))
    };
    let findings = pins::check(&pins, &published);
    let unknown: BTreeMap<String, String> = (published.iter())
        .filter_map(|(image, asked)| Some((image.to_string(), asked.as_ref().err()?.to_string())))
        .collect();
    output.data(&match args.format {
        Format::Text => render::findings_text(&findings, &pins, &read.workspace),
        Format::Json => json(&render::findings_json(&findings, &unknown, &read.workspace)),
    })?;
    let mut problems = read.unread();
    if !findings.is_empty() {
        for problem in &problems {
            output.warning(problem);
        }
        return Ok(exit::TO_DO);
    }
    problems.extend(published.into_values().filter_map(Result::err));
    if problems.is_empty() { Ok(exit::DONE) } else { Err(problems) }
}

/// The stale pins that kitmake.yml allows and that nobody has any longer.
fn needless(pins: &[Pin], workspace: &Workspace) -> String {
    let allowed = |pin: &&Pin| matches!(pin.state, pins::State::Allowed(_));
    let mut text = String::new();
    for entry in &workspace.config.stale_pins {
        if !pins.iter().filter(allowed).any(|pin| entry.allows(&pin.file, &pin.reference)) {
            let of = entry.image.as_ref().map(|image| format!(" to {image}")).unwrap_or_default();
            let file = &entry.file;
            let _ = writeln!(text, "warning: kitmake.yml: `stale-pins` allows pins of {file}{of}, and none is stale");
        }
    }
    text
}

fn former(count: usize) -> String {
    if count == 1 { "1 former tag".to_owned() } else { format!("any of {count} former tags") }
}

/// Whether registries have the images.
async fn ask(images: impl IntoIterator<Item = Reference>, client: &Client, registry: Option<&str>) -> Published {
    let asking = images.into_iter().map(|image| async move {
        let found = client.find(&image.on(registry)).await;
        (image, found.map(|found| found.is_some()))
    });
    futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await
}

fn fix(place: &Place, output: &Output, args: &FixArgs) -> Ended {
    let one = |problem| vec![problem];
    let read = Read::new(place, output, &args.reading)?;
    let (selected, nothing) = read.selected(&args.selectors, &read.graph(&read.tags)).map_err(one)?;
    let names_some = nothing.is_none();
    if let Some(nothing) = nothing {
        output.say(&format!("{nothing}\n"));
    }
    let request = pins::Request {
        workspace: &read.workspace,
        tags: &read.tags,
        options: &TagOptions::default(),
        platforms: &read.workspace.config.platforms,
        builder: &Platform::host(),
        carried: selected.as_deref().map_or(Carried::All, Carried::These),
        images: &read.images,
        dirty: DirtyTags::Committed { include_untracked: args.include_untracked },
    };
    let repinned = pins::repin(&request).map_err(one)?;
    if args.dry_run {
        output.data(&pins::diff(&repinned.changes))?;
    } else {
        pins::write(&repinned.changes).map_err(one)?;
        output.data(&render::fixed_text(&repinned, output.verbose > 0))?;
    }
    output.say(&said(&repinned, args.dry_run));
    if repinned.changes.is_empty()
        && names_some
        && let Some(selected) = &selected
    {
        let pins = read.pins(output, &args.selectors).map_err(one)?;
        output.say(&elsewhere(&pins, selected, &read.workspace));
    }
    let unread = read.unread();
    for problem in &unread {
        output.warning(problem);
    }
    if !unread.is_empty() {
        output.say("what cannot be read may have stale pins, too\n");
    }
    let is_finding = |reason: &KeptReason| !matches!(reason, KeptReason::Own);
    let left = repinned.kept.iter().any(|kept| is_finding(&kept.reason));
    Ok(if left || !unread.is_empty() { exit::TO_DO } else { exit::DONE })
}

/// The stale tags that the files of selected packages have of others: no tag of theirs is carried on.
fn elsewhere(pins: &[Pin], selected: &[PackageId], workspace: &Workspace) -> String {
    let name = |id: PackageId| workspace.package(id).name.to_string();
    let mut named: BTreeMap<PackageId, BTreeSet<String>> = BTreeMap::new();
    for pin in pins.iter().filter(|pin| pin.state == pins::State::Stale && pin.tag_at.is_ok()) {
        let Some(package) = pin.package.filter(|package| !selected.contains(package)) else { continue };
        for &user in pin.used_by.iter().filter(|user| selected.contains(user)) {
            named.entry(user).or_default().insert(name(package));
        }
    }
    let mut text = String::new();
    for (user, packages) in named {
        let packages: Vec<String> = packages.into_iter().collect();
        let (user, all, listed) = (name(user), packages.join(" "), packages.join(", "));
        let _ =
            writeln!(text, "`{user}` names stale tags of {listed}: `kitmake pins fix {all}` brings them up to date");
    }
    text
}

/// What was done, what is left, and what to do now.
fn said(repinned: &Repinned, dry_run: bool) -> String {
    let mut text = render::kept_text(&repinned.kept);
    if repinned.changes.is_empty() {
        text.push_str("nothing to rewrite\n");
        return text;
    }
    let plural = |count: usize, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let pins = plural(repinned.rewrites.len(), "pin");
    let files = plural(repinned.changes.len(), "file");
    let verb = if dry_run { "would rewrite" } else { "rewrote" };
    let _ = writeln!(text, "{verb} {pins} in {files}; they are right once all changes to tracked files are committed");
    for name in &repinned.to_be_added {
        let _ = writeln!(text, "the commit has to have `{name}`, too: `git add` it");
    }
    text
}
