"""What OpenAI's strict mode refuses of a schema, told as it tells it; written apart from what avoids it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.wire import Failure, invalid

_NOT_PERMITTED = (
    "allOf oneOf not if then else default examples prefixItems patternProperties propertyNames dependentRequired "
    "dependentSchemas unevaluatedProperties unevaluatedItems contains minLength maxLength uniqueItems "
    "discriminator".split()
)


def expect_object(name: str, schema: Any) -> None:
    """Raises Failure where the root is not an object, whether or not it is to be followed strictly."""
    if schema.get("type") != "object":
        said = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
        raise invalid(f"Invalid schema for response_format '{name}': {said}", "response_format")


def expect_strict(name: str, schema: Any, path: tuple[str, ...] = ()) -> None:
    """Raises Failure for what strict mode does not take."""
    if not isinstance(schema, Mapping):
        raise _refused(name, path, f"{schema!r} is not of type 'object'.")
    for word in _NOT_PERMITTED:
        if word in schema:
            raise _refused(name, path, f"'{word}' is not permitted.")
    if "$ref" in schema and len(schema) > 1 and path:
        raise _refused(name, path, "$ref cannot have keywords {'description'}.")
    if not schema.keys() & {"type", "anyOf", "$ref"}:
        raise _refused(name, path, "schema must have a 'type' key.")
    if schema.get("type") == "object":
        _expect_closed(name, schema, path)
    if schema.get("type") == "array" and "items" not in schema:
        raise _refused(name, path, "array schema missing items.")
    _expect_within(name, schema, path)


def _expect_within(name: str, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for word in ("properties", "$defs"):
        for key, inner in (schema.get(word) or {}).items():
            expect_strict(name, inner, (*path, word, key))
    for number, inner in enumerate(schema.get("anyOf") or ()):
        expect_strict(name, inner, (*path, "anyOf", str(number)))
    if "items" in schema:
        expect_strict(name, schema["items"], (*path, "items"))


def _expect_closed(name: str, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    if schema.get("additionalProperties") is not False:
        raise _refused(name, path, "'additionalProperties' is required to be supplied and to be false.")
    if set(schema.get("required") or ()) != set(schema.get("properties") or ()):
        said = "'required' is required to be supplied and to be an array including every key in properties."
        raise _refused(name, path, said)


def _refused(name: str, path: tuple[str, ...], said: str) -> Failure:
    return invalid(f"Invalid schema for response_format '{name}': In context={path!r}, {said}", "response_format")
