//! Tags against real repositories, with git itself as the judge.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;
use crate::problem::Problem;
use crate::workspace::{self, KitmakeYml, PackageId, Workspace};

/// A folder with repositories in it, made with fixed names and dates and without the user's configuration.
struct Sandbox {
    _folder: tempfile::TempDir,
    base: PathBuf,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        Self { _folder: folder, base }
    }

    /// A repository `r` with the packages `pkg/a` and `pkg/b` and a directory `lib`, committed.
    fn with_packages() -> Self {
        let sandbox = Self::new();
        sandbox.git(".", &["init", "-q", "r"]);
        for (file, text) in [
            ("r/pkg/a/build.yml", "image: a\n"),
            ("r/pkg/a/x", "hello\n"),
            ("r/pkg/a/sub/y", "sub\n"),
            ("r/pkg/b/build.yml", "image: b\norg: acme\n"),
            ("r/lib/l", "lib\n"),
            ("r/.gitignore", "*.log\n"),
        ] {
            sandbox.write(file, text);
        }
        sandbox.commit("r");
        sandbox
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.base.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn git(&self, directory: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.base.join(directory)).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for (role, date) in [("AUTHOR", "2020-01-02T03:04:05Z"), ("COMMITTER", "2020-01-02T03:04:05Z")] {
            command.env(format!("GIT_{role}_NAME"), "T").env(format!("GIT_{role}_EMAIL"), "t@example.org");
            command.env(format!("GIT_{role}_DATE"), date);
        }
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn commit(&self, repository: &str) {
        self.git(repository, &["add", "-A"]);
        self.git(repository, &["commit", "-q", "-m", "c"]);
    }

    fn id(&self, repository: &str, object: &str) -> String {
        self.git(repository, &["rev-parse", object]).trim().to_owned()
    }

    fn workspace(&self, paths: &[&str]) -> Workspace {
        let root = self.base.join("r");
        let packages = paths
            .iter()
            .map(|path| workspace::package(&root, path, "build.yml", &KitmakeYml::default(), false))
            .collect();
        let files = std::sync::Arc::new(workspace::Disk);
        Workspace { root, packages, config: KitmakeYml::default(), rewritten: BTreeMap::new(), files }
    }

    fn tags(&self, paths: &[&str], options: &TagOptions) -> Vec<Result<PackageTag, Problem>> {
        let workspace = self.workspace(paths);
        let ids: Vec<PackageId> = workspace.ids().collect();
        let tags = tags(&workspace, &ids, options).unwrap();
        tags.packages.into_iter().map(|tag| tag.unwrap()).collect()
    }

    fn tag(&self, path: &str) -> PackageTag {
        self.tag_with(path, &TagOptions::default())
    }

    fn tag_with(&self, path: &str, options: &TagOptions) -> PackageTag {
        self.tags(&[path], options).remove(0).unwrap()
    }

    fn problem(&self, path: &str, options: &TagOptions) -> String {
        self.tags(&[path], options).remove(0).unwrap_err().code()
    }

    /// The context paths outside the tree, and the names of their files below the sandbox.
    fn outside(&self, path: &str) -> Vec<(String, String)> {
        let workspace = self.workspace(&[path]);
        let ids: Vec<PackageId> = workspace.ids().collect();
        let tags = tags(&workspace, &ids, &TagOptions::default()).unwrap();
        let trees = outside_tree(&workspace, &tags, &ids).unwrap();
        let shown = |file: &Path| file.strip_prefix(&self.base).unwrap().display().to_string();
        trees[0].iter().map(|(path, file)| (path.clone(), shown(file))).collect()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn the_hash_of_a_clean_package_is_its_tree() {
    let sandbox = Sandbox::with_packages();
    let tree = sandbox.id("r", "HEAD:pkg/a");
    let tag = sandbox.tag("pkg/a");
    assert_eq!(tag.output.to_string(), format!("linuxkit/a:{tree}"));
    assert_eq!((tag.hash.as_str(), tag.tree.as_ref(), &tag.identity), (&*tree, Some(&tree), &tag.output));
    assert!(tag.content_tag && !tag.is_dirty() && tag.warnings.is_empty());
    let commit = tag.commit.unwrap();
    assert_eq!((commit.id, commit.time), (sandbox.id("r", "HEAD"), 1_577_934_245));
    let version = commit.go_package_version;
    assert!(version.starts_with("v0.0.0-2020010") && version.len() == "v0.0.0-20200102030405-".len() + 12, "{version}");
}

#[test]
fn options_change_the_output_and_never_the_identity() {
    let sandbox = Sandbox::with_packages();
    let own = sandbox.tag("pkg/a").output;
    let text = |value: &str| Some(value.to_owned());
    let top = sandbox.base.join("r");
    let root_tree = sandbox.id("r", "HEAD^{tree}");
    for (options, output, content_tag) in [
        (TagOptions { org: text("zed"), dev: text("me"), ..TagOptions::default() }, "zed/a:dev".to_owned(), false),
        (TagOptions { org: text(""), hash: text("h"), ..TagOptions::default() }, "/a:h".to_owned(), false),
        (TagOptions { dev: text("me"), hash: text("q"), ..TagOptions::default() }, "me/a:q".to_owned(), false),
        (TagOptions { tag: text("v1"), ..TagOptions::default() }, "linuxkit/a:v1".to_owned(), false),
        (
            TagOptions { tag: text("v-{{.Hash}}"), hash: text("h"), ..TagOptions::default() },
            "linuxkit/a:v-h".into(),
            false,
        ),
        (TagOptions { hash_path: Some(top), ..TagOptions::default() }, format!("linuxkit/a:{root_tree}"), true),
    ] {
        let tag = sandbox.tag_with("pkg/a", &options);
        assert_eq!((tag.output.to_string(), tag.content_tag), (output, content_tag));
        assert_eq!(tag.identity, own);
    }
    let forced = sandbox.tag_with("pkg/a", &TagOptions { force_dirty: true, ..TagOptions::default() });
    assert_eq!((forced.dirt, forced.identity), (vec![Dirt::Forced], own));
}

#[test]
fn a_former_commit_gives_its_tree_and_is_never_dirty() {
    let sandbox = Sandbox::with_packages();
    let first = sandbox.id("r", "HEAD:pkg/a");
    sandbox.write("r/pkg/a/x", "second\n");
    sandbox.commit("r");
    sandbox.write("r/pkg/a/x", "third\n");
    let options = TagOptions { hash_commit: Some("HEAD~1".to_owned()), ..TagOptions::default() };
    let tag = sandbox.tag_with("pkg/a", &options);
    assert_eq!((tag.hash, tag.dirt, tag.commit.unwrap().id), (first, vec![], sandbox.id("r", "HEAD~1")));
    assert!(tag.identity.as_str().contains("-dirty-"));
    for commit in ["nope", "", "-x", "a\nb"] {
        let options = TagOptions { hash_commit: Some(commit.to_owned()), ..TagOptions::default() };
        assert_eq!(sandbox.problem("pkg/a", &options), "git::no_such_commit");
    }
}

#[test]
fn what_is_not_committed_says_so_unless_a_hash_is_given() {
    let sandbox = Sandbox::with_packages();
    sandbox.write("r/pkg/c/build.yml", "image: c\n");
    assert_eq!(sandbox.problem("pkg/c", &TagOptions::default()), "git::not_committed");
    sandbox.git("r", &["add", "-A"]);
    assert_eq!(sandbox.problem("pkg/c", &TagOptions::default()), "git::not_committed");
    let tag = sandbox.tag_with("pkg/c", &TagOptions { hash: Some("h".to_owned()), ..TagOptions::default() });
    assert_eq!((tag.output.to_string(), tag.tree.clone()), ("linuxkit/c:h".to_owned(), None));
    assert_eq!(tag.dirt, [Dirt::Modified("pkg/c/build.yml".into())]);
    assert_eq!(tag.revision(), None);
    // One bad package does not fail another.
    let both = sandbox.tags(&["pkg/a", "pkg/c"], &TagOptions::default());
    assert!(both[0].is_ok() && both[1].is_err());
}

#[test]
fn dirt_names_the_files_and_the_rule() {
    let sandbox = Sandbox::with_packages();
    sandbox.git("r", &["mv", "pkg/a/x", "pkg/b/x"]);
    sandbox.write("r/pkg/a/new", "n");
    sandbox.write("r/pkg/a/ignored.log", "n");
    let tags = sandbox.tags(&["pkg/a", "pkg/b"], &TagOptions::default());
    let dirt: Vec<Vec<Dirt>> = tags.into_iter().map(|tag| tag.unwrap().dirt).collect();
    assert_eq!(dirt[0], [Dirt::Modified("pkg/a/x".into()), Dirt::Untracked("pkg/a/new".into())]);
    assert_eq!(dirt[1], [Dirt::Modified("pkg/b/x".into())]);
}

#[test]
fn a_changed_file_is_found_whatever_bytes_its_name_has() {
    let sandbox = Sandbox::with_packages();
    let name = OsStr::from_bytes(b"\xff");
    let file = sandbox.base.join("r/pkg/a").join(name);
    fs::write(&file, "old").unwrap();
    sandbox.commit("r");
    fs::write(&file, "changed").unwrap();
    let workspace = workspace::read(&sandbox.base.join("r"), &workspace::Options::default()).unwrap();
    let ids: Vec<PackageId> = workspace.ids().collect();
    let tags = tags(&workspace, &ids, &TagOptions::default()).unwrap();
    let outside = outside_tree(&workspace, &tags, &ids[..1]).unwrap();
    let files: Vec<&PathBuf> = outside[0].values().collect();
    assert_eq!(files, [&file]);
}

#[test]
fn a_directory_outside_git_is_latest_with_a_note() {
    let sandbox = Sandbox::new();
    sandbox.write("r/p/build.yml", "image: p\n");
    let tag = sandbox.tag("p");
    assert_eq!((tag.output.as_str(), tag.hash.as_str(), tag.outside_git), ("linuxkit/p:latest", "", true));
    assert!(!tag.content_tag && tag.commit.is_none());
    assert_eq!(tag.warnings.iter().map(Problem::code).collect::<Vec<_>>(), ["git::outside"]);
    assert_eq!(sandbox.outside("p"), pairs(&[("build.yml", "r/p/build.yml")]));
    // A worktree whose repository is gone is no repository for git either.
    sandbox.write("r/.git", "gitdir: /nowhere\n");
    assert_eq!(sandbox.tag("p").output.as_str(), "linuxkit/p:latest");
}

#[test]
fn a_repository_without_commits_or_work_tree_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.git(".", &["init", "-q", "r"]);
    sandbox.write("r/p/build.yml", "image: p\n");
    assert_eq!(sandbox.problem("p", &TagOptions::default()), "git::no_commit");
    let tag = sandbox.tag_with("p", &TagOptions { hash: Some("h".to_owned()), ..TagOptions::default() });
    assert!(tag.dirt.contains(&Dirt::NoCommit));
    sandbox.write("r/.git/p/build.yml", "image: p\n");
    assert_eq!(sandbox.problem(".git/p", &TagOptions::default()), "git::not_in_work_tree");
}

#[test]
fn extra_sources_are_hashed_in_order_each_in_its_repository() {
    let sandbox = Sandbox::with_packages();
    sandbox.git(".", &["init", "-q", "other"]);
    sandbox.write("other/d/e", "e");
    sandbox.commit("other");
    sandbox.write(
        "r/pkg/a/build.yml",
        "image: a\nextra-sources:\n  - ../../lib:vendor/lib\n  - ../../../other/d:/ext/.\n",
    );
    sandbox.commit("r");
    let tag = sandbox.tag("pkg/a");
    let ids = [sandbox.id("r", "HEAD:pkg/a"), sandbox.id("r", "HEAD:lib"), sandbox.id("other", "HEAD:d")];
    assert_eq!(tag.hash, crate::hex::hex(&sha1::Sha1::digest(ids.concat())));
    let lines: Vec<(&str, u32)> =
        tag.extra_sources.iter().map(|source| (source.destination.as_str(), source.line)).collect();
    assert_eq!(lines, [("vendor/lib", 3), ("/ext", 4)]);
    assert!(!tag.is_dirty());

    sandbox.write("other/d/new", "n");
    let dirty = sandbox.tag("pkg/a");
    assert!(dirty.dirt.is_empty() && dirty.is_dirty());
    assert_eq!(dirty.extra_sources[1].dirt, [Dirt::Untracked("d/new".into())]);
    let suffix = |files: &[&str]| {
        let bytes: Vec<u8> = files.iter().flat_map(|file| fs::read(sandbox.base.join(file)).unwrap()).collect();
        format!("{}-dirty-{}", tag.hash, &crate::hex::hex(&Sha256::digest(bytes))[..7])
    };
    let package = ["r/pkg/a/build.yml", "r/pkg/a/sub/y", "r/pkg/a/x"];
    assert_eq!(dirty.hash, suffix(&[&package[..], &["other/d/e", "other/d/new"]].concat()));
    assert_eq!(sandbox.outside("pkg/a"), pairs(&[("ext/new", "other/d/new")]));

    // With clean sources the suffix is taken over the package alone, as in linuxkit.
    fs::remove_file(sandbox.base.join("other/d/new")).unwrap();
    sandbox.write("r/pkg/a/x", "changed\n");
    assert_eq!(sandbox.tag("pkg/a").hash, suffix(&package));
}

#[test]
fn a_wrong_extra_source_points_into_the_yml() {
    let sandbox = Sandbox::with_packages();
    fs::create_dir(sandbox.base.join("plain")).unwrap();
    for (entry, code) in [
        ("../../lib", "git::extra_source_format"),
        ("../../nope:x", "git::extra_source"),
        ("../../lib/l:x", "git::extra_source"),
        ("../../../plain:x", "git::extra_source"),
        ("../../new:x", "git::not_committed"),
    ] {
        sandbox.write("r/new/f", "f");
        sandbox.write("r/pkg/a/build.yml", &format!("image: a\nextra-sources:\n  - {entry}\n"));
        let problem = sandbox.tags(&["pkg/a"], &TagOptions::default()).remove(0).unwrap_err();
        assert_eq!(problem.code(), code, "{entry}");
        let label = problem.diagnostic().labels().unwrap().next().unwrap();
        assert_eq!((label.offset(), label.len()), ("image: a\nextra-sources:\n  - ".len(), entry.len()), "{entry}");
    }
}

#[test]
fn a_template_that_is_not_understood_points_into_the_yml() {
    let sandbox = Sandbox::with_packages();
    sandbox.write("r/pkg/a/build.yml", "image: a\ntag: \"{{.Nope}}\"\n");
    sandbox.commit("r");
    let problem = sandbox.tags(&["pkg/a"], &TagOptions::default()).remove(0).unwrap_err();
    assert_eq!((problem.code().as_str(), problem.diagnostic().labels().unwrap().count()), ("git::tag_template", 1));
    let tag = sandbox.tag_with("pkg/a", &TagOptions { tag: Some("v1".to_owned()), ..TagOptions::default() });
    assert_eq!(tag.output.as_str(), "linuxkit/a:v1");
}

#[test]
fn a_hash_path_is_a_directory_that_contains_the_package() {
    let sandbox = Sandbox::with_packages();
    let at = |path: &str| TagOptions { hash_path: Some(sandbox.base.join(path)), ..TagOptions::default() };
    assert_eq!(sandbox.tag_with("pkg/a", &at("r/./pkg/")).hash, sandbox.id("r", "HEAD:pkg"));
    assert_eq!(sandbox.problem("pkg/a", &at("r/pk")), "git::hash_path");
    assert_eq!(sandbox.problem("pkg/a", &at("r/lib")), "git::hash_path");
    assert_eq!(sandbox.problem("pkg/a", &at(".")), "git::outside_repository");
}

#[test]
fn links_are_themselves_and_links_above_do_not_matter() {
    let sandbox = Sandbox::with_packages();
    symlink("a", sandbox.base.join("r/pkg/link")).unwrap();
    sandbox.commit("r");
    symlink("r", sandbox.base.join("alias")).unwrap();
    sandbox.write("r/pkg/a/new", "n");
    let link = sandbox.tag("pkg/link");
    assert_eq!((link.hash.as_str(), link.is_dirty()), (sandbox.id("r", "HEAD:pkg/link").as_str(), false));
    // The tree of a link is its text, so all its files are outside.
    assert_eq!(sandbox.outside("pkg/link").len(), 4);
    assert_eq!(sandbox.tag("../alias/pkg/a").hash, sandbox.tag("pkg/a").hash);
    sandbox.write("r/build.yml", "image: root\n");
    assert_eq!(sandbox.problem("../alias", &TagOptions::default()), "git::top_through_symlink");
    assert!(sandbox.tag(".").is_dirty());
}

#[test]
fn names_that_the_suffix_overlooks_are_a_warning() {
    let sandbox = Sandbox::with_packages();
    sandbox.write("r/pkg/a/caf\u{e9}", "one");
    let one = sandbox.tag("pkg/a");
    assert_eq!(one.warnings.iter().map(Problem::code).collect::<Vec<_>>(), ["git::name_not_hashed"]);
    assert!(one.warnings[0].to_string().contains("`caf\u{e9}`"));
    sandbox.write("r/pkg/a/caf\u{e9}", "two");
    assert_eq!(sandbox.tag("pkg/a").hash, one.hash);
    sandbox.git("r", &["config", "core.quotePath", "false"]);
    let seen = sandbox.tag("pkg/a");
    assert!(seen.hash != one.hash && seen.warnings.is_empty());
}

#[test]
fn what_is_outside_the_tree_is_found_wherever_it_hides() {
    let sandbox = Sandbox::with_packages();
    assert!(sandbox.outside("pkg/a").is_empty());
    sandbox.write("r/pkg/a/x", "changed\n");
    sandbox.write("r/pkg/a/new", "n");
    sandbox.write("r/pkg/a/out/deep.log", "ignored");
    fs::remove_file(sandbox.base.join("r/pkg/a/sub/y")).unwrap();
    symlink("x", sandbox.base.join("r/pkg/a/ln")).unwrap();
    sandbox.git("r/pkg/a", &["init", "-q", "nested"]);
    sandbox.write("r/pkg/a/nested/n.log", "n");
    assert_eq!(
        sandbox.outside("pkg/a"),
        pairs(&[
            ("ln", "r/pkg/a/ln"),
            ("nested/n.log", "r/pkg/a/nested/n.log"),
            ("new", "r/pkg/a/new"),
            ("out/deep.log", "r/pkg/a/out/deep.log"),
            ("sub/y", "r/pkg/a/sub/y"),
            ("x", "r/pkg/a/x"),
        ])
    );
    assert!(sandbox.outside("pkg/b").is_empty());
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let sandbox = Sandbox::with_packages();
    sandbox.git(".", &["init", "-q", "module"]);
    sandbox.write("module/in/build.yml", "image: in\n");
    sandbox.write("module/f", "f");
    sandbox.commit("module");
    let module = sandbox.base.join("module").display().to_string();
    sandbox.git("r", &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &module, "pkg/a/sm"]);
    sandbox.commit("r");
    assert_eq!(sandbox.tag("pkg/a/sm/in").hash, sandbox.id("module", "HEAD:in"));
    let outer = sandbox.tag("pkg/a");
    assert_eq!((outer.hash.as_str(), outer.is_dirty()), (sandbox.id("r", "HEAD:pkg/a").as_str(), false));
    // The tree of the outer package only holds the commit of the submodule.
    let files = pairs(&[("sm/f", "r/pkg/a/sm/f"), ("sm/in/build.yml", "r/pkg/a/sm/in/build.yml")]);
    assert_eq!(sandbox.outside("pkg/a"), files);
}

#[test]
fn packages_at_all_depths_are_found_in_one_go() {
    let sandbox = Sandbox::new();
    sandbox.git(".", &["init", "-q", "r"]);
    let mut paths = vec![".".to_owned(), "a".to_owned(), "a/b/c/d".to_owned(), "a b/\u{e9}".to_owned()];
    paths.extend((0..150).map(|n| format!("n{n}/p")));
    for path in &paths {
        sandbox.write(&format!("r/{path}/build.yml"), &format!("image: x\n# {path}\n"));
    }
    sandbox.commit("r");
    sandbox.write("r/n7/p/new", "n");
    let asked: Vec<&str> = paths.iter().map(String::as_str).collect();
    for (path, tag) in paths.iter().zip(sandbox.tags(&asked, &TagOptions::default())) {
        let tag = tag.unwrap();
        let object = if path == "." { "HEAD^{tree}".to_owned() } else { format!("HEAD:{path}") };
        if path.starts_with("n9") || !path.starts_with('n') {
            assert_eq!(tag.tree, Some(sandbox.id("r", &object)), "{path}");
        }
        assert_eq!(tag.is_dirty(), path == "." || path == "n7/p", "{path}");
    }
}

#[test]
fn a_history_whose_trees_a_partial_clone_lacks_ends_there_and_nothing_is_fetched() {
    let sandbox = Sandbox::with_packages();
    let origin = sandbox.base.join("origin");
    for text in ["second\n", "third\n"] {
        sandbox.write("r/pkg/a/x", text);
        sandbox.commit("r");
    }
    let former = |sandbox: &Sandbox| {
        let workspace = sandbox.workspace(&["pkg/a"]);
        let ids: Vec<PackageId> = workspace.ids().collect();
        let tags = tags(&workspace, &ids, &TagOptions::default()).unwrap();
        let history = history(&workspace, &tags, ids[0]).unwrap().unwrap();
        (history.former.len(), history.end)
    };
    assert_eq!(former(&sandbox), (2, End::Beginning));

    fs::rename(sandbox.base.join("r"), &origin).unwrap();
    sandbox.git("origin", &["config", "uploadpack.allowFilter", "true"]);
    sandbox.git("origin", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", origin.display());
    sandbox.git(".", &["clone", "--quiet", "--filter=tree:0", &url, "r"]);
    let objects = || sandbox.git("r", &["count-objects", "-v"]);
    let before = objects();
    assert_eq!(former(&sandbox), (0, End::ObjectsAbsent));
    assert_eq!(objects(), before);
}
