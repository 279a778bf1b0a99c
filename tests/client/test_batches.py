"""Batches through the blocking client."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from homa import (
    BudgetExceeded,
    Homa,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    JobNotFound,
    ResultTimeout,
    StoreUnavailable,
)
from homa.submit.batch_chunks import CHUNK_JOBS
from homa_shared.calls.request import JobRequest
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.operation import Op
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


def test_every_line_of_a_batch_comes_back_once(homa: Homa, workers: Workers) -> None:
    workers(echo)
    batch = homa.submit_batch((f"prompt {i}" for i in range(600)), model=MODEL, name="digest")
    lines = list(batch.results(timeout=PATIENCE_S))
    assert sorted(int(line.custom_id) for line in lines) == list(range(600))
    assert all(line.ok and line.reply and line.reply.text == f"prompt {line.custom_id}" for line in lines)
    assert [line.position for line in lines] == list(range(1, 601))
    progress = batch.wait(timeout=PATIENCE_S)
    assert (progress.state, progress.total, progress.succeeded, progress.ended) == ("complete", 600, 600, 600)
    assert progress.cost_usd == Decimal("0.0009")
    assert progress.unresolved_usd == 0


def test_results_go_on_behind_any_line(homa: Homa, workers: Workers) -> None:
    workers(echo)
    batch = homa.submit_batch(["a", "b", "c"], model=MODEL)
    batch.wait(timeout=PATIENCE_S)
    every = [line.custom_id for line in batch.results()]
    assert [line.custom_id for line in homa.batch(batch.id).results(after=2)] == every[2:]
    with pytest.raises(InvalidRequest, match="after is -1"):
        list(batch.results(after=-1))


def test_failures_are_values(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: ("invalid_request", "no") if claim.custom_id == "bad" else "yes")
    requests = [{"prompt": "x", "custom_id": name} for name in ("good", "bad")]
    lines = {line.custom_id: line for line in homa.submit_batch(requests, model=MODEL).results(timeout=PATIENCE_S)}
    assert lines["good"].error is None
    assert not lines["bad"].ok
    failure = lines["bad"].failure
    assert failure is not None
    assert (failure.kind, failure.message, failure.status, failure.code) == ("invalid_request", "no", 400, "bad")
    assert isinstance(lines["bad"].error, JobFailed)


def test_a_batch_is_read_as_it_is_sent(homa: Homa, store: Store) -> None:
    submitted = []

    def requests() -> Iterator[str]:
        for i in range(3 * CHUNK_JOBS):
            submitted.append(int(store._client.hget(store.keys.counters(), "submitted") or 0))
            yield f"prompt {i}"

    homa.submit_batch(requests(), model=MODEL)
    assert max(i - seen for i, seen in enumerate(submitted)) <= CHUNK_JOBS


def test_large_requests_make_small_chunks(homa: Homa, store: Store) -> None:
    sent = []

    def requests() -> Iterator[str]:
        for _ in range(5):
            sent.append(int(store._client.hget(store.keys.counters(), "submitted") or 0))
            yield "x" * 600_000

    homa.submit_batch(requests(), model=MODEL)
    assert sent == [0, 0, 2, 2, 4]


def test_lines_may_say_what_they_want_of_their_own(homa: Homa, store: Store) -> None:
    file = [{"role": "user", "content": "file"}]
    batch = homa.submit_batch(
        [
            "plain",
            {"prompt": "own", "temperature": 0.1, "tags": {"page": "2"}, "model": "ollama:llama3"},
            {"messages": [{"role": "user", "content": "talk"}], "custom_id": "m"},
            {
                "custom_id": "o",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": MODEL, "messages": file},
            },
        ],
        model=MODEL,
        system="Be brief",
        tags={"team": "a"},
    )
    assert batch.progress().total == 4
    jobs = [store.run(reads.job(store.keys, f"{batch.id}-{i}")) for i in range(4)]
    requests = [JobRequest.decode(view.request) for view in jobs if view and view.request]
    contents = [[message["content"] for message in request.messages] for request in requests]
    assert contents == [["Be brief", text] for text in ("plain", "own", "talk", "file")]
    assert requests[1].targets == ("ollama:llama3",)
    assert requests[1].params == {"temperature": 0.1, "max_tokens": 4096}
    assert [view.job.tags for view in jobs if view] == [{"team": "a"}, {"page": "2"}, {"team": "a"}, {"team": "a"}]
    assert [view.job.custom_id for view in jobs if view] == ["0", "1", "m", "o"]
    assert {view.job.lane for view in jobs if view} == {"bulk"}


def test_equal_lines_of_a_cached_batch_are_called_once(homa: Homa, workers: Workers) -> None:
    worker = workers(echo, start=False)
    batch = homa.submit_batch(["same"] * 5, model=MODEL, cache=True)
    calls = []
    eventually(lambda: calls.append(worker.step()) or batch.progress().complete)
    assert sum(calls) == 1
    lines = list(batch.results())
    assert [line.reply and line.reply.text for line in lines] == ["same"] * 5
    assert sum(line.reply is not None and line.reply.cached for line in lines) == 4
    assert sorted(line.custom_id for line in lines) == list("01234")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (7, "request 1: 7 is no request"),
        ({"custom_id": "c"}, r"request 1 \('c'\): neither prompt nor messages"),
        ({"prompt": "x", "key": "k"}, "key has no place in a batch"),
        ({"body": [], "custom_id": "c"}, "body is"),
        ({"body": {}, "url": "/v1/embeddings"}, "url is '/v1/embeddings'"),
        ({"prompt": "x", "lane": "fast"}, "lane is 'fast'"),
        ({"prompt": "x", "custom_id": 5.5}, "custom_id is 5.5"),
        ("", "prompt is empty"),
        ("\ud800", "prompt is no JSON"),
    ],
)
def test_a_wrong_line_is_named_and_the_batch_cancelled(homa: Homa, store: Store, request_: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        homa.submit_batch(["good", request_], model=MODEL)
    assert "was cancelled: its submission ended at line 1" in caught.value.__notes__[0]
    (batch_id,) = store.run(reads.batches(store.keys))
    view = store.run(reads.batch(store.keys, batch_id))
    assert view is not None
    assert view.cancel


def test_a_source_that_breaks_cancels_the_batch(homa: Homa) -> None:
    def requests() -> Iterator[str]:
        yield from ["a", "b"]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        homa.submit_batch(requests(), model=MODEL)


def test_a_batch_budget_is_its_cap(homa: Homa, store: Store) -> None:
    batch = homa.submit_batch(["a"], model=MODEL, budget_usd="0.5")
    view = store.run(reads.batch(store.keys, batch.id))
    assert view is not None
    assert view.cap_nano_usd == 500_000_000
    with pytest.raises(BudgetExceeded, match="request 0"):
        homa.submit_batch(["a"], model=MODEL, budget_usd="0.000001")
    with pytest.raises(InvalidRequest, match="no known price"):
        homa.submit_batch(["a"], model="ollama:llama3", budget_usd=5)


def test_a_chunk_whose_reply_was_lost_is_sent_again_without_a_second_job(
    homa: Homa, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lost = Store.run, itertools.count()

    def lossy(self: Store, op: Op[Any]) -> Any:
        answer = run(self, op)
        if op.script is not None and op.script.name == "submit" and next(lost) % 2 == 0:
            raise StoreUnavailable("the reply was lost")
        return answer

    monkeypatch.setattr(Store, "run", lossy)
    batch = homa.submit_batch([f"prompt {i}" for i in range(2 * CHUNK_JOBS + 1)], model=MODEL)
    assert next(lost) >= 6
    assert batch.progress().submitted == 2 * CHUNK_JOBS + 1
    assert int(store._client.hget(store.keys.counters(), "submitted") or 0) == 2 * CHUNK_JOBS + 1


def test_a_batch_can_be_paused_resumed_and_cancelled(homa: Homa, workers: Workers) -> None:
    worker = workers(echo, start=False)
    batch = homa.submit_batch(["a", "b"], model=MODEL)
    batch.pause("lunch")
    assert worker.step() == 0
    assert batch.progress().paused == "lunch"
    with pytest.raises(ResultTimeout, match="sealed, paused \\(lunch\\), 0 of 2 jobs have ended"):
        batch.wait(timeout=0)
    with pytest.raises(ResultTimeout):
        list(batch.results(timeout=0))
    batch.resume()
    assert worker.step(slots=1) == 1
    batch.cancel()
    eventually(lambda: worker.step() or batch.progress().complete)
    assert sorted(line.ok for line in batch.results()) == [False, True]
    assert [type(line.error) for line in batch.results() if line.error] == [JobCancelled]


def test_an_open_batch_is_filled_bit_by_bit(homa: Homa, workers: Workers) -> None:
    workers(echo)
    filling = homa.open_batch(model=MODEL)
    filling.add(["a"])
    filling.flush()
    assert next(filling.batch.results(timeout=PATIENCE_S)).custom_id == "0"
    assert filling.batch.progress().total is None
    filling.add(["b"])
    assert filling.seal().wait(timeout=PATIENCE_S).total == 2
    assert repr(filling.batch) == f"<Batch {filling.id}>"


def test_a_submission_that_was_interrupted_goes_on_with_every_line(
    homa: Homa, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, interruptions = Store.run, [KeyboardInterrupt(), StoreUnavailable("away")]

    def interrupted(self: Store, op: Op[Any]) -> Any:
        if op.script is not None and op.script.name == "submit" and interruptions:
            raise interruptions.pop(0)
        return run(self, op)

    monkeypatch.setattr(Store, "run", interrupted)
    filling = homa.open_batch(model=MODEL)
    filling.add(["a"])
    with pytest.raises(KeyboardInterrupt):
        filling.flush()
    filling.add(["b"])
    progress = filling.seal().progress()
    assert (progress.submitted, progress.total) == (2, 2)
    assert interruptions == []


def test_a_cancelled_batch_takes_no_more_lines(homa: Homa) -> None:
    filling = homa.open_batch(model=MODEL)
    filling.batch.cancel()
    filling.add(["a"])
    with pytest.raises(JobCancelled, match="was cancelled while it was submitted"):
        filling.seal()


def test_an_empty_batch_is_complete_at_once(homa: Homa) -> None:
    batch = homa.submit_batch([], model=MODEL)
    assert batch.wait(timeout=PATIENCE_S).total == 0
    assert list(batch.results()) == []


def test_an_unknown_batch_is_not_found(homa: Homa) -> None:
    with pytest.raises(JobNotFound, match="batch b0"):
        homa.batch("b0").progress()
