//! `kitmake verify`: which published images are signed by a key.
//!
//! What a registry has under the tag of each selected package is asked of that registry, not of its mirrors; the index and
//! each image that it lists are looked at one by one. A package that is for no platform has no image and is passed over.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::options::Place;
use super::output::{self, Format, Output};
use super::registry_args::RegistryArgs;
use super::tag_args::TagArgs;
use super::yml_args::YmlArgs;
use super::{Ended, exit, faulty};
use crate::image::{Platform, Reference};
use crate::pipeline::{self, Surveyed};
use crate::plan::{self, PlanError};
use crate::problem::Problem;
use crate::registry::Client;
use crate::secret::Secret;
use crate::settings::{self, parse_registry};
use crate::signature::{Audited, PublicKey, State, audit};

/// Packages asked about at once.
const AT_ONCE: usize = 32;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kitmake verify --key cosign.pub
  kitmake verify --key cosign.pub --format json pkg/init

Exit codes: 0 all images are signed by this key; 5 one is not, or is not there; 4 a registry did not say.
A key that cosign encrypted is opened with the password in COSIGN_PASSWORD.")]
pub(super) struct VerifyArgs {
    /// Which packages; `kitmake --help` says what a selector is [default: pkg, if it exists, else everything]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The public key, or the private one that it is the half of: PEM, ECDSA on P-256
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Where images without a host in their name live
    #[arg(long, value_name = "HOST[/PREFIX]", value_parser = parse_registry, env = "KITMAKE_REGISTRY")]
    registry: Option<String>,
    #[command(flatten)]
    ymls: YmlArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    tags: TagArgs,
}

/// The JSON form of an answer; fields are only ever added.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    schema_version: u32,
    images: &'a [Row],
}

/// What is known of one image.
#[derive(Debug, Serialize)]
struct Row {
    /// The package.
    id: String,
    /// `None` for the index, and for an entry of it that names none.
    platform: Option<Platform>,
    /// What was asked for.
    reference: String,
    /// What it names; `None` if the registry did not say.
    digest: Option<String>,
    state: Word,
    /// Why nothing is known.
    why: Option<String>,
}

/// A [`State`] without its problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Signed,
    OtherKey,
    Unsigned,
    NotThere,
    Unknown,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::OtherKey => "other key",
            Self::Unsigned => "unsigned",
            Self::NotThere => "not there",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn run(place: &Place, output: &Output, args: &VerifyArgs, runtime: &Runtime) -> Ended {
    let one = |problem| vec![problem];
    let (root, current) = place.root().map_err(one)?;
    let directory = place.working_directory().map_err(one)?;
    let password = place.environment.cosign_password.as_ref().map(Secret::reveal);
    let key = PublicKey::read(&directory.join(&args.key), password).map_err(one)?;
    let (read, tags) = (args.ymls.options(), args.tags.options(&place.environment, &directory));
    let question = pipeline::Survey::new(&root, &current, settings::selectors(&args.selectors, &root), &read, &tags);
    let surveyed = pipeline::survey(&question, &Platform::host()).map_err(one)?;
    if let Some(nothing) = &surveyed.nothing {
        output.say(&format!("{nothing}\n"));
    }
    faulty::say_unsure(output, &surveyed.unsure);
    let config = &surveyed.workspace.config;
    let registry = settings::registry(args.registry.as_deref(), config);
    let (insecure, authorities) =
        (&args.registries.insecure_registry, args.registries.certificate_authorities(&directory).map_err(one)?);
    let options = settings::registry_options(&root, config, insecure, &authorities, &place.environment);
    let client = Client::new(options).map_err(one)?;
    let images = images(&surveyed, output, registry.as_deref())?;

    let asked = images.into_iter().map(async |(id, image, platforms)| {
        let audited = audit_all(&client, &image, &platforms, &key).await;
        (id, audited)
    });
    let answers: Vec<_> = runtime.block_on(stream::iter(asked).buffered(AT_ONCE).collect());
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (id, audited) in answers {
        for (image, audited) in audited {
            if let State::Unknown(problem) = &audited.state {
                problems.push(problem.clone());
            }
            rows.push(row(&id, &image, audited));
        }
    }
    output.data(&match args.format {
        Format::Text => text(&rows),
        Format::Json => output::json(&Answer { schema_version: 1, images: &rows }),
    })?;
    if !problems.is_empty() {
        // Each row says why itself; what to do about it is the same for all of a sort.
        let mut sorts = BTreeSet::new();
        problems.retain(|problem| sorts.insert(problem.code()));
        return Err(problems);
    }
    if rows.is_empty() && surveyed.nothing.is_some() {
        return Ok(exit::DONE);
    }
    let all = !rows.is_empty() && rows.iter().all(|row| row.state == Word::Signed);
    Ok(if all { exit::DONE } else { exit::TO_DO })
}

/// What is known of an index and what it lists; where there is none, of each `tag-arch` that was pushed ahead of it.
async fn audit_all(
    client: &Client,
    image: &Reference,
    platforms: &BTreeSet<Platform>,
    key: &PublicKey,
) -> Vec<(Reference, Audited)> {
    let named =
        |image: &Reference, audited: Vec<Audited>| audited.into_iter().map(|one| (image.clone(), one)).collect();
    let mut all: Vec<(Reference, Audited)> = named(image, audit(client, image, key).await);
    if all.iter().any(|(_, audited)| matches!(audited.state, State::NotThere)) {
        for platform in platforms {
            let image = image.arch_tag(platform);
            let mut audited = audit(client, &image, key).await;
            audited.retain(|audited| !matches!(audited.state, State::NotThere));
            for audited in &mut audited {
                audited.platform.get_or_insert_with(|| platform.clone());
            }
            all.extend(named(&image, audited));
        }
    }
    all
}

/// A package, its image on its registry, and the platforms that may be pushed under tags of their own.
type Published = (String, Reference, BTreeSet<Platform>);

/// The images of the selected packages.
fn images(surveyed: &Surveyed, output: &Output, registry: Option<&str>) -> Result<Vec<Published>, Vec<Problem>> {
    let (mut images, mut problems) = (Vec::new(), Vec::new());
    for &id in &surveyed.selected {
        let package = surveyed.workspace.package(id);
        package.warnings.iter().for_each(|warning| output.warning(warning));
        problems.extend(package.problems.iter().cloned());
        let tag = match &surveyed.tags.packages[id.index()] {
            Some(Ok(tag)) => tag,
            Some(Err(problem)) => {
                problems.push(problem.clone());
                continue;
            }
            None => continue,
        };
        if package.build.as_ref().is_none_or(|build| build.arches.is_empty()) {
            continue;
        }
        let name = package.name.to_string();
        match tag.output.reference() {
            Ok(image) => images.push((name, image.on(registry), plan::indexed_platforms(&surveyed.workspace, id))),
            Err(illegal) => {
                let (output, why) = (tag.output.to_string(), illegal.reason.to_owned());
                problems.push(PlanError::IllegalName { package: name, name: output, why }.into());
            }
        }
    }
    if problems.is_empty() { Ok(images) } else { Err(problems) }
}

fn row(id: &str, image: &Reference, audited: Audited) -> Row {
    let Audited { platform, digest, state } = audited;
    let (state, why) = match state {
        State::Signed => (Word::Signed, None),
        State::OtherKey => (Word::OtherKey, None),
        State::Unsigned => (Word::Unsigned, None),
        State::NotThere => (Word::NotThere, None),
        State::Unknown(problem) => (Word::Unknown, Some(problem.to_string())),
    };
    Row { id: id.to_owned(), platform, reference: image.to_string(), digest, state, why }
}

/// Totals, and one line per image.
fn text(rows: &[Row]) -> String {
    let count = |word| rows.iter().filter(|row| row.state == word).count();
    let totals: Vec<String> = [Word::Signed, Word::OtherKey, Word::Unsigned, Word::NotThere, Word::Unknown]
        .into_iter()
        .filter(|word| count(*word) > 0)
        .map(|word| format!("{} {}", word.text(), count(word)))
        .collect();
    let mut text = if rows.is_empty() { "nothing to verify\n".to_owned() } else { totals.join(", ") + "\n" };
    let name = |row: &Row| match &row.platform {
        Some(platform) => format!("{} {platform}", row.id),
        None => row.id.clone(),
    };
    let width = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or_default();
    for row in rows {
        let digest = row.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        let why = row.why.as_ref().map(|why| format!("  ({why})")).unwrap_or_default();
        let _ = writeln!(text, "  {:<9}  {:<width$}  {}{digest}{why}", row.state.text(), name(row), row.reference);
    }
    text
}
