#!/bin/sh
# Installs a lock into an environment exactly as it stands: usage: tools/install.sh VENV LOCK [--with-tree]
# `--with-tree` installs this tree too, editable, by the build backend that the lock holds.
#
# Nothing is resolved: each line of LOCK is installed at its version with its hash, dependencies are not looked at, and
# what is there afterwards is checked to be whole. So a release of tomorrow cannot break a commit of today.
# uv does it in a second where pip takes half a minute; where uv cannot be had, pip does the same.
set -eu

venv=$1
lock=$2
with_tree=${3:-}
here=$(cd "$(dirname "$0")/.." && pwd)
python=$venv/bin/python

quiet_pip() { "$python" -m pip --disable-pip-version-check --no-input --quiet "$@"; }

# uv reads no pip.conf: a machine whose pip asks a mirror has uv ask the same.
mirror() {
    quiet_pip config list 2>/dev/null | sed -n "s/^.*\.index-url='\(.*\)'\$/\1/p" | tail -n 1
}

have_uv() {
    wanted=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$here/requirements/install.txt")
    case $("$python" -m uv --version 2>/dev/null) in
        "uv $wanted" | "uv $wanted "*) return 0 ;;
    esac
    quiet_pip install --no-deps --require-hashes --only-binary=:all: -r "$here/requirements/install.txt"
}

if have_uv; then
    index=$(mirror)
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX="$index"
    fi
    "$python" -m uv --quiet pip install --python "$python" \
        --no-deps --require-hashes --only-binary :all: -r "$lock"
else
    echo "uv is not to be had here: pip installs instead, which takes longer" >&2
    quiet_pip install --no-deps --require-hashes --only-binary=:all: -r "$lock"
fi
if [ "$with_tree" = --with-tree ]; then
    quiet_pip install --no-deps --no-build-isolation --no-index --editable "$here"
fi
# pip's own check of what stands in the environment now; it prints what is missing or of a wrong version.
if ! missing=$("$python" -m pip --disable-pip-version-check check 2>&1); then
    echo "$missing" >&2
    echo "$lock is not complete: its packages need the above. \`make lock\` compiles it anew" >&2
    exit 1
fi
