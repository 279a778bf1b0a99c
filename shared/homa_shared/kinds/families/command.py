"""Cohere's models at its compatibility endpoint."""

from __future__ import annotations

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import Family, Rule, asks_for_several, dropped, limited, refused, translated

_SOURCE = "docs.cohere.com/docs/compatibility-api"
_FOREIGN = (
    makers.OPENAI
    | makers.ANTHROPIC
    | makers.GOOGLE
    | makers.AMAZON
    | makers.MISTRAL
    | makers.LOCAL
    | frozenset(
        "logprobs metadata parallel_tool_calls prompt_cache_key safety_identifier service_tier store top_logprobs "
        "user".split()
    )
)
_RULES = (
    *makers.LEGACY,
    *(limited(name, 0, 1) for name in ("frequency_penalty", "presence_penalty")),
    limited("top_p", 0.01, 0.99),
    limited("stop", 0, 5),
    refused("n", "gives one answer a call", asks_for_several),
)


def _family(pattern: str, rule: Rule) -> Family:
    return Family(pattern, (rule, *_RULES), foreign=_FOREIGN, source=_SOURCE)


#: A model that no row names.
OTHERS = Family("", _RULES, foreign=_FOREIGN, source=_SOURCE)
COMPATIBLE = (
    _family(
        r"^command-a-(?:reasoning|plus)",
        translated(
            "reasoning_effort", {"minimal": "none", "low": "high", "medium": "high", "xhigh": "high", "max": "high"}
        ),
    ),
    _family(r"^(?:command|north|c4ai)", *dropped("reasoning_effort")),
)
