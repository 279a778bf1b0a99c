"""Embeddings: one job of many texts, split to the provider's limits, each part paid once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.embeddings import pack, unpack
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.limits import Limits
from homa_shared.model.records import State
from homa_shared.model.targets import Target
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.plan import TargetPlan, plan
from homa_shared.settings.fleet import Fleet
from homa_workers.simulator.replies import embedding as simulated
from tests.steps.cell import EMBED, HAIKU, Cell, keep_tokens_to_itself, reply_of, take_texts, until

LARGE = "openai:text-embedding-3-large"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI takes three texts a call."""
    take_texts(monkeypatch, "openai", 3)


def vectors_of(reply: dict[str, Any]) -> list[list[float]]:
    data = reply["body"]["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return [unpack(item["embedding"]) for item in data]


def is_of(vector: list[float], text: str, width: int = 1536) -> bool:
    return vector == pytest.approx(simulated(text, width), abs=1e-6)


TEXTS = [f"text number {n}" for n in range(8)]


async def test_vectors_come_in_the_order_of_their_texts(cell: Cell, few: None) -> None:
    await cell.worker()
    view = await cell.ended(await cell.embed(TEXTS))
    reply = reply_of(view)
    assert all(is_of(vector, text) for vector, text in zip(vectors_of(reply), TEXTS, strict=True))
    assert cell.simulator.stats.received == 3
    assert reply["steps"] == 3
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "step", "succeeded"]


async def test_usage_and_cost_of_all_parts_are_added_up(cell: Cell, few: None) -> None:
    await cell.worker()
    job = await cell.embed(TEXTS)
    reply = reply_of(await cell.ended(job))
    lines = await cell.ledger()
    assert reply["usage"]["input_tokens"] == sum(line.input_tokens for line in lines)
    assert reply["body"]["usage"]["prompt_tokens"] == reply["usage"]["input_tokens"]
    assert reply["cost_nano"] + reply["prior_nano"] == cell.bill_nano()
    await cell.check_money(job)


async def test_a_part_that_fails_is_tried_again_by_itself(cell: Cell, few: None) -> None:
    await cell.worker()
    cell.simulator.script("ok", "429", "ok")
    job = await cell.embed(TEXTS)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert all(is_of(v, text) for v, text in zip(vectors_of(reply_of(view)), TEXTS, strict=True))
    assert cell.simulator.stats.received == 4, "three parts, one of them twice"
    await cell.check_money(job)


async def test_a_worker_that_is_lost_takes_only_its_part_with_it(cell: Cell, few: None) -> None:
    first = await cell.worker()
    cell.simulator.script("ok", "hang")
    job = await cell.embed(TEXTS)
    await until(lambda: cell.simulator.stats.received == 2)
    first.drain()
    await cell.lose(job)
    await cell.worker()
    view = await cell.ended(job)
    assert all(is_of(v, text) for v, text in zip(vectors_of(reply_of(view)), TEXTS, strict=True))
    assert cell.simulator.stats.received == 4
    await cell.check_money(job, open_calls=True)
    first.stop_now()


async def test_vectors_of_two_models_do_not_mix(cell: Cell, few: None) -> None:
    await cell.worker()
    cell.simulator.script("ok", "404")
    job = await cell.embed(TEXTS, targets=(EMBED, LARGE))
    view = await cell.ended(job)
    vectors = vectors_of(reply_of(view))
    assert all(is_of(vector, text, 3072) for vector, text in zip(vectors, TEXTS, strict=True))
    await cell.check_money(job)


async def test_parts_whose_tokens_nobody_tells_stand_open_at_their_bounds(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_texts(monkeypatch, "gemini", 3)
    keep_tokens_to_itself(monkeypatch)
    target = "gemini:gemini-embedding-001"
    gemini = {"API_KEY": "k", "BASE_URL": f"{cell.simulator.url}/gemini"}
    await cell.worker("gemini", **{f"HOMA_PROVIDERS__GEMINI__{name}": value for name, value in gemini.items()})
    job = await cell.embed(TEXTS, targets=(target,))
    view = await cell.ended(job)
    assert len(vectors_of(reply_of(view))) == len(TEXTS)
    assert view.job.cost_nano_usd == 0
    lines = await cell.ledger()
    assert [line.unresolved_nano_usd > 0 for line in lines] == [True] * 3
    (attempt,) = view.attempts
    assert attempt.unresolved_nano_usd == view.job.unresolved_nano_usd == sum(x.unresolved_nano_usd for x in lines)


async def test_anthropic_has_no_embeddings(cell: Cell) -> None:
    await cell.worker("anthropic")
    view = await cell.ended(await cell.embed(["a"], targets=(HAIKU,)))
    assert view.job.state is State.FAILED
    assert "no embeddings" in reply_of(view)["error"]["message"]
    assert cell.simulator.stats.received == 0


async def test_nothing_to_embed_is_refused(cell: Cell) -> None:
    await cell.worker()
    view = await cell.ended(await cell.embed([]))
    assert reply_of(view)["error"]["kind"] == "invalid_request"


def plan_of(kind: str, model: str = "m", **limits: int) -> TargetPlan:
    fleet = Fleet.model_validate({"providers": {"p": {"kind": kind}}})
    return replace(plan(fleet, Target("p", model)), limits=Limits(**limits))


@pytest.mark.parametrize(
    ("kind", "model", "most"),
    [
        ("openai", "m", 2048),
        ("gemini", "m", 100),
        ("cohere", "m", 96),
        ("bedrock", "cohere.embed", 96),
        ("bedrock", "t", 1),
    ],
)
def test_a_call_takes_as_many_texts_as_its_provider_does(kind: str, model: str, most: int) -> None:
    texts = ["a"] * 5000
    assert first_part(texts, plan_of(kind, model)) == most
    assert first_part(texts, plan_of(kind, model), start=4999) == 5000


def test_a_call_takes_no_more_tokens_than_its_provider_and_its_limits_do() -> None:
    texts = ["x" * 3000] * 1000
    most = first_part(texts, plan_of("openai"))
    assert 300_000 * 0.9 < most * 1001 <= 300_000
    assert first_part(texts, plan_of("openai", tpm=10_000)) == 9


def test_a_text_too_long_for_any_call_goes_by_itself() -> None:
    assert first_part(["x" * 10_000_000, "y"], plan_of("openai")) == 1


def test_vectors_survive_their_text() -> None:
    assert unpack(pack([0.5, -1.25, 0.0])) == [0.5, -1.25, 0.0]


@pytest.mark.parametrize("text", ["not base64!", "YWI="])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no vector"):
        unpack(text)
