//! The rules of build.yml, as tables of texts and what they mean.

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:568df575bb2e630abfd4a4754a23a8af7b13c3f4a526796af01021eda3ff7a30";

fn parse_with(text: &str, strict: bool, files: &[(&str, &str)]) -> Parsed {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &str| {
        files.get(path).map(|text| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    parse(&SourceFile::new("pkg/a/build.yml", text), "pkg/a", strict, &read)
}

fn parsed(text: &str) -> BuildYml {
    let parsed = parse_with(text, false, &[]);
    assert!(parsed.problems.is_empty(), "{text}: {:?}", parsed.problems);
    assert!(parsed.warnings.is_empty(), "{text}: {:?}", parsed.warnings);
    parsed.build.unwrap()
}

/// Code of each problem, with the text of the first label where the problem is about `text` itself.
fn labelled(text: &str, problems: &[Problem]) -> Vec<(String, String)> {
    let first = |problem: &Problem| {
        let label = problem.diagnostic().labels().and_then(|mut labels| labels.next());
        label.map_or("", |label| text.get(label.offset()..label.offset() + label.len()).unwrap_or("")).to_owned()
    };
    problems.iter().map(|problem| (problem.code(), first(problem))).collect()
}

fn refused(text: &str) -> Vec<(String, String)> {
    let parsed = parse_with(text, false, &[]);
    assert!(parsed.build.is_none(), "{text}");
    labelled(text, &parsed.problems)
}

fn assert_refused(text: &str, code: &str, at: &str) {
    assert_eq!(refused(text), [(format!("workspace::{code}"), at.to_owned())], "{text}");
}

fn values(list: &[Located<String>]) -> Vec<&str> {
    list.iter().map(|item| item.value.as_str()).collect()
}

#[test]
fn an_image_is_enough() {
    let build = parsed("image: a\n");
    assert_eq!((build.image.as_str(), build.org.as_str(), build.tag.value.as_str()), ("a", "linuxkit", "{{.Hash}}"));
    assert_eq!(build.dockerfile, Located { value: "Dockerfile".to_owned(), span: 7..8, line: 1 });
    assert_eq!(values(&build.arches), ["amd64", "arm64", "riscv64"]);
    assert_eq!(build.gitrepo, "https://github.com/linuxkit/linuxkit");
    assert!(!build.network && !build.disable_cache && !build.disable_content_trust);
    assert!(build.extra_sources.is_empty() && build.build_args.is_empty());
    assert_eq!((build.config_label, build.docker_images), (None, DockerImages::default()));
}

#[test]
fn every_field_is_read() {
    let text = format!(
        "
image: a
org: reg.io:5000/x/y
tag: \"v7-{{{{.Hash}}}}\"
dockerfile: sub/Dockerfile.x
arches: [arm64]
extra-sources:
  - ../../lib:vendor/lib
gitrepo: https://example.org/r
network: true
disable-cache: yes
disable-content-trust: on
config: {{pid: host}}
buildArgs:
  - K=V=W
  - BARE
depends:
  docker-images:
    target-dir: ./dl/../dl
    list:
      - g.io/x:1@{DIGEST}
"
    );
    let build = parsed(&text);
    assert_eq!((build.image.as_str(), build.org.as_str()), ("a", "reg.io:5000/x/y"));
    assert_eq!((build.tag.value.as_str(), build.tag.line), ("v7-{{.Hash}}", 4));
    assert_eq!(&text[build.tag.span.clone()], "\"v7-{{.Hash}}\"");
    assert_eq!((build.dockerfile.value.as_str(), build.dockerfile.line), ("sub/Dockerfile.x", 5));
    assert_eq!(values(&build.arches), ["arm64"]);
    assert_eq!(build.extra_sources[0].value, "../../lib:vendor/lib");
    assert_eq!((&text[build.extra_sources[0].span.clone()], build.extra_sources[0].line), ("../../lib:vendor/lib", 8));
    assert_eq!(build.gitrepo, "https://example.org/r");
    assert!(build.network && build.disable_cache && build.disable_content_trust);
    assert_eq!(build.config_label.as_deref(), Some(r#"{"pid":"host"}"#));
    assert_eq!(values(&build.build_args), ["K=V=W", "BARE"]);
    let images = &build.docker_images;
    assert_eq!((images.target_dir.as_deref(), images.target.as_deref()), (Some("dl"), None));
    assert_eq!(images.images[0].reference.to_string(), format!("g.io/x:1@{DIGEST}"));
    assert_eq!((images.images[0].file.as_str(), images.images[0].line), ("pkg/a/build.yml", 21));
}

#[test]
fn a_text_keeps_its_source_text() {
    for (written, image) in [
        ("1234", "1234"),
        ("1.10", "1.10"),
        ("0777", "0777"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("yes", "yes"),
        ("True", "True"),
        ("2020-01-02", "2020-01-02"),
        ("AbC", "AbC"),
        ("a # z", "a"),
        ("a#z", "a#z"),
        ("'it''s'", "it's"),
        ("\"a\\tb\"", "a\tb"),
        ("\"null\"", "null"),
        ("!!str ~", "~"),
        ("! a", "a"),
        ("!x a", "a"),
        ("\ta", "a"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("|\n  a", "a"),
        ("a\n  b", "a b"),
    ] {
        assert_eq!(parsed(&format!("image: {written}")).image, image, "{written}");
    }
}

#[test]
fn a_boolean_is_any_word_of_yaml_1_1() {
    let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for word in words("true True TRUE y Y yes Yes YES on On ON 'yes' \"on\"") {
        assert!(parsed(&format!("image: a\nnetwork: {word}\n")).network, "{word}");
    }
    for word in words("false False FALSE n N no No NO off Off OFF 'no' ~ null") {
        assert!(!parsed(&format!("image: a\nnetwork: {word}\n")).network, "{word}");
    }
    assert!(!parsed("image: a\nnetwork:\n").network);
    for word in words("\"true\" 'false' 1 0 tRUE yEs oN x [] {} 1.5 !!str true".trim_end_matches(" true")) {
        if word != "!!str" {
            assert_refused(&format!("image: a\nnetwork: {word}\n"), "wrong_type", &word);
        }
    }
    assert_refused("image: a\nnetwork: !!str true\n", "wrong_type", "true");
}

#[test]
fn null_leaves_a_default_and_empties_a_list() {
    for null in ["", "~", "null", "NULL", "!!null ''"] {
        let build = parsed(&format!(
            "image: a\norg: {null}\ntag: {null}\ndockerfile: {null}\ngitrepo: {null}\nnetwork: {null}\n\
             arches: {null}\nextra-sources: {null}\nbuildArgs: {null}\nconfig: {null}\ndepends: {null}\n"
        ));
        assert_eq!((build.org.as_str(), build.tag.value.as_str()), ("linuxkit", "{{.Hash}}"), "{null}");
        assert_eq!(build.dockerfile.value, "Dockerfile");
        assert_eq!(build.gitrepo, "https://github.com/linuxkit/linuxkit");
        assert!(build.arches.is_empty() && build.config_label.is_none());
    }
    assert!(parsed("image: a\narches: []\n").arches.is_empty());
    assert_eq!(values(&parsed("image: a\narches: [~, amd64, null]\n").arches), ["amd64"]);
    assert!(parsed("image: a\ndepends:\n  docker-images:\n").docker_images.images.is_empty());
}

#[test]
fn an_empty_text_is_kept_but_for_image_and_tag() {
    let build = parsed("image: a\norg: \"\"\ngitrepo: ''\ntag: \"\"\n");
    assert_eq!((build.org.as_str(), build.gitrepo.as_str()), ("", ""));
    assert_eq!(build.tag.value, "{{.Hash}}");
}

#[test]
fn an_image_is_mandatory() {
    assert_refused("org: x\n", "missing_image", "");
    assert_refused("image: ~\n", "missing_image", "");
    assert_refused("image:\n", "missing_image", "");
    assert_refused("image: ''\n", "missing_image", "''");
    assert_refused("---\n", "missing_image", "");
    assert_refused("~\n", "missing_image", "");
    assert_refused("{}\n", "missing_image", "");
    assert_refused("image: [a]\n", "wrong_type", "[a]");
}

#[test]
fn a_file_without_a_document_is_empty() {
    for text in ["", "\n\n", "# only a comment\n", "\u{feff}", "  \n# x"] {
        assert_refused(text, "empty_yml", "");
    }
}

#[test]
fn a_file_that_is_no_mapping_is_refused() {
    for text in ["a\n", "- image: a\n", "1\n"] {
        let codes: Vec<String> = refused(text).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["workspace::wrong_type", "workspace::missing_image"], "{text}");
    }
}

#[test]
fn what_is_no_yaml_is_refused_where_it_ends() {
    for text in ["image: a\n}\n", "image: [a\n", "image: \"a\n", "image: a: b\n", "image: *x\n", "@\n"] {
        let problems = refused(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].0, "workspace::invalid_yaml", "{text}");
    }
}

#[test]
fn line_ends_byte_order_marks_and_further_documents_do_no_harm() {
    for (text, org) in [
        ("image: a\r\norg: o\r\n", "o"),
        ("\u{feff}image: a\norg: o\n", "o"),
        ("image: a\norg: o\n---\nimage: b\n}{\n", "o"),
        ("%YAML 1.1\n---\nimage: a\norg: o\n...\n", "o"),
        ("{image: a, org: o}", "o"),
        ("{\"image\":\"a\",\"org\":\"o\"}", "o"),
        ("? image\n: a\n? org\n: o\n", "o"),
        ("image: &i a\norg: *i\n", "a"),
        ("<<: {org: o, image: x}\nimage: a\n", "o"),
        ("image: a\n<<: [{org: o}, {org: p, network: yes}]\n", "o"),
    ] {
        let build = parsed(text);
        assert_eq!((build.image.as_str(), build.org.as_str()), ("a", org), "{text}");
    }
}

#[test]
fn a_list_is_not_a_text_nor_a_text_a_list() {
    assert_refused("image: a\narches: amd64\n", "wrong_type", "amd64");
    assert_refused("image: a\nbuildArgs: {A: b}\n", "wrong_type", "{A: b}");
    assert_refused("image: a\norg: {x: y}\n", "wrong_type", "{x: y}");
    assert_refused("image: a\nextra-sources: [[x]]\n", "wrong_type", "[x]");
    assert_refused("image: a\ndepends: x\n", "wrong_type", "x");
    assert_refused("image: a\ndepends:\n  docker-images: [x]\n", "wrong_type", "[x]");
    assert_refused("image: a\norg:\n  - x\n  - y\n", "wrong_type", "- x");
    assert_refused("image: a\n[x]: y\n", "wrong_type", "[x]");
    let help = parse_with("image: a\narches: amd64\n", false, &[]).problems[0].diagnostic().help().unwrap().to_string();
    assert_eq!(help, "write `arches: [amd64]`");
}

#[test]
fn a_duplicate_key_is_refused_at_any_depth_naming_both_lines() {
    let message = |text| parse_with(text, false, &[]).problems[0].to_string();
    assert_eq!(message("image: a\norg: x\n\"image\": b\n"), "the key `image` on line 3 is already on line 1");
    assert_eq!(message("image: a\nconfig:\n  pid: a\n  pid: b\n"), "the key `pid` on line 4 is already on line 3");
    assert_eq!(message("image: a\nunknown: {x: 1}\nunknown: 2\n"), "the key `unknown` on line 3 is already on line 2");
}

#[test]
fn an_unknown_key_is_a_warning_or_an_error_at_any_depth() {
    for (text, key) in [
        ("image: a\nfoo: 1\n", "foo"),
        ("image: a\nlabels: {x: y}\n", "labels"),
        ("image: a\nImage: b\n", "Image"),
        ("image: a\nbinds: [x, y]\n", "binds"),
        ("image: a\nconfig:\n  foo: bar\n", "foo"),
        ("image: a\nconfig:\n  runtime:\n    foo: bar\n", "foo"),
        ("image: a\nconfig:\n  runtime:\n    bindNS: {foo: bar}\n", "foo"),
        ("image: a\nconfig:\n  mounts: [{Type: bind}]\n", "Type"),
        ("image: a\nconfig:\n  resources: {memory: {disableOOMKiller: true}}\n", "disableOOMKiller"),
        ("image: a\ndepends:\n  foo: bar\n", "foo"),
        ("image: a\ndepends:\n  docker-images: {foo: bar}\n", "foo"),
        ("image: a\n~: b\n", "~"),
    ] {
        let expected = [("workspace::unknown_key".to_owned(), key.to_owned())];
        let lenient = parse_with(text, false, &[]);
        assert!(lenient.build.is_some() && lenient.problems.is_empty(), "{text}: {:?}", lenient.problems);
        assert_eq!(labelled(text, &lenient.warnings), expected, "{text}");
        assert_eq!(lenient.warnings[0].diagnostic().severity(), Some(miette::Severity::Warning));
        let strict = parse_with(text, true, &[]);
        assert!(strict.build.is_none() && strict.warnings.is_empty(), "{text}");
        assert_eq!(labelled(text, &strict.problems), expected, "{text}");
        assert_eq!(strict.problems[0].diagnostic().severity(), None);
    }
    let help = |text| parse_with(text, false, &[]).warnings[0].diagnostic().help().unwrap().to_string();
    assert_eq!(help("image: a\narch: [amd64]\n"), "did you mean `arches`?");
    assert_eq!(help("image: a\nbuild-args: []\n"), "did you mean `buildArgs`?");
    assert!(help("image: a\nlabels: {}\n").starts_with("the keys of a build.yml are `arches`, `buildArgs`"));
}

#[test]
fn keys_of_former_years_are_accepted_even_where_strict() {
    let parsed = parse_with("image: a\ndisable-content-trust: true\n", true, &[]);
    assert!(parsed.problems.is_empty() && parsed.warnings.is_empty());
    assert!(parsed.build.unwrap().disable_content_trust);
}

#[test]
fn an_unknown_architecture_is_refused_with_what_may_be_meant() {
    for (arch, meant) in [("x86_64", "amd64"), ("aarch64", "arm64"), ("amd46", "amd64"), ("linux/arm64", "arm64")] {
        let text = format!("image: a\narches:\n  - {arch}\n");
        assert_refused(&text, "unknown_architecture", arch);
        let help = parse_with(&text, false, &[]).problems[0].diagnostic().help().unwrap().to_string();
        assert_eq!(help, format!("did you mean `{meant}`?"));
    }
    assert_refused("image: a\narches: ['']\n", "unknown_architecture", "''");
    assert_eq!(values(&parsed("image: a\narches: [s390x, ppc64le, 386]\n").arches), ["s390x", "ppc64le", "386"]);
}

#[test]
fn all_errors_of_a_file_are_reported() {
    let text = "image: [a]\norg: {}\nnetwork: 1\narches: [vax, pdp]\nconfig: {oomScoreAdj: x}\norg: b\n\
                depends: {docker-images: {list: [x, 'g.io/y:1'], target: /t}}\n";
    let codes: Vec<String> = refused(text).into_iter().map(|(code, _)| code).collect();
    let expected = [
        "duplicate_key",
        "wrong_type",
        "wrong_type",
        "wrong_type",
        "unknown_architecture",
        "unknown_architecture",
        "wrong_type",
        "path_outside_package",
        "missing_digest",
        "missing_digest",
    ];
    assert_eq!(codes, expected.map(|code| format!("workspace::{code}")));
}

fn with_docker_images(lines: &str) -> String {
    format!("image: a\ndepends:\n  docker-images: {{{lines}}}\n")
}

#[test]
fn docker_images_need_a_digest_and_an_organisation() {
    for (image, code) in [
        ("g.io/x:1".to_owned(), "missing_digest"),
        ("hello".to_owned(), "missing_digest"),
        ("g.io/x:1@sha256:zz".to_owned(), "invalid_docker_image"),
        (format!("alpine:3@{DIGEST}"), "invalid_docker_image"),
        (format!(" g.io/x:1@{DIGEST}"), "invalid_docker_image"),
        (format!("https://g.io/x:1@{DIGEST}"), "invalid_docker_image"),
    ] {
        let quoted = format!("\"{image}\"");
        assert_refused(&with_docker_images(&format!("list: [{quoted}], target: t")), code, &quoted);
    }
    for image in ["g.io/x", "g.io/x:1", "linuxkit/x", "docker.io/library/x:1", "127.0.0.1:5000/x"] {
        let image = format!("{image}@{DIGEST}");
        let build = parsed(&with_docker_images(&format!("list: [\"{image}\"]")));
        assert_eq!(build.docker_images.images[0].reference.to_string(), image);
    }
}

#[test]
fn docker_images_are_read_from_a_file() {
    let text = with_docker_images("from-file: ./lists/../images, target-dir: dl");
    let list = format!("# comment\n\ng.io/x:1@{DIGEST}\r\n#{DIGEST}\ng.io/y@{DIGEST}");
    let build = parse_with(&text, false, &[("images", &list)]).build.unwrap();
    let images: Vec<(String, &str, u32)> = build
        .docker_images
        .images
        .iter()
        .map(|image| (image.reference.name(), image.file.as_str(), image.line))
        .collect();
    assert_eq!(images, [("g.io/x".to_owned(), "pkg/a/images", 3), ("g.io/y".to_owned(), "pkg/a/images", 5)]);
    assert_eq!(build.docker_images.from_file.as_deref(), Some("images"));
}

#[test]
fn a_wrong_line_of_a_list_is_pointed_at_in_that_file() {
    let text = with_docker_images("from-file: images");
    let list = "# c\nü/x\ng.io/x:1\n # c\n";
    let problems = parse_with(&text, false, &[("images", list)]).problems;
    let expected = [
        ("workspace::invalid_docker_image", "ü/x"),
        ("workspace::missing_digest", "g.io/x:1"),
        ("workspace::invalid_docker_image", " # c"),
    ];
    assert_eq!(labelled(list, &problems), expected.map(|(code, at)| (code.to_owned(), at.to_owned())));
    let label = problems[1].diagnostic().labels().unwrap().next().unwrap();
    let contents = problems[1].diagnostic().source_code().unwrap().read_span(label.inner(), 0, 0).unwrap();
    assert_eq!((contents.name(), contents.line()), (Some("pkg/a/images"), 2));
    assert_refused(&text, "unreadable_list", "images");
}

#[test]
fn keys_of_docker_images_that_exclude_each_other_are_refused() {
    assert_refused(&with_docker_images("target: t.tar, target-dir: dl"), "exclusive_keys", "t.tar");
    let text = with_docker_images(&format!("list: [\"g.io/x:1@{DIGEST}\"], from-file: x, target: t"));
    let parsed = parse_with(&text, false, &[("x", "")]);
    assert_eq!(labelled(&text, &parsed.problems)[0].0, "workspace::exclusive_keys");
    assert!(parse_with(&with_docker_images("list: [], from-file: x"), false, &[("x", "")]).build.is_some());
    assert!(parse_with(&with_docker_images("target: '', target-dir: dl"), false, &[]).build.is_some());
}

#[test]
fn paths_of_docker_images_lie_below_the_package() {
    for key in ["target", "target-dir", "from-file"] {
        for path in ["/dl", ".", "./", "x/..", "..", "../b", "../ab", "x/../../y", "../../.."] {
            assert_refused(&with_docker_images(&format!("{key}: {path}")), "path_outside_package", path);
        }
    }
    let images = parsed(&with_docker_images("target: ./x//y/../t.tar")).docker_images;
    assert_eq!(images.target.as_deref(), Some("x/t.tar"));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), strict: bool) {
        drop(parse_with(&text, strict, &[]));
    }

    #[test]
    fn no_text_made_of_its_words_panics(
        text in "((image|org|arches|config|runtime|mounts|uid|depends|docker-images|from-file|list|target|<<|amd64|\
                 @sha256:|&a|\\*a|!!int|!!str|0x1|1e9|~|ü)|[-: \\n\\[\\]{},|>'\"?#.\t]){0,30}"
    ) {
        drop(parse_with(&text, true, &[("x", &text)]));
    }

    #[test]
    fn no_list_of_images_panics(list in any::<String>()) {
        drop(parse_with("image: a\ndepends: {docker-images: {from-file: x}}", false, &[("x", &list)]));
    }

    #[test]
    fn a_quoted_text_comes_back(text in "\\PC{1,20}") {
        let quoted = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(parsed(&format!("image: {quoted}\n")).image, text);
    }
}
