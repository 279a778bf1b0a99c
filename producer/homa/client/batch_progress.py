"""How far a batch has come, as applications see it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from homa.client.management.units import usd_of
from homa_shared.store.reads import BatchView, LineCounts


@dataclass(frozen=True, slots=True)
class Progress(LineCounts):
    """How far a batch has come."""

    #: open (lines may still come), sealed, or complete.
    state: str
    #: Lines; None while the batch is open.
    total: int | None
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    #: Why it is paused; None where it is not.
    paused: str | None
    cost_nano_usd: int
    unresolved_nano_usd: int
    #: Attempts without a known price: their cost is not in the sums.
    unpriced: int

    @property
    def cost_usd(self) -> Decimal:
        """Known cost in dollars."""
        return usd_of(self.cost_nano_usd)

    @property
    def unresolved_usd(self) -> Decimal:
        """What attempts of unknown outcome may have cost at most, in dollars."""
        return usd_of(self.unresolved_nano_usd)

    @classmethod
    def of(cls, view: BatchView) -> Progress:
        """The progress that the store's record of a batch tells."""
        return cls(
            state=view.state,
            total=view.total,
            submitted=view.submitted,
            succeeded=view.succeeded,
            failed=view.failed,
            cancelled=view.cancelled,
            expired=view.expired,
            paused=(view.paused_why or "paused") if view.paused else None,
            cost_nano_usd=view.nano_usd,
            unresolved_nano_usd=view.unresolved_nano_usd,
            unpriced=view.unpriced,
        )
