"""Events of a streamed message, encoded as server-sent events.

Order and names: platform.claude.com/docs/en/build-with-claude/streaming. Each has its name in an `event:` line, without
which the official client drops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa.gateway.answers import event
from homa.gateway.anthropic.message import calls_of, ending, opening, thinking_of, usage_of
from homa.gateway.dialect import ANTHROPIC
from homa.gateway.errors import ApiError
from homa.gateway.sent_calls import CallPart


class MessageEvents:
    """The events of one stream."""

    def __init__(self, job_id: str, model: str, request_id: str) -> None:
        self._message, self._request_id = opening(job_id, model), request_id
        #: Index of the block that is open or comes next.
        self._index, self._is_open, self._has_text = 0, False, False
        self._told_calls = False

    def first(self) -> bytes:
        return _event("message_start", message=self._message)

    def text(self, piece: str) -> bytes:
        """A piece of the text."""
        return self._open_text() + _event(
            "content_block_delta", index=self._index, delta={"type": "text_delta", "text": str(piece)}
        )

    def call(self, part: CallPart) -> Iterator[bytes]:
        """A piece of a call of a tool."""
        self._told_calls = True
        if part.is_new:
            if self._is_open:
                yield self._close()
            self._is_open = True
            block = {"type": "tool_use", "id": part.call.id, "name": part.call.name, "input": {}}
            yield _event("content_block_start", index=self._index, content_block=block)
        if part.text:
            delta = {"type": "input_json_delta", "partial_json": part.text}
            yield _event("content_block_delta", index=self._index, delta=delta)

    def rest(self, body: Mapping[str, Any]) -> Iterator[bytes]:
        """What was not told: thinking, calls of tools, why it ended, and the usage."""
        message = (body.get("choices") or [{}])[0].get("message") or {}
        if not (self._has_text or self._told_calls) and (refusal := message.get("refusal")):
            yield self.text(str(refusal))
        if self._is_open:
            yield self._close()
        for block in (*thinking_of(message), *(() if self._told_calls else calls_of(message))):
            yield from self._whole(block)
        yield _event("message_delta", delta=ending(body), usage=usage_of(body))
        yield _event("message_stop")

    def error(self, error: ApiError) -> bytes:
        return event(ANTHROPIC.error(error, self._request_id), "error")

    def _open_text(self) -> bytes:
        if self._is_open:
            return b""
        self._is_open = self._has_text = True
        return _event("content_block_start", index=self._index, content_block={"type": "text", "text": ""})

    def _close(self) -> bytes:
        closed = _event("content_block_stop", index=self._index)
        self._index, self._is_open = self._index + 1, False
        return closed

    def _whole(self, block: Mapping[str, Any]) -> Iterator[bytes]:
        """A block at once: opened empty, told in one piece, closed."""
        empty, deltas = _split(block)
        yield _event("content_block_start", index=self._index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=self._index, delta=delta)
        yield self._close()


def _split(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "tool_use":
        told = {"type": "input_json_delta", "partial_json": orjson.dumps(block["input"]).decode()}
        return {**block, "input": {}}, [told]
    if block["type"] == "thinking":
        thought = {"type": "thinking_delta", "thinking": block.get("thinking") or ""}
        signed = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return {**block, "thinking": "", "signature": ""}, [thought, signed]
    return dict(block), []


def _event(name: str, **fields: Any) -> bytes:
    return event({"type": name, **fields}, name)
