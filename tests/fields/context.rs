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
fn everything_on_disk_is_in_the_context_whatever_is_ignored() {
    let bench = Bench::new(&[
        ("build.yml", "org: ORG\nimage: root\n"),
        ("Dockerfile", "FROM scratch\nCOPY . /context\n"),
        (".gitignore", "ignored\n"),
        (".dockerignore", "*\n"),
        ("sub/tracked", "tracked"),
    ]);
    bench.monorepo.write("ignored", "of git");
    bench.build(&["."]);
    let files = bench.files(".");
    let context = files.path().join("context");
    for (path, expected) in [("ignored", "of git"), ("sub/tracked", "tracked"), (".dockerignore", "*\n")] {
        assert_eq!(text(&context, path), expected, "{path}");
    }
    assert!(text(&context, ".git/HEAD").starts_with("ref: "), "a package may be a whole repository");

    bench.monorepo.write("ignored", "changed");
    bench.build(&["."]);
    assert_eq!(text(bench.files(".").path(), "context/ignored"), "changed", "the tag is the same, the image is not");
}

#[test]
fn a_destination_outside_the_context_is_refused_before_anything_is_built() {
    for destination in ["../out", "lib/../../out"] {
        let yml = format!("org: ORG\nimage: a\nextra-sources: ['../../common:{destination}']\n");
        let bench = Bench::new(&[
            ("pkg/a/build.yml", &yml),
            ("pkg/a/Dockerfile", "FROM scratch\nCOPY . /context\n"),
            ("common/file", "text"),
        ]);
        for verb in ["plan", "build"] {
            let refused = bench.monorepo.kitmake(&[verb, "pkg/a"]).with_code(3);
            assert!(refused.stderr.contains("plan::outside_context"), "{}", refused.stderr);
            assert!(refused.stderr.contains("pkg/a/build.yml:3:"), "{}", refused.stderr);
        }
        assert!(!super::on_engine(&bench.reference("pkg/a")), "{destination}");
    }
}
