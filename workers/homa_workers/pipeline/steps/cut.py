"""Answers that were cut at their output cap: asked for again with more room, where the job says so.

Each cut answer is paid for, and a step. The next cap is twice the one before, up to what the model can write and
`MOST_RETRIES` times. It follows from the job's cap and the number of such steps alone, so that a later attempt goes on
where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.kinds.output_caps import cap_of
from homa_workers.fleet.fleet_cache import FleetBook

#: Most calls that repeat one whose answer was cut.
MOST_RETRIES = 3


def with_more_room(book: FleetBook, target: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameters with twice the output cap; None where the target's model can write no more, or its limits end."""
    cap, most = cap_of(params), book.most_cap(target, params)
    if not 0 < cap < most:
        return None
    name = "max_completion_tokens" if params.get("max_completion_tokens") else "max_tokens"
    return {**params, name: min(2 * cap, most)}
