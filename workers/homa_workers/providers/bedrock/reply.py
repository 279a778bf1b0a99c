"""Converse's replies, whole or streamed, as chat completions."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Delta, Usage
from homa_workers.providers.bedrock.usage import is_metered
from homa_workers.providers.chat_completion import (
    Body,
    assistant_message,
    chat_completion,
    choice,
    thinking_fields,
    tool_call,
)
from homa_workers.providers.stream_assembly import StreamAssembly, ToolInputs

#: What the last event of a stream tells beside the reply itself.
_TOLD = ("usage", "serviceTier", "performanceConfig")
#: Bedrock's stop reasons in OpenAI's words.
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


def completion_body(reply: Body, model: str, request_id: str | None, usage: Usage) -> dict[str, Any]:
    """A reply as the body of a chat completion.

    Raises ProviderError, with the usage that was reported: MALFORMED when it holds no finished message, UNUSABLE_REPLY
    when the model got it wrong (`malformed_tool_use`).
    """
    reason = reply.get("stopReason")
    message = (reply.get("output") or {}).get("message")
    wrong = str(reason).startswith("malformed")
    if not isinstance(message, Mapping) or reason is None or wrong:
        reported = usage if is_metered(reply) else None
        raise ProviderError(
            ErrorKind.UNUSABLE_REPLY if wrong else ErrorKind.MALFORMED,
            f"expected a finished message, got stopReason {reason!r}",
            usage=reported,
        )
    answer = choice(_assistant(message), FINISH_REASONS.get(reason, str(reason)))
    return chat_completion(request_id, model, [answer], usage)


def _assistant(message: Body) -> dict[str, Any]:
    blocks = message.get("content") or []
    texts = [block["text"] for block in blocks if "text" in block]
    calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    thinking = [_thinking(block["reasoningContent"]) for block in blocks if "reasoningContent" in block]
    body = assistant_message(texts, calls)
    return body | thinking_fields(thinking) if thinking else body


def _thinking(reasoning: Body) -> dict[str, Any]:
    """Reasoning in Anthropic's shape, in which it is given back after a tool call."""
    if "redactedContent" in reasoning:
        return {"type": "redacted_thinking", "data": base64.b64encode(reasoning["redactedContent"]).decode()}
    text = reasoning.get("reasoningText") or {}
    return {"type": "thinking", "thinking": text.get("text", ""), "signature": text.get("signature")}


def _tool_call(use: Body) -> dict[str, Any]:
    return tool_call(use["toolUseId"], use["name"], use.get("input"))


class EventAssembly(StreamAssembly):
    """A streamed reply in the making."""

    def __init__(self) -> None:
        super().__init__()
        self._has_started = False
        self._reply: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs = ToolInputs()

    @property
    def has_ended(self) -> bool:
        return "stopReason" in self._reply and "usage" in self._reply

    @property
    def text(self) -> str:
        texts = [block.get("text") or _reasoned(block).get("text") or "" for block in self._blocks.values()]
        return "".join((*texts, self._inputs.text))

    @property
    def begun(self) -> bool:
        # With its start the prompt has been read; thoughts that are not shown come without an event.
        shown = self.text or any("reasoningContent" in block for block in self._blocks.values())
        return self._has_started or bool(shown)

    def _deltas(self, event: Any) -> Iterator[Delta]:
        match event:
            case {"messageStart": _}:
                self._has_started = True
            case {"contentBlockStart": {"contentBlockIndex": int(index), "start": {"toolUse": dict(use)}}}:
                self._blocks[index] = {"toolUse": use}
                yield self._inputs.begin(index, use["toolUseId"], use["name"])
            case {"contentBlockDelta": {"contentBlockIndex": int(index), "delta": dict(delta)}}:
                # It had counted what was written by then.
                self._reply.pop("usage", None)
                yield from self._grow(self._blocks.setdefault(index, {}), index, delta)
            case {"messageStop": {"stopReason": str(reason)}}:
                self._reply["stopReason"] = reason
            case {"metadata": {"usage": dict()} as metadata}:
                self._reply |= {name: metadata[name] for name in _TOLD if name in metadata}

    def _grow(self, block: dict[str, Any], index: int, delta: Body) -> Iterator[Delta]:
        match delta:
            case {"text": str(text)}:
                block["text"] = block.get("text", "") + text
                yield Delta(text=text)
            case {"toolUse": {"input": str(piece)}}:
                yield self._inputs.add(index, piece)
            case {"reasoningContent": {"redactedContent": bytes(content)}}:
                block.setdefault("reasoningContent", {})["redactedContent"] = content
            case {"reasoningContent": dict(reasoning)}:
                kept = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
                for name in ("text", "signature"):
                    if reasoning.get(name):
                        kept[name] = kept.get(name, "") + reasoning[name]
                if reasoning.get("text"):
                    yield Delta(reasoning=reasoning["text"])

    def reply(self) -> dict[str, Any]:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when the stream was cut."""
        if "stopReason" not in self._reply:
            raise self.broken("the stream ended without a stopReason")
        content = [self._whole(index) for index in sorted(self._blocks)]
        return {**self._reply, "output": {"message": {"role": "assistant", "content": content}}}

    def _whole(self, index: int) -> dict[str, Any]:
        block, whole = self._blocks[index], self._inputs.whole(index)
        return {"toolUse": {**block["toolUse"], **whole}} if whole else block


def _reasoned(block: Body) -> Body:
    reasoning = block.get("reasoningContent") or {}
    text: Body = reasoning.get("reasoningText") or {}
    return text
