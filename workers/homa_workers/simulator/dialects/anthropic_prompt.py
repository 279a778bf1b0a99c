"""Reading Anthropic's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialects.claude_models import refuse_what_models_lack
from homa_workers.simulator.prompt_cache import PointFinder
from homa_workers.simulator.prompt_reading import Conversation, expect_count, expect_list, expect_text
from homa_workers.simulator.wire import STANDARD, CachePoint, Operation, Prompt, Service, compact_json, invalid

_MEDIA = frozenset({"image", "document"})
#: How the signature of a block begins that is taken to be of another conversation.
BOUND_ELSEWHERE = "elsewhere:"


def read_messages(operation: Operation, body: Mapping[str, Any]) -> Prompt:
    """The body of a message, or of a count of its tokens. Raises Failure where Anthropic would answer 400."""
    refuse_what_models_lack(body)
    conversation = Conversation()
    system, media = _content("system", body.get("system") or "")
    if system or media:
        conversation.add(system, media)
    for number, message in enumerate(expect_list(body, "messages")):
        _add(conversation, f"messages.{number}", message)
    text, tools, points = conversation.text, body.get("tools") or [], _cache_points(body)
    return Prompt(
        operation=operation,
        model=expect_text(body, "model"),
        text=text,
        last_user=conversation.last_user,
        after_tool=conversation.after_tool,
        prompt_tokens=conversation.tokens(text, tools),
        max_tokens=expect_count(body, "max_tokens", required=operation is Operation.CHAT),
        stream=bool(body.get("stream")),
        tools={str(tool.get("name")): tool.get("input_schema") for tool in tools if isinstance(tool, dict)},
        forced_tool=_forced_tool(body.get("tool_choice")),
        schema=_schema(body),
        cache_points=points,
        marker=str((body.get("metadata") or {}).get("user_id") or ""),
        service=_service(body, points),
    )


def _service(body: Mapping[str, Any], points: tuple[CachePoint, ...]) -> Service:
    marks = (body.get("system"), body.get("messages"), body.get("tools")) if points else ()
    long = any('"ttl":"1h"' in compact_json(part) for part in marks)
    fast, us = body.get("speed") == "fast", body.get("inference_geo") == "us"
    return Service(fast=fast, us=us, keeps_long=long) if fast or us or long else STANDARD


def _add(conversation: Conversation, where: str, message: Any) -> None:
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
        raise invalid(f"{where}: {message!r:.80} needs a role of 'user' or 'assistant'")
    _refuse_misplaced(where, message)
    text, media = _content(f"{where}.content", message.get("content"))
    conversation.add(text, media, by_user=message["role"] == "user", tool_result=_brings_tool_result(message))


def _refuse_misplaced(where: str, message: Mapping[str, Any]) -> None:
    """Raises Failure for blocks that the role of a message may not have, and for thoughts that are another's."""
    content = message.get("content")
    for number, block in enumerate(content if isinstance(content, list) else ()):
        place, kind = f"{where}.content.{number}", block.get("type") if isinstance(block, dict) else None
        if message["role"] == "assistant" and kind in _MEDIA:
            raise invalid(f"{place}: {kind!r} blocks are not permitted in assistant messages")
        if message["role"] == "user" and kind == "text" and block.get("citations"):
            raise invalid(f"{place}.citations: Extra inputs are not permitted")
        if kind == "thinking":
            _refuse_others_thoughts(place, block)


def _refuse_others_thoughts(place: str, block: Mapping[str, Any]) -> None:
    if not block.get("signature"):
        raise invalid(f"{place}.thinking.signature: Field required")
    if str(block["signature"]).startswith(BOUND_ELSEWHERE):
        raise invalid(
            f"{place}: Invalid `signature` in `thinking` block. The block is bound to a different conversation."
        )


def _content(where: str, content: Any) -> tuple[str, int]:
    """Text and number of media parts of a message's content."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise invalid(f"{where}: {content!r:.60} is neither text nor a list of blocks")
    texts: list[str] = []
    media = 0
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in _MEDIA:
            media += 1
        elif kind == "text":
            texts.append(str(block.get("text") or ""))
        elif kind in ("thinking", "redacted_thinking"):
            texts.append(str(block.get("thinking") or ""))
        elif kind == "tool_use":
            texts.append(compact_json({"name": block.get("name"), "input": block.get("input")}))
        elif kind == "tool_result":
            text, n_media = _content(f"{where}.tool_result", block.get("content") or "")
            texts.append(text)
            media += n_media
        else:
            raise invalid(f"{where}: a block of type {kind!r} is not known")
    return "\n".join(texts), media


def _cache_points(body: Mapping[str, Any]) -> tuple[CachePoint, ...]:
    """Prefixes that the body marks: tools come first, then the system prompt, then the messages."""
    contents = [body.get("system"), *(message.get("content") for message in body["messages"])]
    if not any(isinstance(block, dict) and "cache_control" in block for content in contents for block in content or ()):
        return ()
    finder = PointFinder(body.get("tools"))
    for content in contents:
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content or ():
            finder.add(*_content("content", [block]), ends="cache_control" in block)
    return finder.points


def _brings_tool_result(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


def _forced_tool(choice: Any) -> str:
    if not isinstance(choice, dict):
        return ""
    return {"any": "*", "tool": str(choice.get("name") or "")}.get(str(choice.get("type")), "")


def _schema(body: Mapping[str, Any]) -> Any:
    output = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return output.get("schema") if isinstance(output, dict) and output.get("type") == "json_schema" else None
