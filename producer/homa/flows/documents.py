"""Rows that were read from files, as items of a flow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from homa.files.rows import Row


def item_of(row: Row) -> dict[str, Any]:
    """The fields of a row; of a document its path, its text and its pages: one where it has none of its own."""
    item: dict[str, Any] = {"path": row.path, **row.fields}
    if row.text is not None:
        item.setdefault("text", row.text)
        item.setdefault("pages", pages_of(row))
    return item


def pages_of(row: Row) -> list[str]:
    """The text of each page, without those that are empty."""
    text = row.text or ""
    bounds = [*row.pages, len(text)] if row.pages else [0, len(text)]
    return [page for start, end in pairwise(bounds) if (page := text[start:end].strip())]
