"""A `Call` in the shape of Bedrock's Converse.

Unknown parameters go to the model itself (`additionalModelRequestFields`), which refuses those that it doesn't know.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import is_marked, with_mark
from homa_shared.kinds.model_families import bedrock_takes_cache_points

#: Output cap where the call sets none: quota and budget are reserved by it. In tokens.
DEFAULT_MAX_TOKENS = 4096

#: Parameters of OpenAI's that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {
        "frequency_penalty", "logit_bias", "logprobs", "parallel_tool_calls", "prediction", "presence_penalty",
        "prompt_cache_key", "safety_identifier", "seed", "store", "stream", "stream_options", "top_logprobs", "user",
        "verbosity",
    }
)  # fmt: skip

#: Converse's own arguments, given as they are.
OWN = frozenset(
    {
        "additionalModelResponseFieldPaths", "guardrailConfig", "outputConfig", "performanceConfig", "promptVariables",
        "requestMetadata", "serviceTier",
    }
)  # fmt: skip

Block = dict[str, Any]


def converse(call: Call, *, max_tokens: int, cache_points: bool = True) -> dict[str, Any]:
    """The arguments of a `converse` call.

    `max_tokens` is the output cap where the call sets none; `cache_points` is false where the model is known to refuse
    them. A part's own `cache_control`, as Anthropic takes it, becomes a cache point. Raises ProviderError
    (INVALID_REQUEST) for what cannot be expressed.
    """
    params = {name: value for name, value in call.params.items() if name not in LEFT_OUT and value is not None}
    if params.pop("n", 1) != 1:
        raise refused("n", "Bedrock gives one choice a call; submit the job n times instead")
    messages = _with_cache_points(call) if cache_points else _without_marks(call.messages)
    arguments: dict[str, Any] = {
        "modelId": call.model,
        "messages": conversation(messages),
        "inferenceConfig": _inference(params, max_tokens),
    }
    if system := system_blocks(messages):
        arguments["system"] = system
    arguments |= _tools(params) | {name: params.pop(name) for name in OWN & params.keys()}
    output = _output(params) | arguments.get("outputConfig", {})
    if output:
        arguments["outputConfig"] = output
    if metadata := params.pop("metadata", None):
        arguments["requestMetadata"] = {str(name): str(value) for name, value in metadata.items()}
    if params:
        arguments["additionalModelRequestFields"] = params
    return arguments


def _with_cache_points(call: Call) -> list[dict[str, Any]]:
    if call.shared is not None:
        return with_mark(call.messages, call.shared, {"cache_control": {"type": "ephemeral"}})
    return call.messages if bedrock_takes_cache_points(call.model) else _without_marks(call.messages)


def _without_marks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages for a model that would refuse a request for its cache points."""
    return [
        {**message, "content": [_unmarked(part) for part in message["content"]]} if is_marked([message]) else message
        for message in messages
    ]


def _unmarked(part: object) -> object:
    if not isinstance(part, Mapping):
        return part
    return {name: value for name, value in part.items() if name != "cache_control"}


def refused(what: str, why: str) -> ProviderError:
    """The error of a request that Bedrock cannot be asked."""
    return ProviderError(ErrorKind.INVALID_REQUEST, f"{what}: {why}")


def system_blocks(messages: list[dict[str, Any]]) -> list[Block]:
    """System and developer messages, which Converse takes beside the conversation."""
    return [
        block
        for message in messages
        if message.get("role") in {"system", "developer"}
        for block in _blocks(message.get("content"))
    ]


def conversation(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """User, assistant and tool messages as turns; neighbours of one role are joined, since turns must alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.get("role") in {"system", "developer"}:
            continue
        role, content = _turn(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(content)
        elif content:
            turns.append({"role": role, "content": content})
    return turns


def _turn(message: dict[str, Any]) -> tuple[str, list[Block]]:
    match message.get("role"):
        case "user":
            return "user", list(_blocks(message.get("content")))
        case "assistant":
            reasoning = [_reasoning(block) for block in message.get("thinking_blocks") or ()]
            calls = [_tool_use(call) for call in message.get("tool_calls") or ()]
            return "assistant", [*reasoning, *_blocks(message.get("content")), *calls]
        case "tool":
            content = list(_blocks(message.get("content"))) or [{"text": "(no output)"}]
            return "user", [{"toolResult": {"toolUseId": message.get("tool_call_id"), "content": content}}]
    raise refused(f"messages: role {message.get('role')!r}", "expected system, developer, user, assistant or tool")


def _blocks(content: object) -> Iterator[Block]:
    if content is None or content == "":
        return
    if isinstance(content, str):
        yield {"text": content}
        return
    if not isinstance(content, list):
        raise refused(f"messages: content {content!r}", "expected a text or a list of parts")
    for number, part in enumerate(content):
        part = {"type": "text", "text": part} if isinstance(part, str) else part
        yield from _block(part, number)
        if isinstance(mark := part.get("cache_control"), Mapping):
            yield {"cachePoint": {"type": "default"} | ({"ttl": mark["ttl"]} if mark.get("ttl") else {})}


def _block(part: dict[str, Any], number: int) -> Iterator[Block]:
    match part.get("type"):
        case "text" | "refusal":
            if text := part.get("text") or part.get("refusal"):
                yield {"text": text}
        case "image_url":
            kind, data = _inline(part["image_url"]["url"])
            yield {"image": {"format": kind.removeprefix("image/").replace("jpg", "jpeg"), "source": {"bytes": data}}}
        case "file":
            yield {"document": _document(part["file"], number)}
        case None:
            yield part
        case unknown:
            raise refused(f"messages: a part of type {unknown!r}", "expected text, image_url or file")


def _inline(url: str) -> tuple[str, bytes]:
    head, _, data = url.removeprefix("data:").partition(",")
    if not url.startswith("data:") or not head.endswith(";base64"):
        raise refused(f"messages: {url[:40]!r}", "Bedrock fetches nothing; expected data:<media type>;base64,<data>")
    try:
        return head.removesuffix(";base64"), base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise refused(f"messages: {head} data", f"not base64 ({error})") from error


def _document(file: Mapping[str, Any], number: int) -> Block:
    data = str(file.get("file_data") or "")
    _, content = _inline(data if data.startswith("data:") else f"data:application/pdf;base64,{data}")
    # Converse accepts no other characters in a name, and no two documents of one name.
    stem = re.sub(r"[^A-Za-z0-9\-()\[\]]+", "-", str(file.get("filename") or "document")).strip("-")
    return {"format": "pdf", "name": f"{stem}-{number}", "source": {"bytes": content}}


def _reasoning(block: Mapping[str, Any]) -> Block:
    """Thinking goes back unchanged: the model checks its signature when tools are in use."""
    if block.get("type") == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": base64.b64decode(block["data"])}}
    text = {"text": block.get("thinking", "")}
    return {"reasoningContent": {"reasoningText": text | ({"signature": s} if (s := block.get("signature")) else {})}}


def _tool_use(call: dict[str, Any]) -> Block:
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise refused(f"messages: arguments of tool call {call.get('id')!r}", f"not JSON ({error})") from error
    return {"toolUse": {"toolUseId": call["id"], "name": function["name"], "input": arguments}}


def _inference(params: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    cap = params.pop("max_tokens", None) or max_tokens
    config: dict[str, Any] = {"maxTokens": params.pop("max_completion_tokens", None) or cap}
    if stop := params.pop("stop", None):
        config["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    for name, own in (("temperature", "temperature"), ("top_p", "topP")):
        if name in params:
            config[own] = params.pop(name)
    return config


def _tools(params: dict[str, Any]) -> dict[str, Any]:
    tools, choice = params.pop("tools", None), params.pop("tool_choice", None)
    # Converse cannot forbid tools that it is told of.
    if not tools or choice == "none":
        return {}
    config: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if choice is not None:
        config["toolChoice"] = _choice(choice)
    return {"toolConfig": config}


def _tool(tool: dict[str, Any]) -> Block:
    if tool.get("type") != "function":
        return tool
    function = tool["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    spec = {"name": function["name"], "inputSchema": {"json": schema}}
    return {"toolSpec": spec | {name: function[name] for name in ("description", "strict") if function.get(name)}}


def _choice(choice: object) -> Block:
    match choice:
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}
        case {"type": "function", "function": {"name": name}}:
            return {"tool": {"name": name}}
    raise refused(f"tool_choice {choice!r}", "expected auto, none, required or a function")


def _output(params: dict[str, Any]) -> dict[str, Any]:
    """The reply's format and the effort, which Converse takes for models that know them."""
    output: dict[str, Any] = {}
    wanted = params.pop("response_format", None) or {}
    if wanted.get("type") == "json_schema":
        given = wanted["json_schema"]
        schema = {"schema": orjson.dumps(given["schema"]).decode(), "name": given.get("name") or "reply"}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    effort = params.pop("reasoning_effort", None)
    if effort and effort != "none":
        output["effort"] = "low" if effort == "minimal" else effort
    return output
