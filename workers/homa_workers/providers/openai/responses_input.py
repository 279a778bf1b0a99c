"""Messages in the shape of Chat Completions as the input items of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.reply import ITEMS
from homa_workers.providers.assistant_media import shown_by_users
from homa_workers.providers.invalid_request import refused
from homa_workers.providers.openai.messages import own_parts

Item = dict[str, Any]


def input_items(messages: list[dict[str, Any]], *, stored: bool) -> list[Item]:
    """The items that messages come to, in order.

    Args:
        stored: whether the provider keeps what it answers. Where it does not, it does not know the ids of
            earlier items, and refuses them.

    Raises ProviderError (INVALID_REQUEST) for what this API cannot be shown.
    """
    items: list[Item] = []
    for message in shown_by_users(messages):
        match message.get("role"):
            case "system" | "developer" | "user" as role:
                items.append({"role": role, "content": _content(message.get("content"))})
            case "assistant":
                items += _assistant_items(message, stored)
            case "tool":
                items.append(_tool_output(message, items))
            case role:
                raise refused(f"messages: role {role!r}", "expected system, developer, user, assistant or tool")
    return items


def _assistant_items(message: Mapping[str, Any], stored: bool) -> Iterator[Item]:
    if message.get(ITEMS):
        yield from _returned_items(message[ITEMS], stored)
        return
    if text := _assistant_text(message):
        yield {"role": "assistant", "content": text}
    yield from map(_call, message.get("tool_calls") or ())


def _returned_items(items: list[Item], stored: bool) -> Iterator[Item]:
    """Items of an earlier reply as they came."""
    for item in items:
        if stored:
            yield item
        elif item.get("type") != "reasoning" or item.get("encrypted_content"):
            yield {name: value for name, value in item.items() if name != "id"}


def _assistant_text(message: Mapping[str, Any]) -> str:
    """The assistant's text, a refusal included: the API takes earlier answers without an id as text only."""
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    for part in parts:
        if part.get("type") not in ("text", "refusal"):
            raise refused(f"messages: an assistant's part of type {part.get('type')!r}", "expected text or a refusal")
    return "".join(part[part["type"]] for part in parts)


def _call(call: Mapping[str, Any]) -> Item:
    if "custom" in call:
        custom = call["custom"]
        return {"type": "custom_tool_call", "call_id": call["id"], "name": custom["name"], "input": custom["input"]}
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
    }


def _tool_output(message: Mapping[str, Any], before: list[Item]) -> Item:
    """A tool's result, of the kind that its call was of."""
    call_id = message.get("tool_call_id")
    custom = any(item.get("type") == "custom_tool_call" and item["call_id"] == call_id for item in before)
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": _content(message.get("content"))}


def _content(content: object) -> str | list[Item]:
    """Content as it is taken: a text, or parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise refused(f"messages: content {content!r:.80}", "expected a text or a list of parts")
    return [_part(part) for part in own_parts(content)]


def _part(part: Any) -> Item:
    match part.get("type"):
        case "text":
            return {**part, "type": "input_text"}
        case "image_url":
            return _image(part)
        case "file":
            return _file(part)
        case "input_audio":
            why = 'the Responses API takes no audio; leave api="responses" out'
            raise refused("messages: an input_audio part", why)
    return dict(part)


def _file(part: Mapping[str, Any]) -> Item:
    """A document by its bytes, its id, or an address that the provider fetches, which has a field of its own here."""
    kept = {name: value for name, value in part.items() if name not in ("type", "file")}
    file = dict(part["file"])
    if str(file.get("file_data") or "").startswith(("https://", "http://")):
        file["file_url"] = file.pop("file_data")
    return {"type": "input_file", **kept, **file}


def _image(part: Mapping[str, Any]) -> Item:
    """An image by its URL, and the detail in which it is read, which this API requires."""
    image = part["image_url"]
    if isinstance(image, str):
        image = {"url": image}
    kept = {name: value for name, value in part.items() if name not in ("type", "image_url")}
    return {"type": "input_image", **kept, "image_url": image["url"], "detail": image.get("detail") or "auto"}
