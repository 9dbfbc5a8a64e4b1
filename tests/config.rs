//! kitmake.yml and the flags that stand for parts of it, with the real binary and neither an engine nor a registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its repository has failed")]

mod support;

use std::fs;

use kitmake::git::TagOptions;
use kitmake::pipeline;
use kitmake::plan::{Action, Plan};
use kitmake::settings::{AssumeMissing, Environment, Settings};
use serde_json::Value;
use support::{Monorepo, Output};

/// kitmake where no engine answers.
fn kitmake(monorepo: &Monorepo, arguments: &[&str]) -> Output {
    support::output(monorepo.kitmake_command(arguments).env("DOCKER_HOST", "unix:///nonexistent/docker.sock"))
}

/// `kitmake plan` with every image missing.
fn plan(monorepo: &Monorepo, arguments: &[&str]) -> Output {
    let fixed = ["plan", "--offline", "--assume-missing", "--platforms", "amd64", "--format", "json"];
    kitmake(monorepo, &[&fixed[..], arguments].concat())
}

/// The build steps of a plan, by the id of the package.
fn builds(monorepo: &Monorepo, arguments: &[&str]) -> Vec<(String, Value)> {
    let document = plan(monorepo, arguments).with_code(0).json();
    let steps = document["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "build");
    let id = |step: &Value| step["node"].as_str().unwrap().split('@').next().unwrap().to_owned();
    steps.map(|step| (id(step), step.clone())).collect()
}

fn ids(monorepo: &Monorepo, arguments: &[&str]) -> Vec<String> {
    let mut ids: Vec<String> = builds(monorepo, arguments).into_iter().map(|(id, _)| id).collect();
    ids.sort();
    ids
}

fn build_of(monorepo: &Monorepo, arguments: &[&str], id: &str) -> Value {
    builds(monorepo, arguments).into_iter().find(|(found, _)| found == id).unwrap_or_else(|| panic!("no {id}")).1
}

fn tree(monorepo: &Monorepo, path: &str) -> String {
    monorepo.git(&["rev-parse", &format!("HEAD:{path}")])
}

/// A base, a user that is pinned to it, and a package with three ymls.
fn monorepo(config: &str) -> Monorepo {
    let monorepo = Monorepo::with_files(&[
        ("kitmake.yml", config),
        ("pkg/base/build.yml", "image: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/pillar/build.yml", "image: pillar\norg: own\n"),
        ("pkg/pillar/build-k.yml", "image: pillar\norg: own\ntag: '{{.Hash}}-k'\nbuildArgs: [HV=k]\n"),
        ("pkg/pillar/build-dev.yml", "image: pillar\norg: own\nbuildArgs: [DEV=y]\n"),
        ("pkg/pillar/Dockerfile", "FROM scratch\n"),
        ("pkg/nvidia/build-jp6.yml", "image: nvidia\n"),
        ("pkg/nvidia/Dockerfile", "FROM scratch\n"),
        ("tools/alpine/Dockerfile", "FROM scratch\n"),
    ]);
    let pin = format!("FROM linuxkit/base:{}\n", tree(&monorepo, "pkg/base"));
    monorepo.write("pkg/user/Dockerfile", &pin);
    monorepo.write("pkg/user/build.yml", "image: user\n");
    monorepo.commit("Pin");
    monorepo
}

#[test]
fn a_declared_package_is_built_and_named_like_any_other() {
    let monorepo = monorepo("packages: {tools/alpine: {image: alpine, org: acme, network: true, arches: [amd64]}}\n");
    let name = format!("acme/alpine:{}", tree(&monorepo, "tools/alpine"));
    monorepo.write("pkg/user/Dockerfile", &format!("FROM {name}\n"));
    monorepo.commit("Pin to the declared package");
    assert_eq!(ids(&monorepo, &["pkg/user"]), ["pkg/user", "tools/alpine"]);
    let step = build_of(&monorepo, &["tools/alpine"], "tools/alpine");
    assert_eq!((step["reference"].as_str(), step["network"].as_str()), (Some(name.as_str()), Some("default")));
    let shown = kitmake(&monorepo, &["show-tag", "tools/alpine"]).with_code(0).stdout;
    assert_eq!(shown, format!("{name}\n"));
    assert!(kitmake(&monorepo, &["show-tag"]).with_code(0).stdout.contains(&name));
    kitmake(&monorepo, &["show-tag", "pkg/nvidia"]).with_code(2);
}

#[test]
fn the_default_org_is_for_ymls_that_give_none() {
    let monorepo = monorepo("org: acme\n");
    assert_eq!(
        kitmake(&monorepo, &["show-tag", "pkg/base", "pkg/pillar"]).with_code(0).stdout,
        format!("acme/base:{}\nown/pillar:{}\n", tree(&monorepo, "pkg/base"), tree(&monorepo, "pkg/pillar"))
    );
}

#[test]
fn a_chosen_yml_takes_the_place_of_the_build_yml() {
    let config = "packages: {pkg/pillar: {build-yml: build-dev.yml}}\n\
                  profiles: {k: {pkg/pillar: build-k.yml, pkg/nvidia: build-jp6.yml}, none: {}}\n";
    let monorepo = monorepo(config);
    assert_eq!(ids(&monorepo, &[]), ["pkg/base", "pkg/pillar:build-dev.yml", "pkg/user"]);
    let k = ["pkg/base", "pkg/nvidia:build-jp6.yml", "pkg/pillar:build-k.yml", "pkg/user"];
    assert_eq!(ids(&monorepo, &["--profile", "k"]), k);
    assert_eq!(ids(&monorepo, &["--profile", "k", "pkg/pillar"]), ["pkg/pillar:build-k.yml"]);
    let shown = format!("own/pillar:{}-k\n", tree(&monorepo, "pkg/pillar"));
    assert_eq!(kitmake(&monorepo, &["show-tag", "--profile", "k", "pkg/pillar"]).with_code(0).stdout, shown);
    let by_variable =
        support::output(monorepo.kitmake_command(&["show-tag", "pkg/pillar"]).env("KITMAKE_PROFILE", "k"));
    assert_eq!(by_variable.with_code(0).stdout, shown);
    let graph = kitmake(&monorepo, &["graph", "--profile", "k", "--format", "json"]).with_code(0).json();
    let named: Vec<&str> = graph["packages"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(named, k);
    let unknown = plan(&monorepo, &["--profile", "nonne"]).with_code(2);
    assert!(unknown.stderr.contains("did you mean `none`?"), "{}", unknown.stderr);
    // The command line wins over the choice.
    assert_eq!(ids(&monorepo, &["--build-yml", "build.yml", "pkg/pillar"]), ["pkg/pillar"]);
}

#[test]
fn build_yml_takes_the_selected_directories_that_have_the_file() {
    let monorepo = monorepo("");
    assert_eq!(ids(&monorepo, &["--build-yml", "build-k.yml"]), ["pkg/pillar:build-k.yml"]);
    assert_eq!(ids(&monorepo, &["--build-yml", "./build-jp6.yml", "pkg/nvidia"]), ["pkg/nvidia:build-jp6.yml"]);
    let missing = plan(&monorepo, &["--build-yml", "build-kk.yml", "pkg/pillar"]).with_code(2);
    assert!(missing.stderr.contains("did you mean `build-k.yml`?"), "{}", missing.stderr);
    plan(&monorepo, &["--build-yml", "build-k.yml", "pkg/pillar", "pkg/base"]).with_code(2);
}

#[test]
fn a_pin_means_the_yml_that_the_command_line_names_but_an_lkt_value_means_the_build_yml() {
    let monorepo = monorepo("");
    let pin = format!("FROM own/pillar:{}\n", tree(&monorepo, "pkg/pillar"));
    monorepo.write("pkg/user/Dockerfile", &pin);
    monorepo.write("pkg/user/build-dev.yml", "image: user\nbuildArgs: [P=@lkt:pkg:../pillar, V=dev]\n");
    monorepo.commit("Use pillar");
    let step =
        build_of(&monorepo, &["--build-yml", "build-dev.yml", "pkg/user", "pkg/pillar"], "pkg/user:build-dev.yml");
    assert_eq!(step["needs"], serde_json::json!(["build:pkg/pillar:build-dev.yml@linux/amd64"]));
    assert_eq!(step["build_args"]["P"].as_str().unwrap(), pin["FROM ".len()..].trim_end());
}

#[test]
fn two_selected_packages_of_one_image_are_an_error_that_names_both() {
    let monorepo = monorepo("packages: {pkg/pillar: [build-dev.yml]}\n");
    let both = plan(&monorepo, &["pkg/pillar", "pkg/pillar:build-dev.yml"]).with_code(3).stderr;
    assert!(both.contains("graph::duplicate_image") && both.contains("`pkg/pillar:build-dev.yml`"), "{both}");
    plan(&monorepo, &["pkg/pillar"]).with_code(0);
    plan(&monorepo, &["pkg/pillar:build-dev.yml"]).with_code(0);
}

#[test]
fn hash_and_tag_of_a_package_are_who_it_is_and_give_way_to_the_command_line() {
    let config = "packages:\n  pkg/base: {hash: abc, tag: 'v6-{{.Hash}}'}\n  pkg/pillar:build-k.yml: {tag: k}\n";
    let monorepo = monorepo(config);
    monorepo.write("pkg/user/Dockerfile", "FROM linuxkit/base:v6-abc\n");
    monorepo.commit("Pin to the given tag");
    assert_eq!(kitmake(&monorepo, &["show-tag", "pkg/base"]).with_code(0).stdout, "linuxkit/base:v6-abc\n");
    assert_eq!(ids(&monorepo, &["pkg/user"]), ["pkg/base", "pkg/user"]);
    assert_eq!(build_of(&monorepo, &["pkg/base"], "pkg/base")["build_args"]["PKG_HASH"], "abc");
    for (arguments, tag) in [
        (&["--hash", "h"][..], "v6-h"),
        (&["--tag", "t"], "t"),
        (&["--tag", "t-{{.Hash}}"], "t-abc"),
        (&["--dev", "--org", "o"], "v6-dev"),
    ] {
        let output = kitmake(&monorepo, &[&["show-tag", "pkg/base"], arguments].concat()).with_code(0);
        assert!(output.stdout.ends_with(&format!("base:{tag}\n")), "{arguments:?}: {}", output.stdout);
    }
    let k = kitmake(&monorepo, &["show-tag", "--build-yml", "build-k.yml", "pkg/pillar"]).with_code(0).stdout;
    assert_eq!(k, "own/pillar:k\n");
}

#[test]
fn files_of_build_args_win_over_the_yml_and_the_last_one_wins() {
    let monorepo = monorepo("packages: {pkg/base: {build-arg-file: args/one}, pkg/user: {build-arg-file: none}}\n");
    monorepo.write("pkg/base/build.yml", "image: base\nbuildArgs: [A=yml, B=yml, C=yml]\n");
    monorepo.write("pkg/base/args/one", "# one\n\nB = file\nC=file\nD=@lkt:pkg:../../pillar\n");
    monorepo.write("pkg/user/Dockerfile", "ARG BASE\nFROM $BASE\n");
    monorepo.write("line", "C=line\nSOURCE=here\n");
    monorepo.commit("Give build args");
    let step = build_of(&monorepo, &["--build-arg-file", "line", "pkg/base"], "pkg/base");
    let args = |name: &str| step["build_args"][name].as_str().unwrap().to_owned();
    assert_eq!(["A", "B", "C", "SOURCE"].map(args), ["yml", "file", "line", "here"]);
    assert_eq!(args("D"), format!("own/pillar:{}", tree(&monorepo, "pkg/pillar")));

    let missing = plan(&monorepo, &["pkg/user"]).with_code(3).stderr;
    assert!(missing.contains("workspace::unreadable_build_args") && missing.contains("kitmake.yml"), "{missing}");
    kitmake(&monorepo, &["show-tag", "pkg/user"]).with_code(0);
    plan(&monorepo, &["--build-arg-file", "nowhere", "pkg/base"]).with_code(2);
    monorepo.write("line", "bare\n");
    assert!(plan(&monorepo, &["--build-arg-file", "line", "pkg/base"]).with_code(3).stderr.contains("has no value"));

    // An image that a file names is needed like one that the Dockerfile names.
    monorepo.write("pkg/user/none", &format!("BASE=linuxkit/base:{}\n", tree(&monorepo, "pkg/base")));
    monorepo.git(&["checkout", "-q", "line"]);
    monorepo.commit("Write the file");
    assert_eq!(ids(&monorepo, &["pkg/user"]), ["pkg/base", "pkg/user"]);
}

#[test]
fn excluded_files_do_not_count_for_the_key_but_the_patterns_do() {
    let key = |monorepo: &Monorepo| {
        let nodes = plan(monorepo, &["pkg/base"]).with_code(0).json();
        nodes["nodes"][0]["key"].as_str().unwrap().to_owned()
    };
    let monorepo = monorepo("packages: {pkg/base: {exclude: ['*.log', dist/]}}\n");
    monorepo.write(".gitignore", "*.log\ndist\n*.o\n");
    monorepo.commit("Ignore");
    let before = key(&monorepo);
    monorepo.write("pkg/base/x.log", "1");
    monorepo.write("pkg/base/dist/a.o", "1");
    assert_eq!(key(&monorepo), before);
    monorepo.write("pkg/base/a.o", "1");
    assert_ne!(key(&monorepo), before);
    fs::remove_file(monorepo.path("pkg/base/a.o")).unwrap();
    assert_eq!(key(&monorepo), before);
    monorepo.write("kitmake.yml", "packages: {pkg/base: {exclude: ['*.log']}}\n");
    fs::remove_dir_all(monorepo.path("pkg/base/dist")).unwrap();
    assert_ne!(key(&monorepo), before);
    monorepo.write("kitmake.yml", "packages: {pkg/base: {exclude: ['Docker*']}}\n");
    let refused = plan(&monorepo, &["pkg/base"]).with_code(3).stderr;
    assert!(refused.contains("which is the Dockerfile"), "{refused}");
}

#[test]
fn an_allowed_stale_pin_is_counted_with_its_reason_and_not_listed() {
    let config = "stale-pins: [{file: pkg/user/Dockerfile, image: linuxkit/base, reason: bootstrap}]\n";
    let monorepo = Monorepo::with_files(&[
        ("kitmake.yml", config),
        ("pkg/base/build.yml", "image: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/Dockerfile", "FROM linuxkit/base:old\n"),
        ("pkg/other/build.yml", "image: other\n"),
        ("pkg/other/Dockerfile", "FROM linuxkit/base:old\n"),
    ]);
    let document = plan(&monorepo, &[]).with_code(0).json();
    let reason = |id: &str| {
        let node = document["nodes"].as_array().unwrap().iter().find(|node| node["id"] == id).unwrap();
        let reasons = node["reasons"].as_array().unwrap();
        reasons.iter().find(|reason| reason["reason"] == "pin-stale").unwrap().clone()
    };
    assert_eq!(reason("pkg/user")["allowed"], "bootstrap");
    assert!(reason("pkg/other").get("allowed").is_none());
    let text = kitmake(&monorepo, &["plan", "--offline", "--assume-missing"]).with_code(0).stdout;
    assert!(text.contains("stale pins: 1, 1 allowed\n  pkg/other/Dockerfile:1 "), "{text}");
    assert!(!text.contains("pkg/user/Dockerfile:1"), "{text}");
}

#[test]
fn what_is_treated_as_dirty_is_built_and_never_pushed() {
    let monorepo = monorepo("");
    let dirty = format!("linuxkit/base:{}-dirty-", tree(&monorepo, "pkg/base"));
    let step = build_of(&monorepo, &["--force-dirty", "pkg/base"], "pkg/base");
    assert!(step["reference"].as_str().unwrap().starts_with(&dirty), "{step}");
    let refused = plan(&monorepo, &["--force-dirty", "--push", "pkg/base"]).with_code(3).stderr;
    assert!(refused.contains("plan::dirty_push"), "{refused}");
}

#[test]
fn only_what_is_checked_out_is_planned() {
    let monorepo = monorepo("");
    let refused = plan(&monorepo, &["--hash-commit", "HEAD~1"]).with_code(2);
    assert!(refused.stderr.contains("plan::other_commit"), "{}", refused.stderr);
    kitmake(&monorepo, &["show-tag", "--hash-commit", "HEAD~1", "pkg/base"]).with_code(0);
    let refused = plan(&monorepo, &["--cert-file", "nowhere.pem"]).with_code(2);
    assert!(refused.stderr.contains("cli::no_cert_file"), "{}", refused.stderr);
}

#[test]
fn a_mistake_in_kitmake_yml_stops_every_verb_with_its_place() {
    let monorepo = monorepo("packages: {pkg/base: {exclud: []}}\n");
    for verb in [&["plan"][..], &["graph"], &["show-tag"], &["show-tag", "pkg/base"]] {
        let stderr = kitmake(&monorepo, verb).with_code(3).stderr;
        assert!(stderr.contains("workspace::unknown_key") && stderr.contains("did you mean `exclude`?"), "{stderr}");
    }
}

/// The plan itself, with what its JSON does not show.
fn planned(monorepo: &Monorepo, tags: TagOptions) -> Plan {
    let mut environment = Environment::default();
    environment.engine.host = Some("unix:///nonexistent/docker.sock".to_owned());
    environment.cache = monorepo.path(".git/memo");
    let settings = Settings {
        selectors: vec!["pkg/user".to_owned()],
        tags,
        offline: true,
        assume_missing: AssumeMissing::Everything,
        ..Settings::new(monorepo.root().canonicalize().unwrap(), environment)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    pipeline::prepare(&settings, &runtime).unwrap().plan
}

#[test]
fn under_another_org_a_dependent_is_built_on_the_sibling_by_its_new_name() {
    let monorepo = monorepo("packages: {pkg/user: {exclude: ['*.log']}}\n");
    let texts = |tags| -> Vec<(Vec<String>, Option<String>, Vec<String>)> {
        let plan = planned(&monorepo, tags);
        assert!(plan.problems.is_empty(), "{:?}", plan.problems);
        let requests = plan.steps.into_iter().filter_map(|step| match step.action {
            Action::Build(request) => Some((request.tags, request.dockerfile_text, request.exclude)),
            _ => None,
        });
        requests.collect()
    };
    let hash = tree(&monorepo, "pkg/base");
    let [(_, _, whole), (_, unchanged, exclude)] = texts(TagOptions::default()).try_into().unwrap();
    assert_eq!((unchanged, whole, exclude), (None, Vec::new(), vec!["*.log".to_owned()]));
    let mine = TagOptions { org: Some("mine".to_owned()), ..TagOptions::default() };
    let [(base, ..), (user, text, _)] = texts(mine).try_into().unwrap();
    assert!(base.contains(&format!("mine/base:{hash}")), "{base:?}");
    assert!(user.iter().all(|name| name.starts_with("mine/user:")), "{user:?}");
    let text = text.unwrap();
    let name = text.strip_prefix("FROM ").unwrap().trim_end();
    assert!(base.iter().any(|tag| tag == name), "{name} is not one of {base:?}");
    for tags in [
        TagOptions { hash: Some("h".to_owned()), ..TagOptions::default() },
        TagOptions { tag: Some("t".to_owned()), ..TagOptions::default() },
        TagOptions { dev: Some("me".to_owned()), ..TagOptions::default() },
        TagOptions { force_dirty: true, ..TagOptions::default() },
        TagOptions { hash_path: Some(monorepo.root().canonicalize().unwrap()), ..TagOptions::default() },
    ] {
        let [(base, ..), (_, text, _)] = texts(tags.clone()).try_into().unwrap();
        let text = text.unwrap_or_default();
        assert!(base.iter().any(|tag| text.trim_end() == format!("FROM {tag}")), "{tags:?}: {text} {base:?}");
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let monorepo = monorepo("");
    let mut command = monorepo.kitmake_command(&["plan", "--offline", "--assume-missing", "pkg/base"]);
    for name in ["PLATFORMS", "REGISTRY", "JOBS", "PROGRESS", "PROFILE", "SIGN_KEY"] {
        command.env(format!("KITMAKE_{name}"), "");
    }
    support::output(&mut command).with_code(0);
    command.env("KITMAKE_PLATFORMS", "nonsense");
    support::output(&mut command).with_code(2);
}

#[test]
fn a_directory_to_start_in_lies_in_the_workspace_around_it_or_is_one_itself() {
    let monorepo = monorepo("org: own\n");
    monorepo.replace("pkg/user/Dockerfile", "linuxkit/base", "own/base");
    monorepo.commit("Name the org");
    let at = |directory: &str, arguments: &[&str]| kitmake(&monorepo, &[&["-C", directory], arguments].concat());
    let all = kitmake(&monorepo, &["show-tag"]).with_code(0).stdout;
    assert_eq!(at("pkg", &["show-tag"]).with_code(0).stdout, all);
    assert_eq!(at("pkg", &["show-tag", "base", "../pkg/user"]).with_code(0).stdout.matches("own/").count(), 2);
    assert!(at("pkg/user", &["deps", "."]).with_code(0).stdout.contains("pkg/base"));
    assert_eq!(at("pkg", &["pins", "check", "--offline"]).with_code(0).stdout, "no findings in 1 pin\n");
    at("pkg", &["pins", "fix"]).with_code(0);
    assert_eq!(monorepo.git(&["status", "--porcelain"]), "");

    let exported = monorepo.path("../exported");
    monorepo.git(&["worktree", "add", "--quiet", exported.to_str().unwrap()]);
    fs::remove_file(exported.join(".git")).unwrap();
    fs::remove_file(exported.join("kitmake.yml")).unwrap();
    let names = at("../exported/pkg", &["show-tag"]).with_code(0).stdout;
    assert!(names.starts_with("linuxkit/base:"), "{names}");
    let nowhere = at("../nowhere", &["show-tag"]).with_code(2).stderr;
    assert!(nowhere.contains("cli::no_directory"), "{nowhere}");
}
