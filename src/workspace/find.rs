//! Finds the packages below a root and reads them, in parallel.
//!
//! A package is a directory with a `build.yml`, or one that kitmake.yml lists. Hidden directories are never scanned,
//! symbolic links to directories are never followed, and only git's ignore rules hide a directory, never one with a
//! `build.yml` that git tracks: one `git ls-files` for the whole root says which those are. Without git, or outside a
//! repository, the walk alone decides. What cannot be read becomes a package with a problem, so that only a plan that
//! needs it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::build_yml::{self, BuildYml, Located, Parsed, Reading};
use super::disk::Disk;
use super::error::Error;
use super::files::{Broken, Files};
use super::{
    ArgFile, BUILD_YML, Dockerfile, KitmakeYml, Overrides, Package, Workspace, child, join, kitmake_yml, lexical,
    reason,
};
use crate::excludes::Excludes;
use crate::problem::{Problem, SourceFile, span};

/// What a Dockerfile that is made from a template has after its name before it is made.
const TEMPLATE_SUFFIXES: [&str; 6] = [".in", ".tmpl", ".template", ".tpl", ".j2", ".m4"];

/// What git calls the directory of a repository in its work tree.
const GIT_DIRECTORY: &str = ".git";

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
/// nearest with a `.git`. A bare repository is one of its own, wherever it lies.
#[must_use]
pub fn find_root(start: &Path) -> Option<PathBuf> {
    let start = absolute(start);
    let nearest = |name: &str| start.ancestors().find(|directory| directory.join(name).exists());
    let bare = start.ancestors().find(|directory| is_bare(directory));
    bare.or_else(|| nearest(kitmake_yml::FILE_NAME)).or_else(|| nearest(GIT_DIRECTORY)).map(Path::to_owned)
}

/// Whether a directory is a repository without a work tree, by the rule of git; `.git` itself has one.
fn is_bare(directory: &Path) -> bool {
    let is_within = directory.components().any(|part| part.as_os_str() == GIT_DIRECTORY);
    !is_within
        && directory.join("HEAD").is_file()
        && ["objects", "refs"].iter().all(|name| directory.join(name).is_dir())
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
    read_from(Arc::new(Disk), root, options)
}

/// Reads every package below the absolute path `root` from `files`.
pub fn read_from(files: Arc<dyn Files>, root: PathBuf, options: &Options) -> Result<Workspace, Problem> {
    let config = kitmake_yml::read(&*files, &root)?;
    let choices = config.choices(options.profile.as_deref())?;
    let Candidates { ymls, broken } = candidates(&*files, &root, &config, &choices, options.build_yml.as_deref());
    let mut packages: Vec<Package> = (ymls.into_par_iter())
        .map(|(path, yml)| {
            let default = yml == choices.get(path.as_str()).copied().unwrap_or(BUILD_YML);
            Package { default, ..package_from(&*files, &root, &path, &yml, &config, options.strict) }
        })
        .collect();
    packages.extend(
        broken.into_iter().map(|(path, problem)| Package { problems: vec![problem], ..Package::new(&path, BUILD_YML) }),
    );
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Workspace { root, packages, config, rewritten: BTreeMap::new(), files })
}

/// The kitmake.yml of a root; its defaults if there is none.
pub fn config(root: &Path) -> Result<KitmakeYml, Problem> {
    kitmake_yml::read(&Disk, root)
}

/// Reads one package, wherever it lies and however hidden: the directory `path` relative to `root`, and in it `yml`, or
/// what `config` declares in its place.
#[must_use]
pub fn package(root: &Path, path: &str, yml: &str, config: &KitmakeYml, strict: bool) -> Package {
    package_from(&Disk, root, path, yml, config, strict)
}

fn package_from(files: &dyn Files, root: &Path, path: &str, yml: &str, config: &KitmakeYml, strict: bool) -> Package {
    let directory = join(root, path);
    let yml_path = child(path, yml);
    let mut package = Package { overrides: config.overrides(path, yml), ..Package::new(path, yml) };
    match files.read(&directory.join(yml)) {
        Ok(text) => {
            let source = SourceFile::new(yml_path, text);
            let read = |file: &str| files.read(&directory.join(file)).map_err(|error| io::Error::other(reason(&error)));
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
    match dockerfile(files, root, path, build, &package.overrides, config) {
        Ok(dockerfile) => package.dockerfile = Some(dockerfile),
        Err(problem) => {
            package.dockerfile_problem = Some(problem);
            package.template = template(files, root, &child(path, &build.dockerfile.value));
        }
    }
    match package.overrides.build_arg_file.as_ref().map(|file| build_args(files, root, path, file, config)) {
        None => {}
        Some(Ok(args)) => package.build_args.push(args),
        Some(Err(problem)) => {
            (package.dockerfile_problem, package.template) = (Some(problem), None);
        }
    }
    package
}

/// The build args that kitmake.yml names for the package in the directory `path`.
fn build_args(
    files: &dyn Files,
    root: &Path,
    path: &str,
    file: &Located<String>,
    config: &KitmakeYml,
) -> Result<ArgFile, Problem> {
    let relative = child(path, &file.value);
    match files.read(&root.join(&relative)) {
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

/// What the missing Dockerfile at `relative` is made from, relative to the root.
fn template(files: &dyn Files, root: &Path, relative: &str) -> Option<String> {
    let templates = TEMPLATE_SUFFIXES.iter().map(|suffix| format!("{relative}{suffix}"));
    templates.into_iter().find(|template| files.is_file(&root.join(template)))
}

fn dockerfile(
    files: &dyn Files,
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
    match files.read(&root.join(&relative)) {
        Ok(text) => Dockerfile::parse(SourceFile::new(relative, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let template = template(files, root, &relative);
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

/// What is to be read.
#[derive(Default)]
struct Candidates {
    /// Directory and yml, relative to the root and to the directory.
    ymls: BTreeSet<(String, String)>,
    broken: Vec<Broken>,
}

fn candidates(
    files: &dyn Files,
    root: &Path,
    config: &KitmakeYml,
    choices: &BTreeMap<&str, &str>,
    wanted: Option<&str>,
) -> Candidates {
    let names: Vec<&str> = std::iter::once(BUILD_YML).chain(wanted.filter(|yml| *yml != BUILD_YML)).collect();
    let names = &names[..];
    let Candidates { mut ymls, mut broken } = Candidates::default();
    for found in files.find(root, names) {
        match found {
            Ok(path) => ymls.extend(in_directory(files, root, &path, names)),
            Err(found) => broken.push(found),
        }
    }
    for (path, entry) in config.packages.iter().filter(|(path, _)| !path.contains(':')) {
        ymls.extend(in_directory(files, root, path, names));
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
fn in_directory(files: &dyn Files, root: &Path, path: &str, names: &[&str]) -> Vec<(String, String)> {
    let directory = join(root, path);
    let there = names.iter().filter(|name| files.is_file(&directory.join(name)));
    there.map(|name| (path.to_owned(), (*name).to_owned())).collect()
}

/// The absolute path, symbolic links kept unless `..` must be resolved.
fn absolute(path: &Path) -> PathBuf {
    let resolve = path.components().any(|part| part == std::path::Component::ParentDir);
    let resolved = if resolve { std::fs::canonicalize(path) } else { std::path::absolute(path) };
    resolved.unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
