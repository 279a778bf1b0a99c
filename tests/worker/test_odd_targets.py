"""A target of a chain that cannot be looked up, or a defect in judging: no job is lost by it, nor is its cost."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.model.errors import ConfigError
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.outcomes import judgement
from homa_workers.pipeline import skipping
from tests.worker.cell import HAIKU, MINI, Cell, reply_of, until

BOTH, OTHER = (MINI, HAIKU), "openai:gpt-6-sol"
WHY = "kind 'own' cannot be loaded"


def cannot_load(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """The package that brings the kind of a target is installed, and broken."""
    known = FleetBook.known

    def looked_up(book: FleetBook, target: str) -> Any:
        if target == broken:
            raise ConfigError(WHY)
        return known(book, target)

    monkeypatch.setattr(FleetBook, "known", looked_up)


async def test_a_next_target_whose_kind_cannot_be_loaded_is_passed_over(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot_load(monkeypatch, HAIKU)
    await cell.worker()
    view = await cell.ended(await cell.submit("[[fault:404]]", targets=BOTH))
    assert view.job.state is State.FAILED
    assert [(a.outcome, a.target) for a in view.attempts] == [("skipped", HAIKU), ("model_not_found", MINI)]
    assert WHY in view.attempts[0].error


async def test_a_defect_in_judging_ends_the_job_with_what_its_call_met(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object, **__: object) -> Any:
        raise LookupError("a defect")

    monkeypatch.setattr(judgement, "decide", defect)
    await cell.worker()
    view = await cell.ended(await cell.submit("[[fault:400]]"))
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "invalid_request"
    assert [(a.outcome, a.charge) for a in view.attempts] == [("invalid_request", "none")]


async def test_a_waiting_job_that_cannot_be_sent_on_holds_up_nobody(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def defect(_book: object, claim: Any, *_: object, **__: object) -> Any:
        asked.append(claim.id)
        raise LookupError("a defect")

    monkeypatch.setattr(skipping, "next_target", defect)
    cell.simulator.configure(fault_retry_after_s=30.0)
    worker = await cell.worker("openai", "anthropic")
    assert worker._book is not None
    await worker._book.ensure_plans([OTHER])
    await cell.submit("[[fault:429@openai]]", slack_ms=60_000)

    async def frozen() -> bool:
        rows = await cell.store.run(reads.limits(cell.keys))
        return any(row.scope == "openai/gpt-6-luna" and row.frozen_ms > 0 for row in rows)

    await until(frozen)
    await cell.submit("Hello", targets=BOTH, slack_ms=1)
    await until(lambda: bool(asked))
    view = await cell.ended(await cell.submit("Hello", targets=(OTHER,)))
    assert view.job.state is State.SUCCEEDED
    seen = len(asked)
    # What is taken next shows whether the answer that held both was asked for again, and the job called twice.
    await cell.ended(await cell.submit("Hello", targets=(OTHER,)))
    await until(lambda: len(asked) > seen)
    assert cell.simulator.stats.received == 3


async def test_a_price_that_cannot_be_found_loses_no_failed_reply(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> Any:
        raise LookupError("a defect")

    await cell.worker("openai", "anthropic")
    monkeypatch.setattr(FleetBook, "price", defect)
    view = await cell.ended(await cell.submit("[[refuse]]", targets=BOTH, on_content_policy="reroute"))
    assert view.job.state is State.SUCCEEDED
    assert [(a.outcome, a.unpriced) for a in view.attempts] == [("content_policy", True), ("succeeded", True)]
