"""Answers by schema: who is asked natively and who by instruction, what counts as fit, what is said of one that is not.

Most providers follow a schema by themselves, yet none keeps that promise always: a schema is only followed in part. So
each answer is checked, whoever wrote it. One that was cut at its cap is not asked to be mended (see `cut`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from homa_shared.calls.reply import Completion
from homa_shared.model.errors import InvalidReply, InvalidRequest
from homa_workers.outcomes.halting import refused
from homa_workers.pipeline.steps.schema_check import check, ready

if TYPE_CHECKING:
    from homa_shared.calls.json_schema import AnswerSchema

#: Around JSON, and before it: what models write although they were asked for JSON alone.
_FENCE = "```"
_THOUGHTS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))


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


async def to_check(schema: Mapping[str, Any]) -> AnswerSchema:
    """A schema that answers are to be held against.

    Raises:
        Halted: it is none.
    """
    try:
        return await ready(schema)
    except InvalidRequest as error:
        raise refused(str(error)) from error


def after_system(messages: Sequence[Mapping[str, Any]]) -> int:
    """The place behind the messages that a conversation begins with, of system or developer."""
    return next((i for i, m in enumerate(messages) if m.get("role") not in ("system", "developer")), len(messages))


async def violation(completion: Completion, schema: AnswerSchema) -> str | None:
    """What is wrong with an answer; None where it fits.

    Raises:
        InvalidRequest: the schema cannot be checked.
    """
    try:
        await check(schema, completion.text)
    except InvalidReply as error:
        return str(error)
    return None


def unwrapped(completion: Completion) -> Completion:
    """The completion without what models put around JSON all the same: a code fence, and what they thought.

    Thoughts become the message's reasoning where it has none.
    """
    thought, text = _thoughts_apart(completion.text.removeprefix("\ufeff"))
    text = _within_fence(text)
    if text == completion.text:
        return completion
    first, *others = completion.body["choices"]
    message = {**first["message"], "content": text}
    if thought and not message.get("reasoning_content"):
        message["reasoning_content"] = thought
    body = {**completion.body, "choices": [{**first, "message": message}, *others]}
    return replace(completion, body=body)


def _thoughts_apart(text: str) -> tuple[str, str]:
    """What stands in a leading `<think>…</think>`, and what comes behind it."""
    begun = text.lstrip()
    for opening, closing in _THOUGHTS:
        if begun.startswith(opening):
            thought, closed, answer = begun.removeprefix(opening).partition(closing)
            return (thought.strip(), answer) if closed else ("", text)
        # Templates of some models open the tag in the prompt, so that only its end is written.
        if not begun.startswith(("{", "[", '"', _FENCE)) and closing in begun:
            thought, _, answer = begun.partition(closing)
            return thought.strip(), answer
    return "", text


def _within_fence(text: str) -> str:
    """What stands in the code fence around a text, or in the only one within it; else the text itself."""
    begun = text.strip()
    if begun.startswith(_FENCE):
        inside = begun.removeprefix(_FENCE)
        return _without_language(inside[: inside.rfind(_FENCE)] if _FENCE in inside else inside)
    if begun.startswith(("{", "[", '"')) or begun.count(_FENCE) != 2:
        return text
    return _without_language(begun.split(_FENCE)[1])


def _without_language(inside: str) -> str:
    """What a fence holds, without the name of a language behind its first three marks."""
    line, newline, content = inside.partition("\n")
    if newline and (not line.strip() or line.strip().isalnum()):
        return content.strip()
    return inside.strip().removeprefix("json").strip()
