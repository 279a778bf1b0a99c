"""Converse's replies, whole or streamed, as chat completions."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Delta, Usage
from homa_workers.providers.malformed import MISSHAPEN

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

Body = Mapping[str, Any]


def chat_completion(reply: Body, model: str, request_id: str | None) -> dict[str, Any]:
    """A reply as the body of a chat completion.

    Raises ProviderError (MALFORMED) when it holds no finished message, or one that the model got wrong
    (`malformed_tool_use`); with the usage that was reported.
    """
    usage = usage_of(reply.get("usage"))
    reason = reply.get("stopReason")
    message = (reply.get("output") or {}).get("message")
    if not isinstance(message, Mapping) or reason is None or str(reason).startswith("malformed"):
        reported = usage if reply.get("usage") else None
        raise ProviderError(
            ErrorKind.MALFORMED, f"expected a finished message, got stopReason {reason!r}", usage=reported
        )
    return {
        "id": request_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": _assistant(message), "finish_reason": FINISH_REASONS.get(reason, str(reason))}
        ],
        "usage": _openai_usage(usage),
    }


def usage_of(usage: Body | None) -> Usage:
    """Tokens in Homa's terms.

    Whether `inputTokens` holds the cached ones differs among models; the total always does, so that it decides.
    """
    usage = usage or {}
    output = usage.get("outputTokens") or 0
    given = usage.get("inputTokens") or 0
    return Usage(
        input_tokens=max(given, (usage.get("totalTokens") or 0) - output),
        output_tokens=output,
        cached_tokens=usage.get("cacheReadInputTokens") or 0,
        cache_write_tokens=usage.get("cacheWriteInputTokens") or 0,
    )


def _assistant(message: Body) -> dict[str, Any]:
    blocks = message.get("content") or []
    texts = [block["text"] for block in blocks if "text" in block]
    calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    thinking = [_thinking(block["reasoningContent"]) for block in blocks if "reasoningContent" in block]
    body: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        body["tool_calls"] = calls
    if thinking:
        body["reasoning_content"] = "".join(block.get("thinking", "") for block in thinking)
        body["thinking_blocks"] = thinking
    return body


def _thinking(reasoning: Body) -> dict[str, Any]:
    """Reasoning in Anthropic's shape, in which it is given back after a tool call."""
    if "redactedContent" in reasoning:
        return {"type": "redacted_thinking", "data": base64.b64encode(reasoning["redactedContent"]).decode()}
    text = reasoning.get("reasoningText") or {}
    return {"type": "thinking", "thinking": text.get("text", ""), "signature": text.get("signature")}


def _tool_call(use: Body) -> dict[str, Any]:
    arguments = orjson.dumps(use.get("input") or {}).decode()
    return {"id": use["toolUseId"], "type": "function", "function": {"name": use["name"], "arguments": arguments}}


def _openai_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class EventAssembly:
    """A streamed reply in the making."""

    def __init__(self) -> None:
        self._reply: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        #: JSON of tool inputs, by block.
        self._inputs: dict[int, str] = {}

    @property
    def text(self) -> str:
        """All that was generated so far: text, reasoning, inputs of tools."""
        texts = [block.get("text") or _reasoned(block).get("text") or "" for block in self._blocks.values()]
        return "".join((*texts, *self._inputs.values()))

    def add(self, event: Body) -> list[Delta]:
        """Take an event in and give its pieces. Raises ProviderError (AMBIGUOUS) for one of another shape."""
        try:
            return list(self._deltas(event))
        except MISSHAPEN as error:
            text = f"an event is of another shape than expected: {error!r:.200}"
            raise ProviderError(ErrorKind.AMBIGUOUS, text, partial_text=self.text) from error

    def _deltas(self, event: Body) -> Iterator[Delta]:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": int(index), "start": {"toolUse": dict(use)}}}:
                self._blocks[index] = {"toolUse": use}
                self._inputs[index] = ""
                function = {"name": use["name"], "arguments": ""}
                yield self._tool_piece(index, id=use["toolUseId"], type="function", function=function)
            case {"contentBlockDelta": {"contentBlockIndex": int(index), "delta": dict(delta)}}:
                yield from self._grow(self._blocks.setdefault(index, {}), index, delta)
            case {"messageStop": {"stopReason": str(reason)}}:
                self._reply["stopReason"] = reason
            case {"metadata": {"usage": dict(usage)}}:
                self._reply["usage"] = usage

    def _grow(self, block: dict[str, Any], index: int, delta: Body) -> Iterator[Delta]:
        match delta:
            case {"text": str(text)}:
                block["text"] = block.get("text", "") + text
                yield Delta(text=text)
            case {"toolUse": {"input": str(piece)}}:
                self._inputs[index] = self._inputs.get(index, "") + piece
                yield self._tool_piece(index, function={"arguments": piece})
            case {"reasoningContent": {"redactedContent": bytes(content)}}:
                block.setdefault("reasoningContent", {})["redactedContent"] = content
            case {"reasoningContent": dict(reasoning)}:
                kept = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
                for name in ("text", "signature"):
                    if reasoning.get(name):
                        kept[name] = kept.get(name, "") + reasoning[name]
                if reasoning.get("text"):
                    yield Delta(reasoning=reasoning["text"])

    def _tool_piece(self, index: int, **fields: Any) -> Delta:
        return Delta(tool_call={"index": list(self._inputs).index(index), **fields})

    def reply(self) -> dict[str, Any]:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when the stream was cut."""
        if "stopReason" not in self._reply:
            raise ProviderError(ErrorKind.AMBIGUOUS, "the stream ended without a stopReason", partial_text=self.text)
        content = [self._whole(index) for index in sorted(self._blocks)]
        return {**self._reply, "output": {"message": {"role": "assistant", "content": content}}}

    def _whole(self, index: int) -> dict[str, Any]:
        block = self._blocks[index]
        if not self._inputs.get(index):
            return block
        try:
            arguments = orjson.loads(self._inputs[index])
        except orjson.JSONDecodeError:
            # Cut by the output cap in mid-input; the text is kept for whoever looks at the job.
            arguments = {"_incomplete": self._inputs[index]}
        return {"toolUse": {**block["toolUse"], "input": arguments}}


def _reasoned(block: Body) -> Body:
    reasoning = block.get("reasoningContent") or {}
    text: Body = reasoning.get("reasoningText") or {}
    return text
