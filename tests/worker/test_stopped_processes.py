"""A process that was stopped between take and call sends nothing on the strength of what it had before."""

from __future__ import annotations

from time import monotonic

from homa_shared.model.records import State
from homa_shared.store.transitions.attempts import sweep
from homa_workers.middleware import Call, Completion, Middleware, RunningAttempt
from tests.worker.cell import Cell

#: For how long the process stands still, s.
STILL_S = 60.0


class Stopped(Middleware):
    """Makes a first attempt's reservation as old as though its process had been stopped just before the call."""

    def __init__(self) -> None:
        #: Attempts that came to their call, and how old the reservation was of those that were answered, s.
        self.seen: list[int] = []
        self.age_s: list[float] = []

    async def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        self.seen.append(attempt.claim.attempt)
        if len(self.seen) == 1:
            attempt.reserved_s -= STILL_S
            await self.meanwhile(attempt)

    async def meanwhile(self, attempt: RunningAttempt) -> None:
        """What others do to its job in that time."""

    def after_call(self, attempt: RunningAttempt, call: Call, outcome: Completion | Exception) -> None:
        if isinstance(outcome, Completion):
            self.age_s.append(monotonic() - attempt.reserved_s)


async def test_a_reservation_of_long_ago_is_asked_for_anew(cell: Cell) -> None:
    stopped = Stopped()
    await cell.worker(middleware=[lambda: stopped])
    view = await cell.ended(await cell.submit())
    assert view.job.state is State.SUCCEEDED
    assert stopped.seen == [1], "it is sent in its own attempt"
    assert stopped.age_s[0] < STILL_S
    assert len(cell.simulator.bill.charges()) == 1


async def test_a_call_whose_lease_is_lost_is_not_made(cell: Cell) -> None:
    class Late(Stopped):
        async def meanwhile(self, attempt: RunningAttempt) -> None:
            await cell.store._client.execute_command("ZADD", cell.keys.leases(), 1, attempt.claim.name)
            await cell.store._client.execute_command("HDEL", cell.keys.beat(), "swept")
            await cell.store.run(sweep(cell.keys, slice_size=500, lease_ms=30_000))

    late = Late()
    await cell.worker(middleware=[lambda: late])
    job = await cell.submit()
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert late.seen == [1, 2]
    assert len(late.age_s) == 1, "a call was made for a job that another attempt held"
    assert len(cell.simulator.bill.charges()) == 1
