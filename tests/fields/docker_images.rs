//! `depends.docker-images`: images that a build wants as tar files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Bench, files, text};
use crate::support::{Monorepo, Registry, docker, fixtures, manifest, run, skopeo};

/// The outside images with a digest, by name.
fn outside() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(fixtures().join("outside/images")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(str::split_whitespace);
    rows.filter_map(|mut row| Some((row.next()?.to_owned(), row.nth(2)?.to_owned()))).collect()
}

/// The images of a tar file: the configuration of each, with what it is called.
fn saved(file: &Path) -> Vec<(Value, Value)> {
    let json = |member: &str| -> Value {
        let read = run(Command::new("tar").arg("-xOf").arg(file).arg(member));
        serde_json::from_str(&read.stdout).unwrap()
    };
    let listed = json("manifest.json");
    let image = |entry: &Value| (json(entry["Config"].as_str().unwrap()), entry["RepoTags"].clone());
    listed.as_array().unwrap().iter().map(image).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How often each layer and configuration of a repository was read from a registry.
fn reads(registry: &Registry, repository: &str) -> BTreeMap<String, usize> {
    let prefix = format!("/v2/{repository}/blobs/");
    let mut reads = BTreeMap::new();
    for request in registry.requests() {
        if request.method == "GET" && request.path.starts_with(&prefix) {
            *reads.entry(request.path).or_default() += 1;
        }
    }
    reads
}

#[test]
fn images_are_placed_in_files_of_their_own_or_in_one_and_what_the_tree_has_there_is_left_out() {
    let images = outside();
    let of = |name: &str| format!("OUTSIDE/{name}@{}", images[name]);
    let copy = "FROM scratch\nCOPY . /context\n";
    let bench = Bench::new(&[
        (
            "pkg/list/build.yml",
            &format!(
                "org: ORG\nimage: list\ndepends:\n  docker-images:\n    target-dir: sub/images\n    list: ['{}', '{}']\n",
                of("greeting"),
                of("keyring")
            ),
        ),
        ("pkg/list/Dockerfile", copy),
        ("pkg/list/sub/images/old.tar", "of another time"),
        ("pkg/list/sub/kept", "beside it"),
        (
            "pkg/file/build.yml",
            "org: ORG\nimage: file\ndepends:\n  docker-images:\n    target: all.tar\n    from-file: images.lst\n",
        ),
        ("pkg/file/images.lst", &format!("# comment\n\n{}\n{}\n", of("greeting"), of("keyring"))),
        ("pkg/file/all.tar", "of another time"),
        ("pkg/file/Dockerfile", copy),
    ]);
    bench.build(&["pkg"]);
    let list = bench.files("pkg/list");
    let context = list.path().join("context");
    let file = |name: &str| format!("{name}@{}.tar", images[name]);
    assert_eq!(names(&context.join("sub/images")), [file("greeting"), file("keyring")]);
    assert_eq!(text(&context, "sub/kept"), "beside it");
    for name in ["greeting", "keyring"] {
        let archive = saved(&context.join("sub/images").join(file(name)));
        assert_eq!(archive.len(), 1);
        assert!(archive[0].1.is_null(), "as an image that is saved by its digest it has no name: {}", archive[0].1);
    }
    let one = bench.files("pkg/file");
    let archive = saved(&one.path().join("context/all.tar"));
    assert_eq!(archive.len(), 2);
    assert!(archive.iter().all(|(_, tags)| tags.is_null()));
    assert_eq!(bench.monorepo.git(&["status", "--porcelain"]), "", "the tree is left alone");
    assert_eq!(bench.monorepo.read("pkg/list/sub/images/old.tar"), "of another time");
}

#[test]
fn images_that_are_to_be_put_nowhere_are_refused_before_anything_is_built() {
    let yml = format!("image: a\ndepends:\n  docker-images:\n    list: ['linuxkit/x@{}']\n", outside()["greeting"]);
    let monorepo = Monorepo::with_files(&[("pkg/a/build.yml", &yml), ("pkg/a/Dockerfile", "FROM scratch\n")]);
    let refused = monorepo.kitmake(&["plan", "--offline", "--assume-missing"]).with_code(3);
    assert!(refused.stderr.contains("plan::no_target") && refused.stderr.contains("build.yml:4"), "{}", refused.stderr);
    monorepo.kitmake(&["show-tag", "pkg/a"]).with_code(0);
}

#[test]
fn an_image_of_several_packages_and_platforms_is_fetched_once() {
    let yml = |name: &str| {
        let image = format!("OUTSIDE/greeting@{}", outside()["greeting"]);
        format!(
            "org: ORG\nimage: {name}\narches: [amd64, arm64]\ndepends:\n  docker-images:\n    target-dir: images\n    \
             list: ['{image}']\n"
        )
    };
    let (a, b, c) = (yml("a"), yml("b"), yml("c"));
    let copy = "FROM scratch\nCOPY images /images\n";
    let bench = Bench::new(&[
        ("pkg/a/build.yml", &a),
        ("pkg/a/Dockerfile", copy),
        ("pkg/b/build.yml", &b),
        ("pkg/b/Dockerfile", copy),
        ("pkg/c/build.yml", &c),
        ("pkg/c/Dockerfile", copy),
    ]);
    bench.build(&["pkg", "--platforms", "all", "-j", "8"]);
    let read = reads(&bench.registry, "outside/greeting");
    assert!(!read.is_empty() && read.values().all(|&count| count == 1), "{read:?}");
    for package in ["pkg/a", "pkg/b", "pkg/c"] {
        for architecture in ["amd64", "arm64"] {
            let image = files(&format!("{}-{architecture}", bench.reference(package)));
            assert_eq!(names(&image.path().join("images")).len(), 1, "{package} {architecture}");
        }
    }
    let again = bench.build(&["pkg", "--platforms", "all", "--force"]);
    assert!(!again.stderr.contains("Fetched"), "it is on the engine: {}", again.stderr);
    assert_eq!(reads(&bench.registry, "outside/greeting"), read);
}

#[test]
fn each_platform_gets_its_own_image_of_an_index_whichever_the_engine_has() {
    let base = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n";
    let published = Bench::new(&[
        ("pkg/base/build.yml", "org: ORG\nimage: base\n"),
        ("pkg/base/Dockerfile", base),
        ("pkg/base/amd64", "amd64"),
        ("pkg/base/arm64", "arm64"),
        ("pkg/base/riscv64", "riscv64"),
    ]);
    published.monorepo.kitmake(&["push", "--platforms", "all"]).with_code(0);
    let reference = published.reference("pkg/base");
    let before = reads(&published.registry, "fields/base");
    let index = manifest(&reference);
    let digest = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")]);
    let name = reference.rsplit_once(':').unwrap().0.to_owned();
    let digest = format!("sha256:{}", sha256(&digest));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 3);
    for suffix in ["", "-amd64", "-arm64", "-riscv64"] {
        let _ = Command::new("docker").args(["image", "rm", &format!("{reference}{suffix}")]).output();
    }

    // The engine keeps one platform under the digest of an index: here one that is none of the first two.
    let Bench { registry, monorepo: _kept } = published;
    docker(&["pull", "--quiet", "--platform", "linux/riscv64", &format!("{name}@{digest}")]);
    let yml = |image: &str| {
        format!(
            "org: ORG\nimage: {image}\ndepends:\n  docker-images:\n    target: image.tar\n    list: ['{name}@{digest}']\n"
        )
    };
    let copy = "FROM scratch\nCOPY image.tar /\n";
    let bench = Bench::on(
        registry,
        &[
            ("pkg/a/build.yml", &yml("a")),
            ("pkg/a/Dockerfile", copy),
            ("pkg/b/build.yml", &yml("b")),
            ("pkg/b/Dockerfile", copy),
        ],
    );
    bench.build(&["pkg", "--platforms", "linux/amd64,linux/arm64", "-j", "8"]);
    bench.build(&["pkg", "--platforms", "all"]);
    for package in ["pkg/a", "pkg/b"] {
        for architecture in ["amd64", "arm64", "riscv64"] {
            let image = files(&format!("{}-{architecture}", bench.reference(package)));
            let archive = saved(&image.path().join("image.tar"));
            assert_eq!(archive[0].0["architecture"], architecture, "{package}");
            assert!(archive[0].1.is_null(), "{package}");
        }
    }
    let read = reads(&bench.registry, "fields/base");
    let by_push = |path: &String| before.get(path).copied().unwrap_or_default();
    let once = read.iter().all(|(path, count)| *count == by_push(path) + 1);
    assert!(!read.is_empty() && once, "{read:?} after {before:?}");

    // What the index does not list is said, not taken from another platform.
    bench.monorepo.replace("pkg/a/build.yml", "image: a\n", "image: a\narches: [s390x]\n");
    bench.monorepo.commit("Want it elsewhere");
    let failed = bench.monorepo.kitmake(&["build", "pkg/a", "--platforms", "all"]).with_code(4);
    assert!(failed.stderr.contains(&format!("`{name}@{digest}` has no image for linux/s390x")), "{}", failed.stderr);
}

fn sha256(text: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}
