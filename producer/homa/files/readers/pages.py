"""Pages of a document, put together to its text."""

from __future__ import annotations

from collections.abc import Sequence

#: Between the texts of two pages.
PAGE_BREAK = "\n\n"


def paged(pages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The text of all pages, and where in it each begins."""
    starts: list[int] = []
    parts: list[str] = []
    at = 0
    for page in pages:
        page = page.strip("\n")
        starts.append(at)
        parts.append(page)
        at += len(page) + len(PAGE_BREAK)
    return PAGE_BREAK.join(parts), tuple(starts)
