"""Jobs that ask for OpenAI's Responses API: by workers, over several calls, and where a fallback has another API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from homa import AsyncHoma, JobFailed
from homa_shared.calls.reply import ITEMS
from homa_shared.calls.tools import tool
from homa_workers.simulator.dialects.anthropic import AnthropicDialect
from homa_workers.simulator.dialects.openai import OpenAIDialect
from homa_workers.simulator.wire import Prompt, Route
from tests.patience import PATIENCE_S
from tests.steps.cell import HAIKU, MINI, SHAPE, Cell

ULM = '[[tool:weather {"city": "Ulm"}]]'


class Heard:
    """What the simulated providers were asked: the API, and the body."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        for dialect in (OpenAIDialect, AnthropicDialect):
            self._listen(monkeypatch, dialect)

    def _listen(self, monkeypatch: pytest.MonkeyPatch, dialect: type[Any]) -> None:
        read = dialect.read

        def heard(own: Any, route: Route, body: Mapping[str, Any]) -> Prompt:
            self.calls.append((route.shape or dialect.kind, body))
            prompt: Prompt = read(own, route, body)
            return prompt

        monkeypatch.setattr(dialect, "read", heard)

    @property
    def apis(self) -> list[str]:
        return [api for api, _ in self.calls]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(monkeypatch)


@pytest.fixture
async def homa(cell: Cell) -> AsyncIterator[AsyncHoma]:
    async with AsyncHoma(settings=cell.settings()) as homa:
        yield homa


@pytest.fixture
def weather() -> None:
    @tool
    async def weather(city: str) -> str:
        """The weather of a city."""
        return f"{city}: 21 degrees"


async def test_only_a_job_that_asks_for_it_is_called_by_it(cell: Cell, homa: AsyncHoma, heard: Heard) -> None:
    await cell.worker()
    replies = [
        await (await homa.submit("Hello", model=MINI, max_tokens=50, **asked)).result(timeout=PATIENCE_S)
        for asked in ({}, {"api": "responses"}, {"api": "chat"})
    ]
    assert heard.apis == ["openai", "responses", "openai"]
    assert len({reply.text for reply in replies}) == 1
    assert {reply.cost_nano_usd for reply in replies} == {replies[0].cost_nano_usd}
    assert heard.calls[1][1]["store"] is False
    await cell.check_money(*[reply.job_id for reply in replies])


async def test_streams_schemas_and_batches_go_by_it_too(cell: Cell, homa: AsyncHoma, heard: Heard) -> None:
    await cell.worker()
    job = await homa.submit("Tell me", model=MINI, api="responses", stream=True, max_tokens=50)
    pieces = [str(piece) async for piece in job.stream()]
    assert "".join(pieces) == (await job.result(timeout=PATIENCE_S)).text
    parsed = (
        await (await homa.submit("Who?", model=MINI, api="responses", schema=SHAPE)).result(timeout=PATIENCE_S)
    ).parsed
    assert parsed.keys() == {"name", "age"}
    lines = ["Hello", {"prompt": "Hi", "api": "chat"}]
    batch = await homa.submit_batch(lines, model=MINI, max_tokens=50, api="responses")
    assert sum([line.ok async for line in batch.results()]) == 2
    assert sorted(heard.apis) == ["openai", "responses", "responses", "responses"]


@pytest.mark.usefixtures("weather")
async def test_reasoning_goes_on_from_step_to_step(cell: Cell, homa: AsyncHoma, heard: Heard) -> None:
    cell.simulator.configure(reasoning_tokens=5)
    await cell.worker()
    job = await homa.submit(ULM, model=MINI, api="responses", run_tools=["weather"], max_tokens=50)
    reply = await job.result(timeout=PATIENCE_S)
    assert reply.text
    assert heard.apis == ["responses", "responses"]
    asked, thought, called, told = heard.calls[1][1]["input"]
    assert asked == {"role": "user", "content": ULM}
    assert (thought["type"], bool(thought["encrypted_content"])) == ("reasoning", True)
    assert (called["type"], called["name"]) == ("function_call", "weather")
    assert told == {"type": "function_call_output", "call_id": called["call_id"], "output": "Ulm: 21 degrees"}
    await cell.check_money(job.id)


@pytest.mark.usefixtures("weather")
async def test_a_fallback_goes_on_by_its_own_api_without_what_it_cannot_read(
    cell: Cell, homa: AsyncHoma, heard: Heard
) -> None:
    cell.simulator.configure(reasoning_tokens=5)
    cell.simulator.script("ok", "401")
    await cell.worker("openai", "anthropic")
    job = await homa.submit(
        ULM,
        model=MINI,
        fallbacks=[HAIKU],
        api="responses",
        run_tools=["weather"],
        max_output_tokens=50,
        truncation="auto",
    )
    reply = await job.result(timeout=PATIENCE_S)
    assert f"{reply.provider}:{reply.model}" == HAIKU
    assert heard.apis == ["responses", "responses", "anthropic"]
    assert heard.calls[0][1]["truncation"] == "auto"
    asked = heard.calls[2][1]
    assert asked["max_tokens"] == 50
    assert not {"truncation", "max_output_tokens"} & asked.keys()
    said = asked["messages"][1]
    assert [block["type"] for block in said["content"]] == ["tool_use"]
    assert ITEMS not in str(asked)


async def test_what_the_api_refuses_ends_the_job_for_nothing(cell: Cell, homa: AsyncHoma, heard: Heard) -> None:
    await cell.worker()
    job = await homa.submit("Hello", model="openai:gpt-4.1", api="responses", stop=["."])
    with pytest.raises(JobFailed, match="no stop sequences"):
        await job.result(timeout=PATIENCE_S)
    assert heard.calls == []
    assert (await cell.view(job.id)).job.unresolved_nano_usd == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["cut", "drop", "silent_end", "stream_error", "truncated_json", "500"])
async def test_a_response_that_breaks_off_stays_within_what_the_ledger_says(
    cell: Cell, homa: AsyncHoma, fault: str, *, stream: bool
) -> None:
    cell.simulator.script(fault)
    await cell.worker()
    job = await homa.submit(
        "Tell me", model=MINI, api="responses", stream=stream, on_ambiguous="fail", max_attempts=1, max_tokens=50
    )
    with pytest.raises(JobFailed):
        await job.result(timeout=20)
    await cell.check_money(job.id, open_calls=True)
