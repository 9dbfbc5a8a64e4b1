# shellcheck shell=bash
# What the tests and the quick start need on a machine: packages, a Docker Engine, a registry. To be sourced.
#
# What is there is used; what is missing is installed or started, and whatever was started here ends with the script
# that sources this, however it ends. Nothing else is ever ended or removed.

# Where the fixtures say that their images live: a loopback address of its own, so that nothing else is in the way.
FIXTURES_REGISTRY=127.77.0.1:5000

# Administrators' programs are not on everybody's path.
PATH=$PATH:/usr/sbin:/sbin

setup_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
setup_directory=
setup_engine_pid=
setup_registry_pid=
setup_registry_log=
setup_policy=
setup_had_bridge=
setup_images_before=

# What goes to a loopback registry must not go through a proxy.
export NO_PROXY="127.77.0.1,127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 4
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "\`$1\` needs root, and there is no sudo"
    fi
}

# NAME: makes $setup_directory/NAME, which goes away with this run.
setup_temporary() {
    [ -n "$setup_directory" ] || setup_directory=$(mktemp -d "${TMPDIR:-/tmp}/kitmake.XXXXXX")
    mkdir -p "$setup_directory/$1"
}

# PID: whether the process runs. `kill -0` would not be permitted on a process of root.
is_running() { [ -d "/proc/$1" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

# The services that packages installed here would start by themselves.
SETUP_UNITS="docker.socket docker.service containerd.service docker-registry.service"

active_units() {
    [ -d /run/systemd/system ] || return 0
    local unit
    for unit in $SETUP_UNITS; do
        if systemctl is-active --quiet "$unit"; then echo "$unit"; fi
    done
}

# Installs the Debian packages that are missing, without starting the services that come with them.
ensure_packages() {
    local missing="" before unit
    command -v git >/dev/null || missing+=" git"
    command -v curl >/dev/null || missing+=" curl"
    command -v skopeo >/dev/null || missing+=" skopeo"
    command -v openssl >/dev/null || missing+=" openssl"
    command -v docker-registry >/dev/null || missing+=" docker-registry"
    command -v notary-server >/dev/null || missing+=" notary"
    command -v chromium >/dev/null || missing+=" chromium"
    command -v chromedriver >/dev/null || missing+=" chromium-driver"
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=" ca-certificates"
    dpkg-query --show --showformat '${Status}' busybox-static 2>/dev/null | grep -q 'ok installed' ||
        missing+=" busybox-static"
    if ! command -v docker >/dev/null; then
        missing+=" docker.io"
    elif ! engine_answers && ! command -v dockerd >/dev/null; then
        missing+=" docker.io"
    fi
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "install these first, there is no apt-get here:$missing"

    say "installing:$missing"
    before=$(active_units)
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        setup_policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$setup_policy" >/dev/null
        as_root chmod 755 "$setup_policy"
    fi
    as_root apt-get update -q >&2 || say "apt-get update failed; going on with the lists that are there"
    # Newer releases ship the command line apart from the engine.
    case $missing in
    *docker.io*) if apt-cache show docker-cli >/dev/null 2>&1; then missing+=" docker-cli"; fi ;;
    esac
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2 ||
        die "apt-get could not install:$missing"
    restore_policy
    for unit in $(active_units); do
        case " ${before//$'\n'/ } " in
        *" $unit "*) ;;
        *) as_root systemctl stop "$unit" ;;
        esac
    done
}

restore_policy() {
    [ -z "$setup_policy" ] || as_root rm -f "$setup_policy"
    setup_policy=
}

engine_answers() { timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

has_bridge() { grep -q '^ *docker0:' /proc/net/dev; }

# The engine that DOCKER_HOST or docker's context names, else one of our own with everything in a temporary directory.
ensure_engine() {
    local directory context attempt
    if engine_answers; then
        say "engine: $(docker version --format '{{.Server.Version}}'), already running"
        setup_images_before=$(fixtures_images)
        return
    fi
    [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; unset it to have one started"
    context=$(docker context inspect --format '{{.Name}}' 2>/dev/null || echo default)
    [ "$context" = default ] ||
        die "no engine answers in the docker context \`$context\`; run \`docker context use default\` to have one started"
    if grep -qsx dockerd /proc/[0-9]*/comm; then
        docker version >&2 || true
        die "an engine is running, but it does not answer here; two on one network disturb each other"
    fi

    setup_temporary engine
    directory=$setup_directory/engine
    if has_bridge; then setup_had_bridge=yes; else setup_had_bridge=no; fi
    # An empty configuration instead of the machine's, and its firewall left alone: no build here goes outside.
    echo '{}' >"$directory/daemon.json"
    # A session of its own, so that Ctrl-C reaches it through `cleanup` only.
    as_root setsid dockerd --config-file "$directory/daemon.json" --host "unix://$directory/docker.sock" \
        --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/pid" \
        --group "$(id -gn)" --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false \
        >"$directory/log" 2>&1 &
    setup_engine_pid=$!
    export DOCKER_HOST="unix://$directory/docker.sock"
    for attempt in $(seq 120); do
        if engine_answers; then break; fi
        if ! is_running "$setup_engine_pid" || [ "$attempt" -eq 120 ]; then
            tail -n 30 "$directory/log" >&2
            die "dockerd did not start; the end of its log is above"
        fi
        sleep 0.5
    done
    # Under sudo the process that was started is not dockerd itself.
    setup_engine_pid=$(as_root cat "$directory/pid")
    say "engine: $(docker version --format '{{.Server.Version}}'), started with pid $setup_engine_pid"
}

registry_status() {
    curl --silent --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' "http://$1/v2/" || true
}

# ADDRESS [DIRECTORY]: a registry without TLS and credentials that allows deletion, with its storage in DIRECTORY.
ensure_registry() {
    local address=$1 directory attempt
    case $(registry_status "$address") in
    000) ;;
    200)
        if curl --silent --noproxy '*' --max-time 5 --head "http://$address/v2/" |
            grep -qi '^docker-distribution-api-version: *registry/2'; then
            say "registry: $address, already running"
            return
        fi
        die "what answers at $address is no registry; the fixtures need that address"
        ;;
    *) die "what answers at $address is no registry without credentials; the fixtures need that address" ;;
    esac
    setup_temporary registry
    directory=${2:-$setup_directory/registry}
    cat >"$directory/config.yml" <<EOF
version: 0.1
log:
  accesslog:
    disabled: false
  level: info
storage:
  filesystem:
    rootdirectory: $directory/data
  delete:
    enabled: true
http:
  addr: $address
EOF
    setup_registry_log=$directory/log
    setsid docker-registry serve "$directory/config.yml" >"$setup_registry_log" 2>&1 &
    setup_registry_pid=$!
    for attempt in $(seq 100); do
        if [ "$(registry_status "$address")" = 200 ]; then break; fi
        if ! is_running "$setup_registry_pid" || [ "$attempt" -eq 100 ]; then
            tail -n 20 "$setup_registry_log" >&2
            die "docker-registry did not start at $address; the end of its log is above"
        fi
        sleep 0.1
    done
    say "registry: $address, started with pid $setup_registry_pid"
}

# How many requests so far have changed the registry; empty if it was not started here.
registry_writes() {
    [ -n "$setup_registry_log" ] || return 0
    grep -cE '"(PUT|POST|PATCH|DELETE) /v2/' "$setup_registry_log" || true
}

# Publishes what the fixtures name from outside, and makes sure that the engine sees the registry as this machine does.
ensure_outside_images() {
    "$setup_root/pkg-fixtures/publish.sh" "$FIXTURES_REGISTRY" >&2 ||
        die "the images that the fixtures name from outside could not be published to $FIXTURES_REGISTRY"
    docker pull --quiet "$FIXTURES_REGISTRY/fixtures/busybox:1" >/dev/null ||
        die "the engine cannot reach the registry at $FIXTURES_REGISTRY of this machine; use an engine that runs here"
}

# DIRECTORY: the fixtures monorepo as a repository of its own with one commit.
copy_monorepo() {
    cp -R "$setup_root/pkg-fixtures/monorepo/." "$1"
    git -C "$1" init --quiet --initial-branch main
    git -C "$1" add --all
    git -C "$1" -c user.name=fixtures -c user.email=fixtures@example.org -c commit.gpgSign=false \
        -c core.hooksPath=/dev/null commit --quiet --message 'Copy the fixtures'
}

# NAME PID: asks a process to end, waits, and ends it if it does not.
end_process() {
    local attempt
    is_running "$2" || return 0
    as_root kill -TERM "$2" 2>/dev/null || true
    for attempt in $(seq 150); do
        is_running "$2" || return 0
        sleep 0.1
    done
    say "$1 (pid $2) does not end, it is killed"
    as_root kill -KILL "$2" 2>/dev/null || true
}

# The images that an engine has of the registry of the fixtures, one per line.
fixtures_images() {
    docker image ls --digests --filter "reference=$FIXTURES_REGISTRY/*/*" --format '{{.Repository}} {{.Tag}} {{.Digest}}'
}

# Takes from an engine that stays the images that it got from a registry that goes.
forget_images() {
    local repository tag digest
    if [ -z "$setup_registry_pid" ] || [ -n "$setup_engine_pid" ] || ! engine_answers; then return 0; fi
    fixtures_images |
        while read -r repository tag digest; do
            case $'\n'$setup_images_before$'\n' in
            *$'\n'"$repository $tag $digest"$'\n'*) continue ;;
            esac
            case $tag in
            '<none>') docker image rm "$repository@$digest" ;;
            *) docker image rm "$repository:$tag" ;;
            esac >/dev/null 2>&1 || true
        done
}

# Ends what was started here, and removes what was made.
cleanup() {
    local containerd mount
    restore_policy
    forget_images
    if [ -n "$setup_registry_pid" ]; then end_process docker-registry "$setup_registry_pid"; fi
    setup_registry_pid=
    if [ -n "$setup_engine_pid" ]; then
        containerd=$(as_root cat "$setup_directory/engine/exec/containerd/containerd.pid" 2>/dev/null || true)
        end_process dockerd "$setup_engine_pid"
        # Its own containerd ends with it, unless dockerd had to be killed.
        if [ -n "$containerd" ] && grep -qsx containerd "/proc/$containerd/comm"; then
            end_process containerd "$containerd"
        fi
        if [ "$setup_had_bridge" = no ] && has_bridge; then
            if command -v ip >/dev/null; then as_root ip link delete docker0; else as_root busybox ip link delete docker0; fi
        fi
        awk -v prefix="$setup_directory/" 'index($5, prefix) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
            while read -r mount; do as_root umount --lazy "$mount" || true; done
    fi
    setup_engine_pid=
    if [ -n "$setup_directory" ]; then
        # What the engine wrote belongs to root.
        if [ -d "$setup_directory/engine" ]; then as_root rm -rf --one-file-system "$setup_directory/engine"; fi
        rm -rf --one-file-system "$setup_directory"
    fi
    setup_directory=
}

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
