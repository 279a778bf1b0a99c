"""Tool calls are journaled: run once, and never worse for being asked twice."""

from __future__ import annotations

import pytest

from homa_shared.store.transitions.steps import Begin, journal
from tests.transitions.cell import Cell
from tests.transitions.step_calls import begin, end, record


def test_a_tool_call_is_run_once(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    assert begin(cell, claim) == (Begin.RUN, "")
    # Its answer was lost on the way, and is asked for again.
    assert begin(cell, claim)[0] is Begin.RUN
    end(cell, claim, "two\n= lines")
    end(cell, claim, "another end")
    assert begin(cell, claim, idempotent=True) == (Begin.DONE, "two\n= lines")
    assert cell.run(journal(cell.keys, "a")).results == {(1, 0): "two\n= lines"}
    cell.settle(claim)


@pytest.mark.parametrize(("idempotent", "answer"), [(True, Begin.RUN), (False, Begin.UNKNOWN)])
def test_a_tool_call_without_an_end(cell: Cell, idempotent: bool, answer: Begin) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.lose(claim)
    assert begin(cell, claim, 1, idempotent=True)[0] is Begin.STALE
    second = cell.claim()
    assert begin(cell, second, idempotent=idempotent)[0] is answer


def test_a_tool_that_ends_after_its_attempt_still_serves_the_next(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.lose(claim)
    end(cell, claim, "late")
    second = cell.claim()
    assert begin(cell, second) == (Begin.DONE, "late")


def test_a_tool_that_ends_after_its_job_leaves_nothing(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    begin(cell, claim)
    cell.settle(claim)
    end(cell, claim, "late")
    assert cell.redis("EXISTS", cell.keys.steps("a")) == 0


def test_a_tool_call_begun_under_the_release_before_is_ended_by_its_attempt(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    record(cell, claim)
    cell.redis("HSET", cell.keys.steps("a"), "1.0", "1")
    assert begin(cell, claim)[0] is Begin.RUN
    cell.redis("HSET", cell.keys.steps("a"), "1.0", "1")
    end(cell, claim, "done")
    assert cell.run(journal(cell.keys, "a")).results == {(1, 0): "done"}
    cell.settle(claim)
