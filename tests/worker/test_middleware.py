"""Dramatiq's middleware watches jobs go by as messages to one actor; it decides nothing about them."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq.middleware import Middleware, SkipMessage

from homa_shared.broker import COMPLETE, HomaBroker
from homa_shared.model.records import State
from homa_workers.process.build import build
from tests.worker.cell import MINI, Cell, until


class Witness(Middleware):
    """Notes the messages it is shown, and would rather skip all of them."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.seen.append(("before", message.actor_name, message.queue_name, message.message_id))
        raise SkipMessage("no jobs today")

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.seen.append(("after", message.message_id, exception and str(exception.kind)))

    def after(self) -> list[tuple[Any, ...]]:
        return [entry for entry in self.seen if entry[0] == "after"]


@pytest.fixture
async def witness(cell: Cell) -> Witness:
    witness = Witness()
    broker = HomaBroker(cell.address, cell.namespace)
    broker.add_middleware(witness)
    process = await build(cell.settings(), cell.address, ["openai"], broker=broker)
    cell._processes.append(process)
    await process.workers[0]._book.ensure_plans([MINI])  # type: ignore[union-attr]
    cell.serve(process.workers[0])
    return witness


async def test_middleware_sees_a_job_before_and_after(cell: Cell, witness: Witness) -> None:
    job = await cell.submit()
    assert (await cell.ended(job)).job.state is State.SUCCEEDED, "it cannot skip what is leased and reserved"
    await until(lambda: len(witness.seen) >= 2)  # told behind the outcome, which the test may see first
    assert witness.seen == [("before", COMPLETE, "openai", job), ("after", job, None)]


async def test_middleware_sees_why_an_attempt_failed_and_retries_leaves_jobs_alone(
    cell: Cell, witness: Witness
) -> None:
    job = await cell.submit("[[fault:503*1]] [[fault:400]]")
    assert (await cell.ended(job)).job.state is State.FAILED
    await until(lambda: len(witness.after()) >= 2)
    assert witness.after() == [("after", job, "overloaded"), ("after", job, "invalid_request")]
    assert (await cell.counters())["submitted"] == 1, "no message was enqueued for it"


def test_jobs_bring_no_queue_of_dramatiqs(cell: Cell) -> None:
    broker = HomaBroker(cell.address, cell.namespace)
    broker.declare_completion()
    broker.declare_completion()
    assert broker.get_declared_queues() == set()
    with pytest.raises(RuntimeError, match=r"homa\.Homa"):
        broker.get_actor(COMPLETE)()
    broker.close()
