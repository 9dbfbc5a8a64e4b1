//! A push in two stages, by several machines, and releases: what is on the registry already is never sent again.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::{Bench, engine_answers, set, steps, told_set};
use crate::support::{Monorepo, Registry, manifest, output, run};

const BOTH: [&str; 2] = ["--platforms", "linux/amd64,linux/arm64"];
const PACKAGE: &str = "pkg/ca-certificates";

fn architectures(reference: &str) -> BTreeSet<String> {
    let index = manifest(reference);
    let entries = index["manifests"].as_array().unwrap_or_else(|| panic!("{reference} is no index: {index:#}"));
    entries.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap().to_owned()).collect()
}

fn tag(reference: &str) -> &str {
    reference.rsplit_once(':').unwrap().1
}

#[test]
fn images_are_pushed_by_each_architecture_and_the_index_afterwards_without_an_engine() {
    let bench = Bench::new();
    let reference = bench.reference(PACKAGE);
    let early = bench.without_engine(&["push", PACKAGE, "--image=false"]).with_code(4);
    assert!(early.stderr.contains("plan::nothing_to_list"), "{}", early.stderr);
    for platform in ["linux/amd64", "linux/arm64"] {
        bench.kitmake(&["push", PACKAGE, "--manifest=false", "--platforms", platform]).with_code(0);
    }
    let tag = tag(&reference);
    assert_eq!(bench.tags("ca-certificates"), set([&format!("{tag}-amd64"), &format!("{tag}-arm64")]));

    // As it was written in 2020.
    let indexed = bench.without_engine(&["push", "-image=false", PACKAGE]).with_code(0);
    assert_eq!(told_set(&indexed, "Indexed"), set([PACKAGE]));
    assert_eq!(architectures(&reference), set(["amd64", "arm64"]));
    let index = manifest(&reference);
    let annotation = |name: &str| index["annotations"][format!("org.opencontainers.image.{name}")].clone();
    let (name, _) = reference.rsplit_once(':').unwrap();
    assert_eq!(annotation("title"), name);
    assert_eq!(annotation("source"), "https://github.com/linuxkit/linuxkit");
    assert_eq!(annotation("revision"), bench.monorepo.git(&["rev-parse", "HEAD"]));
    let time = bench.monorepo.git(&["log", "-1", "--format=@%ct"]);
    let time = run(Command::new("date").args(["--utc", "--date", &time, "+%Y-%m-%dT%H:%M:%SZ"])).stdout;
    assert_eq!(annotation("created"), time.trim_end(), "of the commit");

    let writes = bench.registry.writes().len();
    for stage in ["--image=false", "--manifest=false"] {
        let again = bench.kitmake(&["push", PACKAGE, stage]).with_code(0);
        assert!(again.stderr.starts_with("nothing to do"), "{}", again.stderr);
    }
    bench.monorepo.write("elsewhere", "a later commit, of which an equal index says nothing");
    bench.monorepo.commit("Change something else");
    bench.kitmake(&["push", PACKAGE]).with_code(0);
    assert_eq!(bench.registry.writes().len(), writes, "no write request");
}

#[test]
fn without_building_what_the_builder_has_is_pushed_and_nothing_else() {
    let bench = Bench::new();
    let absent = bench.kitmake(&["push", PACKAGE, "--nobuild"]).with_code(4);
    assert!(absent.stderr.contains("plan::not_there"), "{}", absent.stderr);
    bench.kitmake(&["build", PACKAGE]).with_code(0);
    let pushed = bench.kitmake(&["push", PACKAGE, "--nobuild"]).with_code(0);
    assert_eq!((told_set(&pushed, "Built"), told_set(&pushed, "Pushed")), (set([]), set([PACKAGE])));
    assert_eq!(architectures(&bench.reference(PACKAGE)), set(["amd64"]));
}

#[test]
fn a_release_is_one_more_tag_of_the_same_index_and_moves_no_blob() {
    let bench = Bench::new();
    bench.kitmake(&[&["push", PACKAGE], &BOTH[..]].concat()).with_code(0);
    bench.monorepo.git(&["tag", "v0"]);
    bench.kitmake(&["push", PACKAGE]).with_code(0);
    assert!(!bench.tags("ca-certificates").contains("v0"), "a tag of the repository releases nothing");

    let before = bench.registry.requests().len();
    let released = bench.without_engine(&["push", PACKAGE, "--release", "v1"]).with_code(0);
    assert_eq!(told_set(&released, "Released"), set([PACKAGE]));
    let requests = bench.registry.requests().split_off(before);
    assert!(requests.iter().all(|request| !request.path.contains("/blobs/")), "{requests:#?}");
    assert_eq!(requests.iter().filter(|request| request.writes()).count(), 1, "{requests:#?}");
    let reference = bench.reference(PACKAGE);
    let release = |name: &str| reference.replace(tag(&reference), name);
    assert_eq!(manifest(&release("v1")), manifest(&reference));
    let again = bench.kitmake(&["push", PACKAGE, "--release", "v1"]).with_code(0);
    assert!(again.stderr.starts_with("nothing to do"), "{}", again.stderr);

    bench.edit_and_pin("pkg/ca-certificates/certs/root.pem", "another one\n");
    let changed = bench.reference(PACKAGE);
    let refused = bench.kitmake(&["push", PACKAGE, "--release", "v1"]).with_code(3);
    assert!(refused.stderr.contains("plan::release_taken"), "{}", refused.stderr);
    assert_eq!(manifest(&release("v1")), manifest(&reference), "a release is never overwritten");
    let forced = bench.kitmake(&["push", PACKAGE, "--release", "v1", "--force-release"]).with_code(0);
    assert_eq!(told_set(&forced, "Built"), set([PACKAGE]));
    assert_eq!(manifest(&release("v1")), manifest(&changed));
}

#[test]
fn each_architecture_releases_from_a_machine_of_its_own() {
    let bench = Bench::new();
    let reference = bench.reference(PACKAGE);
    let release = reference.replace(tag(&reference), "v1");
    for (platform, there) in [("amd64", &["amd64"][..]), ("arm64", &["amd64", "arm64"])] {
        bench.kitmake(&["push", PACKAGE, "--platforms", platform, "--release", "v1"]).with_code(0);
        assert_eq!(architectures(&release), there.iter().map(ToString::to_string).collect());
    }
    assert_eq!(manifest(&release), manifest(&reference));
}

#[test]
fn the_index_of_one_package_waits_for_no_other_and_what_it_lacks_is_said() {
    let bench = Bench::new();
    bench.kitmake(&["push", PACKAGE, "--manifest=false"]).with_code(0);
    let both = [PACKAGE, "pkg/recovery"];
    let indexed = bench.without_engine(&[&["push", "--image=false"], &both[..], &BOTH[..]].concat()).with_code(4);
    assert_eq!(told_set(&indexed, "Indexed"), set([PACKAGE]));
    for said in ["plan::nothing_to_list", "plan::lacks_platforms", "has no image for linux/arm64"] {
        assert!(indexed.stderr.contains(said), "{}", indexed.stderr);
    }
    assert_eq!(architectures(&bench.reference(PACKAGE)), set(["amd64"]));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let bench = Monorepo::with_files(&[("pkg/a/build.yml", "image: a\n"), ("pkg/a/Dockerfile", "FROM scratch\n")]);
    for (arguments, code) in [
        (&["build", "--release", "v1"][..], "cli::nothing_is_pushed"),
        (&["plan", "--nobuild"], "cli::nothing_is_pushed"),
        (&["push", "--image=false", "--manifest=false"], "cli::nothing_to_push"),
        (&["push", "--manifest=false", "--release", "v1"], "cli::release_without_index"),
        (&["push", "--image=false", "--offline", "--assume-missing"], "cli::index_offline"),
    ] {
        let refused = bench.kitmake(arguments).with_code(2);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
    }
    for arguments in [
        &["push", "--release", "-x"][..],
        &["push", "--release", "v1-arm64"],
        &["push", "--release", "v1-armv7"],
        &["push", "--release", "sha256-abc.sig"],
        &["push", "--force-release"],
        &["push", "--nobuild", "--force"],
        &["build", "--pull", "--force"],
    ] {
        bench.kitmake(arguments).with_code(2);
    }
}

#[test]
fn many_machines_that_push_at_once_end_in_an_index_of_all_their_images() {
    const ARCHITECTURES: [&str; 8] = ["386", "amd64", "arm", "arm64", "mips64le", "ppc64le", "riscv64", "s390x"];
    engine_answers();
    let registry = Registry::start();
    let yml = |image: &str| {
        format!("org: {}/many\nimage: {image}\narches: [{}]\n", registry.address(), ARCHITECTURES.join(", "))
    };
    let (a, b) = (yml("a"), yml("b"));
    let monorepo = Monorepo::with_files(&[
        ("pkg/a/build.yml", &a),
        ("pkg/a/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY build.yml /a-$TARGETARCH\n"),
        ("pkg/b/build.yml", &b),
        ("pkg/b/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY build.yml /b-$TARGETARCH\n"),
    ]);
    // All images are there first, so that the writers of the indexes meet.
    monorepo.kitmake(&["build", "--platforms", "all"]).with_code(0);
    let writers: Vec<_> = ARCHITECTURES
        .iter()
        .map(|architecture| {
            let mut command = monorepo.kitmake_command(&["push", "--platforms", architecture]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for writer in writers {
        let ended = writer.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    for reference in monorepo.show_tag(&["pkg/a", "pkg/b"]) {
        assert_eq!(architectures(&reference), set(ARCHITECTURES), "{reference}");
    }
    let written = registry.writes().len();
    let idle = output(&mut monorepo.kitmake_command(&["push", "--platforms", "all"])).with_code(0);
    assert!(idle.stderr.starts_with("nothing to do"), "{}", idle.stderr);
    assert_eq!(registry.writes().len(), written);
}

#[test]
fn a_push_that_broke_off_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    bench.kitmake(&["push", PACKAGE, "--manifest=false"]).with_code(0);
    bench.registry.make_read_only();
    let failed = bench.kitmake(&[&["push", PACKAGE], &BOTH[..]].concat()).with_code(6);
    assert_eq!(told_set(&failed, "Built"), set([PACKAGE]), "arm64");
    bench.registry.start_again();
    let plan = bench.plan(&[&[PACKAGE, "--push"], &BOTH[..]].concat());
    assert_eq!(steps(&plan, "build"), set([]), "the image was kept");
    bench.kitmake(&[&["push", PACKAGE], &BOTH[..]].concat()).with_code(0);
    let manifests: Vec<String> = (bench.registry.writes().into_iter())
        .filter(|request| request.path.contains("/manifests/"))
        .map(|request| request.path.rsplit_once('/').unwrap().1.to_owned())
        .collect();
    let reference = bench.reference(PACKAGE);
    assert_eq!(manifests, [format!("{}-arm64", tag(&reference)), tag(&reference).to_owned()]);
}

#[test]
fn what_is_pushed_is_signed_once_in_either_stage() {
    let bench = Bench::new();
    let key = bench.monorepo.path("../key.pem");
    run(Command::new("openssl").args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(&key));
    let key = key.to_str().unwrap();
    let verify = |code: i32| {
        let verified = bench.kitmake(&["verify", PACKAGE, "--key", key, "--format", "json"]).with_code(code).json();
        let images = verified["images"].as_array().unwrap().clone();
        images.iter().map(|image| image["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    bench.kitmake(&["push", PACKAGE, "--sign-key", key, "--sign=false"]).with_code(0);
    assert_eq!(verify(5), ["unsigned", "unsigned"], "index and image");
    let signed = bench.without_engine(&["push", PACKAGE, "--sign-key", key]).with_code(0);
    assert_eq!(told_set(&signed, "Signed"), set([PACKAGE]));
    assert_eq!(verify(0), ["signed", "signed"]);

    let arm64 = ["push", PACKAGE, "--platforms", "arm64", "--sign-key", key];
    bench.kitmake(&[&arm64[..], &["--manifest=false"]].concat()).with_code(0);
    bench.kitmake(&[&arm64[..], &["--image=false"]].concat()).with_code(0);
    assert_eq!(verify(0), ["signed", "signed", "signed"]);
    let writes = bench.registry.writes().len();
    for stage in ["--manifest=false", "--image=false", "--nobuild"] {
        let idle = bench.kitmake(&[&arm64[..], &[stage]].concat()).with_code(0);
        assert!(idle.stderr.starts_with("nothing to do"), "{}", idle.stderr);
    }
    assert_eq!(bench.registry.writes().len(), writes, "a valid signature is not made again");
}
