"""OpenAI's two APIs, and what of a request only one of them can give.

A job may ask for the Responses API (`api="responses"`). Messages, parameters and replies keep the shape of Chat
Completions all the same; adapters translate. A target whose provider does not have it is called by its own API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from homa_shared.calls.reply import CHAT_API, ITEMS, Call

#: Service tiers at prices of their own.
TIERS_APART = ("flex", "priority")
#: Parameters by which the provider finds the beginning of a conversation that it has kept.
RECALLING = ("previous_response_id", "conversation")
#: Parameters that a job cannot do without, and that only the Responses API knows.
_NEEDED = (*RECALLING, "instructions")
#: Parameters that only the Responses API knows and that an answer can do without.
_TUNING = frozenset(
    "background_options context_management include max_output_tokens max_tool_calls moderation prompt_cache_options "
    "prompt_cache_retention reasoning text truncation".split()
)
#: Types of tools that the caller or a worker runs, not the provider.
_CALLED_BACK = frozenset({None, "function", "custom"})
#: What costs more than tokens do by the price list, for messages.
NO_PRICE_LISTED = "tools that a provider runs itself have none"
#: Types of output items that cost nothing beside their tokens.
_OF_TOKENS = frozenset({"message", "reasoning", "function_call", "custom_tool_call", "compaction"})


def only_by_responses(params: Mapping[str, Any]) -> str:
    """What of a request's parameters only the Responses API can do; empty where any will do."""
    needed = next((name for name in _NEEDED if params.get(name)), "")
    if needed:
        return needed
    text = params.get("text")
    if isinstance(text, Mapping) and text.get("format"):
        return "text.format"
    return next((f"the tool {kind}" for kind in built_in_tools(params)), "")


def built_in_tools(params: Mapping[str, Any]) -> list[str]:
    """Types of the tools that the provider runs itself, for fees that no count of tokens tells."""
    tools = params.get("tools") or ()
    kinds = [tool.get("type") for tool in tools if isinstance(tool, Mapping)]
    return [str(kind) for kind in kinds if kind not in _CALLED_BACK]


def recalls(params: Mapping[str, Any]) -> bool:
    """Whether the provider adds a conversation that it has kept: up to a whole context window."""
    return any(params.get(name) for name in RECALLING)


def shows_all(call: Call) -> bool:
    """Whether a call's messages and parameters show all that its model reads: a count of tokens can be learned from."""
    items = any(ITEMS in message for message in call.messages)
    return not (items or recalls(call.params) or built_in_tools(call.params))


def in_chat_shape(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters whose functions are defined and chosen in the shape of Chat Completions, which every adapter reads.

    The Responses API has a function's fields beside its type.
    """
    shaped = dict(params)
    if isinstance(params.get("tools"), list | tuple):
        shaped["tools"] = [_nested(tool) for tool in params["tools"]]
    if "tool_choice" in params:
        shaped["tool_choice"] = _nested(params["tool_choice"])
    return shaped


def _nested(found: Any) -> Any:
    if not isinstance(found, Mapping) or found.get("type") != "function" or "name" not in found:
        return found
    return {"type": "function", "function": {name: value for name, value in found.items() if name != "type"}}


def has_fees(body: Mapping[str, Any]) -> bool:
    """Whether a reply shows what has a price of its own, where its adapter does not tell: a tier, hosted tools."""
    if body.get("service_tier") in TIERS_APART:
        return True
    choices: Sequence[Mapping[str, Any]] = body.get("choices") or ()
    items = (choices[0].get("message") or {}).get(ITEMS) or () if choices else ()
    return any(item.get("type") not in _OF_TOKENS for item in items)


def by_own_api(call: Call) -> Call:
    """A call that asks for the Responses API, for a provider that does not have it."""
    params = {name: value for name, value in call.params.items() if name not in _TUNING}
    return replace(call, params=params, api=CHAT_API)
