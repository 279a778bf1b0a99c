"""A second request inside one attempt counts in the quota, and the job's history tells of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from tests.worker.cell import Cell, reply_of
from tests.worker.test_secrets import keyed


@pytest.fixture
async def rotated(cell: Cell, tmp_path: Path) -> Cell:
    """A worker whose key is refused, while its file holds the one that is taken."""
    path = tmp_path / "key"
    path.write_text("sk-first-key-of-all\n")
    await cell.worker(**keyed(cell, path), HOMA_PROVIDERS__OPENAI__LIMITS__RPD="1000")
    path.write_text("sk-second-key-of-all\n")
    cell.simulator.configure(api_keys=["sk-second-key-of-all"], echoes_key=True)
    return cell


async def used_today(cell: Cell) -> int:
    rows = await cell.store.run(reads.limits(cell.keys))
    return next(row.used for row in rows if (row.scope, row.dimension) == ("openai/gpt-6-luna", "rpd"))


async def test_both_requests_are_counted_and_told(rotated: Cell) -> None:
    view = await rotated.ended(await rotated.submit("Hello"))
    assert view.job.state is State.SUCCEEDED
    assert rotated.simulator.stats.received == 2
    assert rotated.simulator.stats.by_status == {401: 1, 200: 1}
    (attempt,) = view.attempts
    (note,) = attempt.parameter_notes
    assert note.startswith("sent once more with the key that its file holds now: the first request was refused (401: ")
    assert "sk-first" not in note
    assert reply_of(view)["notes"] == [note]
    assert await used_today(rotated) == 2


async def test_a_call_without_a_refusal_counts_once(rotated: Cell) -> None:
    await rotated.ended(await rotated.submit("Hello"))
    view = await rotated.ended(await rotated.submit("Hello again"))
    assert view.attempts[0].parameter_notes == ()
    assert await used_today(rotated) == 3


@pytest.mark.parametrize("fault", ["400", "500"])
async def test_both_are_counted_where_the_second_fails(rotated: Cell, fault: str) -> None:
    view = await rotated.ended(await rotated.submit(f"[[fault:{fault}]]", on_ambiguous="fail"))
    assert view.job.state is State.FAILED
    assert rotated.simulator.stats.received == 2
    assert len(view.attempts[0].parameter_notes) == 1
    assert await used_today(rotated) == 2


async def test_both_are_counted_where_the_second_is_cut_by_the_deadline(rotated: Cell) -> None:
    view = await rotated.ended(await rotated.submit("[[fault:hang]]", deadline_ms=2000))
    assert view.job.state is State.EXPIRED
    assert len(view.attempts[0].parameter_notes) == 1
    assert await used_today(rotated) == 2
