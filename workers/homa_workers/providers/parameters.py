"""Parameters in OpenAI's names that several adapters translate: each is taken out of what is left to pass on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from homa_shared.calls.reply import Call
from homa_shared.kinds.output_caps import CHAT_CAP_NAMES, cap_of
from homa_workers.providers.invalid_request import refused

Params = dict[str, Any]
#: Parameters of a function that declares none.
NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def given_params(call: Call, left_out: Collection[str]) -> Params:
    """The call's parameters that say something, without those that are left out."""
    return {name: value for name, value in call.params.items() if name not in left_out and value is not None}


def expect_one_choice(params: Params, provider: str) -> None:
    """Raises ProviderError (INVALID_REQUEST) where more than one choice is asked for."""
    if params.pop("n", 1) != 1:
        raise refused("n", f"{provider} gives one choice a call; submit the job n times instead")


def take_output_cap(params: Params, default: int) -> int:
    """Most output tokens; the parameters that say so are taken out."""
    cap = cap_of(params) or default
    for name in CHAT_CAP_NAMES:
        params.pop(name, None)
    return cap


def stop_sequences(params: Params) -> list[str]:
    stop = params.pop("stop", None) or []
    return [stop] if isinstance(stop, str) else list(stop)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What a call says of the tools that it offers."""

    mode: Literal["auto", "none", "required"]
    #: The function that must be called; empty: any.
    name: str = ""


def tool_choice(choice: object) -> ToolChoice:
    """Raises ProviderError (INVALID_REQUEST) for an unknown choice."""
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(choice)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("required", name)
    raise refused(f"tool_choice {choice!r}", "expected auto, none, required or a function")


def rendered_tools(
    tools: Collection[dict[str, Any]], render: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Functions as `render` writes them; all other tools are the provider's own and stay as they are."""
    return [render(tool["function"]) if tool.get("type") == "function" else tool for tool in tools]


def described(function: Mapping[str, Any]) -> dict[str, Any]:
    """What a function says beside its name and parameters."""
    return {name: function[name] for name in ("description", "strict") if function.get(name)}
