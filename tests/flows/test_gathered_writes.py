"""What a script writes of runs is gathered: however much that is, and of whatever runs."""

from __future__ import annotations

import pytest

from homa.flows.step_adding import MOST_STEPS
from homa_shared.calls.flow_items import CHUNK_ITEMS
from tests.flows.runs import RUN, Runs, source, step

pytestmark = pytest.mark.store


def test_a_chunk_of_items_begins_as_many_steps_as_a_flow_may_have(runs: Runs) -> None:
    names = [f"s{number}" for number in range(MOST_STEPS)]
    runs.open({"inputs": source(*names), **{name: step("map", "inputs") for name in names}})
    assert runs.put(*map(str, range(CHUNK_ITEMS)), seal=True) == "ok"
    assert (runs.batch().state, runs.batch().total) == ("sealed", MOST_STEPS * CHUNK_ITEMS)
    assert runs.counters()["live"] == MOST_STEPS * CHUNK_ITEMS


def test_a_job_whose_run_is_no_longer_held_ends_as_any(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b", last=True)
    first, second = runs.take().claims
    runs.redis("DEL", runs.keys.flow(RUN))
    runs.answer(first, "A")
    runs.settle_together(second)
    assert (runs.batch().succeeded, runs.batch().cancel) == (2, False)
