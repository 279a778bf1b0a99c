"""JSON schemas as Gemini's `responseJsonSchema` takes them: a part of JSON Schema, with references alone.

Source: ai.google.dev/api/generate-content, GenerationConfig. What is left out here is checked in the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TAKEN = frozenset(
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum "
    "anyOf oneOf properties additionalProperties required propertyOrdering".split()
)
_NAMED = frozenset({"$defs", "properties"})


def answer_schema(schema: Any) -> Any:
    """A schema in Gemini's part of JSON Schema."""
    # Whoever writes references to `definitions` does not write `$defs`.
    if not isinstance(schema, Mapping) or "definitions" in schema:
        return schema
    own = {word: _inner(word, value) for word, value in schema.items() if word in _TAKEN}
    if "const" in schema:
        own["enum"] = [schema["const"]]
    match schema.get("allOf"):
        case [dict(only)]:
            own = {**answer_schema(only), **own}
    return {word: value for word, value in own.items() if word.startswith("$")} if "$ref" in own else own


def _inner(word: str, value: Any) -> Any:
    if word in _NAMED and isinstance(value, Mapping):
        return {name: answer_schema(inner) for name, inner in value.items()}
    if word != "enum" and isinstance(value, list):
        return [answer_schema(inner) for inner in value]
    return answer_schema(value)
