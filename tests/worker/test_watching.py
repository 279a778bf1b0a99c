"""What people see of a worker: a line an attempt, and Sentry for defects and dead jobs. Never a prompt or a key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from redis.exceptions import ResponseError
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from structlog.testing import LogCapture

from homa_shared.calls.reply import Usage
from homa_shared.model.money import parse_usd
from homa_shared.model.records import State
from homa_shared.store.operation import Op, read
from homa_workers.attempt import Spent
from homa_workers.observe import logs
from homa_workers.observe import sentry as alarms
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.in_flight import HeldLease
from tests.worker.cell import HAIKU, MINI, Cell, until
from tests.worker.test_retry import claim

SECRETS = ("the secret prompt", "sk-test")


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    capture = LogCapture()
    structlog.reset_defaults()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.reset_defaults()


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self.bytes = b""

    def capture_envelope(self, envelope: Envelope) -> None:
        self.bytes += envelope.serialize()
        event = envelope.get_event()
        if event is not None:
            self.sent.append(dict(event))


@pytest.fixture
def sentry() -> Iterator[Kept]:
    kept = Kept()
    alarms.start("https://public@sentry.invalid/1", worker="w1", release="1.2.3", transport=kept)
    yield kept
    alarms.flush()
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.init()


def attempts(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"].startswith("attempt.")]


async def test_each_attempt_is_one_line_with_its_facts(cell: Cell, lines: list[Any]) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("the secret prompt [[fault:404@openai]]", targets=(MINI, HAIKU))
    await cell.ended(job)
    await until(lambda: len(attempts(lines)) == 2)
    first, second = attempts(lines)
    assert (first["event"], first["error"], first["status"], first["to"]) == (
        *("attempt.rerouted", "model_not_found", 404, HAIKU),
    )
    assert (second["event"], second["job"], second["attempt"], second["target"]) == (
        *("attempt.succeeded", job, 2, HAIKU),
    )
    assert second["worker"].startswith("anthropic-")
    assert second["cost_usd"].startswith("0.00")
    assert second["input_tokens"] > 0
    assert not any(secret in str(lines) for secret in SECRETS)


async def test_the_line_of_a_job_of_several_calls_has_their_sums(cell: Cell, lines: list[Any]) -> None:
    await cell.worker()
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    job = await cell.submit("[[say:not a number]]", params={"max_tokens": 300, "response_format": schema})
    view = await cell.ended(job)
    await until(lambda: len(attempts(lines)) == 1)
    (line,) = attempts(lines)
    ledger = await cell.ledger()
    assert (line["event"], line["calls"], len(ledger)) == ("attempt.succeeded", 2, 2)
    assert line["input_tokens"] == sum(entry.input_tokens for entry in ledger)
    assert line["output_tokens"] == sum(entry.output_tokens for entry in ledger)
    assert parse_usd(line["cost_usd"]) == view.job.cost_nano_usd == cell.bill_nano()
    refused = await cell.submit("[[refuse]]", params={"max_tokens": 300, "response_format": schema})
    cost = (await cell.ended(refused)).job.cost_nano_usd
    await until(lambda: len(attempts(lines)) == 2)
    assert attempts(lines)[1]["event"] == "attempt.failed"
    assert parse_usd(attempts(lines)[1]["cost_usd"]) == cost > 0
    assert "calls" not in attempts(lines)[1]


async def test_a_step_without_a_known_price_leaves_the_sum_unknown() -> None:
    spent = Spent().and_reply(Usage(1, 2), 5).and_reply(Usage(10, 20), None).and_reply(Usage(), 7)
    assert (spent.calls, spent.usage, spent.nano) == (3, Usage(11, 22), None)


async def test_ends_are_told_by_their_state(cell: Cell, lines: list[Any]) -> None:
    await cell.worker()
    failed = await cell.submit("the secret prompt [[fault:400]]")
    deferred = await cell.submit("[[fault:503*1]]", batch=None)
    await cell.ended(failed)
    await cell.ended(deferred)
    await until(lambda: len(attempts(lines)) == 3)
    by_job = {(line["job"], line["attempt"]): line for line in attempts(lines)}
    assert (by_job[failed, 1]["event"], by_job[failed, 1]["log_level"]) == ("attempt.failed", "warning")
    assert by_job[deferred, 1]["event"] == "attempt.deferred"
    assert by_job[deferred, 1]["delay_ms"] > 0
    assert not any(secret in str(lines) for secret in SECRETS)


async def test_a_reply_whose_job_the_store_has_lost_is_told_as_an_error(cell: Cell, lines: list[Any]) -> None:
    cell.simulator.configure(latency_ms=500)
    await cell.worker()
    job = await cell.submit()
    await until(lambda: cell.simulator.stats.in_flight == 1)
    await cell.store.run(Op((("DEL", cell.keys.job(job)),), lambda _: None))
    await until(lambda: any(line["event"] == "attempt.orphaned" for line in lines))
    assert attempts(lines)[-1]["store_said"] == "unknown"
    await cell.store.run(read((("ZREM", cell.keys.leases(), f"{job}:1"),), lambda _: None))


async def test_a_dead_job_is_reported_once_and_a_retried_attempt_never(cell: Cell, sentry: Kept) -> None:
    await cell.worker()
    await cell.ended(await cell.submit("[[fault:503*1]]"))
    job = await cell.submit("the secret prompt [[fault:400]]")
    await cell.ended(job)
    await until(lambda: bool(sentry.sent))
    (report,) = sentry.sent
    assert report["message"] == f"job failed at {MINI}: invalid_request"
    assert report["tags"]["job"] == job
    assert report["tags"]["status"] == "400"
    assert report["release"] == "homa@1.2.3"
    assert not any(secret.encode() in sentry.bytes for secret in SECRETS)


async def test_a_defect_is_reported_without_its_words(
    cell: Cell, sentry: Kept, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await cell.worker()
    assert worker._pipeline is not None

    async def broken(call: Any) -> None:
        prompt = call.messages[0]["content"]
        raise KeyError(f"{prompt} sk-test-key")

    monkeypatch.setattr(worker._pipeline.provider, "complete", broken)
    view = await cell.ended(await cell.submit("the secret prompt"))
    assert view.job.state is State.FAILED
    await until(lambda: bool(sentry.sent))
    (report,) = sentry.sent
    (exception,) = report["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("KeyError", "")
    assert exception["stacktrace"]["frames"][-1]["function"] == "broken"
    assert not any(secret.encode() in sentry.bytes for secret in ("the secret prompt sk", "sk-test-openai"))
    defect = next(line for line in lines if line["event"] == "defect")
    assert defect["error"] == "KeyError"
    assert __file__ in defect["at"]
    assert not any(secret in str(lines) for secret in SECRETS)


async def test_what_repeats_itself_is_told_once_in_a_while(cell: Cell, lines: list[Any]) -> None:
    worker = await cell.worker()
    for _ in range(5):
        worker.log.store_away(RuntimeError("away"))
        worker.log.lost(["j1:1"])
    worker.log.lost([])
    assert [line["event"] for line in lines] == ["store.away", "leases.lost"]


async def test_an_attempt_that_ended_while_its_lease_was_renewed_has_lost_nothing(cell: Cell, lines: list[Any]) -> None:
    worker = await cell.worker()
    over = HeldLease(claim(id="ended"), asyncio.create_task(asyncio.sleep(0)))
    await over.task
    await worker._heartbeat(cell.store)._renew([over])
    assert "leases.lost" not in [line["event"] for line in lines]


@pytest.mark.parametrize(("form", "sign"), [("json", '"event":"hello"'), ("console", "hello")])
def test_logs_are_json_or_for_people(form: str, sign: str, capfd: pytest.CaptureFixture[str]) -> None:
    logs.start("info", form)
    try:
        log = structlog.get_logger("test")
        log.info("hello", number=1)
        log.debug("not this")
    finally:
        structlog.reset_defaults()
    told = capfd.readouterr().err
    assert sign in told
    assert "not this" not in told


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_in_the_log_holds_no_values_of_variables(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    def fails(prompt: str) -> None:
        raise ValueError("no number")

    logs.start("info", form)
    try:
        fails("the " + "secret prompt")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    finally:
        structlog.reset_defaults()
    told = capfd.readouterr().err
    assert "ValueError: no number" in told
    assert "the secret prompt" not in told


def test_what_is_no_text_is_logged_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    logs.start("info", "json")
    try:
        structlog.get_logger("test").info("hello", message="half an emoji: \ud83d", tokens=2**70)
    finally:
        structlog.reset_defaults()
    assert f'"tokens":{2**70}' in capfd.readouterr().err


def test_what_the_store_says_of_a_defect_is_logged_without_what_it_was_sent(lines: list[Any]) -> None:
    log = WorkerLog("w")
    log.defect(ResponseError("t:n replies cannot be counted up: many"))
    log.defect(KeyError("the secret prompt"))
    assert [line.get("said") for line in lines] == ["t:n replies cannot be counted up: many", None]


def test_arguments_that_the_store_quotes_stay_out_of_the_log(lines: list[Any]) -> None:
    WorkerLog("w").defect(ResponseError("unknown command 'EVALSHA', with args beginning with: 'the secret prompt'"))
    assert [line["said"] for line in lines] == ["unknown command 'EVALSHA'"]
