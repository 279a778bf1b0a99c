"""Replies of OpenAI's Responses API, whole and streamed. Shapes: `openai.types.responses`, version 3.54."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from homa_shared.calls.reply import Usage
from homa_workers.simulator.dialect import Piece, Reply, stretches, typed_event
from homa_workers.simulator.wire import Finish, tokens_of_bytes

Item = dict[str, Any]


def write_response(reply: Reply) -> Item:
    """The whole response."""
    cut = reply.answer.finish is Finish.LENGTH
    return _response(reply, "incomplete" if cut else "completed") | {
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": _output(reply),
        "usage": _usage(reply.answer.usage),
    }


def stream_response(reply: Reply) -> Sequence[Piece]:
    """The events of a streamed response."""
    whole = write_response(reply)
    begun = {"response": _response(reply, "in_progress")}
    events: list[tuple[str, Item, int]] = [("response.created", begun, 0), ("response.in_progress", begun, 0)]
    for place, item in enumerate(whole["output"]):
        events += _events_of(item, place)
    events.append((f"response.{whole['status']}", {"response": whole}, 0))
    return [
        Piece(typed_event(kind, {**fields, "sequence_number": n}), tokens)
        for n, (kind, fields, tokens) in enumerate(events)
    ]


def _response(reply: Reply, status: str) -> Item:
    return {
        "id": f"resp_{reply.request_id}",
        "object": "response",
        "created_at": reply.created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": reply.prompt.max_tokens,
        "model": reply.prompt.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": tier_told(reply),
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def tier_told(reply: Reply) -> str:
    """The tier that served a reply, as OpenAI calls it: GPT-6 says `fast` for what was called priority."""
    tier = reply.answer.service.tier
    if tier in ("fast", "priority"):
        return "fast" if reply.prompt.model.startswith("gpt-6") else "priority"
    return tier or "default"


def _output(reply: Reply) -> list[Item]:
    answer = reply.answer
    items: list[Item] = [_reasoning(reply)] if answer.usage.reasoning_tokens else []
    for number in range(answer.service.searches):
        search = {"type": "search", "query": f"query {number}", "queries": [f"query {number}"]}
        found = {"id": f"ws_{reply.request_id}_{number}", "type": "web_search_call", "status": "completed"}
        items.append(found | {"action": search})
    if answer.text or not answer.tool_calls:
        items.append(_message(reply))
    for number, call in enumerate(answer.tool_calls, 1):
        items.append(
            {
                "id": f"fc_{reply.request_id}_{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{reply.request_id}_{number}",
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items


def _reasoning(reply: Reply) -> Item:
    encrypted = f"gAAAA-{reply.request_id}" if reply.prompt.encrypts_reasoning else None
    return {"id": f"rs_{reply.request_id}", "type": "reasoning", "summary": [], "encrypted_content": encrypted}


def _message(reply: Reply) -> Item:
    answer = reply.answer
    if answer.finish is Finish.REFUSAL:
        part: Item = {"type": "refusal", "refusal": answer.text}
    else:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    status = "incomplete" if answer.finish is Finish.LENGTH else "completed"
    return {
        "id": f"msg_{reply.request_id}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part],
    }


def _events_of(item: Item, place: int) -> Iterator[tuple[str, Item, int]]:
    where = {"item_id": item["id"], "output_index": place}
    opening: Item = {"status": "in_progress"} | ({"content": []} if item["type"] == "message" else {})
    if item["type"] == "function_call":
        opening["arguments"] = ""
    yield "response.output_item.added", {"output_index": place, "item": {**item, **opening}}, 0
    match item["type"]:
        case "message":
            yield from _events_of_part(item["content"][0], {**where, "content_index": 0})
        case "function_call":
            named = tokens_of_bytes(len(item["name"]))
            for piece, tokens in stretches(item["arguments"]):
                yield "response.function_call_arguments.delta", {**where, "delta": piece}, tokens + named
                named = 0
            done = {**where, "arguments": item["arguments"]}
            yield "response.function_call_arguments.done", done, 0
    yield "response.output_item.done", {"output_index": place, "item": item}, 0


def _events_of_part(part: Item, where: Item) -> Iterator[tuple[str, Item, int]]:
    name = "refusal" if part["type"] == "refusal" else "text"
    kind = "response.refusal" if name == "refusal" else "response.output_text"
    yield "response.content_part.added", {**where, "part": {**part, name: ""}}, 0
    for piece, tokens in stretches(part[name]):
        yield f"{kind}.delta", {**where, "delta": piece, "logprobs": []}, tokens
    yield f"{kind}.done", {**where, name: part[name], "logprobs": []}, 0
    yield "response.content_part.done", {**where, "part": part}, 0


def _usage(usage: Usage) -> Item:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
