"""A value that fits a JSON schema: what structured output and tool arguments are made of.

Covers the schemas that providers accept for structured output (JSON Schema 2020-12 without `pattern` and `not`):
types, enum, const, $ref, anyOf, oneOf, allOf, formats, bounds, and items. Deterministic: the same schema and seed give
the same value. Optional properties are filled too, except deep inside a recursion, which they would never let end.
"""

from __future__ import annotations

import math
from typing import Any

_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "7b7f3a4e-5a3c-4b1e-9c2d-0a1b2c3d4e5f",
    "uri": "https://example.com/",
}
#: Nesting below which optional properties and items are left out.
_DEEP = 6


def fitting(schema: Any, seed: int = 0) -> Any:
    """A value that fits a schema."""
    return _Fitter(schema, seed).value(schema, 0)


class _Fitter:
    def __init__(self, root: Any, seed: int) -> None:
        self._root = root
        self._seed = seed

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return "value"
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._seed % len(schema["enum"])]
        if "allOf" in schema:
            return self.value(self._merged(schema), depth)
        for choice in ("anyOf", "oneOf"):
            if schema.get(choice):
                return self.value(self._branch(schema[choice], depth), depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return int(_number(schema, 1 if schema.get("multipleOf") is None else schema["multipleOf"], True))
            case "number":
                return _number(schema, schema.get("multipleOf"), False)
            case "boolean":
                return self._seed % 2 == 0
            case "null":
                return None
            case _:
                return _string(schema, self._seed)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        wanted = schema.get("required", []) if depth > _DEEP else list(properties)
        return {name: self.value(properties.get(name, {}), depth + 1) for name in wanted}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        first = [self.value(item, depth + 1) for item in schema.get("prefixItems", [])]
        least = schema.get("minItems", 0 if depth > _DEEP else 1)
        count = max(0, min(least, schema.get("maxItems", least)) - len(first))
        return first + [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(32):
            pointer = schema.get("$ref")
            if not isinstance(pointer, str):
                return schema
            target: Any = self._root
            for part in pointer.removeprefix("#").strip("/").split("/"):
                if part:
                    target = target[part.replace("~1", "/").replace("~0", "~")]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        raise ValueError(f"$ref {schema['$ref']!r} leads back to itself")

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            part = self._resolved(part)
            for key, value in (self._merged(part) if "allOf" in part else part).items():
                if key == "properties":
                    merged[key] = {**merged.get(key, {}), **value}
                elif key == "required":
                    merged[key] = [*merged.get(key, []), *value]
                else:
                    merged[key] = value
        return merged

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """One of the branches: a plain one where the recursion has to end."""
        if depth > _DEEP:
            for branch in branches:
                if isinstance(branch, dict) and _type_of(self._resolved(branch)) not in ("object", "array"):
                    return branch
        return branches[self._seed % len(branches)]


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is not None:
        return str(kind).lower()  # Gemini writes types in capitals
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _string(schema: dict[str, Any], seed: int) -> str:
    text = _FORMATS.get(schema.get("format", ""), f"value {seed % 97}")
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _number(schema: dict[str, Any], step: float | None, whole: bool) -> float:
    least, most = schema.get("minimum"), schema.get("maximum")
    over, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    margin = step or 1.0
    if over is not None:
        least = over + (margin if whole or under is None else (under - over) / 2)
    if under is not None and most is None:
        most = under - margin if whole or over is None else under
    value: float = least if least is not None else min(1, most) if most is not None else 1
    if step:
        value = math.ceil(value / step) * step
        if most is not None and value > most:
            value = math.floor(most / step) * step
    return value
