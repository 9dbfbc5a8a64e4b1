//! Finds the packages below a root and reads them, both in parallel.
//!
//! A package is a directory with a `build.yml`, or one that kitmake.yml lists. Hidden directories are never scanned,
//! symbolic links to directories are never followed, and only git's ignore rules hide a directory, never one with a
//! `build.yml` that git tracks: one `git ls-files` for the whole root says which those are. Without git, or outside a
//! repository, the walk alone decides. What cannot be read becomes a package with a problem, so that only a plan that
//! needs it fails.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use ignore::{WalkBuilder, WalkState};
use rayon::prelude::*;

use super::build_yml::{self, BuildYml, Located, Parsed};
use super::error::Error;
use super::{Dockerfile, KitmakeYml, Package, PackageName, Workspace, child, join, kitmake_yml, lexical, reason};
use crate::problem::{Problem, SourceFile, span};
use crate::process::git_command;

const BUILD_YML: &str = "build.yml";
/// What a Dockerfile that is made from a template has after its name before it is made.
const TEMPLATE_SUFFIXES: [&str; 6] = [".in", ".tmpl", ".template", ".tpl", ".j2", ".m4"];

/// How strict to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Unknown keys are errors instead of warnings.
    pub strict: bool,
}

/// Where the workspace around a directory begins: the nearest parent, itself included, with a kitmake.yml; else the
/// nearest with a `.git`; else the directory itself.
#[must_use]
pub fn find_root(start: &Path) -> PathBuf {
    let start = absolute(start);
    let nearest = |name: &str| start.ancestors().find(|directory| directory.join(name).exists()).map(Path::to_owned);
    nearest(kitmake_yml::FILE_NAME).or_else(|| nearest(".git")).unwrap_or_else(|| start.clone())
}

/// Reads every package below `root`, in parallel.
///
/// The only errors are a root that cannot be read and a wrong kitmake.yml; all others belong to a package.
pub fn read(root: &Path, options: Options) -> Result<Workspace, Problem> {
    let written = root.display().to_string();
    let root = absolute(root);
    if let Err(error) = std::fs::read_dir(&root) {
        return Err(Error::NoRoot { path: written, reason: reason(&error) }.into());
    }
    let config = kitmake_yml::read(&root)?;
    let Candidates { ymls, broken } = candidates(&root, &config);
    let mut packages: Vec<Package> =
        ymls.into_par_iter().map(|(path, yml)| package(&root, &path, &yml, options)).collect();
    packages.extend(
        broken.into_iter().map(|(path, problem)| Package { problems: vec![problem], ..empty(&path, BUILD_YML) }),
    );
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Workspace { root, packages, config })
}

/// Reads one package, wherever it lies and however hidden: the directory `path` relative to `root`, and in it `yml`.
#[must_use]
pub fn package(root: &Path, path: &str, yml: &str, options: Options) -> Package {
    let directory = join(root, path);
    let yml_path = child(path, yml);
    let empty = empty(path, yml);
    let text = match std::fs::read_to_string(directory.join(yml)) {
        Ok(text) => text,
        Err(error) => {
            let problem = Error::Unreadable { path: yml_path, reason: reason(&error) }.into();
            return Package { problems: vec![problem], ..empty };
        }
    };
    let source = SourceFile::new(yml_path, text);
    let read =
        |file: &str| std::fs::read_to_string(directory.join(file)).map_err(|error| io::Error::other(reason(&error)));
    let Parsed { build, identity, problems, warnings } = build_yml::parse(&source, path, options.strict, &read);
    let (dockerfile, dockerfile_problem) = match build.as_ref().map(|build| dockerfile(root, path, build)) {
        Some(Ok(dockerfile)) => (Some(dockerfile), None),
        Some(Err(problem)) => (None, Some(problem)),
        None => (None, None),
    };
    let template = match (&build, &dockerfile_problem) {
        (Some(build), Some(_)) => template(root, &child(path, &build.dockerfile.value)),
        _ => None,
    };
    Package { build, identity, dockerfile, problems, dockerfile_problem, template, warnings, ..empty }
}

fn empty(path: &str, yml: &str) -> Package {
    Package {
        name: PackageName::new(path, yml),
        path: path.to_owned(),
        yml: yml.to_owned(),
        build: None,
        identity: None,
        dockerfile: None,
        problems: Vec::new(),
        dockerfile_problem: None,
        template: None,
        warnings: Vec::new(),
    }
}

/// What the missing Dockerfile at `relative` is made from, relative to the root.
fn template(root: &Path, relative: &str) -> Option<String> {
    let templates = TEMPLATE_SUFFIXES.iter().map(|suffix| format!("{relative}{suffix}"));
    templates.into_iter().find(|template| root.join(template).is_file())
}

fn dockerfile(root: &Path, path: &str, build: &BuildYml) -> Result<Dockerfile, Problem> {
    let Located { value, span: place, .. } = &build.dockerfile;
    let (source_code, span) = (build.source.named(), span(place));
    let Some(relative) = lexical(value).filter(|_| !value.contains("..")) else {
        return Err(Error::DockerfileOutsidePackage { dockerfile: value.clone(), source_code, span }.into());
    };
    let relative = child(path, &relative);
    match std::fs::read_to_string(root.join(&relative)) {
        Ok(text) => Dockerfile::parse(SourceFile::new(relative, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let template = template(root, &relative);
            let help = match &template {
                Some(template) => format!("make it from `{template}` first, as this repository's own scripts do"),
                None => "write it, or name another with `dockerfile: PATH`".to_owned(),
            };
            Err(Error::MissingDockerfile { path: relative, template, help, source_code, span }.into())
        }
        Err(error) => {
            Err(Error::UnreadableDockerfile { path: relative, reason: reason(&error), source_code, span }.into())
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

fn candidates(root: &Path, config: &KitmakeYml) -> Candidates {
    let (walked, tracked) = std::thread::scope(|scope| {
        let tracked = scope.spawn(|| tracked(root));
        (walk(root), tracked.join().unwrap_or_default())
    });
    let Candidates { mut ymls, mut broken } = Candidates::default();
    for found in walked {
        match found {
            Ok(path) => drop(ymls.insert((path, BUILD_YML.to_owned()))),
            Err(found) => broken.push(found),
        }
    }
    for path in tracked {
        let yml = (path, BUILD_YML.to_owned());
        if !ymls.contains(&yml) && join(root, &yml.0).join(BUILD_YML).is_file() {
            ymls.insert(yml);
        }
    }
    for (path, listed) in &config.packages {
        if join(root, path).join(BUILD_YML).is_file() {
            ymls.insert((path.clone(), BUILD_YML.to_owned()));
        }
        ymls.extend(listed.iter().map(|yml| (path.clone(), yml.clone())));
    }
    broken.sort_by(|(a, _), (b, _)| a.cmp(b));
    Candidates { ymls, broken }
}

/// The directories with a `build.yml` that git's ignore rules do not hide, in no order.
fn walk(root: &Path) -> Vec<Result<String, Broken>> {
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
                Ok(entry) if entry.path().join(BUILD_YML).is_file() => Some(relative(base, entry.path())),
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

/// The directories outside hidden ones with a `build.yml` that git tracks, on disk or not; none if git has no say.
fn tracked(root: &Path) -> Vec<String> {
    let mut command = git_command(root, ["ls-files", "-z", "--", ":(glob)**/build.yml"]);
    let Ok(output) = command.env_remove("GIT_LITERAL_PATHSPECS").output() else { return Vec::new() };
    if !output.status.success() {
        return Vec::new();
    }
    // The walk has met what is not UTF-8, unless it is also ignored: nobody can mean such a package.
    output
        .stdout
        .split(|&byte| byte == 0)
        .filter_map(|path| std::str::from_utf8(path).ok())
        .filter_map(|path| match path.rsplit_once('/') {
            Some((directory, BUILD_YML)) => Some(directory),
            None if path == BUILD_YML => Some("."),
            _ => None,
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
