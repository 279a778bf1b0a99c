"""Chunks of a streamed chat completion, encoded as server-sent events."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa.gateway.answers import event
from homa.gateway.dialect import OPENAI
from homa.gateway.errors import ApiError
from homa.gateway.sent_calls import TEXTS, CallPart

#: Fields of a message that are no deltas: its text has been streamed, and its role told.
_TOLD = frozenset({"role", "content", "tool_calls", "response_items"})


class Chunks:
    """The chunks of one stream.

    Args:
        job_id: of the job that answers.
        model: as it was asked for: which one answers is known at the end.
        with_usage: whether the usage is asked for, in a last chunk of its own.
    """

    def __init__(self, job_id: str, model: str, *, with_usage: bool) -> None:
        self._with_usage = with_usage
        self._told_calls = False
        self._base: dict[str, Any] = {
            "id": f"chatcmpl-{job_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        # A piece of text is what nearly all chunks are: what they share is encoded once.
        tail: dict[str, Any] = {"usage": None} if with_usage else {}
        whole = orjson.dumps(self._base | {"choices": [_choice(0, {"content": "\0"})]} | tail)
        before, after = whole.split(rb'"\u0000"')
        self._before, self._after = b"data: " + before, after + b"\n\n"

    def first(self) -> bytes:
        """The chunk that opens the answer."""
        return self._chunk(_choice(0, {"role": "assistant", "content": ""}))

    def text(self, piece: str) -> bytes:
        """A piece of the first choice's text."""
        return b"%b%b%b" % (self._before, orjson.dumps(str(piece)), self._after)

    def call(self, part: CallPart) -> bytes:
        """A piece of a call of a tool."""
        self._told_calls = True
        call = part.call
        said: dict[str, Any] = {"index": call.index}
        if part.is_new:
            said |= {"id": call.id, "type": call.kind}
        named = {"name": call.name} if part.is_new else {}
        said[call.kind] = {**named, TEXTS[call.kind]: part.text}
        return self._chunk(_choice(0, {"tool_calls": [said]}))

    def rest(self, body: Mapping[str, Any]) -> Iterator[bytes]:
        """What was not told: tool calls, further choices, why each ended, and the usage."""
        if body.get("service_tier"):
            self._base["service_tier"] = body["service_tier"]
        for choice in body.get("choices") or ():
            index, message = int(choice.get("index") or 0), choice.get("message") or {}
            for delta in _deltas(message, with_text=index > 0, with_calls=index > 0 or not self._told_calls):
                yield self._chunk(_choice(index, delta))
            logprobs = choice.get("logprobs")
            ended = _choice(index, {}, str(choice.get("finish_reason") or "stop"))
            yield self._chunk(ended | ({"logprobs": logprobs} if logprobs else {}))
        if self._with_usage:
            yield event(self._base | {"choices": [], "usage": body.get("usage")})

    def error(self, error: ApiError) -> bytes:
        """What went wrong after the headers were sent; the official clients raise it."""
        return event(OPENAI.error(error, ""))

    def _chunk(self, choice: Mapping[str, Any]) -> bytes:
        return event(self._base | {"choices": [choice]} | ({"usage": None} if self._with_usage else {}))


def _choice(index: int, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _deltas(message: Mapping[str, Any], *, with_text: bool, with_calls: bool) -> Iterator[dict[str, Any]]:
    if with_text:
        yield {"role": "assistant", "content": message.get("content")}
    others = {name: value for name, value in message.items() if name not in _TOLD and value}
    if others:
        yield others
    for index, call in enumerate(message.get("tool_calls") or ()) if with_calls else ():
        yield {"tool_calls": [{"index": index, **call}]}
