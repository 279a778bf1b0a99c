"""Chunks of a streamed chat completion, put together again.

A stream is complete when each choice has told its `finish_reason`; the SDK tells no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from homa_shared.calls.reply import Completion, Delta, Usage
from homa_shared.kinds.billing import Billing
from homa_workers.providers.openai.reply import QUOTA_HEADERS, completion_of, unchanged
from homa_workers.providers.openai.usage import NOTHING_ASKED, UNDESCRIBED, billed, is_metered, told_usage, usage_of
from homa_workers.providers.stream_assembly import NO_HEADERS, StreamAssembly

#: Fields of a delta that grow by appending.
APPENDED = ("content", "refusal", "reasoning_content")


class ChunkAssembly(StreamAssembly):
    """A completion in the making.

    Args:
        headers: of the reply.
        from_wire: brings a chunk into OpenAI's shape.
        quota_headers, billing, asked: as for `completion_of`.
    """

    def __init__(
        self,
        headers: Mapping[str, str] = NO_HEADERS,
        from_wire: Callable[[dict[str, Any]], dict[str, Any]] = unchanged,
        quota_headers: tuple[str, str, str, str] = QUOTA_HEADERS,
        billing: Billing = UNDESCRIBED,
        asked: Mapping[str, Any] = NOTHING_ASKED,
    ) -> None:
        super().__init__(headers)
        self._from_wire = from_wire
        self._quota_headers = quota_headers
        self._billing, self._asked = billing, asked
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] | None = None
        #: Whether it was told at the end: in mid-stream it counts what had been written by then.
        self._usage_is_whole = False

    @property
    def text(self) -> str:
        return "".join(
            "".join(str(choice["message"].get(name) or "") for name in APPENDED)
            + "".join(call["function"]["arguments"] for call in choice["message"].get("tool_calls", {}).values())
            for choice in self._choices.values()
        )

    def _deltas(self, event: Any) -> Iterator[Delta]:
        if not isinstance(event, dict):
            return
        event = self._from_wire(event)
        self._head = self._head or {key: event[key] for key in ("id", "created", "model") if key in event}
        for key in ("service_tier", "system_fingerprint"):
            if event.get(key) is not None:
                self._head[key] = event[key]
        told = told_usage(event)
        # A usage in each chunk counts up; one of nulls behind the last takes nothing back.
        if isinstance(told, dict) and (is_metered(told) or self._usage is None):
            self._usage = told
        choices = event.get("choices") or ()
        for piece in choices:
            yield from self._add_choice(piece)
        if told:
            self._usage_is_whole = not choices or self._is_finished

    def _add_choice(self, piece: dict[str, Any]) -> Iterator[Delta]:
        index = int(piece.get("index") or 0)
        choice = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
        )
        delta = piece.get("delta") or {}
        if delta.get("annotations"):
            choice["message"].setdefault("annotations", []).extend(delta["annotations"])
        message = choice["message"]
        for name in APPENDED:
            if delta.get(name):
                message[name] = (message.get(name) or "") + delta[name]
        if delta.get("content") or delta.get("reasoning_content"):
            yield Delta(delta.get("content") or "", delta.get("reasoning_content") or "", choice=index)
        for call in delta.get("tool_calls") or ():
            _add_tool_call(message, call)
            yield Delta(tool_call=call, choice=index)
        if piece.get("logprobs"):
            kept = choice.setdefault("logprobs", {"content": []})
            kept["content"] += piece["logprobs"].get("content") or []
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]

    @property
    def _is_finished(self) -> bool:
        return all(choice["finish_reason"] for choice in self._choices.values())

    def completion(self) -> Completion:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when a choice has no end."""
        if not self._choices or not self._is_finished:
            raise self.broken("the stream ended without a finish_reason")
        body = {"object": "chat.completion", **self._head, "choices": [self._whole(i) for i in sorted(self._choices)]}
        if self._usage:
            body["usage"] = self._usage
        return completion_of(body, self.headers, self._quota_headers, self._billing, self._asked)

    def _usage_so_far(self) -> Usage | None:
        if not self._usage_is_whole or not is_metered(self._usage):
            return None
        return billed(self._head, usage_of(self._usage), self._billing, self._asked)

    def _whole(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        message = choice["message"]
        calls = message.get("tool_calls")
        return {**choice, "message": {**message, "tool_calls": list(calls.values())}} if calls else choice


def _add_tool_call(message: dict[str, Any], piece: dict[str, Any]) -> None:
    """Pieces of one call share an index; id and name come once, arguments bit by bit."""
    calls = message.setdefault("tool_calls", {})
    index = piece.get("index")
    call = calls.setdefault(
        len(calls) if index is None else index, {"type": "function", "function": {"name": "", "arguments": ""}}
    )
    if piece.get("id"):
        call["id"] = piece["id"]
    function = piece.get("function") or {}
    call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""
