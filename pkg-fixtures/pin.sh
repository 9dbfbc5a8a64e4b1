#!/usr/bin/env bash
# Makes every pin of a fixtures monorepo the tag that the pinned package has, until nothing changes any more: a new pin
# changes the tree of its package, and so the pins of those that use it.
#
#   pin.sh [--check] [DIRECTORY]     DIRECTORY is the monorepo beside this script by default
#
# Prints each line that changes. With --check nothing is written, and the exit code is 1 if a line would change. The
# images in outside/images keep their tags: the previous generation of a package and the pin that is stale on purpose.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
check=false
if [ "${1:-}" = --check ]; then
    check=true
    shift
fi
root=$(cd "${1:-$here/monorepo}" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
tar --directory "$root" --create --exclude ./.git . | tar --directory "$tree" --extract --preserve-permissions

# A caller may be a git hook, and the settings of the user must not change a tree.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init --quiet --bare --object-format=sha1 "$work/git"
in_git() { git --git-dir="$work/git" --work-tree="$tree" -C "$tree" "$@"; }

# One line per build yml: directory, image with org, tag template, extra sources.
ymls() {
    local yml
    (cd "$tree" && find . -mindepth 2 -type f -name '*.yml' -printf '%P\n' | sort) | while read -r yml; do
        awk -v directory="$(dirname "$yml")" '
            { value = $2; gsub(/"/, "", value) }
            /^org:/ { org = value }
            /^image:/ { image = value }
            /^tag:/ { template = value }
            /^[^ ]/ { in_sources = /^extra-sources:/ }
            in_sources && /^ *- / { sub(/:[^:]*$/, "", value); sources = sources " " value }
            END { if (image != "") print directory, org "/" image, (template == "" ? "{{.Hash}}" : template) sources }
        ' "$tree/$yml"
    done
}

# A sed script that points every pin at the present tag of its package.
substitutions() {
    local name tag directory image template sources source hash
    # shellcheck disable=SC2034
    while read -r name tag _; do
        printf 's#(/%s):(%s)#\\1@kept@\\2#g\n' "$name" "$tag"
    done < <(grep -v '^#' "$here/outside/images")
    declare -A trees
    while read -r hash directory; do trees[$directory]=$hash; done < <(
        in_git ls-tree -r -d --format='%(objectname) %(path)' "$(in_git write-tree)"
    )
    while read -r directory image template sources; do
        hash=${trees[$directory]}
        if [ -n "$sources" ]; then
            for source in $sources; do
                hash+=${trees[$(realpath --canonicalize-missing --relative-to="$tree" "$tree/$directory/$source")]}
            done
            hash=$(printf %s "$hash" | sha1sum | cut -d ' ' -f 1)
        fi
        # A tag ends where no further character of a tag follows.
        printf 's#(%s):%s([^[:alnum:]_.-]|$)#\\1:%s\\2#g\n' "$image" \
            "${template/'{{.Hash}}'/[0-9a-f]{40\}}" "${template/'{{.Hash}}'/$hash}"
    done <"$work/ymls"
    echo 's#@kept@#:#g'
}

ymls >"$work/ymls"
mapfile -t dockerfiles < <(cd "$tree" && find . -type f -name 'Dockerfile*' -printf '%P\n' | sort)

rounds=$(wc -l <"$work/ymls")
before=
while in_git add --all . && after=$(in_git write-tree) && [ "$after" != "$before" ]; do
    if [ "$rounds" -lt 0 ]; then
        echo "pin.sh: the pins of $root form a cycle" >&2
        exit 1
    fi
    rounds=$((rounds - 1))
    before=$after
    substitutions >"$work/sed"
    (cd "$tree" && sed --regexp-extended --in-place --file "$work/sed" "${dockerfiles[@]}")
done

changed=0
for file in "${dockerfiles[@]}"; do
    if ! cmp --silent "$root/$file" "$tree/$file"; then
        changed=$((changed + 1))
        echo "$file"
        diff "$root/$file" "$tree/$file" | grep '^[<>]' || true
        # Written in place, so that the mode of the file stays.
        "$check" || cat "$tree/$file" >"$root/$file"
    fi
done
if "$check" && [ "$changed" -gt 0 ]; then
    echo "pin.sh: the pins of $changed files have drifted; run pkg-fixtures/pin.sh" >&2
    exit 1
fi
