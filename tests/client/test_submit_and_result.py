"""One job from submit to its reply, through the blocking client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import BaseModel

from homa import (
    BudgetExceeded,
    Homa,
    InvalidReply,
    InvalidRequest,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    KeyConflict,
    ResultTimeout,
    UnknownModel,
    Usage,
)
from homa_shared.calls.request import JobRequest
from homa_shared.model.records import State
from homa_shared.settings.model import Settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


def stored_request(store: Store, job_id: str) -> JobRequest:
    view = store.run(reads.job(store.keys, job_id))
    assert view is not None
    assert view.request is not None
    return JobRequest.decode(view.request)


def test_a_submitted_job_is_answered(homa: Homa, workers: Workers) -> None:
    workers(echo)
    reply = homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S)
    assert reply.text == "Hello"
    assert (reply.provider, reply.model, reply.attempts) == ("openai", "gpt-6-luna", 1)
    assert reply.usage == Usage(input_tokens=3, output_tokens=2)
    assert reply.cost_usd == Decimal("0.0000015")
    assert (reply.finish_reason, reply.tool_calls, reply.parsed, reply.cached) == ("stop", [], None, False)


def test_a_result_is_there_for_any_later_handle(homa: Homa, workers: Workers) -> None:
    workers(echo)
    job = homa.submit("Hello", model=MODEL)
    assert job.result(timeout=PATIENCE_S) == homa.job(job.id).result(timeout=PATIENCE_S)
    assert job.state() is State.SUCCEEDED
    assert [attempt.outcome for attempt in job.view().attempts] == ["succeeded"]
    assert repr(job) == f"<Job {job.id}>"


def test_a_result_comes_as_soon_as_its_end_is_announced(homa: Homa, workers: Workers) -> None:
    worker = workers(lambda claim, request: None, start=False)
    job = homa.submit("Hello", model=MODEL)
    eventually(worker.step)
    texts: list[str] = []
    waiter = threading.Thread(target=lambda: texts.append(job.result(timeout=PATIENCE_S).text))
    waiter.start()
    worker.settle(worker.claims[0], "done")
    waiter.join()
    assert texts == ["done"]


def test_many_threads_share_one_client(homa: Homa, workers: Workers) -> None:
    workers(echo)
    texts: list[str] = []

    def ask(text: str) -> None:
        texts.append(homa.submit(text, model=MODEL).result(timeout=PATIENCE_S).text)

    threads = [threading.Thread(target=ask, args=(str(i),)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts, key=int) == [str(i) for i in range(40)]


def test_the_request_says_what_was_asked(homa: Homa, store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    job = homa.submit(
        "Hi",
        model=MODEL,
        system="Be kind",
        tools=tools,
        temperature=0.5,
        max_tokens=70,
        seed=3,
        fallbacks=["ollama:llama3:8b"],
    )
    request = stored_request(store, job.id)
    assert request.messages == [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}]
    assert request.params == {"tools": tools, "temperature": 0.5, "max_tokens": 70, "seed": 3}
    assert request.targets == (MODEL, "ollama:llama3:8b")
    assert request.options[0].bound
    assert request.options[1].bound is None
    assert not request.stream


def test_an_alias_brings_target_fallbacks_defaults_and_cache(homa: Homa, store: Store) -> None:
    job = homa.submit("Hi", model="cheap", max_tokens=9)
    request = stored_request(store, job.id)
    assert request.targets == (MODEL, "anthropic:claude-haiku-5-5")
    assert request.params == {"max_tokens": 9, "top_p": 0.5}
    assert len(job.view().job.raw["ck"]) == 64
    assert "ck" not in homa.submit("Hi", model="cheap", cache=False).view().job.raw


def test_tokens_are_counted_only_where_the_provider_limits_them(homa: Homa, store: Store) -> None:
    job = homa.submit("Hi", model="cheap")
    free, counted = stored_request(store, job.id).options
    assert free.tokens == (0, 0, 0)
    assert counted.tokens[1] > 0
    assert counted.tokens[2] == 100


def test_an_output_cap_is_always_sent(homa: Homa, store: Store) -> None:
    assert stored_request(store, homa.submit("Hi", model=MODEL).id).params == {"max_tokens": 32_768}
    job = homa.submit("Hi", model=MODEL, max_completion_tokens=5)
    assert stored_request(store, job.id).params == {"max_completion_tokens": 5}


def test_the_record_says_whose_it_is_and_how_long_it_may_take(homa: Homa) -> None:
    job = homa.submit(
        "Hi", model=MODEL, tenant="acme", tags={"team": "a"}, lane="high", deadline_s=60, slack_s=5, on_ambiguous="fail"
    )
    record = job.view().job
    assert (record.tenant, record.tags, record.lane) == ("acme", {"team": "a"}, "high")
    assert record.deadline_ms == record.submitted_ms + 60_000
    assert (record.raw["sl"], record.raw["oa"]) == (5_000, "fail")
    assert "cp" not in record.raw


def test_a_job_and_a_batchs_lines_may_go_on_after_a_content_policys_refusal(homa: Homa) -> None:
    job = homa.submit("Hi", model=MODEL, on_content_policy="reroute")
    assert job.view().job.raw["cp"] == "reroute"
    lines = [{"prompt": "Hi"}, {"prompt": "Ho", "on_content_policy": "fail"}]
    batch = homa.submit_batch(lines, model=MODEL, on_content_policy="reroute")
    found = [homa.job(f"{batch.id}-{line}").view().job.raw.get("cp") for line in (0, 1)]
    assert found == ["reroute", None]


def test_a_job_waits_for_its_time(homa: Homa) -> None:
    delayed = homa.submit("Hi", model=MODEL, delay_s=3600).view().job
    assert delayed.state is State.DUE
    assert delayed.due_ms == delayed.submitted_ms + 3_600_000
    at = datetime.now(UTC) + timedelta(hours=2)
    timed = homa.submit("Hi", model=MODEL, at=at).view().job
    assert timed.due_ms is not None
    assert abs(timed.due_ms - at.timestamp() * 1000) < 5_000
    past = homa.submit("Hi", model=MODEL, at=datetime.now(UTC) - timedelta(hours=1))
    assert past.state() is State.QUEUED


def test_a_key_seen_before_returns_the_first_job(homa: Homa, settings: Settings) -> None:
    job = homa.submit("Hi", model=MODEL, key="ticket 7")
    assert homa.submit("Hi", model=MODEL, key="ticket 7", tags={"other": "tag"}).id == job.id
    with Homa(settings=settings) as another:
        assert another.submit("Hi", model=MODEL, key="ticket 7").id == job.id
    assert homa.submit("Hi", model=MODEL, key="ticket 8").id != job.id
    assert homa.submit("Hi", model=MODEL, key="ticket 7", tenant="acme").id != job.id


def test_a_key_with_another_request_is_refused(homa: Homa) -> None:
    first = homa.submit("Hi", model=MODEL, key="k")
    with pytest.raises(KeyConflict, match=f"key 'k' was used before with another request, by job {first.id}") as caught:
        homa.submit("Ho", model=MODEL, key="k")
    assert isinstance(caught.value, InvalidRequest)
    assert homa.job(caught.value.job_id).state() == "queued"


def test_a_failed_job_tells_its_attempts(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: ("invalid_request", "no such parameter"))
    with pytest.raises(JobFailed, match=r"failed after 1 attempt at openai:gpt-6-luna: no such parameter") as caught:
        homa.submit("Hi", model=MODEL).result(timeout=PATIENCE_S)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["invalid_request"]
    assert caught.value.job_id


def test_a_cancelled_job_says_so(homa: Homa) -> None:
    job = homa.submit("Hi", model=MODEL)
    assert homa.cancel(job) == "cancelled"
    assert homa.cancel(job.id) == "cancelled"
    with pytest.raises(JobCancelled, match="was cancelled"):
        job.result()


def test_a_job_past_its_deadline_says_so(homa: Homa, workers: Workers) -> None:
    job = homa.submit("Hi", model=MODEL, deadline_s=0.001)
    workers(echo)
    with pytest.raises(JobExpired, match="its deadline passed"):
        job.result(timeout=PATIENCE_S)


def test_a_timeout_says_that_no_worker_serves_the_queue(homa: Homa, workers: Workers) -> None:
    job = homa.submit("Hi", model=MODEL)
    with pytest.raises(ResultTimeout, match="no live worker serves the queue openai: start one with `homa worker"):
        job.result(timeout=0)
    worker = workers(lambda claim, request: None, start=False)
    eventually(worker.step)
    with pytest.raises(TimeoutError) as caught:
        job.result(timeout=0.05)
    assert "running" in str(caught.value)
    assert "no live worker" not in str(caught.value)


def test_an_unknown_job_is_not_found(homa: Homa) -> None:
    job = homa.job("j0")
    for look in (job.result, job.state, job.cancel, job.view):
        with pytest.raises(JobNotFound, match="j0"):
            look()


def test_an_unknown_model_names_what_is_configured(homa: Homa) -> None:
    with pytest.raises(UnknownModel, match="anthropic, ollama, openai"):
        homa.submit("Hi", model="opena:gpt-6-luna")


def test_a_budget_below_one_call_is_refused_at_once(homa: Homa) -> None:
    with pytest.raises(BudgetExceeded, match="one call of openai:gpt-6-luna may cost"):
        homa.submit("Hi", model=MODEL, budget_usd="0.000001")
    with pytest.raises(InvalidRequest, match="no known price"):
        homa.submit("Hi", model="ollama:llama3", budget_usd=1)
    assert homa.submit("Hi", model=MODEL, budget_usd=1).view().job.raw["jb"] == 1_000_000_000


def test_a_call_dearer_than_any_is_refused_at_once(homa: Homa) -> None:
    with pytest.raises(InvalidRequest, match=r"may cost .*; lower max_tokens or n"):
        homa.submit("Hi", model=MODEL, max_tokens=2**31 - 1, n=2**31 - 1)


def test_a_job_that_a_budget_stopped_raises_budget_exceeded(homa: Homa, workers: Workers, store: Store) -> None:
    job = homa.submit("Hi", model=MODEL, budget_usd=1)
    store._client.hset(store.keys.budget(f"job:{job.id}"), "spent", 1_000_000_000)
    workers(echo)
    with pytest.raises(BudgetExceeded, match="leaves no room") as caught:
        job.result(timeout=PATIENCE_S)
    assert isinstance(caught.value, JobFailed)


class Invoice(BaseModel):
    number: str
    total: int = 0


def test_a_schema_makes_the_reply_an_object(homa: Homa, workers: Workers, store: Store) -> None:
    job = homa.submit("Read it", model=MODEL, schema=Invoice)
    asked = stored_request(store, job.id).params["response_format"]["json_schema"]
    assert asked["name"] == "Invoice"
    assert asked["schema"]["required"] == ["number", "total"]
    assert asked["schema"]["additionalProperties"] is False
    workers(lambda claim, request: '{"number": "7", "total": 12}')
    assert job.result(timeout=PATIENCE_S).parsed == Invoice(number="7", total=12)
    assert homa.job(job.id, schema={"type": "object"}).result().parsed == {"number": "7", "total": 12}


def test_a_reply_that_does_not_fit_its_schema_keeps_its_text(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: "no JSON")
    reply = homa.submit("Read it", model=MODEL, schema=Invoice).result(timeout=PATIENCE_S)
    assert reply.text == "no JSON"
    with pytest.raises(InvalidReply, match="does not fit its schema"):
        _ = reply.parsed


def test_an_equal_request_is_answered_from_the_cache(homa: Homa, workers: Workers) -> None:
    workers(echo)
    first = homa.submit("Hi", model=MODEL, cache=True)
    first.result(timeout=PATIENCE_S)
    second = homa.submit("Hi", model=MODEL, cache=True).result(timeout=PATIENCE_S)
    assert (second.text, second.cached_from, second.cost_usd, second.attempts) == ("Hi", first.id, 0, 0)
    other = homa.submit("Hi", model=MODEL, cache=True, seed=1).result(timeout=PATIENCE_S)
    assert not other.cached


def test_count_needs_no_store() -> None:
    assert Homa(redis_url="redis://127.0.0.1:1").count("Hello world", model=MODEL).tokens == 2
