"""Pieces of Markdown that readers put together: tables, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MANY_LINES = re.compile(r"\n{3,}")


def table(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row is the header; rows are filled up to the widest."""
    cells = [[cell(each) for each in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join(["---"] * width) + " |")
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text on one line that does not end its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def heading(level: int, text: str) -> str:
    """A heading of level 1 to 6."""
    return f"{'#' * max(1, min(level, 6))} {' '.join(text.split())}"


def link(text: str, target: str) -> str:
    """A link where its target is worth a token."""
    text = " ".join(text.split())
    if not text or not target or target.startswith(("#", "javascript:", "data:")) or target == text:
        return text
    return f"[{text}]({target.replace(' ', '%20').replace(')', '%29')})"


def tidy(text: str) -> str:
    """At most one empty line in a row, none at the ends, no blanks before newlines."""
    if not text.strip():
        return ""
    return _MANY_LINES.sub("\n\n", "\n".join(line.rstrip(" \t") for line in text.split("\n"))).strip(" \n") + "\n"


def blocks(parts: Iterable[str]) -> str:
    """Blocks with an empty line between them."""
    return tidy("\n\n".join(part for part in parts if part.strip()))
