//! Labels: `config`, `gitrepo`, the revision, and the tool.

use super::Bench;

const SOURCE: &str = "org.opencontainers.image.source";
const REVISION: &str = "org.opencontainers.image.revision";
const CONFIG: &str = "org.mobyproject.config";
const DOCKERFILE: &str = "FROM scratch\nCOPY build.yml /\nLABEL own=1 org.opencontainers.image.source=written\n";

#[test]
fn an_image_is_labelled_with_its_configuration_where_it_comes_from_and_what_made_it() {
    let config = "config:\n  net: host\n  binds: [/a:/b]\n  capabilities: [all]\n  sysctl: {b: '2', a: '<&>'}\n  uid: 0\n  \
                  runtime:\n    mkdir: [/x]\n";
    let yml = |rest: &str| format!("org: ORG\nimage: {rest}");
    let bench = Bench::new(&[
        ("pkg/a/build.yml", &yml(&format!("a\ngitrepo: https://git.example.org/x\n{config}"))),
        ("pkg/a/Dockerfile", DOCKERFILE),
        ("pkg/b/build.yml", &yml("b\ngitrepo: ''\n")),
        ("pkg/b/Dockerfile", DOCKERFILE),
        ("pkg/c/build.yml", &yml("c\n")),
        ("pkg/c/Dockerfile", DOCKERFILE),
    ]);
    bench.build(&["pkg"]);
    let labels = |package: &str| bench.config(package)["Labels"].clone();
    let head = bench.monorepo.git(&["rev-parse", "HEAD"]);

    let of_a = labels("pkg/a");
    // In the order of linuxkit, whatever that of the yml.
    let expected = "{\"capabilities\":[\"all\"],\"binds\":[\"/a:/b\"],\"net\":\"host\",\"uid\":0,\
                    \"sysctl\":{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":\"2\"},\
                    \"runtime\":{\"mkdir\":[\"/x\"],\"bindNS\":{}}}";
    let sorted = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let label = of_a[CONFIG].as_str().unwrap();
    assert_eq!(sorted(label), sorted(expected));
    assert!(
        label.contains("\\u003c\\u0026\\u003e") && label.starts_with("{\"capabilities\":[\"all\"],\"binds\""),
        "{label}"
    );
    assert_eq!((&of_a[SOURCE], &of_a[REVISION]), (&"https://git.example.org/x".into(), &head.as_str().into()));
    assert!(of_a["org.mobyproject.linuxkit.version"].as_str().unwrap().starts_with("kitmake-"));
    assert!(of_a["org.mobyproject.linuxkit.revision"].is_string());
    assert_eq!(of_a["own"], "1", "what the Dockerfile sets stays");

    let of_b = labels("pkg/b");
    assert_eq!(
        (&of_b[SOURCE], &of_b[CONFIG]),
        (&"written".into(), &serde_json::Value::Null),
        "an empty gitrepo is none"
    );
    assert_eq!(of_b[REVISION], head.as_str());
    assert_eq!(labels("pkg/c")[SOURCE], "https://github.com/linuxkit/linuxkit");

    // A commit that has not what is built is not named.
    bench.monorepo.write("pkg/c/new", "");
    bench.build(&["pkg/c"]);
    let of_c = labels("pkg/c");
    assert_eq!(
        (&of_c[SOURCE], &of_c[REVISION]),
        (&"https://github.com/linuxkit/linuxkit".into(), &serde_json::Value::Null)
    );
}
