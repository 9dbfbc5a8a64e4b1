//! What `pins fix` writes into a file, and what it leaves as it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::support::Monorepo;
use super::tag;

const BASE: [(&str, &str); 3] =
    [("pkg/base/build.yml", "image: base\n"), ("pkg/base/Dockerfile", "FROM scratch\n"), ("pkg/base/file", "1\n")];

fn with(files: &[(&str, &str)]) -> Monorepo {
    let all: Vec<(&str, &str)> = BASE.iter().chain(files).copied().collect();
    Monorepo::with_files(&all)
}

#[test]
fn nothing_but_the_tag_changes() {
    let dockerfile = "# linuxkit/base:old stays here\r\nARG A='linuxkit/base:old'\r\nFROM \"linuxkit/base:old\" AS x\r\n\
                      FROM $A AS linuxkit-base\r\nFROM docker.io/linuxkit/base:old\r\nCOPY --chown=0:0 --from=linuxkit/base:old /a /b\r\n\
                      RUN --mount=type=bind,from=linuxkit/base:old,target=/x echo linuxkit/base:old\r\nCMD [\"x\"]";
    let monorepo = with(&[("pkg/user/build.yml", "image: user\n"), ("pkg/user/Dockerfile", dockerfile)]);
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    let base = tag(&monorepo, "pkg/base");
    let expected = dockerfile
        .replace("linuxkit/base:old", &format!("linuxkit/base:{base}"))
        .replacen(&format!("linuxkit/base:{base} stays"), "linuxkit/base:old stays", 1)
        .replace(&format!("echo linuxkit/base:{base}"), "echo linuxkit/base:old");
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), expected);
}

#[test]
fn build_args_are_rewritten_where_they_are_written() {
    let monorepo = with(&[
        ("kitmake.yml", "packages:\n  pkg/user:\n    build-arg-file: args\n"),
        ("pkg/user/build.yml", "image: user\nbuildArgs:\n  - 'A=linuxkit/base:old' # linuxkit/base:old\n  - C=x\n"),
        ("pkg/user/args", "# B=linuxkit/base:old\nB = linuxkit/base:old\n"),
        ("pkg/user/Dockerfile", "ARG A=scratch\nARG B=scratch\nFROM $A AS a\nFROM $B\n"),
    ]);
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    let base = tag(&monorepo, "pkg/base");
    assert_eq!(
        monorepo.read("pkg/user/build.yml"),
        format!("image: user\nbuildArgs:\n  - 'A=linuxkit/base:{base}' # linuxkit/base:old\n  - C=x\n")
    );
    assert_eq!(monorepo.read("pkg/user/args"), format!("# B=linuxkit/base:old\nB = linuxkit/base:{base}\n"));
    monorepo.commit("Fix");
    monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
}

#[test]
fn variants_of_one_image_get_the_tag_of_their_own_form() {
    let monorepo = with(&[
        ("kitmake.yml", "packages:\n  pkg/fw: [build-gpu.yml]\n"),
        ("pkg/fw/build.yml", "image: fw\n"),
        ("pkg/fw/build-gpu.yml", "image: fw\ntag: '{{.Hash}}-gpu'\n"),
        ("pkg/fw/Dockerfile", "FROM scratch\n"),
        ("pkg/user/build.yml", "image: user\n"),
        (
            "pkg/user/Dockerfile",
            "FROM linuxkit/fw:1111111111111111111111111111111111111111 AS a\n\
             FROM linuxkit/fw:1111111111111111111111111111111111111111-gpu AS b\n\
             FROM linuxkit/fw:v1\n",
        ),
    ]);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    let fw = tag(&monorepo, "pkg/fw");
    assert_eq!(
        monorepo.read("pkg/user/Dockerfile"),
        format!("FROM linuxkit/fw:{fw} AS a\nFROM linuxkit/fw:{fw}-gpu AS b\nFROM linuxkit/fw:v1\n")
    );
    assert!(fixed.stderr.contains("several packages make this image"), "{}", fixed.stderr);
}

#[test]
fn image_ymls_are_rewritten_and_what_is_no_image_yml_is_not() {
    let allowed = "stale-pins:\n  - {file: pkg/kept/Dockerfile, image: 'linuxkit/base:kept', reason: proven}\n";
    let old = format!("linuxkit/base:{}", "1".repeat(40));
    let image = "init:\n  - OLD\n  # - OLD\n  - linuxkit/other:old\nservices:\n  - name: a\n    image: \"OLD\"\n"
        .replace("OLD", &old);
    let monorepo = with(&[
        ("kitmake.yml", allowed),
        ("pkg/kept/build.yml", "image: kept\nbuildArgs: ['A=linuxkit/base:old']\n"),
        ("pkg/kept/Dockerfile", "FROM linuxkit/base:kept\n"),
        ("images/x.yml", &image),
    ]);
    let fixed = monorepo.kitmake(&["pins", "fix", "--files", "**/*.yml"]).with_code(0);
    assert!(fixed.stderr.contains("rewrote 3 pins in 2 files"), "{}", fixed.stderr);
    let base = format!("linuxkit/base:{}", tag(&monorepo, "pkg/base"));
    let expected = image.replace(&old, &base).replace(&format!("# - {base}"), &format!("# - {old}"));
    assert_eq!(monorepo.read("images/x.yml"), expected);
    assert_eq!(monorepo.read("kitmake.yml"), allowed);
}

#[test]
fn modes_and_links_stay() {
    let monorepo = with(&[
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/real", "FROM linuxkit/base:old\n"),
        ("pkg/other/build.yml", "image: other\n"),
    ]);
    fs::set_permissions(monorepo.path("pkg/user/real"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("real", monorepo.path("pkg/user/Dockerfile")).unwrap();
    symlink("../user/real", monorepo.path("pkg/other/Dockerfile")).unwrap();
    monorepo.commit("Link");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.commit("Fix");
    assert_eq!(monorepo.read("pkg/user/real"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
    assert_eq!(fs::metadata(monorepo.path("pkg/user/real")).unwrap().permissions().mode() & 0o777, 0o755);
    for link in ["pkg/user/Dockerfile", "pkg/other/Dockerfile"] {
        assert!(fs::symlink_metadata(monorepo.path(link)).unwrap().is_symlink(), "{link}");
    }
    monorepo.kitmake(&["pins", "check", "--offline"]).with_code(0);
}

#[test]
fn what_git_makes_of_line_ends_is_what_the_tag_counts() {
    let monorepo = with(&[
        (".gitattributes", "Dockerfile text eol=crlf\n"),
        ("pkg/.gitattributes", "*.txt text\n"),
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/Dockerfile", "FROM linuxkit/base:old\r\n"),
        ("pkg/top/build.yml", "image: top\n"),
        ("pkg/top/Dockerfile", "FROM linuxkit/user:old\r\n"),
    ]);
    monorepo.git(&["rm", "--quiet", "--cached", "-r", "."]);
    monorepo.git(&["reset", "--quiet", "--hard"]);
    // Attributes that nobody may write to.
    fs::set_permissions(monorepo.path(".gitattributes"), fs::Permissions::from_mode(0o444)).unwrap();
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.commit("Fix");
    assert!(monorepo.git(&["show", "HEAD:pkg/user/Dockerfile"]).find('\r').is_none());
    assert!(monorepo.read("pkg/user/Dockerfile").ends_with("\r\n"));
    assert_eq!(monorepo.read("pkg/top/Dockerfile"), format!("FROM linuxkit/user:{}\r\n", tag(&monorepo, "pkg/user")));
}

#[test]
fn what_is_modified_counts_as_git_add_u_records_it() {
    let monorepo =
        with(&[("pkg/user/build.yml", "image: user\n"), ("pkg/user/Dockerfile", "FROM linuxkit/base:old\n")]);
    monorepo.write("pkg/base/file", "staged\n");
    monorepo.git(&["add", "pkg/base/file"]);
    monorepo.write("pkg/base/file", "in the work tree\n");
    monorepo.write("pkg/base/more", "intended\n");
    monorepo.git(&["add", "--intent-to-add", "pkg/base/more"]);
    let status = monorepo.git(&["status", "--porcelain"]);
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert_eq!(monorepo.git(&["status", "--porcelain"]), format!("{status}\n M pkg/user/Dockerfile"));
    monorepo.git(&["commit", "--quiet", "--all", "--message", "Change and fix"]);
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
}

#[test]
fn a_change_within_one_tick_of_the_clock_counts() {
    let monorepo =
        with(&[("pkg/user/build.yml", "image: user\n"), ("pkg/user/Dockerfile", "FROM linuxkit/base:old\n")]);
    // Of a file git then knows nothing but its size and its time.
    monorepo.git(&["config", "core.trustctime", "false"]);
    monorepo.git(&["config", "core.checkStat", "minimal"]);
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(10);
    let touch = |file: &str| {
        fs::File::options().write(true).open(monorepo.path(file)).unwrap().set_modified(time).unwrap();
    };
    touch("pkg/base/file");
    monorepo.git(&["update-index", "--refresh"]);
    touch(".git/index");
    monorepo.write("pkg/base/file", "2\n");
    touch("pkg/base/file");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    monorepo.commit("Change and fix");
    assert_eq!(monorepo.git(&["show", "HEAD:pkg/base/file"]).trim(), "2");
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
}

#[test]
fn no_hook_of_the_repository_runs() {
    let monorepo =
        with(&[("pkg/user/build.yml", "image: user\n"), ("pkg/user/Dockerfile", "FROM linuxkit/base:old\n")]);
    monorepo.write("pkg/base/file", "2\n");
    let (hooks, ran) = (monorepo.path(".git/hooks"), monorepo.path(".git/ran"));
    fs::create_dir_all(&hooks).unwrap();
    fs::write(hooks.join("post-index-change"), format!("#!/bin/sh\n: > '{}'\n", ran.display())).unwrap();
    fs::set_permissions(hooks.join("post-index-change"), fs::Permissions::from_mode(0o755)).unwrap();
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    assert!(!ran.exists());
    monorepo.commit("Change and fix");
    assert!(ran.exists(), "the hook would be seen");
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), format!("FROM linuxkit/base:{}\n", tag(&monorepo, "pkg/base")));
}

#[test]
fn a_stale_pin_of_the_package_that_is_named_is_told_with_what_mends_it() {
    let monorepo = with(&[
        ("pkg/user/build.yml", "image: user\n"),
        ("pkg/user/Dockerfile", "FROM linuxkit/base:0123456789012345678901234567890123456789\n"),
    ]);
    let hint = "`pkg/user` names stale tags of pkg/base: `kitmake pins fix pkg/base` brings them up to date\n";
    let fixed = monorepo.kitmake(&["pins", "fix", "pkg/user"]).with_code(0);
    assert_eq!(fixed.stderr, format!("nothing to rewrite\n{hint}"));
    monorepo.kitmake(&["pins", "fix", "pkg/base"]).with_code(0);
    let fixed = monorepo.kitmake(&["pins", "fix", "pkg/user"]).with_code(0);
    assert_eq!(fixed.stderr, "nothing to rewrite\n");
}
