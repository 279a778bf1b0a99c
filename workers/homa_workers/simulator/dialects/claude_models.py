"""What Claude's models refuse, at Anthropic and at Bedrock, in their words.

The table is the simulator's own, so that it judges independently of what workers know.

Source: platform.claude.com/docs/en/about-claude/models, what's new and migration guide of each model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.wire import invalid

_CLAUDE = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(\d+)(?:-(\d{1,2}))?(?!\d)")
_OLD_CLAUDE = re.compile(r"claude-(?:3|v?2|instant)")
#: Fields of a message request of version 2023-06-01; OpenAI's are not among them.
_FIELDS = frozenset(
    "model messages max_tokens system stop_sequences stream tools tool_choice thinking output_config metadata "
    "cache_control container context_management diagnostics inference_geo mcp_servers service_tier speed "
    "temperature top_p top_k".split()
)
#: Served at twice the price: platform.claude.com/docs/en/build-with-claude/fast-mode.
_FAST = re.compile(r"claude-(?:opus-(?:4-8|5|5-5)|(?:fable|mythos)-5-2)$")
#: Fewer tokens to think within cannot be asked for; a lower top_p is refused while a model thinks.
_LEAST_BUDGET, _LEAST_TOP_P = 1024, 0.95
Version = tuple[int, int]
_BETWEEN_TOOLS = (
    'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of {"type": "disabled"}.'
)


def refuse_what_models_lack(body: Mapping[str, Any]) -> None:
    """Raises Failure where a Claude model would answer 400; other names of models refuse nothing."""
    model = str(body.get("model"))
    version = version_of(model)
    if version is None:
        return
    for name in body:
        if name not in _FIELDS:
            raise invalid(f"{name}: Extra inputs are not permitted")
    if body.get("service_tier", "auto") not in ("auto", "standard_only"):
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    if body.get("speed") == "fast" and not _FAST.search(model):
        raise invalid("speed: 'fast' is not supported for this model.")
    if "format" in (body.get("output_config") or {}) and version < (4, 5):
        raise invalid("output_config.format: Extra inputs are not permitted")
    refuse_by_version(model, version, body)


def refuse_by_version(model: str, version: Version, body: Mapping[str, Any]) -> None:
    """Raises Failure for what a Claude model refuses at Anthropic and at Bedrock alike, in the shape of Messages."""
    _sampling(version, body)
    _thinking(model, version, body)
    _effort(model, version, body)
    _forced_tool(model, version, body)
    _prefill(version, body)


def version_of(model: str) -> Version | None:
    """Of a Claude model: (4, 5) for claude-haiku-4-5; None for any other."""
    if _OLD_CLAUDE.search(model):
        return (3, 7) if "3-7" in model else (3, 0)
    found = _CLAUDE.search(model)
    return (int(found[2]), int(found[3] or 0)) if found else None


def _thinks(body: Mapping[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _sampling(version: Version, body: Mapping[str, Any]) -> None:
    """By the rules of version 2023-06-01, at Anthropic and at Bedrock."""
    found = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    if not found:
        return
    if version >= (4, 7):
        raise invalid(f"`{found[0]}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(found) and version >= (4, 1):
        raise invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    for name in ("temperature", "top_p"):
        if not 0 <= (body.get(name) or 0) <= 1:
            raise invalid(f"{name}: range: 0..1")
    if not _thinks(body):
        return
    if body.get("temperature", 1) != 1:
        raise invalid("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    if body.get("top_p", 1) < _LEAST_TOP_P or "top_k" in found:
        raise invalid(f"`{found[0]}` may not be set when thinking is enabled.")


def _prefill(version: Version, body: Mapping[str, Any]) -> None:
    last = (body.get("messages") or [{}])[-1]
    if isinstance(last, Mapping) and last.get("role") == "assistant" and version >= (4, 6):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _always_thinks(model: str, version: Version) -> bool:
    return "fable" in model or "mythos" in model or ("opus" in model and version >= (5, 5))


def _thinking(model: str, version: Version, body: Mapping[str, Any]) -> None:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind and version < (3, 7):
        raise invalid("thinking: Extra inputs are not permitted")
    if kind == "enabled":
        _budget(version, thinking, body)
    if kind == "adaptive" and version < (4, 6):
        raise invalid("adaptive thinking is not supported on this model")
    if kind == "disabled" and _always_thinks(model, version):
        raise invalid('"thinking.type.disabled" is not supported for this model.')
    if kind == "disabled" and "sonnet-5-5" in model:
        raise invalid(_BETWEEN_TOOLS)
    if kind == "between_tools" and "sonnet-5-5" not in model:
        raise invalid('"thinking.type.between_tools" is not supported for this model.')
    if kind == "between_tools" and thinking.keys() != {"type"}:
        raise invalid("thinking.between_tools: Extra inputs are not permitted")


def _budget(version: Version, thinking: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    if version >= (4, 7):
        raise invalid(
            '"thinking.type.enabled" is not supported for this model. '
            'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    budget, cap = thinking.get("budget_tokens", 0), body.get("max_tokens")
    if budget < _LEAST_BUDGET:
        raise invalid(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}")
    if cap is not None and budget >= cap:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _effort(model: str, version: Version, body: Mapping[str, Any]) -> None:
    effort = (body.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if version < (4, 5) or (version == (4, 5) and "opus" not in model):
        raise invalid("This model does not support the effort parameter.")
    known = {"low", "medium", "high"} | ({"max"} if version >= (4, 6) else set())
    if effort not in known | ({"xhigh"} if version >= (4, 7) else set()):
        raise invalid(f"output_config.effort: {effort!r} is not supported for this model")
    kind = (body.get("thinking") or {}).get("type")
    is_bound = kind == "between_tools" or (kind == "disabled" and re.search(r"opus-5(?!-\d)|haiku-5-5", model))
    if effort in ("xhigh", "max") and is_bound:
        raise invalid(f"output_config.effort: {effort!r} is not supported for this model while thinking is {kind}")


def _forced_tool(model: str, version: Version, body: Mapping[str, Any]) -> None:
    if (body.get("tool_choice") or {}).get("type") not in ("any", "tool"):
        return
    if _always_thinks(model, version) or "sonnet-5-5" in model:
        raise invalid('tool_choice: type "tool" and "any" are not supported for this model.')
    if (body.get("thinking") or {}).get("type") == "enabled":
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
