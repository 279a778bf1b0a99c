"""A batch as OpenAI's API tells it."""

from __future__ import annotations

from typing import Any

from homa_shared.store.gateway_batches import OVER, GatewayBatch, Status
from homa_shared.store.reads.batches import BatchView

#: Begins the id of a batch.
PREFIX = "batch_"
_TIMES = (
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)


def batch_document(batch: GatewayBatch, progress: BatchView | None) -> dict[str, Any]:
    """The object.

    Args:
        progress: of its jobs, while they go on.
    """
    errors, over = batch.said("errors"), batch.status in OVER
    times = {name: _seconds(batch.at_ms(name)) for name in _TIMES}
    return {
        "id": PREFIX + batch.id,
        "object": "batch",
        "endpoint": batch.raw.get("said_endpoint", batch.raw["endpoint"]),
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input,
        "completion_window": batch.raw["window"],
        "status": batch.status.value,
        "output_file_id": batch.raw["output"] if over and batch.count("output_bytes") else None,
        "error_file_id": batch.raw["error"] if over and batch.count("error_bytes") else None,
        "created_at": batch.created_ms // 1000,
        "expires_at": batch.expires_ms // 1000,
        **times,
        "request_counts": _counts(batch, progress),
        "usage": _usage(batch),
        "metadata": batch.said("metadata"),
    }


def _counts(batch: GatewayBatch, progress: BatchView | None) -> dict[str, int]:
    done, failed = batch.count("n.succeeded"), batch.answered - batch.count("n.succeeded")
    if progress is not None and batch.status not in OVER:
        done = max(done, progress.succeeded)
        failed = max(failed, progress.failed + progress.cancelled + progress.expired)
    return {"total": batch.total or 0, "completed": done, "failed": failed}


def _usage(batch: GatewayBatch) -> dict[str, Any] | None:
    """Tokens of the answers that stand in the file."""
    if batch.total is None or batch.status is Status.FAILED:
        return None
    given, written = batch.count("u.input"), batch.count("u.output")
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": batch.count("u.cached")},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": batch.count("u.reasoning")},
        "total_tokens": given + written,
    }


def _seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000
