"""A row: one input that becomes one prompt; and a bad row: one that cannot, with the reason.

Every input, good or bad, has exactly one line in the results file, so a bad one is a value that travels beside the good
ones and never an exception that would stop the million after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from homa.files.digests import Digests
from homa_shared.model.errors import InvalidRequest

#: Columns that name a row when --id-column does not; the first one that a row has wins.
DEFAULT_ID_COLUMNS = ("custom_id", "id")


@dataclass(frozen=True, slots=True)
class BadRow:
    """An input that cannot be sent, where it stands and why."""

    custom_id: str
    path: str
    #: Line on which the row starts, from 1; None where the whole file is meant.
    line: int | None
    error: str
    #: The kind of thing that was passed over and not expected to be read: hidden, binary, special; else empty.
    skipped: str = ""

    def __str__(self) -> str:
        return f"{location(self.path, self.line)}: {self.error}"


@dataclass(frozen=True, slots=True)
class Row:
    """An input as it was read; nothing of it is rendered yet."""

    custom_id: str
    path: str
    #: Line on which the row starts, from 1; None where the row is a whole file.
    line: int | None
    #: The document, or the row's field `text`; None where a table has no such column.
    text: str | None
    #: Fields of a JSON line, columns of a table; empty for documents.
    fields: Mapping[str, Any]
    #: The body of an OpenAI batch line (model, messages and parameters as they stand), else None.
    request: dict[str, Any] | None = None
    #: What somebody who relies on the text should know of it.
    notes: tuple[str, ...] = ()
    #: Shown beside the prompt: PNG, JPEG, GIF or WebP.
    images: tuple[bytes, ...] = ()
    #: Where in `text` each page begins, in characters; empty for what has no pages.
    pages: tuple[int, ...] = ()
    #: Number of the page that each image shows, from 1; empty where nobody says.
    image_pages: tuple[int, ...] = ()
    #: Of a part of a document: `units.unit.COLUMNS`, among them where `text` begins and ends in that of the document,
    #: and the number of the page on which it begins, the first of `pages`. None: the row is all of it.
    unit: Mapping[str, Any] | None = None

    @property
    def columns(self) -> list[str]:
        """Names that a template can use for this row."""
        own = list(self.fields)
        if self.text is not None and "text" not in self.fields:
            own.append("text")
        return own if "path" in self.fields else [*own, "path"]

    def rejected(self, error: str) -> BadRow:
        """This row as a bad one, under its own custom_id."""
        return BadRow(self.custom_id, self.path, self.line, error)


def location(path: str, line: int | None) -> str:
    """`path` or `path:line`: where a row stands, and its custom_id when it has none of its own."""
    return path if line is None else f"{path}:{line}"


def bad_row(path: str, line: int | None, error: str) -> BadRow:
    """A bad row under its location: its own custom_id is unknown, or another row has it already."""
    return BadRow(location(path, line), path, line, error)


def skipped_row(path: str, why: str, kind: str) -> BadRow:
    """A bad row for what is passed over."""
    return BadRow(path, path, None, why, kind)


def as_text(value: object) -> str:
    """A field as text: strings as they are, null as the empty cell that it is in a table, everything else as JSON.

    Raises InvalidRequest for a value nested deeper than JSON text can be written.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        raise InvalidRequest("a value nests deeper than can be written as JSON text: flatten it") from None


class Registrar:
    """Gives each row its custom_id and refuses one that an earlier row of the same file has."""

    def __init__(self, id_column: str | None = None) -> None:
        self._id_column = id_column
        self._seen = Digests()
        #: The file, sheet or member whose rows are admitted now, and its ids; those of the first one are all there are.
        self._place: str | None = None
        self._here = self._seen

    def admit(
        self,
        path: str,
        line: int | None,
        fields: Mapping[str, Any],
        *,
        text: str | None = None,
        request: dict[str, Any] | None = None,
    ) -> Row | BadRow:
        """The row under its custom_id, or a bad one when the id is missing, of a wrong kind or taken."""
        try:
            custom_id = self._own_id(fields) or location(path, line)
            if text is None and "text" in fields:
                text = fields["text"]
                if type(text) is not str:
                    text = as_text(text)
        except InvalidRequest as error:
            return self.refused(bad_row(path, line, str(error)))
        return self.admit_as(custom_id, path, line, fields, text, request)

    def admit_as(
        self,
        custom_id: str,
        path: str,
        line: int | None,
        fields: Mapping[str, Any],
        text: str | None,
        request: dict[str, Any] | None,
    ) -> Row | BadRow:
        """The row under an id that is settled already, or a bad one when an earlier row of the file has it.

        An id that a row of another file has is qualified by the file.
        """
        if path != self._place:
            self._here = self._seen if self._place is None else Digests()
            self._place = path
        first = self._here.add(custom_id)
        if self._here is not self._seen and first:
            first = self._seen.add(custom_id)
            if not first and custom_id != location(path, line):
                custom_id = f"{path}#{custom_id}"
                first = self._seen.add(custom_id)
        if first:
            return Row(custom_id, path, line, text, fields, request)
        why = (
            f"custom_id {custom_id!r} stands on an earlier row of this file too: expected one of its own; "
            "change it or name another column with --id-column"
        )
        return self.refused(bad_row(path, line, why))

    def refused(self, bad: BadRow) -> BadRow:
        """A bad row under an id that no other row has, good or bad: two of one id would share a line of the results."""
        custom_id, number = bad.custom_id, 1
        while not self._seen.add(custom_id):
            number += 1
            custom_id = f"{bad.custom_id} ({number})"
        return bad if number == 1 else replace(bad, custom_id=custom_id)

    def knows(self, custom_id: str) -> bool:
        """Whether a row has this id."""
        return custom_id in self._seen

    def _own_id(self, fields: Mapping[str, Any]) -> str | None:
        if self._id_column is None:
            for column in DEFAULT_ID_COLUMNS:
                value = fields.get(column)
                if value is not None and (found := id_text(value)) is not None:
                    return found
            return None
        if not fields:  # a document has no columns: its path names it
            return None
        if self._id_column not in fields:
            raise InvalidRequest(f"has no column {self._id_column!r} (--id-column); its columns: {', '.join(fields)}")
        value = fields[self._id_column]
        if (found := id_text(value)) is None:
            raise InvalidRequest(
                f"column {self._id_column!r} is {value!r:.80}: expected a string or a number as the id"
            )
        return found


def id_text(value: object) -> str | None:
    """A value that can serve as an id as text; None for empty ones and for those that cannot."""
    if type(value) is str:
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def look_ahead(rows: Iterable[Row | BadRow], count: int = 20) -> tuple[list[Row | BadRow], Iterator[Row | BadRow]]:
    """The first `count` rows, and an iterator over all of them, the first ones included."""
    stream = iter(rows)
    head = list(islice(stream, count))
    return head, chain(head, stream)


def columns_of(rows: Iterable[Row | BadRow]) -> list[str]:
    """Every name that a template can use for at least one of these rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, Row) for name in row.columns))
