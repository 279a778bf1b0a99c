"""Checking an answer holds up nobody, whatever schema and answer are."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import orjson
import pytest

from homa_shared.calls.json_schema import AnswerSchema
from homa_shared.model.errors import InvalidReply, InvalidRequest
from homa_shared.model.records import State
from homa_workers.pipeline.steps import schema_check
from homa_workers.pipeline.steps.schema_check import check
from tests.steps.cell import Cell, by_schema, reply_of

TEXT = {"type": "string"}
#: Takes `re` a time that doubles with each letter.
CATASTROPHE = {"type": "string", "pattern": "^(a+)+$"}
HOSTILE = orjson.dumps("a" * 5000 + "!").decode()


@contextmanager
def here_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No other process may be asked."""

    async def refused(*_: object) -> None:
        raise AssertionError("a process was started")

    with monkeypatch.context() as patched:
        patched.setattr(schema_check, "_check_apart", refused)
        yield


async def wrong_with(schema: dict[str, Any], text: str) -> str:
    with pytest.raises(InvalidReply) as caught:
        await check(AnswerSchema(schema), text)
    return str(caught.value)


async def test_a_pattern_that_explodes_is_matched_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with here_alone(monkeypatch):
        assert "does not match '^(a+)+$'" in await wrong_with(CATASTROPHE, HOSTILE)
        named = {"type": "object", "patternProperties": {"^(a+)+$": TEXT}, "additionalProperties": False}
        wrong = await wrong_with(named, orjson.dumps({"a" * 5000 + "!": "x"}).decode())
        assert "aaa" in wrong
        await check(AnswerSchema(named), '{"aaa": "x"}')
        assert "is not of type 'string'" in await wrong_with(named, '{"aaa": 1}')


async def test_a_pattern_that_only_pythons_engine_knows_is_matched_elsewhere() -> None:
    schema = AnswerSchema({"type": "string", "pattern": r"^(?=.*\d)[a-z0-9]+\Z"})
    await check(schema, '"abc1"')
    with pytest.raises(InvalidReply, match="does not match"):
        await check(schema, '"abc"')


async def test_one_that_never_ends_is_ended_and_blamed_on_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "LONGEST_S", 1.0)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    with pytest.raises(InvalidRequest, match="takes more than 1 s to check an answer"):
        await check(AnswerSchema({"type": "string", "pattern": "^(?=a)(a+)+$"}), HOSTILE)
    beating.cancel()
    assert beats > 10, "the loop went on meanwhile"


async def test_references_that_multiply_are_given_up_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "LONGEST_S", 1.0)
    levels = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(40)}
    schema = {"$defs": {**levels, "l40": {"type": "integer"}}, "$ref": "#/$defs/l0"}
    with pytest.raises(InvalidRequest, match="takes more than 1 s"):
        await check(AnswerSchema(schema), "1")


async def test_a_long_answer_is_checked_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = AnswerSchema({"type": "array", "items": {"type": "integer"}})
    long = orjson.dumps(list(range(50_000))).decode()
    await check(schema, long)
    assert "'x' is not of type 'integer'" in await wrong_with(schema.schema, long[:-1] + ',"x"]')
    with here_alone(monkeypatch), pytest.raises(AssertionError, match="a process was started"):
        await check(schema, long)


@pytest.mark.parametrize(
    ("items", "is_unique"),
    [([{"a": 1}, {"a": 2}], True), ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], False), ([1, True, "1"], True)],
)
async def test_equal_items_are_found(monkeypatch: pytest.MonkeyPatch, items: list[Any], is_unique: bool) -> None:
    schema = AnswerSchema({"type": "array", "uniqueItems": True})
    with here_alone(monkeypatch):
        if is_unique:
            await check(schema, orjson.dumps(items).decode())
        else:
            assert "equal" in await wrong_with(schema.schema, orjson.dumps(items).decode())


async def test_a_job_whose_schema_cannot_be_checked_ends_and_pays_once(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_check, "LONGEST_S", 1.0)
    await cell.worker()
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=a)(a+)+$"}}}
    job = await cell.ask(f'[[say:{{"a": "{"a" * 60}!"}}]]', params=by_schema(schema))
    neighbour = await cell.ask("Who?")
    assert (await cell.ended(neighbour)).job.state is State.SUCCEEDED
    reply = reply_of(await cell.ended(job))
    assert reply["error"]["kind"] == "invalid_request"
    assert cell.simulator.stats.received == 2
    await cell.check_money(job, neighbour)


async def test_a_library_that_another_job_is_loading_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    name = AnswerSchema.__module__
    whole, threads = sys.modules[name], []

    def load(module: str) -> ModuleType:
        threads.append(threading.current_thread())
        sys.modules[module] = whole
        return whole

    # So a module looks whose first lines are being run.
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(schema_check, "import_module", load)
    assert isinstance(await schema_check.ready({"type": "object"}), AnswerSchema)
    assert threads
    assert threading.main_thread() not in threads
