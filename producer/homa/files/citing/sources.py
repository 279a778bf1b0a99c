"""The texts that a row's prompt was made of: what its answer's quotes are looked for in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from homa.files.citing.quotes import FoundQuote
from homa.files.prompt_template import MissingField, PromptTemplate
from homa.files.rows import Row, as_text
from homa.files.units.unit import APART

#: The document itself, whose pages are known.
_TEXT = "text"


@dataclass(frozen=True, slots=True)
class Sources:
    """What a row's answer may rest on."""

    #: Where the row comes from, as results name it; the line of a row of a table.
    file: str
    line: int | None
    #: What the template put into the prompt, by its names; the document first.
    texts: Mapping[str, str]
    #: Where in the document each page begins, in characters.
    pages: tuple[int, ...] = ()
    #: Where the row is a part of a document: the character and the page of it at which it begins.
    begins: int = 0
    first_page: int = 1
    #: It was shown in images, too, in which nobody can look for a quote.
    shown: bool = False

    @classmethod
    def of(cls, row: Row, template: PromptTemplate, names: Iterable[str]) -> Sources:
        """The sources of a row.

        Args:
            names: what the prompt uses of it.
        """
        names = [name for name in names if name != "path" and not _is_of_unit(row, name)]
        texts = {name: text for name in names if (text := _said(row, template, name))}
        texts = dict(sorted(texts.items(), key=lambda each: each[0] != _TEXT))
        unit = row.unit or {}
        begins, page = unit.get("start") or 0, unit.get("page") or 1
        return cls(row.path, row.line, texts, row.pages, begins, page, bool(row.images))

    def pages_of(self, name: str) -> tuple[int, ...]:
        """Where pages begin in one of the texts."""
        return self.pages if name == _TEXT else ()

    def in_document(self, name: str, found: FoundQuote) -> FoundQuote:
        """A quote of one of the texts with its place in all of the document."""
        if name != _TEXT or found.start is None or found.end is None:
            return found
        page = None if found.page is None else found.page + self.first_page - 1
        return replace(found, start=found.start + self.begins, end=found.end + self.begins, page=page)

    def packed(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "file": self.file,
            "line": self.line,
            "texts": dict(self.texts),
            "pages": list(self.pages),
            "begins": self.begins,
            "first_page": self.first_page,
            "shown": self.shown,
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Sources:
        return cls(**{**packed, "pages": tuple(packed["pages"])})


def _is_of_unit(row: Row, name: str) -> bool:
    """Whether a column only says which part of the document the row is."""
    if row.unit is None:
        return False
    return name.removeprefix(APART) in row.unit and (name.startswith(APART) or f"{APART}{name}" not in row.fields)


def _said(row: Row, template: PromptTemplate, name: str) -> str:
    try:
        return as_text(template.value(name, row))
    except MissingField:
        return ""
