//! Files that are not as one would write them: what is a pin in them is rewritten, byte for byte the rest stays, and what
//! cannot be read or rewritten is named.

use std::fs;
use std::os::unix::fs::symlink;

use super::support::Monorepo;
use super::tag;

/// A base, and a user with this Dockerfile and further lines in its build yml.
fn with(dockerfile: &[u8], yml: &str) -> Monorepo {
    let yml = format!("image: user\n{yml}");
    let monorepo = Monorepo::with_files(&[
        ("pkg/base/build.yml", "image: base\n"),
        ("pkg/base/Dockerfile", "FROM scratch\n"),
        ("pkg/other/build.yml", "image: other\n"),
        ("pkg/other/Dockerfile", "FROM scratch\n"),
        ("pkg/user/build.yml", &yml),
        ("pkg/user/Dockerfile", ""),
    ]);
    fs::write(monorepo.path("pkg/user/Dockerfile"), dockerfile).unwrap();
    monorepo.commit("Use it");
    monorepo
}

/// The Dockerfile after a fix is this one, in which `NEW` stands for the present tag of the base.
fn is_fixed_to(monorepo: &Monorepo, expected: &str) {
    let expected = expected.replace("NEW", &tag(monorepo, "pkg/base"));
    assert_eq!(monorepo.read("pkg/user/Dockerfile"), expected);
}

#[test]
fn a_byte_order_mark_and_a_missing_newline_stay() {
    let monorepo = with("\u{feff}FROM linuxkit/base:old\r\nRUN x".as_bytes(), "");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    is_fixed_to(&monorepo, "\u{feff}FROM linuxkit/base:NEW\r\nRUN x");
}

#[test]
fn the_text_of_a_heredoc_has_no_pins() {
    let text = "FROM scratch\nRUN <<E\nFROM linuxkit/base:old\nE\nCOPY --from=linuxkit/base:old <<E /x\nlinuxkit/base:old\nE\n";
    let monorepo = with(text.as_bytes(), "");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    is_fixed_to(&monorepo, &text.replace("--from=linuxkit/base:old", "--from=linuxkit/base:NEW"));
}

#[test]
fn what_is_no_text_is_named_and_left_alone() {
    let bytes = b"FROM linuxkit/base:old\n# \xff\xfe\n";
    let monorepo = with(bytes, "");
    for (arguments, code) in [(&["pins", "check", "--offline"][..], 3), (&["pins", "fix"], 5)] {
        let said = monorepo.kitmake(arguments).with_code(code).stderr;
        assert!(said.contains("pkg/user/Dockerfile") && said.contains("not UTF-8"), "{said}");
    }
    assert_eq!(fs::read(monorepo.path("pkg/user/Dockerfile")).unwrap(), bytes);

    fs::write(monorepo.path("image.yml"), b"- linuxkit/base:1\n\xff\n").unwrap();
    let refused = monorepo.kitmake(&["pins", "fix", "--files", "image.yml"]).with_code(3);
    assert!(refused.stderr.contains("`image.yml` cannot be read"), "{}", refused.stderr);
}

#[test]
fn a_reference_that_goes_on_in_the_next_line_is_left_alone() {
    for text in ["FROM linuxkit/base:o\\\nld\n", "# escape=`\nFROM linux`\n# between\nkit/base:old\n"] {
        let monorepo = with(text.as_bytes(), "");
        let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
        assert!(fixed.stderr.contains("it is not written in one piece"), "{}", fixed.stderr);
        is_fixed_to(&monorepo, text);
    }
}

#[test]
fn an_arg_that_is_a_part_of_another_image_is_left_alone() {
    for (text, why) in [
        ("ARG TAG=old\nFROM linuxkit/base:$TAG AS a\nFROM linuxkit/other:$TAG\n", "put together from `TAG`"),
        ("ARG BASE=linuxkit/base:old\nFROM $BASE AS a\nFROM ${BASE}-dev\n", "`BASE` is a part of another image, too"),
        (
            "ARG BASE=linuxkit/base:old\nARG SAME=$BASE\nARG DEV=$BASE-dev\nFROM $SAME AS a\nFROM $DEV\n",
            "`BASE` is a part of another image, too",
        ),
    ] {
        let monorepo = with(text.as_bytes(), "");
        let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
        assert!(fixed.stderr.contains(why), "{}", fixed.stderr);
        is_fixed_to(&monorepo, text);
    }
    // Each of two literals by itself.
    let text = "ARG A=linuxkit/base:old\nARG B=$A\nARG A=linuxkit/base:older\nFROM $B AS b\nFROM $A\n";
    let monorepo = with(text.as_bytes(), "");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    is_fixed_to(&monorepo, &text.replace(":older", ":NEW").replace(":old", ":NEW"));
}

#[test]
fn the_default_of_an_arg_with_a_build_arg_is_no_pin() {
    let text = "ARG BASE=linuxkit/base:old\nFROM $BASE\n";
    let monorepo = with(text.as_bytes(), "buildArgs: [BASE=linuxkit/base:older]\n");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    is_fixed_to(&monorepo, text);
    let base = tag(&monorepo, "pkg/base");
    let yml = format!("image: user\nbuildArgs: [BASE=linuxkit/base:{base}]\n");
    assert_eq!(monorepo.read("pkg/user/build.yml"), yml);

    // Another package has the same file without the build arg: there the default counts.
    monorepo.write("pkg/same/build.yml", "image: same\n");
    symlink("../user/Dockerfile", monorepo.path("pkg/same/Dockerfile")).unwrap();
    monorepo.commit("Share it");
    monorepo.kitmake(&["pins", "fix"]).with_code(0);
    is_fixed_to(&monorepo, &text.replace(":old", ":NEW"));
    assert_eq!(monorepo.read("pkg/user/build.yml"), yml);
}

#[test]
fn a_value_that_the_yml_writes_with_escapes_is_left_alone() {
    let yml = "buildArgs: [\"A=linuxkit/\\u0062ase:old\"]\n";
    let monorepo = with(b"FROM scratch\n", yml);
    let fixed = monorepo.kitmake(&["pins", "fix"]).with_code(5);
    assert!(fixed.stderr.contains("it is not written literally"), "{}", fixed.stderr);
    assert_eq!(monorepo.read("pkg/user/build.yml"), format!("image: user\n{yml}"));
}

#[test]
fn a_fix_that_stopped_half_way_goes_on_where_it_stopped() {
    let (half, whole) = (with(b"FROM linuxkit/base:old\n", ""), with(b"FROM linuxkit/base:old\n", ""));
    for monorepo in [&half, &whole] {
        monorepo.write("pkg/other/Dockerfile", "FROM linuxkit/user:old\n");
        monorepo.write("pkg/base/build.yml", "image: base\n# changed\n");
        monorepo.commit("A chain");
        monorepo.kitmake(&["pins", "fix"]).with_code(0);
    }
    let files = ["pkg/user/Dockerfile", "pkg/other/Dockerfile"];
    let fixed = files.map(|file| whole.read(file));
    for stopped_at in files {
        half.git(&["checkout", "--", stopped_at]);
        half.kitmake(&["pins", "fix"]).with_code(0);
        assert_eq!(files.map(|file| half.read(file)), fixed, "{stopped_at}");
    }
}
