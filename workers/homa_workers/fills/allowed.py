"""What a schedule's batch may read: its maker names the inputs, and a worker stands where the maker may not.

Beside an embedded store both are one user, and anything may be read; elsewhere what the operator has named alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

_WILDCARD = re.compile(r"[*?\[]")


def not_allowed(arguments: Sequence[str], places: Sequence[str] | None) -> str | None:
    """The first file or address among arguments of a run that may not be read; None where all of them may.

    Args:
        arguments: as a schedule keeps them: options, `--`, inputs.
        places: directories, and beginnings of addresses; None: anything may be read.
    """
    if places is None:
        return None
    return next((name for name in _read_by(arguments) if not any(_lies_in(name, place) for place in places)), None)


def _read_by(arguments: Sequence[str]) -> Iterator[str]:
    """Inputs, and what options name: as kept, a path is absolute, and one whose text is a file's begins with @."""
    end = arguments.index("--")
    yield from arguments[end + 1 :]
    for value in arguments[:end]:
        name = value.removeprefix("@")
        if name.startswith(("/", "~")) or (value.startswith("@") and name):
            yield name


def _lies_in(name: str, place: str) -> bool:
    if ".." in name.split("/"):
        return False
    if "://" in name or "://" in place:
        return name == place or name.startswith(place.rstrip("/") + "/")
    # A pattern may lead anywhere below what stands before its first wildcard.
    fixed = name if (found := _WILDCARD.search(name)) is None else os.path.dirname(name[: found.start()])
    real, inside = os.path.realpath(fixed), os.path.realpath(place)
    return real == inside or real.startswith(inside.rstrip("/") + "/")
