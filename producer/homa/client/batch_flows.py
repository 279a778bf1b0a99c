"""What a batch does: take lines, tell its progress, hand out its lines as they end, be paused or cancelled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from homa.client.results import Failure, Reply, look, outcomes
from homa.drivers.effects import Emit, Flow, Sleep, ask_all, ask_patiently, patiently
from homa.submit.batch_chunks import BatchRequest, Chunks
from homa.submit.option_checks import Dollars, check_tenant
from homa.submit.options import spread
from homa.submit.submitter import Submitter
from homa_shared.model.errors import (
    HomaError,
    InvalidRequest,
    JobCancelled,
    JobEnded,
    JobNotFound,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
)
from homa_shared.model.ids import new_batch_id
from homa_shared.model.records import Lane
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin

#: Lines that are fetched at once.
_PAGE = 250
#: Pauses between looks at a batch that goes on, s: short at first, then longer while nothing ends.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch that has ended; a failure is a value."""

    #: Goes on behind this line: `batch.results(after=line.position)`.
    position: int
    custom_id: str
    job_id: str
    #: The reply; None where there is none.
    reply: Reply[Any] | None
    #: How it ended otherwise; None where there is a reply.
    failure: Failure | None

    @property
    def ok(self) -> bool:
        return self.reply is not None

    @property
    def error(self) -> JobEnded | None:
        """The failure as an exception: JobFailed, JobCancelled or JobExpired."""
        return None if self.failure is None else self.failure.error()


@dataclass(frozen=True, slots=True)
class Progress:
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
    #: Attempts without a known price: their cost is in no sum.
    unpriced: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled + self.expired

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def cost_usd(self) -> Decimal:
        """Known cost in dollars."""
        return Decimal(self.cost_nano_usd).scaleb(-9)

    @property
    def unresolved_usd(self) -> Decimal:
        """What attempts of unknown outcome may have cost at most, in dollars."""
        return Decimal(self.unresolved_nano_usd).scaleb(-9)


class BatchFlows:
    """Flows of one batch, for the sync and the async handle."""

    def __init__(self, keys: Keys, batch_id: str, schema: Any = None) -> None:
        self.keys, self.id, self.schema = keys, batch_id, schema

    def progress(self) -> Flow[Progress]:
        """Raises JobNotFound where the store holds no such batch."""
        view = yield from ask_patiently(reads.batch(self.keys, self.id))
        if view is None:
            raise JobNotFound(f"batch {self.id} is not in the store: its id is wrong, or its retention has ended")
        return Progress(
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

    def wait(self, timeout_s: float | None) -> Flow[Progress]:
        """The progress once the batch is complete; raises ResultTimeout where it is not in time."""
        give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = _FIRST_PAUSE_S
        while True:
            progress = yield from self.progress()
            if progress.complete:
                return progress
            if give_up_s is not None and time.monotonic() >= give_up_s:
                raise self._timeout(timeout_s or 0.0, progress)
            yield Sleep(pause_s if give_up_s is None else min(pause_s, max(0.0, give_up_s - time.monotonic())))
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def results(self, after: int, timeout_s: float | None) -> Flow[None]:
        """Emits lines in the order in which they ended, until the batch is complete."""
        if after < 0:
            raise InvalidRequest(f"after is {after!r:.80}: expected the position of a line, 0 for the beginning")
        quiet_since_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while True:
            # Asked before the list is read, so that a batch that is complete has no line left behind it.
            progress = yield from self.progress()
            ids = yield from ask_patiently(reads.batch_done(self.keys, self.id, after, _PAGE))
            if ids:
                for line in (yield from self._lines(ids, after)):
                    yield Emit(line)
                after += len(ids)
                quiet_since_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
                continue
            if progress.complete:
                return
            if timeout_s is not None and time.monotonic() - quiet_since_s >= timeout_s:
                raise self._timeout(timeout_s, progress)
            yield Sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def cancel(self) -> Flow[None]:
        yield from ask_patiently(admin.cancel_batch(self.keys, self.id))

    def pause(self, why: str) -> Flow[None]:
        yield from ask_patiently(admin.pause_batch(self.keys, self.id, why))

    def resume(self) -> Flow[None]:
        yield from ask_patiently(admin.resume_batch(self.keys, self.id))

    def _lines(self, ids: list[str], after: int) -> Flow[list[Line]]:
        looks = yield from ask_patiently(look(self.keys, ids))
        ended = yield from outcomes(self.keys, looks, self.schema)
        return [
            Line(
                position=after + i + 1,
                custom_id=outcome.custom_id or "",
                job_id=job_id,
                reply=outcome if isinstance(outcome, Reply) else None,
                failure=outcome if isinstance(outcome, Failure) else None,
            )
            for i, (job_id, outcome) in enumerate(zip(ids, ended, strict=True))
        ]

    def _timeout(self, timeout_s: float, progress: Progress) -> ResultTimeout:
        paused = f", paused ({progress.paused})" if progress.paused else ""
        return ResultTimeout(
            f"batch {self.id} is not complete after {timeout_s:g} s: {progress.state}{paused}, {progress.ended} of "
            f"{progress.submitted} jobs have ended; it goes on"
        )


class BatchSubmission:
    """The making of one batch: opened, filled a chunk at a time, sealed with its total."""

    def __init__(self, submitter: Submitter, options: Mapping[str, Any]) -> None:
        defaults = {"lane": Lane.BULK, **{name: value for name, value in spread(options).items() if value is not None}}
        self._submitter = submitter
        cap = defaults.pop("budget_usd", None)
        self._cap = None if cap is None else Dollars()("budget_usd", cap)
        self._name = str(defaults.pop("name", ""))
        self._tenant = check_tenant("tenant", defaults.get("tenant", ""))
        self._defaults = defaults
        self.id = new_batch_id()
        self.schema = defaults.get("schema")
        self._chunks: Chunks | None = None
        self._unsent: list[Op[Any]] = []

    def open(self) -> Flow[None]:
        """Opens the batch in the store."""
        view = yield from self._submitter.view()
        uploads = self._submitter.uploads()
        self._chunks = Chunks(self._submitter.keys, self.id, view, self._defaults, uploads, cap=self._cap)
        facts = {"name": self._name, "tenant": self._tenant, "cap": "" if self._cap is None else str(self._cap)}
        yield from ask_patiently(admin.open_batch(self._submitter.keys, self.id, facts))

    def add(self, request: BatchRequest) -> bool:
        """Takes a line; true when `flush` is due."""
        assert self._chunks is not None
        return self._chunks.add(request)

    def flush(self) -> Flow[None]:
        """Sends the lines gathered, again after a reply that was lost.

        Raises:
            JobCancelled: the batch was cancelled meanwhile and takes no more lines.
            StoreFull: the store has no room; the lines before are accepted.
            StoreUnavailable: it is away for long.
        """
        assert self._chunks is not None
        yield from self._submitter.write_plans(self._chunks.view, sorted(self._chunks.targets))
        yield from self._chunks.uploads.send(self._submitter.keys)
        # Lines whose sending breaks off (the store is away for long, somebody interrupts) go with the next ones.
        ops = self._unsent = [*self._unsent, *self._chunks.ops()]
        try:
            # A full store empties while workers drain it.
            yield from patiently(lambda: ask_all(ops), outages=(StoreUnavailable, StoreFull))
            self._unsent = []
        except HomaError:
            raise
        except Exception as error:
            # The one thing that the script itself refuses: a batch that takes no more lines.
            if f"HOMA batch {self.id} is" not in str(error):
                raise
            raise JobCancelled(f"batch {self.id} was cancelled while it was submitted") from error

    def seal(self) -> Flow[None]:
        """Sends what is left, and tells the store how many lines there are."""
        assert self._chunks is not None
        yield from self.flush()
        yield from ask_patiently(admin.seal_batch(self._submitter.keys, self.id, self._chunks.lines))

    def abandon(self, error: BaseException) -> Flow[None]:
        """Cancels a batch whose lines could not all be read, so that half of it is not paid for."""
        yield from ask_patiently(admin.cancel_batch(self._submitter.keys, self.id), 1.0)
        lines = self._chunks.lines if self._chunks is not None else 0
        error.add_note(f"batch {self.id} was cancelled: its submission ended at line {lines}")
