"""Where headings stand in a text: those of Markdown, as readers write it for all kinds of documents."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

#: `# Title`, or the beginning or end of a block of code.
_ATX = re.compile(r"^ {0,3}(?:(?P<fence>`{3,}|~{3,})|(?P<marks>#{1,6})[ \t]+(?P<title>\S.*?)[ \t#]*$)", re.MULTILINE)
#: A line of its own that is underlined.
_SETEXT = re.compile(r"(?:\A|(?<=\n\n))(?P<title>[^\s#>|`~-].*)\n(?P<line>={3,}|-{3,})[ \t]*$", re.MULTILINE)
#: Files in which a line that begins with # is a comment.
_COMMENTED = frozenset(
    {
        ".bash", ".cfg", ".cmake", ".conf", ".ex", ".exs", ".ini", ".jl", ".mk", ".nix", ".pl", ".pm", ".properties",
        ".ps1", ".py", ".pyi", ".r", ".rb", ".sh", ".tcl", ".tf", ".toml", ".yaml", ".yml", ".zsh",
    }
)  # fmt: skip


class Heading(NamedTuple):
    """A heading of a text."""

    start: int
    #: Behind its own line.
    end: int
    #: 1 is the highest.
    level: int
    title: str


def headings(text: str, path: str = "") -> list[Heading]:
    """The headings of a text in their order; none of files in which a `#` begins a comment."""
    if PurePath(path).suffix.lower() in _COMMENTED:
        return []
    found: list[Heading] = []
    fences: list[tuple[int, int]] = []
    opened, began = "", 0
    for match in _ATX.finditer(text):
        if fence := match["fence"]:
            if not opened:
                opened, began = fence, match.start()
            elif fence.startswith(opened):
                fences.append((began, match.end()))
                opened = ""
        elif not opened:
            found.append(Heading(match.start(), match.end(), len(match["marks"]), match["title"]))
    for match in _SETEXT.finditer(text):
        level = 1 if match["line"].startswith("=") else 2
        if not any(begin <= match.start() < end for begin, end in fences):
            found.append(Heading(match.start(), match.end(), level, match["title"].strip()))
    return sorted(found)


def heading_path(found: Sequence[Heading], at: int) -> str:
    """The headings under which a place stands, the highest first: `Contract > Payment`."""
    path: list[Heading] = []
    for index in range(bisect_right(found, at, key=lambda each: each.start) - 1, -1, -1):
        heading = found[index]
        if not path or heading.level < path[-1].level:
            path.append(heading)
        if heading.level == 1:
            break
    return " > ".join(heading.title for heading in reversed(path))
