"""One trace from the application, or from a request to the gateway, to the worker's last word, over processes."""

from __future__ import annotations

import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from homa import AsyncHoma
from homa_shared.model.ids import unique_id
from homa_shared.traces import Traces
from tests.steps.cell import HAIKU, MINI, Cell, until
from tests.traces.collector import Collector, Seen, of_memory
from tests.worker.processes import process, told

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sent_to(collector: Collector, share: str = "all") -> Mapping[str, str]:
    return {
        "HOMA_TRACES": share,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "HOMA_LEASE_S": "3",
    }


def only(spans: list[Seen]) -> Seen:
    (span,) = spans
    return span


async def test_a_job_is_one_trace_from_its_submission_to_its_end(
    cell: Cell, memory: InMemorySpanExporter, collector: Collector
) -> None:
    marker = unique_id()
    async with process(cell, "openai", **sent_to(collector)):
        async with AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa:
            asked = f"What is {marker}? [[say:It is {marker}-answered.]]"
            job = await homa.submit(asked, model=MINI, tenant="acme", max_tokens=77)
            reply = await job.result(timeout=30)
        await until(lambda: bool(collector.named("process openai")))
    created = only([of_memory(span) for span in memory.get_finished_spans()])
    attempt, call = only(collector.named("process openai")), only(collector.named("chat gpt-6-luna"))

    assert (created.name, created.kind) == ("create openai", "producer")
    assert (created.trace, created.span) == (attempt.trace, attempt.parent)
    assert (call.trace, call.parent) == (attempt.trace, attempt.span)
    assert (attempt.kind, call.kind, attempt.service) == ("consumer", "client", "homa-worker")
    assert attempt.seconds >= call.seconds > 0

    assert attempt.attributes["messaging.system"] == "homa"
    assert attempt.attributes["messaging.operation.type"] == "process"
    assert attempt.attributes["messaging.message.id"] == job.id == created.attributes["messaging.message.id"]
    assert attempt.attributes["homa.outcome"] == "succeeded"
    assert attempt.attributes["homa.tenant"] == "acme"
    assert reply.cost_usd is not None
    assert attempt.attributes["homa.cost_nano_usd"] == int(reply.cost_usd * 10**9) > 0

    said = call.attributes
    assert (said["gen_ai.operation.name"], said["gen_ai.provider.name"]) == ("chat", "openai")
    assert (said["gen_ai.request.model"], said["gen_ai.request.max_tokens"]) == ("gpt-6-luna", 77)
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert said["gen_ai.usage.input_tokens"] == reply.usage.input_tokens
    assert said["gen_ai.usage.output_tokens"] == reply.usage.output_tokens

    sent = b"".join(collector.raw)
    assert marker in reply.text
    assert marker.encode() not in sent
    assert b"sk-test-openai-secret" not in sent
    assert marker not in repr([span.attributes for span in memory.get_finished_spans()])


async def test_a_fallback_is_told_and_the_next_attempt_is_a_part_of_the_trace(
    cell: Cell, memory: InMemorySpanExporter, collector: Collector
) -> None:
    marker = unique_id()
    async with (
        process(cell, "openai", **sent_to(collector)),
        process(cell, "anthropic", **sent_to(collector)),
        AsyncHoma(settings=cell.settings(HOMA_TRACES="all")) as homa,
    ):
        job = await homa.submit(f"{marker} [[fault:404@openai]]", model=MINI, fallbacks=[HAIKU])
        await job.result(timeout=30)
        await until(lambda: bool(collector.named("process anthropic")) and bool(collector.named("process openai")))
    first, second = only(collector.named("process openai")), only(collector.named("process anthropic"))
    assert first.trace == second.trace
    assert first.failed
    assert not second.failed
    assert first.events["homa.rerouted"]["homa.target"] == HAIKU
    assert (first.attributes["homa.attempt"], second.attributes["homa.attempt"]) == (1, 2)
    failed = only(collector.named("chat gpt-6-luna"))
    assert failed.attributes["http.response.status_code"] == 404
    assert failed.failed
    assert failed.attributes["error.type"] == first.attributes["error.type"]
    assert marker.encode() not in b"".join(collector.raw)


async def test_the_gateway_s_request_is_the_parent_and_a_part_of_its_sender_s_trace(
    cell: Cell, collector: Collector
) -> None:
    import aiohttp

    command = [sys.executable, "-m", "homa.cli", "gateway", "--port", "0"]
    environment = os.environ | cell.environment(**sent_to(collector, "0.0001"))
    async with process(cell, "openai", **sent_to(collector, "0.0001")):
        gateway = await create_subprocess_exec(*command, env=environment, stderr=PIPE, cwd=cell.home)
        try:
            url = (await told(gateway, "gateway at ")).partition("gateway at ")[2].split()[0].rstrip(",")
            body = {"model": MINI, "messages": [{"role": "user", "content": "Hello"}]}
            async with aiohttp.ClientSession() as session:
                # 00: the sender does not trace this one.
                for header in (PARENT, PARENT[:-2] + "00", "no traceparent"):
                    answer = await session.post(
                        f"{url}/v1/chat/completions", json=body, headers={"traceparent": header}
                    )
                    assert answer.status == 200
            await until(lambda: bool(collector.named("chat gpt-6-luna")))
        finally:
            gateway.terminate()
            await gateway.communicate()
    served = only(collector.named("POST /v1/chat/completions"))
    created, attempt = only(collector.named("create openai")), only(collector.named("process openai"))
    assert (served.kind, served.trace, served.parent) == ("server", *PARENT.split("-")[1:3])
    assert served.service == "homa-gateway"
    assert (created.trace, created.parent) == (served.trace, served.span)
    assert (attempt.trace, attempt.parent) == (served.trace, created.span)


async def test_a_job_is_traced_as_its_application_s_trace_is(cell: Cell, memory: InMemorySpanExporter) -> None:
    await cell.worker(HOMA_TRACES="0.0001")
    traces = Traces(0.0001, "test")
    parent = traces.parent(PARENT)
    unsampled = traces.parent(PARENT[:-2] + "00")
    assert parent is not None
    assert unsampled is not None
    async with AsyncHoma(settings=cell.settings(HOMA_TRACES="0.0001")) as homa:
        with trace.use_span(trace.get_current_span(parent)):
            await (await homa.submit("one", model=MINI)).result(timeout=30)
            batch = await homa.submit_batch(["two", "three"], model=MINI)
            await batch.wait(timeout=30)
        with trace.use_span(trace.get_current_span(unsampled)):
            await (await homa.submit("four", model=MINI)).result(timeout=30)
    await until(lambda: len(memory.get_finished_spans()) >= 9)
    seen = [of_memory(span) for span in memory.get_finished_spans()]
    assert sorted(span.name.split()[0] for span in seen) == ["chat"] * 3 + ["create"] * 3 + ["process"] * 3
    assert {span.trace for span in seen} == {PARENT.split("-")[1]}
