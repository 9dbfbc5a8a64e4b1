//! A question that failed is never taken for a no.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::{Bench, node, nodes, reasons, set, steps, told_set};
use crate::support::{Monorepo, Output};

/// Something on a port that gives every request the same answer; returns its address. It ends with the process.
fn stub(status: &'static str, header: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

#[track_caller]
fn names(output: &Output, code: &str, image: &str) {
    assert!(output.stderr.contains(code), "{code}\n{}", output.stderr);
    // Long lines are wrapped, also within a reference.
    let stderr: String = output.stderr.split_whitespace().filter(|word| *word != "│").collect();
    assert!(stderr.contains(image), "{image}\n{}", output.stderr);
}

#[test]
fn a_registry_that_refuses_or_fails_is_said_with_the_image_that_was_asked_for() {
    for (status, header, code) in [
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "registry::unauthorized"),
        ("403 Forbidden", "", "registry::denied"),
        ("429 Too Many Requests", "Retry-After: 3600\r\n", "registry::rate_limited"),
        ("500 Internal Server Error", "", "registry::server"),
    ] {
        let monorepo = Monorepo::with_org(&format!("{}/fixtures", stub(status, header)));
        let reference = monorepo.show_tag(&["pkg/ca-certificates"]).remove(0);
        let planned = monorepo.kitmake(&["plan", "pkg/ca-certificates", "--format", "json"]).with_code(4);
        names(&planned, code, &reference);
        let plan = planned.json();
        let unknown = node(&plan, "pkg/ca-certificates");
        assert_eq!(unknown["state"], "unknown", "{status}");
        assert_eq!(reasons(unknown), ["unanswered"].into());
        assert_eq!(plan["steps"].as_array().unwrap().len(), 0);
        let built = monorepo.kitmake(&["build", "pkg/ca-certificates"]).with_code(4);
        names(&built, code, &reference);
        assert_eq!(told_set(&built, "Building"), set([]));

        let assumed = monorepo.kitmake(&["plan", "pkg/ca-certificates", "--assume-missing"]).with_code(0);
        assert!(assumed.stdout.contains("assumed missing"), "{}", assumed.stdout);
    }
}

#[test]
fn without_a_registry_only_what_hangs_on_it_fails() {
    let mut bench = Bench::new();
    bench.kitmake(&["build", "tools/base", "pkg/vtpm"]).with_code(0);
    let (base, recovery) = (bench.reference("tools/base"), bench.reference("pkg/recovery"));
    bench.registry.stop();

    // What is on the builder does not hang on it.
    let present = bench.kitmake(&["build", "pkg/vtpm"]).with_code(0);
    assert!(present.stderr.starts_with("nothing to do: 1 present"), "{}", present.stderr);
    bench.kitmake(&["plan", "pkg/vtpm", "--offline", "--check"]).with_code(0);
    // Whether it is to be pushed does.
    let push = bench.kitmake(&["push", "pkg/vtpm"]).with_code(4);
    assert!(push.stderr.contains("registry::refused"), "{}", push.stderr);

    let missing = bench.kitmake(&["plan", "pkg/recovery", "pkg/vtpm"]).with_code(4);
    names(&missing, "registry::refused", &recovery);
    let two = bench.kitmake(&["plan", "pkg/recovery", "pkg/ca-certificates"]).with_code(4);
    assert_eq!(two.stderr.matches("registry::refused").count(), 1, "{}", two.stderr);
    names(&two, "registry::refused", "thesamegoesfor1furtherimage");
    let offline = bench.kitmake(&["plan", "pkg/recovery", "--offline"]).with_code(4);
    names(&offline, "plan::not_asked", &recovery);
    for arguments in [&["--assume-missing"][..], &["--assume-missing=pkg/recovery"], &["--assume-missing", "--offline"]]
    {
        let plan = bench.plan(&[&["pkg/recovery", "pkg/vtpm"], arguments].concat());
        assert_eq!(steps(&plan, "build"), nodes(["pkg/recovery"]), "{arguments:?}");
        assert_eq!(reasons(node(&plan, "pkg/recovery")), ["assumed-missing", "pin-stale"].into());
    }

    // An assumption about a package is none about what it needs.
    super::docker(&["image", "rm", &base, &format!("{base}-amd64")]);
    let base_unknown = bench.kitmake(&["plan", "pkg/bom", "--assume-missing=pkg/bom"]).with_code(4);
    names(&base_unknown, "registry::refused", &base);

    bench.registry.start_again();
    bench.kitmake(&["push", "pkg/vtpm"]).with_code(0);
    assert_eq!(bench.tags("vtpm").len(), 2);
}

#[test]
fn without_an_engine_what_is_missing_cannot_be_planned() {
    let bench = Bench::new();
    bench.kitmake(&["push", "pkg/ca-certificates"]).with_code(0);
    for verb in ["plan", "build", "push"] {
        let there = bench.without_engine(&[verb, "pkg/ca-certificates"]).with_code(0);
        assert!(format!("{}{}", there.stdout, there.stderr).starts_with("nothing to do: "), "{verb}");
        let missing = bench.without_engine(&[verb, "pkg/ca-certificates", "pkg/trust"]).with_code(4);
        assert!(missing.stderr.contains("builder::no_engine"), "{verb}\n{}", missing.stderr);
        assert!(missing.stderr.contains("DOCKER_HOST"), "how to point to one\n{}", missing.stderr);
    }
    assert!(bench.tags("trust").is_empty());
}

#[test]
fn what_is_left_out_is_said_although_nothing_can_be_built() {
    let bench = Bench::new();
    bench.monorepo.write("pkg/broken/build.yml", "image: broken\n");
    bench.monorepo.write("pkg/broken/Dockerfile", "ARG NONE\nFROM ${NONE}\n");
    bench.monorepo.commit("Add a package that cannot be built");
    let failed = bench.without_engine(&["build", "--assume-missing", "pkg/broken", "pkg/ca-certificates"]).with_code(4);
    for code in ["builder::no_engine", "plan::not_buildable"] {
        assert_eq!(failed.stderr.matches(code).count(), 1, "{code}\n{}", failed.stderr);
    }
}

#[test]
fn that_no_builder_was_asked_is_said_once_and_only_where_that_could_matter() {
    let bench = Bench::new();
    let assumed = ["plan", "--offline", "--assume-missing", "pkg/trust"];
    for format in ["text", "json"] {
        let told = bench.without_engine(&[&assumed[..], &["--format", format]].concat()).with_code(0);
        assert_eq!(told.stderr.matches("the builder was not asked what it has: ").count(), 1, "{}", told.stderr);
    }
    bench.kitmake(&["push", "pkg/ca-certificates"]).with_code(0);
    let there = bench.without_engine(&["plan", "pkg/ca-certificates"]).with_code(0);
    assert!(!there.stderr.contains("builder"), "{}", there.stderr);
}
