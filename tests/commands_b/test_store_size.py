"""`homa store size`: its figures are those of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa import Homa
from homa.client.management.store_size import ENDED_BYTES, FIXED_BYTES, LEDGER_BYTES, QUEUED_BYTES, Load, store_size
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from tests.chaos.servers import Server
from tests.commands_b.stand import MODEL, Stand

DAY_S = 86_400


@pytest.fixture
def alone(stand: Stand, tmp_path: Path) -> Iterator[Stand]:
    """The stand at a server that nobody else fills."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder, fsync="no").start()
    store = Store(StoreAddress.parse(server.url), "size", role="test")
    with Homa(redis_url=server.url, namespace="size") as homa:
        yield Stand(stand.settings, store, homa, stand.home)
    store.close()
    server.kill()


def used(stand: Stand) -> int:
    return int(stand.redis("INFO", "memory")["used_memory"])


@pytest.mark.parametrize("prompt_bytes", [100, 2000])
def test_a_queued_job_takes_what_is_reckoned(alone: Stand, prompt_bytes: int) -> None:
    jobs = 10_000
    before = used(alone)
    alone.homa.submit_batch(("x" * prompt_bytes for _ in range(jobs)), model=MODEL, max_tokens=100)
    assert (used(alone) - before) / jobs == pytest.approx(QUEUED_BYTES + prompt_bytes, rel=0.35)


def test_a_job_that_succeeded_takes_no_more_than_is_reckoned(alone: Stand) -> None:
    jobs = 500
    alone.batch(good=1, bad=0)
    before = used(alone)
    alone.homa.submit_batch((f"line {i}" for i in range(jobs)), model=MODEL, max_tokens=100)
    for claim in alone.take(jobs):
        alone.settle(claim, "y" * 1000)
    # The stand's replies lack the most of a provider's envelope.
    assert ENDED_BYTES / 4 + 1000 < (used(alone) - before) / jobs < ENDED_BYTES + 1000


def test_a_load_is_summed_up() -> None:
    load = Load(1000, 500, prompt_bytes=100, answer_bytes=50, results_s=7 * DAY_S, ledger_s=30 * DAY_S)
    found = store_size(load)
    assert found.waiting_bytes == 500 * (QUEUED_BYTES + 100)
    assert found.kept_bytes == 7000 * (ENDED_BYTES + 50)
    assert found.ledger_bytes == 30_000 * LEDGER_BYTES
    parts = FIXED_BYTES + found.waiting_bytes + found.kept_bytes + found.ledger_bytes
    assert found.maxmemory_bytes == pytest.approx(parts / 0.8, abs=1)
    assert found.memory_bytes > found.maxmemory_bytes


def test_the_command_takes_retention_from_the_settings(stand: Stand) -> None:
    (stand.home / "homa.toml").write_text('[retention]\nresults = "1d"\nledger = "2d"\n')
    found = stand.json("store", "size", "--jobs-a-day", "1000", "--prompt-bytes", "100")
    assert (found["results_s"], found["ledger_s"], found["waiting"]) == (DAY_S, 2 * DAY_S, 1000)
    said = stand.said("store", "size", "--jobs-a-day", "1000")
    assert said.status == 0
    assert "results of 1 days" in said.stdout
    assert stand.said("store", "size", "--jobs-a-day", "0").status == 2
