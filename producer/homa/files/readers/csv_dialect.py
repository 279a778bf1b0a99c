"""How a table in text is written: what separates its cells, and what its header says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homa_shared.model.errors import InvalidRequest

#: What people separate cells with, the likelier first.
DELIMITERS = (",", ";", "\t", "|")
#: A line that spreadsheets write for one another before the header.
_NAMED = re.compile(r"\Asep=(.)\s*\Z", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
#: Columns beyond which a table is taken for damaged.
MOST_COLUMNS = 20_000
#: What `--delimiter` may be called where a shell makes it hard to type.
_CALLED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


def check_delimiter(given: str | None) -> str | None:
    """One character. Raises InvalidRequest for anything else."""
    if given is None:
        return None
    found = _CALLED.get(given.lower(), given)
    if len(found) != 1 or found in '"\r\n\0':
        raise InvalidRequest(f"--delimiter is {given!r}: expected one character, such as ';', or tab")
    return found


def named_delimiter(line: str) -> str | None:
    """What a line `sep=;` names."""
    found = _NAMED.match(line)
    return found[1] if found else None


def delimiter_of(header: str, usual: str) -> str:
    """What separates the header's names: what stands there most often outside quotes, in doubt the usual one."""
    bare = _QUOTED.sub("", header)
    counts = {each: bare.count(each) for each in (usual, *DELIMITERS)}
    return max(counts, key=lambda each: counts[each])


@dataclass(frozen=True, slots=True)
class Header:
    """A table's columns."""

    columns: list[str]
    #: What was changed about their names, in words; empty where nothing was.
    renamed: str = ""

    @classmethod
    def of(cls, names: Sequence[str], id_column: str | None) -> Header | str:
        """The columns, or what is wrong with the header."""
        if len(names) > MOST_COLUMNS:
            return f"has {len(names):,} columns: at most {MOST_COLUMNS:,} are read"
        taken: set[str] = set()
        columns: list[str] = []
        twice: dict[str, None] = {}
        for number, name in enumerate(names, 1):
            plain = unique = name.strip() or f"column_{number}"
            again = 1
            while unique in taken:
                twice[plain] = None
                again += 1
                unique = f"{plain}_{again}"
            taken.add(unique)
            columns.append(unique)
        if id_column is not None and id_column not in taken:
            return f"header has no column {id_column!r} (--id-column); its columns: {', '.join(columns):.500}"
        return cls(columns, _renamed(twice))


def _renamed(twice: dict[str, None]) -> str:
    if not twice:
        return ""
    first = next(iter(twice))
    return f"header names {', '.join(map(repr, twice)):.200} more than once: read as {first!r}, '{first}_2', …"
