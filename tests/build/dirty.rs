//! What is built from uncommitted files has a tag of its own, and is never published.

use super::{Bench, node, reasons, set, told_set};
use crate::support::unpack;

const DIRTY: &str = "ip_forward is dirty\n";

fn kv_readme(bench: &Bench, package: &str) -> String {
    let files = unpack(&bench.reference(package), "amd64");
    std::fs::read_to_string(files.path().join("kv/README")).unwrap()
}

#[test]
fn a_dirty_extra_source_is_built_under_dirty_tags_only_and_never_published() {
    let bench = Bench::new();
    let clean = [bench.reference("pkg/sysctl"), bench.reference("pkg/sysfs")];
    let readme = bench.monorepo.read("common/kv/README");
    bench.monorepo.write("common/kv/README", DIRTY);

    // Refused before any work.
    let writes = bench.registry.writes().len();
    let images = bench.images();
    let refused = bench.kitmake(&["build", "pkg/sysctl", "pkg/ca-certificates", "--push"]).with_code(3);
    assert!(
        refused.stderr.contains("plan::dirty_push") && refused.stderr.contains("`pkg/sysctl`"),
        "{}",
        refused.stderr
    );
    assert_eq!(told_set(&refused, "Building"), set([]));
    assert_eq!((bench.registry.writes().len(), bench.images()), (writes, images));

    let built = bench.kitmake(&["build", "pkg/sysctl", "pkg/sysfs"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/sysctl", "pkg/sysfs", "tools/base"]));
    for (package, clean) in ["pkg/sysctl", "pkg/sysfs"].iter().zip(&clean) {
        let dirty = bench.reference(package);
        assert!(dirty.starts_with(&format!("{}/", bench.monorepo.org())) && dirty.contains("-dirty-"), "{dirty}");
        assert!(Bench::on_builder(&dirty) && Bench::on_builder(&format!("{dirty}-amd64")));
        assert!(!Bench::on_builder(clean) && !Bench::on_builder(&format!("{clean}-amd64")), "no plain tag");
    }
    // The same bytes are not built twice, other bytes are.
    assert_eq!(bench.to_build(&["pkg/sysctl"]).len(), 0);
    bench.monorepo.write("common/kv/README", "other bytes\n");
    assert_eq!(bench.to_build(&["pkg/sysctl"]).len(), 1);

    bench.monorepo.git(&["checkout", "--quiet", "common/kv/README"]);
    let pushed = bench.kitmake(&["build", "pkg/sysctl", "pkg/sysfs", "--push"]).with_code(0);
    assert_eq!(told_set(&pushed, "Built"), set(["pkg/sysctl", "pkg/sysfs"]));
    for package in ["pkg/sysctl", "pkg/sysfs"] {
        assert_eq!(kv_readme(&bench, package), readme);
        let tags = bench.tags(package.rsplit('/').next().unwrap());
        assert!(tags.iter().all(|tag| !tag.contains("dirty")), "{tags:?}");
        assert_eq!(tags.len(), 2, "{tags:?}");
    }
}

#[test]
fn what_is_built_on_a_dirty_package_has_a_dirty_tag_too_and_is_refused_by_a_push() {
    let bench = Bench::new();
    // A clean package that follows the tag of its base without naming it.
    bench.monorepo.write(
        "pkg/follower/build.yml",
        &format!(
            "org: {}\nimage: follower\narches: [amd64]\nbuildArgs:\n  - BASE=@lkt:pkg:../sysctl\n",
            bench.monorepo.org()
        ),
    );
    bench.monorepo.write("pkg/follower/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY mark /mark\n");
    bench.monorepo.write("pkg/follower/mark", "follows\n");
    bench.monorepo.commit("Add a follower");
    let clean = bench.reference("pkg/follower");
    assert_eq!(bench.to_build(&["pkg/follower"]), super::nodes(["pkg/follower", "pkg/sysctl", "tools/base"]));

    bench.monorepo.write("pkg/sysctl/defaults.conf", "net/ipv4/ip_forward = 0\n");
    let plan = bench.plan(&["pkg/follower"]);
    let follower = node(&plan, "pkg/follower");
    let dirty = follower["reference"].as_str().unwrap().to_owned();
    assert!(dirty.starts_with(&format!("{clean}-dirty-")), "{dirty}");
    assert!(reasons(follower).contains("built-on-dirty"), "{follower:#}");
    let built = bench.kitmake(&["build", "pkg/follower"]).with_code(0);
    assert_eq!(told_set(&built, "Built"), set(["pkg/follower", "pkg/sysctl", "tools/base"]));
    assert!(Bench::on_builder(&dirty) && !Bench::on_builder(&clean) && !Bench::on_builder(&format!("{clean}-amd64")));
    assert_eq!(bench.to_build(&["pkg/follower"]).len(), 0);

    let writes = bench.registry.writes().len();
    let refused = bench.kitmake(&["push", "pkg/follower"]).with_code(3);
    assert!(refused.stderr.contains("plan::dirty_push"), "{}", refused.stderr);
    assert_eq!(bench.registry.writes().len(), writes);

    bench.monorepo.git(&["checkout", "--quiet", "pkg/sysctl"]);
    let pushed = bench.kitmake(&["push", "pkg/follower"]).with_code(0);
    assert_eq!(told_set(&pushed, "Built"), set(["pkg/follower", "pkg/sysctl"]));
    let files = unpack(&clean, "amd64");
    let forward = std::fs::read_to_string(files.path().join("preview/net/ipv4/ip_forward")).unwrap();
    assert_eq!(forward, "1\n", "the clean content, and never the dirty");
}
