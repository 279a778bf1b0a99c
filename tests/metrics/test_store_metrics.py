"""What the store tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_shared.metrics.catalogue import CATALOGUE
from homa_shared.metrics.metric import MODELS_SHOWN, OTHER
from homa_shared.metrics.store_catalogue import METRICS
from homa_shared.metrics.store_metrics import Labels, look, look_async
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import renew
from homa_shared.store.transitions.fleet import write_fleet
from tests.chaos.servers import Server
from tests.metrics.scraped import Scrape, scrape
from tests.transitions.cell import LEASE_MS, MODEL, Cell


def beat(cell: Cell, worker: str = "w", **facts: object) -> None:
    told = {"provider": "p", "queues": ["p"], "concurrency": 10, "running": 0, "typical_s": 2.0} | facts
    cell.run(renew(cell.keys, worker=worker, lease_ms=LEASE_MS, facts=told, attempts=[]))


def test_depth_and_age_by_queue_and_lane(cell: Cell) -> None:
    cell.plan(rpm=60_000)
    cell.submit("a", "b", "c")
    cell.submit("later", lane="bulk")
    cell.redis("HSET", cell.keys.job("a"), "sb", cell.now() - 90_000)
    cell.claim()
    found = scrape(cell.store)
    assert found["homa_jobs"]["default,p,queued"] == 2
    assert found["homa_jobs"]["default,p,running"] == 1
    assert found["homa_jobs"]["bulk,p,queued"] == 1
    # The oldest one runs; the next in its turn is fresh.
    assert 0 <= found.value("homa_queue_oldest_seconds", queue="p", lane="default") < 60
    cell.redis("HSET", cell.keys.job("later"), "sb", cell.now() - 90_000)
    assert scrape(cell.store).value("homa_queue_oldest_seconds", queue="p", lane="bulk") == pytest.approx(90, abs=30)


def test_the_oldest_is_found_among_tenants(cell: Cell) -> None:
    cell.plan()
    cell.submit("young", tenant="a")
    cell.submit("old", tenant="b")
    cell.redis("HSET", cell.keys.job("old"), "sb", cell.now() - 500_000)
    assert scrape(cell.store).value("homa_queue_oldest_seconds", queue="p", lane="default") > 400


def test_why_nothing_runs_though_jobs_wait(cell: Cell) -> None:
    cell.plan(rpm=600, burst=100)
    cell.submit(*"abc")
    assert scrape(cell.store)["homa_blocked_models"] == {}
    cell.take(1)
    found = scrape(cell.store)
    assert found["homa_blocked_models"] == {"p,rpm": 1}
    assert 0 < found.value("homa_limiter_wait_seconds", provider="p", model="m") <= 0.1
    assert found.value("homa_limit_used_ratio", provider="p", model="m", limit="rpm") > 0
    assert found.value("homa_limit", provider="p", model="m", limit="rpm") == 600


def test_a_freeze_and_a_breaker(cell: Cell) -> None:
    cell.plan(rpm=60_000)
    cell.submit(*"ab")
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=40_000, delay_ms=1)
    found = scrape(cell.store)
    assert 30 < found.value("homa_limit_frozen_seconds", provider="p", model="m") <= 40
    assert found["homa_blocked_models"] == {"p,frozen": 1}
    cell.run(admin.unfreeze(cell.keys, "p/m"))
    cell.requeue(cell.claim(), outcome="unauthorized", health="account", cool_ms=60_000, delay_ms=1)
    found = scrape(cell.store)
    assert found.value("homa_breaker_state", provider="p", model="") == 2
    assert found["homa_blocked_models"] == {"p,breaker": 1}


def test_money_is_in_dollars(cell: Cell) -> None:
    cell.budget(2_500_000_000)
    cell.submit("a", "b", bound=500_000_000)
    cell.settle(cell.claim(), nano=250_000_000)
    cell.claim()
    found = scrape(cell.store)["homa_budget_dollars"]
    assert found == {"cap,b": 2.5, "spent,b": 0.25, "unresolved,b": 0, "reserved,b": 0.5}


def test_budgets_of_tenants_are_left_out(cell: Cell) -> None:
    cell.budget(2_500_000_000, scope="tenant")
    cell.submit("a", tenant="acme")
    assert scrape(cell.store)["homa_budget_dollars"] == {}


def test_cache_and_counters(cell: Cell) -> None:
    cell.submit("a", "b", cache_key="k")
    cell.settle(cell.claim())
    cell.submit("c", cache_key="k")
    cell.take()
    found = scrape(cell.store)
    assert found["homa_jobs_submitted_total"] == {"": 3}
    assert found.value("homa_jobs_ended_total", state="succeeded") == 3
    assert found["homa_cache_requests_total"]["replies,hits"] >= 1
    assert found.value("homa_cache_entries", cache="replies") == 1


def test_workers_that_live_and_are_needed(cell: Cell) -> None:
    cell.plan(rpm=600)
    cell.submit(*map(str, range(100)))
    beat(cell)
    beat(cell, "other", provider="q", queues=["q"])
    found = scrape(cell.store)
    assert found["homa_workers"] == {"p": 1, "q": 1}
    # Ten calls a second, two seconds each: twenty in flight at most, ten in each worker.
    assert found["homa_needed_workers"] == {"p": 2, "q": 0}


def test_a_provider_that_nobody_has_asked_yet_needs_no_worker_and_says_so(cell: Cell) -> None:
    fleet = Fleet(providers={"p": FleetProvider(kind="openai"), "q": FleetProvider(kind="anthropic")})
    cell.run(write_fleet(cell.keys, fleet, seen=0))
    found = scrape(cell.store)
    assert found["homa_needed_workers"] == found["homa_workers"] == {"p": 0, "q": 0}


def test_answers_count_as_long_as_they_are(cell: Cell) -> None:
    cell.plan(tpm=60_000)
    cell.submit(*map(str, range(100)), tokens=(1000, 100, 900))
    beat(cell, concurrency=1, typical_s=1.0)
    assert scrape(cell.store)["homa_needed_workers"] == {"p": 1}
    cell.redis("HSET", cell.keys.written(MODEL), "tokens", 1000, "answers", 10)
    assert scrape(cell.store)["homa_needed_workers"] == {"p": 5}


def test_models_beyond_the_first_ones_share_a_label(cell: Cell) -> None:
    for number in range(40):
        cell.plan(f"p:m{number}", rpm=600 + number)
    labels = Labels()
    found = scrape(cell.store, labels)
    models = {key.split(",")[1] for key in found["homa_limit"]} - {""}
    assert len(models) == MODELS_SHOWN + 1
    assert found.value("homa_limit", provider="p", model=OTHER, limit="rpm") == 639
    cell.plan("p:a-new-one", rpm=600)
    assert scrape(cell.store, labels)["homa_limit"].keys() == found["homa_limit"].keys()


@pytest.fixture
def cell_alone(tmp_path: Path) -> Iterator[Cell]:
    """On a server of its own, whose commands are this test's."""
    server = Server(tmp_path).start()
    found = Cell(StoreAddress.parse(server.url), "alone")
    try:
        yield found
    finally:
        found.store.close()
        server.kill()


def test_a_job_costs_no_further_command(cell_alone: Cell) -> None:
    cell = cell_alone
    cell.plan(rpm=1)

    def commands() -> int:
        before = sum(stat["calls"] for name, stat in _stats(cell) if not name.startswith("cmdstat_info"))
        scrape(cell.store)
        return sum(stat["calls"] for name, stat in _stats(cell) if not name.startswith("cmdstat_info")) - before

    cell.submit("first")
    scrape(cell.store)
    one = commands()
    cell.submit(*map(str, range(2000)))
    assert commands() == one


def _stats(cell: Cell) -> list[tuple[str, dict[str, int]]]:
    return list(cell.redis("INFO", "commandstats").items())


def test_no_prompt_tenant_tag_or_key_is_told(cell: Cell) -> None:
    cell.plan(rpm=600)
    secret = "sk-very-secret"
    request = b'{"messages":[{"role":"user","content":"' + secret.encode() + b'"}]}'
    for job in "ab":
        cell.submit(job, request=request, tenant=f"tenant-{secret}", tags=f"team={secret}", custom_id=secret)
    cell.settle(cell.claim())
    assert secret not in scrape(cell.store).text


def test_a_store_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    store = Store(StoreAddress.parse(f"unix://{tmp_path}/none.sock"), "n", within_s=1)
    found = scrape(store)
    assert found["homa_store_up"] == {"": 0}
    assert len(found.samples) == 1


async def test_both_clients_see_the_same(cell: Cell) -> None:
    cell.plan(rpm=600)
    cell.submit("a")
    store = AsyncStore(cell.store.address, cell.keys.namespace)
    found, other = look(cell.store), await look_async(store)
    await store.aclose()
    assert found is not None
    assert other is not None
    assert (found.seen.queues, found.limits) == (other.seen.queues, other.limits)


def everything(cell: Cell) -> Scrape:
    """A scrape in which each metric of the store has a sample."""
    cell.plan(rpm=600, burst=100)
    cell.budget(1000)
    cell.submit("a", "b", bound=1)
    cell.requeue(cell.claim(), outcome="unauthorized", health="account", cool_ms=60_000, delay_ms=1)
    beat(cell)
    return scrape(cell.store)


def test_each_metric_is_exported_and_explained(cell: Cell) -> None:
    found = everything(cell)
    assert {name for name, _ in found.samples} == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}" in found.text
        assert CATALOGUE[metric.name].metric is metric
