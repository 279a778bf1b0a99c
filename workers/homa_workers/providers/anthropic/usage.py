"""What a message is billed for: tokens, the tier, speed and place that served it, tools that Anthropic ran.

Source: `Usage`, `BetaUsage` (anthropic 2.12); platform.claude.com/docs/en/about-claude/pricing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import Terms
from homa_shared.kinds.builtin.anthropic import PROFILE
from homa_workers.providers.token_counts import NOTHING_ASKED, parts_of, section, tokens, with_terms

BILLING = PROFILE.billing


def is_metered(usage: object) -> bool:
    """Whether a message says what it took."""
    return isinstance(usage, dict) and usage.get("input_tokens") is not None and _tokens(usage).has_tokens


def usage_of(usage: object, asked: Mapping[str, Any] = NOTHING_ASKED) -> Usage:
    """All that is billed, in Homa's terms.

    Args:
        usage: of a message.
        asked: the request.
    """
    told: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    found = _tokens(told)
    for further in _beside(told):
        found += _tokens(further)
    terms = _terms(told, asked)
    fees = BILLING.fees_of(_work(told))
    return with_terms(found, terms, fees)


def _tokens(usage: Mapping[str, Any]) -> Usage:
    """Tokens. Anthropic counts cache reads and writes beside `input_tokens`, not in them."""
    split = section(usage, "cache_creation")
    hour, short = tokens(split.get("ephemeral_1h_input_tokens")), tokens(split.get("ephemeral_5m_input_tokens"))
    read = tokens(usage.get("cache_read_input_tokens"))
    written = max(tokens(usage.get("cache_creation_input_tokens")), hour + short)
    return Usage(
        input_tokens=tokens(usage.get("input_tokens")) + read + written,
        output_tokens=tokens(usage.get("output_tokens")),
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=tokens(section(usage, "output_tokens_details").get("thinking_tokens")),
        parts=parts_of([("cache_write_1h", hour)]) if hour else (),
    )


def _beside(usage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Compactions of the context, whose tokens are not in the others."""
    iterations = usage.get("iterations")
    for found in iterations if isinstance(iterations, list) else ():
        if isinstance(found, dict) and found.get("type") == "compaction":
            yield found


def _terms(usage: Mapping[str, Any], asked: Mapping[str, Any]) -> Terms:
    """The terms that served it. What was asked for at a price of its own, and is not told of, is open."""
    terms = BILLING.terms_of(usage.get("service_tier"), usage.get("speed"), usage.get("inference_geo"))
    untold = (
        f"{asked[name]}?"
        for name, usual in BILLING.price_parameters.items()
        if asked.get(name) is not None and asked[name] not in usual and usage.get(name) is None
    )
    return tuple(sorted({*terms, *untold}))


def _work(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield from ((name, tokens(count)) for name, count in section(usage, "server_tool_use").items() if count)
    iterations = usage.get("iterations")
    for found in iterations if isinstance(iterations, list) else ():
        # Another model's work, at that model's price.
        if isinstance(found, dict) and found.get("type") not in ("message", "compaction"):
            yield str(found.get("type")), 1
