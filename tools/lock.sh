#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml: exact versions with hashes, for every Python from 3.11 on and every
# platform, naming no index. `--upgrade` takes the newest versions; without it those of the present files are kept.
# PY is an interpreter whose environment has the locked uv (`make lock` sees to it).
set -eu

compile() {
    name=$1
    shift
    output=requirements/$name.txt
    # Written aside first: a failed resolution leaves the present lock alone.
    cp "$output" "$output.new" 2>/dev/null || true
    # Extras are kept: a line `google-auth[requests]==…` says which of a package's parts the lines below serve.
    "$PY" -m uv --no-config pip compile "$@" --output-file "$output.new" --quiet \
        --universal --python-version 3.11 --generate-hashes --no-strip-extras \
        --no-header --no-emit-index-url --no-emit-find-links
    { echo "# Written by \`make lock\` from pyproject.toml: do not edit."; grep -v '^# Written by' "$output.new"; } > "$output"
    rm "$output.new"
    if grep -nE '://|^-|(^|[ @])/' "$output"; then
        echo "$output names an address or a path (above): it would not install elsewhere" >&2
        exit 1
    fi
    echo "$output: $(grep -c '==' "$output") packages" >&2
}

compile dev pyproject.toml --extra all --group dev "$@"
# One set of versions: what runs in production, builds, installs and releases is what the tests ran with.
compile runtime pyproject.toml --extra workers --extra gateway --extra bedrock --extra gemini --extra blobs \
    --extra otel --extra encryption \
    --constraint requirements/dev.txt "$@"
compile demo pyproject.toml --extra local --group build --constraint requirements/dev.txt "$@"
compile build --group build --constraint requirements/dev.txt "$@"
compile release --group release --constraint requirements/dev.txt "$@"
compile install --group install --constraint requirements/dev.txt "$@"
