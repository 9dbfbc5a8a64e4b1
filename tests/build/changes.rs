//! What is built after an edit, and what is only reported.

use std::collections::BTreeSet;

use super::{Bench, NEEDS, built_on, node, nodes, reasons, set, steps, told_set};
use crate::support::unpack;

#[test]
fn an_edit_of_the_base_builds_the_base_and_after_pinning_all_that_is_built_on_it() {
    let bench = Bench::new();
    bench.kitmake(&["build", ".", "-j", "4", "--push"]).with_code(0);
    let base = bench.reference("tools/base");

    bench.monorepo.write("tools/base/etc/motd", "An edit.\n");
    bench.monorepo.commit("Edit the base");
    let plan = bench.plan(&[".", "--push"]);
    assert_eq!(steps(&plan, "build"), nodes(["tools/base"]));
    assert_eq!(steps(&plan, "push"), nodes(["tools/base"]));
    assert_eq!(steps(&plan, "index"), set(["tools/base"]));
    let consumers = NEEDS.iter().filter(|(_, needs)| needs.contains(&"tools/base")).map(|(package, _)| *package);
    let text = bench.kitmake(&["plan", ".", "--push", "--verbose"]).with_code(0);
    for package in consumers {
        let reported = reasons(node(&plan, package));
        assert!(reported.contains("pin-stale"), "{package}: {reported:?}");
        assert!(!reported.contains("outdated"), "{package} was made from what it is pinned to");
        assert_eq!(node(&plan, package)["state"], "present", "{package}");
        let directory = package.split(':').next().unwrap();
        let file = if package == "pkg/kernel" { "Dockerfile.kernel" } else { "Dockerfile" };
        let dockerfile = bench.monorepo.read(&format!("{directory}/{file}"));
        let line = dockerfile.lines().position(|line| line.contains(&base)).unwrap() + 1;
        let place = format!("{directory}/{file}:{line} {base} (tools/base is ");
        let mut lines = text.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.any(|line| line.starts_with(&place)), "{place}\n{}", text.stdout);
    }
    assert!(!text.stdout.contains("outdated"), "{}", text.stdout);

    let built = bench.kitmake(&["build", ".", "--push"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["tools/base"]));
    assert!(built.stderr.contains("stale pins: 16\n"), "a build says so, too\n{}", built.stderr);
    assert_eq!(bench.to_build(&["."]), BTreeSet::new());

    bench.monorepo.pin();
    bench.monorepo.commit("Pin the base");
    let expected: BTreeSet<String> = built_on("tools/base").into_iter().filter(|name| name != "tools/base").collect();
    let repinned = bench.kitmake(&["build", ".", "-j", "4", "--push"]).with_code(0);
    assert_eq!(told_set(&repinned, "Built"), expected, "all that is built on the base, which is there already");
    assert_eq!(bench.to_build(&[".", "--push"]), BTreeSet::new());
}

#[test]
fn an_edit_of_the_base_that_is_pinned_at_once_builds_it_and_all_that_is_built_on_it() {
    let bench = Bench::new();
    bench.kitmake(&["build", ".", "-j", "4", "--push"]).with_code(0);
    bench.edit_and_pin("tools/base/etc/motd", "Another edit.\n");
    let expected = built_on("tools/base");
    assert_eq!(bench.to_build(&["."]), nodes(expected.iter().map(String::as_str)));
    // A target pulls in what it needs and nothing else.
    assert_eq!(bench.to_build(&["pkg/vtpm"]), nodes(["pkg/vtpm", "tools/base"]));
    let built = bench.kitmake(&["build", ".", "-j", "4"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), expected);

    // Built before, pushed now.
    let pushed = bench.kitmake(&["push", "."]).with_code(0);
    assert_eq!(told_set(&pushed, "Built"), BTreeSet::new());
    assert_eq!(told_set(&pushed, "Pushed"), expected);
}

#[test]
fn an_edit_of_a_shared_extra_source_builds_its_two_users() {
    let bench = Bench::new();
    bench.kitmake(&["build", ".", "-j", "4", "--push"]).with_code(0);
    bench.monorepo.write("common/kv/README", "Another text.\n");
    bench.monorepo.commit("Edit the extra source");
    assert_eq!(bench.to_build(&["."]), nodes(["pkg/sysctl", "pkg/sysfs"]), "rootfs is pinned to what was");
    assert!(reasons(node(&bench.plan(&["."]), "pkg/rootfs")).contains("pin-stale"));

    bench.monorepo.pin();
    bench.monorepo.commit("Pin");
    let built = bench.kitmake(&["build", ".", "--push"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/rootfs", "pkg/sysctl", "pkg/sysfs"]));
    let files = unpack(&bench.reference("pkg/sysfs"), "amd64");
    assert_eq!(std::fs::read_to_string(files.path().join("kv/README")).unwrap(), "Another text.\n");
}
