"""Replies of servers that imitate OpenAI's, brought into its shape; what has that shape is left as it is.

Servers differ where OpenAI's document is read loosely: content as a list of parts, with the model's thoughts among them
(Mistral, vLLM), arguments of tools as an object (Ollama, llama.cpp), calls without an id or a type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

Body = dict[str, Any]


def whole(body: Body) -> Body:
    """A finished chat completion in OpenAI's shape.

    Raises one of malformed.SHAPE_ERRORS where it cannot be read.
    """
    choices = body["choices"]
    if all(_is_plain(choice["message"]) for choice in choices):
        return body
    return {**body, "choices": [_choice(n, choice) for n, choice in enumerate(choices)]}


def told_error(choices: object) -> Body | None:
    """The error that a choice tells in the place of an answer, as routers do; None where none does."""
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and (error := choice.get("error")):
                return error if isinstance(error, dict) else {"message": str(error)}
    return None


def said_and_thought(content: object) -> tuple[str | None, str, list[Body]]:
    """What a message's content says, what it shows of the model's thoughts, and its parts that are neither.

    Raises TypeError where it is neither a text nor parts.
    """
    if content is None or isinstance(content, str):
        return content, "", []
    if not isinstance(content, list):
        raise TypeError(f"content {content!r:.80}, expected a text or a list of parts")
    texts: list[str] = []
    thoughts: list[str] = []
    others: list[Body] = []
    for part in content:
        match part:
            case str():
                texts.append(part)
            case {"type": "text" | "output_text", "text": str(text)}:
                texts.append(text)
            case {"type": "thinking" | "reasoning", **rest}:
                thoughts += _texts(rest.get("thinking") or rest.get("text") or rest.get("reasoning") or ())
            case {"type": str(kind)} if kind not in ("text", "output_text"):
                others.append(part)
            case _:
                raise TypeError(f"a part of content {part!r:.80}, expected one with a type")
    return "".join(texts), "".join(thoughts), others


def arguments_text(arguments: object) -> str:
    """A tool's arguments as text, which some servers send as an object. Raises TypeError for anything else."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None:
        return ""
    if isinstance(arguments, dict):
        return orjson.dumps(arguments).decode()
    raise TypeError(f"arguments {arguments!r:.80}, expected a text or an object")


def _choice(number: int, choice: Body) -> Body:
    return {**choice, "message": _message(choice["message"], number)}


def _is_plain(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return (content is None or isinstance(content, str)) and not message.get("tool_calls") and "role" in message


def _message(message: Body, choice: int) -> Body:
    own = {"role": "assistant", **message}
    calls = own.pop("tool_calls", None)
    said, thought, others = said_and_thought(message.get("content"))
    if "content" in message:
        own["content"] = said
    if thought:
        own["reasoning_content"] = (message.get("reasoning_content") or "") + thought
    if others:
        own["content_parts"] = others
    if calls:
        seen: set[str] = set()
        own["tool_calls"] = [_tool_call(call, f"call_{choice}_{n}", seen) for n, call in enumerate(calls)]
    return own


def _tool_call(call: Body, stand_in: str, seen: set[str]) -> Body:
    """A call; its id is none of those that were seen, to which it is added."""
    call_id = call.get("id")
    own = {"type": "function", **call, "id": stand_in if not call_id or call_id in seen else call_id}
    seen.add(own["id"])
    if "function" in call:
        function = call["function"]
        own["function"] = {**function, "arguments": arguments_text(function.get("arguments"))}
    return own


def _texts(thinking: object) -> Iterator[str]:
    """Thoughts, which come as a text or as parts."""
    if isinstance(thinking, str):
        yield thinking
    elif isinstance(thinking, Sequence):
        for part in thinking:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]
