"""A batch, for programs and for people."""

from __future__ import annotations

from homa.cli.documents.batches import BatchDocument
from homa.cli.output import dollars, moment, number, usd_or_null
from homa.client.management.batches import BatchInfo
from homa.client.management.units import ms_of, ms_of_known
from homa_shared.store.gateway_batches import GatewayBatch
from homa_shared.store.reads.batches import view_of


def batch_document(view: BatchInfo) -> BatchDocument:
    """A batch for programs."""
    return {
        "batch": view.id,
        "state": view.state,
        "total": view.total,
        "submitted": view.submitted,
        "succeeded": view.succeeded,
        "failed": view.failed,
        "cancelled": view.cancelled,
        "expired": view.expired,
        "cost_usd": usd_or_null(view.cost_usd),
        "unresolved_usd": usd_or_null(view.unresolved_usd),
        "cache_saved_usd": usd_or_null(view.cache_saved_usd),
        "unpriced_jobs": view.unpriced,
        "seconds": None if view.seconds is None else round(view.seconds, 3),
        "paused": view.paused,
        "paused_why": view.paused_why or None,
        "cancelling": view.cancel and not view.complete,
        "cancelled_why": view.cancel_why or None,
        "name": view.name or None,
        "tenant": view.tenant,
        "cap_usd": usd_or_null(view.cap_usd),
        "requests": view.requests,
        "input_tokens": view.input_tokens,
        "output_tokens": view.output_tokens,
        "cached_tokens": view.cached_tokens,
        "created_ms": ms_of(view.created_at),
        "completed_ms": ms_of_known(view.completed_at),
    }


def batch_facts(view: BatchInfo) -> list[tuple[str, str]]:
    """A batch's record, a name and a value a line; empty values are left out where they are printed."""
    return [
        ("batch", view.id),
        ("name", view.name),
        ("tenant", view.tenant),
        ("state", view.state_words()),
        ("lines", number(view.total) if view.total is not None else f"{number(view.submitted)} so far"),
        ("succeeded", number(view.succeeded)),
        ("failed", number(view.failed)),
        ("cancelled", number(view.cancelled) if view.cancelled else ""),
        ("expired", number(view.expired) if view.expired else ""),
        ("live", number(view.live) if view.live else ""),
        ("calls", number(view.requests)),
        ("tokens", f"{number(view.input_tokens)} in, {number(view.output_tokens)} out"),
        ("cost", dollars(view.cost_usd) + (f" of {dollars(view.cap_usd)}" if view.cap_usd else "")),
        ("unresolved", dollars(view.unresolved_usd) if view.unresolved_usd else ""),
        ("cache saved", dollars(view.cache_saved_usd) if view.cache_saved_usd else ""),
        ("unpriced calls", number(view.unpriced) if view.unpriced else ""),
        ("created", moment(view.created_at)),
        ("completed", moment(view.completed_at)),
    ]


def batch_of_file(file: GatewayBatch) -> BatchInfo:
    """A batch of a file none of whose lines has become a job yet; its state is that of its file."""
    told = {"state": str(file.status), "created": str(file.created_ms), "tenant": file.tenant}
    view = view_of(file.id, told | {name: file.raw[name] for name in ("name", "cap") if file.raw.get(name)})
    assert view is not None
    return BatchInfo.of(view)
