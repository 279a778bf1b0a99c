"""A result as a flat record for CSV and Parquet: input columns, the answer, Homa's part.

The first column is `custom_id`; then the input's columns; then `text`, or the fields of the schema followed by `text`;
then `error` and Homa's own columns. With a schema, `text` holds the reply only where the columns do not hold all of it,
so that nothing paid for is lost. A name that an earlier column has gets `reply_` in front. Nested values are JSON text.
This is a view of the first choice's text; the JSON Lines format has the whole answer.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from homa.files.rows import as_text
from homa_shared.calls.reply import message_text
from homa_shared.model.errors import InvalidRequest


class Kind(StrEnum):
    """What a column holds; CSV writes all of them as text."""

    TEXT = "text"
    INTEGER = "integer"  # 64 bits
    NUMBER = "number"
    BOOLEAN = "boolean"
    USD = "usd"  # a decimal string of dollars


#: Homa's columns, each the part's field of that name after `homa_`.
HOMA_KINDS = {
    "job": Kind.TEXT,
    "provider": Kind.TEXT,
    "model": Kind.TEXT,
    "finish_reason": Kind.TEXT,
    "attempts": Kind.INTEGER,
    "cost_usd": Kind.USD,
    "cached": Kind.BOOLEAN,
    "queued_ms": Kind.INTEGER,
    "latency_ms": Kind.INTEGER,
    "row": Kind.TEXT,
    "order": Kind.TEXT,
}
#: Answers that carry quotes have these, too, before what a line answers: the quotes, and how many their texts lack.
_CITED_KINDS = {"citations": Kind.TEXT, "unverified": Kind.INTEGER}
#: Those of them that files of earlier releases do not have, for each of these releases.
_LATER: tuple[frozenset[str], ...] = (frozenset({"row", "order"}), frozenset({"finish_reason", "row", "order"}))
INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a flat results file."""

    name: str
    kind: Kind = Kind.TEXT

    def holds(self, value: object) -> bool:
        """Whether a JSON value fits without loss."""
        if value is None or self.kind is Kind.TEXT:
            return True
        if self.kind is Kind.BOOLEAN:
            return isinstance(value, bool)
        if isinstance(value, bool):
            return False
        if self.kind is Kind.INTEGER:
            return isinstance(value, int) and value in INT64
        return isinstance(value, int | float)


class Layout:
    """Which columns a flat results file has, and how a line becomes a record."""

    def __init__(
        self,
        inputs: Iterable[str] = (),
        schema: Mapping[str, Any] | None = None,
        *,
        kinds: Mapping[str, Kind] | None = None,
        cite: bool = False,
    ) -> None:
        """Lay out the columns.

        Args:
            inputs: names of the input's columns, as `columns_of` tells them.
            schema: JSON schema of the reply, as `--schema` gives it; None for plain text.
            kinds: types of the input's columns; text for those that it does not have.
            cite: answers carry quotes.
        """
        self._cite, self._homa = cite, _homa_kinds(cite)
        self.inputs = [name for name in inputs if name != "custom_id"]
        self._schema, self._kinds = schema, kinds or {}
        self._answer = schema_columns(schema) if schema is not None else []
        #: All columns in order, each name once.
        self.columns: tuple[Column, ...] = self._laid_out()

    def with_kinds(self, kinds: Mapping[str, Kind]) -> Layout:
        """The same columns, with types for the input's."""
        return Layout(self.inputs, self._schema, kinds=kinds, cite=self._cite)

    def _laid_out(self, without: Container[str] = ()) -> tuple[Column, ...]:
        homa = [Column(f"homa_{name}", kind) for name, kind in self._homa.items() if name not in without]
        inputs = [Column(name, self._kinds.get(name, Kind.TEXT)) for name in self.inputs]
        return _distinct([Column("custom_id"), *inputs, *self._answer, Column("text"), Column("error"), *homa])

    @property
    def answer_header(self) -> list[str]:
        """Names of the columns that hold the answer."""
        return self.header[1 + len(self.inputs) :][: len(self._answer) + 2]

    def input_cells(self, fields: Mapping[str, Any]) -> list[Any]:
        """Values for the columns of the input, which stand behind the first column."""
        return [fields.get(name) for name in self.inputs]

    @property
    def older_headers(self) -> list[list[str]]:
        """The headers of files that earlier releases wrote."""
        return [[column.name for column in self._laid_out(later)] for later in _LATER]

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns]

    def record(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> list[Any]:
        """JSON values in the order of the columns; None where there is none.

        Args:
            line: a line of `result_line`.
            fields: the input's fields.
        """
        error = line["error"]
        return [
            line["custom_id"],
            *self.input_cells(fields),
            *self._reply(line),
            f"{error['code']}: {error['message']}" if error else None,
            *(line["homa"].get(name) for name in self._homa),
        ]

    def line(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The line that a record was made of, as far as the columns hold it, and its input's fields.

        Args:
            record: by the names of its columns; a column that it lacks is empty.
        """
        cells = iter([record.get(column.name) for column in self.columns])
        custom_id = str(next(cells))
        fields = {name: next(cells) for name in self.inputs}
        reply = {column.name: next(cells) for column in self._answer}
        text, error = next(cells), next(cells)
        homa = dict(zip(self._homa, cells, strict=True))
        if isinstance(quotes := homa.get("citations"), str):
            homa["citations"] = orjson.loads(quotes)
        if text is None and not error and self._answer:
            text = orjson.dumps({name: value for name, value in reply.items() if value is not None}).decode()
        code, _, message = str(error).partition(": ")
        choice = {"index": 0, "message": {"content": text}, "finish_reason": homa["finish_reason"]}
        return {
            "id": homa["job"],
            "custom_id": custom_id,
            "response": None if error else {"status_code": 200, "request_id": None, "body": {"choices": [choice]}},
            "error": {"code": code, "message": message} if error else None,
            "homa": homa,
        }, fields

    def left_out(self, fields: Mapping[str, Any]) -> set[str]:
        """Names of an input's fields for which there is no column."""
        return fields.keys() - {*self.inputs, "custom_id"}

    def _reply(self, line: Mapping[str, Any]) -> list[Any]:
        text = message_text(line["response"]["body"]) if not line["error"] else None
        if not self._answer:
            return [text]
        return reply_cells(text, self._answer)


def _homa_kinds(cite: bool) -> dict[str, Kind]:
    """Homa's columns; the last two are what a line answers, in each of them."""
    if not cite:
        return HOMA_KINDS
    first, last = list(HOMA_KINDS.items())[:-2], list(HOMA_KINDS.items())[-2:]
    return dict([*first, *_CITED_KINDS.items(), *last])


def _distinct(columns: Sequence[Column]) -> tuple[Column, ...]:
    taken: dict[str, Column] = {}
    for column in columns:
        name = column.name
        while name in taken:
            name = f"reply_{name}"
        taken[name] = Column(name, column.kind)
    return tuple(taken.values())


def schema_columns(schema: Mapping[str, Any]) -> list[Column]:
    """The columns of a reply of this JSON schema: its properties; none for a schema that does not describe an object.

    The wrapper of OpenAI's `response_format` (`json_schema`, `schema`) and a top-level `$ref` are seen through.
    """
    for wrapper in ("json_schema", "schema"):
        if "properties" not in schema and isinstance(schema.get(wrapper), Mapping):
            schema = schema[wrapper]
    reference = schema.get("$ref")
    if "properties" not in schema and isinstance(reference, str):
        schema = _referred(schema, reference)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return []
    return [Column(name, _kind(each)) for name, each in properties.items()]


def _referred(schema: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = schema
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise InvalidRequest(f"schema refers to {reference!r}: expected a definition within the same schema")
    return found


def _kind(field: object) -> Kind:
    kinds = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
    named = field.get("type") if isinstance(field, Mapping) else None
    if isinstance(named, list):  # ["integer", "null"]: every column may be empty
        named = next((each for each in named if each != "null"), None) if len(named) <= 2 else None
    return kinds.get(named, Kind.TEXT) if isinstance(named, str) else Kind.TEXT


def reply_cells(text: str | None, columns: Sequence[Column]) -> list[Any]:
    """A JSON object reply's fields in the order of the columns, then the reply itself if they do not hold all of it."""
    reply = _object(text)
    if reply is None:
        return [*(None for _ in columns), text]
    cells = [reply.get(column.name) if column.holds(reply.get(column.name)) else None for column in columns]
    known = {column.name: column for column in columns}
    whole = all(name in known and known[name].holds(value) for name, value in reply.items())
    return [*cells, None if whole else text]


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def cell_text(value: object) -> str:
    """A JSON value as a cell: empty for null, strings as they are, the rest as JSON text."""
    return "" if value is None else as_text(value)
