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
#: What Claude takes beside Converse's own fields.
_OWN_FIELDS = frozenset({"anthropic_beta", "thinking", "top_k"})
#: Others at Bedrock that take no effort.
_NO_EFFORT = re.compile(r"amazon\.nova|meta\.llama|cohere\.|ai21\.|openai\.gpt-oss|mistral\.")
_BETWEEN_TOOLS = (
    'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of {"type": "disabled"}.'
)


def refuse_what_models_lack(body: Mapping[str, Any]) -> None:
    """Raises Failure where a Claude model would answer 400; other names of models refuse nothing."""
    model = str(body.get("model"))
    version = _version(model)
    if version is None:
        return
    for name in body:
        if name not in _FIELDS:
            raise invalid(f"{name}: Extra inputs are not permitted")
    if body.get("service_tier", "auto") not in ("auto", "standard_only"):
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    _sampling(version, body)
    _thinking(model, version, body)
    _effort(model, version, body)
    _forced_tool(model, version, body)
    _prefill(version, body)


def refuse_at_converse(model: str, body: Mapping[str, Any]) -> None:
    """Raises Failure where a model of Bedrock would answer with a ValidationException."""
    own, output = body.get("additionalModelRequestFields") or {}, body.get("outputConfig") or {}
    version = _version(model)
    if version is None:
        if "effort" in output and _NO_EFFORT.search(model):
            raise invalid("This model doesn't support the effort field. Remove effort and try again.")
        return
    for name in own:
        if name not in _OWN_FIELDS:
            raise invalid(f"{name}: Extra inputs are not permitted")
    _sampling(version, {**(body.get("inferenceConfig") or {}), **own})
    choice = (body.get("toolConfig") or {}).get("toolChoice") or {}
    said = {
        "thinking": own.get("thinking"),
        "output_config": {"effort": output.get("effort")},
        "tool_choice": {"type": next(iter(choice), None)},
        "messages": body.get("messages"),
    }
    _thinking(model, version, said)
    _effort(model, version, said)
    _forced_tool(model, version, said)
    _prefill(version, said)


def _sampling(version: tuple[int, int], given: Mapping[str, Any]) -> None:
    """By the rules of 2023-06-01, at Anthropic and at Bedrock."""
    names = {"temperature": "temperature", "topP": "top_p", "top_p": "top_p", "top_k": "top_k"}
    found = [spelled for name, spelled in names.items() if name in given]
    for name in found:
        if name != "top_k" and not 0 <= given.get(name, given.get("topP", 0)) <= 1:
            raise invalid(f"{name}: range: 0..1")
    if found and version >= (4, 7):
        raise invalid(f"`{found[0]}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(found) and version >= (4, 1):
        raise invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")


def _prefill(version: tuple[int, int], body: Mapping[str, Any]) -> None:
    last = (body.get("messages") or [{}])[-1]
    if isinstance(last, Mapping) and last.get("role") == "assistant" and version >= (4, 6):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _version(model: str) -> tuple[int, int] | None:
    if _OLD_CLAUDE.search(model):
        return (3, 0)
    found = _CLAUDE.search(model)
    return (int(found[2]), int(found[3] or 0)) if found else None


def _always_thinks(model: str, version: tuple[int, int]) -> bool:
    return "fable" in model or "mythos" in model or ("opus" in model and version >= (5, 5))


def _thinking(model: str, version: tuple[int, int], body: Mapping[str, Any]) -> None:
    kind = (body.get("thinking") or {}).get("type")
    if kind == "enabled" and version >= (4, 7):
        raise invalid(
            '"thinking.type.enabled" is not supported for this model. '
            'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if kind == "adaptive" and version < (4, 6):
        raise invalid("adaptive thinking is not supported on this model")
    if kind == "disabled" and _always_thinks(model, version):
        raise invalid('"thinking.type.disabled" is not supported for this model.')
    if kind == "disabled" and "sonnet-5-5" in model:
        raise invalid(_BETWEEN_TOOLS)
    if kind == "between_tools" and "sonnet-5-5" not in model:
        raise invalid('"thinking.type.between_tools" is not supported for this model.')


def _effort(model: str, version: tuple[int, int], body: Mapping[str, Any]) -> None:
    effort = (body.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if version < (4, 5) or (version == (4, 5) and "opus" not in model):
        raise invalid("This model does not support the effort parameter.")
    known = {"low", "medium", "high"} | ({"max"} if version >= (4, 6) else set())
    if effort not in known | ({"xhigh"} if version >= (4, 7) else set()):
        raise invalid(f"output_config.effort: {effort!r} is not supported for this model")


def _forced_tool(model: str, version: tuple[int, int], body: Mapping[str, Any]) -> None:
    if (body.get("tool_choice") or {}).get("type") not in ("any", "tool"):
        return
    if _always_thinks(model, version) or "sonnet-5-5" in model:
        raise invalid('tool_choice: type "tool" and "any" are not supported for this model.')
    if (body.get("thinking") or {}).get("type") == "enabled":
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
