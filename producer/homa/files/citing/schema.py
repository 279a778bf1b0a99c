"""A schema that asks for quotes beside its fields, and answers taken apart into what was asked and its quotes.

Each object of the schema gets a list of quotes, each with the name of the field that it supports: so it is clear which
of many line items a quote is about. A schema without an object, and a plain answer, become the field `answer` of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from homa_shared.model.errors import InvalidRequest

#: The property that is added.
QUOTES = "homa_quotes"
#: The field of an answer that is no object.
ANSWER = "answer"
#: Raised when another schema or text asks for quotes: answers to the former are under another order.
VERSION = 1
#: Names beyond which they are not listed: providers bound how many values schemas may list.
_MOST_LISTED = 100
_HOW = (
    "Copy words of the given text exactly, letter by letter, without leaving anything out of the middle: a sentence, "
    "or as much as makes clear which place is meant. No quote where the text says nothing."
)
#: What is said to the model beside the schema.
INSTRUCTION = f"Give with your answer the quotes that it rests on, in {QUOTES}. {_HOW}"
#: Words of JSON Schema under which schemas stand that an answer is held against as a whole or in parts: by name, in
#: lists, alone. Not those under which a fitting answer is wrong (`not`), or that only ask (`if`).
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas", "patternProperties")
_LISTED = ("anyOf", "allOf", "oneOf", "prefixItems")
_ALONE = ("items", "additionalProperties", "contains", "then", "else")
#: Words by which several schemas hold for one object: a list of names that suits one of them would not suit the others.
_TOGETHER = frozenset({"allOf", "then", "else", "dependentSchemas"})
_BESIDE = frozenset({"$ref", "$dynamicRef", "anyOf", "oneOf"})


@dataclass(frozen=True, slots=True)
class SaidQuote:
    """A quote as the model gave it."""

    #: JSON pointer (RFC 6901) of the field that it supports; empty: of the whole answer.
    field: str
    quote: str


class CitedSchema:
    """What is asked for in the place of a schema.

    Args:
        schema: JSON schema of the answers; None: they are texts.

    Raises:
        InvalidRequest: the schema has the added property already.
    """

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self._plain = schema is None
        asked = {"type": "string"} if schema is None else dict(schema)
        if any(QUOTES in names for names in _property_names(asked)):
            raise InvalidRequest(f"the schema has a property {QUOTES}, which --cite adds: rename it")
        cited = _cited(asked, not _composes(asked))
        self._wrapped = not any(QUOTES in names for names in _property_names(cited))
        #: The schema that is sent.
        self.schema: dict[str, Any] = _wrapped(cited) if self._wrapped else cited

    def apart(self, text: str) -> tuple[str, list[SaidQuote]]:
        """An answer's text as it was asked for, and its quotes, each once.

        Raises:
            ValueError: it is no JSON of the schema.
        """
        try:
            value = json.loads(text)
            quotes = list(dict.fromkeys(_taken(value, "")))
            if self._wrapped:
                value = value[ANSWER]
                quotes = [SaidQuote(_within_answer(each.field), each.quote) for each in quotes]
            if self._plain and isinstance(value, str):
                return value, quotes
            return json.dumps(value, ensure_ascii=False, allow_nan=False), quotes
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"no answer of the schema: {error!r}") from None


def _within_answer(pointer: str) -> str:
    return pointer.removeprefix(f"/{ANSWER}")


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    moved = schema if "$id" in schema else _moved(schema)
    return {
        "type": "object",
        "properties": {QUOTES: _quotes([]), ANSWER: moved},
        "required": [QUOTES, ANSWER],
        "additionalProperties": False,
    }


def _moved(schema: Any) -> Any:
    """A schema whose references within itself hold where it is the field of another one."""
    if isinstance(schema, list):
        return [_moved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(each) for name, each in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        moved["$ref"] = f"#/properties/{ANSWER}{reference[1:]}"
    return moved


def _composes(schema: Any) -> bool:
    """Whether several schemas hold for one object."""
    if isinstance(schema, list):
        return any(map(_composes, schema))
    if not isinstance(schema, Mapping):
        return False
    here = schema.keys() & _TOGETHER or ("properties" in schema and schema.keys() & _BESIDE)
    return bool(here) or any(map(_composes, schema.values()))


def _cited(schema: Any, listed: bool) -> Any:
    """A schema whose objects have quotes beside their fields, whose names are `listed` or not."""
    if not isinstance(schema, Mapping):
        return schema
    found = dict(schema)
    for word in _NAMED:
        if isinstance(found.get(word), Mapping):
            found[word] = {name: _cited(each, listed) for name, each in found[word].items()}
    for word in _LISTED:
        if isinstance(found.get(word), list):
            found[word] = [_cited(each, listed) for each in found[word]]
    for word in _ALONE:
        if isinstance(found.get(word), Mapping):
            found[word] = _cited(found[word], listed)
    return _with_quotes(found, listed) if _takes_quotes(schema) else found


def _takes_quotes(schema: Mapping[str, Any]) -> bool:
    """Whether an object of a schema may have one property more."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return False
    return not schema.keys() & {"const", "enum", "propertyNames", "patternProperties", "maxProperties"}


def _with_quotes(schema: dict[str, Any], listed: bool) -> dict[str, Any]:
    names = [name for name, each in schema["properties"].items() if not _has_quotes(each)] or list(schema["properties"])
    required = schema.get("required")
    return {
        **schema,
        "properties": {QUOTES: _quotes(names, listed), **schema["properties"]},
        "required": [QUOTES, *(required if isinstance(required, list) else ())],
    }


def _has_quotes(schema: Any) -> bool:
    """Whether a field has quotes within itself, as far as it says so where it stands."""
    if not isinstance(schema, Mapping):
        return False
    if QUOTES in (schema.get("properties") or {}):
        return True
    inner = [schema.get("items"), *(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    return any(_has_quotes(each) for each in inner)


def _quotes(names: list[str], listed: bool = True) -> dict[str, Any]:
    """The schema of quotes for fields of these names; none: for the whole answer."""
    quote: dict[str, dict[str, Any]] = {
        "quote": {"type": "string", "description": "Words of the text, exactly as they stand there."}
    }
    if names:
        known = {"enum": names} if listed and len(names) <= _MOST_LISTED else {}
        quote = {"field": {"type": "string", "description": "The field that it supports.", **known}, **quote}
    return {
        "type": "array",
        "description": f"Quotes from the text that the {'fields beside' if names else 'answer'} rest on. {_HOW}",
        "items": {"type": "object", "properties": quote, "required": list(quote), "additionalProperties": False},
    }


def _property_names(schema: Any) -> Iterator[set[str]]:
    """The names of properties in a schema and in all schemas within it."""
    if isinstance(schema, list):
        for each in schema:
            yield from _property_names(each)
    elif isinstance(schema, Mapping):
        if isinstance(schema.get("properties"), Mapping):
            yield set(schema["properties"])
        for each in schema.values():
            yield from _property_names(each)


def _taken(value: Any, pointer: str) -> Iterator[SaidQuote]:
    """Takes the quotes out of an answer."""
    if isinstance(value, dict):
        for each in value.pop(QUOTES, ()):
            if each["quote"].strip():
                yield SaidQuote(pointer + _step(each.get("field")), each["quote"])
        for name, inner in value.items():
            yield from _taken(inner, pointer + _step(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _taken(inner, f"{pointer}/{number}")


def _step(name: str | None) -> str:
    return "" if name is None else "/" + name.replace("~", "~0").replace("/", "~1")
