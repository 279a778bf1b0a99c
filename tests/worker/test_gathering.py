"""A full worker lets freed slots gather, for as long as its calls can bear."""

from __future__ import annotations

import pytest

from homa_shared.model.constants import LOOK_EACH_MS
from homa_workers.process.take_loop import GATHER_FROM, LEAST_GATHER_S, MOST_GATHER_S, gather_s
from homa_workers.process.waiting import LONGEST_NAP_S
from tests.worker.cell import Cell, until


@pytest.mark.parametrize(
    ("typical_s", "gathered_s"),
    [(0.0, LEAST_GATHER_S), (0.1, LEAST_GATHER_S), (2.0, 0.02), (60.0, MOST_GATHER_S)],
)
def test_slots_gather_for_a_hundredth_of_a_calls_time(typical_s: float, gathered_s: float) -> None:
    assert gather_s(200, typical_s) == pytest.approx(gathered_s)


def test_a_worker_of_few_slots_asks_for_each_at_once() -> None:
    assert gather_s(GATHER_FROM - 1, 60.0) == 0


def test_a_worker_that_may_not_look_for_diverts_yet_hears_of_a_free_slot_meanwhile() -> None:
    assert LOOK_EACH_MS / 1000 > LONGEST_NAP_S


async def test_a_worker_knows_how_long_its_attempts_take(cell: Cell) -> None:
    worker = await cell.worker()
    assert worker._in_flight.typical_s == 0
    await cell.ended(await cell.submit("[[latency:200]]"))
    await until(lambda: worker.running == 0)
    assert worker._in_flight.typical_s > 0
