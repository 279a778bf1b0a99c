"""The answer of a chat completion as output items of a response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from homa_shared.calls.reply import ITEMS


def message_id(job_id: str) -> str:
    return f"msg_{job_id}"


def output_of(body: Mapping[str, Any], job_id: str) -> list[dict[str, Any]]:
    """All items, in the order in which the model wrote them."""
    message = (body.get("choices") or [{}])[0].get("message") or {}
    if items := message.get(ITEMS):
        calls = count()
        return [_with_own_id(item, job_id, calls) for item in items]
    return list(_items(message, job_id))


def call_id(job_id: str, number: int) -> str:
    return f"fc_{job_id}_{number}"


def usage_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Its tokens."""
    told = body.get("usage") or {}
    read, wrote = told.get("prompt_tokens_details") or {}, told.get("completion_tokens_details") or {}
    given, written = int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0)
    cached = {name: int(read.get(name) or 0) for name in ("cached_tokens", "cache_write_tokens")}
    return {
        "input_tokens": given,
        "input_tokens_details": cached,
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": int(wrote.get("reasoning_tokens") or 0)},
        "total_tokens": given + written,
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(job_id: str, content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {"id": message_id(job_id), "type": "message", "role": "assistant", "status": status, "content": content}


def _items(message: Mapping[str, Any], job_id: str) -> Iterator[dict[str, Any]]:
    if thought := message.get("reasoning_content"):
        yield {"id": f"rs_{job_id}", "type": "reasoning", "summary": [{"type": "summary_text", "text": thought}]}
    content = [text_part(message["content"])] if message.get("content") else []
    if message.get("refusal"):
        content.append({"type": "refusal", "refusal": message["refusal"]})
    if content or not message.get("tool_calls"):
        yield message_item(job_id, content)
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield _call(call, call_id(job_id, number))


def _call(call: Mapping[str, Any], item_id: str) -> dict[str, Any]:
    if "custom" in call:
        custom = call["custom"]
        told = {"type": "custom_tool_call", "name": custom.get("name"), "input": custom.get("input") or ""}
    else:
        function = call.get("function") or {}
        told = {"type": "function_call", "name": function.get("name"), "arguments": function.get("arguments") or "{}"}
    return {"id": item_id, "call_id": call["id"], "status": "completed", **told}


def _with_own_id(item: Mapping[str, Any], job_id: str, calls: Iterator[int]) -> dict[str, Any]:
    """A message or call has the id under which its text is streamed, whatever the provider calls it."""
    if item.get("type") == "message":
        return {**item, "id": message_id(job_id)}
    if item.get("type") in ("function_call", "custom_tool_call"):
        return {**item, "id": call_id(job_id, next(calls))}
    return dict(item)
