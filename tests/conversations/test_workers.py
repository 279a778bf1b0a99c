"""Conversations served by real workers: tools that they run, the event loop's client, processes that are killed."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from homa import AsyncHoma, JobCancelled, JobFailed, StaleTurn
from homa_shared.calls import request
from homa_shared.calls.request import JobRequest
from homa_shared.calls.tools import tool
from homa_shared.store.operation import read
from tests.conversations.killable import crew
from tests.patience import PATIENCE_S
from tests.worker.cell import HAIKU, MINI, Cell, until

KILLS, PEOPLE = 20, 20


async def test_turns_on_an_event_loop(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    async with AsyncHoma(settings=cell.settings()) as homa:
        talk = homa.conversation("c", owner="ann", system="Be kind.", model=MINI)
        assert (await talk.ask("[[say:one]]", timeout=PATIENCE_S)).text == "one"
        pieces = [piece async for piece in talk.stream("[[say:two]]", model=HAIKU)]
        assert "".join(pieces) == "two"
        job = await talk.submit("[[say:three]]", expect_turn=2)
        assert (await job.result(PATIENCE_S)).text == "three"
        assert [turn.text for turn in await talk.turns()] == ["one", "two", "three"]
        with pytest.raises(StaleTurn):
            await talk.ask("late", expect_turn=2)
        branch = await talk.branch(1)
        assert [turn.text for turn in await branch.turns()] == ["one"]
        assert (await talk.info()).turns == 3
        assert [info.id for info in await homa.conversations(owner="ann", limit=1)] == [branch.id]
        again = await homa.import_conversation(await talk.export(), id="again")
        assert len(await again.turns()) == 3
        assert await talk.delete() is True
        assert await talk.turns() == []
        assert repr(talk) == "<AsyncConversation c>"
    assert cell.books() == []


async def test_a_stream_tells_of_a_refusal_when_it_is_read(cell: Cell) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        stream = homa.conversation("c", model=MINI).stream("one", expect_turn=3)
        with pytest.raises(StaleTurn, match="has 0 turns"):
            await anext(stream)


async def test_what_tools_were_asked_and_said_is_kept_and_sent_on(cell: Cell) -> None:
    @tool
    async def weather(city: str) -> str:
        """The weather to come."""
        return f"rain in {city}"

    await cell.worker()
    async with AsyncHoma(settings=cell.settings()) as homa:
        talk = homa.conversation("c", model=MINI)
        await talk.ask('[[tool:weather {"city": "Ulm"}]]', run_tools=[weather], timeout=PATIENCE_S)
        (turn,) = await talk.turns()
        assert [message["role"] for message in turn.answer] == ["assistant", "tool", "assistant"]
        assert turn.answer[0]["tool_calls"][0]["function"]["name"] == "weather"
        assert turn.answer[1]["content"] == "rain in Ulm"
        job = await talk.submit("[[say:thanks]]")
        await job.result(PATIENCE_S)
        assert (await talk.turns())[1].text == "thanks"
    assert cell.books() == []


async def test_steps_of_an_attempt_that_was_lost_are_kept(cell: Cell) -> None:
    gate = asyncio.Event()

    @tool(idempotent=True)
    async def slow() -> str:
        """Takes its time."""
        await gate.wait()
        return "done"

    await cell.worker()
    async with AsyncHoma(settings=cell.settings()) as homa:
        talk = homa.conversation("c", model=MINI)
        job = await talk.submit("[[tool:slow {}]]", run_tools=[slow])
        await until(lambda: cell.simulator.stats.received == 1)

        async def is_lost() -> bool:
            # Its lease runs out once the call that asks for the tool is journaled.
            expire = ("ZADD", cell.keys.leases(), "XX", 1, f"{job.id}:1")
            if await cell.store.run(read((("EXISTS", cell.keys.steps(job.id)),), lambda replies: int(replies[0]))):
                await cell.store.run(read((expire,), lambda _: None))
            return (await cell.view(job.id)).job.attempt == 2

        await until(is_lost)
        gate.set()
        await job.result(PATIENCE_S)
        (turn,) = await talk.turns()
        assert [message["role"] for message in turn.answer] == ["assistant", "tool", "assistant"]
        assert cell.simulator.stats.received == 2, "the step was not paid again"
    assert cell.books() == []


async def test_a_cancelled_turn_has_failed(cell: Cell) -> None:
    await cell.worker()
    async with AsyncHoma(settings=cell.settings()) as homa:
        talk = homa.conversation("c", model=MINI)
        job = await talk.submit("[[tokens:100000]]", max_tokens=100_000)
        await until(lambda: cell.simulator.stats.received >= 1)
        await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result(PATIENCE_S)
        assert [turn.state for turn in await talk.turns()] == ["failed"]
    assert cell.books() == []


async def test_a_worker_that_knows_no_turns_hands_the_job_back(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        job = await homa.conversation("c", model=MINI).submit("[[say:hello]]")
        view = await cell.view(job.id)
        assert view.request is not None
        assert JobRequest.decode(view.request).turn
        monkeypatch.setattr(request, "REQUEST_VERSION", 2)
        await cell.worker()

        async def was_handed_back() -> bool:
            return (await cell.view(job.id)).job.attempt >= 2

        await until(was_handed_back)
        assert cell.simulator.stats.received == 0


async def _talk(homa: AsyncHoma, name: str, enough: asyncio.Event) -> list[str]:
    """What one person said while workers died; a job that was lost with three of them is retried."""
    talk, said = homa.conversation(name, model=MINI), list[str]()
    while not enough.is_set():
        said.append(f"{name} turn {len(said)}")
        job = await talk.submit(f"[[say:{said[-1]}]]", expect_turn=len(said) - 1, key=said[-1])
        while True:
            try:
                await job.result(PATIENCE_S * 4)
                break
            except JobFailed:
                job = await talk.retry()
    return said


async def test_twenty_kills_leave_no_turn_without_its_answer(cell: Cell) -> None:
    """`kill -9` of a worker, again and again, while people talk: each turn has the one answer that is its own."""
    random, enough = Random(7), asyncio.Event()
    settings = cell.environment(HOMA_LEASE_S="3")
    async with AsyncHoma(settings=cell.settings(HOMA_LEASE_S="3")) as homa:
        people = {f"c{i}": asyncio.create_task(_talk(homa, f"c{i}", enough)) for i in range(PEOPLE)}
        with crew(settings, "openai", "--concurrency", "2") as workers:
            workers.start()
            for _ in range(KILLS):
                workers.start()
                before = cell.simulator.stats.received
                await until(lambda before=before: cell.simulator.stats.received > before)  # type: ignore[misc]
                await asyncio.sleep(random.uniform(0.0, 0.1))
                workers.kill(random.randrange(2))
                assert cell.books() == []
            enough.set()
            for name, person in people.items():
                said = await person
                turns = await homa.conversation(name).turns()
                assert [(turn.prompt, turn.text) for turn in turns] == [(f"[[say:{text}]]", text) for text in said]
        lost = [attempt async for job in homa.jobs() for attempt in (await cell.view(job.id)).attempts]
        assert [attempt.outcome for attempt in lost].count("lost") >= KILLS // 2, "workers were killed at work"
    assert cell.books() == []
