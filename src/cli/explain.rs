//! `kitmake explain`: what a node is made from, and what differs from the image that exists.

use std::collections::BTreeMap;

use clap::Args;
use tokio::runtime::Runtime;

use super::options::{Place, PlanningArgs};
use super::output::{self, Format, Output};
use super::plan::prepare;
use super::{Ended, exit};
use crate::explain::{Document, Subject, explain, text};
use crate::image::Platform;
use crate::pipeline::Surveyed;
use crate::plan::Platforms;
use crate::problem::{Class, Fault, Problem};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(mut_arg("selectors", |selectors| selectors.help("What to explain; needed; `kitmake --help` says what a selector is")), after_help = "Examples:
  kitmake explain pkg/init
  kitmake explain pkg/init@linux/arm64 pkg/runc@arm64 --format json

A SELECTOR may end in @PLATFORM or @ARCHITECTURE. With a tag that no place has, the former tags of the package are looked
for along the first parents of HEAD, and the files that changed since the newest one that is there are listed.")]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    planning: PlanningArgs,
    /// The form of the explanation
    #[arg(help_heading = "Options", long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// What is wrong with what is asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ExplainError {
    #[error("nothing to explain is named")]
    #[diagnostic(code(explain::nothing), help("name packages, such as `kitmake explain pkg/init`"))]
    Nothing,
    #[error("`{platform}` in `{selector}` is no platform")]
    #[diagnostic(
        code(explain::no_platform),
        help("behind `@` stands a platform such as `linux/arm64`, or an architecture such as `arm64`")
    )]
    NoPlatform { selector: String, platform: String },
    #[error("`!…@{platform}` leaves something out where nothing is asked for")]
    #[diagnostic(
        code(explain::only_left_out),
        help(
            "name packages with `@{platform}`, too, or leave it away: without it, something is left out on all platforms"
        )
    )]
    OnlyLeftOut { platform: String },
}

impl Fault for ExplainError {
    fn class(&self) -> Class {
        Class::Usage
    }
}

pub(super) fn run(place: &Place, output: &Output, args: &ExplainArgs, runtime: &Runtime) -> Ended {
    if args.planning.selectors.is_empty() {
        return Err(vec![ExplainError::Nothing.into()]);
    }
    // Each platform that is named is a plan of its own, since it is wanted of those packages only.
    let (root, _) = place.root().map_err(|problem| vec![problem])?;
    let mut asked: BTreeMap<Option<Platform>, Vec<String>> = BTreeMap::new();
    let mut left_out: Vec<String> = Vec::new();
    for selector in &args.planning.selectors {
        let (name, platform) = split(selector);
        if platform.is_none()
            && let Some(suffix) = no_platform(name)
            && !root.join(name).exists()
        {
            let (selector, platform) = (selector.clone(), suffix.to_owned());
            return Err(vec![ExplainError::NoPlatform { selector, platform }.into()]);
        }
        if platform.is_none() && name.starts_with('!') {
            left_out.push(name.to_owned());
        } else {
            asked.entry(platform).or_default().push(name.to_owned());
        }
    }
    for (platform, selectors) in &asked {
        if let Some(platform) = platform
            && selectors.iter().all(|selector| selector.starts_with('!'))
        {
            return Err(vec![ExplainError::OnlyLeftOut { platform: platform.to_string() }.into()]);
        }
    }
    if asked.is_empty() {
        asked.insert(None, Vec::new());
    }
    // What is left out is left out wherever it stands, and so on each platform.
    for selectors in asked.values_mut() {
        selectors.extend_from_slice(&left_out);
    }
    let mut problems: Vec<Problem> = Vec::new();
    let (mut texts, mut prepared_plans) = (Vec::new(), Vec::new());
    for (platform, selectors) in asked {
        let mut planning = args.planning.clone();
        planning.selectors = selectors;
        planning.platforms = platform.map(|platform| Platforms::These(vec![platform])).or(planning.platforms);
        let settings = planning.settings(place, false).map_err(|problem| vec![problem])?;
        prepared_plans.push((prepare(&settings, output, runtime)?, settings.offline));
    }
    let mut document = Document { schema_version: 1, nodes: Vec::new() };
    for (prepared, offline) in &prepared_plans {
        let client = (!offline).then_some(&prepared.means.client);
        let dependents = prepared.surveyed.graph.dependents();
        for node in prepared.plan.nodes.iter().filter(|node| node.selected) {
            let registry = prepared.registry.as_deref();
            let Surveyed { workspace, tags, graph, .. } = &prepared.surveyed;
            let subject = Subject { workspace, tags, graph, plan: &prepared.plan };
            let explained = explain(subject, node, &dependents, registry, client, runtime);
            document.nodes.push(explained.map_err(|problem| vec![problem])?);
        }
        problems.extend(prepared.plan.problems.iter().cloned());
    }
    match args.format {
        Format::Text => texts.extend(document.nodes.iter().map(text)),
        Format::Json => texts.push(output::json(&document)),
    }
    output.data(&texts.join("\n"))?;
    if problems.is_empty() { Ok(exit::DONE) } else { Err(problems) }
}

/// A selector and the platform behind its last `@`, if it is one; the digest of an image is none.
fn split(selector: &str) -> (&str, Option<Platform>) {
    let Some((package, platform)) = selector.rsplit_once('@').filter(|(package, _)| !package.is_empty()) else {
        return (selector, None);
    };
    let architecture = Platform::ARCHITECTURES.contains(&platform).then(|| Platform::linux(platform));
    match platform.parse().ok().or(architecture) {
        Some(platform) => (package, Some(platform)),
        None => (selector, None),
    }
}

/// What stands behind the last `@` of a plain name and was meant as a platform: neither a digest nor part of a revision or glob.
fn no_platform(selector: &str) -> Option<&str> {
    let (_, suffix) = selector.rsplit_once('@').filter(|(package, _)| !package.is_empty())?;
    (!suffix.contains(':') && !selector.contains(['[', '*', '{', '?'])).then_some(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_may_end_in_a_platform() {
        let arm64 = Some(Platform::linux("arm64"));
        for (selector, expected) in [
            ("pkg/init", ("pkg/init", None)),
            ("pkg/init@linux/arm64", ("pkg/init", arm64.clone())),
            ("pkg/init@arm64", ("pkg/init", arm64)),
            ("pkg/a@b", ("pkg/a@b", None)),
            ("@arm64", ("@arm64", None)),
            ("org/a@sha256:00", ("org/a@sha256:00", None)),
        ] {
            assert_eq!(split(selector), expected);
        }
    }
}
