"""Batches as a listing shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from homa.client.management.job_listing import batch_view, check_word
from homa.client.management.units import time_of, time_of_known, usd_of, usd_of_known
from homa.client.management.wording import dollars, number, one_line
from homa.drivers.effects import Emit, Flow, ask, ask_all
from homa.submit.option_checks import check_text
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads import BatchView, LineCounts

#: Batches that are read at once.
_PAGE = 100

BatchState: TypeAlias = Literal["open", "sealed", "complete"]


@dataclass(frozen=True, slots=True)
class BatchInfo(LineCounts):
    """A batch as its record tells it. Counts are lines, by the state of their latest job."""

    id: str
    #: open (lines may still come), sealed or complete.
    state: str
    #: Lines; None while it is open.
    total: int | None
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    paused: bool
    paused_why: str
    #: Whether it was cancelled; its records end in slices after that.
    cancel: bool
    #: Why the store did that by itself; empty where somebody asked for it.
    cancel_why: str
    created_at: datetime
    completed_at: datetime | None
    cost_usd: Decimal
    #: Attempts of unknown outcome may have cost so much at most.
    unresolved_usd: Decimal
    #: By providers' prompt caches; negative where writing to them cost more.
    cache_saved_usd: Decimal
    #: Attempts whose price is not known: they are in no sum.
    unpriced: int
    #: Most that it may cost; None where nothing was said.
    cap_usd: Decimal | None
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    name: str
    tenant: str

    @property
    def seconds(self) -> float | None:
        """From its opening to its completion; None before that."""
        return None if self.completed_at is None else (self.completed_at - self.created_at).total_seconds()

    @classmethod
    def of(cls, view: BatchView) -> BatchInfo:
        """The batch that a record tells of."""
        return cls(
            id=view.id,
            state=view.state,
            total=view.total,
            submitted=view.submitted,
            succeeded=view.succeeded,
            failed=view.failed,
            cancelled=view.cancelled,
            expired=view.expired,
            paused=view.paused,
            paused_why=view.paused_why,
            cancel=view.cancel,
            cancel_why=view.cancel_why,
            created_at=time_of(view.created_ms),
            completed_at=time_of_known(view.completed_ms),
            cost_usd=usd_of(view.nano_usd),
            unresolved_usd=usd_of(view.unresolved_nano_usd),
            cache_saved_usd=usd_of(view.cache_saved_nano_usd),
            unpriced=view.unpriced,
            cap_usd=usd_of_known(view.cap_nano_usd),
            requests=view.requests,
            input_tokens=view.input_tokens,
            output_tokens=view.output_tokens,
            cached_tokens=view.cached_tokens,
            name=view.name,
            tenant=view.tenant,
        )

    def state_words(self, *, why: bool = True) -> str:
        """Its state for people: `sealed, paused (bad key)`."""
        words = self.state
        if self.cancel:
            words += ", cancelled" if self.complete else ", being cancelled"
            words += f" ({self.cancel_why})" if why and self.cancel_why else ""
        if self.paused:
            words += f", paused ({self.paused_why})" if why and self.paused_why else ", paused"
        return words

    def __str__(self) -> str:
        total = self.total if self.total is not None else self.submitted
        counts = [(name, getattr(self, name)) for name in ("failed", "cancelled", "expired")]
        facts = [
            f"{number(self.succeeded)} of {number(total)} succeeded",
            *(f"{number(count)} {name}" for name, count in counts if count),
            dollars(self.cost_usd),
            f"{dollars(self.unresolved_usd)} unresolved" if self.unresolved_usd else "",
        ]
        return f"{self.id} {self.state_words()}: {one_line(facts)}"


def batch_info(keys: Keys, batch_id: str) -> Flow[BatchInfo]:
    """A batch as it stands.

    Raises:
        JobNotFound: the store has none of this id.
    """
    return BatchInfo.of((yield from batch_view(keys, batch_id)))


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Batches that fit everything that is said; None says nothing. Raises InvalidRequest for what none can have."""

    state: str | None = None
    tenant: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                check_text(name, value)
        if self.state is not None:
            check_word("state", self.state, get_args(BatchState))

    def fits(self, view: BatchView) -> bool:
        return all(value in (None, getattr(view, name)) for name, value in asdict(self).items())


def listing(keys: Keys, wanted: BatchFilter, *, limit: int | None = None) -> Flow[None]:
    """Emits batches (`BatchInfo`), newest first, read a page at a time.

    Args:
        limit: most batches; None for all.
    """
    left, before = limit, ""
    while left is None or left > 0:
        page = yield from ask(reads.batches_before(keys, before, _PAGE if left is None else min(_PAGE, left)))
        if not page.ids:
            return
        before = page.cursor
        for view in (yield from ask_all([reads.batch(keys, batch_id) for batch_id in page.ids])):
            if view is None or not wanted.fits(view):
                continue
            yield Emit(BatchInfo.of(view))
            left = None if left is None else left - 1
            if left == 0:
                return
