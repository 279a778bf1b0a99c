"""Events of a streamed message, put together again.

`message_start` carries the input's usage, `message_delta` the *cumulative* output's. A stream is complete when it has
told its stop reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Delta
from homa_workers.providers.malformed import MISSHAPEN


class EventAssembly:
    """A message in the making."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        #: JSON of tool inputs, by block.
        self._inputs: dict[int, str] = {}

    @property
    def text(self) -> str:
        """All that was generated so far: text, thinking, inputs of tools."""
        texts = (str(block.get("text") or block.get("thinking") or "") for block in self._blocks.values())
        return "".join((*texts, *self._inputs.values()))

    def add(self, event: object) -> list[Delta]:
        """Take an event in and give its pieces. Raises ProviderError (AMBIGUOUS) for one of another shape."""
        try:
            return list(self._deltas(event))
        except MISSHAPEN as error:
            raise self.broken(f"an event is of another shape than expected: {error!r:.200}") from error

    def _deltas(self, event: object) -> Iterator[Delta]:
        match event:
            case {"type": "message_start", "message": dict(message)}:
                self._message = {**message, "usage": dict(message.get("usage") or {})}
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                yield from self._start(index, dict(block))
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)} if index in self._blocks:
                yield from self._grow(index, delta)
            case {"type": "message_delta", "delta": dict(delta), **rest}:
                self._message |= {name: value for name, value in delta.items() if value is not None}
                self._add_usage(rest.get("usage"))

    def _start(self, index: int, block: dict[str, Any]) -> Iterator[Delta]:
        self._blocks[index] = block
        if block.get("type") == "tool_use":
            self._inputs[index] = ""
            function = {"name": block.get("name"), "arguments": ""}
            yield Delta(tool_call=self._tool_piece(index, id=block.get("id"), type="function", function=function))
        elif block.get("text"):
            yield Delta(text=block["text"])

    def _grow(self, index: int, delta: dict[str, Any]) -> Iterator[Delta]:
        block = self._blocks[index]
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                block["text"] = block.get("text", "") + text
                yield Delta(text=text)
            case {"type": "thinking_delta", "thinking": str(text)}:
                block["thinking"] = block.get("thinking", "") + text
                yield Delta(reasoning=text)
            case {"type": "signature_delta", "signature": str(signature)}:
                block["signature"] = block.get("signature", "") + signature
            case {"type": "input_json_delta", "partial_json": str(piece)} if index in self._inputs:
                self._inputs[index] += piece
                yield Delta(tool_call=self._tool_piece(index, function={"arguments": piece}))

    def _tool_piece(self, index: int, **fields: Any) -> dict[str, Any]:
        return {"index": list(self._inputs).index(index), **fields}

    def _add_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._message.setdefault("usage", {}).update({k: v for k, v in usage.items() if v is not None})

    def message(self) -> dict[str, Any]:
        """The whole message. Raises ProviderError (AMBIGUOUS) when the stream was cut."""
        if not self._message.get("stop_reason"):
            raise self.broken("the stream ended without a stop_reason")
        return {**self._message, "content": [self._whole(index) for index in sorted(self._blocks)]}

    def broken(self, message: str) -> ProviderError:
        """The error of a stream without a proper end: what it has cost only Anthropic knows."""
        return ProviderError(ErrorKind.AMBIGUOUS, message, partial_text=self.text)

    def _whole(self, index: int) -> dict[str, Any]:
        """A block, with a tool's input put together from its pieces."""
        block = self._blocks[index]
        if not self._inputs.get(index):
            return block
        try:
            return {**block, "input": orjson.loads(self._inputs[index])}
        except orjson.JSONDecodeError:
            # Cut by max_tokens in mid-input; the text is kept for whoever looks at the job.
            return {**block, "input": {"_incomplete": self._inputs[index]}}
