"""Steps that wait for an answer from outside, as applications declare them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from homa.submit.option_checks import refuse_infinite
from homa.submit.response_format import check_schema, response_format
from homa_shared.calls.flow_rules import Wait
from homa_shared.model.errors import InvalidReply, InvalidRequest

DAY_S = 86_400
#: Longest that an answer may take, s: a run cannot wait for ever.
MOST_S = 30 * DAY_S
#: Longest answer, bytes as JSON.
MOST_BYTES = 1_000_000


def wait_of(expires_s: object, default: object, schema: Any) -> Wait:
    """How a step waits.

    Raises:
        InvalidRequest: one of them is wrong, or the default does not fit the schema.
    """
    is_number = isinstance(expires_s, int | float) and not isinstance(expires_s, bool) and math.isfinite(expires_s)
    if not is_number or not 1 <= expires_s <= MOST_S:  # type: ignore[operator] # it is a number
        raise InvalidRequest(f"expires_s is {expires_s!r:.80}: expected seconds, from 1 to {MOST_S:,} (30 days)")
    asked = asked_schema(schema)
    if asked is not None:
        check_schema(asked, "schema")
        from homa_shared.calls.json_schema import answer_schema

        if not answer_schema(asked).is_linear:
            raise InvalidRequest("schema has a pattern that takes too long to check: expected one without backtracking")
    said = None if default is None else text_of(default, asked, "default")
    return Wait(round(expires_s * 1000), said)  # type: ignore[operator]


def asked_schema(schema: Any) -> Mapping[str, Any] | None:
    """The JSON schema that answers must fit."""
    if schema is None:
        return None
    found: Mapping[str, Any] = response_format(schema)["json_schema"]["schema"]
    return found


def text_of(given: object, schema: Mapping[str, Any] | None, what: str) -> str:
    """An answer as the text that it is kept as: text as it is, all else as JSON.

    Args:
        what: it is, for people.

    Raises:
        InvalidRequest: it is no JSON, too long, or does not fit the schema.
    """
    from homa_shared.calls.bounded_keywords import TooManySteps
    from homa_shared.calls.json_schema import answer_schema

    refuse_infinite(what, given)
    try:
        told = orjson.dumps(given)
    except TypeError as error:
        raise InvalidRequest(f"{what} is no JSON: {error}; expected text, numbers, lists and objects only") from error
    if len(told) > MOST_BYTES:
        raise InvalidRequest(f"{what} has {len(told):,} bytes: expected at most {MOST_BYTES:,}")
    if schema is not None:
        try:
            answer_schema(schema).check(told.decode())
        except InvalidReply as error:
            raise InvalidRequest(f"{what} does not fit the schema of its step: {error}") from error
        except TooManySteps as error:
            raise InvalidRequest(f"{what} takes too long to hold against the schema of its step") from error
    return given if isinstance(given, str) else told.decode()
