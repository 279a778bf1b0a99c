"""Embeddings of any number of texts, as one array."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import numpy
import pandas
import pyarrow
import pytest

from homa import InvalidRequest, JobFailed, ResultTimeout
from homa.client import embedding_batches
from homa.testing import Refused, fake

EMBED = "openai:text-embedding-3-small"


@pytest.fixture(autouse=True)
def small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_batches, "MOST_TEXTS", 10)


def texts(count: int) -> list[str]:
    return [f"text {n}" for n in range(count)]


@pytest.mark.parametrize("count", [1, 10, 11, 95])
def test_vectors_stand_in_the_order_of_the_texts_however_many_jobs_they_take(count: int) -> None:
    with fake() as homa:
        found = homa.embed(texts(count), model=EMBED)
        made = found.array()
        assert (made.shape, made.dtype) == ((count, len(found[0])), numpy.float32)
        assert made.tolist() == found.vectors == list(found)
        assert homa.embed([f"text {count - 1}"], model=EMBED).vectors == [found[count - 1]]
        assert len(list(homa.jobs())) - 1 == (count + 9) // 10
        assert (found.batch_id is None) == (count <= 10)
        assert found.cost_usd is not None
        assert 0 < found.cost_usd < homa.cost_usd
        assert found.usage.input_tokens > 0
        assert (len(found), found.errors) == (count, {})
        assert repr(found) == f"<Embedded {count} texts, 0 without a vector, {EMBED}, ${found.cost_usd}>"


async def test_the_asynchronous_client_does_the_same() -> None:
    async with fake() as homa:
        found = await homa.embed(iter(texts(25)), model=EMBED)
        assert found.array().shape[0] == 25
        assert (found.provider, found.model) == ("openai", "text-embedding-3-small")


@pytest.mark.parametrize(
    "made", [iter, tuple, pandas.Series, numpy.array, pyarrow.array], ids=lambda made: made.__name__
)
def test_texts_are_any_iterable(made: object) -> None:
    with fake() as homa:
        assert homa.embed(made(texts(12)), model=EMBED).array().shape[0] == 12  # type: ignore[operator]


def test_without_numpy_the_array_has_the_buffer_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake() as homa:
        found = homa.embed(texts(12), model=EMBED)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numpy", None)
        view = found.array()
    assert isinstance(view, memoryview)
    assert (view.shape, view.format, view.itemsize) == (found.array().shape, "f", 4)
    assert numpy.array_equal(numpy.asarray(view), found.array())


def test_texts_of_a_job_that_failed_have_a_reason_and_no_numbers() -> None:
    with fake({re.compile("text 1[0-4]"): Refused("too odd")}, strict=False) as homa:
        found = homa.embed(texts(15), model=EMBED)
        assert set(found.errors) == set(range(10, 15))
        assert "too odd" in found.errors[10]
        assert found.vectors[10] == []
        made = found.array()
    assert numpy.isnan(made[10:]).all()
    assert not numpy.isnan(made[:10]).any()


def test_where_every_job_fails_that_is_raised() -> None:
    with fake({"*": Refused("too odd")}, strict=False) as homa, pytest.raises(JobFailed, match="too odd"):
        homa.embed(texts(15), model=EMBED)


def test_a_key_keeps_many_texts_one_job() -> None:
    with fake() as homa:
        first = homa.embed(texts(25), model=EMBED, key="k")
        assert homa.embed(texts(25), model=EMBED, key="k").job_id == first.job_id
        assert len(list(homa.jobs())) == 1
        assert first.array().shape[0] == 25


def test_vectors_of_two_models_are_not_mixed() -> None:
    with fake() as homa:
        with pytest.raises(InvalidRequest, match="vectors of two do not mix"):
            homa.embed(texts(25), model=EMBED, fallbacks=["openai:text-embedding-3-large"])
        assert list(homa.batches()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("one", "texts is 'one'"),
        ([], "expected a list of at least one text"),
        ([*texts(30), ""], r"texts\[30\] is ''"),
        ([*texts(30), 7], r"texts\[30\] is 7"),
        (pandas.DataFrame({"a": ["b"]}), "one column of a table"),
    ],
    ids=str,
)
def test_wrong_texts_are_refused_before_anything_is_submitted(given: object, said: str) -> None:
    with fake() as homa:
        with pytest.raises(InvalidRequest, match=said):
            homa.embed(given, model=EMBED)  # type: ignore[arg-type]
        assert list(homa.jobs()) == []


def test_an_iterable_that_fails_cancels_the_batch() -> None:
    def some() -> Iterator[str]:
        yield from texts(35)
        raise ZeroDivisionError

    with fake() as homa:
        with pytest.raises(ZeroDivisionError) as raised:
            homa.embed(some(), model=EMBED, delay_s=60)
        assert "was cancelled" in raised.value.__notes__[0]
        assert [batch.cancel for batch in homa.batches()] == [True]


def test_a_wait_that_is_too_long_leaves_the_batch_going_on() -> None:
    with fake() as homa:
        with pytest.raises(ResultTimeout, match="goes on"):
            homa.embed(texts(15), model=EMBED, delay_s=60, timeout=0.01)
        assert [(batch.cancel, batch.state) for batch in homa.batches()] == [(False, "sealed")]


def test_a_batch_that_goes_on_after_its_submission_was_given_up_comes_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding_batches, "_IN_FLIGHT", 1)
    with fake() as homa:
        with pytest.raises(ResultTimeout, match="goes on") as raised:
            homa.embed(texts(95), model=EMBED, delay_s=60, timeout=0.01)
        (batch,) = homa.batches()
        assert (batch.state, batch.cancel) == ("sealed", False)
        assert 0 < batch.total < 95
        assert "texts; those behind them were not submitted" in raised.value.__notes__[0]


def test_a_budget_holds_over_all_jobs_of_the_texts() -> None:
    with fake() as homa:
        homa.embed(texts(95), model=EMBED, budget_usd=1)
        assert [batch.cap_usd for batch in homa.batches()] == [1]


def test_what_is_in_the_cache_is_not_called_again() -> None:
    with fake() as homa:
        homa.embed(texts(25), model=EMBED, cache=True)
        again = homa.embed(texts(30), model=EMBED, cache=True)
        assert again.cached_texts == 25
