"""Events of a streamed message, put together again.

`message_start` carries the input's usage, `message_delta` the *cumulative* output's. A stream is complete when it has
told its stop reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.reply import Delta
from homa_workers.providers.stream_assembly import NO_HEADERS, StreamAssembly, ToolInputs


class EventAssembly(StreamAssembly):
    """A message in the making."""

    def __init__(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(headers)
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs = ToolInputs()
        self._has_stopped = False
        #: Whether the usage counts all that was written so far: the first one, of the prompt, does not.
        self._usage_is_whole = False

    @property
    def has_ended(self) -> bool:
        return self._has_stopped

    @property
    def text(self) -> str:
        texts = (str(block.get("text") or block.get("thinking") or "") for block in self._blocks.values())
        return "".join((*texts, self._inputs.text))

    @property
    def begun(self) -> bool:
        # With it the prompt has been read; models may think before they begin a block.
        return bool(self._message or self._blocks)

    def _deltas(self, event: Any) -> Iterator[Delta]:
        match event:
            case {"type": "message", "content": list(content)}:
                # A server that does not stream: this is all of it.
                self._message = {**event, "usage": dict(event.get("usage") or {})}
                for index, block in enumerate(content):
                    yield from self._start(index, dict(block))
                self._usage_is_whole = True
            case {"type": "message_start", "message": dict(message)}:
                self._message = {**message, "usage": dict(message.get("usage") or {})}
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                yield from self._start(index, dict(block))
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)} if index in self._blocks:
                yield from self._grow(index, delta)
            case {"type": "message_delta", "delta": dict(delta), **rest}:
                self._message |= {name: value for name, value in delta.items() if value is not None}
                self._add_usage(rest.get("usage"))
            case {"type": "message_stop"}:
                self._has_stopped = True

    def _start(self, index: int, block: dict[str, Any]) -> Iterator[Delta]:
        self._blocks[index] = block
        self._usage_is_whole = False
        if block.get("type") == "tool_use":
            yield self._inputs.begin(index, block.get("id"), block.get("name"))
        elif block.get("text"):
            yield Delta(text=block["text"])

    def _grow(self, index: int, delta: dict[str, Any]) -> Iterator[Delta]:
        block = self._blocks[index]
        self._usage_is_whole = False
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
                yield self._inputs.add(index, piece)

    def _add_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._message.setdefault("usage", {}).update({k: v for k, v in usage.items() if v is not None})
            self._usage_is_whole = usage.get("output_tokens") is not None

    def message(self) -> dict[str, Any]:
        """The whole message. Raises ProviderError (AMBIGUOUS) when the stream was cut."""
        if not self._message.get("stop_reason"):
            raise self.broken("the stream ended without a stop_reason")
        content = [{**self._blocks[index], **self._inputs.whole(index)} for index in sorted(self._blocks)]
        usage = self._message.get("usage") if self._usage_is_whole else None
        return {**self._message, "content": content, "usage": usage}
