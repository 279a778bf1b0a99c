"""Chunks of a streamed chat completion, put together again.

A stream that is cut ends like one that is complete: the SDK tells no difference. What tells is the `finish_reason` of
each choice, so a stream without it is AMBIGUOUS, with the text that had arrived as the floor of its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Delta
from homa_workers.providers.malformed import MISSHAPEN
from homa_workers.providers.openai.reply import is_metered, usage_of

#: Fields of a delta that grow by appending.
APPENDED = ("content", "refusal", "reasoning_content")


class ChunkAssembly:
    """A completion in the making.

    Args:
        from_wire: brings a chunk into OpenAI's shape.
    """

    def __init__(self, from_wire: Callable[[dict[str, Any]], dict[str, Any]] = lambda chunk: chunk) -> None:
        self._from_wire = from_wire
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """All text so far, reasoning and tool arguments included: what the provider has certainly generated."""
        return "".join(
            "".join(str(choice["message"].get(name) or "") for name in APPENDED)
            + "".join(call["function"]["arguments"] for call in choice["message"].get("tool_calls", {}).values())
            for choice in self._choices.values()
        )

    def add(self, chunk: object) -> list[Delta]:
        """Take a chunk in and give its pieces. Raises ProviderError (AMBIGUOUS) for one of another shape."""
        try:
            return list(self._deltas(self._from_wire(chunk))) if isinstance(chunk, dict) else []
        except MISSHAPEN as error:
            raise self.broken(f"a chunk is of another shape than expected: {error!r:.200}") from error

    def _deltas(self, chunk: dict[str, Any]) -> Iterator[Delta]:
        self._head = self._head or {key: chunk[key] for key in ("id", "created", "model") if key in chunk}
        for key in ("service_tier", "system_fingerprint"):
            if chunk.get(key) is not None:
                self._head[key] = chunk[key]
        self._usage = chunk.get("usage") or self._usage
        for piece in chunk.get("choices") or ():
            yield from self._add_choice(piece)

    def _add_choice(self, piece: dict[str, Any]) -> Iterator[Delta]:
        index = int(piece.get("index") or 0)
        choice = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
        )
        delta = piece.get("delta") or {}
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

    def completion(self, request_id: str | None) -> Completion:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when a choice has no end."""
        if not self._choices or not all(choice["finish_reason"] for choice in self._choices.values()):
            raise self.broken("the stream ended without a finish_reason")
        body = {"object": "chat.completion", **self._head, "choices": [self._whole(i) for i in sorted(self._choices)]}
        if self._usage:
            body["usage"] = self._usage
        return Completion(body, usage_of(self._usage), request_id, metered=is_metered(self._usage))

    def broken(self, message: str) -> ProviderError:
        """The error of a stream that has no proper end; charged at its usage if that had been told."""
        usage = usage_of(self._usage) if is_metered(self._usage) else None
        return ProviderError(ErrorKind.AMBIGUOUS, message, usage=usage, partial_text=self.text)

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
