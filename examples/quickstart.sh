#!/usr/bin/env bash
# From a fresh clone to images in a registry: sets up what is missing on this machine, then plans, builds and pushes a
# copy of the fixtures monorepo. Whatever was started ends with it; nothing outside target/ and a temporary directory
# is written, apart from Debian packages that were missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh

heading() { printf '\n== %s\n' "$*"; }

# ARGUMENT...: shows a command and runs it in the copy.
run() {
    printf '$ kitmake %s\n' "$*"
    (cd "$repository" && "$kitmake" "$@")
}

command -v cargo >/dev/null || die "cargo is missing; see https://rustup.rs"

heading "set-up: an engine, a registry at $FIXTURES_REGISTRY, and the images that the fixtures name from outside"
ensure_packages
ensure_engine
ensure_registry "$FIXTURES_REGISTRY"
ensure_outside_images

heading "build kitmake"
cargo build --locked
kitmake=${CARGO_TARGET_DIR:-$PWD/target}/debug/kitmake

setup_temporary quickstart
repository=$setup_directory/quickstart/monorepo
mkdir "$repository"
copy_monorepo "$repository"
# What kitmake remembers between runs goes away with the copy.
export XDG_CACHE_HOME=$setup_directory/quickstart/cache XDG_STATE_HOME=$setup_directory/quickstart/state
echo "a copy of pkg-fixtures/monorepo is in $repository"

heading "plan: which packages have no image yet, and why"
run plan
echo "The targets are the packages below pkg/; the ones below tools/ are there because a target is FROM them."
echo "A package for another architecture than the engine's is not built here. Nothing has been written so far."

heading "build and push: what is missing, four at a time, each as soon as what it needs is ready"
run build --push -j 4
echo "The image of each target went to the registry as TAG-ARCHITECTURE when it was ready, then the index TAG that lists it."
echo "The ones of tools/ stay on the engine: they were needed, and nobody asked for them."

heading "again: there is nothing to do"
before=$(registry_writes)
run build --push
after=$(registry_writes)
if [ -n "$before" ]; then
    echo "The tag is the tree hash of the package, so that a look into the registry was enough:" \
        "it got $((after - before)) write requests."
fi

heading "what is in the registry, read by skopeo"
reference=$(cd "$repository" && "$kitmake" show-tag pkg/init)
echo "\$ skopeo inspect --raw docker://$reference"
skopeo inspect --tls-verify=false --raw "docker://$reference"
echo
echo "\$ skopeo inspect docker://$reference"
skopeo inspect --tls-verify=false "docker://$reference"
