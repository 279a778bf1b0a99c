"""What a kind's structured output can express of a JSON schema.

A schema beyond it is not sent as a parameter, which the provider would refuse, or silently follow in part: the model is
told of it in words, and its answer is checked all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

#: Words under which further schemas stand: by name, in lists, alone.
_NAMED, _LISTED = (
    ("properties", "$defs", "definitions", "patternProperties"),
    ("anyOf", "oneOf", "allOf", "prefixItems"),
)
_ALONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


@dataclass(frozen=True, slots=True)
class SchemaLimits:
    """What structured output takes; the default takes everything."""

    #: References that lead back to where they stand.
    recursion: bool = True
    #: Objects whose properties are not all named, such as `dict[str, float]`.
    open_objects: bool = True
    #: Lists whose items differ by their place, such as tuples.
    tuples: bool = True
    #: A root that is not an object, or a union of several.
    any_root: bool = True
    #: Most properties that may be left out, all objects together; None: any.
    optional: int | None = None
    #: Where it is documented.
    source: str = ""


#: Of a kind that nobody described.
EVERY_SCHEMA = SchemaLimits()


def lack(limits: SchemaLimits, schema: Schema) -> str | None:
    """What a schema has that structured output does not express; None where it expresses all."""
    parts = list(parts_of(schema))
    optional = sum(map(_optional, parts))
    if not limits.any_root and not _is_object(_root(schema)):
        return "a root that is not an object"
    if not limits.recursion and _is_recursive(schema):
        return "references that lead back to themselves"
    if not limits.open_objects and any(map(_is_open, parts)):
        return "objects with properties of any name"
    if not limits.tuples and any("prefixItems" in part for part in parts):
        return "lists whose items differ by their place"
    if limits.optional is not None and optional > limits.optional:
        return f"{optional} optional properties"
    return None


def parts_of(schema: object) -> Iterator[Schema]:
    """A schema and all schemas within it; values that only look like one are left out."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for word in _NAMED:
        named = schema.get(word)
        for inner in named.values() if isinstance(named, Mapping) else ():
            yield from parts_of(inner)
    for word in _LISTED:
        listed = schema.get(word)
        for inner in listed if isinstance(listed, list) else ():
            yield from parts_of(inner)
    for word in _ALONE:
        yield from parts_of(schema.get(word))


def referred(root: Schema, reference: object) -> Schema | None:
    """The schema that a reference within the root leads to; None where there is none."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: object = root
    for name in reference.removeprefix("#").split("/")[1:]:
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _optional(part: Schema) -> int:
    properties = part.get("properties")
    return len(properties.keys() - set(part.get("required") or ())) if isinstance(properties, Mapping) else 0


def _root(schema: Schema) -> Schema:
    seen = 0
    while "$ref" in schema and seen < len(_NAMED) * 8:
        found = referred(schema, schema["$ref"])
        if found is None:
            return schema
        schema, seen = {**{k: v for k, v in schema.items() if k.startswith("$") and k != "$ref"}, **found}, seen + 1
    return schema


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object" and not any(word in schema for word in ("anyOf", "oneOf", "allOf"))


def _is_open(part: Schema) -> bool:
    if part.get("patternProperties"):
        return True
    kinds = part.get("type")
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        return False
    further = part.get("additionalProperties")
    return further not in (None, False) or (further is None and not part.get("properties"))


def _is_recursive(schema: Schema) -> bool:
    """Whether a reference leads back to a schema in which it stands. Each schema is looked into once."""
    done: set[str] = set()

    def leads_back(part: object, above: frozenset[str]) -> bool:
        for inner in parts_of(part):
            reference = inner.get("$ref")
            if not isinstance(reference, str) or reference in done:
                continue
            if reference in above or reference == "#":
                return True
            if leads_back(referred(schema, reference), above | {reference}):
                return True
            done.add(reference)
        return False

    without_definitions = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    return leads_back(without_definitions, frozenset())
