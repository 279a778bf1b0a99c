"""`homa run` with an alias of a pool: it brings a worker for all members of a pool that nobody serves."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from homa.client.management.estimates import Load
from homa_shared.model.limits import Limits
from tests.commands.conftest import Fleet, Invoke, fleet, folder, invoke, lines, simulator, write_rows

__all__ = ["fleet", "folder", "invoke", "simulator"]


@pytest.fixture
def pooled(fleet: Fleet) -> Fleet:
    """Two accounts at one provider, in a pool."""
    for name in ("ONE", "TWO"):
        own = f"HOMA_PROVIDERS__{name}__"
        fleet.env |= {
            f"{own}KIND": "openai",
            f"{own}API_KEY": f"sk-{name}",
            f"{own}BASE_URL": f"{fleet.simulator.url}/v1",
        }
        fleet.env |= {f"{own}LIMITS__RPM": "120", f"{own}PRICE_LIST": "openai"}
    fleet.env["HOMA_MODELS__FAST__POOL"] = "one:gpt-6-luna,two:gpt-6-luna"
    return fleet


def test_a_run_brings_workers_for_all_members(pooled: Fleet, invoke: Invoke, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", 8)
    answer = invoke(pooled, "run", "rows.jsonl", "--model", "fast", "-o", "out.jsonl", "--json", "--budget", "5")
    assert answer.exit_code == 0, answer.stderr
    assert json.loads(answer.stdout)["succeeded"] == 8
    served = Counter(line["homa"]["provider"] for line in lines(folder / "out.jsonl"))
    assert set(served) == {"one", "two"}


def test_a_dry_run_reckons_with_both_quotas(pooled: Fleet, invoke: Invoke, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", 240)
    answer = invoke(pooled, "run", "rows.jsonl", "--model", "fast", "--dry-run", "--json")
    assert answer.exit_code == 0, answer.stderr
    alone = Load(requests=240).seconds(Limits(rpm=120))
    assert alone is not None
    assert json.loads(answer.stdout)["seconds_at_limits"] == pytest.approx(alone / 2, abs=2)


def test_who_waits_for_a_pool_is_told_what_to_start(pooled: Fleet, invoke: Invoke, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", 2)
    queued = invoke(pooled, "run", "rows.jsonl", "--model", "fast", "-o", "o.jsonl", "--detach", "--workers", "none")
    assert queued.exit_code == 0, queued.stderr
    (row,) = [r for r in json.loads(invoke(pooled, "queues", "--json").stdout)["queues"] if r["queued"]]
    assert row["queue"] == "pool-fast"
    said = invoke(pooled, "doctor").stdout
    assert "nobody serves it: start `homa worker`" in said


def test_a_failed_job_of_a_pool_is_retried_in_its_pool(pooled: Fleet, invoke: Invoke, folder: Path) -> None:
    pooled.simulator.configure(models=("another",))
    write_rows(folder / "rows.jsonl", 1)
    answer = invoke(pooled, "run", "rows.jsonl", "--model", "fast", "-o", "out.jsonl", "--json")
    assert answer.exit_code == 1, answer.stderr
    (line,) = lines(folder / "out.jsonl")
    retried = invoke(pooled, "jobs", "retry", line["homa"]["job"], "--json")
    assert retried.exit_code == 0, retried.stderr
    rows = json.loads(invoke(pooled, "queues", "--json").stdout)["queues"]
    assert [(row["queue"], row["queued"]) for row in rows if row["queued"]] == [("pool-fast", 1)]
