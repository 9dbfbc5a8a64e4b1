//! What `pins fix` does not touch, and what it says of it.

use super::support::Monorepo;
use super::{tag, tracked};

fn files(extra: &[(&str, &str)]) -> Monorepo {
    let mut all = vec![
        ("pkg/base/build.yml", "image: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/Dockerfile", "FROM linuxkit/base:old\n"),
    ];
    all.retain(|(path, _)| extra.iter().all(|(other, _)| other != path));
    all.extend(extra);
    Monorepo::with_files(&all)
}

#[test]
fn untracked_files_of_a_package_that_is_named_are_refused_unless_they_are_to_be_added() {
    let monorepo = files(&[]);
    monorepo.write("pkg/base/new", "new\n");
    monorepo.write("pkg/user/unrelated", "new\n");
    let before = tracked(&monorepo);
    let refused = monorepo.kitmake(&["pins", "fix"]).with_code(3);
    assert!(
        refused.stderr.contains("pins::untracked") && refused.stderr.contains("pkg/base/new"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("unrelated"), "{}", refused.stderr);
    assert_eq!(tracked(&monorepo), before);

    let fixed = monorepo.kitmake(&["pins", "fix", "--include-untracked"]).with_code(0);
    assert!(fixed.stderr.contains("`pkg/base/new`"), "{}", fixed.stderr);
    assert_eq!(monorepo.git(&["diff", "--cached", "--name-only"]), "");
    monorepo.git(&["add", "pkg/base/new"]);
    monorepo.git(&["commit", "--quiet", "--all", "--message", "Change and fix"]);
    monorepo.git(&["clean", "--quiet", "--force", "-d"]);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
}

#[test]
fn a_package_of_which_nothing_is_committed_is_untracked_as_a_whole() {
    let monorepo = files(&[("pkg/user/Dockerfile", "FROM linuxkit/new:old\n")]);
    monorepo.write("pkg/new/build.yml", "image: new\n");
    monorepo.write("pkg/new/Dockerfile", "FROM linuxkit/base:old\n");
    let refused = monorepo.kitmake(&["pins", "fix"]).with_code(3);
    assert!(refused.stderr.contains("pkg/new"), "{}", refused.stderr);
    monorepo.kitmake(&["pins", "fix", "--include-untracked"]).with_code(0);
    monorepo.commit("Add and fix");
    assert_eq!(monorepo.read("pkg/new/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/new:{}\n", tag(&monorepo, "pkg/new")));
}

#[test]
fn a_repository_without_a_commit_is_untracked_as_a_whole() {
    let monorepo = files(&[("pkg/user/Dockerfile", "FROM linuxkit/new:old\n")]);
    // A repository inside the other, with a package at its root.
    monorepo.write("pkg/new/build.yml", "image: new\n");
    monorepo.write("pkg/new/Dockerfile", "FROM scratch\n");
    monorepo.write("pkg/new/.gitignore", "*.o\n");
    monorepo.write("pkg/new/made.o", "ignored\n");
    let inner = monorepo.path("pkg/new");
    let inner = inner.to_str().unwrap();
    monorepo.git(&["init", "--quiet", inner]);
    let listed = monorepo.kitmake(&["pins"]).with_code(0);
    assert!(listed.stdout.contains("linuxkit/new:old, but `pkg/new` has no tag"), "{}", listed.stdout);
    let refused = monorepo.kitmake(&["pins", "fix"]).with_code(3);
    assert!(refused.stderr.contains("`.gitignore`") && refused.stderr.contains("`Dockerfile`"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("made.o"), "{}", refused.stderr);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/new:old\n");

    monorepo.kitmake(&["pins", "fix", "--include-untracked"]).with_code(0);
    monorepo.git(&["-C", inner, "add", "--all"]);
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    monorepo.git(&[&["-C", inner], &identity[..], &["commit", "--quiet", "--message", "Begin"]].concat());
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/new:{}\n", tag(&monorepo, "pkg/new")));
}

#[test]
fn a_package_of_which_only_a_part_was_added_is_refused_for_the_rest() {
    let monorepo = files(&[("pkg/user/Dockerfile", "FROM linuxkit/new:old\n")]);
    monorepo.write("pkg/new/build.yml", "image: new\n");
    monorepo.write("pkg/new/Dockerfile", "FROM scratch\n");
    monorepo.write("pkg/new-one/file", "of nobody\n");
    monorepo.git(&["add", "pkg/new/build.yml"]);
    let refused = monorepo.kitmake(&["pins", "fix"]).with_code(3);
    assert!(refused.stderr.contains("tags of `pkg/new`: `pkg/new/Dockerfile`"), "{}", refused.stderr);
    for other in ["pkg/new/build.yml", "pkg/new-one"] {
        assert!(!refused.stderr.contains(other), "{}", refused.stderr);
    }
    let fixed = monorepo.kitmake(&["pins", "fix", "--include-untracked"]).with_code(0);
    assert!(fixed.stderr.contains("the commit has to have `pkg/new/Dockerfile`, too"), "{}", fixed.stderr);
    monorepo.git(&["add", "pkg/new"]);
    monorepo.git(&["commit", "--quiet", "--all", "--message", "Add and fix"]);
    monorepo.git(&["clean", "--quiet", "--force", "-d"]);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/new:{}\n", tag(&monorepo, "pkg/new")));
}

#[test]
fn a_package_that_was_added_and_not_committed_has_a_tag_already() {
    let monorepo = files(&[("pkg/user/Dockerfile", "FROM linuxkit/new:old\n")]);
    monorepo.write("pkg/new/build.yml", "image: new\n");
    monorepo.write("pkg/new/Dockerfile", "FROM linuxkit/base:old\n");
    monorepo.git(&["add", "pkg/new"]);
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.git(&["commit", "--quiet", "--all", "--message", "Add and fix"]);
    assert_eq!(monorepo.read("pkg/new/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/new:{}\n", tag(&monorepo, "pkg/new")));
}

#[test]
fn outside_git_there_is_no_tag_to_follow() {
    let monorepo = files(&[("kitmake.yml", "")]);
    std::fs::remove_dir_all(monorepo.path(".git")).unwrap();
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("in no git repository"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
}

#[test]
fn a_pin_put_together_from_several_args_is_named_and_its_file_left_alone() {
    let text = "ARG NAME=linuxkit/base\nARG TAG=old\nFROM ${NAME}:${TAG}\n";
    let monorepo = files(&[("pkg/user/Dockerfile", text)]);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("put together from `NAME`, `TAG`"), "{}", fixed.stderr);
    assert!(fixed.stderr.contains("pkg/user/Dockerfile:3"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), text);
}

#[test]
fn digests_and_pins_without_a_tag_or_a_value_are_left_alone() {
    let digest = "0".repeat(64);
    let text = format!(
        "ARG NONE\nFROM linuxkit/base:old@sha256:{digest} AS a\nFROM linuxkit/base AS b\nFROM ${{NONE}} AS c\nFROM scratch\n"
    );
    let monorepo = files(&[("pkg/user/Dockerfile", &text)]);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    for why in ["names a digest", "has no tag", "no value for `NONE`"] {
        assert!(fixed.stderr.contains(why), "{why}: {}", fixed.stderr);
    }
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), text);
}

#[test]
fn a_docker_image_is_measured_by_the_tag_before_its_digest_and_left_alone() {
    let digest = "0".repeat(64);
    let yml = |tag: &str| {
        format!(
            "image: user\ndepends:\n  docker-images:\n    target-dir: images\n    list:\n      - linuxkit/base:{tag}@sha256:{digest}\n"
        )
    };
    let now = files(&[]).kitmake(&["show-tag", "pkg/base"]).with_code(0).stdout.trim().replace("linuxkit/base:", "");
    let (present, former) = (yml(&now), yml("old"));
    let dockerfile = ("pkg/user/Dockerfile", "FROM scratch\n");
    let monorepo = files(&[("pkg/user/build.yml", &present), dockerfile]);
    let listed = monorepo.kitmake(&["pins", "--format", "json"]).with_code(0).json();
    assert_eq!((&listed["pins"][0]["kind"], &listed["pins"][0]["state"]), (&"docker-image".into(), &"current".into()));
    monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);

    let monorepo = files(&[("pkg/user/build.yml", &former), dockerfile]);
    let checked = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(5);
    assert!(checked.stdout.contains("pkg/user/build.yml:6"), "{}", checked.stdout);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("which only a published image has"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/user/build.yml"), former);
}

#[test]
fn a_package_from_itself_is_named_and_no_finding() {
    let monorepo = files(&[("pkg/base/Dockerfile", "FROM linuxkit/base:older\n")]);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert!(fixed.stderr.contains("left alone: pkg/base/Dockerfile:1"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/base/Dockerfile"), "FROM linuxkit/base:older\n");
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));

    monorepo.write("kitmake.yml", "stale-pins: [{file: pkg/base/Dockerfile, reason: bootstrap}]\n");
    monorepo.commit("Fix");
    assert!(monorepo.kitmake(&["deps", "pkg/base"]).with_code(0).stdout.contains("from, self"));
    let page = monorepo.kitmake(&["graph", "--format", "html"]).with_code(0).stdout;
    assert!(page.contains("\"self\"") || page.contains(">self<"), "{page}");
    let checked = monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
    assert!(checked.stderr.contains("the only ones are `self`, which needs no leave"), "{}", checked.stderr);
}

#[test]
fn names_together_with_extra_sources_make_a_loop_that_is_left_alone() {
    let monorepo = files(&[
        ("pkg/base/build.yml", "image: base\nextra-sources:\n  - ../user:user\n"),
        ("pkg/top/build.yml", "image: top\n"),
        ("pkg/top/Dockerfile", "FROM linuxkit/user:old\n"),
    ]);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("follow from itself, through `pkg/base`"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
    assert_eq!(monorepo.read("pkg/top/Dockerfile"), format!("FROM linuxkit/user:{}\n", tag(&monorepo, "pkg/user")));
}

#[test]
fn two_packages_that_name_each_other_are_a_loop() {
    let monorepo = files(&[("pkg/base/Dockerfile", "FROM linuxkit/user:old\n")]);
    let before = tracked(&monorepo);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("through `pkg/base`, `pkg/user`"), "{}", fixed.stderr);
    assert_eq!(tracked(&monorepo), before);
}

#[test]
fn what_kitmake_yml_allows_is_left_alone() {
    let allowed = "stale-pins:\n  - {file: pkg/user/Dockerfile, image: linuxkit/base, reason: proven}\n";
    let monorepo = files(&[("kitmake.yml", allowed)]);
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
    let listed = monorepo.kitmake(&["pins"]).with_code(0);
    assert!(listed.stdout.contains("allowed") && listed.stdout.contains("proven"), "{}", listed.stdout);
    monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
}

#[test]
fn a_generated_dockerfile_that_git_ignores_is_left_to_what_makes_it() {
    let monorepo = files(&[(".gitignore", "/pkg/made/Dockerfile\n"), ("pkg/made/build.yml", "image: made\n")]);
    monorepo.write("pkg/made/Dockerfile", "FROM linuxkit/base:old\n");
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("pkg/made/Dockerfile:1") && fixed.stderr.contains("git ignores"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/made/Dockerfile"), "FROM linuxkit/base:old\n");
    assert_ne!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
}

#[test]
fn a_glob_that_names_no_file_is_an_error() {
    let monorepo = files(&[]);
    let ended = monorepo.kitmake(&["pins", "fix", "--files", "*.yaml"]).with_code(2);
    assert!(ended.stderr.contains("pins::no_files"), "{}", ended.stderr);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
}

#[test]
fn what_an_image_yml_takes_from_a_template_is_named_and_left_alone() {
    let old = "1".repeat(40);
    let image = format!(
        "init:\n  - linuxkit/base:{old}-${{ARCH}}\n  - linuxkit/base:v{{{{.V}}}}\n  - linuxkit/base:{old}\n  - x/y:${{TAG}}\n"
    );
    let monorepo = files(&[("images/x.yml.in", &image)]);
    let fixed = monorepo.kitmake(&["pins", "fix", "--files", "images/*"]).with_code(5);
    for what in ["images/x.yml.in:2 linuxkit/base:1111", "-${ARCH}: a template", "x.yml.in:3 linuxkit/base:v{{.V}}: a"]
    {
        assert!(fixed.stderr.contains(what), "{what}: {}", fixed.stderr);
    }
    let last = format!("linuxkit/base:{old}\n");
    let base = format!("linuxkit/base:{}\n", tag(&monorepo, "pkg/base"));
    assert_eq!(monorepo.read("images/x.yml.in"), image.replace(&last, &base));
}

#[test]
fn a_tag_of_one_architecture_in_an_image_yml_is_left_alone_and_current_if_the_image_is() {
    let old = "1".repeat(40);
    let monorepo = files(&[("images/x.yml", &format!("- linuxkit/base:{old}-arm64\n"))]);
    let fixed = monorepo.kitmake(&["pins", "fix", "--files", "images/*"]).with_code(5);
    assert!(fixed.stderr.contains("names the image of one architecture, `arm64`"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("images/x.yml"), format!("- linuxkit/base:{old}-arm64\n"));

    let base = tag(&monorepo, "pkg/base");
    monorepo.write("images/x.yml", &format!("- linuxkit/base:{base}-arm64\n- linuxkit/base:{base}\n"));
    monorepo.commit("Fix");
    monorepo.kitmake(&["pins", "check", "--offline", "--files", "images/*"]).with_code(0);
    monorepo.kitmake(&["pins", "fix", "--files", "images/*"]).with_code(0);
}

#[test]
fn a_tag_of_one_architecture_in_a_dockerfile_follows_its_package_and_keeps_the_architecture() {
    let old = "1".repeat(40);
    let lines = |tag: &str, arch: &str| {
        format!(
            "FROM linuxkit/base:{tag}-amd64\nCOPY --from=linuxkit/base:{tag}-{arch} / /\nARG OTHER=linuxkit/base:{tag}-armv7\n"
        )
    };
    let monorepo = files(&[("pkg/user/Dockerfile", &lines(&old, "arm64"))]);
    let base = tag(&monorepo, "pkg/base");
    let pins = monorepo.kitmake(&["pins"]).with_code(0).stdout;
    assert!(pins.contains(&format!("base:{old}-amd64, but `pkg/base` is linuxkit/base:{base}-amd64\n")), "{pins}");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    let fixed = lines(&base, "arm64").replace(&format!("{base}-armv7"), &format!("{old}-armv7"));
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), fixed);
    monorepo.commit("Fix");
    monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
    // Both images are built first, whatever the package is built for.
    let plan = ["plan", "--offline", "--assume-missing", "--platforms", "amd64", "--format", "json", "pkg/user"];
    let plan = monorepo.kitmake_command(&plan).env("DOCKER_HOST", "unix:///nonexistent/engine.sock").output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let steps: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        ["build:pkg/base@linux/amd64", "build:pkg/base@linux/arm64", "build:pkg/user@linux/amd64"],
        "{plan:#}"
    );
    // Tags of this form that another architecture could be meant by are no architecture of linuxkit.
    monorepo.write("pkg/user/Dockerfile", &format!("FROM linuxkit/base:{base}-x86_64\n"));
    assert!(monorepo.kitmake(&["pins"]).stdout.contains("stale"));
}

#[test]
fn a_tag_of_another_form_in_an_image_yml_could_be_anybodys() {
    let image = "init:\n  - linuxkit/base:latest\n  - linuxkit/base:v1.0\n";
    let monorepo = files(&[("images/x.yml", image)]);
    let fixed = monorepo.kitmake(&["pins", "fix", "--files", "images/*"]).with_code(0);
    assert_eq!(fixed.stderr.matches("could be anybody's").count(), 2, "{}", fixed.stderr);
    assert_eq!(monorepo.read("images/x.yml"), image);
    monorepo.commit("Fix");
    let listed = monorepo.kitmake(&["pins", "--files", "images/*"]).with_code(0).stdout;
    assert_eq!(listed.matches("foreign  images/x.yml:").count(), 2, "{listed}");
    // Nobody asks for them, either.
    monorepo.kitmake(&["pins", "check", "--offline", "--files", "images/*"]).with_code(0);
    // In a Dockerfile it is a former tag of the package.
    assert_ne!(monorepo.read("pkg/user/Dockerfile"), "FROM linuxkit/base:old\n");
}

#[test]
fn a_package_beside_another_that_makes_the_same_image_is_not_its_previous_generation() {
    let old = "1".repeat(40);
    let dockerfile = format!("FROM linuxkit/v:{old}\n");
    let monorepo = files(&[
        ("kitmake.yml", "packages:\n  pkg/v: [build-rt.yml]\n"),
        ("pkg/v/build.yml", "image: v\n"),
        ("pkg/v/Dockerfile", "FROM scratch\n"),
        ("pkg/v/build-rt.yml", "image: v\ntag: '{{.Hash}}-rt'\ndockerfile: Dockerfile.rt\n"),
        ("pkg/v/Dockerfile.rt", &dockerfile),
    ]);
    let listed = monorepo.kitmake(&["pins", "--format", "json"]).with_code(0).json();
    let pins = listed["pins"].as_array().unwrap();
    let pin = pins.iter().find(|pin| pin["file"] == "pkg/v/Dockerfile.rt").unwrap();
    assert_eq!((&pin["state"], &pin["package"]), (&"stale".into(), &"pkg/v".into()));
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("follow from itself"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/v/Dockerfile.rt"), dockerfile);

    monorepo.write("pkg/v/Dockerfile.rt", &format!("FROM linuxkit/v:{old}-rt\n"));
    monorepo.commit("Name itself");
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert!(fixed.stderr.contains("names the package it is in"), "{}", fixed.stderr);
    monorepo.write("pkg/v/Dockerfile.rt", "FROM linuxkit/v:anything\n");
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("several packages make this image"), "{}", fixed.stderr);
}
