//! A registry that speaks TLS with a private authority and lets in who has a password.

use std::fs;

use tempfile::TempDir;

use super::support::{Registry, docker};
use super::{Desk, HTPASSWD, PASSWORD, USER, WRONG, certificate};

struct Guarded {
    desk: Desk,
    /// The certificate of the registry, which nobody has signed.
    certificate: String,
    directory: TempDir,
    registry: Registry,
}

impl Guarded {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let (key, certificate) = certificate(directory.path());
        let passwords = directory.path().join("htpasswd");
        fs::write(&passwords, HTPASSWD).unwrap();
        let registry = Registry::start_with(&format!(
            "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            certificate.display(),
            key.display(),
            passwords.display()
        ));
        let desk = Desk::new(registry.address());
        Self { desk, certificate: certificate.display().to_string(), directory, registry }
    }
}

const SECRETS: [&str; 2] = [PASSWORD, WRONG];

#[test]
fn who_has_the_password_and_knows_the_authority_gets_through() {
    let Guarded { desk, certificate, directory, .. } = &Guarded::start();
    desk.log_in(USER, PASSWORD);
    let unknown = desk.kitmake(&["push", "-v"], &SECRETS).with_code(4);
    assert!(unknown.stderr.contains("registry::certificate") && unknown.stderr.contains("--cert-file"), "{unknown:?}");

    let pushed = desk.kitmake(&["push", "-v", "--cert-file", certificate], &SECRETS).with_code(0);
    assert!(pushed.stderr.contains("built 1, pushed 1, indexed 1"), "{}", pushed.stderr);
    assert_eq!(desk.published()["manifests"].as_array().unwrap().len(), 1);
    assert!(desk.has_logs());

    // The same file as the repository names it, relative to its root.
    fs::copy(directory.path().join("certificate.pem"), desk.monorepo.path("ca.pem")).unwrap();
    desk.monorepo.write("kitmake.yml", "certificate-authorities: [ca.pem]\n");
    desk.kitmake(&["plan", "--push", "--check"], &SECRETS).with_code(0);
    let told = desk.kitmake(
        &["remote-tag", &desk.monorepo.show_tag(&["pkg/a"])[0], &format!("{}/team/a:v1", desk.address)],
        &SECRETS,
    );
    assert!(told.clone().with_code(0).stderr.starts_with("tagged "), "{told:?}");
}

#[test]
fn a_helper_is_asked_and_its_answer_stays_between_it_and_the_registry() {
    let Guarded { desk, certificate, .. } = &Guarded::start();
    let asked = desk.log_in_by_helper(USER, PASSWORD);
    desk.kitmake(&["push", "-v", "--cert-file", certificate], &SECRETS).with_code(0);
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().all(|line| line == desk.address) && !asked.is_empty(), "{asked}");
    desk.published();
}

#[test]
fn with_a_wrong_password_nothing_is_built_in_vain() {
    let Guarded { desk, certificate, .. } = &Guarded::start();
    desk.log_in(USER, WRONG);
    let refused = desk.kitmake(&["push", "-v", "--cert-file", certificate], &SECRETS).with_code(4);
    assert!(refused.stderr.contains("registry::unauthorized"), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("docker login {}", desk.address)), "{}", refused.stderr);
    assert!(!refused.stderr.contains("Built "), "{}", refused.stderr);
}

#[test]
fn an_image_that_was_built_anyway_is_kept_and_pushed_when_the_password_is_right() {
    let Guarded { desk, certificate, registry, .. } = &Guarded::start();
    desk.log_in(USER, WRONG);
    let push = ["push", "-v", "--cert-file", certificate];
    let kept = desk.kitmake(&[&push[..], &["--assume-missing"]].concat(), &SECRETS).with_code(6);
    assert!(kept.stderr.contains("Built pkg/a"), "{}", kept.stderr);
    assert!(kept.stderr.contains("FAILED push pkg/a") && kept.stderr.contains("docker login"), "{}", kept.stderr);
    let images = || {
        docker(&["image", "ls", "--quiet", "--no-trunc", "--filter", &format!("reference={}/*/*", registry.address())])
    };
    let image = images();
    assert_ne!(image, "");

    desk.log_in(USER, PASSWORD);
    let pushed = desk.kitmake(&push, &SECRETS).with_code(0);
    assert!(!pushed.stderr.contains("Built ") && pushed.stderr.contains("pushed 1, indexed 1"), "{}", pushed.stderr);
    assert_eq!(images(), image);
    desk.published();
}

#[test]
fn a_broken_helper_is_an_error_that_does_not_repeat_what_it_said() {
    let Guarded { desk, certificate, .. } = &Guarded::start();
    desk.log_in_by_helper(USER, PASSWORD);
    let helper = desk.docker.path().join("bin/docker-credential-drawer");
    fs::write(
        &helper,
        format!("#!/bin/sh\nsleep 0.2\ncat > /dev/null\necho {PASSWORD}\necho {PASSWORD} >&2\nexit 1\n"),
    )
    .unwrap();
    let failed = desk.kitmake(&["push", "--cert-file", certificate], &SECRETS).with_code(4);
    assert!(failed.stderr.contains("registry::credential_helper"), "{}", failed.stderr);
}
