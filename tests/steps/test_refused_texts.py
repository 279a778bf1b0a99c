"""One bad text of many, or more texts than the server takes: the others have their vectors, each paid once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls.embeddings import unpack
from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Usage
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import read
from homa_workers.pipeline.steps import journal
from homa_workers.pipeline.steps.refused_texts import MOST_AT_FIRST, RefusedTexts
from homa_workers.simulator.replies import embedding as simulated
from tests.steps.cell import EMBED, Cell, reply_of

BAD = "[[fault:400]]"
TEXTS = [f"text number {n}" for n in range(50)]


def is_of(item: dict[str, Any], text: str) -> bool:
    return unpack(item["embedding"]) == pytest.approx(simulated(text, 1536), abs=1e-6)


async def embedded(cell: Cell, texts: list[str], **common: Any) -> tuple[str, list[dict[str, Any]]]:
    job = await cell.embed(texts, **common)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED, view.reply
    return job, reply_of(view)["body"]["data"]


@pytest.mark.parametrize("bad", [[17], [0], [49], [0, 1, 48]])
async def test_bad_texts_have_an_error_each_and_all_others_a_vector(cell: Cell, bad: list[int]) -> None:
    await cell.worker()
    texts = [f"{BAD} {n}" if n in bad else text for n, text in enumerate(TEXTS)]
    job, data = await embedded(cell, texts)
    assert [item["index"] for item in data if "error" in item] == bad
    assert all("Invalid request (simulated)" in data[n]["error"] and data[n]["embedding"] is None for n in bad)
    assert all(is_of(item, text) for n, (item, text) in enumerate(zip(data, texts, strict=True)) if n not in bad)
    await cell.check_money(job)


async def test_it_takes_as_many_refusals_as_the_number_of_texts_has_digits(cell: Cell) -> None:
    await cell.worker()
    await embedded(cell, [*TEXTS[:31], BAD])
    assert cell.simulator.stats.faults["invalid"] == 6


async def test_more_texts_than_a_server_takes_are_halved_and_no_later_call_has_more(cell: Cell) -> None:
    cell.simulator.configure(embedding_texts=16)
    await cell.worker()
    job, data = await embedded(cell, TEXTS)
    assert all(is_of(item, text) for item, text in zip(data, TEXTS, strict=True))
    assert cell.simulator.stats.received == 2 + 4, "50 and 25 are refused, 13, 12, 13 and 12 taken"
    await cell.check_money(job)


async def test_a_setting_says_how_many_a_server_takes(cell: Cell) -> None:
    cell.simulator.configure(embedding_texts=16)
    await cell.worker(HOMA_PROVIDERS__OPENAI__EMBEDDING_TEXTS="16")
    _, data = await embedded(cell, TEXTS)
    assert len(data) == 50
    assert cell.simulator.stats.received == 4


async def test_a_reply_that_lacks_a_vector_is_kept_for_no_equal_job(cell: Cell) -> None:
    job = await cell.embed(["a", BAD, "a"])
    await cell.store.run(read((("HSET", cell.keys.job(job), "ck", "c0ffee"),), lambda r: r[0]))
    await cell.worker()
    data = reply_of(await cell.ended(job))["body"]["data"]
    assert [("error" in item) for item in data] == [False, True, False]
    entries = read((("ZCARD", cell.keys.cache_index()),), lambda r: int(r[0]))
    assert await cell.store.run(entries) == 0
    await cell.check_money(job)


async def test_texts_that_are_all_refused_fail_their_job(cell: Cell) -> None:
    await cell.worker()
    view = await cell.ended(await cell.embed([f"{BAD} {n}" for n in range(3)]))
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "invalid_request"
    assert view.job.unresolved_nano_usd == 0


async def test_what_is_wrong_with_every_text_is_soon_given_up(cell: Cell) -> None:
    await cell.worker()
    view = await cell.ended(await cell.embed([f"{BAD} {n}" for n in range(200)]))
    assert view.job.state is State.FAILED
    assert cell.simulator.stats.received == MOST_AT_FIRST + 1


async def test_each_refused_call_takes_a_request_of_its_own_from_the_quota(cell: Cell) -> None:
    worker = await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__RPD="1000")
    job, _ = await embedded(cell, [*TEXTS[:31], BAD])
    assert worker._book is not None
    plan = worker._book.plan(EMBED)
    assert plan is not None
    used = read((("HGET", cell.keys.scope(plan.quota_scope), "dayn"),), lambda r: int(r[0]))
    assert await cell.store.run(used) == cell.simulator.stats.received == 11
    table = await cell.store.run(reads.costs(cell.keys))
    assert sum(row.requests for row in table.rows) == 11
    await cell.check_money(job)


@pytest.mark.parametrize("cached", [{}, {"cache_key": "k"}], ids=["uncached", "cached"])
async def test_what_was_found_is_not_asked_again_where_the_quota_gives_one_call_at_a_time(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, cached: dict[str, Any]
) -> None:
    monkeypatch.setattr(journal, "PATIENCE_S", 0.0)
    limits = {"RPM": "600", "BURST_MS": "100"}
    await cell.worker(**{f"HOMA_PROVIDERS__OPENAI__LIMITS__{name}": value for name, value in limits.items()})
    texts = ["a", "b", "c", BAD, "d"]
    job, data = await embedded(cell, texts, **cached)
    assert ["error" in item for item in data] == [False, False, False, True, False]
    assert all(is_of(item, text) for item, text in zip(data, texts, strict=True) if "error" not in item)
    assert cell.simulator.stats.received == 5, "all five and the last two, the first three, the bad one, and the last"
    await cell.check_money(job)


async def test_one_whose_last_call_was_refused_is_no_answer_of_the_cache(cell: Cell) -> None:
    await cell.worker()
    job, _ = await embedded(cell, ["a", BAD])
    reply = reply_of(await cell.view(job))
    assert (reply["attempts"], reply["steps"]) == (1, 1)
    outcomes = [outcome for _, outcome, _, _ in await cell.outcomes()]
    assert outcomes == ["invalid_request", "step", "invalid_request", "succeeded"]
    await cell.check_money(job)


def test_a_text_that_is_too_long_is_left_to_a_target_that_may_take_it() -> None:
    too_long = ProviderError(ErrorKind.CONTEXT_TOO_LONG, "too long")
    texts = RefusedTexts(may_leave=True)
    assert texts.refused([0, 1], too_long) == 0, "perhaps they were too many"
    assert texts.end_of_call([0, 1], 0, 2) == 1
    with pytest.raises(ProviderError):
        texts.refused([0], too_long)
    alone = RefusedTexts()
    assert alone.refused([0], too_long) == 1
    assert list(alone.faults) == [0]


def test_a_later_attempt_goes_on_from_what_was_found() -> None:
    no = ProviderError(ErrorKind.INVALID_REQUEST, "no")
    first, later = RefusedTexts(), RefusedTexts()
    places = list(range(8))
    for at in (places, places[:4]):
        first.refused(at, no)
        later.restore(orjson.loads(orjson.dumps(first.state(at))))
    for texts in (first, later):
        texts.taken([0, 1])
    left = places[2:]
    assert first.end_of_call(places, 2, 8) == 4
    assert later.end_of_call(left, 0, 6) == 2, "the other half of the half"
    for at in ([2, 3], [2]):
        first.refused(at, no)
        later.restore(first.state(at))
    assert later.faults == first.faults == {2: str(no)}


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(ErrorKind.UNAUTHORIZED, "no"),
        ProviderError(ErrorKind.AMBIGUOUS, "gone"),
        ProviderError(ErrorKind.INVALID_REQUEST, "paid", usage=Usage(1)),
    ],
)
def test_what_does_not_speak_of_texts_or_was_paid_for_is_not_halved(error: ProviderError) -> None:
    with pytest.raises(ProviderError) as caught:
        RefusedTexts().refused(range(8), error)
    assert caught.value is error
