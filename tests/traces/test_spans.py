"""What spans of an attempt tell: tools, streams, embeddings, errors; and which jobs have any."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import LogCapture

from homa import AsyncHoma
from homa_shared.calls import tools
from homa_shared.calls.encoded_request import traced
from homa_shared.calls.request import JobRequest
from homa_shared.calls.tools import tool
from homa_shared.model.errors import JobFailed, MissingExtra
from homa_shared.store.operation import read
from homa_shared.traces import Traces
from tests.steps.cell import EMBED, MINI, Cell, until
from tests.traces.collector import Seen, of_memory


def seen(memory: InMemorySpanExporter) -> dict[str, Seen]:
    return {span.name: of_memory(span) for span in memory.get_finished_spans()}


async def requests(cell: Cell) -> list[bytes]:
    """Requests in the store, which are there until their jobs have succeeded."""
    keys = await cell.store.run(read((("KEYS", f"{cell.keys.prefix}p:*"),), lambda told: list(told[0])))
    return [await cell.store.run(read((("GET", key),), lambda told: bytes(told[0]))) for key in keys]


async def test_a_tool_has_a_span_and_none_of_what_it_was_told(
    cell: Cell, memory: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_registered", {})

    @tool
    async def weather(city: str) -> str:
        """The weather."""
        return f"rain in {city}"

    @tool
    async def broken() -> str:
        """Never works."""
        raise ValueError("the secret of it")

    await cell.worker(HOMA_TRACES="all")
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa:
        asked = '[[tool:weather {"city": "Ulm"}]] [[tool:broken {}]]'
        await (await homa.submit(asked, model=MINI, run_tools=["weather", "broken"])).result(timeout=30)
    await until(lambda: "process openai" in seen(memory))
    found = seen(memory)
    ran, attempt = found["execute_tool weather"], found["process openai"]
    assert (ran.kind, ran.parent) == ("internal", attempt.span)
    assert ran.attributes["gen_ai.tool.name"] == "weather"
    assert ran.attributes["gen_ai.tool.call.id"]
    assert not ran.failed
    assert found["execute_tool broken"].failed
    assert attempt.attributes["homa.calls"] == 2
    assert not any(word in repr(found) for word in ("Ulm", "rain", "the secret of it"))


async def test_embeddings_and_streams_have_theirs(cell: Cell, memory: InMemorySpanExporter) -> None:
    await cell.worker(HOMA_TRACES="all")
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa:
        await homa.embed(["one", "two"], model=EMBED)
        pieces = [piece async for piece in homa.stream("Hello", model=MINI)]
    await until(lambda: {"chat gpt-6-luna", "embeddings text-embedding-3-small"} <= seen(memory).keys())
    found = seen(memory)
    embedded = found["embeddings text-embedding-3-small"].attributes
    assert (embedded["gen_ai.operation.name"], embedded["homa.texts"]) == ("embeddings", 2)
    assert embedded["gen_ai.usage.input_tokens"] > 0
    streamed = found["chat gpt-6-luna"].attributes
    assert pieces
    assert streamed["gen_ai.request.stream"] is True
    assert 0 <= streamed["gen_ai.response.time_to_first_chunk"] < 30


async def test_a_failed_job_s_span_has_its_kind_of_error_and_not_its_words(
    cell: Cell, memory: InMemorySpanExporter
) -> None:
    await cell.worker(HOMA_TRACES="all")
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa:
        with pytest.raises(JobFailed) as failed:
            await (await homa.submit("[[fault:400]]", model=MINI)).result(timeout=30)
    await until(lambda: "process openai" in seen(memory))
    attempt = seen(memory)["process openai"]
    assert attempt.failed
    assert (attempt.attributes["homa.outcome"], attempt.attributes["error.type"]) == ("failed", "invalid_request")
    said = failed.value.attempts[-1].error
    assert said
    assert said not in repr(seen(memory))


async def test_a_share_of_the_jobs_has_a_context_and_the_others_have_none(
    cell: Cell, memory: InMemorySpanExporter
) -> None:
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="0.25")) as homa:
        await homa.submit_batch([f"prompt {number}" for number in range(400)], model=MINI)
    stored = list(map(orjson.loads, await requests(cell)))
    having = [request["trace"] for request in stored if "trace" in request]
    assert len(stored) == 400
    assert 50 < len(having) < 160
    assert len({context[3:35] for context in having}) == len(having) == len(memory.get_finished_spans())


async def test_nothing_is_stored_where_none_is_traced(cell: Cell) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        await homa.submit("Hello", model=MINI)
    (request,) = await requests(cell)
    assert "trace" not in orjson.loads(request)


# redis-py looks for OpenTelemetry's metrics by itself, wherever they are installed.
def test_nothing_that_makes_spans_is_loaded_where_no_job_is_traced() -> None:
    code = (
        "import sys, homa, homa.gateway.app, homa_workers.process.main, homa_workers.process.build\n"
        "which = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(which)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_lines_of_attempts_bear_the_trace(cell: Cell, memory: InMemorySpanExporter) -> None:
    capture = LogCapture()
    structlog.reset_defaults()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    await cell.worker(HOMA_TRACES="all", HOMA_LOG_LEVEL="debug")
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa:
        await (await homa.submit("Hello", model=MINI)).result(timeout=30)
    await until(lambda: "process openai" in seen(memory))
    lines: list[Any] = [line for line in capture.entries if line["event"] in ("attempt.succeeded", "call.returned")]
    assert len(lines) == 2
    assert {line["trace_id"] for line in lines} == {seen(memory)["process openai"].trace}


async def test_a_context_that_cannot_be_read_makes_no_spans_and_breaks_nothing(
    cell: Cell, memory: InMemorySpanExporter
) -> None:
    await cell.worker(HOMA_TRACES="all")
    broken = [f"00-{'0' * 32}-{'1' * 16}-01", "00-xyz", f"00-{'g' * 32}-{'1' * 16}-01"]
    assert [Traces(1.0, "test").parent(text) for text in broken] == [None] * 3
    job = await cell.ask("Hello")
    await cell.ended(job)
    assert seen(memory) == {}


def test_a_request_keeps_its_context_however_it_is_encoded() -> None:
    plain = JobRequest([{"role": "user", "content": "Hello"}])
    context = f"00-{'a' * 32}-{'b' * 16}-01"
    assert JobRequest.decode(traced(plain.encode(), context)).trace == context
    again = JobRequest.decode(JobRequest.decode(traced(plain.encode(), context)).encode())
    assert again.trace == context
    assert JobRequest.decode(plain.encode()).trace == ""


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"homa-queue\[otel\]"):
        Traces(1.0, "test")
