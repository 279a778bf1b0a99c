"""A `Call` in the shape of Gemini's generateContent.

Parameters that Gemini knows under another name are translated; what only tunes OpenAI's storage is left out; all others
go into `GenerateContentConfig` as they are, which refuses what it doesn't know.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_shared.kinds.model_families import gemini_thinks_by_budget

#: Parameters of OpenAI's that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {
        "logit_bias", "metadata", "parallel_tool_calls", "prediction", "prompt_cache_key", "safety_identifier",
        "store", "stream", "stream_options", "user", "verbosity",
    }
)  # fmt: skip

#: Parameters that only go by another name.
RENAMED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "n": "candidate_count",
    "logprobs": "response_logprobs",
    "top_logprobs": "logprobs",
}

CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}

#: Tokens of thinking for OpenAI's efforts, as Google's own compatible endpoint maps them.
THINKING_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

Part = dict[str, Any]


def contents(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation without its system messages. Neighbours of one role are joined."""
    names = {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()}
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.get("role") in {"system", "developer"}:
            continue
        role, parts = _turn(message, names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"].extend(parts)
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def config(call: Call) -> dict[str, Any]:
    """The arguments of a `GenerateContentConfig`."""
    params = {name: value for name, value in call.params.items() if name not in LEFT_OUT and value is not None}
    body: dict[str, Any] = {}
    system = [
        part
        for message in call.messages
        if message.get("role") in {"system", "developer"}
        for part in _parts(message.get("content"))
    ]
    if system:
        body["system_instruction"] = {"parts": system}
    body |= {new: params.pop(old) for old, new in RENAMED.items() if old in params}
    if stop := params.pop("stop", None):
        body["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    body |= _tools(params) | _format(params.pop("response_format", None) or {}) | _thinking(params, call.model)
    return {**body, **params}


def refused(what: str, why: str) -> ProviderError:
    """The error of a request that Gemini cannot be asked."""
    return ProviderError(ErrorKind.INVALID_REQUEST, f"{what}: {why}")


def _turn(message: dict[str, Any], names: Mapping[str, str]) -> tuple[str, list[Part]]:
    match message.get("role"):
        case "user":
            return "user", list(_parts(message.get("content")))
        case "assistant":
            calls = [_function_call(call) for call in message.get("tool_calls") or ()]
            return "model", [*_parts(message.get("content")), *calls]
        case "tool":
            return "user", [_function_response(message, names)]
    raise refused(f"messages: role {message.get('role')!r}", "expected system, developer, user, assistant or tool")


def _parts(content: object) -> Iterator[Part]:
    if content is None or content == "":
        return
    if isinstance(content, str):
        yield {"text": content}
        return
    if not isinstance(content, list):
        raise refused(f"messages: content {content!r}", "expected a text or a list of parts")
    for part in content:
        yield from _part({"type": "text", "text": part} if isinstance(part, str) else part)


def _part(part: dict[str, Any]) -> Iterator[Part]:
    match part.get("type"):
        case "text" | "refusal":
            if text := part.get("text") or part.get("refusal"):
                yield {"text": text}
        case "image_url":
            yield _media(part["image_url"]["url"], "image/jpeg")
        case "input_audio":
            audio = part["input_audio"]
            yield _inline(f"audio/{audio['format']}", audio["data"])
        case "file":
            file = part["file"]
            yield _media(file.get("file_data") or file["file_id"], "application/pdf")
        case None:
            yield part
        case unknown:
            raise refused(f"messages: a part of type {unknown!r}", "expected text, image_url, input_audio or file")


def _media(source: str, default_type: str) -> Part:
    """Media inline (`data:` URL) or by address (any other, a file of Google's among them)."""
    if source.startswith("data:"):
        head, _, data = source.removeprefix("data:").partition(",")
        return _inline(head.partition(";")[0], data)
    kind = mimetypes.guess_type(source.partition("?")[0])[0]
    return {"file_data": {"file_uri": source, "mime_type": kind or default_type}}


def _inline(mime_type: str, data: str) -> Part:
    try:
        return {"inline_data": {"mime_type": mime_type, "data": base64.b64decode(data, validate=True)}}
    except binascii.Error as error:
        raise refused(f"messages: {mime_type} data", f"not base64 ({error})") from error


def _function_call(call: dict[str, Any]) -> Part:
    """A tool call; its thought signature goes back unchanged, since Gemini 3 refuses a call without."""
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise refused(f"messages: arguments of tool call {call.get('id')!r}", f"not JSON ({error})") from error
    part: Part = {"function_call": {"name": function["name"], "args": arguments}}
    signature = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
    return {**part, "thought_signature": signature} if signature else part


def _function_response(message: dict[str, Any], names: Mapping[str, str]) -> Part:
    """A tool's result. Gemini wants the function's name and an object; OpenAI's messages hold an id and a text."""
    call_id = str(message.get("tool_call_id"))
    if call_id not in names:
        raise refused(f"messages: tool_call_id {call_id!r}", "no earlier message calls it")
    text = "".join(part.get("text", "") for part in _parts(message.get("content")))
    try:
        result = orjson.loads(text)
    except orjson.JSONDecodeError:
        result = text
    response = result if isinstance(result, dict) else {"result": result}
    return {"function_response": {"name": names[call_id], "response": response}}


def _tools(params: dict[str, Any]) -> dict[str, Any]:
    tools = params.pop("tools", None) or []
    choice = params.pop("tool_choice", None)
    functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
    own = [tool for tool in tools if tool.get("type") != "function"]
    declared = [{"function_declarations": [_declaration(function) for function in functions]}] if functions else []
    body: dict[str, Any] = {"tools": declared + own} if tools else {}
    if choice is not None and functions:
        body["tool_config"] = {"function_calling_config": _choice(choice)}
    return body


def _declaration(function: dict[str, Any]) -> dict[str, Any]:
    declaration = {"name": function["name"], "description": function.get("description")}
    schema = function.get("parameters")
    return {**declaration, "parameters_json_schema": schema} if schema else declaration


def _choice(choice: object) -> dict[str, Any]:
    match choice:
        case str() if choice in CHOICES:
            return {"mode": CHOICES[choice]}
        case {"type": "function", "function": {"name": name}}:
            return {"mode": "ANY", "allowed_function_names": [name]}
    raise refused(f"tool_choice {choice!r}", "expected auto, none, required or a function")


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    match wanted.get("type"):
        case "json_schema":
            schema = wanted["json_schema"]["schema"]
            return {"response_mime_type": "application/json", "response_json_schema": schema}
        case "json_object":
            return {"response_mime_type": "application/json"}
    return {}


def _thinking(params: dict[str, Any], model: str) -> dict[str, Any]:
    effort = params.pop("reasoning_effort", None)
    if effort is None:
        return {}
    if gemini_thinks_by_budget(model):
        return {"thinking_config": {"thinking_budget": THINKING_BUDGETS.get(effort, THINKING_BUDGETS["high"])}}
    return {"thinking_config": {"thinking_level": {"none": "minimal", "max": "xhigh"}.get(effort, effort)}}
