"""Where headings stand in a text: those of Markdown, as readers write it for all kinds of documents.

Texts are anybody's: each pattern takes time in proportion to the text, whatever it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

#: `# Title`, or the beginning or end of a block of code.
_ATX = re.compile(r"^ {0,3}(?:(?P<fence>`{3,}+|~{3,}+)|(?P<marks>#{1,6}+)[ \t]++(?P<title>\S.*)$)", re.MULTILINE)
#: A line of its own that is underlined.
_SETEXT = re.compile(r"(?:\A|(?<=\n\n))(?P<title>[^\s#>|`~-].*)\n(?P<line>={3,}+|-{3,}+)[ \t]*+$", re.MULTILINE)
#: Files in which a line that begins with # is a comment.
_COMMENTED = frozenset(
    {
        ".bash", ".cfg", ".cmake", ".conf", ".ex", ".exs", ".ini", ".jl", ".mk", ".nix", ".pl", ".pm", ".properties",
        ".ps1", ".py", ".pyi", ".r", ".rb", ".sh", ".tcl", ".tf", ".toml", ".yaml", ".yml", ".zsh",
    }
)  # fmt: skip
#: Characters of a title that are told.
_MOST_TITLE = 200


class Heading(NamedTuple):
    """A heading of a text."""

    start: int
    #: Behind its own line.
    end: int
    #: 1 is the highest.
    level: int
    #: Its title behind those that it stands under: `Contract > Payment`.
    path: str


def headings(text: str, path: str = "") -> list[Heading]:
    """The headings of a text in their order; none of files in which a `#` begins a comment."""
    if PurePath(path).suffix.lower() in _COMMENTED:
        return []
    found: list[tuple[int, int, int, str]] = []
    begins: list[int] = []
    ends: list[int] = []
    opened = ""
    for match in _ATX.finditer(text):
        if fence := match["fence"]:
            if not opened:
                opened = fence
                begins.append(match.start())
            elif fence.startswith(opened):
                opened = ""
                ends.append(match.end())
        elif not opened:
            found.append((match.start(), match.end(), len(match["marks"]), _title(match["title"])))
    for match in _SETEXT.finditer(text):
        block = bisect_right(begins, match.start()) - 1
        if block < 0 or (block < len(ends) and ends[block] <= match.start()):
            level = 1 if match["line"].startswith("=") else 2
            found.append((match.start(), match.end(), level, _title(match["title"])))
    return _placed(sorted(found))


def heading_path(found: Sequence[Heading], at: int) -> str:
    """The headings under which a place stands, the highest first."""
    index = bisect_right(found, at, key=lambda each: each.start) - 1
    return found[index].path if index >= 0 else ""


def _title(line: str) -> str:
    """A heading's words, without the marks that may close it."""
    said = line[:_MOST_TITLE].rstrip()
    bare = said.rstrip("#")
    return bare.rstrip() if bare != said and bare[-1:].isspace() else said


def _placed(found: Sequence[tuple[int, int, int, str]]) -> list[Heading]:
    """The same with what each stands under."""
    placed: list[Heading] = []
    above: list[tuple[int, str]] = []
    for start, end, level, title in found:
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        placed.append(Heading(start, end, level, " > ".join(name for _, name in above)))
    return placed
