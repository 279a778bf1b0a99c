"""Cohere's models at its compatibility endpoint."""

from __future__ import annotations

from homa_shared.kinds.parameter_rules import (
    OPENAI_ONLY,
    Family,
    Rule,
    asks_for_several,
    dropped,
    limited,
    refused,
    translated,
)

_SOURCE = "docs.cohere.com/docs/compatibility-api"
_NOT_TAKEN = (
    *dropped(*OPENAI_ONLY, "logprobs", "top_logprobs", "metadata", "parallel_tool_calls", "prompt_cache_key"),
    *dropped("safety_identifier", "service_tier", "store", "user"),
    *(limited(name, 0, 1) for name in ("frequency_penalty", "presence_penalty")),
    limited("top_p", 0.01, 0.99),
    limited("stop", 0, 5),
    refused("n", "gives one answer a call", asks_for_several),
)


def _family(pattern: str, rule: Rule) -> Family:
    return Family(pattern, (rule, *_NOT_TAKEN), source=_SOURCE)


COMPATIBLE = (
    _family(
        r"^command-a-(?:reasoning|plus)",
        translated(
            "reasoning_effort", {"minimal": "none", "low": "high", "medium": "high", "xhigh": "high", "max": "high"}
        ),
    ),
    _family(r"^(?:command|north|c4ai)", *dropped("reasoning_effort")),
)
