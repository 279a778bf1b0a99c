"""A `Call` in the shape of Bedrock's Converse.

Unknown parameters go to the model itself (`additionalModelRequestFields`), which refuses those that it doesn't know.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import is_marked, with_mark
from homa_shared.kinds.builtin.bedrock import PROFILE
from homa_shared.kinds.model_families import (
    bedrock_takes_cache_points,
    claude_thinks_between_tools,
    claude_thinks_by_default,
)
from homa_workers.providers.conversation import JSON_INSTRUCTION, Block, File, Given, Renderer, ToolCall, ToolResult
from homa_workers.providers.data_url import DataUrl, is_data_url
from homa_workers.providers.invalid_request import refused
from homa_workers.providers.parameters import (
    NO_PARAMETERS,
    ToolChoice,
    described,
    expect_one_choice,
    given_params,
    rendered_tools,
    stop_sequences,
    take_output_cap,
    tool_choice,
)

#: Parameters of OpenAI's that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {
        "frequency_penalty", "logit_bias", "logprobs", "parallel_tool_calls", "prediction", "presence_penalty",
        "prompt_cache_key", "safety_identifier", "seed", "store", "stream", "stream_options",
        "top_logprobs", "user", "verbosity",
    }
)  # fmt: skip

#: docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
_NOVA = re.compile(r"amazon\.nova-")
_NOVA_2 = re.compile(r"amazon\.nova-2-")
_GPT_OSS = re.compile(r"openai\.gpt-oss")

#: Converse's own arguments, given as they are, in this order: equal calls are equal bytes in every process.
OWN = (
    "additionalModelResponseFieldPaths", "guardrailConfig", "outputConfig", "performanceConfig", "promptVariables",
    "requestMetadata", "serviceTier",
)  # fmt: skip


def converse(call: Call, *, max_tokens: int, cache_points: bool = True) -> dict[str, Any]:
    """The arguments of a `converse` call.

    `max_tokens` is the output cap where the call sets none; `cache_points` is false where the model is known to refuse
    them. A part's own `cache_control`, as Anthropic takes it, becomes a cache point. Raises ProviderError
    (INVALID_REQUEST) for what cannot be expressed.
    """
    params = given_params(call, LEFT_OUT)
    expect_one_choice(params, "Bedrock")
    messages = _with_cache_points(call) if cache_points else _without_marks(call.messages)
    turns = RENDERER.turns(messages)
    arguments: dict[str, Any] = {
        "modelId": call.model,
        "messages": turns,
        "inferenceConfig": _inference(params, max_tokens),
    }
    system = RENDERER.system(messages)
    if (params.get("response_format") or {}).get("type") == "json_object":
        system.append({"text": JSON_INSTRUCTION})
    if system:
        arguments["system"] = system
    if tier := _tier(params):
        arguments["serviceTier"] = tier
    arguments |= _tools(params, turns) | {name: params.pop(name) for name in OWN if name in params}
    _name_as_nova_does(params, call.model)
    output = _output(params) | _effort(params, call.model) | arguments.get("outputConfig", {})
    if output:
        arguments["outputConfig"] = output
    if metadata := params.pop("metadata", None):
        arguments["requestMetadata"] = {str(name): str(value) for name, value in metadata.items()}
    if params:
        arguments["additionalModelRequestFields"] = params
    return arguments


def _tier(params: dict[str, Any]) -> dict[str, str]:
    """The service tier under Bedrock's names; the default one need not be named."""
    tier = PROFILE.service_tier(params.pop("service_tier", None) or "default")
    return {"type": tier} if tier not in ("", "default") else {}


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


class _ConverseRenderer(Renderer):
    def text(self, text: str, part: Given) -> Block:
        return {"text": text}

    def image(self, url: str) -> Block:
        inline = _inline(url)
        kind = inline.media_type.removeprefix("image/").replace("jpg", "jpeg")
        return {"image": {"format": kind, "source": {"bytes": inline.decoded()}}}

    def file(self, file: File) -> Block:
        if not file.url:
            raise refused("messages: a file part", "Bedrock knows no ids of files; expected file_data in it")
        # Converse accepts no other characters in a name, and no two documents of one name.
        stem = re.sub(r"[^A-Za-z0-9\-()\[\]]+", "-", file.name or "document").strip("-")
        source = {"bytes": _inline(file.url).decoded()}
        return {"document": {"format": "pdf", "name": f"{stem}-{file.number}", "source": source}}

    def other(self, part: Given) -> Block:
        if part.get("type") is not None:
            raise refused(f"messages: a part of type {part['type']!r}", "expected text, image_url or file")
        return dict(part)

    def thinking(self, block: Given) -> Block:
        """Unchanged: the model checks its signature when tools are in use."""
        if block.get("type") == "redacted_thinking":
            return {"reasoningContent": {"redactedContent": base64.b64decode(block["data"])}}
        text = {"text": block.get("thinking", "")}
        signed = {"signature": block["signature"]} if block.get("signature") else {}
        return {"reasoningContent": {"reasoningText": text | signed}}

    def tool_call(self, call: ToolCall) -> Block:
        return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}

    def tool_result(self, result: ToolResult) -> Block:
        content = result.blocks or [{"text": "(no output)"}]
        return {"toolResult": {"toolUseId": result.call_id, "content": content}}

    def cache_mark(self, mark: object, block: Block | None) -> Block | None:
        if not isinstance(mark, Mapping):
            return None
        return {"cachePoint": {"type": "default"} | ({"ttl": mark["ttl"]} if mark.get("ttl") else {})}


RENDERER = _ConverseRenderer()


def _inline(url: str) -> DataUrl:
    if not is_data_url(url):
        raise refused(f"messages: {url[:40]!r}", "Bedrock fetches nothing; expected data:<media type>;base64,<data>")
    return DataUrl.parse(url)


def _inference(params: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    config: dict[str, Any] = {"maxTokens": take_output_cap(params, max_tokens)}
    if stop := stop_sequences(params):
        config["stopSequences"] = stop
    for name, own in (("temperature", "temperature"), ("top_p", "topP")):
        if name in params:
            config[own] = params.pop(name)
    return config


def _tools(params: dict[str, Any], turns: list[Block]) -> dict[str, Any]:
    tools, choice = params.pop("tools", None) or [], params.pop("tool_choice", None)
    if not tools or choice == "none":
        return _called_before(tools, turns)
    config: dict[str, Any] = {"tools": rendered_tools(tools, _tool)}
    if choice is not None:
        config["toolChoice"] = _choice(tool_choice(choice))
    return {"toolConfig": config}


def _called_before(tools: list[dict[str, Any]], turns: list[Block]) -> dict[str, Any]:
    """Tools of a request that is to call none: Converse cannot forbid those that it is told of, and refuses calls in
    the conversation of those that it is not told of."""
    uses = (block["toolUse"] for turn in turns for block in turn["content"] if "toolUse" in block)
    names = dict.fromkeys(use["name"] for use in uses)
    given = {tool["function"]["name"]: tool["function"] for tool in tools if tool.get("type") == "function"}
    specs = [_tool(given.get(name, {"name": name})) for name in names]
    return {"toolConfig": {"tools": specs}} if specs else {}


def _tool(function: Mapping[str, Any]) -> Block:
    schema = function.get("parameters") or NO_PARAMETERS
    return {"toolSpec": {"name": function["name"], "inputSchema": {"json": schema}, **described(function)}}


def _choice(choice: ToolChoice) -> Block:
    if choice.name:
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice.mode == "required" else {"auto": {}}


def _output(params: dict[str, Any]) -> dict[str, Any]:
    """The reply's format, which Converse takes for models that know it."""
    output: dict[str, Any] = {}
    response_format = params.pop("response_format", None) or {}
    if response_format.get("type") == "json_schema":
        declared = response_format["json_schema"]
        schema = {"schema": orjson.dumps(declared["schema"]).decode(), "name": declared.get("name") or "reply"}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return output


def _name_as_nova_does(params: dict[str, Any], model: str) -> None:
    """docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html"""
    if "top_k" in params and _NOVA.search(model):
        params.setdefault("inferenceConfig", {"topK": params.pop("top_k")})


def _effort(params: dict[str, Any], model: str) -> dict[str, Any]:
    """The effort where Converse takes it; else it goes to the model itself, under the model's own name."""
    effort = params.pop("reasoning_effort", None)
    if not effort:
        return {}
    if _NOVA_2.search(model):
        on = {"type": "enabled", "maxReasoningEffort": effort}
        params.setdefault("reasoningConfig", {"type": "disabled"} if effort == "none" else on)
        return {}
    if _GPT_OSS.search(model):
        params["reasoning_effort"] = effort
        return {}
    if effort != "none":
        return {"effort": "low" if effort == "minimal" else effort}
    if claude_thinks_between_tools(model):
        params.setdefault("thinking", {"type": "between_tools"})
        return {"effort": "low"}
    if claude_thinks_by_default(model):
        params.setdefault("thinking", {"type": "disabled"})
    return {}
