"""Reading OpenAI's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialects.strict_schemas import expect_object, expect_strict, expect_strict_tools, of_answer
from homa_workers.simulator.prompt_reading import (
    ANY_OBJECT,
    Conversation,
    embedding_prompt,
    expect_count,
    expect_list,
    expect_text,
    json_marker,
)
from homa_workers.simulator.wire import Operation, Prompt, compact_json, invalid, on_tier

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
#: Most choices of one chat completion.
_MOST_CHOICES = 128
_MEDIA = frozenset({"image_url", "input_audio", "file"})


def read_chat(body: Mapping[str, Any]) -> Prompt:
    """A chat completion's body. Raises Failure where OpenAI would answer 400."""
    conversation = Conversation()
    for number, message in enumerate(expect_list(body, "messages")):
        _add(conversation, number, message)
    text, tools = conversation.text, body.get("tools") or []
    expect_strict_tools(tools, inner="function")
    stream_options = body.get("stream_options") or {}
    return Prompt(
        operation=Operation.CHAT,
        model=expect_text(body, "model"),
        text=text,
        last_user=conversation.last_user,
        after_tool=conversation.after_tool,
        prompt_tokens=conversation.tokens(text, tools),
        max_tokens=expect_count(body, "max_completion_tokens") or expect_count(body, "max_tokens"),
        stream=bool(body.get("stream")),
        include_usage=bool(stream_options.get("include_usage")),
        choices=expect_count(body, "n", most=_MOST_CHOICES) or 1,
        tools=_tools(tools),
        forced_tool=_forced_tool(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        marker=json_marker(body.get("metadata")) or str(body.get("user") or body.get("safety_identifier") or ""),
        service=on_tier(body.get("service_tier")),
    )


def read_embeddings(body: Mapping[str, Any]) -> Prompt:
    """An embeddings call's body. Raises Failure where OpenAI would answer 400."""
    inputs = _embedding_inputs(body)
    return embedding_prompt(
        expect_text(body, "model"),
        inputs,
        body.get("dimensions"),
        base64=body.get("encoding_format") == "base64",
        marker=str(body.get("user") or ""),
    )


def _embedding_inputs(body: Mapping[str, Any]) -> list[str]:
    """The texts of an embeddings call; lists of tokens are taken for the text of their numbers."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    items = expect_list(body, "input")
    if isinstance(items[0], int):
        return [" ".join(map(str, items))]
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]


def _add(conversation: Conversation, number: int, message: Any) -> None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise invalid(f"'messages[{number}]' is {message!r:.80}; expected an object with a role")
    role, content = message["role"], message.get("content")
    if isinstance(content, str):
        texts, media = [content], 0
    elif isinstance(content, list):
        texts, media = _parts(number, content)
    elif content is None and role == "assistant":
        texts, media = [], 0
    else:
        raise invalid(f"'messages[{number}].content' is {content!r:.60}; expected text or parts")
    texts += [compact_json(call.get("function")) for call in message.get("tool_calls") or []]
    conversation.add("\n".join(texts), media, by_user=role == "user", tool_result=role == "tool")


def _parts(number: int, parts: list[Any]) -> tuple[list[str], int]:
    texts: list[str] = []
    media = 0
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal"):
            texts.append(str(part.get(kind) or ""))
        elif kind in _MEDIA:
            media += 1
        else:
            raise invalid(f"'messages[{number}].content' has a part of type {kind!r}; expected text or media")
    return texts, media


def _tools(tools: list[Any]) -> dict[str, Any]:
    functions = [tool.get("function") or {} for tool in tools if isinstance(tool, dict)]
    return {str(function.get("name")): function.get("parameters") for function in functions}


def _forced_tool(choice: Any) -> str:
    if choice == "required":
        return "*"
    if isinstance(choice, dict):
        return str((choice.get("function") or {}).get("name") or "")
    return ""


def _schema(response_format: Any) -> Any:
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_object":
        return ANY_OBJECT
    if response_format.get("type") == "json_schema":
        described = response_format.get("json_schema") or {}
        schema, name = described.get("schema"), str(described.get("name"))
        if not isinstance(schema, dict):
            raise invalid(f"'response_format.json_schema.schema' is {schema!r:.60}; expected an object")
        expect_object(of_answer(name), schema)
        if described.get("strict"):
            expect_strict(of_answer(name), schema)
        return schema
    return None
