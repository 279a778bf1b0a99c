"""Answers by schema: who is asked natively and who by instruction, what counts as fit, what is said of one that is not.

Most providers follow a schema by themselves, yet none keeps that promise always: a reply is cut at its cap, a schema is
only followed in part. So each answer is checked, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.json_schema import AnswerSchema
from homa_shared.calls.reply import Completion
from homa_shared.model.errors import InvalidReply

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


def schema_of(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that answers must fit; None where none is asked for."""
    wanted = params.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return None
    schema = (wanted.get("json_schema") or {}).get("schema")
    return dict(schema) if isinstance(schema, Mapping) else None


def instruction(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The message that asks for an answer by schema where the provider offers no parameter for it."""
    text = (
        "Answer with one JSON value and nothing else: no prose, no code fence. "
        f"It must be valid against this JSON schema:\n{orjson.dumps(schema).decode()}"
    )
    return {"role": "system", "content": text}


def correction(wrong: str) -> dict[str, Any]:
    """The message that asks for another answer."""
    text = f"Your answer does not fit the JSON schema that was asked for: {wrong}. Answer again, with valid JSON only."
    return {"role": "user", "content": text}


def violation(completion: Completion, schema: AnswerSchema) -> str | None:
    """What is wrong with an answer; None where it fits."""
    try:
        schema.check(completion.text)
    except InvalidReply as error:
        cut = completion.finish_reason == "length"
        return f"it was cut off at the output cap, so answer more briefly; {error}" if cut else str(error)
    return None


def unfenced(completion: Completion) -> Completion:
    """The completion without the code fence that models put around JSON all the same."""
    found = _FENCED.match(completion.text)
    if found is None:
        return completion
    first, *others = completion.body["choices"]
    message = {**first["message"], "content": found[1]}
    body = {**completion.body, "choices": [{**first, "message": message}, *others]}
    return Completion(body, completion.usage, completion.request_id, completion.quota, completion.metered)
