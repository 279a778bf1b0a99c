"""`--tier`: the commands ask for a service tier."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import ANY

import pytest

from homa_shared.calls.request import JobRequest
from homa_shared.model.records import State
from homa_shared.store import reads
from tests.commands.conftest import MODEL, Fleet, Invoke, write_rows

EMBED = "openai:text-embedding-3-small"


def asked_tiers(fleet: Fleet) -> set[object]:
    """Service tiers of the jobs that wait."""
    keys = fleet.store.keys
    waiting = fleet.store.run(reads.jobs(keys, state=State.QUEUED)).jobs
    requests = [fleet.store._client.get(keys.request(job.id)) for job in waiting]
    return {JobRequest.decode(request).params.get("service_tier") for request in requests}


def test_a_run_asks_for_it_in_each_row(fleet: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 3)
    run = ("run", "rows.jsonl", "-o", "out.jsonl", "--model", MODEL, "--detach", "--workers", "none")
    answer = invoke(fleet, *run, "--tier", "flex")
    assert (answer.exit_code, asked_tiers(fleet)) == (0, {"flex"}), answer.stderr


def test_one_question_and_vectors_are_served_by_the_usual_one(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 1)
    for command in (("ask", "Tell me", "--model", MODEL), ("embed", "rows.jsonl", "--model", EMBED)):
        answer = invoke(staffed, *command, "--tier", "standard")
        assert answer.exit_code == 0, answer.stderr
    refused = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--tier", "flex")
    assert (refused.exit_code, "it has no flex tier for embeddings" in refused.stderr) == (2, True)


def test_a_budget_holds_a_tier_with_a_price_and_no_other(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, "--tier", "flex", "--budget", "1")
    assert (answer.exit_code, answer.stderr) == (0, ANY), answer.stderr
    told = invoke(staffed, "costs", "--json")
    assert list(json.loads(told.stdout)["rows"][0]["tiers_usd"]) == ["flex"]
    answer = invoke(staffed, "ask", "Tell me", "--model", "openai:gpt-6.2-sol", "--budget", "1", "--tier", "priority")
    assert answer.exit_code == 0, answer.stderr
    answer = invoke(staffed, "ask", "Tell me", "--model", "openai:gpt-4-turbo", "--tier", "priority", "--budget", "1")
    assert (answer.exit_code, "gpt-4-turbo has no priority tier" in answer.stderr) == (2, True)


def test_a_run_with_a_budget_is_told_what_its_tier_may_cost(fleet: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 3)
    run = ("run", "rows.jsonl", "-o", "out.jsonl", "--model", MODEL, "--dry-run", "--json")
    costs = [
        json.loads(invoke(fleet, *run, "--tier", tier, "--budget", "1").stdout)["expected_usd"]
        for tier in ("standard", "flex", "priority")
    ]
    usual, flex, priority = map(float, costs)
    assert (flex / usual, priority / usual) == (pytest.approx(0.5), pytest.approx(2))
