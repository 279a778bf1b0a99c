"""A schema that asks for quotes, and its answers taken apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homa.files.citing.schema import QUOTES, CitedSchema, SaidQuote
from homa_shared.calls.json_schema import AnswerSchema
from homa_shared.model.errors import InvalidReply, InvalidRequest
from homa_workers.simulator.schema import fitting

ITEM = {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number"}}, "required": ["name"]}
INVOICE = {
    "title": "Invoice",
    "type": "object",
    "properties": {"total": {"type": "number"}, "items": {"type": "array", "items": ITEM}},
    "required": ["total"],
    "additionalProperties": False,
}


def fields_of(schema: Any) -> Any:
    """The names that quotes of an object may have."""
    return schema["properties"][QUOTES]["items"]["properties"]["field"].get("enum")


def test_each_object_gets_quotes_of_its_own_fields():
    sent = CitedSchema(INVOICE).schema
    assert fields_of(sent) == ["total"]
    assert fields_of(sent["properties"]["items"]["items"]) == ["name", "price"]
    assert sent["required"] == [QUOTES, "total"]
    assert sent["title"] == "Invoice"
    assert QUOTES not in json.dumps(INVOICE), "the caller's schema stays as it was"


def test_an_answer_is_taken_apart_and_quotes_name_their_fields():
    answer = {
        QUOTES: [{"field": "total", "quote": "in all: 5"}, {"field": "total", "quote": " "}],
        "total": 5,
        "items": [{"name": "tea"}, {QUOTES: [{"field": "name", "quote": "a cup"}] * 2, "name": "cup"}],
    }
    text, quotes = CitedSchema(INVOICE).apart(json.dumps(answer))
    assert json.loads(text) == {"total": 5, "items": [{"name": "tea"}, {"name": "cup"}]}
    assert quotes == [SaidQuote("/total", "in all: 5"), SaidQuote("/items/1/name", "a cup")]


def test_names_of_fields_are_escaped_and_numbers_stay_as_they_are():
    schema = {"type": "object", "properties": {"a/b~c": {}, "id": {"type": "integer"}}}
    answer = f'{{"{QUOTES}": [{{"field": "a/b~c", "quote": "x"}}], "id": 123456789012345678901234567890}}'
    text, quotes = CitedSchema(schema).apart(answer)
    assert (text, quotes) == ('{"id": 123456789012345678901234567890}', [SaidQuote("/a~1b~0c", "x")])


def test_a_plain_answer_is_a_text_with_quotes():
    cited = CitedSchema(None)
    answer = json.dumps({QUOTES: [{"quote": "it is so"}], "answer": "Yes, “so”\n"})
    AnswerSchema(cited.schema).check(answer)
    assert cited.apart(answer) == ("Yes, “so”\n", [SaidQuote("", "it is so")])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"$ref": "#/$defs/colour", "$defs": {"colour": {"enum": ["red", "green"]}}},
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "maxProperties": 1},
    ],
)
def test_a_schema_whose_objects_take_no_further_property_is_wrapped(schema: dict[str, Any]):
    cited = CitedSchema(schema)
    value = fitting(schema)
    answer = json.dumps({QUOTES: [{"quote": "q"}], "answer": value})
    AnswerSchema(cited.schema).check(answer)
    text, quotes = cited.apart(answer)
    assert (json.loads(text), quotes) == (value, [SaidQuote("", "q")])
    AnswerSchema(schema).check(text)


@pytest.mark.parametrize(
    "schema",
    [
        INVOICE,
        {
            "$ref": "#/$defs/node",
            "$defs": {"node": {**ITEM, "properties": {"name": {}, "next": {"$ref": "#/$defs/node"}}}},
        },
        {"allOf": [ITEM, {"properties": {"size": {"type": "integer"}}, "required": ["size"]}]},
        {"type": "object", "properties": {"a": {"anyOf": [ITEM, {"type": "null"}]}}, "required": ["a"]},
        {"oneOf": [{**ITEM, "required": ["name", "price"]}, {"properties": {"b": {"const": 1}}, "required": ["b"]}]},
        {**ITEM, "if": {"properties": {"name": {"const": "x"}}}, "then": {"properties": {"price": {"minimum": 1}}}},
        {**ITEM, "not": {"properties": {"secret": {"type": "string"}}, "required": ["secret"]}},
    ],
)
def test_what_fits_the_sent_schema_fits_the_given_one_without_its_quotes(schema: dict[str, Any]):
    cited = CitedSchema(schema)
    sent = AnswerSchema(cited.schema)
    for seed in range(4):
        answer = json.dumps(fitting(cited.schema, seed))
        sent.check(answer)
        text, quotes = cited.apart(answer)
        AnswerSchema(schema).check(text)
        assert quotes
        assert QUOTES not in text
    with pytest.raises(InvalidReply, match=f"{QUOTES}|not valid under any"):
        sent.check(text)


def test_a_property_of_the_same_name_is_refused():
    with pytest.raises(InvalidRequest, match=f"has a property {QUOTES}"):
        CitedSchema({"properties": {"a": {"items": {"properties": {QUOTES: {}}}}}})


@pytest.mark.parametrize("answer", ["no JSON", "[]", '{"answer": "x", "homa_quotes": [{"quote": null}]}', "7"])
def test_what_is_no_answer_of_the_schema_is_told(answer: str):
    with pytest.raises(ValueError, match=r"."):
        CitedSchema(None).apart(answer)
