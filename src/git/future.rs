//! The tags that packages will have after the work tree is committed, and after further files are rewritten.
//!
//! What `git add -u` and a commit would record is worked out beside the repository: a copy of its index, a directory of
//! objects of its own that only borrows those of the repository, and rewritten files in a work tree of their own. So git
//! applies its filters and attributes itself, and the repository sees nothing of it: neither its index nor its objects
//! change, and no hook runs, not even the one for a changed index. All of it goes away with the value.
//!
//! A submodule is what its checked-out commit is; what is rewritten inside it changes the packages of its own repository.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

use super::locate::{Locator, Place};
use super::process::{cannot_run, command, failed, limited_to, read, split_nul};
use super::snapshot::{Answer, HEAD_REVISION, Question, Snapshot, read_commit};
use super::subject::Answers;
use super::trees::read_trees_in;
use super::{Commit, Error, TagOptions, Tags};
use crate::problem::Problem;
use crate::workspace::{PackageId, Workspace};

/// The states of repositories to come.
#[derive(Debug)]
pub struct Future {
    workshop: TempDir,
    repositories: BTreeMap<PathBuf, Repository>,
    locator: Locator,
}

/// Files that git neither tracks nor ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untracked {
    /// The top level of their repository.
    pub top: PathBuf,
    /// Their paths relative to it.
    pub names: BTreeSet<Vec<u8>>,
}

/// One repository with a place beside it.
#[derive(Debug)]
struct Repository {
    top: PathBuf,
    git_directory: PathBuf,
    /// A copy of its index, brought up to date.
    index: PathBuf,
    /// Where new objects go.
    objects: PathBuf,
    /// Where rewritten files lie.
    files: PathBuf,
    /// The tree of the index; `None` after a change of it.
    tree: Option<String>,
    commit: Option<Commit>,
    /// Whether nothing was ever committed or added, so that there is no tree.
    is_void: bool,
}

impl Future {
    /// No repository is looked at yet.
    pub fn new() -> Result<Self, Problem> {
        let workshop = TempDir::with_prefix("kitmake-").map_err(|error| Error::workshop(&error))?;
        Ok(Self { workshop, repositories: BTreeMap::new(), locator: Locator::default() })
    }

    /// The top level of the repository that an existing file or directory belongs to, which is its real path.
    pub fn top(&mut self, real: &Path) -> Option<PathBuf> {
        let directory = if real.is_dir() { real } else { real.parent()? };
        match self.locator.locate(directory) {
            Ok(Place::WorkTree(spot)) => Some(spot.top),
            _ => None,
        }
    }

    /// Which of these files, named by their real paths, git ignores.
    pub fn ignored<'a>(&mut self, files: impl Iterator<Item = &'a Path>) -> Result<BTreeSet<PathBuf>, Problem> {
        let mut by_top: BTreeMap<PathBuf, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for file in files {
            if let Some(top) = self.top(file)
                && let Ok(inside) = file.strip_prefix(&top)
            {
                by_top.entry(top.clone()).or_default().insert(inside.as_os_str().as_bytes().to_vec());
            }
        }
        let mut ignored = BTreeSet::new();
        for (top, names) in by_top {
            // It knows no literal paths; with a folder before it, a name that begins with `:` has no other meaning.
            let names: BTreeSet<Vec<u8>> = names.iter().map(|name| [b"./", name.as_slice()].concat()).collect();
            let mut git = command(&top, ["check-ignore", "-z", "--stdin"]);
            git.env_remove("GIT_LITERAL_PATHSPECS");
            let output = feed(&mut git, &names)?;
            // 1 means none.
            if !matches!(output.status.code(), Some(0 | 1)) {
                return Err(failed(&top, &git, &output.stderr));
            }
            let inside =
                split_nul(&output.stdout).into_iter().filter_map(|name| Some(name.strip_prefix(b"./")?.to_vec()));
            ignored.extend(inside.map(|name| top.join(OsStr::from_bytes(&name))));
        }
        Ok(ignored)
    }

    /// For each of these directories, named by their real paths, the files below it that git neither tracks nor ignores.
    pub fn untracked(&mut self, directories: &BTreeSet<PathBuf>) -> Result<BTreeMap<PathBuf, Untracked>, Problem> {
        let mut by_top: BTreeMap<PathBuf, Vec<(&PathBuf, Vec<u8>)>> = BTreeMap::new();
        for directory in directories {
            if let Some(top) = self.top(directory)
                && let Ok(inside) = directory.strip_prefix(&top)
            {
                let inside = inside.as_os_str().as_bytes().to_vec();
                by_top.entry(top.clone()).or_default().push((directory, inside));
            }
        }
        let mut found = BTreeMap::new();
        for (top, directories) in by_top {
            let listed = self.repository(&top)?.untracked()?;
            for (directory, inside) in directories {
                let below = |name: &&Vec<u8>| inside.is_empty() || name.strip_prefix(&*inside).is_some_and(is_below);
                let names = listed.range(inside.clone()..).take_while(|name| name.starts_with(&inside));
                let names: BTreeSet<Vec<u8>> = names.filter(below).cloned().collect();
                found.insert(directory.clone(), Untracked { top: top.clone(), names });
            }
        }
        Ok(found)
    }

    /// Takes files in that git does not track yet, as `git add` does; paths are relative to the top level.
    pub fn add(&mut self, top: &Path, names: &BTreeSet<Vec<u8>>) -> Result<(), Problem> {
        let repository = self.repository(top)?;
        let arguments = ["add", "--pathspec-from-file=-", "--pathspec-file-nul"];
        succeed(top, &mut repository.command(top, arguments), names)?;
        (repository.tree, repository.is_void) = (None, false);
        Ok(())
    }

    /// Gives files another text; they are named by their real paths. What git does not track, and what lies in no
    /// repository, is in no tree and passed over.
    pub fn write<'a>(&mut self, files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<(), Problem> {
        let mut by_top: BTreeMap<PathBuf, BTreeMap<Vec<u8>, &str>> = BTreeMap::new();
        for (file, text) in files {
            let Some(top) = self.top(file) else { continue };
            let Ok(inside) = file.strip_prefix(&top) else { continue };
            let name = inside.as_os_str().as_bytes().to_vec();
            by_top.entry(top).or_default().insert(name, text);
        }
        for (top, files) in by_top {
            self.repository(&top)?.write(&files)?;
        }
        Ok(())
    }

    /// The tags of `packages`, all of them clean.
    pub fn tags(
        &mut self,
        workspace: &Workspace,
        packages: &[PackageId],
        options: &TagOptions,
    ) -> Result<Tags, Problem> {
        super::tag::tags_by(workspace, packages, options, &mut |questions, _| self.answers(questions))
    }

    fn answers(&mut self, questions: BTreeMap<PathBuf, Question>) -> Result<Answers, Problem> {
        let mut answers = Answers::new();
        for (top, question) in questions {
            let answer = match self.repository(&top) {
                Ok(repository) => repository.answer(&question),
                Err(problem) if problem.code() == super::error::MISSING => return Err(problem),
                Err(problem) => Err(problem),
            };
            answers.insert(top, answer);
        }
        Ok(answers)
    }

    fn repository(&mut self, top: &Path) -> Result<&mut Repository, Problem> {
        if !self.repositories.contains_key(top) {
            let place = self.workshop.path().join(self.repositories.len().to_string());
            self.repositories.insert(top.to_owned(), Repository::open(top, &place)?);
        }
        Ok(self.repositories.get_mut(top).expect("it was inserted just now, if it was not there"))
    }
}

impl Repository {
    fn open(top: &Path, place: &Path) -> Result<Self, Problem> {
        let arguments = ["rev-parse", "--absolute-git-dir", "--git-path", "index", "--git-path", "objects"];
        let printed = read(top, &mut command(top, arguments))?;
        let lines: Vec<&[u8]> = printed.split(|&byte| byte == b'\n').collect();
        let [git_directory, index, objects, ..] = lines[..] else {
            return Err(failed(top, &command(top, arguments), b"it did not say where the repository is"));
        };
        let path = |line: &[u8]| top.join(OsStr::from_bytes(line));
        let mut repository = Self {
            top: top.to_owned(),
            git_directory: path(git_directory),
            index: place.join("index"),
            objects: place.join("objects"),
            files: place.join("files"),
            tree: None,
            commit: read_commit(top, HEAD_REVISION)?,
            is_void: false,
        };
        repository.borrow(&path(objects), &path(index)).map_err(|error| Error::workshop(&error))?;
        repository.is_void = repository.commit.is_none() && !repository.index.exists();
        read(top, &mut repository.command(top, ["add", "--update"]))?;
        Ok(repository)
    }

    /// Makes the place: objects that are looked for in the repository, too, and the index as it is.
    fn borrow(&self, objects: &Path, index: &Path) -> io::Result<()> {
        fs::create_dir_all(self.objects.join("info"))?;
        fs::create_dir_all(&self.files)?;
        let mut line = objects.canonicalize()?.into_os_string().into_encoded_bytes();
        line.push(b'\n');
        fs::write(self.objects.join("info/alternates"), line)?;
        match fs::copy(index, &self.index) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            // By its age git knows which files may have changed within the same tick of the clock, and looks into them.
            Ok(_) => File::open(&self.index)?.set_modified(index.metadata()?.modified()?),
        }
    }

    /// A command that works with the copies.
    fn command<'a>(&self, directory: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        // A shared index would be written beside the repository's own; the monitor would be started; hooks would be told
        // of an index that is none of theirs.
        let settings =
            ["core.splitIndex=false", "core.fsmonitor=false", "core.untrackedCache=false", "core.hooksPath=/dev/null"];
        let settings = settings.into_iter().flat_map(|setting| ["-c", setting]);
        let mut git = command(directory, settings.chain(arguments));
        git.env("GIT_INDEX_FILE", &self.index).env("GIT_OBJECT_DIRECTORY", &self.objects);
        git.env_remove("GIT_ALTERNATE_OBJECT_DIRECTORIES");
        git
    }

    /// Everything that git neither tracks nor ignores.
    fn untracked(&self) -> Result<BTreeSet<Vec<u8>>, Problem> {
        let arguments = ["ls-files", "--others", "--exclude-standard", "-z"];
        Ok(split_nul(&read(&self.top, &mut self.command(&self.top, arguments))?).into_iter().collect())
    }

    /// Records files whose paths are relative to the top level.
    fn write(&mut self, files: &BTreeMap<Vec<u8>, &str>) -> Result<(), Problem> {
        let names: Vec<Vec<u8>> = files.keys().cloned().collect();
        let mut tracked: BTreeSet<Vec<u8>> = BTreeSet::new();
        for names in names.chunks(1024) {
            let listed = limited_to(&["ls-files", "-z"], names);
            let listed: Vec<&OsStr> = listed.collect();
            let mut git = self.command(&self.top, []);
            tracked.extend(split_nul(&read(&self.top, git.args(listed))?));
        }
        for name in &tracked {
            if let Some(text) = files.get(name) {
                self.put(name, text).map_err(|error| Error::workshop(&error))?;
            }
        }
        if tracked.is_empty() {
            return Ok(());
        }
        let mut git = self.command(&self.files, ["update-index", "-z", "--stdin"]);
        git.env("GIT_DIR", &self.git_directory).env("GIT_WORK_TREE", &self.files);
        succeed(&self.top, &mut git, &tracked)?;
        self.tree = None;
        Ok(())
    }

    /// Lays a file beside the repository, with its mode and the attributes that count for it.
    fn put(&self, name: &[u8], text: &str) -> io::Result<()> {
        let (source, target) = (self.top.join(OsStr::from_bytes(name)), self.files.join(OsStr::from_bytes(name)));
        let mut directory = Path::new(OsStr::from_bytes(name));
        while let Some(parent) = directory.parent() {
            fs::create_dir_all(self.files.join(parent))?;
            let attributes = parent.join(".gitattributes");
            let (source, copy) = (self.top.join(&attributes), self.files.join(&attributes));
            // A copy has the mode of the file, by which it may not be written to again.
            if source.is_file() && !copy.exists() {
                fs::copy(source, copy)?;
            }
            directory = parent;
        }
        fs::write(&target, text)?;
        fs::set_permissions(&target, source.metadata()?.permissions())
    }

    fn answer(&mut self, question: &Question) -> Result<Answer, Problem> {
        if self.is_void {
            return Err(Error::NoCommit { directory: self.top.display().to_string() }.into());
        }
        let tree = if let Some(tree) = &self.tree {
            tree.clone()
        } else {
            let printed = read(&self.top, &mut self.command(&self.top, ["write-tree", "--missing-ok"]))?;
            String::from_utf8_lossy(printed.trim_ascii()).into_owned()
        };
        let objects = |git: &mut Command| {
            git.env("GIT_OBJECT_DIRECTORY", &self.objects).env_remove("GIT_ALTERNATE_OBJECT_DIRECTORIES");
        };
        let trees = read_trees_in(&self.top, &[&tree], &question.paths, objects)?;
        let snapshot = Snapshot::clean(trees.into_iter().next().flatten(), self.commit.clone());
        self.tree = Some(tree);
        Ok(Answer::Snapshot(snapshot))
    }
}

/// Whether a path goes on below a directory whose name it began with.
fn is_below(rest: &[u8]) -> bool {
    rest.starts_with(b"/")
}

/// Runs a command that reads names, each ended by a NUL, and whose failure is an error.
fn succeed(top: &Path, git: &mut Command, names: &BTreeSet<Vec<u8>>) -> Result<(), Problem> {
    let output = feed(git, names)?;
    if output.status.success() { Ok(()) } else { Err(failed(top, git, &output.stderr)) }
}

/// Runs a command that reads names, each ended by a NUL.
fn feed(git: &mut Command, names: &BTreeSet<Vec<u8>>) -> Result<Output, Problem> {
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = git.spawn().map_err(|error| cannot_run(&error))?;
    let list: Vec<u8> = names.iter().flat_map(|name| name.iter().copied().chain([0])).collect();
    let input = child.stdin.take();
    let output = thread::scope(|scope| {
        // A git that fails stops reading; what it says counts then, not the broken pipe.
        scope.spawn(move || input.map(|mut input| input.write_all(&list)));
        child.wait_with_output()
    });
    output.map_err(|error| cannot_run(&error))
}
