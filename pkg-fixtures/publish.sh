#!/usr/bin/env bash
# Publishes on a registry what the fixtures name and do not build: the base image, made from this machine's static
# busybox, and the images listed in outside/images, which are the same bytes with the same digests everywhere.
#
#   publish.sh REGISTRY[/PATH]     PATH is `fixtures` by default; plain HTTP
#
# What is there already is left alone. Needs curl, tar, sha256sum and Debian's busybox-static; no engine.
set -euo pipefail
export LC_ALL=C
unset TAR_OPTIONS

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "usage: publish.sh REGISTRY[/PATH]" >&2; exit 2; }
registry=${1%%/*}
path=fixtures
case $1 in */*) path=${1#*/} ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "publish.sh: $*" >&2
    exit 1
}

request() { curl --silent --show-error --fail --noproxy '*' --max-time 60 "$@"; }

digest_of() { sha256sum "$1" | sed 's/^\([0-9a-f]*\).*/sha256:\1/'; }

size_of() { stat -c %s "$1"; }

# DIRECTORY FILE: the files as an uncompressed layer whose bytes depend on names, contents and exec bits only.
layer() {
    tar --directory "$1" --create --file "$2" --format ustar --sort name --mtime @0 \
        --owner 0 --group 0 --numeric-owner --mode 'a+rX,u+w,go-w' --blocking-factor 20 .
}

# REPOSITORY FILE: uploads a blob unless it is there.
put_blob() {
    local digest location
    digest=$(digest_of "$2")
    if request --head --output /dev/null "http://$registry/v2/$1/blobs/$digest" 2>/dev/null; then return; fi
    location=$(request --request POST --dump-header - --output /dev/null "http://$registry/v2/$1/blobs/uploads/" |
        tr -d '\r' | sed -n 's/^[Ll]ocation: *//p')
    case $location in /*) location=http://$registry$location ;; esac
    case $location in *\?*) location="$location&digest=$digest" ;; *) location="$location?digest=$digest" ;; esac
    request --request PUT --header 'Content-Type: application/octet-stream' --data-binary "@$2" \
        --output /dev/null "$location"
}

# NAME TAG FORMAT LAYER COMMAND [DIGEST]: makes an image of one layer and publishes it, if its digest is as expected.
publish() {
    local repository=$path/$1 tag=$2 format=$3 layer=$4 command=$5 expected=${6:-} prefix layer_type manifest_type
    local config=$work/config manifest=$work/manifest digest architecture=amd64
    [ -n "$expected" ] || architecture=$(dpkg --print-architecture)
    case $format in
    docker)
        manifest_type=application/vnd.docker.distribution.manifest.v2+json
        prefix=application/vnd.docker.container.image.v1
        layer_type=application/vnd.docker.image.rootfs.diff.tar
        ;;
    oci)
        manifest_type=application/vnd.oci.image.manifest.v1+json
        prefix=application/vnd.oci.image.config.v1
        layer_type=application/vnd.oci.image.layer.v1.tar
        ;;
    *) fail "outside/images: unknown format \`$format\`" ;;
    esac
    printf '{"created":"1970-01-01T00:00:00Z","architecture":"%s","os":"linux","config":{"Cmd":%s},%s}' \
        "$architecture" "$command" \
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"$(digest_of "$layer")\"]}" >"$config"
    printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$manifest_type" \
        "{\"mediaType\":\"$prefix+json\",\"size\":$(size_of "$config"),\"digest\":\"$(digest_of "$config")\"}" \
        "{\"mediaType\":\"$layer_type\",\"size\":$(size_of "$layer"),\"digest\":\"$(digest_of "$layer")\"}" >"$manifest"
    digest=$(digest_of "$manifest")
    if [ -n "$expected" ] && [ "$digest" != "$expected" ]; then
        fail "outside/$1 makes $digest, but outside/images and the fixtures name $expected"
    fi
    put_blob "$repository" "$config"
    put_blob "$repository" "$layer"
    request --request PUT --header "Content-Type: $manifest_type" --data-binary "@$manifest" --output /dev/null \
        "http://$registry/v2/$repository/manifests/$tag"
    echo "$registry/$repository:$tag@$digest"
}

request --output /dev/null "http://$registry/v2/" || fail "no registry answers at http://$registry/v2/"

busybox=$(dpkg -L busybox-static 2>/dev/null | grep -E '/bin/busybox$') || fail "install Debian's package busybox-static"
mkdir -p "$work/busybox/bin" "$work/busybox/tmp" "$work/busybox/etc"
cp "$busybox" "$work/busybox/bin/busybox"
chmod 755 "$work/busybox/bin/busybox"
"$busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$work/busybox/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$work/busybox/etc/passwd"
layer "$work/busybox" "$work/busybox.tar"
publish busybox 1 docker "$work/busybox.tar" '["/bin/sh"]'

while read -r name tag format digest; do
    layer "$here/outside/$name" "$work/$name.tar"
    publish "$name" "$tag" "$format" "$work/$name.tar" 'null' "$digest"
done < <(grep -v '^#' "$here/outside/images")
