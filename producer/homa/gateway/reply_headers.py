"""What an answer's headers tell of the job behind it."""

from __future__ import annotations

from typing import Any

from homa.client.results import Reply
from homa_shared.model.money import usd


def reply_headers(reply: Reply[Any]) -> dict[str, str]:
    """Job, who answered, what it cost: known once there is a reply."""
    found = {
        "x-homa-job": reply.job_id,
        "x-homa-provider": reply.provider,
        "x-homa-model": reply.model,
        "x-homa-attempts": str(reply.attempts),
    }
    if reply.cost_nano_usd is not None:
        found["x-homa-cost-usd"] = usd(reply.cost_nano_usd)
    if reply.cached_from:
        found["x-homa-cached-from"] = reply.cached_from
    return found
