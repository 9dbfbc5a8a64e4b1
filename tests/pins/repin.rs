//! `--repin`: what is built and pushed before the pins are fixed is what the fixed pins name.

use std::fs;

use super::support::{Monorepo, Registry, manifest, unpack};
use super::{everything, tag};

#[test]
fn all_that_is_published_before_the_fix_is_what_is_needed_after_it() {
    let registry = Registry::start();
    let monorepo = Monorepo::in_registry(&registry);
    monorepo.refresh();
    // The new base is committed, and nobody names it yet.
    monorepo.write("tools/base/etc/changed", "changed\n");
    monorepo.commit("Change the base");
    let before = everything(&monorepo);

    let plan = monorepo.kitmake(&["plan", "--repin", "--push", "--format", "json"]).with_code(0).json();
    let built = monorepo.kitmake(&["build", "--repin", "--push"]).with_code(0);
    assert!(built.stderr.contains("as if "), "{}", built.stderr);
    let also = built.stderr.lines().find(|line| line.starts_with("also publishes ")).unwrap();
    assert!(also.contains("tools/base") && also.ends_with(": new pins name them"), "{also}");
    assert_eq!(everything(&monorepo), before, "work tree and repository are as they were");
    let again = monorepo.kitmake(&["plan", "--repin", "--push"]).with_code(0);
    assert!(!again.stderr.contains("also publishes "), "it is there already\n{}", again.stderr);

    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.git(&["commit", "--quiet", "--all", "--message", "Bump the base"]);
    // The default selection has no tools, but another machine finds them in the registry or nowhere.
    assert!(manifest(&format!("{}/base:{}", monorepo.org(), tag(&monorepo, "tools/base"))).is_object());
    let base = ["plan", "--push", "--check", "tools/base", "pkg"];
    for arguments in [&base[..], &["plan", "--push", "--check"], &["plan", "--check", "--verbose"]] {
        let checked = monorepo.kitmake(arguments).with_code(0);
        assert!(!checked.stdout.contains("outdated"), "{}", checked.stdout);
    }
    let published: Vec<&str> =
        also.trim_start_matches("also publishes ").trim_end_matches(": new pins name them").split(", ").collect();
    let arguments = [&["plan", "--push", "--format", "json", "pkg"], &published[..]].concat();
    let after = monorepo.kitmake(&arguments).with_code(0).json();
    let keys = |plan: &serde_json::Value| -> Vec<(String, String, String)> {
        let nodes = plan["nodes"].as_array().unwrap().iter().filter(|node| node["selected"] == true);
        let text = |node: &serde_json::Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (text(node, "package"), text(node, "reference"), text(node, "key"))).collect()
    };
    assert_eq!(keys(&plan), keys(&after));
    assert!(keys(&after).iter().any(|(_, _, key)| !key.is_empty()));
    let init =
        unpack(&format!("{}/ca-certificates:{}", monorepo.org(), tag(&monorepo, "pkg/ca-certificates")), "amd64");
    assert!(fs::read_dir(init.path()).unwrap().next().is_some());
}

#[test]
fn a_dirty_base_gives_dirty_tags_all_along_the_chain() {
    let registry = Registry::start();
    let monorepo = Monorepo::in_registry(&registry);
    monorepo.write("tools/base/etc/base-release", "dirty\n");
    let arguments = ["plan", "--repin", "--offline", "--assume-missing", "--format", "json", "pkg/init"];
    let plan = monorepo.kitmake(&arguments).with_code(0).json();
    for node in plan["nodes"].as_array().unwrap() {
        assert!(node["reference"].as_str().unwrap().contains("-dirty-"), "{node}");
    }
    assert!(plan["nodes"].as_array().unwrap().len() > 3, "{plan:#}");
    let refused = monorepo.kitmake(&["build", "--repin", "--push", "pkg/init"]).with_code(3);
    assert!(refused.stderr.contains("plan::dirty_push"), "{}", refused.stderr);
}
