"""A `Call` in the shape of Anthropic's Messages API.

What has a counterpart is translated, what only tunes OpenAI's sampling or storage is left out, everything else is
passed on, so that Anthropic's own parameters (`thinking`, `top_k`, `cache_control`, server tools) can be given as they
are. Where a request needs what Claude cannot do, `ProviderError` (INVALID_REQUEST) names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import with_mark
from homa_shared.kinds.builtin.anthropic import PROFILE
from homa_shared.kinds.model_families import claude_thinks_by_budget

#: Output cap where the call sets none: Anthropic requires one. In tokens.
DEFAULT_MAX_TOKENS = 4096

#: Parameters of OpenAI's that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {
        "frequency_penalty", "logit_bias", "logprobs", "prediction", "presence_penalty", "prompt_cache_key", "seed",
        "store", "stream", "stream_options", "top_logprobs", "verbosity",
    }
)  # fmt: skip

#: Tokens of thinking for OpenAI's efforts, for models that think within a budget; no less than 1024 is accepted.
THINKING_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}

JSON_INSTRUCTION = "Answer with one valid JSON object and nothing else."

#: Ends what Claude keeps of a prompt for the next one.
BREAKPOINT = {"cache_control": {"type": "ephemeral"}}

Block = dict[str, Any]


def request_body(call: Call, *, max_tokens: int, adapt_schema: Callable[[Block], Block]) -> dict[str, Any]:
    """The body of a `/v1/messages` request.

    `max_tokens` is the output cap where the call sets none, `adapt_schema` turns a JSON schema into the subset that
    structured output accepts. Raises ProviderError (INVALID_REQUEST) for what cannot be expressed.
    """
    params = {name: value for name, value in call.params.items() if name not in LEFT_OUT and value is not None}
    if params.pop("n", 1) != 1:
        raise refused("n", "Anthropic gives one choice a call; submit the job n times instead")
    cap = params.pop("max_tokens", None) or max_tokens
    cap = params.pop("max_completion_tokens", None) or cap
    messages = _with_breakpoint(call)
    body: dict[str, Any] = {"model": call.model, "max_tokens": cap, "messages": conversation(messages)}
    system = system_blocks(messages)
    body |= _tools(params) | _stop(params) | _identity(params) | _thinking(params, call.model, cap)
    output_format = params.pop("response_format", None) or {}
    match output_format.get("type"):
        case "json_schema":
            schema = adapt_schema(output_format["json_schema"]["schema"])
            config = {**body.pop("output_config", {}), **params.pop("output_config", {})}
            body["output_config"] = {**config, "format": {"type": "json_schema", "schema": schema}}
        case "json_object":
            system.append({"type": "text", "text": JSON_INSTRUCTION})
    if system:
        body["system"] = system
    return {**body, **params}


def _with_breakpoint(call: Call) -> list[dict[str, Any]]:
    """The messages, marked behind what is shared. Whoever sets breakpoints himself sets all of them."""
    tools = call.params.get("tools") or ()
    if call.shared is None or "cache_control" in call.params or any("cache_control" in tool for tool in tools):
        return call.messages
    return with_mark(call.messages, call.shared, BREAKPOINT)


def refused(what: str, why: str) -> ProviderError:
    """The error of a request that Anthropic cannot be asked."""
    return ProviderError(ErrorKind.INVALID_REQUEST, f"{what}: {why}")


def system_blocks(messages: list[dict[str, Any]]) -> list[Block]:
    """System and developer messages, which Anthropic takes beside the conversation, in order."""
    return [
        block
        for message in messages
        if message.get("role") in {"system", "developer"}
        for block in blocks(message.get("content"))
    ]


def conversation(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """User, assistant and tool messages as turns. Neighbours of one role are joined: results of tools called together
    must stand in one message."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, content = _turn(message)
        if not content:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(content)
        else:
            turns.append({"role": role, "content": content})
    return turns


def _turn(message: dict[str, Any]) -> tuple[str, list[Block]]:
    match message.get("role"):
        case "system" | "developer":
            return "", []
        case "user":
            return "user", blocks(message.get("content"))
        case "assistant":
            return "assistant", _assistant_blocks(message)
        case "tool":
            return "user", [_tool_result(message)]
    raise refused(f"messages: role {message.get('role')!r}", "expected system, developer, user, assistant or tool")


def blocks(content: object) -> list[Block]:
    """A message's content as blocks. Empty text is dropped, since Anthropic refuses it."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise refused(f"messages: content {content!r}", "expected a text or a list of parts")
    return list(_parts(content))


def _parts(content: list[Any]) -> Iterator[Block]:
    for part in content:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        match part.get("type"):
            case "text" if not part.get("text"):
                continue
            case "image_url":
                yield _with_cache_control(part, {"type": "image", "source": _source(part["image_url"]["url"])})
            case "file":
                yield _with_cache_control(part, _document(part["file"]))
            case "refusal":
                yield {"type": "text", "text": part["refusal"]}
            case "input_audio":
                raise refused("messages: an input_audio part", "Claude takes text, images and documents")
            case _:
                yield dict(part)


def _with_cache_control(part: Mapping[str, Any], block: Block) -> Block:
    return {**block, "cache_control": part["cache_control"]} if "cache_control" in part else block


def _source(url: str) -> Block:
    """An image or document as Anthropic takes it: `data:` URLs inline, others to be fetched by it."""
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.removeprefix("data:").partition(",")
    media_type, _, encoding = head.partition(";")
    if encoding != "base64" or not data:
        raise refused(f"messages: data URL {url[:40]!r}", "expected data:<media type>;base64,<data>")
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(file: Mapping[str, Any]) -> Block:
    if file.get("file_id"):
        source: Block = {"type": "file", "file_id": file["file_id"]}
    elif file.get("file_data"):
        data = str(file["file_data"])
        source = _source(data if data.startswith(("data:", "http")) else f"data:application/pdf;base64,{data}")
    else:
        raise refused("messages: a file part", "expected file_data or file_id in it")
    block = {"type": "document", "source": source}
    return {**block, "title": file["filename"]} if file.get("filename") else block


def _assistant_blocks(message: dict[str, Any]) -> list[Block]:
    """Thinking goes first and unchanged: Claude checks its signature when tools are in use."""
    thinking = [dict(block) for block in message.get("thinking_blocks") or ()]
    calls = [_tool_use(call) for call in message.get("tool_calls") or ()]
    return thinking + blocks(message.get("content")) + calls


def _tool_use(call: dict[str, Any]) -> Block:
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise refused(f"messages: arguments of tool call {call.get('id')!r}", f"not JSON ({error})") from error
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}


def _tool_result(message: dict[str, Any]) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
    content = blocks(message.get("content"))
    return {**result, "content": content} if content else result


def _tools(params: dict[str, Any]) -> dict[str, Any]:
    """Tools and the choice among them; entries that are no functions are Anthropic's own tools."""
    body: dict[str, Any] = {}
    if tools := params.pop("tools", None):
        body["tools"] = [_tool(tool) for tool in tools]
    choice = _tool_choice(params.pop("tool_choice", None))
    if params.pop("parallel_tool_calls", True) is False and tools:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice and tools:
        body["tool_choice"] = choice
    return body


def _tool(tool: dict[str, Any]) -> Block:
    if tool.get("type") != "function":
        return tool
    function = tool["function"]
    block: Block = {
        "name": function["name"],
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
    return block | {name: function[name] for name in ("description", "strict") if function.get(name)}


def _tool_choice(choice: object) -> Block | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return {"type": str(choice)}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": name}}:
            return {"type": "tool", "name": name}
        case dict():
            return dict(choice)
    raise refused(f"tool_choice {choice!r}", "expected auto, none, required or a function")


def _stop(params: dict[str, Any]) -> dict[str, Any]:
    stop = params.pop("stop", None)
    return {} if not stop else {"stop_sequences": [stop] if isinstance(stop, str) else list(stop)}


def _identity(params: dict[str, Any]) -> dict[str, Any]:
    """The end user, and the service tier under Anthropic's names. OpenAI's free metadata has no counterpart."""
    body: dict[str, Any] = {}
    metadata = params.pop("metadata", None) or {}
    user = params.pop("safety_identifier", None)
    user = params.pop("user", None) or user or metadata.get("user_id")
    if user:
        body["metadata"] = {"user_id": user}
    if tier := params.pop("service_tier", None):
        body["service_tier"] = PROFILE.service_tier(tier)
    return body


def _thinking(params: dict[str, Any], model: str, cap: int) -> dict[str, Any]:
    """OpenAI's reasoning effort. An explicit `thinking` wins, since what remains in `params` does."""
    effort = params.pop("reasoning_effort", None)
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if not claude_thinks_by_budget(model):
        effort = "low" if effort == "minimal" else effort
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    budget = min(THINKING_BUDGETS.get(effort, THINKING_BUDGETS["medium"]), cap // 2)
    # Thinking counts towards the cap; one that leaves no room for it means none.
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= THINKING_BUDGETS["minimal"] else {}
