"""Anthropic's parameters under the names of Chat Completions; those without a counterpart are passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.gateway.request_checks import optional_object
from homa_shared.model.errors import InvalidRequest

#: Fields that are not parameters of the model.
_APART = frozenset({"messages", "system", "stream"})
_TIERS = {"auto": "auto", "standard_only": "default"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_params(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a chat request, the model among them.

    Raises:
        InvalidRequest: one is wrong; it is named.
    """
    params = {name: value for name, value in body.items() if name not in _APART and value is not None}
    if (stop := params.pop("stop_sequences", None)) is not None:
        params["stop"] = stop
    if (tools := params.pop("tools", None)) is not None:
        params["tools"] = _tools(tools)
    if params.pop("tool_choice", None) is not None:
        params |= _choice(optional_object(body, "tool_choice"))
    if (tier := params.pop("service_tier", None)) is not None:
        params["service_tier"] = _TIERS.get(str(tier), tier)
    user = optional_object(body, "metadata").get("user_id")
    params.pop("metadata", None)
    if user:
        params["user"] = user
    return params | _format(params.pop("output_config", None))


def _tools(tools: object) -> list[Any]:
    if not isinstance(tools, list):
        raise InvalidRequest(f"tools is {tools!r:.80}: expected a list of tools")
    return [_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools)]


def _tool(tool: object, place: str) -> Mapping[str, Any]:
    if not isinstance(tool, Mapping):
        raise InvalidRequest(f"{place} is {tool!r:.80}: expected an object with name and input_schema")
    if tool.get("type") not in (None, "custom"):
        return tool  # the provider's own, which Claude alone understands
    function = {
        "name": tool.get("name"),
        "parameters": tool.get("input_schema") or {"type": "object", "properties": {}},
    }
    function |= {name: tool[name] for name in ("description", "strict") if tool.get(name) is not None}
    marked = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
    return {"type": "function", "function": function, **marked}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    kind = choice.get("type")
    if kind == "tool":
        asked: dict[str, Any] = {"tool_choice": {"type": "function", "function": {"name": choice.get("name")}}}
    elif isinstance(kind, str) and kind in _CHOICES:
        asked = {"tool_choice": _CHOICES[kind]}
    else:
        raise InvalidRequest(f"tool_choice.type is {kind!r:.80}: expected auto, any, tool or none")
    return asked | ({"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {})


def _format(config: object) -> dict[str, Any]:
    """The form of an answer, and how hard the model is to think."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidRequest(f"output_config is {config!r:.80}: expected an object")
    found, rest = {}, {name: value for name, value in config.items() if name not in ("format", "effort")}
    form = config.get("format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        found["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": form.get("schema")},
        }
    elif form is not None:
        raise InvalidRequest(f"output_config.format is {form!r:.80}: expected an object of type json_schema")
    if config.get("effort"):
        found["reasoning_effort"] = config["effort"]
    return found | ({"output_config": rest} if rest else {})
