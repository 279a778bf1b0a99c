"""Is it a JSON schema, and does an answer fit it?

References stay inside the schema: a schema that came with a request must not make a worker fetch addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError, best_match
from jsonschema_specifications import REGISTRY as KNOWN
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from homa_shared.calls.bounded_keywords import BoundedValidator, begin, is_linear
from homa_shared.model.errors import InvalidReply, InvalidRequest

#: Most violations that are named at once.
MOST_NAMED = 5
#: Most violations that are looked for.
_MOST_FOUND = 200
#: Schemas kept ready: the lines of a batch share one.
_KEPT = 256
_SHOWN = 120
#: Words under which values stand, and no schemas.
_VALUES = frozenset({"const", "enum", "default", "examples"})


class AnswerSchema:
    """A JSON schema, ready to check answers.

    Raises:
        InvalidRequest: it is no valid JSON schema (draft 2020-12), or refers to something that it does not hold.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            wrong = f"at {error.json_path}: {_clearest(error)}"
            raise InvalidRequest(f"the schema is no valid JSON schema (draft 2020-12): {wrong}") from error
        _check_references(schema)
        self.schema = schema
        #: Whether answers can be checked in bounded time, as far as the schema says.
        self.is_linear = _is_linear(schema)
        # An empty registry, so that nothing is looked for outside of the schema.
        self._validator = BoundedValidator(schema, registry=Registry())

    def check(self, text: str, *, bounded: bool = True) -> None:
        """Checks an answer.

        Args:
            bounded: whether to give up after so many steps; a process of its own need not.

        Raises:
            TooManySteps: it takes too long here.
            InvalidReply: it is no JSON, or does not fit; the message names what is wrong where, for the model.
            InvalidRequest: the schema refers to something that it does not hold.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidReply(f"it is no JSON: {error}") from None
        validator = self._validator if bounded else Draft202012Validator(self.schema, registry=Registry())
        begin()
        try:
            found = islice(validator.iter_errors(value), _MOST_FOUND)
            wrong = sorted(found, key=lambda error: error.json_path)
        except Unresolvable as error:
            raise InvalidRequest(f"the schema refers to {error.ref!r}, which it does not hold") from error
        except RecursionError:
            raise InvalidReply("it is nested too deeply") from None
        if wrong:
            raise InvalidReply("; ".join(_violation(error) for error in wrong[:MOST_NAMED]))


def answer_schema(schema: Mapping[str, Any]) -> AnswerSchema:
    """A schema ready to check answers; equal ones are made ready once."""
    return _ready(orjson.dumps(schema))


@lru_cache(maxsize=_KEPT)
def _ready(schema: bytes) -> AnswerSchema:
    return AnswerSchema(orjson.loads(schema))


def _is_linear(schema: Mapping[str, Any]) -> bool:
    parts = list(_parts(schema))
    patterns = [part["pattern"] for part in parts if isinstance(part.get("pattern"), str)]
    named = [part["patternProperties"] for part in parts if isinstance(part.get("patternProperties"), Mapping)]
    # The validator looks for those that no pattern names by itself, with `re`.
    by_itself = named and any("unevaluatedProperties" in part for part in parts)
    return not by_itself and all(map(is_linear, [*patterns, *(pattern for each in named for pattern in each)]))


def _clearest(error: SchemaError) -> str:
    """What of several things that could be meant is told by a list of what is expected."""
    listed = (inner.message for inner in error.context or () if inner.validator == "enum")
    return next(listed, error.message)


def _check_references(schema: Mapping[str, Any]) -> None:
    """Looks up what a schema refers to, so that nobody pays for an answer that cannot be checked."""
    root, *parts = _parts(schema)
    if any("$id" in part for part in parts):
        return  # a part with an address of its own moves what references in it mean
    references = {part["$ref"] for part in (root, *parts) if isinstance(part.get("$ref"), str)}
    resource = DRAFT202012.create_resource(schema)
    resolver = KNOWN.resolver_with_root(resource)
    for reference in sorted(references):
        try:
            resolver.lookup(reference)
        except Unresolvable as error:
            raise InvalidRequest(f"the schema refers to {reference!r}, which it does not hold") from error


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """A schema and all within it that may be one; values that only look like one are left out."""
    if isinstance(schema, Mapping):
        yield schema
        for word, inner in schema.items():
            if word not in _VALUES:
                yield from _parts(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _parts(inner)


def _violation(error: ValidationError) -> str:
    # Of the branches of anyOf, the one that came nearest tells most.
    nearest = best_match([error]) or error
    message = nearest.message
    return f"{nearest.json_path}: {message if len(message) <= _SHOWN else message[: _SHOWN - 1] + '…'}"
