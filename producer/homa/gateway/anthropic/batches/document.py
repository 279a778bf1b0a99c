"""A batch as Anthropic's API tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from homa_shared.store.gateway_batches import OVER, GatewayBatch, Status

#: Begins the id of a batch.
PREFIX = "msgbatch_"
#: Their words for how requests end -> ours.
_COUNTS = {"succeeded": "succeeded", "errored": "failed", "canceled": "cancelled", "expired": "expired"}


def batch_document(batch: GatewayBatch, address: str) -> dict[str, Any]:
    """The object. As at Anthropic, requests are counted by how they ended once all have.

    Args:
        address: of the gateway, as its client writes it.
    """
    over = batch.status in OVER
    counts = {name: batch.count(f"n.{ours}") if over else 0 for name, ours in _COUNTS.items()}
    batch_id = PREFIX + batch.id
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": _status(batch.status),
        "request_counts": {"processing": 0 if over else batch.count("requests"), **counts},
        "created_at": _moment(batch.created_ms),
        "expires_at": _moment(batch.expires_ms),
        "ended_at": _moment(batch.at_ms("ended")),
        "cancel_initiated_at": _moment(batch.at_ms("cancelling_at")),
        "archived_at": None,
        "results_url": f"{address}/v1/messages/batches/{batch_id}/results" if over else None,
    }


def _status(status: Status) -> str:
    if status in OVER:
        return "ended"
    return "canceling" if status is Status.CANCELLING else "in_progress"


def _moment(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")
