"""Claude, at Anthropic and at Bedrock: each model's rules hold at both."""

from __future__ import annotations

from dataclasses import replace

from homa_shared.kinds.parameter_rules import (
    Family,
    Params,
    Rule,
    asks_for_several,
    dropped,
    forces_tool,
    limited,
    refused,
    translated,
)

_MODELS = "platform.claude.com/docs/en/about-claude/models: what's new and migration guide of each model"

#: Behind prefixes such as `us.anthropic.`, before a date or a version.
_NAME = r"(?:^|[./])claude-(?:{})(?:[-@](?:\d{{8}}|latest|default))?(?:-v\d+(?::\d+)*k?)?$"

#: What Messages takes by names of its own: the anthropic package, types/message_create_params.py and its beta.
_MESSAGES = frozenset(
    "billing_policy cache_control compaction container context_management diagnostics fallback_credit_token fallbacks "
    "inference_geo mcp_servers output_config speed stop_sequences system thinking thread top_k".split()
)
#: What Converse takes by names of its own, and what Claude takes there beside it.
_CONVERSE = frozenset(
    "additionalModelResponseFieldPaths anthropic_beta guardrailConfig outputConfig performanceConfig promptVariables "
    "requestMetadata serviceTier thinking top_k".split()
)
#: What is translated for it, and how a reply is delivered, which is not the model's matter.
_SPOKEN = frozenset(
    "max_completion_tokens max_tokens metadata n parallel_tool_calls reasoning_effort response_format "
    "safety_identifier service_tier stop stream stream_options temperature tool_choice tools top_p user".split()
)

_SAMPLING = ("temperature", "top_p", "top_k")
_NO_SAMPLING = dropped(*_SAMPLING)
_ONE_ANSWER = refused("n", "gives one answer a call", asks_for_several)
_NO_FORCED_TOOL = refused("tool_choice", "cannot be made to call a tool (tool_choice)", forces_tool)

_MINIMAL: dict[str, str | None] = {"minimal": "low"}
_ADAPTIVE = translated("reasoning_effort", _MINIMAL)
_NO_XHIGH = translated("reasoning_effort", {**_MINIMAL, "xhigh": "high"})
_ALWAYS_THINKS = translated("reasoning_effort", {**_MINIMAL, "none": "low"})
_NO_EFFORT = dropped("reasoning_effort")
_BUDGET_WITHOUT_FORCED_TOOL = dropped("reasoning_effort", when=forces_tool, while_="while a tool must be called")


def _both(params: Params) -> bool:
    return params.get("temperature") is not None


def _other_tier(params: Params) -> bool:
    return params.get("service_tier") not in ("auto", "default", "standard_only")


_ONE_OF_BOTH = dropped("top_p", when=_both, while_="beside temperature")
_RANGES = (limited("temperature", 0, 1), limited("top_p", 0, 1))
_TIERS = dropped("service_tier", when=_other_tier, while_="with this value")


def _family(names: str, *rules: Rule, prefill: bool = False) -> Family:
    return Family(_NAME.format(names), rules, prefill=prefill, source=_MODELS)


#: Up to 4.5: they think within a budget, and go on from the beginning of an answer.
_NEVER_THINKS = _family(r"(?:v?2|instant|3-(?:opus|sonnet|haiku)|3-5-[a-z]+)[^/]*", *_NO_EFFORT, prefill=True)
_BY_BUDGET = _family(
    r"3-7-sonnet|(?:opus|sonnet)-4(?:-[01])?|4-(?:opus|sonnet)|(?:sonnet|haiku|opus)-4-5",
    *_BUDGET_WITHOUT_FORCED_TOOL,
    prefill=True,
)
_TO_4_6 = (_NEVER_THINKS, _BY_BUDGET, _family(r"(?:opus|sonnet)-4-6", _NO_XHIGH))
_FROM_4_7 = (
    _family(r"opus-4-[78]|(?:sonnet|opus)-5", _ADAPTIVE),
    _family(r"haiku-5-5", _ADAPTIVE),
    # Its adapter has it think between tools only, where it is not to think.
    _family(r"sonnet-5-5", _ADAPTIVE, _NO_FORCED_TOOL),
    # Those that always think; a newer one is taken for such a one.
    Family(
        r"(?:^|[./])claude-(?:(?:opus|sonnet|haiku)-(?:[5-9]|\d\d)|fable|mythos)(?!\d{3})",
        (_ALWAYS_THINKS, _NO_FORCED_TOOL),
        prefill=False,
        source=_MODELS,
    ),
)


def _with(family: Family, *rules: Rule, takes: frozenset[str]) -> Family:
    return replace(family, rules=(*rules, *family.rules), takes=takes)


#: At Anthropic, under the API version that the adapter names (2023-06-01).
MESSAGES = (
    *(_with(family, *_ONE_OF_BOTH, *_TIERS, *_RANGES, _ONE_ANSWER, takes=_SPOKEN | _MESSAGES) for family in _TO_4_6),
    *(_with(family, *_NO_SAMPLING, *_TIERS, _ONE_ANSWER, takes=_SPOKEN | _MESSAGES) for family in _FROM_4_7),
)

#: At Bedrock, which has the rules of the same version and takes no budget of thinking by an effort.
_BY_BUDGET_AT_BEDROCK = (
    _NEVER_THINKS,
    _family(r"3-7-sonnet|(?:opus|sonnet)-4(?:-[01])?|(?:sonnet|haiku)-4-5", *_NO_EFFORT, prefill=True),
    _family(r"opus-4-5", translated("reasoning_effort", {**_MINIMAL, "xhigh": "high", "max": "high"}), prefill=True),
)
CONVERSE = (
    *(
        _with(family, *_ONE_OF_BOTH, *_RANGES, _ONE_ANSWER, takes=_SPOKEN | _CONVERSE)
        for family in (*_BY_BUDGET_AT_BEDROCK, *_TO_4_6[2:])
    ),
    *(_with(family, *_NO_SAMPLING, _ONE_ANSWER, takes=_SPOKEN | _CONVERSE) for family in _FROM_4_7),
)
