"""`AsyncHoma.map`, and the plain client's within a running loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from homa import AsyncTable, Homa, InvalidRequest
from homa.testing import Refused, fake
from tests.fixtures.store import eventually

LUNA = "openai:gpt-6-luna"


async def texts(count: int, error_at: int | None = None) -> AsyncIterator[str]:
    for n in range(count):
        if n == error_at:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        yield f"t{n}"


async def test_the_methods_are_those_of_the_plain_client() -> None:
    async with fake({"bad": [Refused("no"), "better"], "*": "ok"}) as homa:
        table = await homa.map(["a", "bad"], prompt="{{text}}", model=LUNA)
        assert isinstance(table, AsyncTable)
        assert [row["answer"] for row in table] == ["ok", None]
        assert [failure.index for failure in table.failures] == [1]
        assert await table.retry() is table
        assert table.to_polars().get_column("answer").to_list() == ["ok", "better"]
        assert table.cost_usd == homa.cost_usd


@pytest.mark.parametrize("count", [0, 3, 20, 21, 230])
async def test_rows_may_come_asynchronously(count: int) -> None:
    async with fake("ok") as homa:
        table = await homa.map(texts(count), prompt="{{text}}", model=LUNA)
        assert [(row["text"], row["answer"]) for row in table] == [(f"t{n}", "ok") for n in range(count)]


async def test_the_prompt_is_looked_at_before_anything_is_asked() -> None:
    async with fake("ok") as homa:
        for count in (2, 30):
            with pytest.raises(InvalidRequest, match="prompt names no field"):
                await homa.map(texts(count), prompt="Classify", model=LUNA)
        assert homa.calls == []


async def test_a_table_with_a_name_goes_on_after_an_error_and_after_a_cancelled_task() -> None:
    async with fake("ok") as homa:
        with pytest.raises(ZeroDivisionError):
            await homa.map(texts(300, 250), model=LUNA, name="labels")
        waiting = asyncio.create_task(homa.map(texts(310), model=LUNA, name="labels", delay_s=3600))
        await asyncio.to_thread(eventually, lambda: next(batch.total for batch in Homa().batches()))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(homa.advance, 3601)
        table = await homa.map(texts(310), model=LUNA, name="labels")
        assert (len(table), table.failures, len(homa.calls)) == (310, [], 310)


async def test_tables_at_once_do_not_disturb_each_other() -> None:
    async with fake(lambda call: f"<{call.prompt}>") as homa:
        tables = await asyncio.gather(
            *(homa.map([f"{name}{n}" for n in range(120)], model=LUNA, name=name) for name in "abc")
        )
        for name, table in zip("abc", tables, strict=True):
            assert [row["answer"] for row in table] == [f"<{name}{n}>" for n in range(120)]


async def test_the_plain_client_works_in_a_running_loop_but_takes_no_async_rows() -> None:
    with fake("ok") as homa:
        assert homa.map(["a"], model=LUNA)[0]["answer"] == "ok"
        with pytest.raises(InvalidRequest, match="rows is an async iterable: expected AsyncHoma"):
            homa.map(texts(3), model=LUNA)
