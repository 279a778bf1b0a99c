"""What OpenAI bills beside the listed price of tokens; Azure bills its parts under the same names.

Sources: developers.openai.com/api/docs/pricing, …/guides/fast-mode, …/guides/flex-processing, …/guides/prompt-caching.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from types import MappingProxyType

from homa_shared.kinds.billing import Part, Term

#: Fast mode is what was called priority; GPT-6 answers with the new name, earlier models with the old one.
TIER_NAMES = MappingProxyType({"fast": "priority"})

#: The list is asked first; these factors are for the models that it lacks (pricing/own_prices.py).
_FAST_AT_TWICE = re.compile(r"gpt-6\.2-")
_NO_FLEX = re.compile(r"gpt-6\.2-")
_ULTRAFAST = re.compile(r"gpt-(?:6-astra|6\.1-sol|6\.2-(?:astra|sol))")
#: Ultrafast costs six times the standard price, for GPT-6.2 Sol three times until here.
_SOL_AT_THREE_UNTIL = date(2027, 2, 28)


def _fast(model: str, day: date) -> Fraction | None:
    return Fraction(2) if _FAST_AT_TWICE.match(model) else None


def _ultrafast(model: str, day: date) -> Fraction | None:
    if model == "gpt-6.2-sol" and day <= _SOL_AT_THREE_UNTIL:
        return Fraction(3)
    return Fraction(6) if _ULTRAFAST.fullmatch(model) else None


def withholds_tier(model: str, tier: str) -> bool:
    """Flex is being wound down: GPT-6.2 does not have it."""
    return tier == "flex" and _NO_FLEX.match(model) is not None


#: Hosts of data residency, and names of models from before 5 March 2026, which cost the same there as elsewhere;
#: GPT-5.4 was the first that does not. developers.openai.com/api/docs/guides/data-residency
_REGIONAL_HOST = re.compile(r"https?://[a-z]{2}\.api\.openai\.com")
_SAME_EVERYWHERE = re.compile(
    r"(?:ft:)?(?:gpt-(?:3\.5|4|5(?!\.\d)|5\.[1-3](?!\d))|chatgpt-4o|codex-mini|computer-use|o[134](?!\d)|text-embedding-)"
)
_REGIONAL_UPLIFT = Fraction(11, 10)


def endpoint_factor(endpoint: str, model: str) -> Fraction:
    """A tenth more for calls that are processed in a region; a model that nobody has heard of is taken as a new one."""
    if not _REGIONAL_HOST.fullmatch(endpoint) or _SAME_EVERYWHERE.match(model):
        return Fraction(1)
    return _REGIONAL_UPLIFT


TERMS = MappingProxyType(
    {
        "flex": Term(("service_tier", "flex")),
        "priority": Term(("service_tier", "priority"), _fast, "developers.openai.com/api/docs/guides/fast-mode"),
        "ultrafast": Term(None, _ultrafast, "developers.openai.com/api/docs/guides/fast-mode"),
        "batch": Term(("processing", "batch")),
    }
)

#: What is kept for twelve hours costs 2.5 of the input price, other writes 1.25.
PARTS = MappingProxyType(
    {
        "cache_write_12h": Part(
            "cache_write",
            Fraction(2),
            "prompt_cache_options",
            "developers.openai.com/api/docs/guides/prompt-caching",
        )
    }
)

#: Items of a response, as their types name them.
FEES = MappingProxyType(
    {
        **dict.fromkeys(("message", "reasoning", "function_call", "custom_tool_call", "compaction"), ""),
        "web_search_call": "web_searches",
        "file_search_call": "storage_searches",
    }
)
