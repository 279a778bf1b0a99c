"""What OpenAI's strict mode refuses of a schema, told as it tells it; written apart from what avoids it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homa_workers.simulator.wire import Failure, invalid

_NOT_PERMITTED = (
    "allOf oneOf not if then else default examples prefixItems patternProperties propertyNames dependentRequired "
    "dependentSchemas unevaluatedProperties unevaluatedItems contains minLength maxLength uniqueItems "
    "discriminator".split()
)


@dataclass(frozen=True, slots=True)
class Schema:
    """Where a schema stands in a request.

    Args:
        subject: what it is of, as errors call it.
        param: its parameter.
        code: of an error about it.
    """

    subject: str
    param: str
    code: str | None = None

    def refused(self, said: str) -> Failure:
        return invalid(f"Invalid schema for {self.subject}: {said}", self.param, self.code)


def of_answer(name: str, param: str = "response_format") -> Schema:
    """The schema of the answer."""
    return Schema(f"response_format '{name}'", param)


def of_tool(name: str, param: str) -> Schema:
    """The parameters of a tool."""
    return Schema(f"function '{name}'", param, "invalid_function_parameters")


def expect_strict_tools(tools: Any, *, inner: str) -> None:
    """Raises Failure for parameters of a tool that is to be called strictly, and cannot be.

    Args:
        inner: the field around a tool's own fields; empty where there is none.
    """
    for number, tool in enumerate(tools):
        function = (tool.get(inner) or {}) if inner else tool
        schema = function.get("parameters")
        if tool.get("type") == "function" and function.get("strict") is True and schema is not None:
            param = ".".join(part for part in (f"tools[{number}]", inner, "parameters") if part)
            place = of_tool(str(function.get("name")), param)
            expect_object(place, schema)
            expect_strict(place, schema)


def expect_object(place: Schema, schema: Any) -> None:
    """Raises Failure where the root is not an object, whether or not it is to be followed strictly."""
    if schema.get("type") != "object":
        raise place.refused(
            f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
        )


def expect_strict(place: Schema, schema: Any, path: tuple[str, ...] = ()) -> None:
    """Raises Failure for what strict mode does not take."""
    if not isinstance(schema, Mapping):
        raise _refused(place, path, f"{schema!r} is not of type 'object'.")
    for word in _NOT_PERMITTED:
        if word in schema:
            raise _refused(place, path, f"'{word}' is not permitted.")
    if "$ref" in schema and len(schema) > 1 and path:
        raise _refused(place, path, "$ref cannot have keywords {'description'}.")
    if not schema.keys() & {"type", "anyOf", "$ref"}:
        raise _refused(place, path, "schema must have a 'type' key.")
    if schema.get("type") == "object":
        _expect_closed(place, schema, path)
    if schema.get("type") == "array" and "items" not in schema:
        raise _refused(place, path, "array schema missing items.")
    _expect_within(place, schema, path)


def _expect_within(place: Schema, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for word in ("properties", "$defs"):
        for key, inner in (schema.get(word) or {}).items():
            expect_strict(place, inner, (*path, word, key))
    for number, inner in enumerate(schema.get("anyOf") or ()):
        expect_strict(place, inner, (*path, "anyOf", str(number)))
    if "items" in schema:
        expect_strict(place, schema["items"], (*path, "items"))


def _expect_closed(place: Schema, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    if schema.get("additionalProperties") is not False:
        raise _refused(place, path, "'additionalProperties' is required to be supplied and to be false.")
    if set(schema.get("required") or ()) != set(schema.get("properties") or ()):
        said = "'required' is required to be supplied and to be an array including every key in properties."
        raise _refused(place, path, said)


def _refused(place: Schema, path: tuple[str, ...], said: str) -> Failure:
    return place.refused(f"In context={path!r}, {said}")
