"""What of a request nobody can say the cost of beforehand: such a request is refused wherever a budget applies.

Each check gives the name of what it found, why it has no bound, and the next step; an empty text where all is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from homa_shared.calls.reply import ITEMS
from homa_shared.quota.parameter_costs import FREE, OUTPUT_CAPS, READ_AS_TEXT, REPLIES, UNBOUNDED

#: Fields of a message that are text, and count by their bytes.
TEXT_FIELDS = frozenset(
    "role content name tool_calls tool_call_id refusal reasoning reasoning_content annotations prefix".split()
)
#: Items of the Responses API that are text, or the encrypted text of reasoning.
_TEXT_ITEMS = frozenset({"message", "function_call", "custom_tool_call", "reasoning"})
#: Types of tools that the caller or a worker runs.
_RUN_HERE = frozenset({"function", "custom"})
#: Fields of tools without a type: Anthropic's functions, Gemini's and Bedrock's wrappers of functions.
_FUNCTIONS = frozenset({"function_declarations", "functionDeclarations", "toolSpec", "cachePoint"})
#: Names of fields by which a provider finds what it has stored, or what it is to fetch.
_NAMES_SOMETHING = re.compile(r"(?:^|_)(?:ids?|ur[il]s?|arn|ref|references?)$|(?:Ids?|Ur[il]s?|Arn|Location)$")
_ADDRESS = re.compile(r"(?:https?|gs|s3|file)://", re.IGNORECASE)
#: How the addresses of images end.
_PICTURES = frozenset(f".{ending}" for ending in "avif bmp gif heic heif jfif jpeg jpg png tif tiff webp".split())
#: Models that search whatever they are asked: each search has a fee, and what it finds is billed.
_SEARCHES = re.compile(r"search-(?:preview|api)|deep-research|(?:^|/)sonar", re.IGNORECASE)
#: Stored prompts that Bedrock calls by their ARN.
_STORED_PROMPT = re.compile(r"^arn:[^:]*:bedrock:.*:prompt(?:-router)?/")
_FILE = (
    "names a file that is not in the request: how much of it is billed is known to the provider only; give its bytes "
    "as file_data, or by files="
)
_ELSEWHERE = "how much of it is billed is known to the provider only"


def unbounded_parameter(params: Mapping[str, Any]) -> str:
    """The first parameter whose cost has no bound, why, and what to do instead; empty: all have one.

    Args:
        params: in OpenAI's names, or the provider's own.
    """
    return next((why for name, value in params.items() if value is not None and (why := _of(name, value))), "")


def unbounded_model(model: str) -> str:
    """Why the calls of a model have no bound, by its name; empty: nothing is known."""
    if _SEARCHES.search(model):
        return f"the model {model!r} searches: what it finds has fees, and is billed; choose a model that does not"
    if _STORED_PROMPT.search(model):
        return f"{model!r} is a prompt or a router that AWS keeps: {_ELSEWHERE}; name a model, and send the text itself"
    return ""


def unbounded_message(messages: Sequence[Mapping[str, Any]]) -> str:
    """The first place in messages whose cost has no bound, why, and what to do instead; empty: all have one."""
    for i, message in enumerate(messages):
        if not message.keys() <= TEXT_FIELDS and (why := _fields(message)):
            return f"messages[{i}].{why}"
        content = message.get("content")
        if isinstance(content, list | tuple):
            for j, part in enumerate(content):
                if why := _part(part):
                    return f"messages[{i}].content[{j}]: {why}"
        elif content is not None and not isinstance(content, str):
            return f"messages[{i}].content is not text nor a list of parts: give it as one of them"
    return ""


def hosted_tool(tools: object) -> str:
    """The first tool of a list that is not a function of the caller's or a worker's; empty where all are functions."""
    if not isinstance(tools, Iterable) or isinstance(tools, str | bytes | Mapping):
        return repr(tools)[:40]
    return next((_name_of(tool) for tool in tools if not _is_function(tool)), "")


def _of(name: str, value: Any) -> str:
    if name in UNBOUNDED:
        return "" if value is False or value == [] or value == {} else f"{name}: {UNBOUNDED[name]}"
    if name in OUTPUT_CAPS or name in REPLIES:
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return "" if is_count else f"{name} is {value!r:.40}: give a whole number from 1 on"
    if name == "tools":
        tool = hosted_tool(value)
        return tool and (
            f"tools: the provider runs {tool} itself, for fees, and bills what it fetches; use functions that you or "
            "the worker run"
        )
    if name == "documents":
        return f"{name}: file_id {_FILE}" if _holds_file_id(value) else ""
    if name == "modalities":
        return _spoken(name, value)
    if name == "reasoning" and isinstance(value, Mapping) and value.get("mode") not in (None, "default", "standard"):
        return f"reasoning.mode is {value['mode']!r:.40}: how much it has the model write is not known; leave it out"
    return "" if name in FREE or name in READ_AS_TEXT or name == "service_tier" else _walk(name, value)


def _spoken(name: str, value: Any) -> str:
    if isinstance(value, list | tuple) and set(map(str, value)) <= {"text", "audio"}:
        return ""
    return f"{name} is {value!r:.40}: only text and audio are priced by tokens; leave it out"


def _holds_file_id(value: Any) -> bool:
    """Whether documents, whose own ids and addresses are only labels, name a file of the provider's."""
    if isinstance(value, Mapping):
        return "file_id" in value or any(map(_holds_file_id, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_file_id, value))


def _walk(name: str, value: Any) -> str:
    """Why a parameter that no table has may cost more than its bytes: it may multiply, or name what is elsewhere."""
    if isinstance(value, Mapping):
        found = (_walk(f"{name}.{key}", inner) for key, inner in value.items())
        return next((why for why in found if why), "")
    if isinstance(value, list | tuple):
        found = (_walk(f"{name}[{i}]", inner) for i, inner in enumerate(value))
        return next((why for why in found if why), "")
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        is_count = (not isinstance(value, float) or value.is_integer()) and value not in (0, 1)
        return f"{name} is {value!r}: it may multiply what one call is billed; leave it out" if is_count else ""
    last = re.sub(r"\[\d+\]$", "", name).rpartition(".")[2]
    if _NAMES_SOMETHING.search(last) or (isinstance(value, str) and _ADDRESS.match(value)):
        return f"{name} names something at the provider or elsewhere: {_ELSEWHERE}; send the text itself"
    return ""


def _fields(message: Mapping[str, Any]) -> str:
    """What of a message's further fields has no bound."""
    for name in message.keys() - TEXT_FIELDS:
        if name == "audio" and message[name]:
            return f"audio names an answer that the provider keeps: {_ELSEWHERE}; leave it out, and keep its transcript"
        if name == ITEMS and (item := _item(message[name])):
            return f"{name}: {item}"
    return ""


def _item(items: Any) -> str:
    if not isinstance(items, list | tuple):
        return "not a list of items"
    for item in items:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind not in _TEXT_ITEMS:
            return f"an item of type {kind!r}: {_ELSEWHERE}; leave it out"
        if kind == "reasoning" and item.get("id") and not item.get("encrypted_content"):
            return f"reasoning that is named by its id: {_ELSEWHERE}; leave it out, or ask with store=False"
    return ""


def _part(part: Any) -> str:
    if isinstance(part, str):
        return ""
    if not isinstance(part, Mapping):
        return f"{part!r:.40} is not a part: give text, or an object with a type"
    match part.get("type"):
        case "text" | "refusal":
            return ""
        case "image_url":
            return _image(part.get("image_url"))
        case "file":
            return _file(part.get("file"))
        case "input_audio":
            audio = part.get("input_audio")
            held = audio.get("data") if isinstance(audio, Mapping) else None
            return "" if isinstance(held, str) else f"input_audio without data: {_ELSEWHERE}; give its bytes"
        case None if "text" in part and part.keys() <= {"text", "cache_control"}:
            return ""
        case "document" if _is_text_document(part):
            return ""
    kind = part.get("type") or next(iter(part), "nothing")
    return f"a part of type {kind!r}: {_ELSEWHERE}; give text, image_url, input_audio, or file with file_data"


def _is_text_document(part: Mapping[str, Any]) -> bool:
    """Anthropic's document of plain text, which counts by its bytes."""
    source = part.get("source")
    return isinstance(source, Mapping) and source.get("type") == "text" and "url" not in source


def _image(image: Any) -> str:
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str):
        return f"image_url without url: {_ELSEWHERE}; give an address or a data: URL"
    # An adapter tells what an address leads to by its ending: at Gemini, a film is billed by the second.
    ending = "" if url[:5] in ("data:", "homa:") else PurePosixPath(urlsplit(url).path).suffix.lower()
    if ending and ending not in _PICTURES:
        return f"image_url ends in {ending}, as no image does: {_ELSEWHERE}; give its bytes, as by images="
    return ""


def _file(file: Any) -> str:
    if isinstance(file, Mapping) and isinstance(file.get("file_data"), str) and not file.get("file_id"):
        return ""
    name = "file_id" if isinstance(file, Mapping) and file.get("file_id") else "file"
    return f"{name} {_FILE}"


def _is_function(tool: Any) -> bool:
    if not isinstance(tool, Mapping):
        return False
    kind = tool.get("type")
    if kind is not None:
        return kind in _RUN_HERE
    return "input_schema" in tool or (bool(tool) and tool.keys() <= _FUNCTIONS)


def _name_of(tool: Any) -> str:
    if not isinstance(tool, Mapping):
        return repr(tool)[:40]
    return str(tool.get("type") or next(iter(tool), "an empty tool"))
