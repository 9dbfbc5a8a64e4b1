//! Finds the packages below a root and reads them, both in parallel.
//!
//! A package is a directory with a `build.yml`, or one that kitmake.yml lists. Hidden directories are never scanned,
//! symbolic links to directories are never followed, and only git's ignore rules hide a directory, never one with a
//! `build.yml` that git tracks: one `git ls-files` for the whole root says which those are. Without git, or outside a
//! repository, the walk alone decides. What cannot be read becomes a package with a problem, so that only a plan that
//! needs it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use ignore::{WalkBuilder, WalkState};
use rayon::prelude::*;

use super::build_yml::{self, BuildYml, Located, Parsed, Reading};
use super::error::Error;
use super::{
    ArgFile, BUILD_YML, Dockerfile, KitmakeYml, Overrides, Package, Workspace, child, join, kitmake_yml, lexical,
    reason,
};
use crate::excludes::Excludes;
use crate::problem::{Problem, SourceFile, span};
use crate::process::git_command;

/// What a Dockerfile that is made from a template has after its name before it is made.
const TEMPLATE_SUFFIXES: [&str; 6] = [".in", ".tmpl", ".template", ".tpl", ".j2", ".m4"];

/// What is read, and how strictly.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Unknown keys are errors instead of warnings.
    pub strict: bool,
    /// The profile of kitmake.yml that chooses the build yml of directories.
    pub profile: Option<String>,
    /// A build yml, relative to the directory of each package: wherever there is a file of this name, it makes a package
    /// as well.
    pub build_yml: Option<String>,
}

impl Options {
    /// These options; the path of the build yml is cleaned.
    #[must_use]
    pub fn new(strict: bool, profile: Option<String>, build_yml: Option<&str>) -> Self {
        let build_yml = build_yml.map(|yml| lexical(yml).unwrap_or_else(|| yml.to_owned()));
        Self { strict, profile, build_yml }
    }
}

/// Where the workspace around a directory begins: the nearest parent, itself included, with a kitmake.yml; else the
/// nearest with a `.git`.
#[must_use]
pub fn find_root(start: &Path) -> Option<PathBuf> {
    let start = absolute(start);
    let nearest = |name: &str| start.ancestors().find(|directory| directory.join(name).exists()).map(Path::to_owned);
    nearest(kitmake_yml::FILE_NAME).or_else(|| nearest(".git"))
}

/// Reads every package below `root`, in parallel.
///
/// The only errors are a root that cannot be read, a wrong kitmake.yml and an unknown profile; all others belong to a
/// package.
pub fn read(root: &Path, options: &Options) -> Result<Workspace, Problem> {
    let written = root.display().to_string();
    let root = absolute(root);
    if let Err(error) = std::fs::read_dir(&root) {
        return Err(Error::NoRoot { path: written, reason: reason(&error) }.into());
    }
    let config = kitmake_yml::read(&root)?;
    let choices = config.choices(options.profile.as_deref())?;
    let Candidates { ymls, broken } = candidates(&root, &config, &choices, options.build_yml.as_deref());
    let mut packages: Vec<Package> = (ymls.into_par_iter())
        .map(|(path, yml)| {
            let default = yml == choices.get(path.as_str()).copied().unwrap_or(BUILD_YML);
            Package { default, ..package(&root, &path, &yml, &config, options.strict) }
        })
        .collect();
    packages.extend(
        broken.into_iter().map(|(path, problem)| Package { problems: vec![problem], ..Package::new(&path, BUILD_YML) }),
    );
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Workspace { root, packages, config, rewritten: BTreeMap::new() })
}

/// The kitmake.yml of a root; its defaults if there is none.
pub fn config(root: &Path) -> Result<KitmakeYml, Problem> {
    kitmake_yml::read(root)
}

/// Reads one package, wherever it lies and however hidden: the directory `path` relative to `root`, and in it `yml`, or
/// what `config` declares in its place.
#[must_use]
pub fn package(root: &Path, path: &str, yml: &str, config: &KitmakeYml, strict: bool) -> Package {
    let directory = join(root, path);
    let yml_path = child(path, yml);
    let mut package = Package { overrides: config.overrides(path, yml), ..Package::new(path, yml) };
    match read_text(&directory.join(yml)) {
        Ok(text) => {
            let source = SourceFile::new(yml_path, text);
            let read = |file: &str| read_text(&directory.join(file)).map_err(|error| io::Error::other(reason(&error)));
            let reading = Reading { strict, org: config.org.as_deref() };
            let Parsed { build, identity, problems, warnings } = build_yml::parse(&source, path, reading, &read);
            (package.build, package.identity) = (build, identity);
            (package.problems, package.warnings) = (problems, warnings);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && yml == BUILD_YML => match config.declared(path) {
            Some(declared) => {
                package.identity = declared.identity();
                package.build = Some(declared.clone());
            }
            None => package.problems = vec![Error::Unreadable { path: yml_path, reason: reason(&error) }.into()],
        },
        Err(error) => package.problems = vec![Error::Unreadable { path: yml_path, reason: reason(&error) }.into()],
    }
    let Some(build) = &package.build else { return package };
    match dockerfile(root, path, build, &package.overrides, config) {
        Ok(dockerfile) => package.dockerfile = Some(dockerfile),
        Err(problem) => {
            package.dockerfile_problem = Some(problem);
            package.template = template(root, &child(path, &build.dockerfile.value));
        }
    }
    match package.overrides.build_arg_file.as_ref().map(|file| build_args(root, path, file, config)) {
        None => {}
        Some(Ok(args)) => package.build_args.push(args),
        Some(Err(problem)) => {
            (package.dockerfile_problem, package.template) = (Some(problem), None);
        }
    }
    package
}

/// The build args that kitmake.yml names for the package in the directory `path`.
fn build_args(root: &Path, path: &str, file: &Located<String>, config: &KitmakeYml) -> Result<ArgFile, Problem> {
    let relative = child(path, &file.value);
    match read_text(&root.join(&relative)) {
        Ok(text) => Ok(ArgFile::parse(SourceFile::new(relative, text))),
        Err(error) => Err(Error::UnreadableBuildArgs {
            path: relative,
            reason: reason(&error),
            help: "make it a file of `KEY=VALUE` lines, or name another; it is relative to the package directory"
                .to_owned(),
            source_code: Some(config.source.named()),
            span: Some(span(&file.span)),
        }
        .into()),
    }
}

/// The text of a file; a pipe or device, which could be waited for without end, is none.
fn read_text(path: &Path) -> io::Result<String> {
    if path.metadata()?.is_file() { std::fs::read_to_string(path) } else { Err(io::Error::other("it is no file")) }
}

/// What the missing Dockerfile at `relative` is made from, relative to the root.
fn template(root: &Path, relative: &str) -> Option<String> {
    let templates = TEMPLATE_SUFFIXES.iter().map(|suffix| format!("{relative}{suffix}"));
    templates.into_iter().find(|template| root.join(template).is_file())
}

fn dockerfile(
    root: &Path,
    path: &str,
    build: &BuildYml,
    overrides: &Overrides,
    config: &KitmakeYml,
) -> Result<Dockerfile, Problem> {
    let Located { value, span: place, .. } = &build.dockerfile;
    let (source_code, place) = (build.source.named(), span(place));
    let Some(relative) = lexical(value).filter(|_| !value.contains("..")) else {
        return Err(Error::DockerfileOutsidePackage { dockerfile: value.clone(), source_code, span: place }.into());
    };
    let patterns: Vec<&str> = overrides.exclude.iter().map(|pattern| pattern.value.as_str()).collect();
    if let Some(pattern) = overrides.exclude.last().filter(|_| Excludes::lossy(&patterns).covers(&relative)) {
        let alone = |pattern: &&Located<String>| Excludes::lossy(&[pattern.value.as_str()]).covers(&relative);
        let at = span(&overrides.exclude.iter().find(alone).unwrap_or(pattern).span);
        let message = format!("`exclude` leaves `{relative}` out of the build context, which is the Dockerfile");
        let help = format!("narrow the pattern, or write `!/{relative}` after it");
        return Err(Error::InvalidValue { message, help, source_code: config.source.named(), span: at }.into());
    }
    let relative = child(path, &relative);
    match read_text(&root.join(&relative)) {
        Ok(text) => Dockerfile::parse(SourceFile::new(relative, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let template = template(root, &relative);
            let help = match &template {
                Some(template) => format!("make it from `{template}` first, as this repository's own scripts do"),
                None => "write it, or name another with `dockerfile: PATH`".to_owned(),
            };
            Err(Error::MissingDockerfile { path: relative, template, help, source_code, span: place }.into())
        }
        Err(error) => {
            Err(Error::UnreadableDockerfile { path: relative, reason: reason(&error), source_code, span: place }.into())
        }
    }
}

/// A path relative to the root that could not be looked at, and why.
type Broken = (String, Problem);

/// What is to be read.
#[derive(Default)]
struct Candidates {
    /// Directory and yml, relative to the root and to the directory.
    ymls: BTreeSet<(String, String)>,
    broken: Vec<Broken>,
}

fn candidates(root: &Path, config: &KitmakeYml, choices: &BTreeMap<&str, &str>, wanted: Option<&str>) -> Candidates {
    let names: Vec<&str> = std::iter::once(BUILD_YML).chain(wanted.filter(|yml| *yml != BUILD_YML)).collect();
    let names = &names[..];
    let (walked, tracked) = std::thread::scope(|scope| {
        let tracked = scope.spawn(|| tracked(root, names));
        (walk(root, names), tracked.join().unwrap_or_default())
    });
    let Candidates { mut ymls, mut broken } = Candidates::default();
    for found in walked {
        match found {
            Ok(path) => ymls.extend(in_directory(root, &path, names)),
            Err(found) => broken.push(found),
        }
    }
    for path in tracked {
        // The first of the directory, whatever the name of its yml.
        let next = ymls.range((path.clone(), String::new())..).next();
        if next.is_none_or(|(known, _)| *known != path) {
            ymls.extend(in_directory(root, &path, names));
        }
    }
    for (path, entry) in config.packages.iter().filter(|(path, _)| !path.contains(':')) {
        ymls.extend(in_directory(root, path, names));
        ymls.extend(entry.build_ymls.iter().map(|yml| (path.clone(), yml.clone())));
        if entry.declared.is_some() {
            ymls.insert((path.clone(), BUILD_YML.to_owned()));
        }
    }
    for (path, yml) in choices {
        if wanted != Some(BUILD_YML) {
            ymls.remove(&((*path).to_owned(), BUILD_YML.to_owned()));
        }
        ymls.insert(((*path).to_owned(), (*yml).to_owned()));
    }
    broken.sort_by(|(a, _), (b, _)| a.cmp(b));
    Candidates { ymls, broken }
}

/// Which of `names` are files in the directory `path`.
fn in_directory(root: &Path, path: &str, names: &[&str]) -> Vec<(String, String)> {
    let directory = join(root, path);
    let there = names.iter().filter(|name| directory.join(name).is_file());
    there.map(|name| (path.to_owned(), (*name).to_owned())).collect()
}

/// The directories with one of `names` that git's ignore rules do not hide, in no order.
fn walk(root: &Path, names: &[&str]) -> Vec<Result<String, Broken>> {
    // A root that is a symbolic link is entered; none below it is.
    let base = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut builder = WalkBuilder::new(&base);
    builder.standard_filters(false).parents(true).git_ignore(true).git_exclude(true).git_global(true);
    // Not the walker's own rule for hidden entries: an ignore rule such as `!.x` would override it.
    builder.filter_entry(|entry| {
        let directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        directory && (entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b"."))
    });
    let (sender, found) = mpsc::channel();
    builder.build_parallel().run(|| {
        let (sender, base) = (sender.clone(), &base);
        Box::new(move |entry| {
            let found = match entry {
                Ok(entry) if names.iter().any(|name| entry.path().join(name).is_file()) => {
                    Some(relative(base, entry.path()))
                }
                Ok(_) => None,
                Err(error) => unreadable(base, &error).map(Err),
            };
            if let Some(found) = found {
                sender.send(found).expect("the receiver lives until the walk is over");
            }
            WalkState::Continue
        })
    });
    drop(sender);
    found.into_iter().collect()
}

/// The path below `base` with `/`; the base itself is `.`.
fn relative(base: &Path, path: &Path) -> Result<String, Broken> {
    let path = path.strip_prefix(base).unwrap_or(path);
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    match parts {
        Some(parts) if parts.is_empty() => Ok(".".to_owned()),
        Some(parts) => Ok(parts.join("/")),
        None => {
            let path = path.to_string_lossy().into_owned();
            Err((path.clone(), Error::PathNotUtf8 { path }.into()))
        }
    }
}

/// A directory that could not be read; malformed ignore rules and what vanished meanwhile are passed over, as by git.
fn unreadable(base: &Path, error: &ignore::Error) -> Option<Broken> {
    let mut path = None;
    let mut inner = error;
    loop {
        match inner {
            ignore::Error::WithDepth { err, .. } => inner = err,
            ignore::Error::WithPath { path: at, err } => {
                path = Some(at);
                inner = err;
            }
            ignore::Error::Io(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = relative(base, path?).unwrap_or_else(|(path, _)| path);
                return Some((path.clone(), Error::Unreadable { path, reason: reason(error) }.into()));
            }
            _ => return None,
        }
    }
}

/// The directories outside hidden ones with one of `names` that git tracks, on disk or not; none if git has no say.
fn tracked(root: &Path, names: &[&str]) -> Vec<String> {
    let patterns = names.iter().map(|name| format!(":(glob)**/{}", name.replace(['*', '?', '[', '\\'], "?")));
    let mut command = git_command(root, ["ls-files", "-z", "--"]);
    let Ok(output) = command.args(patterns).env_remove("GIT_LITERAL_PATHSPECS").output() else { return Vec::new() };
    if !output.status.success() {
        return Vec::new();
    }
    // The walk has met what is not UTF-8, unless it is also ignored: nobody can mean such a package.
    output
        .stdout
        .split(|&byte| byte == 0)
        .filter_map(|path| std::str::from_utf8(path).ok())
        .filter_map(|path| {
            names
                .iter()
                .filter_map(|name| path.strip_suffix(name))
                .find_map(|directory| if directory.is_empty() { Some(".") } else { directory.strip_suffix('/') })
        })
        .filter(|directory| *directory == "." || !directory.split('/').any(|part| part.starts_with('.')))
        .map(str::to_owned)
        .collect()
}

/// The absolute path, symbolic links kept unless `..` must be resolved.
fn absolute(path: &Path) -> PathBuf {
    let resolve = path.components().any(|part| part == std::path::Component::ParentDir);
    let resolved = if resolve { std::fs::canonicalize(path) } else { std::path::absolute(path) };
    resolved.unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
