"""A `Call` in the shape of OpenAI's Responses API.

What has a counterpart is translated, what only tunes Chat Completions' sampling is left out, everything else is passed
on, so that the API's own parameters (`previous_response_id`, `truncation`, built-in tools) can be given as they are.
Where a request needs what this API cannot do, `ProviderError` (INVALID_REQUEST) names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from homa_shared.calls.account_params import with_defaults
from homa_shared.calls.reply import Call
from homa_shared.kinds.model_families import openai_never_reasons as never_reasons
from homa_shared.kinds.model_families import openai_reasons
from homa_workers.providers.conversation import JSON_INSTRUCTION
from homa_workers.providers.invalid_request import chat_shaped, refused, unsupported
from homa_workers.providers.openai.dialects import share
from homa_workers.providers.openai.messages import named, says_json
from homa_workers.providers.openai.responses_input import input_items
from homa_workers.providers.openai.strict_schema import strict_form

#: Parameters of Chat Completions that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {"frequency_penalty", "logit_bias", "logprobs", "prediction", "presence_penalty", "seed", "stream",
     "stream_options"}
)  # fmt: skip
#: Parameters that the API lacks: what to do instead.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "audio": 'the Responses API writes text only; leave api="responses" out',
        "background": "Homa keeps the queue; leave it out",
        "function_call": "the Responses API takes tool_choice instead",
        "functions": "the Responses API takes tools instead",
        "input": "the input is made of messages; give those",
        "stop": 'the Responses API has no stop sequences; leave api="responses" out',
        "web_search_options": 'the Responses API takes tools=[{"type": "web_search"}] instead',
    }
)
#: Fewer output tokens cannot be asked for.
LEAST_CAP = 16
ENCRYPTED_REASONING = "reasoning.encrypted_content"
LOG_PROBABILITIES = "message.output_text.logprobs"

Item = dict[str, Any]


def request_body(call: Call, base_url: str, defaults: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The body of a `/responses` request.

    `defaults` are the account's own parameters, for what the call leaves open. Nothing is stored at the provider unless
    `store` says so: reasoning then travels encrypted with the conversation. Raises ProviderError (INVALID_REQUEST) for
    what cannot be expressed.
    """
    with chat_shaped():
        return _translated(call, base_url, defaults)


def _translated(call: Call, base_url: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    params = with_defaults(call.params, defaults) if defaults else call.params
    given = {name: value for name, value in params.items() if value is not None}
    _refuse(given)
    given["messages"] = call.messages
    share(given, call, base_url)
    messages = given.pop("messages")
    params = {name: value for name, value in given.items() if name not in LEFT_OUT and name not in REFUSED}
    params.pop("modalities", None)
    params.pop("n", None)
    params.setdefault("store", False)
    cap = params.pop("max_tokens", None)
    cap = params.pop("max_completion_tokens", cap)
    if cap is not None:
        if cap < LEAST_CAP:
            raise unsupported("max_tokens", f"the Responses API answers by at least {LEAST_CAP} tokens, not {cap}")
        # The budget was reserved for this cap.
        params["max_output_tokens"] = cap
    asks_for_object = (params.get("response_format") or {}).get("type") == "json_object"
    params |= _tools(params) | _reasoning(params) | _text(params)
    params |= _included(params, call.model, bool(given.get("logprobs")))
    if asks_for_object and not says_json(message.get("content") for message in messages):
        messages = [{"role": "system", "content": JSON_INSTRUCTION}, *messages]
    return {"model": call.model, "input": input_items(messages, stored=bool(params["store"])), **params}


def _refuse(given: Mapping[str, Any]) -> None:
    for name, why in REFUSED.items():
        if given.get(name):
            raise refused(name, why)
    if given.get("n", 1) != 1:
        raise refused("n", "the Responses API gives one answer a call; submit the job n times instead")
    if "audio" in (given.get("modalities") or ()):
        raise refused("modalities", REFUSED["audio"])


def _tools(params: Item) -> Item:
    found: Item = {}
    if "tools" in params:
        found["tools"] = [_tool(tool) for tool in params.pop("tools")]
    if "tool_choice" in params:
        found["tool_choice"] = _tool_choice(params.pop("tool_choice"))
    return found


def _tool(tool: Item) -> Item:
    """A definition without the object around its fields; other tools are the API's own."""
    match tool:
        case {"type": "function", "function": dict(function)}:
            # By default, this API is strict and Chat Completions are not.
            return {"parameters": None, "strict": False, **strict_form(function, "parameters"), "type": "function"}
        case {"type": "custom", "custom": dict(custom)}:
            return {**custom, "type": "custom"} | _grammar(custom.get("format"))
    return tool


def _grammar(form: object) -> Item:
    match form:
        case {"type": "grammar", "grammar": dict(grammar)}:
            return {"format": {"type": "grammar", **grammar}}
    return {}


def _tool_choice(choice: object) -> object:
    match choice:
        case {"type": "function" | "custom" as kind} if isinstance(choice, dict) and kind in choice:
            return {"type": kind, "name": choice[kind]["name"]}
        case {"type": "allowed_tools", "allowed_tools": dict(allowed)}:
            return {**allowed, "type": "allowed_tools", "tools": [_tool_choice(tool) for tool in allowed["tools"]]}
    return choice


def _reasoning(params: Item) -> Item:
    effort = params.pop("reasoning_effort", None)
    return {} if effort is None else {"reasoning": {"effort": effort, **(params.get("reasoning") or {})}}


def _text(params: Item) -> Item:
    """Schema and verbosity, which this API takes in one place."""
    text: Item = {}
    match named(params.pop("response_format", None)):
        case {"type": "json_schema", "json_schema": dict(schema)}:
            text["format"] = {**strict_form(schema, "schema"), "type": "json_schema"}
        case {"type": str()} as form:
            text["format"] = form
    if "verbosity" in params:
        text["verbosity"] = params.pop("verbosity")
    return {"text": {**text, **(params.get("text") or {})}} if text else {}


def _included(params: Item, model: str, log_probabilities: bool) -> Item:
    included = [name for name in params.get("include") or () if name != ENCRYPTED_REASONING or not never_reasons(model)]
    if not params["store"] and ("reasoning" in params or openai_reasons(model)):
        included.append(ENCRYPTED_REASONING)
    if log_probabilities:
        included.append(LOG_PROBABILITIES)
    return {"include": list(dict.fromkeys(included))} if included or params.get("include") else {}
