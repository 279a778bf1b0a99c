"""Targets of a chain that a job is not sent to: those that were passed over, and one that is out of reach for long."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from homa_shared.calls.request import JobRequest
from homa_shared.model.errors import HomaError, StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import Claim, divert
from homa_shared.store.transitions.skipped_targets import note_skipped
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.next_target import next_target


async def tell_skipped(store: AsyncStore, claim: Claim, skipped: Sequence[tuple[str, str]]) -> None:
    """Tells a job's history which targets were passed over, and why; no job waits for that."""
    if skipped:
        with contextlib.suppress(StoreUnavailable, StoreFull):
            await store.run(note_skipped(store.keys, claim.id, skipped))


async def divert_job(store: AsyncStore, book: FleetBook, why: str, claim: Claim) -> bool:
    """Moves a waiting job whose target is out of reach to the next one that can do it; false where there is none.

    Raises:
        StoreUnavailable: the job waits where it waited, and is offered again.
    """
    try:
        request = JobRequest.decode(claim.request)
    except HomaError:
        return False
    skipped: list[tuple[str, str]] = []
    following = next_target(book, claim, request, skipped=skipped)
    if following is None:
        return False
    await tell_skipped(store, claim, skipped)
    await book.ensure_plans([following.target])
    await store.run(divert(store.keys, claim.id, claim.target, why, following))
    return True
