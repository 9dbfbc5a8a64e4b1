//! The rules of kitmake.yml, as texts and what they mean.

use proptest::prelude::*;

use super::*;

/// The files of the repository in these tests.
const FILES: [&str; 12] = [
    "pkg/a",
    "pkg/a/build.yml",
    "pkg/a/build-kvm.yml",
    "pkg/a/sub/x.yml",
    "pkg/a/Dockerfile",
    "pkg/a2",
    "pkg/a2/build.yml",
    "pkg/nvidia",
    "pkg/nvidia/build-jp6.yml",
    "tools/alpine",
    "tools/alpine/Dockerfile",
    ".",
];

fn parse(text: &str) -> Result<KitmakeYml, Problem> {
    super::parse(&SourceFile::new(FILE_NAME, text), &|path| FILES.contains(&path))
}

/// The code of the error, its help, and the texts that it points at.
fn refused(text: &str) -> (String, String, Vec<String>) {
    let problem = parse(text).expect_err(text);
    let diagnostic = problem.diagnostic();
    let at = diagnostic.labels().unwrap().map(|label| text[label.offset()..label.offset() + label.len()].to_owned());
    let help = diagnostic.help().map(|help| help.to_string()).unwrap_or_default();
    (problem.code(), help, at.collect())
}

fn ymls(ymls: &[&str]) -> Entry {
    Entry { build_ymls: ymls.iter().map(|&yml| yml.to_owned()).collect(), ..Entry::default() }
}

#[test]
fn everything_is_optional() {
    for text in ["", "# nothing\n", "---\n", "{}", "~", "packages:\nregistry:\nplatforms:\nprofiles:\nmirrors: ~\n"] {
        let read = parse(text).unwrap();
        assert_eq!(KitmakeYml { source: SourceFile::default(), ..read }, KitmakeYml::default());
    }
}

#[test]
fn every_key_at_the_top_is_read() {
    let text = "
org: reg.io/acme
packages:
  ./pkg/a/: [build-kvm.yml, ./sub/x.yml, build-kvm.yml]
  pkg/a2:
profiles: {k: {pkg/a: build-kvm.yml, pkg/nvidia/: build-jp6.yml}, none: }
registry: reg.io:5000/mirror
insecure-registries: [127.0.0.1:5000]
certificate-authorities: [./pkg/a/Dockerfile, /etc/ca.pem]
mirrors: {index.docker.io: [m.io:5000/hub, n.io/], ghcr.io: ~}
platforms: [linux/amd64, linux/arm/v7]
stale-pins:
- {file: pkg/a/Dockerfile, image: acme/b, reason: bootstrap}
- {file: tools/alpine/Dockerfile, reason: any}
content-trust: {server: 'https://n.io:4443', ca-file: ca.crt, passphrase-command: pass show x, directory: ~/keys}
";
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = KitmakeYml {
        source: SourceFile::new(FILE_NAME, text),
        org: Some("reg.io/acme".to_owned()),
        packages: BTreeMap::from([
            ("pkg/a".to_owned(), ymls(&["build-kvm.yml", "sub/x.yml"])),
            ("pkg/a2".to_owned(), Entry::default()),
        ]),
        profiles: BTreeMap::from([
            ("k".to_owned(), [pair("pkg/a", "build-kvm.yml"), pair("pkg/nvidia", "build-jp6.yml")].into()),
            ("none".to_owned(), BTreeMap::new()),
        ]),
        registry: Some("reg.io:5000/mirror".to_owned()),
        insecure_registries: vec!["127.0.0.1:5000".to_owned()],
        certificate_authorities: vec!["pkg/a/Dockerfile".to_owned(), "/etc/ca.pem".to_owned()],
        mirrors: BTreeMap::from([("docker.io".to_owned(), vec!["m.io:5000/hub".to_owned(), "n.io".to_owned()])]),
        platforms: vec![Platform::linux("amd64"), "linux/arm/v7".parse().unwrap()],
        stale_pins: vec![
            StalePin {
                file: "pkg/a/Dockerfile".to_owned(),
                image: Some("acme/b".parse().unwrap()),
                reason: "bootstrap".to_owned(),
            },
            StalePin { file: "tools/alpine/Dockerfile".to_owned(), image: None, reason: "any".to_owned() },
        ],
        content_trust: ContentTrust {
            enabled: Some(true),
            server: Some("https://n.io:4443".to_owned()),
            ca_file: Some("ca.crt".to_owned()),
            passphrase_command: Some("pass show x".to_owned()),
            directory: Some("~/keys".to_owned()),
        },
    };
    assert_eq!(parse(text).unwrap(), expected);
}

#[test]
fn every_key_of_a_package_is_read() {
    let text = "
packages:
  pkg/a:
    build-ymls: [sub/x.yml]
    build-yml: build-kvm.yml
    hash: 1234567
    tag: 'v-{{.Hash}}'
    build-arg-file: versions/args
    exclude: ['*.log', dist/]
  pkg/a:sub/x.yml: {hash: x, exclude: [more]}
";
    let config = parse(text).unwrap();
    let entry = &config.packages["pkg/a"];
    assert_eq!(
        (entry.build_yml.as_deref(), &entry.build_ymls[..]),
        (Some("build-kvm.yml"), &["sub/x.yml".to_owned()][..])
    );
    let texts = |overrides: Overrides| {
        let patterns: Vec<String> = overrides.exclude.into_iter().map(|pattern| pattern.value).collect();
        let text = |located: Option<Located<String>>| located.map_or_else(String::new, |located| located.value);
        [overrides.hash.unwrap_or_default(), text(overrides.tag), text(overrides.build_arg_file), patterns.join(" ")]
    };
    let whole = ["1234567", "v-{{.Hash}}", "versions/args", "*.log dist/"];
    assert_eq!(texts(config.overrides("pkg/a", "build-kvm.yml")), whole);
    assert_eq!(texts(config.overrides("pkg/a", "sub/x.yml")), ["x", whole[1], whole[2], "*.log dist/ more"]);
    let tag = entry.overrides.tag.as_ref().unwrap();
    assert_eq!((&text[tag.span.clone()], tag.line), ("'v-{{.Hash}}'", 7));
}

#[test]
fn content_trust_is_a_yes_a_no_or_a_mapping() {
    for (text, enabled) in [
        ("{}", None),
        ("content-trust:\n", None),
        ("content-trust: true\n", Some(true)),
        ("content-trust: false\n", Some(false)),
        ("content-trust: {}\n", Some(true)),
        ("content-trust: {enabled: ~}\n", Some(true)),
        ("content-trust: {enabled: false}\n", Some(false)),
    ] {
        assert_eq!(parse(text).unwrap().content_trust, ContentTrust { enabled, ..ContentTrust::default() }, "{text}");
    }
    let off = parse("content-trust: {enabled: false, server: 'http://n'}\n").unwrap().content_trust;
    assert_eq!((off.enabled, off.server.as_deref()), (Some(false), Some("http://n")));
}

#[test]
fn an_image_declares_a_package_with_the_defaults_of_a_build_yml() {
    let text = "org: acme\npackages:\n  tools/alpine: {image: alpine, network: true, arches: [amd64]}\n";
    let config = parse(text).unwrap();
    let declared = config.declared("tools/alpine").unwrap();
    assert_eq!((declared.org.as_str(), declared.image.as_str(), declared.network), ("acme", "alpine", true));
    assert_eq!(declared.arches.iter().map(|arch| arch.value.as_str()).collect::<Vec<_>>(), ["amd64"]);
    assert_eq!(&text[declared.dockerfile.span.clone()], "alpine");
    let config = parse("packages: {tools/alpine: {image: alpine, org: own}}").unwrap();
    let declared = config.declared("tools/alpine").unwrap();
    assert_eq!((declared.org.as_str(), declared.arches.len(), declared.tag.value.as_str()), ("own", 3, "{{.Hash}}"));
}

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    for (text, key, help) in [
        ("registry: a.io\nplatform: [linux/amd64]\n", "platform", "did you mean `platforms`?"),
        ("packages:\n  pkg/a: {buildyml: x}\n", "buildyml", "did you mean `build-yml`?"),
        ("stale-pins: [{file: x, why: y}]\n", "why", "the keys of a stale pin of kitmake.yml are"),
        ("content-trust: {ca-fil: x}\n", "ca-fil", "did you mean `ca-file`?"),
        ("content-trust: {url: x}\n", "url", "the keys of `content-trust` of kitmake.yml are"),
        (
            "zzz: 1\n",
            "zzz",
            "`content-trust`, `insecure-registries`, `mirrors`, `org`, `packages`, `platforms`, `profiles`, `registry`",
        ),
    ] {
        let (code, said, at) = refused(text);
        assert_eq!((code.as_str(), at), ("workspace::unknown_key", vec![key.to_owned()]), "{text}");
        assert!(said.contains(help), "{said}");
    }
}

#[test]
fn what_is_not_there_is_pointed_at_all_at_once() {
    let (code, _, at) = refused(
        "packages:\n  pkg/a: [x.yml, ../y.yml]\n  nope: [z.yml]\n  /abs: []\n  ../up: []\n  pkg/a2: {build-yml: w.yml}\n  \
         pkg/a:v.yml: {hash: h}\nprofiles: {k: {gone: x.yml, pkg/a: u.yml}}\nstale-pins: [{file: t, reason: r}]\n\
         certificate-authorities: [ca.pem]\n",
    );
    assert_eq!(code, "workspace::missing_listed");
    assert_eq!(
        at,
        ["ca.pem", "x.yml", "../y.yml", "nope", "/abs", "../up", "w.yml", "pkg/a:v.yml", "gone", "u.yml", "t"]
    );
}

#[test]
fn a_wrong_value_is_pointed_at() {
    for (text, code, at) in [
        ("registry: https://a.io\n", "workspace::invalid_value", "https://a.io"),
        ("registry: mirror\n", "workspace::invalid_value", "mirror"),
        ("insecure-registries: [a.io/x]\n", "workspace::invalid_value", "a.io/x"),
        ("mirrors: {hub: [a.io]}\n", "workspace::invalid_value", "hub"),
        ("mirrors: {docker.io: ['http://a.io']}\n", "workspace::invalid_value", "'http://a.io'"),
        ("org: Acme\n", "workspace::invalid_value", "Acme"),
        ("platforms: [amd64]\n", "workspace::invalid_value", "amd64"),
        ("platforms: [linux/amd64, linux/amd46]\n", "workspace::invalid_value", "linux/amd46"),
        ("packages: {tools/alpine: {image: 'a:b'}}\n", "workspace::invalid_value", "'a:b'"),
        ("packages: {tools/alpine: {network: true}}\n", "workspace::invalid_value", "true"),
        ("packages: {tools/alpine: {image: a, arches: [x86]}}\n", "workspace::unknown_architecture", "x86"),
        ("packages: {pkg/a: {image: a}}\n", "workspace::invalid_value", "a"),
        ("packages: {'pkg/a:sub/x.yml': [sub/x.yml]}\n", "workspace::invalid_value", "sub/x.yml"),
        ("packages: {pkg/a: {exclude: ['a[z-a]']}}\n", "workspace::invalid_value", "'a[z-a]'"),
        ("stale-pins: [{file: pkg/a/Dockerfile, reason: ' '}]\n", "workspace::invalid_value", "' '"),
        ("content-trust: {server: 'n.io:4443'}\n", "workspace::invalid_value", "'n.io:4443'"),
        ("platforms: linux/amd64\n", "workspace::wrong_type", "linux/amd64"),
        ("org: [a]\n", "workspace::wrong_type", "[a]"),
        ("platforms: [linux/amd64, [a]]\n", "workspace::wrong_type", "[a]"),
        ("content-trust: {enabled: maybe}\n", "workspace::wrong_type", "maybe"),
        ("packages: {pkg/a: text}\n", "workspace::wrong_type", "text"),
        ("- a\n", "workspace::wrong_type", "- a"),
        ("stale-pins:\n- file: pkg/a/Dockerfile\n", "workspace::missing_key", "file"),
    ] {
        let refused = refused(text);
        assert_eq!((refused.0.as_str(), refused.2), (code, vec![at.to_owned()]), "{text}");
    }
    assert_eq!(refused("registry: [\n").0, "workspace::invalid_yaml");
    let twice = refused("registry: a.io\norg: a\nregistry: b.io\n");
    assert_eq!((twice.0.as_str(), twice.2), ("workspace::duplicate_key", vec!["registry".to_owned(); 2]));
}

#[test]
fn what_does_not_fit_is_said_with_its_key_and_what_is_there() {
    let said = |text| parse(text).expect_err(text).to_string();
    assert_eq!(said("platforms: linux/amd64\n"), "`platforms` must be a list, but it is the text `linux/amd64`");
    assert_eq!(said("mirrors: {docker.io: [a.io, {b: c}]}\n"), "`docker.io[1]` must be a text, but it is a mapping");
    assert_eq!(
        said("packages: {pkg/a: 3}\n"),
        "`pkg/a` must be a list of build ymls or a mapping, but it is the number `3`"
    );
    assert_eq!(said("org:\n  ~\nprofiles: {x: 1}\n"), "`x` must be a mapping, but it is the number `1`");
    assert_eq!(said("stale-pins: [{file: pkg/a/Dockerfile}]\n"), "a stale pin of kitmake.yml lacks the key `reason`");
    assert_eq!(said("? [a]\n: b\n"), "`a key` must be a text, but it is a list");
}

#[test]
fn a_profile_wins_over_the_choice_of_the_directory() {
    let config = parse(
        "packages: {pkg/a: {build-yml: sub/x.yml}, pkg/a2: {}}\nprofiles: {kvm: {pkg/a: build-kvm.yml}, other: {}}\n",
    )
    .unwrap();
    let chosen = |profile| config.choices(profile).unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(chosen(None), [("pkg/a", "sub/x.yml")]);
    assert_eq!(chosen(Some("kvm")), [("pkg/a", "build-kvm.yml")]);
    assert_eq!(chosen(Some("other")), [("pkg/a", "sub/x.yml")]);
    let unknown = config.choices(Some("kmv")).unwrap_err();
    assert_eq!(unknown.diagnostic().help().unwrap().to_string(), "did you mean `kvm`?");
    assert_eq!(unknown.class(), crate::problem::Class::Usage);
}

#[test]
fn a_stale_pin_is_allowed_by_file_and_image() {
    let config = parse(
        "stale-pins:\n- {file: pkg/a/Dockerfile, image: 'acme/b:old', reason: one}\n\
         - {file: pkg/a/Dockerfile, image: docker.io/acme/c, reason: two}\n- {file: tools/alpine/Dockerfile, reason: all}\n",
    )
    .unwrap();
    assert_eq!(config.allows("pkg/a/Dockerfile", "acme/b:old"), Some("one"));
    assert_eq!(config.allows("pkg/a/Dockerfile", "acme/b:older"), None);
    assert_eq!(config.allows("pkg/a/Dockerfile", "acme/c:x"), Some("two"));
    assert_eq!(config.allows("pkg/b/Dockerfile", "acme/c:x"), None);
    assert_eq!(config.allows("tools/alpine/Dockerfile", "acme/d:x"), Some("all"));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        drop(parse(&text));
    }

    #[test]
    fn no_text_in_the_alphabet_of_yaml_panics(
        text in "((packages|registry|profiles|mirrors|image|exclude|pkg/a|x\\.yml|[-: \\n\\[\\]{},&*!|>'\"?ü~])){0,12}"
    ) {
        drop(parse(&text));
    }
}
