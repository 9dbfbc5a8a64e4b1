//! What a Dockerfile refers to for one platform: variables expanded, stages followed from the last one.
//!
//! Some mistakes make `BuildKit` refuse the whole file, others only when the final stage needs what is wrong. They are
//! told apart here, so that a mistake nobody needs does not stop a build. Stricter than `BuildKit` in one point: a variable
//! without a value is not taken for empty in the name of an image, since no pin can be read from that.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::{Expansion, HOLE, Variables, expand, is_literal, literal};
use super::parse::{Parsed, Stage, Token};
use super::variables::variables;
use super::{ImageReference, Mistake, NotBuildable, ReferenceKind, Resolution, Scope};
use crate::image::Platform;
use crate::problem::SourceFile;

/// What a `FROM`, `--from=` or `from=` names.
enum Target {
    /// An earlier stage, by its place.
    Stage(usize),
    /// The empty image.
    Scratch,
    /// An image.
    Image(Expansion),
    /// No image: a stage that does not exist for this platform, for this reason.
    NoStage(String),
    /// An image that cannot be told, for this reason, and whether that fails the build even if nothing needs it.
    Unresolved { expansion: Expansion, reason: String, everywhere: bool },
}

pub(super) fn resolve(source: &SourceFile, parsed: &Parsed, scope: &Scope<'_>) -> Resolution {
    let mut mistakes = Vec::new();
    let mut no_stage = None;
    let variables = variables(source, parsed, scope, &mut mistakes);
    let (bases, uses) = targets(parsed, &variables, scope);
    let reached = reached(&bases, &uses);
    let mut references = Vec::new();
    let runs = runs(parsed, &bases, &reached, &variables, scope);
    for (place, stage) in parsed.stages.iter().enumerate() {
        let reached = reached.contains(&place);
        let platform = stage_platform(stage, parsed.escape, &variables, scope);
        if let (Err(why), Some(token)) = (&platform, &stage.platform) {
            mistakes.push(Mistake { why: why.clone(), span: token.span.clone() });
        }
        let from = (ReferenceKind::From, &stage.image, &bases[place], platform);
        let others = stage.uses.iter().zip(&uses[place]);
        let others = others.map(|((kind, token), target)| (*kind, token, target, Ok(scope.target.clone())));
        for (kind, token, target, platform) in std::iter::once(from).chain(others) {
            let line = source.line(token.span.start);
            let (expansion, expanded) = match target {
                Target::Stage(_) | Target::Scratch => continue,
                Target::NoStage(reason) => {
                    no_stage = no_stage.or_else(|| reached.then(|| reason.clone()));
                    continue;
                }
                Target::Image(expansion) => (expansion, platform.as_ref().map(|_| expansion.text.clone())),
                Target::Unresolved { expansion, reason, everywhere } => {
                    if reached || *everywhere {
                        let why = format!("`{}` on line {line}: {reason}", token.written());
                        mistakes.push(Mistake { why, span: token.span.clone() });
                    }
                    (expansion, Err(reason))
                }
            };
            let variable = token.variable().filter(|_| kind == ReferenceKind::From);
            let origin = variable.and_then(|name| variables.get(name)?.origin.clone());
            references.push(ImageReference {
                kind,
                written: token.written().to_owned(),
                expanded: expanded.map_err(Clone::clone),
                span: token.span.clone(),
                line: origin.as_ref().map_or(line, |origin| source.line(origin.start)),
                origin,
                reached,
                through: expansion.through.iter().cloned().collect(),
                platform: platform.unwrap_or_else(|_| scope.target.clone()),
            });
        }
    }
    let mistake = Mistake::all(mistakes).map(NotBuildable::Mistake);
    Resolution { references, not_buildable: mistake.or(no_stage.map(NotBuildable::NoStage)), runs }
}

/// What the `FROM` of each stage names, and what is used in it. A `FROM` sees the stages before it; elsewhere the last
/// stage of a name counts, which may be too late.
fn targets(parsed: &Parsed, variables: &Variables, scope: &Scope<'_>) -> (Vec<Target>, Vec<Vec<Target>>) {
    let mut names = BTreeMap::new();
    let mut bases = Vec::new();
    for (place, stage) in parsed.stages.iter().enumerate() {
        bases.push(base(stage, parsed.escape, variables, &names, scope));
        if let Some(name) = &stage.name {
            names.insert(name.as_str(), place);
        }
    }
    let in_stage = |(place, stage): (usize, &Stage)| {
        stage.uses.iter().map(|(kind, token)| used(*kind, token, place, parsed, &names)).collect()
    };
    (bases, parsed.stages.iter().enumerate().map(in_stage).collect())
}

/// What the `FROM` of a stage names, given the names of the earlier stages.
fn base(
    stage: &Stage,
    escape: char,
    variables: &Variables,
    names: &BTreeMap<&str, usize>,
    scope: &Scope<'_>,
) -> Target {
    let expansion = match expand(&stage.image.raw, escape, variables) {
        Ok(expansion) => expansion,
        Err(reason) => return Target::Unresolved { expansion: Expansion::default(), reason, everywhere: true },
    };
    if let Some(&place) = names.get(expansion.text.to_lowercase().as_str()) {
        return Target::Stage(place);
    }
    if expansion.text == "scratch" {
        return Target::Scratch;
    }
    let everywhere = expansion.text.is_empty();
    if !expansion.missing.is_empty() {
        let reason = no_value(&expansion.missing);
        return Target::Unresolved { expansion, reason, everywhere };
    }
    if everywhere {
        return Target::Unresolved { expansion, reason: "it expands to nothing".to_owned(), everywhere };
    }
    let siblings = siblings(&expansion.shape, names);
    if !siblings.is_empty() {
        return Target::NoStage(format!(
            "no stage `{}` for {} (stages for {} exist)",
            expansion.text,
            scope.target,
            siblings.join(", ")
        ));
    }
    Target::Image(expansion)
}

fn no_value(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("no value for {}", names.join(", "))
}

/// Which stages have the name that `shape` would give for other platforms: what stands for the platform where the shape
/// has one hole, the whole names where it has more. A shape that is only a hole means names of architectures.
fn siblings(shape: &str, names: &BTreeMap<&str, usize>) -> Vec<String> {
    let shape = shape.to_lowercase();
    let Some((first, rest)) = shape.split_once(HOLE) else { return Vec::new() };
    let (middle, last) = rest.rsplit_once(HOLE).map_or((None, rest), |(middle, last)| (Some(middle), last));
    let in_hole = |name: &str| {
        let inner = name.strip_prefix(first)?.strip_suffix(last)?;
        let mut unread = inner;
        for part in middle.into_iter().flat_map(|middle| middle.split(HOLE)) {
            unread = unread.split_once(part)?.1;
        }
        Some(inner.to_owned())
    };
    let fitting = names.keys().filter_map(|&name| Some((name, in_hole(name)?)));
    if middle.is_some_and(|middle| !middle.is_empty()) {
        return fitting.map(|(name, _)| format!("`{name}`")).collect();
    }
    let found: Vec<String> = fitting.map(|(_, inner)| inner).collect();
    let is_architecture = |name: &&String| Platform::ARCHITECTURES.contains(&name.as_str());
    let architectures: Vec<String> = found.iter().filter(is_architecture).cloned().collect();
    let is_only_hole = first.is_empty() && last.is_empty();
    if is_only_hole || !architectures.is_empty() { architectures } else { found }
}

/// What a `--from=` or `from=` in the stage at `place` names: a stage by name, for `COPY` also by number, else an image.
fn used(kind: ReferenceKind, token: &Token, place: usize, parsed: &Parsed, names: &BTreeMap<&str, usize>) -> Target {
    let unresolved = |reason: &str, everywhere| Target::Unresolved {
        expansion: literal(&token.raw),
        reason: reason.to_owned(),
        everywhere,
    };
    if !is_literal(&token.raw, parsed.escape) {
        let advice = "variables and quotes are not expanded here: name a stage that is `FROM` the image";
        return unresolved(advice, true);
    }
    let number = if kind == ReferenceKind::CopyFrom { token.raw.parse::<usize>().ok() } else { None };
    let stage = number.or_else(|| names.get(token.raw.to_lowercase().as_str()).copied());
    match stage {
        Some(stage) if stage < place => Target::Stage(stage),
        Some(stage) if stage < parsed.stages.len() => unresolved("the stage ends only after this instruction", false),
        Some(_) => unresolved("there is no stage of this number", true),
        None if token.raw == "scratch" => Target::Scratch,
        None => Target::Image(literal(&token.raw)),
    }
}

/// The stages that the last one needs, itself included.
fn reached(bases: &[Target], uses: &[Vec<Target>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<usize> = bases.len().checked_sub(1).into_iter().collect();
    while let Some(place) = open.pop() {
        if reached.insert(place) {
            let targets = uses[place].iter().chain([&bases[place]]);
            open.extend(
                targets.filter_map(|target| if let Target::Stage(stage) = target { Some(*stage) } else { None }),
            );
        }
    }
    reached
}

/// The platforms on which the stages that are needed run something. A stage has the platform of the image that it goes back
/// to, whatever its own `FROM` says.
fn runs(
    parsed: &Parsed,
    bases: &[Target],
    reached: &BTreeSet<usize>,
    variables: &Variables,
    scope: &Scope<'_>,
) -> BTreeSet<Platform> {
    let mut platforms: Vec<Option<Platform>> = Vec::with_capacity(bases.len());
    for (stage, base) in parsed.stages.iter().zip(bases) {
        platforms.push(match base {
            // A stage can only be from an earlier one.
            Target::Stage(earlier) => platforms.get(*earlier).cloned().flatten(),
            Target::Image(_) => stage_platform(stage, parsed.escape, variables, scope).ok(),
            Target::Scratch | Target::NoStage(_) | Target::Unresolved { .. } => None,
        });
    }
    let running = reached.iter().filter(|&&place| parsed.stages[place].runs);
    running.filter_map(|&place| platforms[place].clone()).collect()
}

/// The platform of the image a stage is from, or why it cannot be told.
fn stage_platform(stage: &Stage, escape: char, variables: &Variables, scope: &Scope<'_>) -> Result<Platform, String> {
    let Some(token) = &stage.platform else { return Ok(scope.target.clone()) };
    let describe = |reason: &str| format!("`--platform={}`: {reason}", token.written());
    let expansion = expand(&token.raw, escape, variables).map_err(|reason| describe(&reason))?;
    if !expansion.missing.is_empty() {
        return Err(describe(&no_value(&expansion.missing)));
    }
    let text = expansion.text;
    if let Some(known) = [scope.target, scope.build].into_iter().find(|known| known.to_string() == text) {
        return Ok(known.clone());
    }
    let found = if text == "linux" { Some(scope.build.clone()) } else { platform(&text) };
    found.ok_or_else(|| describe(&format!("`{text}` is not a platform such as linux/arm64")))
}

/// A platform as containerd reads it: a bare architecture is one of Linux, and other names of an architecture are
/// replaced by the usual one.
fn platform(text: &str) -> Option<Platform> {
    let text = text.to_lowercase();
    let is_bare = !text.contains('/');
    let platform: Platform = if is_bare { format!("linux/{text}").parse().ok()? } else { text.parse().ok()? };
    let (architecture, variant) = match (platform.architecture(), platform.variant()) {
        ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
        ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
        ("i386", _) => ("386", None),
        ("armhf", _) => ("arm", Some("v7")),
        ("armel", _) => ("arm", Some("v6")),
        other => other,
    };
    if is_bare && !Platform::ARCHITECTURES.contains(&architecture) {
        return None;
    }
    let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{}/{architecture}{variant}", platform.os()).parse().ok()
}
