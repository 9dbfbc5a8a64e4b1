//! How the steps run: `network`, `disable-cache`, and which `dockerfile` says what they are.

use super::{Bench, text};

#[test]
fn steps_have_a_network_only_where_the_yml_allows_it() {
    let dockerfile = "FROM OUTSIDE/busybox:1\nRUN ls /sys/class/net > /net\n";
    let bench = Bench::new(&[
        ("pkg/none/build.yml", "org: ORG\nimage: none\n"),
        ("pkg/none/Dockerfile", dockerfile),
        ("pkg/off/build.yml", "org: ORG\nimage: off\nnetwork: no\n"),
        ("pkg/off/Dockerfile", dockerfile),
        ("pkg/on/build.yml", "org: ORG\nimage: on\nnetwork: yes\n"),
        ("pkg/on/Dockerfile", dockerfile),
    ]);
    bench.build(&["pkg"]);
    let seen = |package: &str| text(bench.files(package).path(), "net");
    assert_eq!((seen("pkg/none").as_str(), seen("pkg/off").as_str()), ("lo\n", "lo\n"));
    assert!(seen("pkg/on").lines().any(|name| name != "lo"), "{}", seen("pkg/on"));
}

#[test]
fn steps_are_cached_unless_the_yml_forbids_it() {
    let dockerfile = "FROM OUTSIDE/busybox:1\nCOPY build.yml /\nRUN cat /proc/sys/kernel/random/uuid > /id\n";
    let bench = Bench::new(&[
        ("pkg/cached/build.yml", "org: ORG\nimage: cached\n"),
        ("pkg/cached/Dockerfile", dockerfile),
        ("pkg/fresh/build.yml", "org: ORG\nimage: fresh\ndisable-cache: true\n"),
        ("pkg/fresh/Dockerfile", dockerfile),
    ]);
    let ids = || ["pkg/cached", "pkg/fresh"].map(|package| text(bench.files(package).path(), "id"));
    bench.build(&["pkg"]);
    let [cached, fresh] = ids();
    bench.build(&["pkg", "--force"]);
    let again = ids();
    assert_eq!(cached, again[0]);
    assert_ne!(fresh, again[1]);
}

#[test]
fn the_dockerfile_is_the_one_that_the_yml_names() {
    let bench = Bench::new(&[
        ("pkg/a/build.yml", "org: ORG\nimage: a\ndockerfile: sub/Dockerfile.other\n"),
        ("pkg/a/Dockerfile", "FROM scratch\nCOPY no-such-file /\n"),
        ("pkg/a/sub/Dockerfile.other", "FROM scratch\nCOPY sub/file /other\n"),
        ("pkg/a/sub/file", "of the root of the context\n"),
    ]);
    bench.build(&["pkg/a"]);
    assert_eq!(text(bench.files("pkg/a").path(), "other"), "of the root of the context\n");
}
