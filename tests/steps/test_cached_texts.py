"""Embeddings with the cache on: each text has an entry of its own, and what is there is not called."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls import embeddings
from homa_shared.calls.embeddings import unpack
from homa_shared.calls.request import EMBEDDING, JobRequest, Option
from homa_shared.calls.vector_cache import CachedVector, VectorNames
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import Op, read
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report
from homa_shared.store.transitions.steps import step
from homa_shared.store.transitions.vectors import keep_vectors
from homa_workers.simulator.replies import embedding as simulated
from tests.steps.cell import BOUND, EMBED, Cell, keep_tokens_to_itself, reply_of, take_texts, until

LARGE = "openai:text-embedding-3-large"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI takes three texts a call."""
    take_texts(monkeypatch, "openai", 3)


async def embedded(cell: Cell, texts: list[str], key: str, **more: Any) -> dict[str, Any]:
    """The reply of a job with the cache on, once all that it is to keep is kept."""
    job = await cell.embed(texts, cache_key=key, **more)
    reply = reply_of(await cell.ended(job))
    called = {place for place in range(len(texts)) if texts.index(texts[place]) == place}

    async def kept() -> bool:
        return (await stats(cell))["vectors"] >= len(called)

    await until(kept)
    return reply | {"job": job}


async def stats(cell: Cell) -> dict[str, int]:
    return await cell.store.run(reads.cache_stats(cell.keys))


def packed(reply: dict[str, Any]) -> list[str]:
    data = reply["body"]["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return [item["embedding"] for item in data]


def are_of(reply: dict[str, Any], texts: list[str], width: int = 1536) -> bool:
    found = [unpack(vector) for vector in packed(reply)]
    return len(found) == len(texts) and all(
        vector == pytest.approx(simulated(text, width), abs=1e-6) for vector, text in zip(found, texts, strict=True)
    )


def asked(cell: Cell) -> int:
    return cell.simulator.stats.received


async def test_a_text_comes_from_the_cache_in_whatever_company_it_is_asked_again(cell: Cell) -> None:
    await cell.worker()
    first = await embedded(cell, ["a", "b"], "one")
    before = cell.bill_nano()
    second = await embedded(cell, ["b", "c", "a"], "two")
    assert are_of(second, ["b", "c", "a"])
    assert asked(cell) == 2
    assert (first.get("cached_inputs"), second["cached_inputs"]) == (None, 2)
    assert second["cost_nano"] == cell.bill_nano() - before > 0, "of the called part only"
    assert second["usage"]["input_tokens"] == (await cell.ledger())[-1].input_tokens > 0
    await cell.check_money(first["job"], second["job"])


async def test_what_the_cache_gives_is_what_a_call_gives(cell: Cell) -> None:
    await cell.worker()
    uncached = reply_of(await cell.ended(await cell.embed(["a", "b"])))
    await embedded(cell, ["b", "a"], "one")
    cached = await embedded(cell, ["a", "b"], "two")
    assert cached["attempts"] == 0
    without_usage = [{**reply["body"], "usage": None} for reply in (uncached, cached)]
    assert without_usage[0] == without_usage[1]


async def test_a_job_of_cached_texts_alone_calls_nobody_and_costs_nothing(cell: Cell) -> None:
    await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__TPM="1000000", HOMA_PROVIDERS__OPENAI__LIMITS__RPD="1000")
    first = await embedded(cell, ["a", "b"], "one")
    used = {(row.scope, row.dimension): row.used for row in await cell.store.run(reads.limits(cell.keys))}
    second = await embedded(cell, ["b", "a", "b"], "two", job_budget=BOUND)
    assert are_of(second, ["b", "a", "b"])
    assert asked(cell) == 1
    assert (second["cost_nano"], second["steps"], second["cached_inputs"]) == (0, 0, 3)
    line = (await cell.ledger())[-1]
    assert (line.job, line.outcome, line.nano_usd, line.unresolved_nano_usd) == (second["job"], "cached", 0, 0)
    (row,) = (await cell.store.run(reads.costs(cell.keys))).rows
    assert row.requests == 1
    view = await cell.view(second["job"])
    assert [(attempt.outcome, attempt.nano_usd) for attempt in view.attempts] == [("succeeded", 0)]
    assert await cell.budget(f"job:{second['job']}") == {"cap": BOUND, "reserved": 0}
    now = {(row.scope, row.dimension): row.used for row in await cell.store.run(reads.limits(cell.keys))}
    assert all(now[name] <= amount for name, amount in used.items()), "whatever was reserved is free again"
    await cell.check_money(first["job"], second["job"])


async def test_equal_texts_of_a_job_are_called_once(cell: Cell, few: None) -> None:
    await cell.worker()
    texts = ["x", "y", "x", "x", "z", "y"]
    reply = await embedded(cell, texts, "one")
    assert are_of(reply, texts)
    assert asked(cell) == 1, "three different texts"
    uncached = reply_of(await cell.ended(await cell.embed(texts)))
    assert asked(cell) == 3, "six texts"
    assert uncached["usage"]["input_tokens"] > reply["usage"]["input_tokens"]


async def test_an_equal_request_is_answered_as_a_whole(cell: Cell) -> None:
    await cell.worker()
    await embedded(cell, ["a"], "same")
    again = await embedded(cell, ["a"], "same")
    assert again["cached"]
    assert (await stats(cell))["vector_hits"] == 0, "nobody looked for single texts"


async def test_equal_requests_in_flight_follow_the_first(cell: Cell) -> None:
    await cell.worker()
    cell.simulator.script("slow")
    jobs = [await cell.embed(["a", "b"], cache_key="same") for _ in range(3)]
    replies = [reply_of(await cell.ended(job)) for job in jobs]
    assert asked(cell) == 1
    assert len({tuple(packed(reply)) for reply in replies}) == 1


@pytest.mark.parametrize(
    ("how", "width"),
    [({"tenant": "other"}, 1536), ({"targets": (LARGE,)}, 3072), ({"params": {"user": "u"}}, 1536)],
    ids=["another tenant", "another model", "an unknown parameter"],
)
async def test_who_asks_in_another_way_asks_anew(cell: Cell, how: dict[str, Any], width: int) -> None:
    await cell.worker()
    await embedded(cell, ["a"], "one")
    params = how.pop("params", None)
    if params is None:
        job = await cell.embed(["a"], cache_key="two", **how)
    else:
        request = JobRequest([], params, (Option(EMBED, BOUND),), kind=EMBEDDING, inputs=["a"])
        job = await cell._send(request, (EMBED,), BOUND, 0, {"cache_key": "two"})
    assert are_of(reply_of(await cell.ended(job)), ["a"], width)
    assert asked(cell) == 2


async def test_without_the_cache_nothing_is_looked_up_or_kept(cell: Cell) -> None:
    await cell.worker()
    await embedded(cell, ["a"], "one")
    await cell.ended(await cell.embed(["a", "b"]))
    assert asked(cell) == 2
    assert ((await stats(cell))["vectors"], (await stats(cell))["vector_hits"]) == (1, 0)


@pytest.mark.parametrize("garbage", ["text", "list", "cut"])
async def test_garbage_in_an_entry_is_a_text_to_embed(cell: Cell, garbage: str) -> None:
    await cell.worker()
    await embedded(cell, ["a", "b"], "one")
    key = cell.keys.vector(VectorNames("", EMBED, {}).of("a"))
    held = await cell.store.run(read((("GET", key),), lambda replies: replies[0]))
    commands = {
        "text": (("SET", key, "no vector"),),
        "list": (("DEL", key), ("RPUSH", key, "no vector")),
        "cut": (("SET", key, held[:-1]),),
    }[garbage]
    await cell.store.run(Op(commands, lambda _: None))
    reply = await embedded(cell, ["b", "a"], "two")
    assert are_of(reply, ["b", "a"])
    assert reply["cached_inputs"] == 1

    async def mended() -> bool:
        kind = await cell.store.run(read((("TYPE", key),), lambda replies: replies[0]))
        return kind == b"string" and await cell.store.run(read((("GET", key),), lambda replies: replies[0])) == held

    await until(mended)


async def test_each_part_is_kept_once_it_is_journaled(cell: Cell, few: None) -> None:
    await cell.worker()
    cell.simulator.script("ok", "hang")
    texts = [f"text {n}" for n in range(5)]
    job = await cell.embed(texts, cache_key="one")
    await until(lambda: asked(cell) == 2)
    assert (await stats(cell))["vectors"] == 3, "before the second part is called"
    await cell.store.run(admin.cancel(cell.keys, [job]))
    await cell.ended(job)
    other = await embedded(cell, texts[:3], "two")
    assert (other["cached_inputs"], asked(cell)) == (3, 2)


@pytest.mark.parametrize("cleared", [False, True], ids=["cache as it was", "cache lost meanwhile"])
async def test_a_lost_worker_takes_only_the_part_in_flight_with_it(cell: Cell, few: None, cleared: bool) -> None:
    first = await cell.worker()
    await embedded(cell, ["a", "b"], "one")
    cell.simulator.script("ok", "hang")
    texts = ["c", "a", "d", "e", "b", "f", "g", "c"]
    job = await cell.embed(texts, cache_key="two")
    await until(lambda: asked(cell) == 3)
    first.drain()
    if cleared:
        await cell.store.run(admin.clear_cache(cell.keys))
    await cell.lose(job)
    await cell.worker()
    reply = reply_of(await cell.ended(job))
    assert are_of(reply, texts)
    # What was journaled (c, d, e) is not called again; without the cache, what had come from it is called for once.
    assert asked(cell) == (5 if cleared else 4)
    assert reply.get("cached_inputs", 0) == (0 if cleared else 2)
    assert reply["usage"]["input_tokens"] < sum(line.input_tokens for line in await cell.ledger())
    await cell.check_money(job, "j1", open_calls=True)
    first.stop_now()


async def test_a_job_whose_rest_somebody_else_has_embedded_meanwhile_ends_without_a_call(cell: Cell, few: None) -> None:
    first = await cell.worker()
    cell.simulator.script("ok", "hang")
    texts = [f"text {n}" for n in range(5)]
    job = await cell.embed(texts, cache_key="one")
    await until(lambda: asked(cell) == 2)
    first.drain()
    names = VectorNames("", EMBED, {})
    vector = CachedVector("text-embedding-3-small", embeddings.pack([0.5] * 8)).encode()
    await cell.store.run(keep_vectors(cell.keys, {names.of(text): vector for text in texts[3:]}))
    await cell.lose(job)
    await cell.worker()
    reply = reply_of(await cell.ended(job))
    assert [unpack(found)[0] for found in packed(reply)[3:]] == [0.5, 0.5]
    assert (asked(cell), reply["cached_inputs"], reply["steps"]) == (2, 2, 1)
    assert reply["body"]["usage"]["prompt_tokens"] == reply["usage"]["input_tokens"] > 0, "of the part that was paid"
    await cell.check_money(job, open_calls=True)
    first.stop_now()


async def test_a_part_that_the_release_before_journaled_is_gone_on_from(cell: Cell, few: None) -> None:
    made = await cell.process()
    job = await cell.embed(["a", "b", "a", "c"], cache_key="one")
    worker = made.workers[0]
    first = cell.serve(worker)
    cell.simulator.script("hang")
    await until(lambda: asked(cell) == 1)
    vectors = [embeddings.pack([float(n)] * 8) for n in range(3)]
    state = {"model": EMBED.partition(":")[2], "start": 0, "vectors": vectors, "usage": {"input_tokens": 3}}
    op = step(cell.keys, (job, 1), 1, worker.id, Report("step", nano=0), orjson.dumps(state))
    await cell.store.run(op)
    worker.stop_now()
    await first
    await cell.lose(job)
    await cell.worker()
    reply = reply_of(await cell.ended(job))
    assert [unpack(found)[0] for found in packed(reply)[:3]] == [2.0, 1.0, 2.0], "equal texts share a vector"
    assert asked(cell) == 2


async def test_what_nobody_tells_the_cost_of_stands_open_at_the_bound_of_what_was_called(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_tokens_to_itself(monkeypatch)
    target = "gemini:gemini-embedding-001"
    gemini = {"API_KEY": "k", "BASE_URL": f"{cell.simulator.url}/gemini"}
    await cell.worker("gemini", **{f"HOMA_PROVIDERS__GEMINI__{name}": value for name, value in gemini.items()})
    long = "a long text " * 400
    first = await embedded(cell, [long, "b"], "one", targets=(target,))
    second = await embedded(cell, [long, "c"], "two", targets=(target,))
    whole, part = (await cell.view(first["job"])).job, (await cell.view(second["job"])).job
    assert 0 < part.unresolved_nano_usd * 2 < whole.unresolved_nano_usd


async def test_where_nothing_is_refunded_the_quota_loses_what_was_called_only(cell: Cell) -> None:
    azure = {"API_KEY": "k", "BASE_URL": f"{cell.simulator.url}/resource/openai/v1", "LIMITS__TPM": "10000"}
    worker = await cell.worker("azure", **{f"HOMA_PROVIDERS__AZURE__{name}": value for name, value in azure.items()})
    target = "azure:text-embedding-3-small"
    assert worker._book is not None
    await worker._book.ensure_plans([target])
    names, long = VectorNames("", target, {}), "a long text " * 2000
    vector = CachedVector("text-embedding-3-small", embeddings.pack([0.5] * 8)).encode()
    await cell.store.run(keep_vectors(cell.keys, {names.of(long): vector}))
    options = (Option(target, BOUND, (6001, 6001, 0)),)
    request = JobRequest([], {}, options, kind=EMBEDDING, inputs=[long, "c"])
    job = await cell._send(request, (target,), BOUND, 0, {"cache_key": "one"}, tokens=(6001, 6001, 0))
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    rows = await cell.store.run(reads.limits(cell.keys))
    (used,) = (r.used for r in rows if (r.scope, r.dimension) == ("azure/text-embedding-3-small", "tpm"))
    # What was reserved for the long text would take half a minute to recover.
    assert used < 3000
