"""Results as a table that cannot be appended to: Parquet, XLSX, SQLite.

A run appends to a journal beside the table (`out.parquet.journal.jsonl`, the same lines as a JSON Lines file with the
input's fields) and makes the table from it when it closes, in one step. Killed at any moment, the journal has every
answer. It is removed when every input has a whole answer that the table holds; while any is missing, failed or cut, it
stays, and a resumed run goes on from it. Where there is none, a resumed run makes it from the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from homa.files.readers.jsonl import EXACT_BOUND
from homa.files.result_line import line_bytes
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import INT64, Kind, Layout
from homa.files.writers.jsonl import JsonlRecords, JsonlResults, read_line
from homa.files.writers.output_file import OutputFile
from homa_shared.model.errors import InvalidRequest

#: A line of `result_line`, and its input's fields.
Record = tuple[Mapping[str, Any], Mapping[str, Any]]


class Table(Protocol):
    """A kind of table, at its place."""

    @property
    def name(self) -> str:
        """Its place, as people are told it."""
        ...

    @property
    def journal(self) -> Path:
        """Where its journal is."""
        ...

    def check(self, layout: Layout) -> None:
        """Raises MissingExtra or InvalidRequest where it cannot be read, or written with these columns."""
        ...

    def exists(self) -> bool: ...

    def make(self, layout: Layout) -> bool:
        """Makes it from the journal, in place of any earlier one, in one step; whether it holds all that was said."""
        ...

    def read(self, layout: Layout) -> Iterator[Mapping[str, Any]]:
        """Its records by the names of the layout's columns. Raises InvalidRequest where it is no table of results."""
        ...


class JournaledResults(ResultsWriter):
    """Journals each line; the table is made at the end."""

    def __init__(self, journal: JsonlResults, table: Table, layout: Layout) -> None:
        super().__init__(journal.done, JsonlRecords(keep_fields=True))
        self._journal = journal
        self._table = table
        self._layout = layout
        self._left_out: set[str] = set()
        self._closed = False

    @property
    def left_out(self) -> frozenset[str]:
        return frozenset(self._left_out)

    def lines_file(self) -> OutputFile:
        return self._journal.lines_file()

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._journal.write(line, fields)
        self._left_out |= self._layout.left_out(fields)

    def _close(self, *, finished: bool) -> None:
        if self._closed:
            return
        self._closed = True
        try:  # under the journal's lock, so that no other run adds to it what would then be lost
            self._journal.sync()
            whole = self._table.make(self._layout)
            if finished and whole and not self.failed and not self.cut:
                self._table.journal.unlink()
        finally:
            self._journal.close()


def journal_path(path: Path) -> Path:
    """The journal of a table."""
    return path.with_name(path.name + ".journal.jsonl")


def records_of(journal: Path) -> Iterator[Record]:
    """What a journal holds."""
    with journal.open("rb") as lines:
        for raw in lines:
            line = read_line(raw)
            if line is not None:  # the run's own journal: only a write that failed half-way leaves anything else
                yield line, _exact(line["input"], raw)


def _exact(fields: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """A journal line's input, read anew where it holds a number that a float stands in for."""
    if not any(type(value) is float and abs(value) >= EXACT_BOUND for value in fields.values()):
        return fields
    exact: dict[str, Any] = json.loads(raw)["input"]
    return exact


def typed(layout: Layout, journal: Path) -> Layout:
    """The layout with the types that the input's columns have in all records; text where they have several."""
    kinds: dict[str, Kind | None] = dict.fromkeys(layout.inputs)
    for _, fields in records_of(journal):
        for name, kind in kinds.items():
            if kind is not Kind.TEXT and (value := fields.get(name)) is not None:
                kinds[name] = _common(kind, _kind(value))
    return layout.with_kinds({name: kind or Kind.TEXT for name, kind in kinds.items()})


def _kind(value: object) -> Kind:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int):
        return Kind.INTEGER if value in INT64 else Kind.TEXT
    return Kind.NUMBER if isinstance(value, float) else Kind.TEXT


def _common(known: Kind | None, found: Kind) -> Kind:
    if known is None or known is found:
        return found
    return Kind.NUMBER if {known, found} == {Kind.INTEGER, Kind.NUMBER} else Kind.TEXT


def journal_lines(layout: Layout, records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A finished table as the lines of its journal. Raises InvalidRequest where it lacks columns of the answers."""
    for record in records:
        if missing := [name for name in layout.answer_header if name not in record]:
            raise InvalidRequest(
                f"--resume: the table has columns {', '.join(record)}: expected {', '.join(missing)} too; "
                "give the same schema, or another --output"
            )
        line, fields = layout.line(record)
        yield line_bytes({**line, "input": fields})
