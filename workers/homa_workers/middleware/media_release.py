"""Releases the media of jobs that need them no more, and clears away those that no job refers to."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from homa_shared.store.transitions.attempts import ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Chore, Middleware
from homa_workers.outcomes.outcomes import Outcome, Succeeded
from homa_workers.store_io.media import SWEEP_S, Media


class MediaRelease(Middleware):
    """Housekeeping of media. The sweep, which any worker does, finds by itself what was not released.

    Args:
        media: of this worker.
    """

    #: The store's own limits hold.
    hook_s = None

    def __init__(self, media: Media) -> None:
        self._media = media

    def attempt_ended(
        self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None
    ) -> Awaitable[None] | None:
        if attempt.is_acknowledged and attempt.media and isinstance(outcome, Succeeded):
            return self._media.release(attempt)
        return None

    def chores(self) -> Sequence[Chore]:
        return (Chore(SWEEP_S, self._media.sweep),)
