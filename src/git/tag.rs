//! The tag of each package, exactly as `linuxkit pkg show-tag` gives it.
//!
//! The hash of a package is git's tree id of its directory. With extra sources it is the SHA-1 of the hex digits of that id
//! and of the id of each source, in order. A dirty package gets `-dirty-` and the first 7 hex digits of a SHA-256 over its
//! content; the content of each dirty extra source follows in that SHA-256, so that the suffix is linuxkit's own as long as
//! only the package itself is dirty. (linuxkit does not look for dirt in extra sources at all.)
//!
//! kitmake.yml can give a package another hash and another template; it is part of the repository, like the build yml.
//! Options of the command line win over both. They change what is written, never who is who: [`PackageTag::identity`] is what the package is called without any,
//! [`PackageTag::output`] with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::content::Listing;
use super::error::{MISSING, Quote};
use super::locate::Locator;
use super::places::Places;
use super::revision::Revision;
use super::snapshot::{self, Answer, Question};
use super::subject::{Answers, HEAD, Measured, Subject, View};
use super::template;
use super::{Error, ExtraSource, ImageName};
use crate::hex::hex;
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// Packages that share what one locator remembers: neighbours share most of it.
const LOCATED_AT_ONCE: usize = 1024;

/// What stands between the hash of a dirty package and the digits of its content, and how many these are.
const DIRTY: &str = "-dirty-";
const SUFFIX_DIGITS: usize = 7;

/// Command-line choices that change tags; the names are those of linuxkit's flags. An empty string is the same as none,
/// except for `org`.
#[derive(Debug, Clone, Default)]
pub struct TagOptions {
    /// `--org`, or the variable `LINUXKIT_PKG_ORG`; wins over `dev`.
    pub org: Option<String>,
    /// `--hash`: used verbatim instead of the tree hash.
    pub hash: Option<String>,
    /// `--hash-commit`: the commit to take tree hashes from; `HEAD` by default. With any other word, even if it means the
    /// same commit, nothing is dirty.
    pub hash_commit: Option<String>,
    /// `--hash-path`: the directory to hash instead of the package's own, absolute.
    pub hash_path: Option<PathBuf>,
    /// `--force-dirty`
    pub force_dirty: bool,
    /// `--dev` with the value of `$USER`: the org is the user, the hash is `dev` unless `hash` is given.
    pub dev: Option<String>,
    /// `--tag`: a template that wins over the yml's.
    pub tag: Option<String>,
}

/// Why a package is dirty. Paths are relative to the top of their repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirt {
    /// A tracked file differs from the commit: modified, deleted, staged, its mode changed, or its merge unresolved.
    Modified(OsString),
    /// A file that git neither tracks nor ignores; a nested repository ends with `/`.
    Untracked(OsString),
    /// `--force-dirty` was given.
    Forced,
    /// The repository has no commit to compare with.
    NoCommit,
}

impl std::fmt::Display for Dirt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Modified(path) => write!(f, "{} differs from HEAD", path.display()),
            Self::Untracked(path) => write!(f, "{} is neither committed nor ignored", path.display()),
            Self::Forced => f.write_str("--force-dirty"),
            Self::NoCommit => f.write_str("the repository has no commit yet"),
        }
    }
}

/// A commit, as labels and build args show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full id.
    pub id: String,
    /// The committer date in seconds since 1970.
    pub time: i64,
    /// The value of the build arg `GOPKGVERSION`: `v0.0.0-`, the committer date in the local time zone as
    /// yyyymmddHHMMSS, and the id shortened to 12 digits.
    pub go_package_version: String,
}

/// The tag of a package and what went into it.
#[derive(Debug, Clone)]
pub struct PackageTag {
    /// Who it is: org and image of the yml with the tag computed without any option, but with what kitmake.yml says of
    /// hash and tag. Where there is no such tag because the directory is not committed, the tag of `output`.
    pub identity: ImageName,
    /// What is printed, built and pushed: `identity` with the options applied.
    pub output: ImageName,
    /// The value of `PKG_HASH` and of `.Hash` in templates, with a `-dirty-…` suffix where there is one; may be empty.
    pub hash: String,
    /// Git's tree id of the package directory (of `--hash-path` if given); `None` outside git, and where `--hash` stands in
    /// for a directory that is not committed.
    pub tree: Option<String>,
    /// The extra sources in the order of the yml.
    pub extra_sources: Vec<ExtraSource>,
    /// Why the package itself is dirty; empty when clean.
    pub dirt: Vec<Dirt>,
    /// The commit the hash was taken from; `None` outside git.
    pub commit: Option<Commit>,
    /// Whether the tag contains the tree hash; a tag that does not (`--hash`, `--dev`, a literal `tag:`) is mutable.
    pub content_tag: bool,
    /// Whether the directory is in no git repository; its hash is empty then.
    pub outside_git: bool,
    /// Whether no commit has this tree yet: it is what a commit would record.
    pub uncommitted: bool,
    /// What is odd but stops nothing: outside git, names that the dirty suffix overlooks.
    pub warnings: Vec<Problem>,
}

impl PackageTag {
    /// Whether the package or one of its extra sources is dirty.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirt.is_empty() || self.extra_sources.iter().any(|source| !source.dirt.is_empty())
    }

    /// The commit id as the build arg `REVISION` and the revision label show it: only of what is clean and committed.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.commit.as_ref().filter(|_| !self.is_dirty() && !self.uncommitted).map(|commit| commit.id.as_str())
    }
}

/// The tags of all packages that were asked for.
#[derive(Debug, Clone)]
pub struct Tags {
    /// One entry per package of the workspace: its tag, or why it has none; `None` when it was not asked for or its yml
    /// cannot be read.
    pub packages: Vec<Option<Result<PackageTag, Problem>>>,
}

impl Tags {
    /// The tags with those of dirty packages as the last commit has them; `None` if none is dirty.
    #[must_use]
    pub fn at_last_commit(&self) -> Option<Self> {
        let is_dirty = |tag: &&Option<Result<PackageTag, Problem>>| matches!(tag, Some(Ok(tag)) if tag.is_dirty());
        self.packages.iter().find(is_dirty)?;
        let mut committed = self.clone();
        for tag in committed.packages.iter_mut().flatten().flatten().filter(|tag| tag.is_dirty()) {
            tag.dirt.clear();
            tag.extra_sources.iter_mut().for_each(|source| source.dirt.clear());
            let Ok(identity) = without_suffix(tag.identity.as_str()).parse::<ImageName>();
            tag.identity = identity;
            tag.hash = without_suffix(&tag.hash);
        }
        Some(committed)
    }

    /// The tag of a package, if it has one.
    #[must_use]
    pub fn get(&self, id: PackageId) -> Option<&PackageTag> {
        self.packages[id.index()].as_ref().and_then(|tag| tag.as_ref().ok())
    }
}

/// A hash or name without the suffix of dirty packages.
fn without_suffix(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once(DIRTY) else { return text.to_owned() };
    let rest = after.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
    // What a template appends to the hash may begin with such a digit, too.
    let digits = (after.len() - rest.len()).min(SUFFIX_DIGITS);
    format!("{before}{}", &after[digits..])
}

/// Computes the tags of `packages`, with a number of git processes per repository that does not depend on how many they
/// are. A package whose path is absolute is that directory, wherever it lies.
///
/// # Errors
/// When git itself cannot be asked; what concerns one package only is in its entry.
pub fn tags(workspace: &Workspace, packages: &[PackageId], options: &TagOptions) -> Result<Tags, Problem> {
    tags_by(workspace, packages, options, &mut ask)
}

/// What is to be known of each repository, by its top level.
pub(super) type Questions = BTreeMap<PathBuf, Question>;

/// Who answers questions; it is told the revisions that matter, too.
pub(super) type Ask<'a> = dyn FnMut(Questions, &[&str]) -> Result<Answers, Problem> + 'a;

/// The same, with other answers than those of the repositories as they are.
pub(super) fn tags_by(
    workspace: &Workspace,
    packages: &[PackageId],
    options: &TagOptions,
    ask: &mut Ask<'_>,
) -> Result<Tags, Problem> {
    let asked = View::asked(options);
    let views = if asked == View::OWN { vec![asked] } else { vec![asked, View::OWN] };
    let subjects: Vec<Subject<'_>> = packages
        .par_chunks(LOCATED_AT_ONCE)
        .flat_map_iter(|ids| {
            let mut places = Places::Disk(Locator::default());
            let subjects = ids.iter().filter_map(|&id| Subject::new(workspace, id, &views, &mut places));
            subjects.collect::<Vec<_>>()
        })
        .collect();
    let mut questions = Questions::new();
    for subject in &subjects {
        subject.questions(&mut questions);
    }
    let mut revisions: Vec<&str> = vec![HEAD];
    revisions.extend(views.iter().map(|view| view.revision).filter(|revision| *revision != HEAD));
    let answers = ask(questions, &revisions)?;
    named(workspace, &subjects, &views, options, &answers)
}

/// Computes the tags of all packages of a workspace that was read from a revision, without any option, from its objects
/// alone.
///
/// # Errors
/// As for [`tags`].
pub fn tags_at(workspace: &Workspace, revision: &Revision) -> Result<Tags, Problem> {
    let views = [View::OWN];
    let mut places = Places::Revision(revision);
    let subjects: Vec<Subject<'_>> =
        workspace.ids().filter_map(|id| Subject::new(workspace, id, &views, &mut places)).collect();
    let answer = Ok(Answer::Snapshot(revision.snapshot()));
    let answers = Answers::from([(revision.top().to_owned(), answer)]);
    named(workspace, &subjects, &views, &TagOptions::default(), &answers)
}

fn named(
    workspace: &Workspace,
    subjects: &[Subject<'_>],
    views: &[View<'_>],
    options: &TagOptions,
    answers: &Answers,
) -> Result<Tags, Problem> {
    let measured: Vec<Vec<Result<Measured, Problem>>> = subjects
        .par_iter()
        .map(|subject| (0..views.len()).map(|view| subject.measure(view, views, answers)).collect())
        .collect();
    let listings = list_dirty(subjects, &measured)?;
    let named: Vec<Result<PackageTag, Problem>> = subjects
        .par_iter()
        .zip(measured)
        .map(|(subject, measured)| subject.name(measured, options, answers, &listings))
        .collect();
    let mut tags = Tags { packages: vec![None; workspace.packages.len()] };
    for (subject, tag) in subjects.iter().zip(named) {
        tags.packages[subject.id.index()] = Some(tag);
    }
    Ok(tags)
}

/// Asks git about every repository that a package or an extra source lies in.
pub(super) fn ask(questions: Questions, revisions: &[&str]) -> Result<Answers, Problem> {
    let answers: Vec<Result<Answer, Problem>> =
        questions.par_iter().map(|(top, question)| snapshot::ask(top, question, revisions)).collect();
    // Without a git program nothing has a tag, which is one problem and not one for each package.
    let missing = answers.iter().filter_map(|answer| answer.as_ref().err()).find(|problem| problem.code() == MISSING);
    match missing {
        Some(missing) => Err(missing.clone()),
        None => Ok(questions.into_keys().zip(answers).collect()),
    }
}

/// What is tracked in a repository with dirty directories, and how git writes it.
struct Tracked {
    names: Vec<Vec<u8>>,
    quotes_non_ascii: bool,
}

type Listings = BTreeMap<PathBuf, Tracked>;

/// Lists the directories that a dirty suffix is taken over.
fn list_dirty(subjects: &[Subject<'_>], measured: &[Vec<Result<Measured, Problem>>]) -> Result<Listings, Problem> {
    let mut scopes: BTreeMap<&Path, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for (subject, measured) in subjects.iter().zip(measured) {
        let Ok(site) = &subject.site else { continue };
        for measured in measured.iter().flatten() {
            for (spot, _) in subject.dirty_spots(site, measured) {
                scopes.entry(&spot.top).or_default().insert(spot.content.clone());
            }
        }
    }
    let listings: Result<Vec<_>, Problem> = scopes
        .par_iter()
        .map(|(top, scopes)| {
            let names = snapshot::list_tracked(top, scopes)?;
            Ok((top.to_path_buf(), Tracked { names, quotes_non_ascii: snapshot::quotes_non_ascii(top)? }))
        })
        .collect();
    Ok(listings?.into_iter().collect())
}

fn expand(template: &str, hash: &str, quote: &Quote) -> Result<String, Problem> {
    template::expand(template, hash).map_err(|reason| Error::template(template, reason, quote).into())
}

impl Subject<'_> {
    /// Puts the tag together; the first of `measured` is under the options, the last without any.
    fn name(
        &self,
        measured: Vec<Result<Measured, Problem>>,
        options: &TagOptions,
        answers: &Answers,
        listings: &Listings,
    ) -> Result<PackageTag, Problem> {
        let mut warnings = Vec::new();
        let fixed = self.overrides.hash.as_deref();
        let own_hash = match (fixed, measured.last()) {
            (Some(hash), _) => Some(Ok(hash.to_owned())),
            (None, Some(Ok(own))) => Some(own.tree.clone().and_then(|tree| {
                let tree = tree.as_deref();
                self.hash(own, tree, answers, listings, &mut warnings)
            })),
            (None, _) => None,
        };
        let single = measured.len() == 1;
        let Some(asked) = measured.into_iter().next() else {
            unreachable!("every package is seen under one view at least")
        };
        let asked = asked?;

        let given = options.hash.as_deref().filter(|hash| !hash.is_empty());
        let given = given.or(options.dev.is_some().then_some("dev")).or(fixed);
        let (hash, tree) = match (given, asked.tree.clone()) {
            (Some(hash), tree) => (hash.to_owned(), tree.ok().flatten()),
            (None, Err(problem)) => return Err(problem),
            (None, Ok(tree)) if single => (own_hash.clone().transpose()?.unwrap_or_default(), tree),
            (None, Ok(tree)) => {
                warnings.clear();
                (self.hash(&asked, tree.as_deref(), answers, listings, &mut warnings)?, tree)
            }
        };
        if given.is_some() {
            warnings.clear();
        }

        let build = self.build;
        let given_template = options.tag.as_deref().filter(|template| !template.is_empty());
        let tag = match given_template {
            Some(template) => expand(template, &hash, &Quote::default())?,
            None => self.own_tag(&hash)?,
        };
        let org = options.org.as_deref().or(options.dev.as_deref()).unwrap_or(&build.org);
        let output = ImageName::new(org, &build.image, &tag);
        let own_tag = match own_hash {
            Some(Ok(own_hash)) => self.own_tag(&own_hash).unwrap_or(own_hash),
            _ => tag.clone(),
        };
        let site = self.site.as_ref().map_err(Clone::clone)?;
        let repository = site.in_repository(answers)?;
        if repository.is_none() {
            let words = site.refusal(answers).map(|words| format!(" ({words})")).unwrap_or_default();
            let consequence = format!("its image is `{output}`{words}");
            warnings.push(Error::Outside { directory: self.shown.clone(), consequence }.into());
        }
        let revision = View::asked(options).revision;
        Ok(PackageTag {
            identity: ImageName::new(&build.org, &build.image, &own_tag),
            content_tag: given.is_none() && !hash.is_empty() && tag.contains(&hash),
            output,
            hash,
            tree,
            extra_sources: asked.extra,
            dirt: asked.dirt,
            commit: repository.and_then(|(_, snapshot)| snapshot.commit(revision).cloned()),
            outside_git: repository.is_none(),
            uncommitted: false,
            warnings,
        })
    }

    fn own_tag(&self, hash: &str) -> Result<String, Problem> {
        let (template, source) = match &self.overrides.tag {
            Some(template) => (template, self.config),
            None => (&self.build.tag, &self.build.source),
        };
        let text = if template.value.is_empty() { "{{.Hash}}" } else { &template.value };
        expand(text, hash, &Quote::of(source, template))
    }

    /// Combines the tree ids and, if something is dirty, the content.
    fn hash(
        &self,
        measured: &Measured,
        tree: Option<&str>,
        answers: &Answers,
        listings: &Listings,
        warnings: &mut Vec<Problem>,
    ) -> Result<String, Problem> {
        let (Some(tree), Ok(site)) = (tree, &self.site) else { return Ok(String::new()) };
        let mut hash = tree.to_owned();
        if !measured.extra.is_empty() {
            let mut combined = Sha1::new();
            combined.update(tree);
            for source in &measured.extra {
                combined.update(&source.tree);
            }
            hash = hex(&combined.finalize());
        }
        if measured.is_dirty() {
            let mut content = Sha256::new();
            for (spot, shown) in self.dirty_spots(site, measured) {
                let (Some(tracked), Some(Ok(Answer::Snapshot(snapshot)))) =
                    (listings.get(&spot.top), answers.get(&spot.top))
                else {
                    continue;
                };
                let listing = Listing {
                    top: &spot.top,
                    tracked: &tracked.names,
                    untracked: &snapshot.untracked,
                    quotes_non_ascii: tracked.quotes_non_ascii,
                };
                let overlooked = listing.hash(&spot.content, &mut content)?;
                if !overlooked.is_empty() {
                    let names: Vec<String> = overlooked.iter().map(|name| format!("`{name}`")).collect();
                    let (directory, names) = (shown.to_owned(), names.join(", "));
                    warnings.push(Error::NameNotHashed { directory, names }.into());
                }
            }
            hash.push_str(DIRTY);
            hash.push_str(&hex(&content.finalize())[..SUFFIX_DIGITS]);
        }
        Ok(hash)
    }
}
