"""The client's side: tools and schemas as Python knows them, vectors in a list."""

from __future__ import annotations

import asyncio
from typing import Any

import pydantic
import pytest

from homa import AsyncHoma, Embedded, Homa, InvalidRequest, tool
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias
from homa_shared.store import reads
from homa_workers.simulator.replies import embedding as simulated
from tests.steps.cell import EMBED, HAIKU, MINI, Cell, take_texts, until


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture
async def homa(cell: Cell) -> Any:
    async with AsyncHoma(settings=cell.settings()) as client:
        yield client


async def test_a_model_asks_for_tools_of_the_worker_and_answers_as_an_object(cell: Cell, homa: AsyncHoma) -> None:
    asked = []

    @tool
    def look_up(name: str) -> str:
        """Finds a person."""
        asked.append(name)
        return "36 years old"

    await cell.worker()
    prompt = '[[tool:look_up {"name": "Ada"}]]'
    job = await homa.submit(prompt, model=MINI, schema=Person, run_tools=[look_up], budget_usd="0.10")
    reply = await job.result(30)
    assert isinstance(reply.parsed, Person)
    assert asked == ["Ada"]
    assert reply.cost_nano_usd == cell.bill_nano()


async def test_a_typed_function_is_a_tool_for_the_caller(cell: Cell, homa: AsyncHoma) -> None:
    def mine(a: int) -> None:
        """Mine to run."""

    await cell.worker()
    reply = await (await homa.submit('[[tool:mine {"a": 1}]]', model=MINI, tools=[mine])).result(30)
    assert [call["function"]["name"] for call in reply.tool_calls] == ["mine"]


def test_definitions_and_rules_stand_in_the_request() -> None:
    def mine(a: int) -> None:
        """Mine to run."""

    @tool
    def theirs(b: str) -> str:
        return b

    options = check_options(
        {"model": MINI, "tools": [mine], "run_tools": [theirs, "named"], "max_steps": 4, "content_retries": 0}
    )
    assert [definition["function"]["name"] for definition in options.params["tools"]] == ["mine", "theirs"]
    assert options.steps.tools == ("named", "theirs")
    assert (options.steps.max_steps, options.steps.content_retries) == (4, 0)


def test_a_target_without_tools_is_passed_over_also_where_tools_are_known_by_name_only() -> None:
    blunt = ModelAlias(target="ollama:llama3", capabilities=("schema",))
    providers = {kind: FleetProvider(kind=kind) for kind in ("ollama", "openai")}
    view = FleetView(Fleet(providers=providers, models={"blunt": blunt}))
    prepared = Prepared.of([{"role": "user", "content": "Hi"}])
    asked = {"model": "blunt", "run_tools": ["weather"]}
    template, skipped = Template(view, check_options(asked | {"fallbacks": [MINI]})).fit(prepared)
    assert template.targets == [MINI]
    assert skipped == (("ollama:llama3", "it takes no tools"),)
    with pytest.raises(InvalidRequest, match="ollama:llama3 cannot do this job: it takes no tools"):
        Template(view, check_options(asked)).fit(prepared)
    assert Template(view, check_options({"model": "blunt"})).fit(prepared)[1] == ()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"tools": "weather"}, "tools"),
        ({"tools": [3]}, "tools"),
        ({"tools": [lambda x: x]}, "tool name"),
        ({"run_tools": "weather"}, "run_tools"),
        ({"max_steps": 0}, "max_steps"),
        ({"content_retries": -1}, "content_retries"),
        ({"content_retries": False}, "content_retries"),
    ],
)
def test_what_is_no_tool_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        check_options({"model": MINI, **arguments})


async def test_vectors_come_as_a_list(cell: Cell, homa: AsyncHoma, monkeypatch: pytest.MonkeyPatch) -> None:
    take_texts(monkeypatch, "openai", 2)
    await cell.worker()
    found = await homa.embed(["a", "b", "c"], model=EMBED, tags={"team": "a"})
    assert isinstance(found, Embedded)
    assert len(found) == 3
    assert found[2] == pytest.approx(simulated("c", 1536), abs=1e-6)
    assert [vector[0] for vector in found] == [vector[0] for vector in found.vectors]
    assert (found.provider, found.model) == tuple(EMBED.split(":"))
    assert found.usage.input_tokens > 0
    assert found.reply.cost_nano_usd == cell.bill_nano()


async def test_the_sync_client_embeds_too(cell: Cell) -> None:
    await cell.worker()

    def embed() -> Embedded:
        with Homa(settings=cell.settings()) as client:
            return client.embed(["a"], model=EMBED, dimensions=8, timeout=30)

    assert len((await asyncio.to_thread(embed))[0]) == 8


async def test_equal_texts_are_embedded_once_where_the_cache_is_asked(cell: Cell, homa: AsyncHoma) -> None:
    await cell.worker()
    first = await homa.embed(["a", "b"], model=EMBED, cache=True)
    again = await homa.embed(["a", "b"], model=EMBED, cache=True)
    other = await homa.embed(["a", "c"], model=EMBED, cache=True)
    assert again.vectors == first.vectors
    assert again.reply.cached_from == first.job_id
    assert other.reply.cached_from is None


async def test_a_text_that_was_embedded_before_is_not_called_again(cell: Cell, homa: AsyncHoma) -> None:
    await cell.worker()
    first = await homa.embed(["a", "b"], model=EMBED, cache=True)

    async def kept() -> bool:
        return (await cell.store.run(reads.cache_stats(cell.keys)))["vectors"] == 2

    await until(kept)
    part = await homa.embed(["b", "c", "b"], model=EMBED, cache=True)
    assert (part.cached_texts, part.reply.cached) == (2, False)
    assert part[0] == part[2] == first[1]
    whole = await homa.embed(["b", "a"], model=EMBED, cache=True)
    assert (whole.cached_texts, whole.reply.cached, whole.reply.cached_from) == (2, True, None)
    assert (whole.reply.attempts, whole.cost_usd, whole.usage.input_tokens) == (0, 0, 0)
    same = await homa.embed(["b", "a"], model=EMBED, cache=True)
    assert (same.cached_texts, same.reply.cached_from) == (2, whole.job_id)
    assert cell.simulator.stats.received == 2


async def test_texts_are_cached_at_a_fallback_too(cell: Cell, homa: AsyncHoma) -> None:
    await cell.worker()
    large = "openai:text-embedding-3-large"
    cell.simulator.script("404")
    first = await homa.embed(["a", "b"], model=EMBED, fallbacks=[large], cache=True)
    assert first.model == "text-embedding-3-large"

    async def kept() -> bool:
        return (await cell.store.run(reads.cache_stats(cell.keys)))["vectors"] == 2

    await until(kept)
    found = await homa.embed(["b", "c"], model=large, cache=True)
    assert (found.cached_texts, found[0]) == (1, first[1])


async def test_an_alias_may_turn_the_cache_on(cell: Cell) -> None:
    settings = cell.settings(HOMA_MODELS__WORDS__TARGET=EMBED, HOMA_MODELS__WORDS__CACHE="true")
    await cell.worker(HOMA_MODELS__WORDS__TARGET=EMBED, HOMA_MODELS__WORDS__CACHE="true")
    async with AsyncHoma(settings=settings) as homa:
        found = await homa.embed(["a", "a", "a"], model="words")
    (line,) = await cell.ledger()
    (charge,) = cell.simulator.bill.charges()
    assert found[0] == found[1] == found[2]
    assert line.input_tokens == charge.input_tokens == found.usage.input_tokens

    async def kept() -> bool:
        return (await cell.store.run(reads.cache_stats(cell.keys)))["vectors"] == 1

    await until(kept)


async def test_a_key_names_one_job_of_embeddings(cell: Cell, homa: AsyncHoma) -> None:
    await cell.worker()
    first = await homa.embed(["a"], model=EMBED, key="k")
    assert (await homa.embed(["a"], model=EMBED, key="k")).job_id == first.job_id
    with pytest.raises(InvalidRequest, match="another request"):
        await homa.embed(["b"], model=EMBED, key="k")


@pytest.mark.parametrize(
    ("texts", "named"), [([], "texts"), ("text", "texts"), (["a", ""], r"texts\[1\]"), ([1], r"texts\[0\]")]
)
async def test_what_cannot_be_embedded_is_named(homa: AsyncHoma, texts: Any, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        await homa.embed(texts, model=EMBED)


async def test_a_provider_without_embeddings_is_refused_at_submit(homa: AsyncHoma) -> None:
    with pytest.raises(InvalidRequest, match="no embeddings"):
        await homa.embed(["a"], model=HAIKU)


async def test_an_argument_of_chat_is_refused(homa: AsyncHoma) -> None:
    with pytest.raises(InvalidRequest, match="temperature"):
        await homa.embed(["a"], model=EMBED, temperature=0.5)
