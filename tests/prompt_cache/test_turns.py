"""The first call of a prefix goes ahead of the others, where writing to the provider's cache costs more."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.kinds.profile import PromptCaching
from homa_workers.fleet import prefix_warmup as module
from homa_workers.fleet.prefix_warmup import LIFE_S, Prefixes
from tests.patience import PATIENCE_S
from tests.prompt_cache.samples import INSTRUCTIONS, system, user

KEY = ("anthropic:claude-sonnet-5-5", "digest")


class Book:
    """Knows one answer."""

    def __init__(self, caching: PromptCaching | None = None) -> None:
        self.answer = caching

    def caching(self, target: str) -> PromptCaching | None:
        return self.answer


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Prefixes:
    return Prefixes(Book(), hold_s=PATIENCE_S, clock_s=clock)  # type: ignore[arg-type]


async def waiting(turns: Prefixes) -> asyncio.Task[bool]:
    """A call that waits for its turn."""
    task = asyncio.create_task(turns.leads(KEY))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_others_wait_until_the_first_is_answered(turns: Prefixes) -> None:
    assert await turns.leads(KEY)
    others = [await waiting(turns) for _ in range(3)]
    turns.called(KEY, led=True, kept=True)
    assert await asyncio.gather(*others) == [False] * 3
    assert not await turns.leads(KEY)


async def test_where_the_first_comes_to_nothing_one_of_the_others_leads(turns: Prefixes) -> None:
    assert await turns.leads(KEY)
    others = [await waiting(turns) for _ in range(3)]
    turns.called(KEY, led=True, kept=False)
    done, left = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [True]
    assert len(left) == 2
    turns.called(KEY, led=True, kept=True)
    assert await asyncio.gather(*left) == [False] * 2


async def test_a_later_failure_of_another_changes_nothing(turns: Prefixes) -> None:
    assert await turns.leads(KEY)
    turns.called(KEY, led=True, kept=True)
    turns.called(KEY, led=False, kept=False)
    assert not await turns.leads(KEY)


async def test_a_prefix_that_was_not_called_for_in_its_life_is_cold_again(turns: Prefixes, clock: Clock) -> None:
    assert await turns.leads(KEY)
    turns.called(KEY, led=True, kept=True)
    clock.now_s += LIFE_S - 1
    assert not await turns.leads(KEY)
    turns.called(KEY, led=False, kept=True)
    clock.now_s += LIFE_S - 1
    assert not await turns.leads(KEY)
    clock.now_s += LIFE_S
    assert await turns.leads(KEY)


async def test_nobody_waits_for_longer_than_he_may() -> None:
    turns = Prefixes(Book(), hold_s=0.01)  # type: ignore[arg-type]
    assert await turns.leads(KEY)
    assert not await turns.leads(KEY)
    # One that comes later still finds the first one busy, and has waited long enough already.
    assert not await turns.leads(KEY)


async def test_a_job_waits_for_half_of_its_time_at_most() -> None:
    turns = Prefixes(Book(), hold_s=10 * PATIENCE_S)  # type: ignore[arg-type]
    assert await turns.leads(KEY, 60.0)
    assert not await turns.leads(KEY, 0.02)


async def test_a_call_that_ended_after_its_prefix_was_forgotten_changes_nothing(turns: Prefixes) -> None:
    turns.called(KEY, led=True, kept=True)
    assert await turns.leads(KEY)


async def test_cold_prefixes_are_forgotten(turns: Prefixes, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    for name in ("a", "b"):
        await turns.leads(("t", name))
        turns.called(("t", name), led=True, kept=True)
        clock.now_s += LIFE_S / 2 + 1
    assert await turns.leads(("t", "c"))
    assert set(turns._prefixes) == {("t", "b"), ("t", "c")}


def call(shared: SharedPrefix | None = SharedPrefix(1)) -> Call:  # noqa: B008 - frozen
    return Call("claude-sonnet-5-5", [system(INSTRUCTIONS), user("Dear Bob")], {}, shared)


def fitted(caching: PromptCaching | None, asked: Call) -> tuple[Call, bool]:
    found, key = Prefixes(Book(caching)).fitted(KEY[0], asked)  # type: ignore[arg-type]
    return found, key is not None


def test_a_call_that_shares_nothing_stays_as_it_is() -> None:
    asked = call(None)
    assert fitted(PromptCaching(), asked) == (asked, False)


def test_what_the_model_does_not_keep_is_not_told() -> None:
    for caching in (None, PromptCaching(least_tokens=100_000)):
        found, waits = fitted(caching, call())
        assert (found.shared, waits) == (None, False)


def test_only_writes_that_cost_are_waited_for() -> None:
    assert fitted(PromptCaching(), call()) == (call(), True)
    assert fitted(PromptCaching(writes_cost=False), call()) == (call(), False)


def test_a_caller_with_marks_of_his_own_waits_for_nobody() -> None:
    part = {"type": "text", "text": INSTRUCTIONS, "cache_control": {"type": "ephemeral"}}
    asked = Call("claude-sonnet-5-5", [system([part]), user("Dear Bob")], {}, SharedPrefix(1))
    found, waits = fitted(PromptCaching(), asked)
    assert (found.shared, waits) == (None, False)


def test_a_prefix_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    turns = Prefixes(Book(PromptCaching()))  # type: ignore[arg-type]
    for shared in (SharedPrefix(1), SharedPrefix(1), SharedPrefix(1, 2), SharedPrefix(1, 3)):
        assert turns.fitted(KEY[0], call(shared))[1] is not None
    assert len(turns._tokens) == 1
