"""Ends of jobs as results files and the HTTP face tell them."""

from __future__ import annotations

from typing import Any

from homa.client.results import Failure, Reply
from homa.files.identity import ROW_DIGEST
from homa.files.result_line import Answered, HomaPart, Unanswered

#: Under this name a job carries what its document's reader noted; its line has it among its notes.
DOCUMENT_NOTES = "homa_document_notes"
#: Under this one which part of a document it is about.
UNIT = "homa_unit"


def answered(reply: Reply[Any]) -> Answered:
    """A reply for a result line."""
    return Answered(reply.body, homa_part(reply, reply.cost_nano_usd, cached=reply.cached), reply.request_id)


def unanswered(failure: Failure, nano_usd: int | None) -> Unanswered:
    """Any other end for a result line.

    Args:
        nano_usd: its known cost, nano-dollars.
    """
    part = homa_part(failure, nano_usd)
    return Unanswered(failure.kind, failure.message, part, failure.request_id, failure.status)


def homa_part(ended: Reply[Any] | Failure, nano_usd: int | None, *, cached: bool = False) -> HomaPart:
    """What Homa knows beyond the provider's answer."""
    metadata = dict(ended.metadata)
    noted = metadata.pop(DOCUMENT_NOTES, ())
    row, unit = metadata.pop(ROW_DIGEST, ""), metadata.pop(UNIT, None)
    if not isinstance(noted, list):  # whoever submits a job may put anything under this name
        noted = ()
    return HomaPart(
        job=ended.job_id,
        provider=ended.provider,
        model=ended.model,
        attempts=ended.attempts,
        cost_nano_usd=nano_usd,
        cached=cached,
        queued_ms=ended.queued_ms,
        latency_ms=ended.latency_ms,
        finish_reason=ended.finish_reason if isinstance(ended, Reply) else None,
        row=row if isinstance(row, str) else "",
        unit=unit if isinstance(unit, dict) else {},
        notes=(*noted, *(ended.notes if isinstance(ended, Reply) else ())),
        metadata=metadata,
    )
