"""Claude, at Anthropic and at Bedrock: each model's rules hold at both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import (
    Family,
    Params,
    Rule,
    When,
    asks_for_several,
    dropped,
    forces_tool,
    limited,
    refused,
    replaced,
    thinks_if_asked,
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


def _kind_of_thinking(params: Params) -> object:
    thinking = params.get("thinking")
    return thinking.get("type") if isinstance(thinking, Mapping) else None


def _asks_for(*kinds: str) -> When:
    return lambda params: _kind_of_thinking(params) in kinds


def _thinks(params: Params) -> bool:
    """Whether a model thinks that does not unless it is asked to."""
    kind = _kind_of_thinking(params)
    return kind in ("enabled", "adaptive") if kind else thinks_if_asked(params)


def _must_call_while_it_thinks(params: Params) -> bool:
    return forces_tool(params) and _kind_of_thinking(params) in (None, "enabled")


def _budget_and_forced_tool(params: Params) -> bool:
    return forces_tool(params) and _kind_of_thinking(params) == "enabled"


def _other_temperature(params: Params) -> bool:
    return _thinks(params) and bool(params["temperature"] != 1)


def _low_top_p(params: Params) -> bool:
    top_p = params["top_p"]
    return _thinks(params) and isinstance(top_p, int | float) and top_p < _LEAST_TOP_P


def _both(params: Params) -> bool:
    return params.get("temperature") is not None


def _other_tier(params: Params) -> bool:
    return params.get("service_tier") not in ("auto", "default", "standard_only")


#: While a model thinks: platform.claude.com/docs/en/build-with-claude/extended-thinking.
_LEAST_TOP_P = 0.95
_RANGES = (limited("temperature", 0, 1), limited("top_p", 0, 1))
_SAMPLING_OF_THINKERS = (
    *dropped("temperature", when=_other_temperature, while_="while it thinks"),
    *dropped("top_p", when=_low_top_p, while_="while it thinks"),
    *dropped("top_k", when=_thinks, while_="while it thinks"),
    *_RANGES,
)
_BUDGET_WITHOUT_FORCED_TOOL = dropped(
    "reasoning_effort", "thinking", when=_must_call_while_it_thinks, while_="while a tool must be called"
)
_NOT_ADAPTIVE = dropped("thinking", when=_asks_for("adaptive", "between_tools"), while_="of this type")
_NOT_BETWEEN_TOOLS = dropped("thinking", when=_asks_for("between_tools"), while_="of this type")
_NO_BUDGET = replaced("thinking", {"type": "adaptive"}, _asks_for("enabled"))
_EFFORT_OF_THINKERS = dropped(
    "reasoning_effort", when=_asks_for("disabled", "between_tools"), while_="while it does not think"
)
_ONE_OF_BOTH = dropped("top_p", when=_both, while_="beside temperature")
_TIERS = dropped("service_tier", when=_other_tier, while_="with this value")


def _family(names: str, *rules: Rule, prefill: bool = False, schema: bool = True) -> Family:
    return Family(_NAME.format(names), rules, prefill=prefill, schema=schema, source=_MODELS)


#: Up to 4.5: they think within a budget, and go on from the beginning of an answer.
_NEVER_THINKS = _family(
    r"(?:v?2|instant|3-(?:opus|sonnet|haiku)|3-5-[a-z]+)[^/]*",
    *_NO_EFFORT,
    *dropped("thinking"),
    prefill=True,
    schema=False,
)
_BY_BUDGET = (*_NOT_ADAPTIVE, *_BUDGET_WITHOUT_FORCED_TOOL)
_3_7_AND_4 = r"3-7-sonnet|(?:opus|sonnet)-4(?:-[01])?|4-(?:opus|sonnet)"
_4_6 = _family(
    r"(?:opus|sonnet)-4-6",
    _NO_XHIGH,
    *_NOT_BETWEEN_TOOLS,
    *dropped("thinking", when=_budget_and_forced_tool, while_="while a tool must be called"),
)
_TO_4_6 = (
    _NEVER_THINKS,
    _family(_3_7_AND_4, *_BY_BUDGET, prefill=True, schema=False),
    _family(r"(?:sonnet|haiku|opus)-4-5", *_BY_BUDGET, prefill=True),
    _4_6,
)
#: All but those that platform.claude.com/docs/en/build-with-claude/fast-mode names.
_SLOW = dropped("speed")
_ALWAYS = (
    _ALWAYS_THINKS,
    _NO_BUDGET,
    *dropped("thinking", when=_asks_for("disabled", "between_tools"), while_="of this type"),
    _NO_FORCED_TOOL,
)
_FROM_4_7 = (
    _family(r"opus-4-[78]|sonnet-5", _ADAPTIVE, _NO_BUDGET, *_NOT_BETWEEN_TOOLS, *_SLOW),
    _family(r"opus-5", _ADAPTIVE, _NO_BUDGET, *_NOT_BETWEEN_TOOLS, *_EFFORT_OF_THINKERS),
    _family(r"haiku-5-5", _ADAPTIVE, _NO_BUDGET, *_NOT_BETWEEN_TOOLS, *_EFFORT_OF_THINKERS, *_SLOW),
    # Its adapter has it think between tools only, where it is not to think.
    _family(
        r"sonnet-5-5",
        _ADAPTIVE,
        _NO_BUDGET,
        replaced("thinking", {"type": "between_tools"}, _asks_for("disabled")),
        *_EFFORT_OF_THINKERS,
        _NO_FORCED_TOOL,
        *_SLOW,
    ),
    # Those that always think; a newer one is taken for such a one.
    _family(r"opus-5-5|(?:fable|mythos)-5-2", *_ALWAYS),
    Family(
        r"(?:^|[./])claude-(?:(?:opus|sonnet|haiku)-(?:[5-9]|\d\d)|fable|mythos)(?!\d{3})",
        (*_ALWAYS, *_SLOW),
        prefill=False,
        source=_MODELS,
    ),
)


def _with(family: Family, *rules: Rule, after: tuple[Rule, ...] = (), takes: frozenset[str]) -> Family:
    return replace(family, rules=(*makers.LEGACY, _ONE_ANSWER, *rules, *family.rules, *after), takes=takes)


#: At Anthropic, under the API version that the adapter names (2023-06-01).
MESSAGES = (
    *(
        _with(family, *_ONE_OF_BOTH, *_TIERS, *_SLOW, after=_SAMPLING_OF_THINKERS, takes=_SPOKEN | _MESSAGES)
        for family in _TO_4_6
    ),
    *(_with(family, *_NO_SAMPLING, *_TIERS, takes=_SPOKEN | _MESSAGES) for family in _FROM_4_7),
)
#: What a server of Anthropic's protocol takes of a model that no row names.
OTHERS = Family("", makers.LEGACY, foreign=makers.OPENAI, source=_MODELS)

#: At Bedrock, which has the rules of the same version and takes no budget of thinking by an effort.
_AT_BEDROCK = (
    _NEVER_THINKS,
    _family(_3_7_AND_4, *_NO_EFFORT, *_BY_BUDGET, prefill=True, schema=False),
    _family(r"(?:sonnet|haiku)-4-5", *_NO_EFFORT, *_BY_BUDGET, prefill=True),
    _family(
        r"opus-4-5",
        translated("reasoning_effort", {**_MINIMAL, "xhigh": "high", "max": "high"}),
        *_NOT_ADAPTIVE,
        *dropped("thinking", when=_must_call_while_it_thinks, while_="while a tool must be called"),
        prefill=True,
    ),
    _4_6,
)
CONVERSE = (
    *(_with(family, *_ONE_OF_BOTH, after=_SAMPLING_OF_THINKERS, takes=_SPOKEN | _CONVERSE) for family in _AT_BEDROCK),
    # Whether these take a schema there is documented in two ways: they are asked in words.
    *(replace(_with(family, *_NO_SAMPLING, takes=_SPOKEN | _CONVERSE), schema=False) for family in _FROM_4_7),
)
