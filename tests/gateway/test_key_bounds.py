"""What a key may spend, and how fast: its budget, its rate, and what headers tell of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

from homa_shared.model.money import parse_usd
from homa_shared.store import reads
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_shared.store.transitions.gateway_rates import admit_key, settle_key
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, DEFAULTS, MODEL, Cell, cell_at
from tests.gateway.test_batches import create, ended, line, rows
from tests.gateway.test_keys import homa

ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


def make(cell: Cell, **bounds: Any) -> tuple[str, str]:
    """Id and text of a tenant's key."""
    key, shown = new_key(Role.TENANT, "acme", (), "", **bounds)
    cell.store.run(put_key(cell.store.keys, key))
    return key.id, shown


@pytest.fixture(scope="module")
def module_keyed(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cell]:
    with cell_at(session_store_url, simulator, tmp_path_factory.mktemp("keyed")) as cell:
        make(cell)
        cell.start_worker("openai", "anthropic")
        cell.start_gateway()
        yield cell


@pytest.fixture
def keyed(module_keyed: Cell) -> Iterator[Cell]:
    module_keyed.simulator.configure(**DEFAULTS)
    yield module_keyed
    module_keyed.close_clients()


def test_a_key_is_made_and_listed_with_its_bounds(bare_cell: Cell) -> None:
    asked = ("--tenant", "acme", "--budget", "5/month", "--rpm", "60", "--tpm", "9000", "--models", "openai:*,claude")
    made = json.loads(homa(bare_cell, "keys", "create", *asked, "--json").stdout)
    plain = json.loads(homa(bare_cell, "keys", "create", "--tenant", "acme", "--json").stdout)
    listed = json.loads(homa(bare_cell, "keys", "list", "--json").stdout)["keys"]
    rows = {row["id"]: row for row in listed}
    bounds = ("models", "budget_usd", "budget_period", "rpm", "tpm")
    assert [rows[made["id"]][name] for name in bounds] == [["openai:*", "claude"], "5.00", "month", 60, 9000]
    assert [rows[plain["id"]][name] for name in bounds] == [[], None, None, None, None]
    shown = homa(bare_cell, "keys", "list").stdout
    assert all(word in shown for word in ("openai:*, claude", "$5.00/month", "60", "9,000"))


@pytest.mark.parametrize(
    "wrong", [("--budget", "5/week"), ("--budget", "-1"), ("--budget", "much"), ("--rpm", "0"), ("--models", ",")]
)
def test_bounds_that_mean_nothing_are_refused_by_name(bare_cell: Cell, wrong: tuple[str, str]) -> None:
    refused = homa(bare_cell, "keys", "create", "--tenant", "acme", *wrong)
    assert refused.returncode == 2
    assert wrong[0] in refused.stderr


def test_a_key_spends_its_own_budget_and_is_refused_before_the_call(keyed: Cell) -> None:
    key, shown = make(keyed, cap_nano_usd=parse_usd("0.005"), period="month")
    _, free = make(keyed)
    client = keyed.openai(shown)
    first = client.chat.completions.with_raw_response.create(**ASK)
    cost = Decimal(first.headers["x-homa-cost-usd"])
    rows = [row for row in keyed.store.run(reads.budgets(keyed.store.keys)) if row.instance.startswith(f"key:{key}~")]
    assert [row.spent_nano_usd for row in rows] == [parse_usd(cost)]
    billed = keyed.billed()
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**{**ASK, "max_tokens": 5000})
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(anthropic.APIStatusError) as told:
        keyed.anthropic(shown).messages.create(model=CLAUDE, max_tokens=20_000, messages=ASK["messages"])
    assert told.value.body["error"]["type"] == "billing_error"  # type: ignore[index, call-overload]
    assert keyed.billed() == billed
    # Another key of the same tenant has none.
    assert keyed.openai(free).chat.completions.create(**{**ASK, "max_tokens": 5000}).choices
    assert client.chat.completions.create(**ASK).choices


def test_a_retried_job_spends_the_same_budget(keyed: Cell) -> None:
    key, shown = make(keyed, cap_nano_usd=parse_usd("1"))
    keyed.simulator.configure(faults={"invalid": 1.0})
    with pytest.raises(openai.BadRequestError) as failed:
        keyed.openai(shown).chat.completions.create(**ASK)
    keyed.simulator.configure(faults={})
    assert homa(keyed, "jobs", "retry", failed.value.response.headers["x-homa-job"]).returncode == 0

    def spent() -> int:
        rows = keyed.store.run(reads.budgets(keyed.store.keys))
        return sum(row.spent_nano_usd for row in rows if row.instance == f"key:{key}")

    eventually(lambda: spent() > 0)


def test_requests_beyond_the_rate_are_told_when_to_come_again(keyed: Cell) -> None:
    _, shown = make(keyed, rpm=60)
    client = keyed.openai(shown)
    told = [client.chat.completions.with_raw_response.create(**ASK).headers for _ in range(2)]
    assert told[0]["x-ratelimit-limit-requests"] == "60"
    assert int(told[1]["x-ratelimit-remaining-requests"]) < int(told[0]["x-ratelimit-remaining-requests"]) < 60
    assert "x-ratelimit-limit-tokens" not in told[0]
    with pytest.raises(openai.RateLimitError) as refused:
        _hurry(client)
    headers = refused.value.response.headers
    assert refused.value.code == "rate_limit_exceeded"
    assert headers["retry-after"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-should-retry" not in headers
    time.sleep(int(headers["retry-after-ms"]) / 1000)
    assert client.chat.completions.create(**ASK).choices


def test_retries_count_as_requests(keyed: Cell) -> None:
    _, shown = make(keyed, rpm=1)
    keyed.simulator.configure(faults={"invalid": 1.0})
    with pytest.raises(openai.BadRequestError) as failed:
        keyed.openai(shown).chat.completions.create(**ASK)
    job = failed.value.response.headers["x-homa-job"]
    with pytest.raises(openai.RateLimitError):
        keyed.openai(shown).post(f"/jobs/{job}/retry", cast_to=dict[str, Any])


def _hurry(client: openai.OpenAI) -> None:
    for _ in range(500):
        client.chat.completions.create(**ASK)


def test_a_rate_is_counted_whichever_gateway_answers(keyed: Cell) -> None:
    _, shown = make(keyed, rpm=2)
    for _ in range(2):
        keyed.openai(shown).chat.completions.create(**ASK)
    keyed.close_clients()
    keyed.stop_gateway()
    keyed.start_gateway()
    with pytest.raises(openai.RateLimitError) as refused:
        keyed.openai(shown).chat.completions.create(**ASK)
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 30


def test_anthropics_clients_are_told_in_their_own_headers(keyed: Cell) -> None:
    _, shown = make(keyed, rpm=1, tpm=100_000)
    client = keyed.anthropic(shown)
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 20, "messages": ASK["messages"]}
    told = client.messages.with_raw_response.create(**ask).headers
    assert told["anthropic-ratelimit-requests-limit"] == "1"
    assert told["anthropic-ratelimit-requests-remaining"] == "0"
    reset = datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"])
    assert 50 < (reset - datetime.now(UTC)).total_seconds() <= 61
    with pytest.raises(anthropic.RateLimitError) as refused:
        client.messages.create(**ask)
    assert 50 < int(refused.value.response.headers["retry-after"]) <= 60


def test_without_a_rate_no_header_tells_of_one(keyed: Cell) -> None:
    _, shown = make(keyed)
    told = keyed.openai(shown).chat.completions.with_raw_response.create(**ASK).headers
    assert not [name for name in told if "ratelimit" in name]


def test_tokens_count_as_they_were_taken(keyed: Cell) -> None:
    _, shown = make(keyed, tpm=3000)
    client = keyed.openai(shown)
    client.chat.completions.create(**ASK)  # answers of 20 tokens are expected from now on
    keyed.simulator.configure(reply="words", output_tokens=1500)
    first = client.chat.completions.with_raw_response.create(**{**ASK, "max_tokens": 1500})
    taken = first.parse().usage.total_tokens  # type: ignore[union-attr]
    assert taken > 1500
    assert int(first.headers["x-ratelimit-remaining-tokens"]) > 1500
    with client.chat.completions.create(**ASK, stream=True) as stream:
        assert int(stream.response.headers["x-ratelimit-remaining-tokens"]) < 1600
        assert list(stream)
    reset = client.chat.completions.with_raw_response.create(**ASK).headers["x-ratelimit-reset-tokens"]
    assert re.fullmatch(r"[1-5]?[0-9](\.[0-9]+)?s", reset)


def test_a_request_that_was_answered_before_takes_no_tokens(keyed: Cell) -> None:
    key_id, shown = make(keyed, tpm=6000)
    client, headers = keyed.openai(shown), {"idempotency-key": "once"}
    client.chat.completions.create(**ASK)  # answers of 20 tokens are expected from now on
    keyed.simulator.configure(reply="words", output_tokens=1500)
    ask = {**ASK, "max_tokens": 1500}
    taken = [client.chat.completions.create(**ask, extra_headers=headers).usage for _ in range(3)]
    with client.chat.completions.create(**ask, extra_headers=headers, stream=True) as stream:
        assert list(stream)
    key, _ = new_key(Role.TENANT, "acme", (), "", tpm=6000)
    left = keyed.store.run(admit_key(keyed.store.keys, replace(key, id=key_id), 0)).tokens
    assert left is not None
    assert left.left >= 6000 - taken[0].total_tokens - 100  # type: ignore[union-attr]


def test_a_request_larger_than_a_minutes_tokens_waits_for_all_of_them(bare_cell: Cell) -> None:
    key, _ = new_key(Role.TENANT, "acme", (), "", tpm=1000)
    keys, run = bare_cell.store.keys, bare_cell.store.run
    first = run(admit_key(keys, key, 50_000))
    assert (first.wait_ms, first.tokens_counted) == (0, 1000)
    assert 59_000 < run(admit_key(keys, key, 50_000)).wait_ms <= 60_000
    run(settle_key(keys, key, first, 400))
    assert run(admit_key(keys, key, 590)).wait_ms == 0


def test_lines_of_a_batch_file_spend_the_keys_budget_and_the_batch_counts_once(keyed: Cell) -> None:
    key, shown = make(keyed, cap_nano_usd=parse_usd("0.005"), rpm=2)
    client = keyed.openai(shown)
    dear: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5000}
    batch = ended(client, create(client, [line("cheap"), line("dear", **dear)]))
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    error = rows(client, batch.error_file_id)["dear"]["response"]["body"]["error"]
    assert f"key:{key}" in error["message"]
    spent = [row.spent_nano_usd for row in keyed.store.run(reads.budgets(keyed.store.keys)) if key in row.instance]
    assert [amount > 0 for amount in spent] == [True]
    create(client, [line("again")])
    with pytest.raises(openai.RateLimitError):
        create(client, [line("more")])
