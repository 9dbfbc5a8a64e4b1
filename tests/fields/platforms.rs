//! Packages on several platforms that are built on siblings which nobody has published.

use super::{Bench, files, on_engine, text};
use crate::support::docker;

const BOTH: [&str; 2] = ["--platforms", "linux/amd64,linux/arm64"];

#[test]
fn one_dockerfile_finds_the_same_unpublished_sibling_on_each_platform_and_on_the_builders_own_beside_it() {
    let bench = Bench::new(&[
        ("pkg/base/build.yml", "org: ORG\nimage: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n"),
        ("pkg/base/amd64", "amd64"),
        ("pkg/base/arm64", "arm64"),
        ("pkg/plain/build.yml", "org: ORG\nimage: plain\nbuildArgs: ['BASE=@lkt:pkg:../base']\n"),
        ("pkg/plain/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY build.yml /\n"),
        ("pkg/mixed/build.yml", "org: ORG\nimage: mixed\nbuildArgs: ['BASE=@lkt:pkg:../base']\n"),
        (
            "pkg/mixed/Dockerfile",
            "ARG BASE\nFROM --platform=$BUILDPLATFORM ${BASE} AS own\nFROM ${BASE}\nCOPY --from=own /arch /build-arch\n",
        ),
    ]);
    // Only on the foreign platform: the builder's own image of the base is needed, and built, all the same.
    bench.build(&["pkg/mixed", "--platforms", "linux/arm64"]);
    let mixed = bench.reference("pkg/mixed");
    let seen = |image: &str, path: &str| text(files(image).path(), path);
    let arm64 = format!("{mixed}-arm64");
    assert_eq!((seen(&arm64, "arch").as_str(), seen(&arm64, "build-arch").as_str()), ("arm64", "amd64"));
    assert!(!on_engine(&mixed), "the plain tag is of the builder's own platform");

    // Everything in one run, on both.
    bench.build(&[&["pkg", "--force", "-j", "8"], &BOTH[..]].concat());
    let architecture = |image: &str| docker(&["image", "inspect", "--format", "{{.Architecture}}", image]);
    for package in ["pkg/base", "pkg/plain", "pkg/mixed"] {
        let reference = bench.reference(package);
        for arch in ["amd64", "arm64"] {
            let image = format!("{reference}-{arch}");
            assert_eq!((architecture(&image).as_str(), seen(&image, "arch").as_str()), (arch, arch), "{package}");
        }
        assert_eq!(architecture(&reference), "amd64", "{package}");
        let id = |image: &str| docker(&["image", "inspect", "--format", "{{.Id}}", image]);
        assert_eq!(id(&reference), id(&format!("{reference}-amd64")), "{package}");
    }
    for arch in ["amd64", "arm64"] {
        assert_eq!(seen(&format!("{mixed}-{arch}"), "build-arch"), "amd64");
    }
    let again = bench.build(&[&["pkg"], &BOTH[..]].concat());
    assert_eq!(again.stderr, "nothing to do: 6 present\n");
}
