"""Which moments a middleware is told of, in which order, for each kind of attempt."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_workers.middleware import ReportResult
from tests.middleware.witness import Witness
from tests.steps.cell import HAIKU, MINI, Cell, by_schema, take_texts, until

OK = ReportResult.OK
CALL = [("adapt_call", 1), ("before_call", 1), ("after_call", 1, "Completion")]


@pytest.fixture
async def witness(cell: Cell) -> Witness:
    """The one of a worker that serves OpenAI."""
    witness = Witness()
    await cell.worker("openai", middleware=[lambda: witness])
    return witness


async def moments(witness: Witness, attempts: int = 1) -> list[tuple[Any, ...]]:
    """All of them, once so many attempts have ended."""
    await until(lambda: witness.ended == attempts)
    return witness.seen


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plain_attempt_is_one_call(cell: Cell, witness: Witness, stream: bool) -> None:
    await cell.ended(await cell.ask("Hello", stream=stream))
    assert await moments(witness) == [*CALL, ("attempt_ended", 1, "Succeeded", OK)]


async def test_each_step_is_a_call(cell: Cell, witness: Witness) -> None:
    await cell.ended(await cell.ask("[[say:not JSON]]", params=by_schema()))
    assert await moments(witness) == [*CALL * 2, ("attempt_ended", 1, "Succeeded", OK)]


async def test_texts_are_told_by_the_call_and_cached_ones_are_called_for_by_nobody(
    cell: Cell, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_texts(monkeypatch, "openai", 2)
    await cell.ended(await cell.embed(["a", "b", "c"], cache_key="one"))
    assert await moments(witness) == [
        ("after_embedding", 1, 2, "Embeddings"),
        ("after_embedding", 1, 1, "Embeddings"),
        ("attempt_ended", 1, "Succeeded", OK),
    ]
    witness.seen.clear()
    await cell.ended(await cell.embed(["c", "a"], cache_key="two"))
    assert await moments(witness) == [("attempt_ended", 1, "Succeeded", OK)]


async def test_an_attempt_that_is_rerouted_has_ended_here(cell: Cell, witness: Witness) -> None:
    await cell.worker("anthropic")
    job = await cell.ask("[[fault:404@openai]]", targets=(MINI, HAIKU))
    await cell.ended(job)
    assert await moments(witness) == [
        *CALL[:2],
        ("after_call", 1, "model_not_found"),
        ("attempt_ended", 1, "Rerouted", OK),
    ]


async def test_an_attempt_that_is_tried_again_ends_each_time(cell: Cell, witness: Witness) -> None:
    await cell.ended(await cell.ask("[[fault:503*1]]"))
    assert [(hook, number) for hook, number, *_ in await moments(witness, 2)] == [
        (hook, number) for number in (1, 2) for hook in ("adapt_call", "before_call", "after_call", "attempt_ended")
    ]


async def test_a_call_that_is_cancelled_is_told_as_an_error(cell: Cell, witness: Witness) -> None:
    cell.simulator.configure(latency_ms=300_000)
    job = await cell.ask("Hello")
    await until(lambda: cell.simulator.stats.in_flight == 1)
    await cell.store.run(admin.cancel(cell.keys, [job]))
    assert (await cell.ended(job)).job.state is State.CANCELLED
    assert await moments(witness) == [
        *CALL[:2],
        ("after_call", 1, "ambiguous"),
        ("attempt_ended", 1, "Ended", OK),
    ]


async def test_a_request_that_cannot_be_read_is_called_for_by_nobody(cell: Cell, witness: Witness) -> None:
    await cell.ended(await cell.ask("Hello", params={"max_tokens": 10, "response_format": {"type": "json_schema"}}))
    await moments(witness)
    witness.seen.clear()
    await cell.ended(await cell.embed([]))
    assert await moments(witness) == [("attempt_ended", 1, "Ended", OK)]


async def test_it_starts_before_the_first_job_and_stops_behind_the_last(cell: Cell) -> None:
    witness = Witness()
    process = await cell.process("openai", middleware=[lambda: witness])
    assert witness.worker is not None
    assert (witness.worker.id, witness.worker.provider) == (process.workers[0].id, "openai")
    served = cell.serve(process.workers[0])
    await cell.ended(await cell.ask("Hello"))
    process.drain()
    await served
    assert witness.ended == 1
    await process.aclose()
    assert witness.worker is None
    cell._processes.remove(process)


async def test_chores_are_done_again_and_again_whatever_goes_wrong(cell: Cell, witness: Witness) -> None:
    await until(lambda: witness.turns > 2)
    assert witness.defects == ["RuntimeError: the first turn fails"]


async def test_each_worker_of_a_process_has_an_instance_of_its_own(cell: Cell) -> None:
    made: list[Witness] = []

    def make() -> Witness:
        made.append(Witness())
        return made[-1]

    await cell.worker("openai", "anthropic", middleware=[make])
    await cell.ended(await cell.ask("[[fault:404@openai]]", targets=(MINI, HAIKU)))
    await until(lambda: all(witness.ended for witness in made))
    by_provider = {w.worker.provider: w.seen[-1] for w in made if w.worker is not None}
    assert by_provider == {
        "openai": ("attempt_ended", 1, "Rerouted", OK),
        "anthropic": ("attempt_ended", 2, "Succeeded", OK),
    }
