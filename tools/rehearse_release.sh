#!/bin/sh
# Everything of a release but publishing it: version, sdist and wheel, what the index would say of them, each extra in a clean
# environment, the bill of materials. Usage: tools/rehearse_release.sh [DIRECTORY]
# PY is an interpreter whose environment has requirements/dev.txt.
set -eu
: "${PY:=.venv/bin/python}"
PY=$(cd "$(dirname "$PY")" && pwd)/$(basename "$PY")
mkdir -p "${1:-build/release}"
out=$(cd "${1:-build/release}" && pwd)

say() { echo "rehearsal: $*" >&2; }

rm -rf "$out"
mkdir -p "$out"
# In a copy with a remote that nobody is asked at: what the commits say the next version is.
git clone --quiet --no-hardlinks . "$out/copy"
version=$(cd "$out/copy" && git checkout --quiet -B main && git remote set-url origin https://github.com/homa/homa.git \
    && "$PY" -m semantic_release --noop version --print 2>/dev/null)
rm -rf "$out/copy"
say "the next version is $version"
"$PY" -m build --no-isolation --outdir "$out/dist" . >"$out/build.log" 2>&1 || { cat "$out/build.log" >&2; exit 1; }
"$PY" -m twine check --strict "$out"/dist/*
"$PY" -m cyclonedx_py requirements requirements/runtime.txt --pyproject pyproject.toml --mc-type library \
    --output-reproducible --output-format JSON --output-file "$out/homa.cdx.json"
say "$("$PY" -c "import json, sys; print(len(json.load(open(sys.argv[1]))['components']), 'components in', sys.argv[1])" "$out/homa.cdx.json")"

# The wheel as somebody installs it, at the versions that the tests ran with.
wheel=$(ls "$out"/dist/*.whl)
grep -oE '^[A-Za-z0-9._-]+(\[[^]]*\])?==[^ ]+( ; [^\\]+)?' requirements/dev.txt | sed 's/\[[^]]*\]//' >"$out/versions.txt"
extras=$("$PY" -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'])")
for extra in "" $extras; do
    clean=$out/clean-${extra:-client}
    "$PY" -m uv venv --quiet --python "$PY" "$clean"
    "$PY" -m uv pip install --quiet --python "$clean/bin/python" --constraint "$out/versions.txt" "$wheel${extra:+[$extra]}" 2>"$out/install.log" \
        || { cat "$out/install.log" >&2; exit 1; }
    "$PY" -m uv pip check --quiet --python "$clean/bin/python"
    "$clean/bin/homa" --version >/dev/null
    "$clean/bin/python" -W error -c "import homa; homa.Homa, homa.AsyncHoma"
    say "[${extra:-light client}] installs, and starts"
    rm -rf "$clean"
done
