"""What a middleware cannot break, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homa_shared.calls.reply import Call, message_text
from homa_shared.model.records import State
from homa_shared.store.operation import Op
from homa_workers.middleware import Claim, Completion, Middleware, Outcome, ReportResult, RunningAttempt
from tests.middleware.witness import Witness
from tests.patience import PATIENCE_S
from tests.steps.cell import MINI, Cell, by_schema, reply_of, until

HOOKS = ("adapt_call", "before_call", "after_call", "attempt_ended")


def failing(hook: Callable[..., Any]) -> type[Middleware]:
    """A middleware all of whose hooks do this."""
    return type("Failing", (Middleware,), dict.fromkeys(HOOKS, hook))


def at_once(*_: Any) -> None:
    raise RuntimeError("broken")


async def later(*_: Any) -> None:
    await asyncio.sleep(0)
    raise RuntimeError("broken")


async def cut_from_within(*_: Any) -> None:
    waiting = asyncio.create_task(asyncio.sleep(60))
    waiting.cancel()
    await waiting


def leaving(*_: Any) -> None:
    raise SystemExit(1)


async def leaving_later(*_: Any) -> None:
    await asyncio.sleep(0)
    raise SystemExit(1)


def asking_what_was_cancelled(*_: Any) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    future.result()


@pytest.mark.parametrize("hook", [at_once, later, cut_from_within, leaving, leaving_later, asking_what_was_cancelled])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_hook_raises_loses_nothing_and_is_logged(
    cell: Cell, lines: list[Any], hook: Callable[..., Any], stream: bool
) -> None:
    witness = Witness()
    await cell.worker(middleware=[failing(hook), lambda: witness])
    job = await cell.ask("Hello", stream=stream)
    view = await cell.ended(job)
    assert (view.job.state, view.job.attempt) == (State.SUCCEEDED, 1)
    assert view.job.cost_nano_usd == cell.bill_nano()
    await until(lambda: witness.ended == 1)
    assert [moment[0] for moment in witness.seen] == list(HOOKS)
    named = {line["hook"] for line in lines if line["event"] == "defect" and line.get("hook")}
    assert named == {f"Failing.{name}" for name in HOOKS}
    assert "broken" not in str(lines), "its words may quote the prompt"


class Slow(Middleware):
    """Takes its time over each moment but the call's."""

    hook_s = PATIENCE_S

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.open = asyncio.Event()
        self.ended = 0

    async def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        if self.prompt in str(call.messages):
            await self.open.wait()

    async def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        self.ended += 1


async def test_a_slow_hook_holds_up_neither_its_reply_nor_others(cell: Cell, lines: list[Any]) -> None:
    slow, witness = Slow("slowly"), Witness()
    worker = await cell.worker(middleware=[lambda: slow, lambda: witness])
    first = await cell.ask("slowly")
    assert (await cell.ended(first)).job.state is State.SUCCEEDED, "its reply is stored meanwhile"
    await until(lambda: witness.ended == 1)
    assert (await cell.ended(await cell.ask("quickly"))).job.state is State.SUCCEEDED
    await until(lambda: witness.ended == 2)
    assert (slow.ended, worker.running) == (1, 1)
    slow.open.set()
    await until(lambda: slow.ended == 2 and worker.running == 0)
    assert [line["event"] for line in lines if line["event"].startswith("attempt.")] == ["attempt.succeeded"] * 2


async def test_an_acknowledged_attempt_holds_no_lease_while_a_hook_goes_on(cell: Cell) -> None:
    slow = Slow("slowly")
    worker = await cell.worker(middleware=[lambda: slow])
    await cell.ended(await cell.ask("slowly"))
    assert worker.running == 1
    assert worker._in_flight.ripe(0) == []
    slow.open.set()


async def test_a_hook_that_never_ends_is_cut_off(cell: Cell, lines: list[Any]) -> None:
    class Endless(Middleware):
        hook_s = 0.05

        async def before_call(self, attempt: RunningAttempt, call: Call) -> None:
            await asyncio.Event().wait()

    await cell.worker(middleware=[Endless])
    assert (await cell.ended(await cell.ask("Hello"))).job.state is State.SUCCEEDED
    assert [line["hook"] for line in lines if line["event"] == "defect"] == ["Endless.before_call"]


async def test_a_job_that_is_stopped_before_its_call_costs_nothing(cell: Cell) -> None:
    class Waiting(Middleware):
        hook_s = None
        waits = asyncio.Event()

        async def before_call(self, attempt: RunningAttempt, call: Call) -> None:
            self.waits.set()
            await asyncio.Event().wait()

    process = await cell.process(middleware=[Waiting])
    served = cell.serve(process.workers[0])
    job = await cell.ask("Hello")
    await asyncio.wait_for(Waiting.waits.wait(), PATIENCE_S)
    process.stop_now()
    await asyncio.wait_for(served, PATIENCE_S)
    view = await cell.view(job)
    assert (view.job.state, view.job.raw["tr"], view.attempts) == (State.QUEUED, 0, [])
    assert cell.simulator.stats.received == 0


class Briefing(Middleware):
    """Puts a system message in front of each prompt."""

    def __init__(self, text: str = "Answer briefly. " * 200) -> None:
        self.text = text

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        return replace(call, messages=[{"role": "system", "content": self.text}, *call.messages])


def prompts(cell: Cell) -> list[int]:
    """Tokens of the prompts that the provider was sent."""
    return [charge.input_tokens for charge in cell.simulator.bill.charges()]


async def test_an_adapted_call_is_what_the_provider_gets_and_what_is_reserved(cell: Cell) -> None:
    witness = Witness()
    await cell.worker(middleware=[Briefing, lambda: witness])
    job = await cell.ask("Hello", bound=1_000)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert prompts(cell)[0] > 500
    assert int(view.job.raw["bn"]) > 1_000
    assert view.job.cost_nano_usd == cell.bill_nano() > 0


async def test_an_adapted_call_that_a_budget_has_no_room_for_is_not_made(cell: Cell) -> None:
    await cell.worker(middleware=[Briefing])
    job = await cell.ask("Hello", bound=1_000, job_budget=1_000)
    view = await cell.ended(job)
    assert (view.job.state, reply_of(view)["error"]["kind"]) == (State.FAILED, "budget")
    assert cell.simulator.stats.received == 0
    assert (await cell.budget(f"job:{job}"))["reserved"] == 0


async def test_each_step_is_adapted_and_reserved(cell: Cell) -> None:
    await cell.worker(middleware=[Briefing])
    job = await cell.ask("[[say:not JSON]]", params=by_schema(), bound=1_000)
    await cell.ended(job)
    assert len(prompts(cell)) == 2
    assert min(prompts(cell)) > 500
    await cell.check_money(job)


async def test_a_call_that_is_not_adapted_asks_the_store_for_nothing(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process(middleware=[Witness])
    run, scripts = process.store.run, []

    async def noted(op: Op[object]) -> object:
        scripts.append(op.script and op.script.name)
        return await run(op)

    monkeypatch.setattr(process.store, "run", noted)
    cell.serve(process.workers[0])
    await cell.ended(await cell.ask("Hello"))
    assert "next_step" not in scripts


@pytest.mark.parametrize(
    ("adapted", "error"),
    [
        (lambda call: None, "TypeError: adapt_call returned None; expected a Call"),
        (
            lambda call: replace(call, model="gpt-6-sol"),
            "ValueError: adapt_call changed the model 'gpt-6-luna' to 'gpt-6-sol'; expected the same model",
        ),
        (lambda call: replace(call, params={"metadata": object()}), "TypeError: Type is not JSON serializable: object"),
    ],
    ids=["no call", "another model", "no JSON"],
)
async def test_a_call_that_cannot_be_made_is_not_taken(cell: Cell, adapted: Any, error: str) -> None:
    class Odd(Middleware):
        def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
            call.messages.clear()
            result: Call = adapted(call)
            return result

    witness = Witness()
    await cell.worker(middleware=[Odd, lambda: witness])
    view = await cell.ended(await cell.ask("[[say:as it was]]"))
    assert message_text(reply_of(view)["body"]) == "as it was"
    assert error in witness.defects


async def test_defects_of_adapters_are_told_to_all(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Middleware):
        def defect(self, error: BaseException, claim: Claim | None) -> None:
            raise RuntimeError("an alarm that fails")

    witness = Witness()
    worker = await cell.worker(middleware=[Broken, lambda: witness])
    assert worker._pipeline is not None

    async def broken(call: Call) -> None:
        raise KeyError("an adapter's defect")

    monkeypatch.setattr(worker._pipeline.provider, "complete", broken)
    job = await cell.ask("Hello")
    assert (await cell.ended(job)).job.state is State.FAILED
    assert witness.defects[-1] == 'KeyError: "an adapter\'s defect"'
    assert await cell.history(job) == [(MINI, "internal", "unresolved")]


@dataclass
class Equal(Middleware):
    """Equal to each of its kind, and without a hash, as dataclasses are."""

    told: list[str] = field(default_factory=list, compare=False)

    async def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        self.told.append("after_call")

    async def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        self.told.append("attempt_ended")


async def test_middlewares_that_are_equal_and_have_no_hash_are_each_told(cell: Cell) -> None:
    both = [Equal(), Equal()]
    await cell.worker(middleware=[lambda: both[0], lambda: both[1]])
    job = await cell.ask("Hello")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    await until(lambda: all(each.told == ["after_call", "attempt_ended"] for each in both))


class Uncapped(Middleware):
    """Takes the output cap away."""

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        return replace(call, params={name: value for name, value in call.params.items() if "max" not in name})


class Caps(Middleware):
    """Notes the output cap of each call that is made."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        self.seen.append(call.params.get("max_tokens"))


async def test_a_call_whose_cap_was_taken_away_is_sent_the_one_that_was_reserved_for(cell: Cell) -> None:
    caps = Caps()
    await cell.worker(middleware=[Uncapped, lambda: caps])
    job = await cell.ask("Hello")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert caps.seen == [32_768], "the one of a model that thinks first"


class DearerBehindTheReservation(Middleware):
    """Changes a call where it is only shown it, and what it gave away before."""

    def __init__(self) -> None:
        self.given: Call | None = None

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        self.given = replace(call, params={**call.params, "max_tokens": 10})
        return self.given

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        assert self.given is not None
        call.params["max_tokens"] = self.given.params["max_tokens"] = 100_000


async def test_nothing_changes_a_call_behind_its_reservation(cell: Cell) -> None:
    caps = Caps()
    await cell.worker(middleware=[DearerBehindTheReservation, lambda: caps])
    job = await cell.ask("[[tokens:3000]]")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert caps.seen == [10]
    assert (await cell.ended(job)).job.cost_nano_usd == cell.bill_nano()


class Unreadable(Middleware):
    """Makes parameters that nobody can calculate with."""

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        return replace(call, params={**call.params, "n": "several"})


async def test_a_call_whose_need_cannot_be_calculated_is_not_made_and_costs_nothing(cell: Cell) -> None:
    await cell.worker(middleware=[Unreadable])
    view = await cell.ended(await cell.ask("Hello"))
    assert (view.job.state, view.job.cost_nano_usd, view.job.unresolved_nano_usd) == (State.FAILED, 0, 0)
    assert cell.bill_nano() == 0
