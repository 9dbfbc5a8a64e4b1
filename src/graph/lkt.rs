//! Build args of a build yml, with their `@lkt:` values resolved.
//!
//! `K=@lkt:pkg:PATH` becomes `K=` and the image of the package in that directory, `K%=@lkt:pkgs:GLOB` becomes one entry
//! for each directory that the glob names. Both mean the `build.yml` of the directory, or the yml that kitmake.yml chooses
//! in its place, and the image as the repository alone defines it: nothing on the command line changes them. Paths are
//! absolute or relative to the directory of the file that holds the entry, which is a build yml or a file of build args.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::git::Tags;
use crate::problem::{Class, Fault, Problem, SourceFile, span};
use crate::workspace::build_yml::Located;
use crate::workspace::{BuildYml, Package, PackageId, Workspace};

use super::directories::Directories;
use super::glob::{BadPattern, glob};
use super::paths;

/// What stands before the values that name packages.
const PREFIX: &str = "@lkt:";

/// The code of a value of which nobody knows the packages that it names.
pub(super) const UNKNOWN: &str = "graph::lkt";

/// The build args of a package.
#[derive(Debug, Default)]
pub(super) struct BuildArgs {
    /// Each key once, where it first stands, with its last value.
    pub(super) values: IndexMap<String, String>,
    /// The values that name packages, in the order of the file.
    pub(super) packages: Vec<PackageValue>,
}

/// A value that is the image of a package.
#[derive(Debug)]
pub(super) struct PackageValue {
    pub(super) package: PackageId,
    pub(super) image: String,
    /// The file of the entry, relative to the root.
    pub(super) file: String,
    /// The line of the entry, counted from 1.
    pub(super) line: u32,
}

/// What is wrong with an entry of `buildArgs`.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum BuildArgFault {
    #[error("the build arg `{entry}` has no value")]
    #[diagnostic(code(graph::build_arg), help("write it as `KEY=VALUE`; the environment is never looked at"))]
    NoValue {
        entry: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("no `=`")]
        at: SourceSpan,
    },
    #[error("`{value}` is not a value that names packages")]
    #[diagnostic(code(graph::lkt), help("write `KEY=@lkt:pkg:DIRECTORY` or `KEY_%=@lkt:pkgs:GLOB`"))]
    UnknownValue {
        value: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("neither `@lkt:pkg:` nor `@lkt:pkgs:`")]
        at: SourceSpan,
    },
    #[error("the key `{key}` of a value that names several packages has no `%`")]
    #[diagnostic(
        code(graph::lkt),
        help(
            "write `{key}_%=@lkt:pkgs:…`: each `%` becomes the org and image of one package, such as `LINUXKIT_INIT`"
        )
    )]
    NoPlaceholder {
        key: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("one key for many values")]
        at: SourceSpan,
    },
    #[error("the glob `{pattern}` is malformed")]
    #[diagnostic(
        code(graph::lkt),
        help("close each `[`, put at least one character into it, and write a character after each `\\`")
    )]
    BadGlob {
        pattern: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("not a glob")]
        at: SourceSpan,
    },
    #[error("the glob `{pattern}` names no directory")]
    #[diagnostic(
        code(graph::lkt),
        help("the glob is relative to `{directory}`; `*` stays within one folder and braces are plain characters")
    )]
    NoMatch {
        pattern: String,
        directory: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("no match")]
        at: SourceSpan,
    },
    #[error("`{directory}` lies outside the root of the workspace")]
    #[diagnostic(
        code(graph::lkt),
        help("only packages below the root can be named; choose a root further up with `-C`")
    )]
    Outside {
        directory: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("leads outside")]
        at: SourceSpan,
    },
    #[error("`{directory}` is not a package: {reason}")]
    #[diagnostic(
        code(graph::lkt),
        help("each directory that the value names needs a readable `build.yml` that git does not ignore")
    )]
    NotAPackage {
        directory: String,
        reason: String,
        #[source_code]
        file: NamedSource<Arc<str>>,
        #[label("names `{directory}`")]
        at: SourceSpan,
    },
}

impl Fault for BuildArgFault {
    fn class(&self) -> Class {
        Class::Repository
    }
}

/// Resolves the build args of a package, those of its files after those of its yml; an entry with a problem is left out.
pub(super) fn resolve(
    workspace: &Workspace,
    tags: &Tags,
    directories: &Directories<'_>,
    package: &Package,
    build: &BuildYml,
) -> (BuildArgs, Vec<Problem>) {
    let files = package.build_args.iter().flat_map(|args| args.entries.iter().map(|entry| (&args.source, entry)));
    let entries = build.build_args.iter().map(|entry| (&build.source, entry)).chain(files);
    let mut args = BuildArgs::default();
    let mut problems = Vec::new();
    for (file, entry) in entries {
        let resolver = Resolver { workspace, tags, directories, folder: paths::parent(&file.path), file };
        match resolver.entry(entry) {
            Ok(values) => {
                for (key, value, package) in values {
                    if let Some(package) = package {
                        let (image, file) = (value.clone(), file.path.clone());
                        args.packages.push(PackageValue { package, image, file, line: entry.line });
                    }
                    args.values.insert(key, value);
                }
            }
            Err(faults) => problems.extend(faults),
        }
    }
    (args, problems)
}

/// Key, value, and the package if the value is its image.
type Resolved = (String, String, Option<PackageId>);

struct Resolver<'a> {
    workspace: &'a Workspace,
    tags: &'a Tags,
    directories: &'a Directories<'a>,
    /// The directory of the file with the entry, relative to the root.
    folder: &'a str,
    file: &'a SourceFile,
}

impl Resolver<'_> {
    fn entry(&self, entry: &Located<String>) -> Result<Vec<Resolved>, Vec<Problem>> {
        let (file, at) = (self.file.named(), span(&entry.span));
        let Some((key, value)) = entry.value.split_once('=') else {
            return Err(vec![BuildArgFault::NoValue { entry: entry.value.clone(), file, at }.into()]);
        };
        let Some(named) = value.strip_prefix(PREFIX) else {
            return Ok(vec![(key.to_owned(), value.to_owned(), None)]);
        };
        if let Some(path) = named.strip_prefix("pkg:") {
            let directory = self.base().join(path);
            let (id, image) = self.package(&directory, &entry.span).map_err(|fault| vec![fault])?;
            Ok(vec![(key.to_owned(), image, Some(id))])
        } else if let Some(pattern) = named.strip_prefix("pkgs:") {
            self.packages(key, pattern, &entry.span)
        } else {
            Err(vec![BuildArgFault::UnknownValue { value: value.to_owned(), file, at }.into()])
        }
    }

    fn packages(&self, key: &str, pattern: &str, at: &Range<usize>) -> Result<Vec<Resolved>, Vec<Problem>> {
        let file = self.file.named();
        if !key.contains('%') {
            return Err(vec![BuildArgFault::NoPlaceholder { key: key.to_owned(), file, at: span(at) }.into()]);
        }
        let found = glob(&*self.workspace.files, &self.base(), pattern).map_err(|BadPattern| {
            vec![BuildArgFault::BadGlob { pattern: pattern.to_owned(), file: self.file.named(), at: span(at) }.into()]
        })?;
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let directories: Vec<PathBuf> =
            found.into_iter().filter(|path| self.workspace.files.is_dir(path) && !hidden(path)).collect();
        if directories.is_empty() {
            let directory = self.folder.to_owned();
            return Err(vec![
                BuildArgFault::NoMatch { pattern: pattern.to_owned(), directory, file, at: span(at) }.into(),
            ]);
        }
        let mut resolved = Vec::new();
        let mut faults = Vec::new();
        for directory in directories {
            match self.package(&directory, at) {
                Ok((id, image)) => resolved.push((key.replace('%', &self.placeholder(id)), image, Some(id))),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(resolved) } else { Err(faults) }
    }

    /// The package in an absolute directory, and its image.
    fn package(&self, directory: &Path, at: &Range<usize>) -> Result<(PackageId, String), Problem> {
        let (file, at) = (self.file.named(), span(at));
        let Some(path) = paths::below(&*self.workspace.files, &self.workspace.root, directory) else {
            let directory = paths::relative(&*self.workspace.files, &self.workspace.root, directory);
            return Err(BuildArgFault::Outside { directory, file, at }.into());
        };
        let Some(id) = self.directories.default(&path) else {
            let reason = if !self.workspace.files.is_dir(directory) {
                "there is no such directory"
            } else if self.directories.contains(&path) {
                "its packages have build ymls of other names"
            } else {
                "no `build.yml` was found in it"
            };
            return Err(BuildArgFault::NotAPackage { directory: path, reason: reason.to_owned(), file, at }.into());
        };
        match self.tags.packages.get(id.index()) {
            Some(Some(Ok(tag))) => Ok((id, tag.identity.to_string())),
            Some(Some(Err(problem))) => {
                let reason = format!("it has no tag, {problem}");
                Err(BuildArgFault::NotAPackage { directory: path, reason, file, at }.into())
            }
            _ => {
                let reason = "its `build.yml` cannot be read".to_owned();
                Err(BuildArgFault::NotAPackage { directory: path, reason, file, at }.into())
            }
        }
    }

    /// What stands for a package in the key of a value that names several.
    fn placeholder(&self, id: PackageId) -> String {
        let name = self.workspace.package(id).build.as_ref().map(|build| format!("{}_{}", build.org, build.image));
        name.unwrap_or_default().to_uppercase().replace(['/', '-'], "_")
    }

    fn base(&self) -> PathBuf {
        if self.folder == "." { self.workspace.root.clone() } else { self.workspace.root.join(self.folder) }
    }
}
