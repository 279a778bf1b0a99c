"""The texts that a row's prompt was made of: what its answer's quotes are looked for in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from homa.files.prompt_template import MissingField, PromptTemplate
from homa.files.rows import Row, as_text

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
    #: It was shown in images, too, in which nobody can look for a quote.
    shown: bool = False

    @classmethod
    def of(cls, row: Row, template: PromptTemplate, names: Iterable[str]) -> Sources:
        """The sources of a row.

        Args:
            names: what the prompt uses of it.
        """
        texts = {name: text for name in names if name != "path" and (text := _said(row, template, name))}
        texts = dict(sorted(texts.items(), key=lambda each: each[0] != _TEXT))
        pages = () if _TEXT in row.fields else row.pages
        return cls(row.path, row.line, texts, pages, bool(row.images))

    def pages_of(self, name: str) -> tuple[int, ...]:
        """Where pages begin in one of the texts."""
        return self.pages if name == _TEXT else ()

    def packed(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "file": self.file,
            "line": self.line,
            "texts": dict(self.texts),
            "pages": list(self.pages),
            "shown": self.shown,
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Sources:
        return cls(packed["file"], packed["line"], packed["texts"], tuple(packed["pages"]), packed["shown"])


def _said(row: Row, template: PromptTemplate, name: str) -> str:
    try:
        return as_text(template.value(name, row))
    except MissingField:
        return ""
