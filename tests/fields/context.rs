//! The build context: the package directory and `extra-sources`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{Bench, text};

#[test]
fn extra_sources_join_the_context_with_their_links_and_modes_and_a_later_one_wins() {
    let bench = Bench::new(&[
        (
            "pkg/a/build.yml",
            "org: ORG\nimage: a\nextra-sources:\n- ../../common/one:lib\n- ../../common/two:/lib/./x/..\n- \
             ../../common/two:deep/down\n",
        ),
        ("pkg/a/Dockerfile", "FROM scratch\nCOPY . /context\n"),
        ("pkg/a/lib/both", "package"),
        ("pkg/a/lib/own", "package"),
        ("common/one/both", "one"),
        ("common/one/first", "one"),
        ("common/one/sub/run.sh", "#!/bin/sh\n"),
        ("common/two/both", "two"),
    ]);
    let one = bench.monorepo.path("common/one");
    fs::set_permissions(one.join("sub/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("sub/run.sh", one.join("link")).unwrap();
    symlink("/nowhere/at/all", one.join("dangling")).unwrap();
    symlink("sub", one.join("directory")).unwrap();
    bench.monorepo.commit("Add links");
    bench.build(&["pkg/a"]);

    let files = bench.files("pkg/a");
    let context = files.path().join("context");
    for (path, expected) in [
        ("lib/both", "two"),
        ("lib/own", "package"),
        ("lib/first", "one"),
        ("deep/down/both", "two"),
        ("lib/sub/run.sh", "#!/bin/sh\n"),
    ] {
        assert_eq!(text(&context, path), expected, "{path}");
    }
    for (path, target) in [("link", "sub/run.sh"), ("dangling", "/nowhere/at/all"), ("directory", "sub")] {
        assert_eq!(fs::read_link(context.join("lib").join(path)).unwrap().to_str(), Some(target), "{path}");
    }
    let mode = |path: &str| fs::metadata(context.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("lib/sub/run.sh"), 0o755);
    assert_eq!(mode("lib/first") & 0o111, 0);
}

#[test]
fn a_destination_outside_the_context_fails_the_build_and_puts_nothing_there() {
    for destination in ["../out", "lib/../../out"] {
        let yml = format!("org: ORG\nimage: a\nextra-sources: ['../../common:{destination}']\n");
        let bench = Bench::new(&[
            ("pkg/a/build.yml", &yml),
            ("pkg/a/Dockerfile", "FROM scratch\nCOPY . /context\n"),
            ("common/file", "text"),
        ]);
        let built = bench.monorepo.kitmake(&["build", "pkg/a"]);
        assert_ne!(built.code, Some(0), "{}", built.stderr);
        assert!(built.stderr.contains("is no path inside the build context"), "{}", built.stderr);
        assert!(!super::on_engine(&bench.reference("pkg/a")), "{destination}");
    }
}
