//! Finding packages on disk, with the real git where git has a say.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

/// A directory below a hidden one, as temporary directories are.
fn root(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(root.path(), path, text);
    }
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(root: &Path, args: &[&str]) {
    let status = Command::new("git").arg("-C").arg(root).args(args).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{args:?}");
}

fn workspace(root: &Path) -> Workspace {
    read(root, &Options::default()).unwrap()
}

fn names(root: &Path) -> Vec<String> {
    workspace(root).packages.iter().map(|package| package.name.to_string()).collect()
}

#[test]
fn every_directory_with_a_build_yml_is_a_package_sorted_by_name() {
    let root = root(&[
        ("pkg/b/build.yml", "image: b"),
        ("pkg/a/build.yml", "image: a"),
        ("pkg/a/sub/deep/build.yml", "image: d"),
        ("build.yml", "image: root"),
        ("pkg/c/other.yml", "image: c"),
        ("pkg/dir/build.yml/x", ""),
    ]);
    assert_eq!(names(root.path()), [".", "pkg/a", "pkg/a/sub/deep", "pkg/b"]);
    let workspace = workspace(root.path());
    assert_eq!(workspace.root, root.path());
    assert_eq!(workspace.package(crate::workspace::PackageId(0)).build.as_ref().unwrap().source.path, "build.yml");
    assert_eq!(workspace.packages[1].build.as_ref().unwrap().source.path, "pkg/a/build.yml");
    assert_eq!((workspace.packages[1].path.as_str(), workspace.packages[1].yml.as_str()), ("pkg/a", "build.yml"));
}

#[test]
fn hidden_directories_are_not_scanned_even_if_git_tracks_them() {
    let files = [
        (".gitignore", "!.x\n"),
        (".x/build.yml", "image: x"),
        ("a/.y/b/build.yml", "image: y"),
        ("a/build.yml", "image: a"),
    ];
    let root = root(&files);
    git(root.path(), &["init", "-q"]);
    assert_eq!(names(root.path()), ["a"]);
    git(root.path(), &["add", "-A"]);
    assert_eq!(names(root.path()), ["a"]);
}

#[test]
fn only_ignore_rules_of_git_hide_a_directory_and_never_a_tracked_one() {
    let files = [
        (".gitignore", "/out/\n*.tmp\n"),
        (".ignore", "plain\n"),
        (".rgignore", "plain\n"),
        ("plain/build.yml", "image: p"),
        ("out/build.yml", "image: o"),
        ("out/tracked/build.yml", "image: t"),
        ("x.tmp/build.yml", "image: x"),
        ("nested/.gitignore", "/skip\n"),
        ("nested/skip/build.yml", "image: s"),
        ("nested/keep/build.yml", "image: k"),
    ];
    let root = root(&files);
    let unversioned =
        ["nested/keep", "nested/skip", "out", "out/tracked", "plain", "x.tmp"].map(str::to_owned).to_vec();
    assert_eq!(names(root.path()), unversioned);
    git(root.path(), &["init", "-q"]);
    assert_eq!(names(root.path()), ["nested/keep", "plain"]);
    git(root.path(), &["add", "-f", "out/tracked/build.yml"]);
    assert_eq!(names(root.path()), ["nested/keep", "out/tracked", "plain"]);
    fs::remove_file(root.path().join("out/tracked/build.yml")).unwrap();
    assert_eq!(names(root.path()), ["nested/keep", "plain"]);
}

#[test]
fn a_root_below_the_top_level_sees_its_own_packages_under_the_rules_above() {
    let files = [
        (".gitignore", "skip/\n"),
        ("other/build.yml", "image: o"),
        ("sub/a/build.yml", "image: a"),
        ("sub/skip/build.yml", "image: s"),
        ("sub/skip/tracked/build.yml", "image: t"),
    ];
    let root = root(&files);
    git(root.path(), &["init", "-q"]);
    git(root.path(), &["add", "-f", "sub/skip/tracked/build.yml", "other/build.yml"]);
    assert_eq!(names(&root.path().join("sub")), ["a", "skip/tracked"]);
}

#[test]
fn a_nested_repository_is_scanned_like_a_directory() {
    let root = root(&[("vendor/r/p/build.yml", "image: p"), ("a/build.yml", "image: a")]);
    git(root.path(), &["init", "-q"]);
    git(&root.path().join("vendor/r"), &["init", "-q"]);
    assert_eq!(names(root.path()), ["a", "vendor/r/p"]);
}

#[cfg(unix)]
#[test]
fn links_to_directories_are_not_followed_but_a_linked_root_is_entered() {
    let root = root(&[("real/a/build.yml", "image: a")]);
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "p/build.yml", "image: p");
    std::os::unix::fs::symlink(outside.path(), root.path().join("real/out")).unwrap();
    std::os::unix::fs::symlink("a", root.path().join("real/again")).unwrap();
    std::os::unix::fs::symlink("real", root.path().join("link")).unwrap();
    assert_eq!(names(root.path()), ["real/a"]);
    assert_eq!(names(&root.path().join("link")), ["a"]);
    assert_eq!(workspace(&root.path().join("link")).root, root.path().join("link"));
    let linked = package(root.path(), "real/again", "build.yml", &KitmakeYml::default(), false);
    assert_eq!(linked.build.unwrap().image, "a");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_is_a_problem_of_its_own() {
    use std::os::unix::ffi::OsStrExt as _;

    let root = root(&[("a/build.yml", "image: a")]);
    let odd = root.path().join(std::ffi::OsStr::from_bytes(b"b\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("build.yml"), "image: b").unwrap();
    git(root.path(), &["init", "-q"]);
    git(root.path(), &["add", "-A"]);
    let workspace = workspace(root.path());
    let codes: Vec<String> =
        workspace.packages.iter().flat_map(|package| &package.problems).map(Problem::code).collect();
    assert_eq!(codes, ["workspace::path_not_utf8"]);
    assert_eq!(names(root.path()), ["a", "b\u{fffd}"]);
}

#[test]
fn the_ymls_that_kitmake_yml_lists_join_the_build_yml() {
    let root = root(&[
        ("kitmake.yml", "packages:\n  pkg/a: [kvm.yml, common/x.yml]\n  .hidden: [h.yml]\n"),
        ("pkg/a/build.yml", "image: a"),
        ("pkg/a/kvm.yml", "image: a\ntag: kvm"),
        ("pkg/a/common/x.yml", "image: x"),
        ("pkg/a/Dockerfile", "FROM scratch\n"),
        (".hidden/h.yml", "image: h"),
    ]);
    assert_eq!(names(root.path()), [".hidden:h.yml", "pkg/a", "pkg/a:common/x.yml", "pkg/a:kvm.yml"]);
    let workspace = workspace(root.path());
    assert_eq!(workspace.packages[2].path, "pkg/a");
    assert_eq!(workspace.packages[2].dockerfile.as_ref().unwrap().source.path, "pkg/a/Dockerfile");
    assert_eq!(workspace.config.packages["pkg/a"].build_ymls, ["kvm.yml", "common/x.yml"]);
}

#[test]
fn a_wrong_kitmake_yml_is_an_error() {
    let root = root(&[("kitmake.yml", "packages:\n  pkg/a: [kvm.yml]\n"), ("pkg/a/build.yml", "image: a")]);
    assert_eq!(read(root.path(), &Options::default()).unwrap_err().code(), "workspace::missing_listed");
}

#[test]
fn a_package_that_cannot_be_read_is_listed_with_its_problems() {
    let root = root(&[("a/build.yml", "image: [\n"), ("b/build.yml", "image: b"), ("c/build.yml", "image: c\nx: 1")]);
    fs::write(root.path().join("b/build.yml"), b"image: \xff").unwrap();
    let workspace = workspace(root.path());
    let codes = |package: &Package| package.problems.iter().map(Problem::code).collect::<Vec<_>>();
    assert_eq!(codes(&workspace.packages[0]), ["workspace::invalid_yaml"]);
    assert_eq!(workspace.packages[1].problems[0].to_string(), "`b/build.yml` cannot be read: it is not UTF-8");
    assert!(workspace.packages[2].problems.is_empty());
    assert_eq!(workspace.packages[2].warnings[0].code(), "workspace::unknown_key");
    let strict = read(root.path(), &Options { strict: true, ..Options::default() }).unwrap();
    assert_eq!(codes(&strict.packages[2]), ["workspace::unknown_key"]);
}

/// The code, the sentence, and the text that is pointed at.
fn dockerfile_problem(package: &Package) -> (String, String, String) {
    let problem = package.dockerfile_problem.as_ref().unwrap();
    let label = problem.diagnostic().labels().unwrap().next().unwrap();
    let source = &package.build.as_ref().unwrap().source.text;
    (problem.code(), problem.to_string(), source[label.offset()..label.offset() + label.len()].to_owned())
}

#[test]
fn a_missing_dockerfile_leaves_the_package_its_tag() {
    let root = root(&[
        ("a/build.yml", "image: a\n"),
        ("b/build.yml", "image: b\ndockerfile: sub/D\n"),
        ("b/sub/D.in", ""),
        ("c/build.yml", "image: c\ndockerfile: ../D\n"),
        ("d/build.yml", "image: d\ndockerfile: ''\n"),
        ("e/build.yml", "image: e\ndockerfile: /sub/D\n"),
        ("e/sub/D", "FROM scratch\n"),
    ]);
    let packages = workspace(root.path()).packages;
    assert!(packages.iter().all(|package| package.build.is_some() && package.problems.is_empty()));
    assert_eq!(
        dockerfile_problem(&packages[0]),
        (
            "workspace::missing_dockerfile".to_owned(),
            "the Dockerfile `a/Dockerfile` of this package is missing".to_owned(),
            "a".to_owned()
        )
    );
    let (_, message, at) = dockerfile_problem(&packages[1]);
    let expected = "the Dockerfile `b/sub/D` of this package is missing; its template `b/sub/D.in` is there";
    assert_eq!((message.as_str(), at.as_str()), (expected, "sub/D"));
    assert_eq!(dockerfile_problem(&packages[2]).0, "workspace::dockerfile_outside_package");
    assert_eq!(dockerfile_problem(&packages[3]).0, "workspace::unreadable_dockerfile");
    assert_eq!(packages[4].dockerfile.as_ref().unwrap().source.path, "e/sub/D");
}

#[test]
fn the_list_of_docker_images_is_read_from_the_package_directory() {
    let digest = "a".repeat(64);
    let yml = "image: a\ndepends: {docker-images: {from-file: images, target: t.tar}}\n";
    let root = root(&[("a/build.yml", yml), ("a/images", &format!("g.io/x@sha256:{digest}\n"))]);
    let workspace = workspace(root.path());
    assert_eq!(workspace.packages[0].build.as_ref().unwrap().docker_images.images[0].file, "a/images");
}

#[test]
fn a_root_that_is_no_directory_is_a_usage_error() {
    let root = root(&[("file", "")]);
    for path in ["nope", "file"] {
        let problem = read(&root.path().join(path), &Options::default()).unwrap_err();
        assert_eq!((problem.code().as_str(), problem.class()), ("workspace::no_root", crate::problem::Class::Usage));
    }
}

#[test]
fn the_root_is_the_nearest_kitmake_yml_else_the_top_level() {
    let root = root(&[("r/sub/kitmake.yml", ""), ("r/sub/pkg/a/build.yml", ""), ("r/other/x", ""), ("n/x", "")]);
    git(&root.path().join("r"), &["init", "-q"]);
    let found = |path: &str| find_root(&root.path().join(path)).unwrap().strip_prefix(root.path()).unwrap().to_owned();
    assert_eq!(found("r/sub/pkg/a"), Path::new("r/sub"));
    assert_eq!(found("r/sub"), Path::new("r/sub"));
    assert_eq!(found("r/other"), Path::new("r"));
    assert_eq!(find_root(&root.path().join("n")), None);
    git(root.path(), &["init", "-q", "--bare", "bare.git"]);
    git(root.path(), &["init", "-q", "--bare", "r/sub/bare.git"]);
    assert_eq!(found("bare.git/refs"), Path::new("bare.git"));
    assert_eq!(found("r/sub/bare.git"), Path::new("r/sub/bare.git"));
    assert_eq!(found("r/.git/refs"), Path::new("r"));
}
