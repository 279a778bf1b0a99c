"""What fits nothing is refused by name: filters, ids and notes that no job or batch can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from homa import Homa, InvalidRequest, JobFailed
from homa.client.management.wording import error_text
from homa.testing import FakeHoma, ServerError, fake
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


@pytest.fixture(scope="module")
def homa() -> Iterator[FakeHoma]:
    with fake({"ok*": "ok", "*": [ServerError()] * 20}) as made:
        yield made


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"state": "xyzzy"}, "state is 'xyzzy': expected one of open, sealed, complete"),
        ({"state": "complet"}, "did you mean 'complete'"),
        ({"state": 5}, "state is 5: expected text"),
        ({"tenant": 5}, "tenant is 5"),
        ({"name": ""}, "name is ''"),
        ({"name": b"x"}, "name is b'x'"),
        ({"name": "\ud800"}, "is no valid Unicode"),
    ],
)
async def test_batches_that_none_can_be(homa: Homa, filters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        homa.batches(**filters)
    async with fake() as awaitable:
        with pytest.raises(InvalidRequest, match=said):
            [batch async for batch in awaitable.batches(**filters)]


def test_batches_that_fit(homa: Homa) -> None:
    batch = homa.submit_batch(["ok"], model=MODEL, name="nightly", tenant="acme")
    batch.wait(timeout=PATIENCE_S)
    assert [found.id for found in homa.batches(state="complete", name="nightly", tenant="acme")] == [batch.id]
    assert list(homa.batches(state="open")) == []
    assert list(homa.batches(tenant="other")) == []


def test_half_a_surrogate_pair_names_nothing(homa: Homa) -> None:
    for act in (homa.why, homa.retry, homa.job, homa.batch, homa.cancel, lambda name: homa.jobs(tenant=name)):
        with pytest.raises(InvalidRequest, match="is no valid Unicode"):
            act("\ud800")  # type: ignore[operator]


@pytest.mark.parametrize("note", [5, None, b"x", {"a": 1}, "\ud800"])
def test_a_note_is_text(homa: Homa, note: Any) -> None:
    job = homa.submit("doubtful", model=MODEL, max_attempts=1)
    with pytest.raises(JobFailed):
        job.result(timeout=PATIENCE_S)
    with pytest.raises(InvalidRequest, match="note"):
        homa.resolve(job, usd=1, note=note)
    homa.resolve(job, usd=1, note="as the bill says")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"kind": "budget", "message": "budget: month leaves no room"}, "budget: month leaves no room"),
        ({"kind": "expired", "message": "its deadline passed"}, "expired: its deadline passed"),
        ({"kind": "internal", "message": None}, "internal"),
        ({"kind": "budget", "message": "budgets are strange"}, "budget: budgets are strange"),
    ],
)
def test_an_error_says_its_kind_once(error: dict[str, str | None], said: str) -> None:
    assert error_text(error) == said
