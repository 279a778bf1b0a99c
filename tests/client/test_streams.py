"""Following a job's text: from the start, late, after an interruption, over a recovery."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from homa import Homa, InvalidRequest, JobFailed, JobNotFound
from homa.client.streams import Transcript
from homa_shared.calls.failures import Charge
from homa_shared.store.client import Store
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Claim, Report, requeue
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


def hold(claim: Claim, request: object) -> None:
    """Leaves the job running."""


@pytest.fixture
def worker(workers: Workers) -> FakeWorker:
    return workers(hold, start=False)


def claimed(worker: FakeWorker) -> Claim:
    eventually(worker.step)
    return worker.claims[-1]


def test_a_stream_brings_the_text_as_it_is_written(homa: Homa, worker: FakeWorker) -> None:
    written = threading.Event()

    def work() -> None:
        claim = claimed(worker)
        worker.delta(claim, e="started")
        worker.delta(claim, t="Hel")
        written.wait()
        worker.delta(claim, t="lo")
        worker.delta(claim, e="done")
        worker.settle(claim, "Hello")

    thread = threading.Thread(target=work)
    thread.start()
    pieces = []
    for piece in homa.stream("Hi", model=MODEL):
        pieces.append(piece)
        written.set()
    thread.join()
    assert pieces == ["Hel", "lo"]
    assert {piece.event for piece in pieces} == {None}


def test_a_reader_may_come_late_leave_and_come_back(homa: Homa, worker: FakeWorker) -> None:
    job = homa.submit("Hi", model=MODEL, stream=True)
    claim = claimed(worker)
    for text in ("a", "b", "c"):
        worker.delta(claim, t=text)
    first = next(iter(job.stream()))
    worker.settle(claim, "abc")
    assert list(job.stream(after=first.id)) == ["b", "c"]
    assert list(homa.job(job.id).stream()) == ["a", "b", "c"]


def test_a_recovery_begins_anew_and_says_so(homa: Homa, worker: FakeWorker, store: Store) -> None:
    job = homa.submit("Hi", model=MODEL, stream=True)
    claim = claimed(worker)
    worker.delta(claim, t="gone")
    report = Report("ambiguous", Charge.NONE)
    store.run(requeue(store.keys, (claim.id, 1), "job.deferred", delay_ms=0, report=report, counts=True))
    worker.claims.clear()
    again = claimed(worker)
    assert again.attempt == 2
    worker.delta(again, e="restarted")
    worker.delta(again, t="new")
    worker.settle(again, "new")
    pieces = list(job.stream())
    assert pieces == ["gone", "", "new"]
    assert [piece.event for piece in pieces] == [None, "restarted", None]
    assert [piece.attempt for piece in pieces] == [1, 2, 2]


def test_an_attempt_that_follows_unannounced_begins_anew_too(homa: Homa, worker: FakeWorker) -> None:
    job = homa.submit("Hi", model=MODEL, stream=True)
    claim = claimed(worker)
    worker.delta(claim, t="gone")
    store = worker.store
    command = ("XADD", store.keys.deltas(job.id), "*", "a", 2, "t", "new")
    store.run(Op((command,), lambda _: None))
    worker.settle(claim, "new!")
    pieces = list(job.stream())
    assert pieces == ["gone", "new", "!"]
    assert pieces[1].event == "restarted"


def test_a_job_that_was_not_streamed_brings_its_whole_text(homa: Homa, workers: Workers) -> None:
    workers(echo)
    assert list(homa.submit("Hi", model=MODEL).stream()) == ["Hi"]


def test_pieces_lost_in_an_outage_are_made_up_from_the_reply(homa: Homa, worker: FakeWorker, store: Store) -> None:
    job = homa.submit("Hi", model=MODEL, stream=True)
    claim = claimed(worker)
    worker.delta(claim, t="a")
    worker.delta(claim, t="c")
    worker.settle(claim, "abc")
    pieces = list(job.stream())
    assert pieces == ["a", "c", "", "abc"]
    assert pieces[2].event == "restarted"
    store._client.delete(store.keys.deltas(job.id))
    assert list(job.stream(after=pieces[0].id)) == ["", "abc"]


def test_a_stream_of_a_failed_job_ends_with_its_error(homa: Homa, worker: FakeWorker) -> None:
    job = homa.submit("Hi", model=MODEL, stream=True)
    claim = claimed(worker)
    worker.delta(claim, t="a")
    worker.delta(claim, e="broken")
    worker.fail(claim, "ambiguous", "cut off")
    pieces = []
    with pytest.raises(JobFailed, match="cut off") as caught:
        pieces.extend(job.stream())
    assert [attempt.outcome for attempt in caught.value.attempts] == ["ambiguous"]
    assert list(map(str, pieces)) in ([], ["a"])


def test_an_unknown_job_or_place_is_refused(homa: Homa) -> None:
    with pytest.raises(JobNotFound):
        list(homa.job("j0").stream())
    with pytest.raises(InvalidRequest, match="after is 'x'"):
        homa.job("j0").stream(after="x")


def entry(number: int, attempt: int, field: str, value: str) -> tuple[bytes, list[bytes]]:
    return f"{number}-0".encode(), [b"a", str(attempt).encode(), field.encode(), value.encode()]


def test_a_lost_attempt_that_still_writes_does_not_mix_with_the_one_that_runs() -> None:
    transcript = Transcript(None, Keys("t"), "j1")
    pieces = transcript.read(
        [
            entry(1, 1, "t", "Hel"),
            entry(2, 2, "e", "restarted"),
            entry(3, 2, "t", "Good "),
            entry(4, 1, "t", "lo"),
            entry(5, 1, "e", "done"),
            entry(6, 2, "t", "day"),
        ]
    )
    assert [(piece, piece.event) for piece in pieces] == [
        ("Hel", None),
        ("", "restarted"),
        ("Good ", None),
        ("day", None),
    ]
    assert not transcript.closing
    assert [str(piece) for piece in transcript.rest("Hello")] == ["", "Hello"], "should the lost one's reply come first"
