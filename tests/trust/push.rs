//! `kitmake push` with content trust on: on a real engine, to a real registry and notary server.

use std::fs;
use std::process::Command;

use super::server::{DELEGATION_PASSPHRASE, Server};
use super::support::{Monorepo, Output, Registry, docker, output, run, skopeo};
use kitmake::registry::digest;
use kitmake::trust::Signed;

/// A package on a base from outside, in a monorepo that knows the notary server.
struct Bench {
    server: Server,
    registry: Registry,
    monorepo: Monorepo,
    image: String,
    base: String,
}

impl Bench {
    fn new() -> Self {
        let (server, registry) = (Server::start(), Registry::start());
        let base = format!("{}/outside/base", registry.address());
        let image = format!("{}/acme/thing", registry.address());
        let directory = server.directory_with_key();
        let trust = format!(
            "content-trust: {{server: '{}', ca-file: {}, directory: {}}}\n",
            server.url(),
            server.ca_file().display(),
            directory.display()
        );
        let monorepo = Monorepo::with_files(&[
            ("kitmake.yml", &trust),
            ("pkg/thing/build.yml", &format!("org: {}/acme\nimage: thing\narches: [amd64]\n", registry.address())),
            ("pkg/thing/Dockerfile", &format!("FROM {base}:1\nCOPY build.yml /thing\n")),
        ]);
        let bench = Self { server, registry, monorepo, image, base };
        bench.publish_base("the right one");
        bench
    }

    /// Pushes a base with this text in it.
    fn publish_base(&self, text: &str) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("text"), text).unwrap();
        let archive = directory.path().join("base.tar");
        run(Command::new("tar").arg("-C").arg(directory.path()).arg("-cf").arg(&archive).arg("text"));
        let name = format!("{}:1", self.base);
        docker(&["import", "--platform", "linux/amd64", archive.to_str().unwrap(), &name]);
        docker(&["push", "--quiet", &name]);
        docker(&["image", "rm", &name]);
    }

    fn kitmake(&self, arguments: &[&str]) -> Output {
        let mut command = self.monorepo.kitmake_command(arguments);
        output(command.env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", DELEGATION_PASSPHRASE))
    }

    /// Digest and size of what a registry has under a tag, as skopeo sees it.
    fn stored(image: &str) -> Signed {
        let raw =
            run(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{image}")]))
                .stdout;
        Signed { digest: digest(raw.as_bytes()), size: raw.len() as u64 }
    }

    fn sign_base(&self) {
        self.server.initialise(&self.base);
        self.server.delegate(&self.base, "targets/releases");
        self.server.sign(&self.base, "1", &Self::stored(&format!("{}:1", self.base)), "targets/releases");
    }

    fn own_thing(&self) {
        self.server.initialise(&self.image);
        self.server.delegate(&self.image, "targets/releases");
    }
}

#[test]
fn what_is_pushed_is_built_from_what_is_signed_and_signed_itself_with_its_release() {
    let bench = Bench::new();
    let unsigned = bench.kitmake(&["push"]).with_code(3);
    assert!(unsigned.stderr.contains("plan::unsigned"), "{}", unsigned.stderr);
    assert!(unsigned.stderr.contains("pkg/thing/Dockerfile:1"), "{}", unsigned.stderr);
    bench.sign_base();
    bench.own_thing();
    // The tag is moved by somebody who may push, and may not sign.
    bench.publish_base("another one");
    let pushed = bench.kitmake(&["push", "--release", "v1"]).with_code(0);
    assert!(pushed.stderr.contains("Notarized pkg/thing"), "{}", pushed.stderr);
    assert!(!format!("{pushed:?}").contains(DELEGATION_PASSPHRASE));

    let reference = bench.monorepo.show_tag(&["pkg/thing"]).remove(0);
    let tag = reference.rsplit_once(':').unwrap().1;
    let files = super::support::unpack(&reference, "amd64");
    assert_eq!(fs::read_to_string(files.path().join("text")).unwrap(), "the right one");
    let mut listed = bench.server.list(&bench.image);
    listed.sort();
    let stored = Bench::stored(&reference);
    let row = |name: &str| {
        let sha256 = stored.digest.replace("sha256:", "");
        vec![name.to_owned(), sha256, stored.size.to_string(), "targets/releases".to_owned()]
    };
    assert_eq!(listed, [row(tag), row("v1")], "as the registry has them");
    skopeo(&["inspect", "--tls-verify=false", &format!("docker://{}@{}", bench.image, stored.digest)]);

    let writes = bench.registry.writes().len();
    let again = bench.kitmake(&["push", "--release", "v1"]).with_code(0);
    assert!(again.stderr.starts_with("nothing to do"), "{}", again.stderr);
    assert_eq!(bench.registry.writes().len(), writes);
}

#[test]
fn trust_is_turned_off_by_a_flag_by_the_yml_and_for_signing_alone() {
    let bench = Bench::new();
    bench.kitmake(&["push", "--disable-content-trust"]).with_code(0);
    let reference = bench.monorepo.show_tag(&["pkg/thing"]).remove(0);
    Bench::stored(&reference);
    assert!(!bench.server.knows(&bench.image), "nothing is signed");

    // What is there is not built, and so needs no signature of its base; to sign it is another thing.
    let idle = bench.kitmake(&["push", "--sign=false"]).with_code(0);
    assert!(idle.stderr.starts_with("nothing to do"), "{}", idle.stderr);
    let failed = bench.kitmake(&["push"]).with_code(6);
    assert!(failed.stderr.contains("FAILED notarize pkg/thing"), "{}", failed.stderr);
    assert!(failed.stderr.contains("notary init"), "it says what to do: {}", failed.stderr);

    let yml = bench.monorepo.read("pkg/thing/build.yml");
    bench.monorepo.write("pkg/thing/build.yml", &format!("{yml}disable-content-trust: true\n"));
    bench.monorepo.commit("Leave the package out");
    bench.kitmake(&["push"]).with_code(0);
    assert!(!bench.server.knows(&bench.image));
}

#[test]
fn a_push_that_could_not_be_signed_is_refused_before_anything_is_built() {
    let bench = Bench::new();
    bench.sign_base();
    bench.own_thing();
    let refused = output(&mut bench.monorepo.kitmake_command(&["push"]));
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("Building"), "{}", refused.stderr);
    assert!(bench.registry.writes().iter().all(|request| !request.path.contains("acme")));
}
