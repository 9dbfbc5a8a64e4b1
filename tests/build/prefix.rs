//! Images named without a host, which live on a registry that the command line names.

use std::process::Command;

use super::{Bench, engine_answers, set, steps, told_set};
use crate::support::{Monorepo, Registry, docker, output};

/// Takes the images of an org from the engine.
struct Images(String);

impl Images {
    fn forget(&self) {
        let filter = format!("reference={}/*", self.0);
        let list = output(Command::new("docker").args([
            "image",
            "ls",
            "--filter",
            &filter,
            "--format",
            "{{.Repository}}:{{.Tag}}",
        ]));
        for name in list.stdout.lines() {
            let _ = output(Command::new("docker").args(["image", "rm", name]));
        }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.forget();
    }
}

#[test]
fn a_registry_with_a_prefix_is_where_images_without_a_host_live() {
    engine_answers();
    let registry = Registry::start();
    let port = registry.address().rsplit_once(':').unwrap().1.to_owned();
    let org = format!("fixtures-{port}");
    let images = Images(org.clone());
    registry.publish_outside_images(&format!("mirror/{org}"));
    let place = format!("{}/mirror", registry.address());
    // The one image that no package here makes: it is none of this repository's, and stays what the engine finds.
    let outside = || {
        docker(&["pull", "--quiet", &format!("{place}/{org}/busybox:1")]);
        docker(&["tag", &format!("{place}/{org}/busybox:1"), &format!("{org}/busybox:1")]);
    };
    outside();
    let bench = Bench { monorepo: Monorepo::with_org(&org), registry };
    let packages = ["tools/base", "tools/compiler", "pkg/vtpm", "pkg/recovery", "pkg/preload"];
    let with = |verb: &'static str, packages: &[&'static str]| {
        bench.kitmake(&[&[verb, "--registry", &place], packages].concat()).with_code(0)
    };

    let pushed = with("push", &packages);
    assert_eq!(told_set(&pushed, "Built"), set(packages));
    // The previous generation, the stale base and the two images by digest come from there.
    assert_eq!(told_set(&pushed, "Fetched"), set(["base", "compiler", "greeting", "keyring"]), "{}", pushed.stderr);
    for package in packages {
        let reference = bench.reference(package);
        assert!(reference.starts_with(&format!("{org}/")), "{reference}");
        assert!(Bench::on_builder(&reference), "{reference}");
        assert!(!Bench::on_builder(&format!("{place}/{reference}-amd64")), "the name of the push is taken away");
        let index = crate::support::manifest(&format!("{place}/{reference}"));
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{package}");
    }
    let again = with("push", &packages);
    assert!(again.stderr.starts_with("nothing to do: 5 present"), "{}", again.stderr);
    let mut command = bench.monorepo.kitmake_command(&[&["plan", "--check"], &packages[..]].concat());
    output(command.env("KITMAKE_REGISTRY", &place).env("DOCKER_HOST", "unix:///nonexistent")).with_code(0);

    // On a builder that has nothing, the base of an edited package is fetched, under the name in the Dockerfile.
    images.forget();
    bench.monorepo.write("pkg/vtpm/tpm.conf", "edited\n");
    bench.monorepo.commit("Edit");
    let base = bench.reference("tools/base");
    assert!(!Bench::on_builder(&base));
    let built = with("build", &["pkg/vtpm"]);
    assert_eq!(told_set(&built, "Fetched"), set(["tools/base"]));
    assert_eq!(told_set(&built, "Built"), set(["pkg/vtpm"]));
    assert!(Bench::on_builder(&base) && Bench::on_builder(&bench.reference("pkg/vtpm")));

    // As a setting of the repository.
    bench.monorepo.write("kitmake.yml", &format!("registry: {place}\n{}", bench.monorepo.read("kitmake.yml")));
    assert_eq!(steps(&bench.plan(&["pkg/vtpm", "pkg/recovery", "--push"]), "push"), super::nodes(["pkg/vtpm"]));
}
