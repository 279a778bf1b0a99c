"""Reading OpenAI's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialect import expect_count, expect_list, expect_text
from homa_workers.simulator.wire import (
    MEDIA_TOKENS,
    Failure,
    FailureKind,
    Operation,
    Prompt,
    byte_length,
    compact_json,
    tokens_of_bytes,
)

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_MEDIA = frozenset({"image_url", "input_audio", "file"})


def read_chat(body: Mapping[str, Any]) -> Prompt:
    """A chat completion's body.

    Raises:
        Failure: of kind INVALID, where OpenAI would answer 400.
    """
    texts: list[str] = []
    media, last_user, role = 0, "", ""
    for number, message in enumerate(expect_list(body, "messages")):
        role, text, n_media = _message(number, message)
        texts.append(text)
        media += n_media
        if role == "user":
            last_user = text
    text = "\n".join(texts)
    n_bytes = byte_length(text)
    tools = body.get("tools")
    if tools:
        n_bytes += len(compact_json(tools).encode())
    stream_options = body.get("stream_options") or {}
    return Prompt(
        operation=Operation.CHAT,
        model=expect_text(body, "model"),
        text=text,
        last_user=last_user,
        after_tool=role == "tool",
        prompt_tokens=tokens_of_bytes(n_bytes) + media * MEDIA_TOKENS,
        max_tokens=expect_count(body, "max_completion_tokens") or expect_count(body, "max_tokens"),
        stream=bool(body.get("stream")),
        include_usage=bool(stream_options.get("include_usage")),
        choices=expect_count(body, "n") or 1,
        tools=_tools(tools or []),
        forced_tool=_forced_tool(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        marker=_marker(body),
    )


def embedding_inputs(body: Mapping[str, Any]) -> list[str]:
    """The texts of an embeddings call; lists of tokens are taken for the text of their numbers.

    Raises:
        Failure: of kind INVALID.
    """
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    items = expect_list(body, "input")
    if isinstance(items[0], int):
        return [" ".join(map(str, items))]
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]


def _message(number: int, message: Any) -> tuple[str, str, int]:
    """Role, text and number of media parts of one message."""
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise Failure(FailureKind.INVALID, f"'messages[{number}]' is {message!r:.80}; expected an object with a role")
    role, content = message["role"], message.get("content")
    if isinstance(content, str):
        texts, media = [content], 0
    elif isinstance(content, list):
        texts, media = _parts(number, content)
    elif content is None and (role == "assistant"):
        texts, media = [], 0
    else:
        raise Failure(FailureKind.INVALID, f"'messages[{number}].content' is {content!r:.60}; expected text or parts")
    for call in message.get("tool_calls") or []:
        texts.append(compact_json(call.get("function")))
    return role, "\n".join(texts), media


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
            raise Failure(
                FailureKind.INVALID, f"'messages[{number}].content' has a part of type {kind!r}; expected text or media"
            )
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
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    if response_format.get("type") == "json_schema":
        schema = (response_format.get("json_schema") or {}).get("schema")
        if not isinstance(schema, dict):
            raise Failure(
                FailureKind.INVALID, f"'response_format.json_schema.schema' is {schema!r:.60}; expected an object"
            )
        return schema
    return None


def _marker(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    if metadata:
        return compact_json(metadata)
    return str(body.get("user") or body.get("safety_identifier") or "")
