//! What is wrong with selectors, and what was meant.

use miette::Diagnostic;

use crate::problem::{Class, Fault};
use crate::workspace::{PackageId, Workspace};

use super::super::paths;
use super::name::image;
use super::term::{Base, Term};

/// How alike (0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.6;

/// What is wrong with a selector.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(super) enum SelectorFault {
    #[error("no package is selected by {}", quoted(unknown))]
    #[diagnostic(code(selector::unknown))]
    Unknown {
        unknown: Vec<String>,
        #[help]
        help: String,
    },
    #[error("no packages below {root}")]
    #[diagnostic(
        code(selector::no_packages),
        help("a package is a directory with a build.yml, or with a yml that kitmake.yml names")
    )]
    NoPackages { root: String },
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
    #[error("nothing is selected: {reason}")]
    #[diagnostic(code(selector::empty))]
    Empty {
        reason: String,
        #[help]
        help: &'static str,
    },
}

impl Fault for SelectorFault {
    fn class(&self) -> Class {
        Class::Usage
    }
}

impl SelectorFault {
    /// Names that name nothing.
    pub(super) fn unknown(workspace: &Workspace, terms: &[Term]) -> Self {
        if workspace.packages.is_empty() {
            return Self::NoPackages { root: workspace.root.display().to_string() };
        }
        let names = names(workspace);
        let meant = |term: &Term| {
            let Base::Name(name) = &term.base else { return None };
            Some(format!("did you mean `{}`?", term.around(nearest(name, &names)?)))
        };
        let suggestions: Vec<String> = terms.iter().filter_map(meant).collect();
        let help = if suggestions.is_empty() {
            "a selector is a directory with packages, `directory:yml`, a glob such as `pkg/*`, or an image name; \
             `NAME...` adds what it needs, `...NAME` what needs it"
                .to_owned()
        } else {
            suggestions.join("\n")
        };
        Self::Unknown { unknown: terms.iter().map(|term| term.text.clone()).collect(), help }
    }

    /// The packages that `selector` names lie in directories without `yml`.
    pub(super) fn no_such_yml(workspace: &Workspace, packages: &[PackageId], selector: &str, yml: &str) -> Self {
        let help = help_with_ymls(workspace, packages, yml);
        Self::NoSuchYml { selector: selector.to_owned(), yml: yml.to_owned(), help }
    }

    /// The selectors name packages, but nothing is left of them.
    pub(super) fn empty(none_included: bool, including: &[String], excluding: &[String]) -> Self {
        if none_included {
            let reason = format!("there is no other package that {} could mean", quoted(including));
            Self::Empty { reason, help: "without `^` the named package itself is selected, too" }
        } else {
            let reason = format!("all that {} selects is excluded by {}", quoted(including), quoted(excluding));
            Self::Empty { reason, help: "what is excluded with `!` is left out wherever it stands" }
        }
    }
}

/// What packages may be called.
fn names(workspace: &Workspace) -> Vec<String> {
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
    names
}

/// What the build ymls of these packages' directories are called.
fn help_with_ymls(workspace: &Workspace, packages: &[PackageId], yml: &str) -> String {
    let mut names: Vec<String> = packages.iter().map(|&id| workspace.package(id).yml.clone()).collect();
    for &id in packages {
        let files = workspace.files.names(&workspace.directory(id)).into_iter();
        let files = files.filter_map(|file| file.into_string().ok());
        names.extend(files.filter(|name| name.starts_with("build") && name.strip_suffix(".yml").is_some()));
    }
    names.sort_unstable();
    names.dedup();
    match (nearest(yml, &names), names.as_slice()) {
        (Some(meant), [_, _, ..]) => format!("did you mean `{meant}`?"),
        _ => format!("there is {}", quoted(&names)),
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
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
