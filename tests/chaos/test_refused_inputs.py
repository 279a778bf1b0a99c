"""What makes no sense is refused with its value named, and leaves the store as it was."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from homa import Homa
from homa_shared.model.errors import BudgetExceeded, InvalidRequest, JobNotFound
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import mapping, read
from homa_shared.store.transitions import admin

MODEL = "openai:gpt-6-luna"


@pytest.fixture
def homa(store_url: str, namespace: str) -> Iterator[Homa]:
    """A client of a fleet with one provider, and no worker."""
    settings = load_settings(env={"OPENAI_API_KEY": "k", "HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace})
    with Homa(settings=settings) as homa:
        yield homa


@pytest.fixture
def store(store_address: StoreAddress, namespace: str) -> Iterator[Store]:
    store = Store(store_address, namespace, role="test")
    yield store
    store.close()


def counted(store: Store) -> dict[str, str]:
    return store.run(read((("HGETALL", store.keys.counters()),), lambda r: mapping(r[0])))


@pytest.mark.parametrize("budget", [-1, "-0.01", "nan", "inf", "1e30", "much", Decimal(-5), 10**15, True])
def test_a_budget_that_makes_no_sense_is_named(homa: Homa, store: Store, budget: Any) -> None:
    with pytest.raises(InvalidRequest, match="budget_usd") as refusal:
        homa.submit("Hello", model=MODEL, budget_usd=budget)
    assert str(budget) in str(refusal.value)
    with pytest.raises(InvalidRequest, match="budget_usd"):
        homa.submit_batch(["Hello"], model=MODEL, budget_usd=budget)
    assert counted(store) == {}


def test_a_budget_that_not_even_one_call_fits_in_is_told_before_anything_is_sent(homa: Homa, store: Store) -> None:
    with pytest.raises(BudgetExceeded, match=r"budget_usd is 0\.000001.*may cost"):
        homa.submit("Hello", model=MODEL, budget_usd="0.000001")
    assert counted(store) == {}


@pytest.mark.parametrize("deadline_s", [-1, 0, float("nan"), float("inf"), 1e12, "soon"])
def test_a_deadline_in_the_past_is_refused(homa: Homa, store: Store, deadline_s: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"deadline_s is {deadline_s!r}"):
        homa.submit("Hello", model=MODEL, deadline_s=deadline_s)
    assert counted(store) == {}


@pytest.mark.parametrize("tenant", ["a:b", "a|b", "a\nb", "\x00", "x" * 129, 7])
def test_a_tenant_whose_name_would_mix_with_others_is_refused(homa: Homa, store: Store, tenant: Any) -> None:
    with pytest.raises(InvalidRequest, match="tenant is"):
        homa.submit("Hello", model=MODEL, tenant=tenant)
    assert counted(store) == {}


@pytest.mark.parametrize("tenant", ["Søren & Söhne", "{homa}", "a b", "*", "%s", "日本"])
def test_an_odd_tenant_is_a_tenant(homa: Homa, tenant: str) -> None:
    assert homa.submit("Hello", model=MODEL, tenant=tenant).view().job.tenant == tenant


def test_cancelling_an_unknown_job_says_so(homa: Homa, store: Store) -> None:
    with pytest.raises(JobNotFound, match="job nowhere"):
        homa.cancel("nowhere")
    assert counted(store) == {}


def test_cancelling_a_job_that_has_ended_tells_how_it_ended(homa: Homa, store: Store) -> None:
    job = homa.submit("Hello", model=MODEL)
    assert job.cancel() == "cancelled"
    before = counted(store)
    assert job.cancel() == "cancelled"
    assert counted(store) == before


def test_a_live_job_is_not_retried(homa: Homa, store: Store) -> None:
    job = homa.submit("Hello", model=MODEL)
    before = counted(store)
    answer = store.run(admin.retry(store.keys, job.id, "another"))
    assert (answer.answer, answer.job_id) == ("queued", "")
    assert counted(store) == before
    assert store.run(reads.state(store.keys, "another")) is None


def test_a_key_names_one_request_for_ever(homa: Homa, store: Store) -> None:
    first = homa.submit("Hello", model=MODEL, key="ticket:7")
    assert homa.submit("Hello", model=MODEL, key="ticket:7").id == first.id
    before = counted(store)
    for other in ({"prompt": "Goodbye"}, {"prompt": "Hello", "max_tokens": 5}, {"prompt": "Hello", "temperature": 0.5}):
        with pytest.raises(InvalidRequest, match="key 'ticket:7' was used before with another request"):
            homa.submit(model=MODEL, key="ticket:7", **other)
    assert counted(store) == before
