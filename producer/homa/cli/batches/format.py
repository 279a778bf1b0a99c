"""A batch, for programs and for people."""

from __future__ import annotations

from typing import Any

from homa.cli.output import dollars, moment, number, usd_or_null
from homa_shared.model.money import usd
from homa_shared.store import reads


def batch_document(view: reads.BatchView) -> dict[str, Any]:
    """A batch for programs."""
    ended_ms = view.completed_ms
    return {
        "batch": view.id,
        "state": view.state,
        "total": view.total,
        "submitted": view.submitted,
        "succeeded": view.succeeded,
        "failed": view.failed,
        "cancelled": view.cancelled,
        "expired": view.expired,
        "cost_usd": usd(view.nano_usd),
        "unresolved_usd": usd(view.unresolved_nano_usd),
        "cache_saved_usd": usd(view.cache_saved_nano_usd),
        "unpriced_jobs": view.unpriced,
        "seconds": None if ended_ms is None else round((ended_ms - view.created_ms) / 1000, 3),
        "paused": view.paused,
        "paused_why": view.paused_why or None,
        "cancelling": view.cancel and not view.complete,
        "name": view.name or None,
        "tenant": view.tenant,
        "cap_usd": usd_or_null(view.cap_nano_usd),
        "requests": view.requests,
        "input_tokens": view.input_tokens,
        "output_tokens": view.output_tokens,
        "cached_tokens": view.cached_tokens,
        "created_ms": view.created_ms,
        "completed_ms": view.completed_ms,
    }


def state_words(view: reads.BatchView, *, why: bool = True) -> str:
    """A batch's state for people: `sealed, paused (bad key)`."""
    words = view.state
    if view.cancel:
        words += ", cancelled" if view.complete else ", being cancelled"
    if view.paused:
        words += f", paused ({view.paused_why})" if why and view.paused_why else ", paused"
    return words


def batch_facts(view: reads.BatchView) -> list[tuple[str, str]]:
    """A batch's record, a name and a value a line; empty values are left out where they are printed."""
    return [
        ("batch", view.id),
        ("name", view.name),
        ("tenant", view.tenant),
        ("state", state_words(view)),
        ("lines", number(view.total) if view.total is not None else f"{number(view.submitted)} so far"),
        ("succeeded", number(view.succeeded)),
        ("failed", number(view.failed)),
        ("cancelled", number(view.cancelled) if view.cancelled else ""),
        ("expired", number(view.expired) if view.expired else ""),
        ("live", number(view.live) if view.live else ""),
        ("calls", number(view.requests)),
        ("tokens", f"{number(view.input_tokens)} in, {number(view.output_tokens)} out"),
        ("cost", dollars(view.nano_usd) + (f" of {dollars(view.cap_nano_usd)}" if view.cap_nano_usd else "")),
        ("unresolved", dollars(view.unresolved_nano_usd) if view.unresolved_nano_usd else ""),
        ("cache saved", dollars(view.cache_saved_nano_usd) if view.cache_saved_nano_usd else ""),
        ("unpriced calls", number(view.unpriced) if view.unpriced else ""),
        ("created", moment(view.created_ms)),
        ("completed", moment(view.completed_ms)),
    ]


def summary(view: reads.BatchView) -> str:
    """One line: how far a batch has come, and what it has cost."""
    total = view.total if view.total is not None else view.submitted
    parts = [f"{number(view.succeeded)} of {number(total)} succeeded"]
    for name in ("failed", "cancelled", "expired"):
        count = getattr(view, name)
        parts += [f"{number(count)} {name}"] if count else []
    parts.append(dollars(view.nano_usd))
    if view.unresolved_nano_usd:
        parts.append(f"{dollars(view.unresolved_nano_usd)} unresolved")
    return f"{view.id} {state_words(view)}: " + ", ".join(parts)
