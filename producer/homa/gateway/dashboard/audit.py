"""What people do by pages, written into the audit trail that the command line writes, too, in the name of their key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from homa.gateway.dashboard.visit import Visit
from homa_shared.store.audit_trail import NOTHING, acting_as, audited

#: Most characters of what something was done to.
_MOST = 500


async def note(visit: Visit, action: str, subject: str, **details: Any) -> None:
    """Writes an entry, before what it tells of is done.

    Args:
        action: in the past tense, `jobs.cancelled`.
        subject: what it is done to.
        details: never content of requests or replies.
    """
    with in_the_name_of(visit):
        await visit.ask(audited(NOTHING, action, subject[:_MOST], **details))


@contextmanager
def in_the_name_of(visit: Visit) -> Iterator[None]:
    """Within it, operations that note themselves name the visit's key."""
    with acting_as(visit.name):
        yield
