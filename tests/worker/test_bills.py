"""The ledger says what the provider's bill says: tiers, speed, place, searches, caches, oddly told usage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.calls.request import JobRequest, Option
from homa_shared.model.records import State
from homa_shared.settings import published
from homa_shared.store import reads
from homa_shared.store.transitions.submit import Common, Entry, submit
from homa_workers.simulator.prices import PriceList
from homa_workers.simulator.wire import Service
from tests.worker.cell import BOUND, HAIKU, MINI, Cell, reply_of

SOL, OPUS, ARGON, NOVA = (
    "openai:gpt-5.6-sol",
    "anthropic:claude-opus-5-5",
    "gemini:gemini-4-argon",
    "bedrock:amazon.nova-pro-v1:0",
)
GEMINI = {"HOMA_PROVIDERS__GEMINI__API_KEY": "sk-gemini"}
LONG = "A long text that begins all of these prompts. " * 400
MARKED = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def elsewhere(cell: Cell) -> dict[str, str]:
    return GEMINI | {"HOMA_PROVIDERS__GEMINI__BASE_URL": f"{cell.simulator.url}/gemini"}


async def run(
    cell: Cell, target: str, *, stream: bool, content: Any = "Hello", api: str = "", **params: Any
) -> tuple[Any, dict[str, Any]]:
    """A job and its reply, at a worker of its provider's."""
    worker = await cell.worker(target.partition(":")[0], **elsewhere(cell))
    await worker._book.ensure_plans([target])  # type: ignore[union-attr]
    asked = {"max_tokens": 300, **params}
    extra = {"api": api} if api else {}
    request = JobRequest([{"role": "user", "content": content}], asked, (Option(target, BOUND),), stream, **extra)
    entry = Entry("job", request.encode(), bound=BOUND)
    await cell.store.run(submit(cell.keys, Common(target.partition(":")[0], "default", target), [entry]))
    view = await cell.ended("job")
    assert view.job.state is State.SUCCEEDED, view
    return view, reply_of(view)


TOKENS = {"input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"}
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@WAYS
@pytest.mark.parametrize(
    ("target", "params", "terms"),
    [
        (MINI, {"service_tier": "flex"}, "flex"),
        (MINI, {"service_tier": "priority"}, "priority"),
        (MINI, {"service_tier": "default"}, ""),
        (MINI, {"service_tier": "auto"}, ""),
        (SOL, {"service_tier": "priority", "api": "responses"}, "priority"),
        ("openai:gpt-6-sol", {"service_tier": "priority"}, "priority"),
        (OPUS, {"speed": "fast"}, "fast"),
        (OPUS, {"speed": "fast", "inference_geo": "us"}, "fast+us"),
        (HAIKU, {"inference_geo": "us"}, "us"),
    ],
)
async def test_what_it_is_served_on(cell: Cell, target: str, params: dict[str, Any], terms: str, stream: bool) -> None:
    view, reply = await run(cell, target, stream=stream, **params)
    assert reply["cost_nano"] == view.job.cost_nano_usd == cell.bill_nano() > 0
    assert (view.job.unresolved_nano_usd, cell.simulator.bill.total.unpriced_requests) == (0, 0)
    assert (reply.get("terms", ""), view.attempts[-1].terms) == (terms, terms)
    assert set(reply["usage"]) == TOKENS, "clients of earlier releases know no other names"
    (row,) = (await cell.store.run(reads.costs(cell.keys))).rows
    assert row.terms_nano_usd == ({terms: cell.bill_nano()} if terms else {})


@WAYS
@pytest.mark.parametrize(
    ("target", "tier"), [(ARGON, "flex"), (ARGON, "priority"), (MINI, "scale"), (HAIKU, "priority")]
)
async def test_what_no_list_prices_for_the_bill_is_not_booked_as_standard(
    cell: Cell, target: str, tier: str, stream: bool
) -> None:
    """The simulator bills by genai-prices alone; what the profile of a kind knows beside it is priced by the ledger."""
    cell.simulator.configure(served_tier=tier)
    view, reply = await run(cell, target, stream=stream)
    assert cell.simulator.bill.total.unpriced_requests == 1
    assert (reply["cost_nano"] is None) is (target != ARGON)
    assert reply["terms"] == view.attempts[-1].terms == tier


@WAYS
async def test_a_tier_that_turns_out_to_be_the_standard_one(cell: Cell, stream: bool) -> None:
    cell.simulator.configure(served_tier="default")
    view, reply = await run(cell, MINI, stream=stream, service_tier="priority")
    assert view.job.cost_nano_usd == cell.bill_nano() > 0
    assert "terms" not in reply


@pytest.fixture
def here_is_a_region(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated provider is a server of data residency, for the ledger and for the bill."""
    monkeypatch.setattr(published, "_endpoint", lambda url: "https://eu.api.openai.com")
    cell.simulator.configure(regional=True)


@WAYS
@pytest.mark.usefixtures("here_is_a_region")
@pytest.mark.parametrize(
    ("target", "params", "factor"),
    [
        ("openai:gpt-6-luna", {}, Decimal("1.1")),
        ("openai:gpt-6-luna", {"service_tier": "priority"}, Decimal("1.1")),
        (SOL, {"api": "responses"}, Decimal("1.1")),
        ("openai:gpt-4.1-mini", {}, 1),
    ],
)
async def test_a_server_of_a_region_costs_what_the_bill_says(
    cell: Cell, target: str, params: dict[str, Any], factor: Decimal, stream: bool
) -> None:
    view, reply = await run(cell, target, stream=stream, **params)
    assert reply["cost_nano"] == view.job.cost_nano_usd == cell.bill_nano() > 0
    listed = PriceList({}).price(
        "openai", "openai", target.partition(":")[2], Service(tier=params.get("service_tier", ""))
    )
    told = {name: count for name, count in reply["usage"].items() if name in TOKENS}
    assert listed is not None
    assert cell.bill_nano() == pytest.approx(listed(Usage(**told)) * factor, abs=2)


@WAYS
@pytest.mark.parametrize("target", [HAIKU, ARGON, SOL])
async def test_searches_are_billed(cell: Cell, target: str, stream: bool) -> None:
    api = {"api": "responses"} if target == SOL else {}
    view, reply = await run(cell, target, stream=stream, content="Look it up [[search:5]]", **api)
    assert reply["cost_nano"] == view.job.cost_nano_usd == cell.bill_nano() > 50_000_000
    assert reply["fees"] == view.attempts[-1].fees == {"web_searches": 5}
    (row,) = (await cell.store.run(reads.costs(cell.keys))).rows
    assert row.fees == {"web_searches": 5}


@WAYS
async def test_what_a_cache_keeps_for_an_hour_costs_more(cell: Cell, stream: bool) -> None:
    view, _ = await run(cell, HAIKU, stream=stream, content=[*MARKED, {"type": "text", "text": "Hello"}])
    (line,) = await cell.ledger()
    written = cell.simulator.bill.total.cache_write_tokens
    assert view.job.cost_nano_usd == cell.bill_nano() > 0
    # Haiku 5.5: ten cents for a million tokens, twenty for those that are kept for an hour.
    assert (written > 4096, line.cache_saved_nano_usd) == (True, -written * 100)


@WAYS
@pytest.mark.parametrize("told", ["beside", "in_choice", "every_chunk"])
async def test_a_usage_that_is_told_in_another_way(cell: Cell, told: str, stream: bool) -> None:
    cell.simulator.configure(usage=told, reasoning_tokens=200)
    view, _ = await run(cell, MINI, stream=stream)
    assert view.job.cost_nano_usd == cell.bill_nano() > 200 * 500
    assert view.job.unresolved_nano_usd == 0


@WAYS
async def test_a_usage_that_is_not_believed_leaves_the_cost_open_and_the_answer_good(cell: Cell, stream: bool) -> None:
    cell.simulator.configure(usage="texts")
    view, reply = await run(cell, MINI, stream=stream)
    assert (view.job.cost_nano_usd, view.job.unresolved_nano_usd) == (0, BOUND)
    assert reply["body"]["choices"][0]["message"]["content"]
    assert cell.simulator.stats.received == 1
