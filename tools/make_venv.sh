#!/bin/sh
# Makes a virtual environment from the newest Python that can: usage: tools/make_venv.sh DIRECTORY
# PYTHON names an interpreter to use instead of looking for one.
set -eu

venv=$1
too_old=
without_venv=

# A name on PATH may be a version manager's shim that cannot run: only what answers counts.
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
    version=$(version_of "$candidate") || continue
    if ! new_enough "$candidate"; then
        too_old="$too_old $candidate ($version)"
    elif ! can_make_venv "$candidate"; then
        without_venv=${without_venv:-$version}
    else
        echo "Making $venv with $candidate ($version)" >&2
        exec "$candidate" -m venv --clear "$venv"
    fi
done

if [ -n "$without_venv" ]; then
    echo "Python $without_venv is here, but not its venv module. On Debian and Ubuntu:" >&2
    echo "    apt-get install python$without_venv-venv" >&2
elif [ -n "$too_old" ]; then
    echo "Homa needs Python 3.11 or newer; found only:$too_old. Install a newer one, or name it: make PYTHON=/path/to/python" >&2
else
    echo "Homa needs Python 3.11 or newer; found none${PYTHON:+ at $PYTHON}. On Debian and Ubuntu:" >&2
    echo "    apt-get install python3 python3-venv" >&2
fi
exit 1
