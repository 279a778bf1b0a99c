"""Schemas of replies: a type or a JSON schema, as `response_format` for the provider, and back.

A schema is looked at before anything is sent: a provider would refuse a wrong one, and workers do; here it costs nobody
a call, and its place is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from homa.submit.option_checks import refuse_infinite
from homa_shared.model.errors import InvalidReply, InvalidRequest

T = TypeVar("T")

#: What `schema=` takes: a type, or a JSON schema.
Schema = type[T] | Mapping[str, Any]

#: Words of JSON Schema under which further schemas stand, by name and in lists.
_NAMED, _LISTED = ("properties", "$defs", "definitions"), ("anyOf", "allOf", "oneOf", "prefixItems")


def response_format(schema: Any) -> dict[str, Any]:
    """The provider's option that asks for replies of a schema.

    A type's schema is made strict, as providers that enforce schemas want it: every property is required and no other
    one allowed; where its values are no objects, they are asked for as the one property of an object. A schema given
    as JSON is sent as it is.

    Raises:
        InvalidRequest: it is neither a type that JSON can express nor a mapping.
    """
    if isinstance(schema, Mapping):
        name = str(schema.get("title") or "reply")
        return {"type": "json_schema", "json_schema": {"name": _plain(name), "schema": dict(schema)}}
    from homa.submit.answer_types import answer_type  # pydantic, which few requests need

    asked = answer_type(schema)
    name = schema.__name__ if _is_model(schema) else asked.name
    return {
        "type": "json_schema",
        "json_schema": {"name": _plain(name), "strict": True, "schema": _strict(asked.schema)},
    }


def parse(text: str, schema: Any) -> Any:
    """A reply's text as an object of its schema.

    Raises:
        InvalidReply: the text does not fit.
    """
    try:
        if isinstance(schema, Mapping):
            return orjson.loads(text)
        from homa.submit.answer_types import answer_type

        return answer_type(schema).parse(text)
    except ValueError as error:  # pydantic's ValidationError is one
        raise InvalidReply(f"the reply {text!r:.80} does not fit its schema: {error}") from error


def _is_model(schema: object) -> bool:
    return isinstance(schema, type) and hasattr(schema, "model_json_schema")


def check_schema(schema: object, name: str) -> None:
    """A JSON schema.

    Args:
        name: what the application calls it.

    Raises:
        InvalidRequest: it is not a valid JSON schema (draft 2020-12), or refers to what it does not hold.
    """
    if not isinstance(schema, Mapping):
        raise InvalidRequest(f"{name} is {schema!r:.80}: expected a JSON schema, an object")
    refuse_infinite(name, schema)
    from homa_shared.calls.json_schema import (
        answer_schema,  # a tenth of a second, which requests without a schema do not need
    )

    try:
        answer_schema(schema)
    except TypeError as error:
        raise InvalidRequest(
            f"{name} is not valid JSON: {error}; expected text, numbers, lists and objects only"
        ) from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error}") from error


def check_format(wanted: object, name: str) -> None:
    """A `response_format` in OpenAI's shape; forms that it does not know go through.

    Raises:
        InvalidRequest: it asks for a JSON schema that is not valid.
    """
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return
    described = wanted.get("json_schema")
    if not isinstance(described, Mapping):
        raise InvalidRequest(f"{name}.json_schema is {described!r:.80}: expected an object with name and schema")
    check_schema(described.get("schema"), f"{name}.json_schema.schema" if name != "schema" else name)


def _strict(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    strict = {key: value for key, value in schema.items() if key != "default"}
    for key in _NAMED:
        if key in strict:
            strict[key] = {name: _strict(inner) for name, inner in strict[key].items()}
    for key in _LISTED:
        if key in strict:
            strict[key] = [_strict(inner) for inner in strict[key]]
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
    if strict.get("type") == "object" and "properties" in strict:
        strict["additionalProperties"] = False
        strict["required"] = list(strict["properties"])
    return strict


def _plain(name: str) -> str:
    """A name of letters, digits, _ and -, at most 64 long."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64]
