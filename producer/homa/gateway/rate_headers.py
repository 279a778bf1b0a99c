"""Headers that tell how much of its rate a key has left; a key without a rate gets none."""

from __future__ import annotations

from datetime import UTC, datetime

from homa_shared.store.transitions.gateway_rates import Allowance, Headroom


def openai_rate_headers(headroom: Headroom) -> dict[str, str]:
    """As OpenAI names them: `x-ratelimit-limit-requests`, …; times as `1m30s` or `250ms`."""
    found = {}
    for what, allowance in _allowances(headroom):
        found[f"x-ratelimit-limit-{what}"] = str(allowance.limit)
        found[f"x-ratelimit-remaining-{what}"] = str(allowance.left)
        found[f"x-ratelimit-reset-{what}"] = _span(allowance.reset_ms)
    return found


def anthropic_rate_headers(headroom: Headroom) -> dict[str, str]:
    """As Anthropic names them: `anthropic-ratelimit-requests-limit`, …; times by RFC 3339, by the store's clock."""
    found = {}
    for what, allowance in _allowances(headroom):
        # Rounded up: what is told to be there again is there.
        at_s = -(-(headroom.at_ms + allowance.reset_ms) // 1000)
        found[f"anthropic-ratelimit-{what}-limit"] = str(allowance.limit)
        found[f"anthropic-ratelimit-{what}-remaining"] = str(allowance.left)
        found[f"anthropic-ratelimit-{what}-reset"] = f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return found


def retry_headers(wait_ms: int) -> dict[str, str]:
    """When to come again: in seconds, rounded up, and in the milliseconds that official clients prefer."""
    return {"retry-after": str(-(-wait_ms // 1000)), "retry-after-ms": str(wait_ms)}


def _allowances(headroom: Headroom) -> list[tuple[str, Allowance]]:
    both = (("requests", headroom.requests), ("tokens", headroom.tokens))
    return [(what, allowance) for what, allowance in both if allowance is not None]


def _span(ms: int) -> str:
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest_ms / 1000:g}s"
