//! Everything is built and pushed once, with the right names, platforms, labels and content.

use std::fs;
use std::path::Path;

use super::{Bench, NEEDS, node, told};
use crate::support::{configuration, inspect, manifest, unpack};

const KEY: &str = "org.kitmake.key";

fn text(files: &Path, path: &str) -> String {
    fs::read_to_string(files.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_full_build_publishes_everything_and_the_next_has_nothing_to_do() {
    let bench = Bench::fresh();
    bench.kitmake(&["plan", ".", "--push", "--check"]).with_code(5);
    let first = bench.kitmake(&["build", ".", "-j", "8", "--push"]).with_code(0);
    let mut packages = told(&first, "Built");
    packages.sort();
    assert_eq!(packages, NEEDS.iter().map(|(package, _)| *package).collect::<Vec<_>>(), "each once");

    let plan = bench.plan(&[".", "--push"]);
    assert_eq!(plan["steps"].as_array().unwrap().len(), 0, "{plan:#}");
    for (package, _) in NEEDS {
        published(&bench, &plan, package);
    }
    assert_eq!(node(&plan, "pkg/tracer")["state"], "not-built-here");
    content(&bench);

    let writes = bench.registry.writes().len();
    for arguments in [&["build", "."][..], &["build", ".", "--push"], &["push", "."], &["build", "--push", "-j", "1"]] {
        let again = bench.kitmake(arguments).with_code(0);
        assert_eq!(again.stdout, "");
        assert_eq!(again.stderr.lines().count(), 1, "{}", again.stderr);
        assert!(again.stderr.starts_with("nothing to do: "), "{}", again.stderr);
    }
    assert_eq!(bench.kitmake(&["-q", "build", ".", "--push"]).with_code(0).stderr, "");
    assert_eq!(bench.registry.writes().len(), writes, "no write request");
    bench.kitmake(&["plan", ".", "--push", "--check"]).with_code(0);
    bench.kitmake(&["plan", "--check"]).with_code(0);

    // What is published needs no builder.
    let remote = bench.without_engine(&["plan", "."]).with_code(0);
    assert!(remote.stdout.starts_with("nothing to do: "), "{}", remote.stdout);
    bench.without_engine(&["plan", ".", "--push", "--check"]).with_code(0);
    let idle = bench.without_engine(&["build", "."]).with_code(0);
    assert!(idle.stderr.starts_with("nothing to do: "), "{}", idle.stderr);
}

/// The index lists the one platform, `tag-arch` is the image that it lists, and the labels are right.
fn published(bench: &Bench, plan: &serde_json::Value, package: &str) {
    let found = node(plan, package);
    assert_eq!(found["state"], "present", "{package}");
    let reference = found["reference"].as_str().unwrap();
    let index = manifest(reference);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json", "{package}");
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{package}: {index:#}");
    assert_eq!(entries[0]["platform"], serde_json::json!({"architecture": "amd64", "os": "linux"}), "{package}");
    let single = inspect(&format!("{reference}-amd64"), "amd64");
    assert_eq!(single["Digest"], entries[0]["digest"], "{package}");

    let config = configuration(reference, "amd64");
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &"amd64".into()), "{package}");
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.revision"], bench.monorepo.git(&["rev-parse", "HEAD"]), "{package}");
    let source = match package {
        "tools/containerd-dev" => "https://git.example.org/fixtures",
        _ => "https://github.com/linuxkit/linuxkit",
    };
    assert_eq!(labels["org.opencontainers.image.source"], source, "{package}");
    assert!(labels["org.mobyproject.linuxkit.version"].as_str().unwrap().starts_with("kitmake-"), "{package}");
    assert_eq!(labels[KEY], found["key"], "{package}");
    assert_eq!(entries[0]["annotations"][KEY], found["key"], "{package}");
    let name = reference.rsplit_once(':').unwrap().0;
    assert!(labels[KEY].as_str().unwrap().starts_with(&format!("1:{name}@linux/amd64:")), "{package}: {labels:#}");
    match package {
        "pkg/containerd" => assert_eq!(
            labels["org.mobyproject.config"],
            r#"{"capabilities":["CAP_SYS_ADMIN","CAP_NET_ADMIN"],"binds":["/etc/containerd/config.toml:/etc/containerd/config.toml"],"pid":"host"}"#
        ),
        _ => assert!(labels["org.mobyproject.config"].is_null(), "{package}"),
    }
}

/// What only a right build puts into the images.
fn content(bench: &Bench) {
    let image = |package: &str| unpack(&bench.reference(package), "amd64");
    let read = |package: &str, path: &str| text(image(package).path(), path);
    let hash = |package: &str| bench.reference(package).rsplit_once(':').unwrap().1.to_owned();

    // The chain: what the compiler made of the sources of containerd-dev arrives in init, and in the list of initrd.
    let daemon = read("tools/containerd-dev", "usr/bin/containerd");
    assert_eq!(daemon, format!("#!/bin/sh\n{}", bench.monorepo.read("tools/containerd-dev/daemon.sh")));
    let containerd = image("pkg/containerd");
    assert_eq!(text(containerd.path(), "usr/bin/containerd"), daemon);
    assert_eq!(text(containerd.path(), "selftest"), "containerd: listening\n");
    let init = image("pkg/init");
    assert_eq!(text(init.path(), "usr/bin/containerd"), daemon);
    assert_eq!(text(init.path(), "usr/bin/runc"), read("pkg/runc", "usr/bin/runc"));
    let initrd =
        String::from_utf8_lossy(&fs::read(image("pkg/initrd").path().join("initrd.img")).unwrap()).into_owned();
    assert!(initrd.contains("usr/bin/runc") && initrd.contains("usr/bin/containerd"));
    let release = read("pkg/bom", "etc/base-release");
    assert_eq!(release, bench.monorepo.read("tools/base/etc/base-release"), "the base of this test, and no other");
    assert_eq!(read("tools/compiler", "bootstrap/stage0").lines().next(), Some("#!/bin/sh"));

    // Build args: of the yml, made of tags, and preset.
    let kernel = image("pkg/kernel");
    assert_eq!(text(kernel.path(), "boot/cmdline"), "quiet console=ttyS0\n");
    assert!(kernel.path().join("boot/vmlinuz-6.12.9").is_file());
    let labels = &configuration(&bench.reference("pkg/kernel"), "amd64")["config"]["Labels"];
    assert_eq!(labels["org.example.kernel.version"], "6.12.9");
    let bom = format!(
        "init={}\nself={}/bom:{}\nsource=https://github.com/linuxkit/linuxkit\n",
        bench.reference("pkg/init"),
        bench.monorepo.org(),
        hash("pkg/bom")
    );
    assert_eq!(read("pkg/bom", "etc/bom"), bom);

    // Extra sources, and images that were built of them.
    for package in ["pkg/sysctl", "pkg/sysfs"] {
        assert_eq!(read(package, "kv/kv.sh"), bench.monorepo.read("common/kv/kv.sh"), "{package}");
    }
    let rootfs = image("pkg/rootfs");
    assert_eq!(text(rootfs.path(), "defaults/sysctl/net/ipv4/ip_forward"), "1\n");
    assert_eq!(text(rootfs.path(), "defaults/sysfs/module/loop/parameters/max_loop"), "8\n");
    assert!(text(rootfs.path(), "etc/contents").contains("/boot/vmlinuz-6.12.9\n"));

    // Docker images as files, each with the image that its digest names.
    let preload = image("pkg/preload");
    let mut archives: Vec<String> = fs::read_dir(preload.path().join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    archives.sort();
    let of = |name: &str| -> String {
        let list = bench.monorepo.read("pkg/preload/images.lst");
        let digest = list.lines().find(|line| line.contains(&format!("/{name}"))).unwrap();
        format!("{name}@{}.tar", digest.rsplit_once('@').unwrap().1)
    };
    assert_eq!(archives, [of("greeting"), of("keyring")]);
    let seed = image("pkg/seed");
    let archive = crate::support::run(std::process::Command::new("tar").arg("-tf").arg(seed.path().join("seed.tar")));
    assert!(archive.stdout.contains("/layer.tar\n"), "{}", archive.stdout);
    let listed: serde_json::Value = serde_json::from_str(&text(seed.path(), "manifest.json")).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed:#}");
    for (directory, names) in [("pkg/preload", "images"), ("pkg/seed", "seed.tar")] {
        assert!(!bench.monorepo.path(directory).join(names).exists(), "the source tree is left alone");
    }

    // Two ymls in one directory, and the one that a sibling takes.
    assert_eq!(read("pkg/update", "etc/firmware"), "wifi.txt\n");
    let full = image("pkg/firmware");
    assert!(full.path().join("lib/firmware/modem.txt").is_file());

    assert_eq!(read("pkg/bootloader", "boot/arch"), "amd64\n");
    let trust = image("pkg/trust");
    assert_eq!(text(trust.path(), "etc/ssl/certs/root.pem"), bench.monorepo.read("pkg/ca-certificates/certs/root.pem"));
    assert_eq!(text(trust.path(), "etc/containers/policy.json"), bench.monorepo.read("pkg/trust/policy.json"));
    assert!(image("pkg/recovery").path().join("recover").is_file());
}
