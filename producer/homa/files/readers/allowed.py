"""Whether a file or address lies in places that may be read, where others name what this process reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import unquote

_WILDCARD = re.compile(r"[*?\[]")


def lies_in(name: str, places: Iterable[str]) -> bool:
    """Whether a path, pattern or address lies in one of the places, directories and beginnings of addresses."""
    return any(_lies_in(name, place) for place in places)


def _lies_in(name: str, place: str) -> bool:
    # A web server may take `%2e%2e` for `..`, and a backslash for a slash.
    if ".." in (unquote(name).replace("\\", "/") if "://" in name else name).split("/"):
        return False
    if "://" in name or "://" in place:
        return name == place or name.startswith(place.rstrip("/") + "/")
    # A pattern may lead anywhere below what stands before its first wildcard; what it leads to is looked at again.
    fixed = name if (found := _WILDCARD.search(name)) is None else os.path.dirname(name[: found.start()])
    return is_within(fixed, place)


def is_within(file: str | os.PathLike[str], place: str) -> bool:
    """Whether a file lies in a directory, wherever links lead."""
    real, inside = os.path.realpath(file), os.path.realpath(place)
    return real == inside or real.startswith(inside.rstrip("/") + "/")
