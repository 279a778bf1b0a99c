"""Rules of answers as applications give them, checked: where they are declared, not where they are paid for."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa.flows.checks import names_known
from homa.flows.steps import Step
from homa.submit.option_checks import check_model
from homa_shared.calls.flow_rules import in_full
from homa_shared.calls.tools import Tool
from homa_shared.model.errors import InvalidRequest

#: Most repairs that may be asked for.
_MOST_REPAIRS = 10
_MOST_RUBRIC_BYTES = 100_000


def checked_rule(name: str, given: object) -> dict[str, Any]:
    """A rule as a JSON schema.

    Raises:
        InvalidRequest: it is none, or refers to a part of itself.
    """
    from homa.submit.response_format import check_schema

    if not isinstance(given, Mapping) or not given or not all(isinstance(key, str) for key in given):
        raise InvalidRequest(f'{name} is {given!r:.80}: expected fields and values, such as {{"kind": "invoice"}}')
    rule = in_full(given)
    try:
        told = orjson.dumps(rule)
    except TypeError as error:
        raise InvalidRequest(f"{name} is no JSON: {error}") from error
    if b'"$ref"' in told:
        raise InvalidRequest(f"{name} has a $ref: expected a rule that stands by itself")
    check_schema(rule, name)
    return rule


def function_of(given: object) -> tuple[str, str]:
    """The name of a function of a code step, and a digest of its source; empty where that is not known.

    Raises:
        InvalidRequest: it is none.
    """
    if isinstance(given, str) and given:
        return given, ""
    if not isinstance(given, Tool):
        raise InvalidRequest(f"function is {given!r:.80}: expected a function made by @homa.tool, or its name")
    try:
        source = inspect.getsource(given.function)
    except (OSError, TypeError):  # as in a console
        return given.name, ""
    return given.name, hashlib.sha256(source.encode()).hexdigest()


def check_parameters(place: str, step: Step, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a parameter that has no default and is nothing that the steps before have."""
    known, is_open = names_known(step)
    for name in parameters.get("required") or ():
        if name not in known and not is_open:
            raise InvalidRequest(
                f"{place}: its function takes {name!r}, which what it follows does not have: expected one of "
                f"{', '.join(known)}"
            )


def checks_of(
    check: object,
    repair: object,
    escalate: str | Sequence[str],
    options: dict[str, Any],
    judge: object = None,
    rubric: object = None,
) -> dict[str, Any]:
    """What a step asks of its answers; `options` gets how often an answer is asked for again.

    Raises:
        InvalidRequest: one of them is wrong.
    """
    if repair is not None:
        if type(repair) is not int or not 0 <= repair <= _MOST_REPAIRS:
            raise InvalidRequest(f"repair is {repair!r:.80}: expected a whole number from 0 to {_MOST_REPAIRS}")
        options["content_retries"] = repair
    models = [escalate] if isinstance(escalate, str) else list(escalate)
    for model in models:
        check_model("escalate", model)
    rule = None if check is None else checked_rule("check", check)
    return {"rule": rule, "escalate": tuple(models), **_judge_of(judge, rubric)}


def _judge_of(judge: object, rubric: object) -> dict[str, Any]:
    if judge is None and rubric is None:
        return {}
    if judge is None or rubric is None:
        raise InvalidRequest(
            f"{'judge' if rubric is None else 'rubric'} is given alone: expected judge and rubric, or neither"
        )
    check_model("judge", judge)
    if not isinstance(rubric, str) or not rubric.strip():
        raise InvalidRequest(f"rubric is {rubric!r:.80}: expected what an answer has to be, as text")
    if len(rubric.encode()) > _MOST_RUBRIC_BYTES:
        raise InvalidRequest(f"rubric has more than {_MOST_RUBRIC_BYTES:,} bytes: expected a shorter one")
    return {"judge": judge, "rubric": rubric}
