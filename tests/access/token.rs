//! A registry that believes a token server.

use tempfile::TempDir;

use super::support::Registry;
use super::token_server::{TokenServer, User};
use super::{Desk, PASSWORD, USER, WRONG};

/// The password of who may only read.
const READER: &str = "reading-zebra-2208-lamp";
const USERS: &[User] = &[(USER, PASSWORD, &["pull", "push"]), ("reader", READER, &["pull"])];

struct Guarded {
    desk: Desk,
    server: TokenServer,
    _registry: Registry,
    _directory: TempDir,
}

impl Guarded {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let server = TokenServer::start(directory.path(), USERS);
        let registry = Registry::start_with(&server.section());
        Self { desk: Desk::new(registry.address()), server, _registry: registry, _directory: directory }
    }
}

const SECRETS: [&str; 3] = [PASSWORD, WRONG, READER];

#[test]
fn who_has_the_password_gets_tokens_and_gets_through() {
    let Guarded { desk, server, .. } = &Guarded::start();
    desk.log_in(USER, PASSWORD);
    let pushed = desk.kitmake(&["push", "-v"], &SECRETS).with_code(0);
    assert!(pushed.stderr.contains("built 1, pushed 1, indexed 1"), "{}", pushed.stderr);
    assert!(server.scopes().iter().any(|scope| scope == "repository:team/a:pull,push"), "{:?}", server.scopes());
    desk.published();
    let tokens = server.tokens();
    assert!(!tokens.is_empty());
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    for (file, content) in super::files(&desk.monorepo.path("../state")) {
        assert!(tokens.iter().all(|token| !super::leaks(&content, token)), "{file} shows a token");
    }
    let checked = desk.kitmake(&["plan", "-v", "--push", "--check"], &[&SECRETS[..], &tokens].concat()).with_code(0);
    assert!(tokens.iter().all(|token| !pushed.stderr.contains(token) && !checked.stdout.contains(token)));
}

#[test]
fn a_helper_does_as_well() {
    let Guarded { desk, .. } = &Guarded::start();
    desk.log_in_by_helper(USER, PASSWORD);
    desk.kitmake(&["push", "-v"], &SECRETS).with_code(0);
    desk.published();
}

#[test]
fn who_may_only_read_keeps_what_was_built_for_somebody_who_may_push() {
    let Guarded { desk, .. } = &Guarded::start();
    desk.log_in("reader", READER);
    let kept = desk.kitmake(&["push", "-v"], &SECRETS).with_code(6);
    assert!(kept.stderr.contains("Built pkg/a"), "{}", kept.stderr);
    assert!(kept.stderr.contains("FAILED push pkg/a") && kept.stderr.contains("docker login"), "{}", kept.stderr);

    desk.log_in(USER, PASSWORD);
    let pushed = desk.kitmake(&["push", "-v"], &SECRETS).with_code(0);
    assert!(!pushed.stderr.contains("Built ") && pushed.stderr.contains("pushed 1, indexed 1"), "{}", pushed.stderr);
    desk.published();
}

#[test]
fn with_a_wrong_password_nothing_is_built_in_vain() {
    let Guarded { desk, server, .. } = &Guarded::start();
    desk.log_in(USER, WRONG);
    let refused = desk.kitmake(&["push", "-v"], &SECRETS).with_code(4);
    assert!(refused.stderr.contains("registry::unauthorized"), "{}", refused.stderr);
    assert!(refused.stderr.contains("no such user with this password"), "what the server says\n{}", refused.stderr);
    assert!(!refused.stderr.contains("Built "), "{}", refused.stderr);
    assert!(server.tokens().is_empty());
}

#[test]
fn a_copy_within_the_registry_asks_for_the_right_to_read_the_source_too() {
    let Guarded { desk, server, .. } = &Guarded::start();
    desk.log_in(USER, PASSWORD);
    desk.kitmake(&["push"], &SECRETS).with_code(0);
    let from = desk.monorepo.show_tag(&["pkg/a"]).remove(0);
    let copied = desk.kitmake(&["remote-tag", &from, &format!("{}/release/a:v1", desk.address)], &SECRETS).with_code(0);
    assert!(copied.stderr.contains("2 blobs mounted, 0 blobs"), "{}", copied.stderr);
    assert!(server.scopes().iter().any(|scope| scope == "repository:team/a:pull"), "{:?}", server.scopes());
}
