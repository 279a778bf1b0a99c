"""Steps that wait, in the store: asked and answered once, whatever reply was lost; old and new workers side by side."""

from __future__ import annotations

import pytest

from homa import AsyncHoma, Flow, Question
from homa_shared.calls import request
from homa_shared.calls.failures import Charge
from homa_shared.calls.request import JobRequest
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.store.operation import read
from homa_shared.store.reads.flows import asked, waiting
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, Report, sweep
from homa_shared.store.transitions.flows import answer, ask
from tests.conversations.killable import crew
from tests.flows.runs import RUN, Runs, source, step
from tests.patience import PATIENCE_S
from tests.transitions.cell import LEASE_MS
from tests.worker.cell import MINI, Cell, until

pytestmark = pytest.mark.store

GRAPH = {"inputs": source("asked"), "asked": step("wait", "inputs", to=["said"]), "said": step("map", "asked")}
TOKEN = f"{RUN}-0.secret"


def asking(runs: Runs, claim: Claim, token: str = TOKEN, expires_ms: int = 60_000) -> str:
    report = Report("released", Charge.NONE, used=NOTHING_USED, worker="w").encode()
    return str(runs.run(ask(runs.keys, (claim.id, claim.attempt), report, token, expires_ms, b'{"asked":1}')))


def answering(runs: Runs, said: str = "yes", token: str = TOKEN, job: str = f"{RUN}-0") -> str:
    return runs.run(answer(runs.keys, job, token, f"digest of {said}", b'{"answered":1}'))


def expire(runs: Runs, job: str = f"{RUN}-0") -> None:
    runs.run(read([("ZADD", runs.keys.waiting(f"token:{RUN}"), 1, job)], lambda replies: replies))
    runs.run(sweep(runs.keys, slice_size=100, lease_ms=LEASE_MS))


def opened(runs: Runs) -> Claim:
    runs.open(GRAPH)
    assert runs.put("a", seal=True) == "ok"
    return runs.claim()


def test_asked_and_answered_each_twice_and_counted_once(runs: Runs) -> None:
    claim = opened(runs)
    assert [asking(runs, claim), asking(runs, claim)] == ["ok", "ok"]
    job = runs.job(claim.id)
    assert (str(job.state), job.waits_for) == ("waiting", f"token:{RUN}")
    ((waits, _),) = runs.run(waiting(runs.keys, RUN, 0, 10))
    (view,) = runs.run(asked(runs.keys, [waits]))
    assert (view.token, view.state, view.node, view.run, view.request) == (
        TOKEN,
        "waiting",
        "asked 0",
        RUN,
        b'{"asked":1}',
    )
    assert runs.take().claims == []
    assert [answering(runs), answering(runs), answering(runs, "no")] == ["ok", "ok", "answered"]
    again = runs.claim()
    assert (again.id, again.request, again.tries) == (claim.id, b'{"answered":1}', 1)
    runs.answer(again, "yes")
    assert [answering(runs), answering(runs, "no")] == ["ok", "answered"]
    assert runs.answered() == ["said 0"]
    assert (runs.batch().state, runs.batch().succeeded) == ("complete", 2)


def test_a_wrong_token_is_as_unknown_as_a_wrong_job(runs: Runs) -> None:
    claim = opened(runs)
    assert answering(runs) == "unknown", "nobody was asked yet"
    asking(runs, claim)
    assert answering(runs, token=f"{RUN}-0.other") == "unknown"
    assert answering(runs, job=f"{RUN}-9") == "unknown"
    assert answering(runs) == "ok"


def test_a_token_expires_before_housekeeping_comes_to_it_and_behind_it(runs: Runs) -> None:
    claim = opened(runs)
    asking(runs, claim)
    runs.run(read([("ZADD", runs.keys.waiting(f"token:{RUN}"), 1, claim.id)], lambda replies: replies))
    assert answering(runs) == "expired"
    expire(runs)
    assert answering(runs) == "expired"
    again = runs.claim()
    assert (again.id, again.request) == (claim.id, b'{"asked":1}')
    runs.fail(again, "expired", "unanswered")
    assert answering(runs) == "expired"
    assert runs.node("said 0") == f"x expired {claim.id}"
    assert runs.batch().state == "complete"


def test_a_cancelled_run_takes_neither_question_nor_answer(runs: Runs) -> None:
    claim = opened(runs)
    asking(runs, claim)
    runs.run(admin.cancel_batch(runs.keys, RUN))
    assert answering(runs) == "cancelled"
    runs.run(sweep(runs.keys, slice_size=100, lease_ms=LEASE_MS))
    assert answering(runs) == "cancelled"
    assert runs.batch().state == "complete"


def test_a_run_cancelled_while_it_asks_is_over(runs: Runs) -> None:
    claim = opened(runs)
    runs.run(admin.cancel_batch(runs.keys, RUN))
    assert asking(runs, claim) == "ended"
    assert answering(runs) == "unknown"
    assert runs.batch().state == "complete"


def test_a_worker_that_lost_its_lease_asks_nobody(runs: Runs) -> None:
    lost = opened(runs)
    runs.requeue(lost, "job.released", outcome="released", counts=False)
    claim = runs.claim()
    assert asking(runs, lost, token=f"{RUN}-0.lost") == "stale"
    assert asking(runs, claim) == "ok"
    assert asking(runs, claim, token=f"{RUN}-0.second") == "stale", "its question stands"
    assert answering(runs, token=f"{RUN}-0.lost") == "unknown"
    assert answering(runs) == "ok"


def approved() -> Flow:
    flow = Flow("approved")
    draft = flow.map(prompt="[[say:{{text}}]]", model=MINI, name="draft", max_tokens=50)
    verdict = flow.wait(draft, prompt="Is {{draft}} good?", name="verdict", expires_s=600)
    flow.map(verdict, prompt="[[say:{{verdict}}]]", model=MINI, name="said", max_tokens=50)
    return flow


async def test_a_worker_that_knows_no_waits_calls_nobody_for_them(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        flow = Flow("one")
        flow.wait(prompt="{{text}}?", on=MINI)
        run = await homa.run(flow, [{"text": "a"}])
        view = await cell.view(f"{run.id}-0")
        assert view.request is not None
        assert JobRequest.decode(view.request).version >= 5
        monkeypatch.setattr(request, "REQUEST_VERSION", 4)
        await cell.worker()

        async def was_handed_back() -> bool:
            return (await cell.view(f"{run.id}-0")).job.attempt >= 2

        await until(was_handed_back)
        assert cell.simulator.stats.received == 0
        monkeypatch.undo()
        (question,) = await _asked(homa, run.id, 1)
        assert question.text == "a?"
        await run.cancel()
    assert cell.books() == []


async def test_kills_of_workers_lose_no_question_and_no_answer(cell: Cell) -> None:
    settings = cell.environment(HOMA_LEASE_S="3")
    inputs = [{"text": str(n)} for n in range(12)]
    async with AsyncHoma(settings=cell.settings(HOMA_LEASE_S="3")) as homa:
        with crew(settings, "openai", "--concurrency", "2") as workers:
            workers.start()
            run = await homa.run(approved(), inputs, budget_usd=1)
            for kill in range(3):
                before = cell.simulator.stats.received
                await until(lambda before=before: cell.simulator.stats.received > before)  # type: ignore[misc]
                workers.start()
                workers.kill(0)
                assert cell.books() == [], f"after kill {kill}"
            workers.start()
            for question in await _asked(homa, run.id, 12):
                await homa.flow_answer(question.token, f"yes {question.item}")
            workers.kill(0)
            workers.start()
            results = [result async for result in run.results(timeout=PATIENCE_S * 4)]
        assert [result.reply.text for result in results] == [f"yes {n}" for n in range(12)]
        progress = await run.wait(PATIENCE_S)
        assert progress.steps["verdict"].made == 12
    assert cell.books() == []


async def _asked(homa: AsyncHoma, run: str, n: int) -> list[Question]:
    found: list[Question] = []

    async def all_are_asked() -> bool:
        found[:] = [question async for question in homa.flow_run(run).questions()]
        return len(found) == n

    await until(all_are_asked, PATIENCE_S * 4)
    return found
