#!/usr/bin/env bash
# All checks of the project, on a machine that has at least Debian, cargo and root (or sudo).
#
#   tests/run.sh           everything; installs and starts what is missing, and ends what it started
#   tests/run.sh --quick   only what needs neither engine nor registry
#
# The exit code is 0 if every check passed, 1 if one failed, 4 if the machine could not be set up. A check that could not
# be made is skipped and counted; in CI, where the variable CI is `true`, it has failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh

quick=false
case ${1:-} in
'') ;;
--quick) quick=true ;;
*)
    echo "usage: tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

summary=
failed=0
skipped=0

# NAME COMMAND...: runs a check and goes on whatever comes of it.
check() {
    local name=$1 began=$SECONDS outcome=passed
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || {
        outcome="FAILED (exit code $?)"
        failed=$((failed + 1))
    }
    summary+=$(printf '%-14s %4s s   %s' "$name" $((SECONDS - began)) "$outcome")$'\n'
}

# NAME REASON
skip() {
    summary+=$(printf '%-14s %6s   skipped: %s' "$1" "" "$2")$'\n'
    skipped=$((skipped + 1))
    if [ "${CI:-}" = true ] && [ "$2" != --quick ]; then failed=$((failed + 1)); fi
}

# Cargo says what is too old or missing only after minutes, and in many words.
check_tools() {
    local needed installed
    command -v cargo >/dev/null || die "cargo is missing; see https://rustup.rs"
    command -v cc >/dev/null || die "a C compiler is missing, which links what cargo builds; \`apt-get install gcc libc6-dev\`"
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    installed=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$needed" "$installed" | sort -V | head -n 1)" != "$needed" ]; then
        die "Rust $needed or newer is needed, this is $installed; \`rustup update\`"
    fi
}

# The one version that deny.toml is written for, unless the machine has its own; debug, as it is built in a minute.
ensure_cargo_deny() {
    if cargo deny --version >/dev/null 2>&1; then return; fi
    PATH=$PWD/target/tools/bin:$PATH
    if cargo deny --version >/dev/null 2>&1; then return; fi
    say "installing cargo-deny into target/tools"
    CARGO_TARGET_DIR=$PWD/target/tools/build \
        cargo install --quiet --locked --debug --root target/tools --version 0.20.2 cargo-deny || return 1
    rm -rf target/tools/build
}

check_tools
if ! "$quick"; then
    ensure_packages
    ensure_engine
    ensure_registry "$FIXTURES_REGISTRY"
    ensure_outside_images
    export KITMAKE_TEST_REGISTRY=$FIXTURES_REGISTRY
fi

if cargo fmt --version >/dev/null 2>&1; then
    check format cargo fmt --check
else
    skip format "install it with \`rustup component add rustfmt\`"
fi
if cargo clippy --version >/dev/null 2>&1; then
    check lint cargo clippy --all-targets --locked -- -D warnings
else
    skip lint "install it with \`rustup component add clippy\`"
fi
check pins pkg-fixtures/pin.sh --check
if "$quick"; then
    check tests cargo test --locked --lib
    skip dependencies "--quick"
else
    check tests cargo test --locked --no-fail-fast
    if ensure_cargo_deny; then
        # Advisories come from outside the registry and change without a change here.
        check dependencies cargo deny --locked check bans licenses sources
    else
        skip dependencies "cargo-deny could not be installed"
    fi
fi

printf '\n%s' "$summary"
if [ "$failed" -gt 0 ]; then
    echo "$failed failed, $skipped skipped"
    exit 1
fi
if [ "$skipped" -gt 0 ]; then echo "all others passed, $skipped skipped"; else echo "all passed"; fi
