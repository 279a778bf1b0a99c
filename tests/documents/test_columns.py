"""Fields of a JSON reply as columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homa.files import Layout, schema_columns
from homa.files.writers.columns import Column, Kind, reply_cells
from homa_shared.model.errors import InvalidRequest

PROPERTIES = {
    "name": {"type": "string"},
    "count": {"type": "integer"},
    "price": {"type": ["number", "null"]},
    "paid": {"type": "boolean"},
    "lines": {"type": "array"},
    "mixed": {"type": ["number", "string", "null"]},
    "any": True,
}
COLUMNS = [
    Column("name"),
    Column("count", Kind.INTEGER),
    Column("price", Kind.NUMBER),
    Column("paid", Kind.BOOLEAN),
    Column("lines"),
    Column("mixed"),
    Column("any"),
]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": PROPERTIES},
        {"name": "invoice", "schema": {"properties": PROPERTIES}},
        {"type": "json_schema", "json_schema": {"name": "invoice", "schema": {"properties": PROPERTIES}}},
        {"$ref": "#/$defs/Invoice", "$defs": {"Invoice": {"properties": PROPERTIES}}},
    ],
)
def test_the_properties_of_a_schema_are_columns(schema: dict[str, Any]) -> None:
    assert schema_columns(schema) == COLUMNS


def test_a_schema_that_is_no_object_s_has_none() -> None:
    assert schema_columns({"type": "array"}) == []
    assert "text" in Layout([], {"type": "array"}).header


def test_a_reference_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="refers to '#/\\$defs/Gone'"):
        schema_columns({"$ref": "#/$defs/Gone/There"} | {"$ref": "#/$defs/Gone"})


def test_a_reply_s_fields_fill_their_columns() -> None:
    reply = {"name": "x", "count": 5, "price": 2.5, "paid": False, "lines": [{"a": 1}], "mixed": "y", "any": None}
    assert reply_cells(json.dumps(reply), COLUMNS) == [*reply.values(), None]


@pytest.mark.parametrize(
    ("reply", "cells"),
    [
        ({"count": "five"}, [None, None]),
        ({"count": True}, [None, None]),
        ({"count": 2**63}, [None, None]),
        ({"count": 5, "surprise": 1}, [5, None]),
        ({"paid": 1}, [None, None]),
    ],
)
def test_a_reply_that_the_columns_do_not_hold_stands_in_text(reply: dict[str, Any], cells: list[Any]) -> None:
    text = json.dumps(reply)
    assert reply_cells(text, [Column("count", Kind.INTEGER), Column("paid", Kind.BOOLEAN)]) == [*cells, text]


@pytest.mark.parametrize("text", ["no JSON", "[1]", ""])
def test_a_reply_that_is_no_object_stands_in_text(text: str) -> None:
    assert reply_cells(text, [Column("count")]) == [None, text]


def test_no_reply_fills_nothing() -> None:
    assert reply_cells(None, [Column("count")]) == [None, None]


def test_a_name_that_is_taken_gets_a_prefix() -> None:
    layout = Layout(["text", "error", "homa_job", "reply_text"], {"properties": {"error": {}, "name": {}}})
    assert layout.header[:9] == [
        "custom_id",
        "text",
        "error",
        "homa_job",
        "reply_text",
        "reply_error",
        "name",
        "reply_reply_text",
        "reply_reply_error",
    ]
    assert len(set(layout.header)) == len(layout.header)
