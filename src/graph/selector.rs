//! Selectors: which packages a command is about.
//!
//! A selector is a directory, `directory:yml`, a glob or an image name. A directory selects the package of its build.yml,
//! or of the yml that is chosen in its place (or all its packages when it has neither) and every package below it. In a glob `*` stays within
//! one folder and `**` crosses them. Paths are tried relative to the root first, then relative to the working directory;
//! one that begins with `.` is relative to the working directory only. Image names come last. Packages that cannot be
//! read are selected by path like all others.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use miette::Diagnostic;

use crate::image::Reference;
use crate::problem::{Class, Fault, Problem};
use crate::workspace::{Package, PackageId, PackageName, Workspace};

use super::paths;

/// How alike (0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.6;

/// What is wrong with a selector.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum SelectorFault {
    #[error("no package is selected by {}", quoted(unknown))]
    #[diagnostic(code(selector::unknown))]
    Unknown {
        unknown: Vec<String>,
        #[help]
        help: String,
    },
    #[error("`{text}` is not a glob: {reason}")]
    #[diagnostic(
        code(selector::glob),
        help("`*`, `?`, `**`, `[a-z]` and `{{a,b}}` have a meaning; `\\` takes it away")
    )]
    BadGlob { text: String, reason: String },
    #[error("no package that `{selector}` selects has the build yml `{yml}`")]
    #[diagnostic(code(selector::no_such_yml))]
    NoSuchYml {
        selector: String,
        yml: String,
        #[help]
        help: String,
    },
}

impl Fault for SelectorFault {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// The packages that `selectors` name, sorted; a path, a glob, an image name, or a folder for all below it.
/// `current` is the working directory relative to the root (`.` for the root itself): a selector is tried relative to
/// the root first, then to it.
///
/// # Errors
/// When a selector names nothing, with the nearest name as a suggestion.
pub fn select(workspace: &Workspace, selectors: &[String], current: &str) -> Result<Vec<PackageId>, Problem> {
    let mut selected = Vec::new();
    let mut unknown = Vec::new();
    for text in selectors {
        let found = Selector::parse(text, &workspace.root, current)?.packages(workspace);
        if found.is_empty() {
            unknown.push(text.clone());
        }
        selected.extend(found);
    }
    if !unknown.is_empty() {
        let help = help(workspace, &unknown);
        return Err(SelectorFault::Unknown { unknown, help }.into());
    }
    selected.sort_unstable();
    selected.dedup();
    Ok(selected)
}

/// The packages that the build yml `yml` makes in the directories that `selectors` name, sorted; directories without it
/// are passed over as long as each selector names one with it.
///
/// # Errors
/// When a selector names nothing, or no directory with such a file; the nearest name is suggested.
pub fn select_yml(
    workspace: &Workspace,
    selectors: &[String],
    current: &str,
    yml: &str,
) -> Result<Vec<PackageId>, Problem> {
    let mut selected = Vec::new();
    for text in selectors {
        let named = select(workspace, std::slice::from_ref(text), current)?;
        let found: Vec<PackageId> =
            named.iter().filter_map(|&id| package_at(workspace, &workspace.package(id).path, yml)).collect();
        if found.is_empty() {
            let help = help_with_ymls(workspace, &named, yml);
            return Err(SelectorFault::NoSuchYml { selector: text.clone(), yml: yml.to_owned(), help }.into());
        }
        selected.extend(found);
    }
    selected.sort_unstable();
    selected.dedup();
    Ok(selected)
}

/// What the build ymls of these packages' directories are called.
fn help_with_ymls(workspace: &Workspace, packages: &[PackageId], yml: &str) -> String {
    let mut names: Vec<String> = packages.iter().map(|&id| workspace.package(id).yml.clone()).collect();
    for &id in packages {
        let files = std::fs::read_dir(workspace.directory(id)).into_iter().flatten().flatten();
        let files = files.filter_map(|file| file.file_name().into_string().ok());
        names.extend(files.filter(|name| name.starts_with("build") && name.strip_suffix(".yml").is_some()));
    }
    names.sort_unstable();
    names.dedup();
    match (nearest(yml, &names), names.as_slice()) {
        (Some(meant), [_, _, ..]) => format!("did you mean `{meant}`?"),
        _ => format!("there is {}", quoted(&names)),
    }
}

/// The package that the build yml `yml` makes in `directory`, both as in its name.
#[must_use]
pub fn package_at(workspace: &Workspace, directory: &str, yml: &str) -> Option<PackageId> {
    let name = PackageName::new(directory, yml);
    workspace.ids().nth(workspace.packages.binary_search_by(|package| package.name.cmp(&name)).ok()?)
}

/// One argument, understood.
#[derive(Debug)]
struct Selector {
    /// What it may mean; the first that names a package is what it means.
    meanings: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    /// A directory relative to the root.
    Place(String),
    /// One package.
    Package(PackageName),
    /// On package names and package directories.
    Glob(Box<GlobMatcher>),
    /// On image names with their org.
    ImageGlob(Box<GlobMatcher>),
    /// An image name, with or without its org and registry.
    Image(String),
}

impl Selector {
    fn parse(text: &str, root: &Path, current: &str) -> Result<Self, SelectorFault> {
        if text.is_empty() {
            // An unset variable of a script must not mean everything.
            return Ok(Self { meanings: Vec::new() });
        }
        let here = root.join(current);
        // A yml stands behind the last colon and may lie in a folder of its own, so only the directory is cleaned.
        let (directory, yml) = match text.rsplit_once(':') {
            Some((directory, yml)) => (directory, Some(yml)),
            None => (text, None),
        };
        let from_here = matches!(directory.split('/').next(), Some("." | ".."));
        let bases = if from_here { vec![here] } else { vec![root.to_owned(), here] };
        let directories = bases.iter().filter_map(|base| paths::below(root, &base.join(directory)));
        let mut meanings = Vec::new();
        if is_glob(text) {
            for directory in directories {
                meanings.push(match yml {
                    Some(yml) => Term::Glob(matcher(&format!("{directory}:{yml}"))?),
                    None => Term::Glob(matcher(&directory)?),
                });
            }
            meanings.push(Term::ImageGlob(matcher(text)?));
        } else {
            meanings.extend(directories.map(|directory| match yml {
                Some(yml) => Term::Package(PackageName::new(&directory, yml)),
                None => Term::Place(directory),
            }));
            meanings.push(Term::Image(text.to_owned()));
        }
        Ok(Self { meanings })
    }

    fn packages(&self, workspace: &Workspace) -> Vec<PackageId> {
        self.meanings.iter().map(|term| term.packages(workspace)).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

impl Term {
    fn packages(&self, workspace: &Workspace) -> Vec<PackageId> {
        let all = || workspace.ids().map(|id| (id, workspace.package(id)));
        let of = |is_meant: &dyn Fn(&Package) -> bool| -> Vec<PackageId> {
            all().filter(|(_, package)| is_meant(package)).map(|(id, _)| id).collect()
        };
        match self {
            Self::Place(place) => {
                let has_default = all().any(|(_, package)| package.path == *place && package.default);
                of(&|package| {
                    let is_chosen = package.path != *place || package.default || !has_default;
                    is_chosen && paths::is_within(&package.path, place)
                })
            }
            Self::Package(name) => of(&|package| package.name == *name),
            Self::Glob(glob) => of(&|package| glob.is_match(package.name.as_str()) || glob.is_match(&package.path)),
            Self::ImageGlob(glob) => of(&|package| image(package).is_some_and(|image| glob.is_match(image))),
            Self::Image(name) => {
                let reference = name.parse::<Reference>().ok().filter(|it| it.tag().is_none() && it.digest().is_none());
                of(&|package| {
                    let same = |image: String| {
                        let image = image.parse::<Reference>();
                        image.is_ok_and(|image| reference.as_ref().is_some_and(|name| name.same_repository(&image)))
                    };
                    package.build.as_ref().is_some_and(|build| build.image == *name) || image(package).is_some_and(same)
                })
            }
        }
    }
}

/// Org and image of a package that can be read.
fn image(package: &Package) -> Option<String> {
    package.build.as_ref().map(|build| format!("{}/{}", build.org, build.image))
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

fn matcher(glob: &str) -> Result<Box<GlobMatcher>, SelectorFault> {
    match GlobBuilder::new(glob).literal_separator(true).build() {
        Ok(glob) => Ok(Box::new(glob.compile_matcher())),
        Err(error) => {
            Err(SelectorFault::BadGlob { text: glob.to_owned(), reason: error.kind().to_string().to_lowercase() })
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What to do about selectors that name nothing.
fn help(workspace: &Workspace, unknown: &[String]) -> String {
    let mut names: Vec<String> = Vec::new();
    for package in &workspace.packages {
        names.push(package.name.to_string());
        names.push(package.path.clone());
        names.push(paths::parent(&package.path).to_owned());
        names.extend(package.build.as_ref().map(|build| build.image.clone()));
        names.extend(image(package));
    }
    names.sort_unstable();
    names.dedup();
    let suggestions: Vec<String> =
        unknown.iter().filter_map(|text| Some(format!("did you mean `{}`?", nearest(text, &names)?))).collect();
    if suggestions.is_empty() {
        "a selector is a directory with packages, `directory:yml`, a glob such as `pkg/*`, or an image name".to_owned()
    } else {
        suggestions.join("\n")
    }
}

/// The name most like `text`, the first of several.
fn nearest<'a>(text: &str, names: &'a [String]) -> Option<&'a str> {
    let text = text.trim_start_matches("./").trim_end_matches('/');
    let mut best = (ALIKE, None);
    for name in names {
        let alike = strsim::normalized_damerau_levenshtein(text, name);
        if alike > best.0 {
            best = (alike, Some(name.as_str()));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pkg, Repo, repo};
    use super::*;

    fn monorepo() -> Repo {
        repo([
            Pkg::new("pkg/init"),
            Pkg::new("pkg/kernel"),
            Pkg::new("pkg/kernel").yml("common/b.yml").image("kernel-dbg"),
            Pkg::new("pkg/only").yml("x.yml").image("only-x"),
            Pkg::new("pkg/only").yml("y.yml").image("only-y"),
            Pkg::new("pkg/init/nested").image("deep"),
            Pkg::new("pkg/initrd").unreadable(),
            Pkg::new("tools/init").image("tool-init"),
        ])
    }

    fn selected(selectors: &[&str], current: &str) -> Result<Vec<String>, Problem> {
        let repo = monorepo();
        let selectors: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
        let ids = select(&repo.workspace, &selectors, current)?;
        Ok(ids.into_iter().map(|id| repo.name(id).to_owned()).collect())
    }

    fn at_root(selector: &str) -> Vec<String> {
        selected(&[selector], ".").unwrap()
    }

    const ALL: [&str; 8] = [
        "pkg/init",
        "pkg/init/nested",
        "pkg/initrd",
        "pkg/kernel",
        "pkg/kernel:common/b.yml",
        "pkg/only:x.yml",
        "pkg/only:y.yml",
        "tools/init",
    ];

    #[test]
    fn a_directory_selects_its_package_and_all_below_it() {
        for spelling in ["pkg/init", "./pkg/init/", "/r/pkg/init", "pkg/kernel/../init", "pkg//init"] {
            assert_eq!(at_root(spelling), ["pkg/init", "pkg/init/nested"], "{spelling}");
        }
        assert_eq!(at_root("pkg"), ALL[..7]);
        assert_eq!(at_root("."), ALL);
        assert_eq!(at_root("/r"), ALL);
    }

    #[test]
    fn of_several_build_ymls_the_directory_means_the_default_one() {
        assert_eq!(at_root("pkg/kernel"), ["pkg/kernel"]);
        assert_eq!(at_root("pkg/kernel:build.yml"), ["pkg/kernel"]);
        assert_eq!(at_root("./pkg/kernel/:common/b.yml"), ["pkg/kernel:common/b.yml"]);
        assert_eq!(at_root("pkg/only"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
    }

    #[test]
    fn a_glob_crosses_folders_with_two_stars_only() {
        assert_eq!(
            at_root("pkg/*"),
            ["pkg/init", "pkg/initrd", "pkg/kernel", "pkg/kernel:common/b.yml", "pkg/only:x.yml", "pkg/only:y.yml"]
        );
        assert_eq!(at_root("**/init"), ["pkg/init", "tools/init"]);
        assert_eq!(at_root("{pkg,tools}/in?t"), ["pkg/init", "tools/init"]);
        assert_eq!(at_root("pkg/only:?.yml"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
        assert_eq!(at_root("t/only-*"), ["pkg/only:x.yml", "pkg/only:y.yml"]);
    }

    #[test]
    fn an_image_name_selects_the_package_that_makes_it() {
        for spelling in ["deep", "t/deep", "docker.io/t/deep"] {
            assert_eq!(at_root(spelling), ["pkg/init/nested"], "{spelling}");
        }
        assert!(selected(&["other/deep"], ".").is_err());
    }

    #[test]
    fn a_path_is_tried_from_the_root_then_from_the_working_directory() {
        assert_eq!(selected(&["kernel"], "pkg").unwrap(), ["pkg/kernel"]);
        assert_eq!(selected(&["tools/init"], "pkg").unwrap(), ["tools/init"]);
        assert_eq!(selected(&["."], "pkg/init").unwrap(), ["pkg/init", "pkg/init/nested"]);
        assert_eq!(selected(&["../kernel"], "pkg/init").unwrap(), ["pkg/kernel"]);
        assert_eq!(selected(&[".:common/b.yml"], "pkg/kernel").unwrap(), ["pkg/kernel:common/b.yml"]);
        assert_eq!(selected(&["init*"], "tools").unwrap(), ["tools/init"]);
    }

    #[test]
    fn what_is_selected_is_sorted_and_stands_once() {
        let both = selected(&["tools/init", "pkg/kernel", "kernel", "tools"], ".");
        assert_eq!(both.unwrap(), ["pkg/kernel", "tools/init"]);
        assert!(selected(&[], ".").unwrap().is_empty());
    }

    #[test]
    fn a_package_that_cannot_be_read_is_selected_by_path() {
        assert_eq!(at_root("pkg/initrd"), ["pkg/initrd"]);
    }

    #[test]
    fn all_unknown_selectors_are_reported_with_suggestions() {
        let problem = selected(&["pkg/kernl", "pkg/init", "./tolls/init/", "zzz"], ".").unwrap_err();
        assert_eq!((problem.class(), problem.code().as_str()), (Class::Usage, "selector::unknown"));
        assert_eq!(problem.to_string(), "no package is selected by `pkg/kernl`, `./tolls/init/`, `zzz`");
        let help = problem.diagnostic().help().unwrap().to_string();
        assert_eq!(help, "did you mean `pkg/kernel`?\ndid you mean `tools/init`?");
    }

    #[test]
    fn nothing_and_places_outside_the_root_select_nothing() {
        for text in ["/r2/pkg/init", "../x", "../../r/../pkg/init", "", ":", "pkg/init:", "/"] {
            assert!(selected(&[text], ".").is_err(), "{text}");
        }
    }

    #[test]
    fn a_malformed_glob_is_said_to_be_one() {
        let problem = selected(&["pkg/["], ".").unwrap_err();
        assert_eq!((problem.class(), problem.code().as_str()), (Class::Usage, "selector::glob"));
    }
}
