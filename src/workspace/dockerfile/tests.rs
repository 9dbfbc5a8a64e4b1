use proptest::prelude::*;

use super::*;

fn file(text: &str) -> Dockerfile {
    Dockerfile::parse(SourceFile::new("pkg/x/Dockerfile", text)).unwrap()
}

fn code(text: &str) -> String {
    Dockerfile::parse(SourceFile::new("pkg/x/Dockerfile", text))
        .map_or_else(|problem| problem.code(), |_| String::new())
}

/// The resolution on an amd64 builder.
fn resolve_with(text: &str, architecture: &str, build_args: &[(&str, &str)]) -> Resolution {
    let build_args = build_args.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (target, build) = (Platform::linux(architecture), Platform::linux("amd64"));
    file(text).resolve(&Scope { build_args: &build_args, target: &target, build: &build })
}

fn resolve(text: &str) -> Resolution {
    resolve_with(text, "arm64", &[])
}

/// What the references expand to, with a `!` before those that cannot be told and a `?` before those not reached.
fn images(resolution: &Resolution) -> Vec<String> {
    let mark = |reference: &ImageReference| if reference.reached { "" } else { "?" };
    let image = |reference: &ImageReference| reference.expanded.clone().unwrap_or_else(|reason| format!("!{reason}"));
    resolution.references.iter().map(|reference| format!("{}{}", mark(reference), image(reference))).collect()
}

/// What somebody has to mend, and the text that is pointed at.
fn mistake(text: &str) -> (String, String) {
    match resolve(text).not_buildable {
        Some(NotBuildable::Mistake(mistake)) => (mistake.why, text[mistake.span].to_owned()),
        other => panic!("no mistake but {other:?}: {text}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let resolution = resolve(text);
    assert_eq!(images(&resolution), expected, "{text}");
    for reference in &resolution.references {
        assert_eq!(text[reference.span.clone()], reference.written, "{text}");
    }
}

#[test]
fn every_instruction_that_names_an_image_is_a_reference() {
    let text =
        "FROM a:1\nCOPY --from=b:1 --chown=0:0 /x /y\nADD --from=c:1 /x /y\nRUN --mount=from=d:1,target=/d true\n";
    let resolution = resolve(text);
    let found: Vec<_> = resolution.references.iter().map(|r| (r.kind, r.written.as_str(), r.line)).collect();
    assert_eq!(
        found,
        [
            (ReferenceKind::From, "a:1", 1),
            (ReferenceKind::CopyFrom, "b:1", 2),
            (ReferenceKind::CopyFrom, "c:1", 3),
            (ReferenceKind::MountFrom, "d:1", 4),
        ]
    );
    check(text, &["a:1", "b:1", "c:1", "d:1"]);
    assert_eq!(resolution.not_buildable, None);
}

#[test]
fn instructions_are_known_in_any_case_and_with_any_blanks() {
    check("from a:1 as B\n\t From\tb  As c\ncOpY --from=B x y\n", &["a:1"]);
    check("\u{feff}# syntax=docker/dockerfile:1\r\nFROM a:1\r\nCOPY --from=b:1 x y\r\n", &["a:1", "b:1"]);
    check("FROM a:1", &["a:1"]);
}

#[test]
fn a_line_goes_on_after_an_escape_character() {
    check("FROM a:1\nRUN true \\\n  # FROM x\n\n  && false \\ \t\n  --from=y\nFROM b:1", &["?a:1", "b:1"]);
    check("FROM \\\n# comment\n  a:1 \\\n  AS b\n", &["a:1"]);
    check("# escape=`\nFROM a:1\nRUN dir C:\\\nCOPY `\n--from=b:1 x y", &["a:1", "b:1"]);
    check("FROM a:1\nRUN echo \\\\\nFROM b:1", &["?a:1", "b:1"]);
    // The directive counts only at the very top.
    check("# comment\n# escape=`\nFROM a:1\nRUN true \\\n  --from=y", &["a:1"]);
}

#[test]
fn a_token_broken_by_a_continuation_is_one_span() {
    let resolution = resolve("FROM al\\\npine:1\n");
    assert_eq!(images(&resolution), ["alpine:1"]);
    assert_eq!(resolution.references[0].span, 5..15);
}

#[test]
fn heredocs_are_passed_over() {
    check("FROM a:1\nRUN <<EOF\nFROM x\n EOF\nEOF\nFROM b:1", &["?a:1", "b:1"]);
    check("FROM a:1\nCOPY <<x <<-'y z' /d/\nFROM 1\nx\n\tFROM 2\n\ty z\nCOPY --from=b:1 x y", &["a:1", "b:1"]);
    check("FROM a:1\nONBUILD RUN <<E\nFROM x\nE\n", &["a:1"]);
    check("FROM a:1\r\nRUN <<E\r\nFROM x\r\nE\r\nFROM b:1\r\n", &["?a:1", "b:1"]);
    check("FROM a:1\nRUN [\"cat\", \"<<E\"]\nCMD <<E\nFROM b:1", &["?a:1", "b:1"]);
}

#[test]
fn onbuild_is_for_other_images() {
    check("FROM a:1\nONBUILD COPY --from=b:1 x y\nONBUILD RUN --mount=from=c:1 x", &["a:1"]);
}

#[test]
fn quotes_are_not_part_of_a_span() {
    check("FROM \"a:1\"\nCOPY --from=\"b:1\" x y\nRUN --mount=\"type=bind,from=c:1\" x", &["a:1", "b:1", "c:1"]);
    check("FROM 'a:1'\nRUN --mount=type=bind,'from=b:1' x", &["a:1", "b:1"]);
    let text = "FROM a:1\nCOPY --from=b\":1\" x y\n";
    let resolution = resolve(text);
    assert_eq!(images(&resolution), ["a:1", "b:1"]);
    assert_eq!(&text[resolution.references[1].span.clone()], "b\":1\"");
}

#[test]
fn mounts_are_read_as_csv() {
    check(
        "FROM scratch\nRUN --mount=type=bind,from=a:1,target=/a --network=none --mount=target=/b,FROM=b:1,type=cache x",
        &["a:1", "b:1"],
    );
    check("FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=bind,from=,target=/d --mount=from x", &[]);
    check("FROM scratch\nRUN --mount='\"source=a,from=x\",from=a:1' x --mount=from=y", &["a:1"]);
}

#[test]
fn a_stage_is_no_image() {
    check("FROM a:1 AS Base\nFROM base AS two\nCOPY --from=BASE x y\nRUN --mount=from=two2 x\n", &["a:1", "two2"]);
    check("FROM a:1\nFROM b:1\nCOPY --from=0 x y\n", &["a:1", "b:1"]);
    check("FROM scratch\nCOPY --from=scratch x y\n", &[]);
    // The name is taken only after the stage.
    check("FROM base AS base\nFROM base", &["base"]);
    check("FROM late\nFROM a:1 AS late\n", &["?late", "a:1"]);
    // A mount has no numbers.
    check("FROM a:1\nFROM b:1\nRUN --mount=from=0 x\n", &["?a:1", "b:1", "0"]);
}

#[test]
fn a_stage_that_is_not_there_yet_cannot_be_copied_from() {
    for (text, reason) in [
        ("FROM a:1 AS x\nCOPY --from=x a b", "the stage ends only after this instruction"),
        ("FROM a:1\nCOPY --from=7 a b", "there is no stage of this number"),
        ("FROM a:1\nCOPY --from=$X a b", "variables and quotes are not expanded here"),
        ("ARG X=a\nFROM a:1\nRUN --mount=from=${X} a b", "variables and quotes are not expanded here"),
    ] {
        let resolution = resolve(text);
        assert!(mistake(text).0.contains(reason), "{text}");
        assert!(resolution.references[1].expanded.as_ref().is_err_and(|said| said.contains(reason)), "{text}");
    }
}

#[test]
fn only_what_the_last_stage_needs_is_reached() {
    check(
        "FROM a:1 AS a\nFROM b:1 AS b\nCOPY --from=never:1 x y\nFROM c:1 AS c\nCOPY --from=a x y\nFROM d:1 AS d\n\
         RUN --mount=from=c x\nFROM d\nCOPY --from=e:1 x y\n",
        &["a:1", "?b:1", "?never:1", "c:1", "d:1", "e:1"],
    );
}

#[test]
fn global_args_expand_in_from() {
    for (text, expected) in [
        ("ARG X=a:1\nFROM $X", vec!["a:1"]),
        ("ARG X=a Y=\"b c\"\nFROM ${X}:${Y#b?}", vec!["a:c"]),
        ("ARG V=1\nARG X=a:$V\nARG V=2\nFROM ${X}.$V", vec!["a:1.2"]),
        ("ARG X=a\nARG X\nFROM $X", vec!["a"]),
        ("FROM a:${X:-1}", vec!["a:1"]),
        ("ARG TARGETARCH\nFROM a:$TARGETARCH$TARGETVARIANT-$BUILDARCH-$TARGETOS", vec!["a:arm64-amd64-linux"]),
        ("ARG X=a-${TARGETPLATFORM#*/}\nFROM $X", vec!["a-arm64"]),
        // One that stands in a stage is not for `FROM`.
        ("FROM a:1\nARG X=b\nFROM c:$X", vec!["?a:1", "!no value for `X`"]),
    ] {
        assert_eq!(images(&resolve(text)), expected, "{text}");
    }
}

#[test]
fn build_args_need_a_declaration() {
    let images_with = |text: &str, args: &[(&str, &str)]| images(&resolve_with(text, "arm64", args));
    assert_eq!(images_with("ARG X=a:1\nFROM $X", &[("X", "b:1")]), ["b:1"]);
    assert_eq!(images_with("ARG X\nFROM $X", &[("X", "b:1")]), ["b:1"]);
    assert_eq!(images_with("FROM a:$X", &[("X", "1")]), ["!no value for `X`"]);
    // The platform variables are declared by themselves.
    assert_eq!(images_with("FROM a:$TARGETARCH", &[("TARGETARCH", "mine")]), ["a:mine"]);
}

#[test]
fn a_variable_without_a_value_makes_the_reference_unresolved() {
    let resolution = resolve("ARG A\nARG B=$C\nFROM a:$A$B\nFROM b:1\n");
    assert_eq!(images(&resolution), ["?!no value for `A`, `C`", "b:1"]);
    assert_eq!(resolution.not_buildable, None);
    let (why, at) = mistake("ARG A\n\nFROM a:$A\n");
    assert_eq!((why.as_str(), at.as_str()), ("`a:$A` on line 3: no value for `A`", "a:$A"));
    // An empty name is refused wherever it stands.
    assert_eq!(mistake("FROM $A\nFROM b:1\n").0, "`$A` on line 1: no value for `A`");
    // Each is said, the first is pointed at.
    let (why, at) = mistake("FROM $A AS a\nFROM $B\nCOPY --from=a x y\n");
    assert_eq!(why, "`$A` on line 1: no value for `A`; `$B` on line 2: no value for `B`");
    assert_eq!(at, "$A");
    // An empty suffix of a stage is how an optional part is written.
    check("ARG S\nFROM a:1 AS b\nFROM b$S\n", &["a:1"]);
}

#[test]
fn a_broken_default_names_its_arg() {
    assert!(mistake("ARG X=${\nFROM a:1\n").0.starts_with("`ARG X` on line 1: "));
}

#[test]
fn doubling_args_are_an_error_rather_than_out_of_memory() {
    let mut text = "ARG X=aaaaaaaaaaaaaaaa\n".to_owned();
    text.push_str(&"ARG X=$X$X\n".repeat(64));
    assert!(mistake(&(text + "FROM $X")).0.contains("more than"));
}

#[test]
fn the_literal_behind_an_arg_is_its_origin() {
    for (text, args, origin) in [
        ("ARG X=a:1\nFROM ${X}", vec![], Some("a:1")),
        ("ARG X=\"a:1\"\nARG Y=$X\nFROM $Y", vec![], Some("a:1")),
        ("ARG X=a:1\nFROM ${X}", vec![("X", "b:1")], None),
        ("ARG X=a\nFROM ${X}:1", vec![], None),
        ("ARG X=a:1\nARG Y='$X'\nFROM $Y", vec![], None),
        ("ARG V=1\nARG X=a:$V\nFROM $X", vec![], None),
        ("FROM a:1", vec![], None),
    ] {
        let reference = &resolve_with(text, "arm64", &args).references[0];
        assert_eq!(reference.origin.clone().map(|range| &text[range]), origin, "{text}");
        let line = if origin.is_some() { 1 } else { text.lines().count() };
        assert_eq!(usize::try_from(reference.line), Ok(line), "{text}");
    }
}

#[test]
fn a_reference_names_the_args_it_went_through() {
    let through = |text: &str| resolve(text).references[0].through.clone();
    assert_eq!(through("ARG A=1\nARG B=a:$A-$TARGETARCH\nARG C=x\nFROM ${B}"), ["A", "B"]);
    assert_eq!(through("FROM a:$TARGETARCH"), Vec::<String>::new());
}

#[test]
fn the_platform_of_a_reference_is_that_of_its_from() {
    let platforms = |text: &str| -> Vec<String> {
        resolve(text).references.iter().map(|reference| reference.platform.to_string()).collect()
    };
    assert_eq!(
        platforms("FROM --platform=$BUILDPLATFORM a:1\nCOPY --from=b:1 x y\nFROM --platform=linux/s390x c:1\nFROM d:1"),
        ["linux/amd64", "linux/arm64", "linux/s390x", "linux/arm64"]
    );
    assert_eq!(platforms("FROM --platform=linux/arm64/v8 a:1"), ["linux/arm64"]);
    assert_eq!(
        platforms("FROM --platform=x86_64 a:1\nFROM --platform=\"linux/arm/v7\" b"),
        ["linux/amd64", "linux/arm/v7"]
    );
}

#[test]
fn a_platform_that_is_none_fails_the_build() {
    for text in ["FROM --platform=nonsense a:1", "FROM --platform=$X a:1", "FROM --platform=linux/ a:1\nFROM b:1"] {
        assert!(mistake(text).0.starts_with("`--platform="), "{text}");
        assert!(resolve(text).references[0].expanded.is_err(), "{text}");
    }
}

#[test]
fn a_stage_per_platform_is_found() {
    let text =
        "FROM a:1 AS build-amd64\nFROM b:1 AS build-arm64\nFROM build-${TARGETARCH}\nCOPY --from=build-amd64 x y";
    check(text, &["a:1", "b:1"]);
    let text = "FROM a:1 AS build-amd64\nFROM b:1 AS build-arm64\nFROM build-${TARGETARCH}\n";
    assert_eq!(images(&resolve_with(text, "amd64", &[])), ["a:1", "?b:1"]);
    assert_eq!(images(&resolve_with(text, "arm64", &[])), ["?a:1", "b:1"]);
}

#[test]
fn the_stages_that_are_needed_and_run_something_say_whose_programs_the_builder_must_run() {
    let runs = |text: &str| resolve(text).runs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (amd64, arm64) = (["linux/amd64"], ["linux/arm64"]);
    assert_eq!(runs("FROM a:1\nRUN true\n"), arm64);
    assert_eq!(runs("FROM a:1\nrun <<EOF\ntrue\nEOF\n"), arm64);
    assert!(runs("FROM a:1\nCOPY x y\nENV RUN=1\nONBUILD RUN true\n").is_empty());
    // Only what the last stage needs is built, by whatever it needs it.
    let cross = "FROM --platform=$BUILDPLATFORM a:1 AS c\nRUN true\n";
    assert_eq!(runs(&format!("{cross}FROM b:1\nCOPY --from=c x y\n")), amd64);
    assert_eq!(runs(&format!("{cross}FROM scratch\nCOPY --from=c x y\n")), amd64);
    assert_eq!(runs(&format!("{cross}FROM b:1\nRUN --mount=from=c,target=/c true\n")), ["linux/amd64", "linux/arm64"]);
    assert_eq!(runs("FROM a:1 AS c\nRUN true\nFROM b:1\nCOPY x y\n"), [""; 0]);
    assert_eq!(runs("FROM --platform=linux/s390x a:1\nRUN true\n"), ["linux/s390x"]);
    // A stage from a stage keeps its platform.
    assert_eq!(runs("FROM --platform=$BUILDPLATFORM a:1 AS c\nFROM c\nRUN true\n"), amd64);
    assert_eq!(runs("FROM a:1 AS c\nFROM --platform=$BUILDPLATFORM c\nRUN true\n"), arm64);
    // Whose programs were copied there is not known.
    assert!(runs(&format!("{cross}FROM scratch AS d\nRUN x\nFROM d\nRUN y\n")).is_empty());
}

#[test]
fn a_platform_without_its_stage_is_not_buildable() {
    let stages = "FROM a:1 AS build-amd64\nFROM a:1 AS build-arm64\nFROM a:1 AS build-tools\n";
    let reason = |stages: &str, from: &str| {
        let resolution = resolve_with(&format!("{from}{stages}"), "riscv64", &[]);
        assert!(resolution.references.iter().all(|reference| reference.expanded == Ok("a:1".to_owned())), "{from}");
        resolution.not_buildable
    };
    let no_stage = |why: &str| Some(NotBuildable::NoStage(why.to_owned()));
    let expected = no_stage("no stage `build-riscv64` for linux/riscv64 (stages for amd64, arm64 exist)");
    assert_eq!(reason(&format!("{stages}FROM build-${{TARGETARCH}}"), ""), expected);
    assert_eq!(reason(&format!("{stages}FROM $S"), "ARG S=build-$TARGETARCH\n"), expected);
    assert_eq!(reason(&format!("{stages}FROM build-${{TARGETARCH}}${{TARGETVARIANT}} as build-x"), ""), expected);
    assert_eq!(
        reason("FROM a:1 AS t-amd64-b-amd64\nFROM t-$TARGETARCH-b-$BUILDARCH", ""),
        no_stage("no stage `t-riscv64-b-amd64` for linux/riscv64 (stages for `t-amd64-b-amd64` exist)")
    );
    // Nothing needs it.
    assert_eq!(reason(&format!("{stages}FROM build-${{TARGETARCH}}\nFROM a:1"), ""), None);
}

#[test]
fn an_image_per_platform_is_an_image() {
    for (from, image) in [
        ("FROM x/y:$TARGETARCH", "x/y:riscv64"),
        ("FROM $TARGETARCH/y", "riscv64/y"),
        ("FROM $TARGETARCH", "riscv64"),
        ("FROM other-$TARGETARCH", "other-riscv64"),
    ] {
        let resolution = resolve_with(&format!("FROM a:1 AS tools\n{from}"), "riscv64", &[]);
        assert_eq!((&resolution.not_buildable, images(&resolution)[1].as_str()), (&None, image), "{from}");
    }
}

#[test]
fn what_no_frontend_would_read_is_a_problem() {
    for (text, expected) in [
        ("", "dockerfile::no_from"),
        ("# only a comment\nARG X\n", "dockerfile::no_from"),
        ("FROM\n", "dockerfile::from"),
        ("FROM --platform=linux/arm64\n", "dockerfile::from"),
        ("FROM a b c\n", "dockerfile::from"),
        ("FROM a as\n", "dockerfile::from"),
        ("FROM a as b c\n", "dockerfile::from"),
        ("FROM --plaform=x a\n", "dockerfile::flag"),
        ("FROM a AS 1b\n", "dockerfile::stage_name"),
        ("FROM a AS $b\n", "dockerfile::stage_name"),
        ("RUN true\nFROM a\n", "dockerfile::before_from"),
        ("FORM a\n", "dockerfile::instruction"),
        ("FROM a\nRUN true\n  && false\n", "dockerfile::instruction"),
        ("ARG\nFROM a\n", "dockerfile::arg"),
        ("ARG X = 1\nFROM a\n", "dockerfile::arg"),
        ("FROM a\nARG =1\n", "dockerfile::arg"),
        ("FROM a\nRUN <<EOF\ntrue\n", "dockerfile::heredoc"),
        ("# escape=x\nFROM a\n", "dockerfile::directive"),
        ("# escape=`\n# escape=`\nFROM a\n", "dockerfile::directive"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn a_misspelt_instruction_gets_a_suggestion_and_its_place() {
    let problem = Dockerfile::parse(SourceFile::new("Dockerfile", "FROM a\n  COYP x y\n")).unwrap_err();
    assert_eq!(problem.diagnostic().help().map(|help| help.to_string()).as_deref(), Some("did you mean `COPY`?"));
    let label = problem.diagnostic().labels().and_then(|mut labels| labels.next()).unwrap();
    assert_eq!((label.offset(), label.len()), (9, 4));
}

#[test]
fn a_rewrite_changes_only_the_images() {
    let dockerfile = file("ARG B=a:1\r\nFROM \"${B}\" as x\r\n");
    let (args, arm) = (BTreeMap::new(), Platform::linux("arm64"));
    let resolution = dockerfile.resolve(&Scope { build_args: &args, target: &arm, build: &arm });
    let span = &resolution.references[0].span;
    let text = dockerfile.rewrite(&BTreeMap::from([((span.start, span.end), "a:1-arm64".to_owned())]));
    assert_eq!(text, "ARG B=a:1\r\nFROM \"a:1-arm64\" as x\r\n");
}

#[test]
fn an_image_that_is_nothing_but_quotes_is_pointed_at() {
    let dockerfile = file("FROM ''\n");
    let (args, arm) = (BTreeMap::new(), Platform::linux("arm64"));
    let resolution = dockerfile.resolve(&Scope { build_args: &args, target: &arm, build: &arm });
    assert_eq!(resolution.references[0].span, 5..7);
    assert!(resolution.not_buildable.is_some());
}

/// Text in the likeness of a Dockerfile, with everything the lexer and the expansion look at.
fn dockerfile_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "FROM ", "from ", "ARG ", "RUN ", "COPY ", "ADD ", "ONBUILD ", " AS ", "a:1", "base", "--from=", "--mount=",
            "--platform=", "from=", "X=", "$X", "${X", "${X:-", "$TARGETARCH", "}", "#", "%", "/", "*", "?", "\\", "`", "'",
            "\"", ",", "=", "<<EOF", "<<-", "EOF", "# escape=`\n", "\u{feff}", "é", "\u{2003}", "0", "[", "]", "--",
        ]).prop_map(str::to_owned),
        4 => prop::sample::select(vec!["\n", "\nFROM a:1\n", " ", "\t", "\r\n", "\\\n", "\\\r\n"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let begin = prop::sample::select(vec!["", "ARG X=a:1\nFROM a:1 AS base\n", "# escape=`\nARG X=a\nFROM "]);
    (begin, prop::collection::vec(piece, 0..40)).prop_map(|(begin, pieces)| begin.to_owned() + &pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_spans_lie_in_it(text in dockerfile_like()) {
        let source = SourceFile::new("Dockerfile", text.as_str());
        let dockerfile = match Dockerfile::parse(source) {
            Ok(dockerfile) => dockerfile,
            Err(problem) => {
                for label in problem.diagnostic().labels().into_iter().flatten() {
                    prop_assert!(text.get(label.offset()..label.offset() + label.len()).is_some());
                }
                return Ok(());
            }
        };
        let (args, arm, amd) = (BTreeMap::new(), Platform::linux("arm64"), Platform::linux("amd64"));
        let resolution = dockerfile.resolve(&Scope { build_args: &args, target: &arm, build: &amd });
        let mut identical = BTreeMap::new();
        let mut end = 0;
        for reference in &resolution.references {
            let ranges = std::iter::once(&reference.span).chain(&reference.origin);
            for range in ranges {
                let slice = text.get(range.clone());
                prop_assert!(slice.is_some_and(|slice| !slice.is_empty()), "{range:?}");
                identical.insert((range.start, range.end), slice.unwrap_or_default().to_owned());
            }
            prop_assert!(reference.span.start >= end, "spans overlap or are out of order");
            end = reference.span.end;
        }
        prop_assert_eq!(dockerfile.rewrite(&identical), text);
    }

    #[test]
    fn a_replaced_image_is_what_is_read_next(
        lines in prop::collection::vec(prop::sample::select(vec![
            "FROM a:1", "FROM \"a:1\" AS x", "FROM \\\n  a:1", "COPY --from=a:1 x y", "COPY --from='a:1' x y",
            "RUN --mount=type=bind,from=a:1,target=/x y", "RUN --mount=\"from=a:1\" --mount=from=a:1 y", "ARG Y", "RUN <<E\nFROM a:1\nE",
        ]), 0..12),
    ) {
        let text = format!("FROM a:1\n{}\n", lines.join("\n"));
        let (args, arm) = (BTreeMap::new(), Platform::linux("arm64"));
        let scope = Scope { build_args: &args, target: &arm, build: &arm };
        let before = file(&text);
        let references = before.resolve(&scope).references;
        let spans = references.iter().map(|reference| ((reference.span.start, reference.span.end), "new:2-arm64".to_owned()));
        let after = file(&before.rewrite(&spans.collect())).resolve(&scope).references;
        prop_assert_eq!(after.len(), references.len());
        for reference in after {
            prop_assert_eq!(reference.expanded, Ok("new:2-arm64".to_owned()));
        }
    }
}
