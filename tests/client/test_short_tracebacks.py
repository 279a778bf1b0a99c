"""A failure shows the caller's own lines, one of Homa's, and a sentence."""

from __future__ import annotations

import inspect
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import homa as package
from homa import AsyncHoma, Homa, InvalidRequest, JobNotFound, StoreUnavailable, UnknownModel

MODEL = "openai:gpt-6-luna"
#: A port that nobody listens on.
NOBODY = "redis://127.0.0.1:1/0"
#: What a person does and what goes wrong.
FAILURES: dict[str, tuple[Callable[[Homa], Any], type[Exception]]] = {
    "a wrong option": (lambda homa: homa.submit("Hi", model=MODEL, lane="fast"), InvalidRequest),  # type: ignore[arg-type]
    "an unknown model": (lambda homa: homa.submit("Hi", model="nobody:x"), UnknownModel),
    "a stream": (lambda homa: homa.stream("Hi", model="nobody:x"), UnknownModel),
    "embeddings": (lambda homa: homa.embed([], model=MODEL), InvalidRequest),
    "a batch": (lambda homa: homa.submit_batch([{"prompt": 7}], model=MODEL), InvalidRequest),
    "an open batch": (lambda homa: homa.open_batch(model=MODEL).add([7]), InvalidRequest),  # type: ignore[list-item]
    "a wait": (lambda homa: homa.job("j0").result(), JobNotFound),
    "an iteration": (lambda homa: list(homa.job("j0").stream()), JobNotFound),
    "lines": (lambda homa: list(homa.batch("b0").results()), JobNotFound),
    "management": (lambda homa: homa.why("j0"), JobNotFound),
}


def own_frames(error: BaseException) -> list[str]:
    """Homa's own lines of what is printed."""
    inside = str(Path(package.__file__).parent.parent)
    shown = traceback.TracebackException.from_exception(error)
    found: list[str] = []
    while True:
        found += [frame.name for frame in shown.stack if frame.filename.startswith(inside)]
        following = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
        if following is None:
            return found
        shown = following


@pytest.mark.parametrize("what", FAILURES)
def test_one_line_of_homa_is_shown(homa: Homa, what: str) -> None:
    act, kind = FAILURES[what]
    with pytest.raises(kind) as caught:
        act(homa)
    assert len(own_frames(caught.value)) == 1
    assert traceback.format_exception_only(caught.value)[0].startswith(f"homa.{kind.__name__}: ")


def test_a_library_beneath_says_nothing() -> None:
    with Homa(redis_url=NOBODY) as homa, pytest.raises(StoreUnavailable) as caught:
        homa.submit("Hi", model=MODEL)
    assert own_frames(caught.value) == ["submit"]
    assert "redis.exceptions" not in "".join(traceback.format_exception(caught.value))


async def test_event_loops_have_it_too() -> None:
    async with AsyncHoma(redis_url=NOBODY) as homa:
        with pytest.raises(StoreUnavailable) as caught:
            await homa.submit("Hi", model=MODEL)
        assert own_frames(caught.value) == ["submit"]
        with pytest.raises(StoreUnavailable) as caught:
            _ = [piece async for piece in homa.stream("Hi", model=MODEL)]
        assert own_frames(caught.value) == ["__anext__"]


def test_all_is_shown_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_DEBUG", "1")
    with Homa(redis_url=NOBODY) as homa, pytest.raises(StoreUnavailable) as caught:
        homa.submit("Hi", model=MODEL)
    assert len(own_frames(caught.value)) > 5
    assert "redis.exceptions" in "".join(traceback.format_exception(caught.value))


def test_what_an_application_raises_is_shown_whole(homa: Homa) -> None:
    def rows() -> Iterator[str]:
        yield "one"
        raise KeyError("column")

    with pytest.raises(KeyError) as caught:
        homa.submit_batch(rows(), model=MODEL)
    assert "rows" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_an_interrupted_wait_is_short(homa: Homa, monkeypatch: pytest.MonkeyPatch) -> None:
    job = homa.submit("Hi", model=MODEL)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("homa.drivers.blocking._await_end", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        job.result()
    assert own_frames(caught.value) == ["result"]


def test_methods_are_what_they_were() -> None:
    assert inspect.iscoroutinefunction(AsyncHoma.submit)
    assert not inspect.iscoroutinefunction(Homa.submit)
    assert "Accept a job" in (Homa.submit.__doc__ or "")
    assert list(inspect.signature(Homa.local).parameters) == ["namespace", "settings", "workers"]


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UnknownModel("no such model")))
    assert type(error) is UnknownModel
    assert str(error) == "no such model"
