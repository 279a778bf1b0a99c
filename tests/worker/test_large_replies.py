"""A reply without a reasonable end costs its job that attempt, and nobody else anything."""

from __future__ import annotations

import pytest

from homa_shared.model.records import State
from tests.worker.cell import HAIKU, MINI, Cell, reply_of

SMALL = {"HOMA_PROVIDERS__OPENAI__REPLY_MAX_BYTES": "100000"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["endless", "bomb"])
async def test_a_reply_that_is_too_large_is_not_asked_for_again(cell: Cell, fault: str, stream: bool) -> None:
    await cell.worker(**SMALL)
    view = await cell.ended(await cell.submit(f"[[fault:{fault}]]", stream=stream))
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "reply_too_large"
    assert await cell.history(view.job.id) == [(MINI, "reply_too_large", "unresolved")]
    assert cell.simulator.stats.received == 1
    assert view.job.unresolved_nano_usd >= cell.bill_nano() > 0


async def test_another_target_may_answer_more_briefly(cell: Cell) -> None:
    await cell.worker("openai", "anthropic", **SMALL)
    view = await cell.ended(await cell.submit("[[fault:bomb@openai]]", targets=(MINI, HAIKU)))
    assert view.job.state is State.SUCCEEDED
    assert [target for target, _, _ in await cell.history(view.job.id)] == [MINI, HAIKU]
