"""Calls from the second on reserve what a client would reserve for the same conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa.drivers.context import Context
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa.submit.uploads import Uploads
from homa_shared.calls.media import data_url
from homa_shared.calls.request import Option, StepRules
from homa_shared.calls.tools import tool
from homa_shared.store.reads.token_error import Learned, add_learned
from homa_shared.store.transitions.steps import journal
from tests.media.samples import PDF, PNG
from tests.steps.cell import HAIKU, Cell, by_schema, until

#: Haiku takes 1.5 tokens for each of o200k's.
ONE_AND_A_HALF = Learned(estimated=1000, actual=1500, replies=10, missed=0)
LIMITED = {"HOMA_PROVIDERS__ANTHROPIC__LIMITS__TPM": "1000000"}
WORDS = "some words of a prompt that takes a few thousand tokens " * 360
LOOK_UP = '[[tool:look_up {"name": "Ada"}]]'


async def second_call(cell: Cell, job: str) -> Option:
    """What a job's record reserves while its second call is in flight."""

    async def reserved() -> bool:
        return cell.simulator.stats.received == 2

    await until(reserved)
    record = await cell.record(job)
    return Option(HAIKU, int(record["bn"]), (int(record["rt"]), int(record["ri"]), int(record["ro"])))


async def conversation(cell: Cell, job: str, first: Mapping[str, Any]) -> list[Any]:
    """The messages of a job's second call, as its journal has them."""
    left = await cell.store.run(journal(cell.keys, job))
    messages = orjson.loads(left.states[1])["messages"]
    calls = messages[0].get("tool_calls") or []
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": left.results[1, index]}
        for index, call in enumerate(calls)
    ]
    return [first, *messages, *results]


def by_client(cell: Cell, prepared: Prepared, params: dict[str, Any]) -> Option:
    """What a client reserves that submits these messages."""
    view = FleetView(cell.settings(**LIMITED).fleet())
    view.factors = {HAIKU: ONE_AND_A_HALF.factor}
    made = Template(view, check_options({"model": HAIKU, **params})).entry("j", prepared)
    return Option(HAIKU, made.bound, made.tokens)


async def started(cell: Cell) -> None:
    """A worker for Haiku, which knows its factor; the second call that it makes never ends."""
    await cell.store.run(add_learned(cell.keys, HAIKU, ONE_AND_A_HALF))
    await cell.worker("anthropic", **LIMITED)
    cell.simulator.script("ok", "hang")


async def test_a_call_after_a_tool_reserves_by_the_learned_factor(cell: Cell) -> None:
    @tool
    def look_up(name: str) -> str:
        """Finds a person."""
        return "36 years old"

    await started(cell)
    job = await cell.ask(LOOK_UP + WORDS, targets=(HAIKU,), steps=StepRules(("look_up",)))
    reserved = await second_call(cell, job)
    messages = await conversation(cell, job, {"role": "user", "content": LOOK_UP + WORDS})
    assert reserved == by_client(cell, Prepared.of(messages), {"max_tokens": 300, "tools": [look_up.definition]})
    assert reserved.tokens[0] > 6000, "some 4000 tokens of o200k, scaled"


async def test_a_call_after_an_answer_that_broke_its_schema_reserves_by_the_learned_factor(cell: Cell) -> None:
    await started(cell)
    job = await cell.ask("[[say:no JSON]]" + WORDS, targets=(HAIKU,), params=by_schema())
    reserved = await second_call(cell, job)
    messages = await conversation(cell, job, {"role": "user", "content": "[[say:no JSON]]" + WORDS})
    assert reserved == by_client(cell, Prepared.of(messages), by_schema())


async def test_documents_count_in_the_second_call_too(cell: Cell) -> None:
    @tool
    def look_up(name: str) -> str:
        """Finds a person."""
        return "36 years old"

    await started(cell)
    document = PDF + b"\0" * 100_000
    content = [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data_url(document)}},
        {"type": "image_url", "image_url": {"url": data_url(PNG)}},
        {"type": "text", "text": LOOK_UP},
    ]
    asked = {"role": "user", "content": content}
    job = await cell.ask_messages([asked], targets=(HAIKU,), steps=StepRules(("look_up",)))
    reserved = await second_call(cell, job)
    messages = await conversation(cell, job, asked)
    assert reserved == by_client(cell, Prepared.of(messages), {"max_tokens": 300, "tools": [look_up.definition]})
    assert reserved.tokens[0] > len(document) // 25 + 1000


async def test_messages_kept_in_a_blob_store_count_once(cell: Cell) -> None:
    """They are among what the job refers to, but they are not a document beside its messages."""
    prepared = Prepared.of([{"role": "user", "content": WORDS}])
    settings = cell.settings(HOMA_BLOBS=str(cell.home), HOMA_BLOBS_ABOVE="1024")
    elsewhere = Uploads(Context(lambda: settings)).add("j", prepared)
    assert elsewhere.media
    assert by_client(cell, elsewhere, {}) == by_client(cell, prepared, {})
