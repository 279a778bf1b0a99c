"""A `Call` in the shape of Anthropic's Messages API.

What has a counterpart is translated, what only tunes OpenAI's sampling or storage is left out, everything else is
passed on, so that Anthropic's own parameters (`thinking`, `top_k`, `cache_control`, server tools) can be given as they
are. Where a request needs what Claude cannot do, `ProviderError` (INVALID_REQUEST) names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import with_mark
from homa_shared.kinds.builtin.anthropic import PROFILE
from homa_shared.kinds.model_families import claude_thinks_between_tools, claude_thinks_by_budget
from homa_workers.providers.conversation import JSON_INSTRUCTION, Block, File, Given, Renderer, ToolCall, ToolResult
from homa_workers.providers.data_url import DataUrl, is_data_url
from homa_workers.providers.invalid_request import refused
from homa_workers.providers.parameters import (
    NO_PARAMETERS,
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
        "frequency_penalty", "logit_bias", "logprobs", "prediction", "presence_penalty", "prompt_cache_key", "seed",
        "store", "stream", "stream_options", "top_logprobs", "verbosity",
    }
)  # fmt: skip

#: Tokens of thinking for OpenAI's efforts, for models that think within a budget; no less than 1024 is accepted.
THINKING_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}

#: Ends what Claude keeps of a prompt for the next one.
BREAKPOINT = {"cache_control": {"type": "ephemeral"}}


def request_body(call: Call, *, max_tokens: int, adapt_schema: Callable[[Block], Block]) -> dict[str, Any]:
    """The body of a `/v1/messages` request.

    `max_tokens` is the output cap where the call sets none, `adapt_schema` turns a JSON schema into the subset that
    structured output accepts. Raises ProviderError (INVALID_REQUEST) for what cannot be expressed.
    """
    params = given_params(call, LEFT_OUT)
    expect_one_choice(params, "Anthropic")
    cap = take_output_cap(params, max_tokens)
    messages = _with_breakpoint(call)
    body: dict[str, Any] = {"model": call.model, "max_tokens": cap, "messages": RENDERER.turns(messages)}
    system = RENDERER.system(messages)
    body |= _tools(params)
    if stop := stop_sequences(params):
        body["stop_sequences"] = stop
    body |= _identity(params) | _thinking(params, call.model, cap)
    response_format = params.pop("response_format", None) or {}
    match response_format.get("type"):
        case "json_schema":
            schema = adapt_schema(response_format["json_schema"]["schema"])
            body["output_config"] = _output_config(body, params) | {"format": {"type": "json_schema", "schema": schema}}
        case "json_object":
            system.append({"type": "text", "text": JSON_INSTRUCTION})
    if system:
        body["system"] = system
    return {**body, **params}


def _output_config(body: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """What is set beside the format; the call's own words win."""
    return {**body.pop("output_config", {}), **params.pop("output_config", {})}


def _with_breakpoint(call: Call) -> list[dict[str, Any]]:
    """The messages, marked behind what is shared. Whoever sets breakpoints himself sets all of them."""
    tools = call.params.get("tools") or ()
    if call.shared is None or "cache_control" in call.params or any("cache_control" in tool for tool in tools):
        return call.messages
    return with_mark(call.messages, call.shared, BREAKPOINT)


class _AnthropicRenderer(Renderer):
    def text(self, text: str, part: Given) -> Block:
        """Text as it is, but for citations: they stand in Claude's own answers, and a user's text with any is
        refused."""
        if part.get("citations"):
            return {name: value for name, value in part.items() if name != "citations"}
        return dict(part)

    def image(self, url: str) -> Block:
        return {"type": "image", "source": _source(url)}

    def file(self, file: File) -> Block:
        source = {"type": "file", "file_id": file.file_id} if file.file_id else _source(file.url)
        block: Block = {"type": "document", "source": source}
        return {**block, "title": file.name} if file.name else block

    def audio(self, part: Given) -> Block:
        raise refused("messages: an input_audio part", "Claude takes text, images and documents")

    def other(self, part: Given) -> Block:
        return dict(part)

    def thinking(self, block: Given) -> Block | None:
        """Unchanged: Claude checks its signature. One without is another maker's, and refused."""
        is_foreign = block.get("type") == "thinking" and not block.get("signature")
        return None if is_foreign else dict(block)

    def tool_call(self, call: ToolCall) -> Block:
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}

    def tool_result(self, result: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": result.call_id}
        return {**block, "content": result.blocks} if result.blocks else block

    def cache_mark(self, mark: object, block: Block | None) -> None:
        if block is not None:
            block["cache_control"] = mark


RENDERER = _AnthropicRenderer()


def _source(url: str) -> Block:
    """An image or document as Anthropic takes it: `data:` URLs inline, others to be fetched by it."""
    if not is_data_url(url):
        return {"type": "url", "url": url}
    inline = DataUrl.parse(url)
    return {"type": "base64", "media_type": inline.media_type, "data": inline.base64}


def _tools(params: dict[str, Any]) -> dict[str, Any]:
    """Tools and the choice among them; entries that are not functions are Anthropic's own tools."""
    body: dict[str, Any] = {}
    if tools := params.pop("tools", None):
        body["tools"] = rendered_tools(tools, _tool)
    choice = _tool_choice(params.pop("tool_choice", None))
    if params.pop("parallel_tool_calls", True) is False and tools:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice and tools:
        body["tool_choice"] = choice
    return body


def _tool(function: Mapping[str, Any]) -> Block:
    schema = function.get("parameters") or NO_PARAMETERS
    return {"name": function["name"], "input_schema": schema, **described(function)}


def _tool_choice(given: object) -> Block | None:
    if given is None:
        return None
    if isinstance(given, dict) and given.get("type") != "function":
        return dict(given)
    choice = tool_choice(given)
    if choice.name:
        return {"type": "tool", "name": choice.name}
    return {"type": "any" if choice.mode == "required" else choice.mode}


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
        return _unthinking(model)
    if not claude_thinks_by_budget(model):
        effort = "low" if effort == "minimal" else effort
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    budget = min(THINKING_BUDGETS.get(effort, THINKING_BUDGETS["medium"]), cap // 2)
    # Thinking counts towards the cap; one that leaves no room for it means none.
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= THINKING_BUDGETS["minimal"] else {}


def _unthinking(model: str) -> dict[str, Any]:
    if claude_thinks_between_tools(model):
        return {"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}}
    return {"thinking": {"type": "disabled"}}
