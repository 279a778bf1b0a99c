"""Does an answer fit the JSON schema that was asked for? Needs `jsonschema`, which workers have.

References stay inside the schema: a schema that came with a request must not make a worker fetch addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from homa_shared.errors import InvalidReply, InvalidRequest

#: Most violations that are named at once.
MOST_NAMED = 5
#: Schemas kept ready: the lines of a batch share one.
_KEPT = 256
_SHOWN = 120


class AnswerSchema:
    """A JSON schema, ready to check answers.

    Raises:
        InvalidRequest: it is no valid JSON schema (draft 2020-12).
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            wrong = f"at {error.json_path}: {error.message}"
            raise InvalidRequest(f"the schema is no valid JSON schema (draft 2020-12): {wrong}") from error
        self.schema = schema
        # An empty registry, so that nothing is looked for outside of the schema.
        self._validator = Draft202012Validator(schema, registry=Registry())

    def check(self, text: str) -> None:
        """Checks an answer.

        Raises:
            InvalidReply: it is no JSON, or does not fit; the message names what is wrong where, for the model.
            InvalidRequest: the schema refers to something that it does not hold.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidReply(f"it is no JSON: {error}") from None
        try:
            wrong = sorted(self._validator.iter_errors(value), key=lambda error: error.json_path)
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


def _violation(error: ValidationError) -> str:
    # Of the branches of anyOf, the one that came nearest tells most.
    nearest = best_match([error]) or error
    message = nearest.message
    return f"{nearest.json_path}: {message if len(message) <= _SHOWN else message[: _SHOWN - 1] + '…'}"
