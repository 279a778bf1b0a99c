"""JSON schemas as OpenAI's strict mode takes them, where their meaning stays.

Strict mode wants each object closed and each property required, `anyOf` instead of `oneOf`, references alone, and no
words of its own choosing. Source: platform.openai.com/docs/guides/structured-outputs, supported schemas. What is
weakened here (a length, a discriminator) is checked in the answer all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from homa_shared.kinds.schema_limits import referred

Schema = dict[str, Any]

_DEFINITIONS = ("$defs", "definitions")
#: Words that say something about a schema and change nothing of what fits it.
_ANNOTATIONS = ("title", "description")
_KEPT = frozenset(
    "type enum const pattern multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems".split()
)
_FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid".split())
#: Words that say nothing that is checked.
_DROPPED = frozenset(
    "$schema $id $comment default examples example deprecated readOnly writeOnly discriminator".split()
)
#: Words that are told to the model in the description; the answer is checked by them.
_TOLD = frozenset("format minLength maxLength uniqueItems minProperties maxProperties".split())
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def strict_form(described: Mapping[str, Any], word: str) -> Schema:
    """What asks for a schema strictly, with the schema as that takes it; not strictly where it cannot.

    Args:
        described: with `strict`, and the schema under `word`.
    """
    schema = described.get(word)
    if not described.get("strict") or not isinstance(schema, Mapping):
        return dict(described)
    found = strict_schema(schema)
    return {**described, "strict": False} if found is None else {**described, word: found}


def strict_schema(schema: Mapping[str, Any]) -> Schema | None:
    """A schema as strict mode takes it; None where it cannot express it."""
    found = _rewritten(orjson.dumps(schema))
    return None if found is None else orjson.loads(found)


class _NotExpressible(Exception):
    """Strict mode has no words for this."""


@lru_cache(maxsize=256)
def _rewritten(schema: bytes) -> bytes | None:
    root: Schema = orjson.loads(schema)
    try:
        return orjson.dumps(_Rewriter(root).root())
    except (_NotExpressible, AttributeError, KeyError, TypeError, RecursionError):
        return None


class _Rewriter:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def root(self) -> Schema:
        """The whole, which has to be an object by itself and no reference to one."""
        own = {word: value for word, value in self._root.items() if word not in _DEFINITIONS}
        for _ in range(8):
            if "$ref" not in own:
                break
            own = {**self._referred(own["$ref"]), **{w: v for w, v in own.items() if w != "$ref"}}
        found = self._schema(own)
        if found.get("type") != "object":
            raise _NotExpressible
        for word in _DEFINITIONS:
            if word in self._root:
                found[word] = {name: self._schema(inner) for name, inner in self._root[word].items()}
        return found

    def _schema(self, schema: Any) -> Schema:
        """Raises _NotExpressible, or another error where it is not a schema."""
        own = {word: value for word, value in schema.items() if word not in _DROPPED}
        said = {word: own.pop(word) for word in _ANNOTATIONS if word in own}
        for word, only in (
            ("$ref", self._reference),
            ("allOf", self._all_of),
            ("oneOf", self._any),
            ("anyOf", self._any),
        ):
            if word in own:
                return only(own.pop(word), own, said)
        told = {word: own.pop(word) for word in _TOLD if word in own}
        if told.get("format") in _FORMATS:
            own["format"] = told.pop("format")
        found: Schema = {word: own.pop(word) for word in (*_KEPT, "format") if word in own}
        if "type" not in found:
            found["type"] = _type_of(found)
        kinds = found["type"] if isinstance(found["type"], list) else [found["type"]]
        if "object" in kinds:
            found |= self._object(own)
        if "array" in kinds:
            found["items"] = self._schema(own.pop("items"))
        if own:
            raise _NotExpressible
        return found | _described(said, told)

    def _object(self, own: Schema) -> Schema:
        properties, required = own.pop("properties", None), set(own.pop("required", ()))
        further = own.pop("additionalProperties", None)
        if further not in (None, False) or (further is None and not properties):
            raise _NotExpressible
        properties = properties or {}
        for name, inner in properties.items():
            # One that may be left out is asked for where the schema says what it then is.
            if name not in required and "default" not in inner and not self._takes_null(inner):
                raise _NotExpressible
        return {
            "properties": {name: self._schema(inner) for name, inner in properties.items()},
            "required": list(properties),
            "additionalProperties": False,
        }

    def _reference(self, reference: str, others: Schema, said: Schema) -> Schema:
        self._referred(reference)
        if others:
            raise _NotExpressible
        return {"anyOf": [{"$ref": reference}], **said} if said else {"$ref": reference}

    def _all_of(self, parts: list[Any], others: Schema, said: Schema) -> Schema:
        if len(parts) != 1 or others:
            raise _NotExpressible
        return self._schema({**parts[0], **said})

    def _any(self, branches: list[Any], others: Schema, said: Schema) -> Schema:
        # A type beside the branches says what each of them says.
        if others.keys() - {"type"}:
            raise _NotExpressible
        return {"anyOf": [self._schema(branch) for branch in branches], **said}

    def _takes_null(self, schema: Schema) -> bool:
        kinds = schema.get("type")
        if kinds == "null" or (isinstance(kinds, list) and "null" in kinds):
            return True
        return any(self._takes_null(branch) for word in ("anyOf", "oneOf") for branch in schema.get(word, ()))

    def _referred(self, reference: Any) -> Schema:
        found = referred(self._root, reference)
        if found is None:
            raise _NotExpressible
        return dict(found)


def _type_of(found: Schema) -> str:
    """The type of values that are listed, which strict mode wants to be told."""
    values = found.get("enum") or ([found["const"]] if "const" in found else [])
    kinds = {_TYPES[type(value)] for value in values}
    if len(kinds) != 1:
        raise _NotExpressible
    return kinds.pop()


def _described(said: Schema, told: Schema) -> Schema:
    if not told:
        return said
    limits = ", ".join(f"{word}: {value}" for word, value in told.items())
    return {**said, "description": f"{said.get('description', '')} {{{limits}}}".strip()}
