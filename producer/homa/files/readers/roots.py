"""What inputs are called in results: the same, however their paths were spelled and wherever the run was started.

A row's name begins with that of its input, a directory or a file, by its last name: `docs`, `./docs/`, `/srv/docs` and
a link to it are all `docs`, and so is `s3://lake/docs`. What matches a pattern is named from the directory in which
the pattern begins: `a.txt` of `docs/*.txt`, as shells that expand it have it. Where two inputs have the same name, each
gets as many of the names before it as tell them apart.
"""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from homa.files.remote.address import address_of, is_address
from homa.files.remote.listing import begin_of

#: Names of a path that are looked at.
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Root:
    """Where an input begins."""

    #: What rows below it are called.
    label: str
    #: As the input spells it: files below it begin so.
    spelled: str
    #: Without links, except in the last name of a file.
    place: str

    def name(self, file: str | Path) -> str:
        """What a file at or below the root is called."""
        if is_address(self.spelled):
            inner = str(file)[len(self.spelled) :].lstrip("/")
            return "/".join(part for part in (self.label, inner) if part)
        return shown(PurePath(self.label, os.path.relpath(file, self.spelled)))

    def key(self, file: str | Path) -> str:
        """Tells whether two inputs lead to the same file."""
        return os.path.normpath(os.path.join(self.place, os.path.relpath(file, self.spelled)))


def roots_of(inputs: Sequence[str]) -> Mapping[str, Root]:
    """The roots of inputs that lead to files: input -> root."""
    begins = {given: _begin(given) for given in dict.fromkeys(inputs)}
    places = {given: begin if is_address(given) else _place(begin) for given, begin in begins.items()}
    patterns = {given: _is_pattern(given, begin) for given, begin in begins.items()}
    labels = _told_apart({(places[given], patterns[given]) for given in begins})
    return {
        given: Root(labels[places[given], patterns[given]], begin, places[given]) for given, begin in begins.items()
    }


def _is_pattern(given: str, begin: str) -> bool:
    return address_of(given).has_wildcard if is_address(given) else begin != given


def _begin(given: str) -> str:
    """The input itself; of a pattern, the directory before its first wildcard."""
    if is_address(given):
        return str(begin_of(address_of(given)))
    if not glob.has_magic(given) or os.path.lexists(given):
        return given
    fixed: list[str] = []
    for part in PurePath(given).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return str(PurePath(*fixed)) if fixed else os.curdir


def _place(begin: str) -> str:
    """One spelling of a path. A file keeps its own name, which may be a link's: `latest.csv` stays `latest.csv`."""
    if os.path.isdir(begin):
        return os.path.realpath(begin)
    folder, name = os.path.split(os.path.abspath(begin))
    return os.path.join(os.path.realpath(folder), name)


def _told_apart(roots: Iterable[tuple[str, bool]]) -> dict[tuple[str, bool], str]:
    """Place, and whether a pattern begins there -> its last names, as few as no other one ends in."""
    labels: dict[tuple[str, bool], str] = {}
    pending, depth = set(roots), 0
    while pending:
        alike: dict[tuple[str, ...], list[tuple[str, bool]]] = defaultdict(list)
        for place, pattern in pending:
            least = depth if pattern else depth + 1
            alike[PurePath(place).parts[1:][-least:] if least else ()].append((place, pattern))
        taken = set(labels.values())
        for names, found in alike.items():
            if len(found) == 1 and (label := "/".join(names)) not in taken:
                labels[found[0]] = label
        pending -= labels.keys()
        depth += 1
        if depth > _DEEPEST:  # a directory, and a pattern that begins in the one above
            labels.update({root: root[0] for root in pending})
            break
    return labels


def shown(file: str | PurePath) -> str:
    """A path in one spelling (`./a//b` is `a/b`), printable even where its bytes are not UTF-8."""
    normal = Path(os.path.normpath(file)).as_posix()
    return os.fsencode(normal).decode("utf-8", "backslashreplace")
