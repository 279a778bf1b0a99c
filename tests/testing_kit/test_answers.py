"""Answers that are odd, late, or never come; and what waits for them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dramatiq
import pytest
from pydantic import BaseModel

from homa import JobFailed, ResultTimeout
from homa.testing import Answer, Fails, FakeCall, RateLimited, Refused, Unauthorized, fake
from homa_shared.broker import HomaBroker
from homa_workers import loop_thread
from homa_workers.testing import answering, in_process
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

LUNA = "openai:gpt-6-luna"


class Total(BaseModel):
    total: float


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What an answer waits for that does not come; patience is short meanwhile."""
    monkeypatch.setattr(in_process, "_PARTING_S", 0.1)
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_that_does_not_come_ends_its_job(never: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake({"a": lambda _: never.wait(), "b": "ok"}) as homa:
        with monkeypatch.context() as short:
            short.setattr(answering, "ANSWER_S", 0.1)
            job = homa.submit("a", model=LUNA)
            with pytest.raises(JobFailed, match=r"the answer that the test wrote down has not come within 0\.1 s"):
                job.result(PATIENCE_S)
        homa.assert_called("a", times=1)
        assert homa.submit("b", model=LUNA).result(PATIENCE_S).text == "ok"


def test_many_of_them_keep_no_other_answer_from_coming(never: threading.Event) -> None:
    with suppress(TimeoutError), fake({"a*": lambda _: never.wait(), "b": lambda _: "ok"}) as homa:
        for number in range(50):
            homa.submit(f"a{number}", model=LUNA)
        assert homa.submit("b", model=LUNA).result(PATIENCE_S).text == "ok"


def waiting_in_vain(never: threading.Event, timeout: float | None) -> None:
    with fake(lambda _: never.wait()) as homa:
        job = homa.submit("a", model=LUNA)
        eventually(lambda: homa.calls)
        if timeout is not None:
            job.result(timeout)


def test_the_block_ends_without_it_and_says_so(never: threading.Event) -> None:
    said = "the answers to 1 calls had not come when the block ended: openai:gpt-6-luna"
    with pytest.raises(TimeoutError, match=said):
        waiting_in_vain(never, None)
    with pytest.raises(ResultTimeout) as error:
        waiting_in_vain(never, 0.1)
    assert error.value.__notes__ == [said]
    assert [thread for thread in threading.enumerate() if thread.name == "homa-testing"] == []


def test_the_process_ends_without_it(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "import threading\nfrom homa.testing import fake\nfrom homa_workers.testing import in_process\n"
        "in_process._PARTING_S = 0.1\n"
        "try:\n"
        "    with fake(lambda call: threading.Event().wait()) as homa:\n"
        f"        homa.submit('x', model='{LUNA}')\n"
        "        while not homa.calls:\n            pass\n"
        "except TimeoutError:\n    print('told')\n"
    )
    done = subprocess.run([sys.executable, "hangs.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr


def test_drain_says_what_it_waits_for_in_vain(never: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    with suppress(TimeoutError), fake(lambda _: never.wait()) as homa:
        homa.submit("a", model=LUNA)
        with monkeypatch.context() as short:
            short.setattr(loop_thread, "_PATIENCE_S", 0.5)
            said = r"within 0\.5 s: the answers to 1 calls have not come, the first of openai:gpt-6-luna"
            with pytest.raises(TimeoutError, match=said):
                homa.drain()
            with pytest.raises(TimeoutError, match=said):
                homa.advance(1)


def test_drain_does_not_wait_for_a_queue_that_nobody_serves() -> None:
    with fake() as homa:
        settings = homa.fake.settings
        assert settings.redis_url is not None
        broker = HomaBroker(settings.redis_url, settings.namespace)
        try:

            @dramatiq.actor(broker=broker)
            def tidy() -> None: ...

            tidy.send()
            homa.submit("x", model=LUNA)
            homa.drain()
            homa.assert_called(times=1)
            assert [row.queued for row in homa.queues() if row.queue == "default"] == [1]
        finally:
            broker.close()


def test_a_fake_that_has_ended_says_so() -> None:
    with fake() as homa:
        pass
    for act in (homa.drain, lambda: homa.advance(1)):
        with pytest.raises(RuntimeError, match="does not run here, or has ended"):
            act()


@pytest.mark.parametrize("seconds", [-5, float("nan"), float("inf"), "3", None, True, 1e12])
def test_no_clock_is_moved_by_what_is_no_length_of_time(seconds: object) -> None:
    with fake() as homa:
        with pytest.raises(ValueError, match=r"the clock is moved by .*: expected seconds, 0 or more"):
            homa.advance(seconds)  # type: ignore[arg-type]
        assert homa.submit("x", model=LUNA).result(PATIENCE_S).text == "ok"


def test_there_are_two_times() -> None:
    with pytest.raises(ValueError, match="time is 'stop': expected one of 'jumps', 'passes'"):
        fake(time="stop")  # type: ignore[arg-type]


def test_a_class_of_failures_or_answers_is_its_object() -> None:
    answers = {"a": [RateLimited, "ok"], "b": Refused, "c": lambda _: Unauthorized, "d": Answer}
    with fake(answers) as homa:
        assert homa.submit("a", model=LUNA).result(PATIENCE_S).text == "ok"
        for prompt, said in (("b", r"Refused\(\)"), ("c", r"Unauthorized\(\)")):
            job = homa.submit(prompt, model=LUNA)
            with pytest.raises(JobFailed, match=said):
                job.result(PATIENCE_S)
        assert homa.submit("d", model=LUNA).result(PATIENCE_S).text == ""
        with pytest.raises(JobFailed, match=r"Refused\(\)"):
            homa.embed(["b"], model="openai:text-embedding-3-small")


async def coroutine(_: FakeCall) -> str:
    return "x"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Total, "Total is a class: expected an object of it"),
        (b"x", "b'x' is no answer: expected"),
        ({"*": {"a": b"x"}}, r"is no answer \(Object of type bytes is not JSON serializable\): expected"),
        ({"*": [int]}, "int is a class"),
        (Fails, "kind"),
        (coroutine, "is a coroutine function"),
        ({"*": ["x", coroutine]}, "is a coroutine function"),
    ],
)
def test_what_is_no_answer_is_refused(answer: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        fake(answer)  # type: ignore[arg-type]


def used_up(_: FakeCall) -> str:
    return next(iter(()))


def stops(_: FakeCall) -> str:
    raise SystemExit(3)


@pytest.mark.parametrize(("answer", "said"), [(used_up, "raised StopIteration"), (stops, "raised SystemExit: 3")])
def test_what_an_answer_raises_fails_its_job(answer: object, said: str) -> None:
    with fake(answer) as homa:  # type: ignore[arg-type]
        job = homa.submit("x", model=LUNA)
        with pytest.raises(JobFailed, match=said):
            job.result(PATIENCE_S)


async def test_an_answer_may_need_the_loop_of_the_test() -> None:
    loop = asyncio.get_running_loop()

    async def from_the_loop() -> str:
        await asyncio.sleep(0.05)
        return "from the loop"

    def answer(_: FakeCall) -> str:
        return asyncio.run_coroutine_threadsafe(from_the_loop(), loop).result()

    async with fake(answer) as homa:
        await homa.submit("x", model=LUNA)
        await asyncio.to_thread(eventually, lambda: homa.calls)


def test_jobs_that_the_cache_answered_were_submitted_too() -> None:
    with fake("ok") as homa:
        for _ in range(3):
            homa.submit("cached", model=LUNA, cache=True).result(PATIENCE_S)
        homa.assert_called("cached", times=1)
        assert len(homa.assert_submitted("cached", times=3)) == 3


def test_a_forked_child_that_leaves_takes_nothing_with_it() -> None:
    with fake("ok") as homa:
        home = homa.fake.settings.home
        child = os.fork()
        if child == 0:
            try:
                homa.fake.__exit__(None, None, None)
            finally:
                os._exit(0 if home.exists() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert home.exists()
        assert homa.submit("x", model=LUNA).result(PATIENCE_S).text == "ok"
    assert not home.exists()
