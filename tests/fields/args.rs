//! Build args: presets, `buildArgs`, `--build-arg-file`, `@lkt:` values, and proxies.

use std::collections::BTreeMap;

use super::Bench;
use crate::support::output;

/// Shows all it is given that is a build arg of its own or a preset.
const SHOW: &str = "FROM OUTSIDE/busybox:1\nARG SOURCE\nARG REVISION\nARG GOPKGVERSION\nARG PKG_HASH\nARG PKG_IMAGE\n\
                    ARG FREE\nARG OTHER\nRUN env > /env\n";

fn given<'a>(env: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    env.get(name).map(String::as_str)
}

#[test]
fn presets_say_where_the_package_comes_from_and_what_it_is_called() {
    let bench = Bench::new(&[
        ("pkg/a/build.yml", "org: ORG\nimage: shown\ntag: v1-{{.Hash}}\ngitrepo: https://git.example.org/x\n"),
        ("pkg/a/Dockerfile", SHOW),
    ]);
    bench.build(&["pkg/a"]);
    let env = bench.env("pkg/a");
    let head = bench.monorepo.git(&["rev-parse", "HEAD"]);
    assert_eq!(given(&env, "SOURCE"), Some("https://git.example.org/x"));
    assert_eq!(given(&env, "REVISION"), Some(head.as_str()));
    // The date of the commit in the time zone of this machine.
    let version = given(&env, "GOPKGVERSION").unwrap();
    assert!(version.starts_with("v0.0.0-2024010") && version.ends_with(&format!("-{}", &head[..12])), "{version}");
    assert_eq!(version.len(), "v0.0.0-20240102030405-".len() + 12);
    assert_eq!(given(&env, "PKG_HASH"), Some(bench.monorepo.git(&["rev-parse", "HEAD:pkg/a"]).as_str()));
    assert_eq!(given(&env, "PKG_IMAGE"), Some(format!("{}/fields/shown", bench.registry.address()).as_str()));
    assert_eq!(given(&env, "FREE"), None);

    // What is not committed has no revision, and its hash says so.
    bench.monorepo.write("pkg/a/new", "");
    bench.build(&["pkg/a"]);
    let env = bench.env("pkg/a");
    assert_eq!(given(&env, "REVISION"), None);
    let hash = given(&env, "PKG_HASH").unwrap();
    assert!(hash.contains("-dirty-") && bench.reference("pkg/a").ends_with(hash), "{hash}");
}

#[test]
fn a_build_arg_of_the_yml_wins_over_a_preset_and_one_of_a_file_over_both() {
    let bench = Bench::new(&[
        (
            "pkg/a/build.yml",
            "org: ORG\nimage: a\nbuildArgs:\n- SOURCE=here\n- PKG_HASH=mine\n- FREE=a=b c\n- OTHER=yml\n",
        ),
        ("pkg/a/Dockerfile", SHOW),
        ("args", "OTHER=file=1\n PKG_IMAGE = named\n"),
    ]);
    bench.build(&["pkg/a"]);
    let env = bench.env("pkg/a");
    for (name, value) in [("SOURCE", "here"), ("PKG_HASH", "mine"), ("FREE", "a=b c"), ("OTHER", "yml")] {
        assert_eq!(given(&env, name), Some(value));
    }
    assert!(given(&env, "PKG_IMAGE").unwrap().ends_with("/fields/a"), "what is not set stays preset");

    let again = bench.build(&["pkg/a", "--build-arg-file", "args"]);
    assert!(again.stderr.contains("Built pkg/a"), "other args make another image: {}", again.stderr);
    let env = bench.env("pkg/a");
    for (name, value) in [("SOURCE", "here"), ("FREE", "a=b c"), ("OTHER", "file=1"), ("PKG_IMAGE", "named")] {
        assert_eq!(given(&env, name), Some(value));
    }
}

#[test]
fn lkt_values_become_the_names_of_the_packages_that_they_name() {
    let shown = "org: ORG\nimage: shown\nbuildArgs:\n- ONE=@lkt:pkg:../one\n- LIB_%=@lkt:pkgs:../lib-*\n";
    let dockerfile = "FROM OUTSIDE/busybox:1\nARG ONE\nRUN echo ONE=$ONE > /env\n";
    let bench = Bench::new(&[
        ("pkg/shown/build.yml", shown),
        ("pkg/shown/Dockerfile", dockerfile),
        ("pkg/one/build.yml", "org: ORG\nimage: one\n"),
        ("pkg/one/Dockerfile", "FROM scratch\nCOPY build.yml /\n"),
        ("pkg/lib-a/build.yml", "org: ORG\nimage: a-b\n"),
        ("pkg/lib-a/Dockerfile", "FROM scratch\nCOPY build.yml /\n"),
        ("pkg/lib-b/build.yml", "org: ORG\nimage: b\n"),
        ("pkg/lib-b/Dockerfile", "FROM scratch\nCOPY build.yml /\n"),
    ]);
    // The name of each arg has the address of this registry in it.
    let prefix = format!("{}/FIELDS_", bench.registry.address()).to_uppercase().replace(['/', '-'], "_");
    let plan = bench.monorepo.kitmake(&["plan", "pkg/shown", "--format", "json"]).with_code(0).json();
    let step = plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == "build:pkg/shown@linux/amd64");
    let args = &step.expect("it is built")["build_args"];
    for (name, package) in [("A_B", "pkg/lib-a"), ("B", "pkg/lib-b")] {
        assert_eq!(args[format!("LIB_{prefix}{name}")], bench.reference(package), "{args:#}");
    }
    bench.build(&["pkg/shown"]);
    assert_eq!(given(&bench.env("pkg/shown"), "ONE"), Some(bench.reference("pkg/one").as_str()));
    assert!(!super::on_engine(&bench.reference("pkg/one")), "a value that is not used as an image builds nothing");
}

#[test]
fn proxies_are_handed_to_the_steps_in_each_spelling_as_they_are_given_and_make_no_other_image() {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
    let spelled: Vec<String> = names.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase()]).collect();
    let shown =
        spelled.iter().fold(String::new(), |text, name| format!("{text}ARG {name}\nENV SHOWN_{name}=${name}\n"));
    let dockerfile = format!("FROM OUTSIDE/busybox:1\n{shown}RUN env > /env\n");
    let bench = Bench::new(&[
        ("pkg/a/build.yml", "org: ORG\nimage: a\n"),
        ("pkg/a/Dockerfile", &dockerfile),
        ("pkg/b/build.yml", "org: ORG\nimage: b\nbuildArgs: [http_proxy=http://of-the-yml]\n"),
        ("pkg/b/Dockerfile", &dockerfile),
    ]);
    let value = |name: &str| format!("http://user:{name}@proxy.invalid:1/?a=b");
    let mut command = bench.monorepo.kitmake_command(&["-v", "build", "pkg/a", "pkg/b"]);
    for name in &spelled {
        command.env(name, value(name));
    }
    // The registry and the engine are on this machine.
    let built = output(&mut command).with_code(0);
    let env = bench.env("pkg/a");
    for name in &spelled {
        assert_eq!(given(&env, &format!("SHOWN_{name}")), Some(value(name).as_str()), "{name}");
    }
    let env = bench.env("pkg/b");
    assert_eq!(given(&env, "SHOWN_http_proxy"), Some("http://of-the-yml"), "the yml wins");
    assert_eq!(given(&env, "SHOWN_HTTP_PROXY"), Some(value("HTTP_PROXY").as_str()));
    let key = "user:HTTPS_PROXY";
    let said: Vec<&str> = built.stderr.lines().filter(|line| line.contains(key) && !line.contains("SHOWN_")).collect();
    assert!(said.is_empty(), "kitmake itself tells no password: {said:?}");

    let mut unset = bench.monorepo.kitmake_command(&["build", "pkg/a", "pkg/b"]);
    for name in &spelled {
        unset.env_remove(name);
    }
    let again = output(&mut unset).with_code(0);
    assert_eq!(again.stderr, "nothing to do: 2 present\n", "a proxy is no input of an image");
}
