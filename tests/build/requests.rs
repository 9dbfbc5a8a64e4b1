//! How often the registry is asked.

use std::collections::BTreeMap;

use super::Bench;

/// The requests of one command, each with how often it was made, without the one that asks which scheme the registry speaks.
fn requests(bench: &Bench, arguments: &[&str]) -> BTreeMap<String, usize> {
    let before = bench.registry.requests().len();
    let output = bench.kitmake(arguments).with_code(0);
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(told.contains("nothing to do: "), "{told}");
    let mut requests = BTreeMap::new();
    for request in bench.registry.requests().split_off(before) {
        if !request.path.starts_with("/v2/?") && request.path != "/v2/" {
            *requests.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
        }
    }
    requests
}

#[test]
fn with_nothing_to_do_each_package_takes_two_requests() {
    let bench = Bench::new();
    let packages = ["tools/base", "pkg/ca-certificates", "pkg/sysctl"];
    bench.kitmake(&[&["push"], &packages[..]].concat()).with_code(0);
    let expected: BTreeMap<String, usize> = packages
        .iter()
        .flat_map(|package| {
            let reference = bench.reference(package);
            let (name, tag) = reference.strip_prefix(bench.registry.address()).unwrap().rsplit_once(':').unwrap();
            let manifests = format!("/v2{name}/manifests");
            [format!("GET {manifests}/{tag}"), format!("HEAD {manifests}/{tag}-amd64")].map(|request| (request, 1))
        })
        .collect();
    for verb in ["plan", "build", "push"] {
        // The base is not named: what is named is built on it.
        assert_eq!(requests(&bench, &[verb, packages[1], packages[2]]), expected, "{verb}");
    }
}
