"""What a reply of Converse is billed for: tokens, the tier that served it, what AWS ran for it.

Source: `TokenUsage`, `ConverseResponse`, `ConverseStreamMetadataEvent` (botocore 1.43).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import Terms
from homa_shared.kinds.builtin.bedrock import PROFILE
from homa_workers.providers.token_counts import NOTHING_ASKED, parts_of, section, tokens, with_terms

Body = Mapping[str, Any]
BILLING = PROFILE.billing


def is_metered(reply: Body) -> bool:
    """Whether a reply says what it took."""
    return usage_of(section(reply, "usage")).has_tokens


def usage_of(usage: Body) -> Usage:
    """Tokens in Homa's terms.

    Whether `inputTokens` holds the cached ones differs among models; the total always does, so that it decides.
    """
    output = tokens(usage.get("outputTokens"))
    given = tokens(usage.get("inputTokens"))
    details = usage.get("cacheDetails")
    hour = sum(
        tokens(found.get("inputTokens"))
        for found in (details if isinstance(details, list) else ())
        if isinstance(found, dict) and found.get("ttl") == "1h"
    )
    return Usage(
        input_tokens=max(given, tokens(usage.get("totalTokens")) - output),
        output_tokens=output,
        cached_tokens=tokens(usage.get("cacheReadInputTokens")),
        cache_write_tokens=max(tokens(usage.get("cacheWriteInputTokens")), hour),
        parts=parts_of([("cache_write_1h", hour)]) if hour else (),
    )


def billed(reply: Body, asked: Body = NOTHING_ASKED) -> Usage:
    """All that a reply is billed for.

    Args:
        reply: with its `usage`, and the tier that served it.
        asked: the request.
    """
    found = usage_of(section(reply, "usage"))
    terms, fees = _terms(reply, asked), BILLING.fees_of(_work(reply, asked))
    return with_terms(found, terms, fees)


def _terms(reply: Body, asked: Body) -> Terms:
    """The tier, and whether latency was optimised, at a price of its own. A tier that is not told of is open."""
    tier, wanted = section(reply, "serviceTier").get("type"), section(asked, "serviceTier").get("type")
    latency = section(reply, "performanceConfig").get("latency")
    untold = f"{term}?" if tier is None and (term := BILLING.term(wanted)) else None
    return BILLING.terms_of(tier, untold, latency)


def _work(reply: Body, asked: Body) -> Iterator[tuple[str, int]]:
    if section(asked, "guardrailConfig"):
        yield "guardrail", 1
    content = section(section(reply, "output"), "message").get("content")
    for block in content if isinstance(content, list) else ():
        use = section(block, "toolUse")
        if use.get("type") == "server_tool_use":
            yield str(use.get("name")), 1
