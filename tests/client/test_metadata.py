"""What a job carries for its application comes back with its end, and no provider sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from homa import AsyncHoma, Homa, InvalidRequest
from homa.client.batch_lines import read_page
from homa.files import PromptTemplate, Row
from homa.runs.result_lines import result_lines
from homa.runs.row_request import RequestBuilder
from homa_shared.calls.request import JobRequest
from homa_shared.model.ids import batch_job_id
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import Settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.transitions import admin
from tests.client.conftest import FakeWorker, echo, prompt_of
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"
CARRIED: dict[str, Any] = {"row": 7, "author": {"name": "Žofie"}, "tags": ["a", None]}


def stored(store: Store, job_id: str) -> JobRequest:
    view = store.run(reads.job(store.keys, job_id))
    assert view is not None
    assert view.request is not None
    return JobRequest.decode(view.request)


def test_a_reply_has_what_its_job_carried(homa: Homa, store: Store, workers: Workers) -> None:
    job = homa.submit("Hi", model=MODEL, metadata=CARRIED)
    assert "metadata" not in stored(store, job.id).params
    workers(echo)
    assert job.result(timeout=PATIENCE_S).metadata == CARRIED
    assert homa.submit("Hi", model=MODEL).result(timeout=PATIENCE_S).metadata == {}


async def test_so_it_is_on_an_event_loop(settings: Settings, workers: Workers) -> None:
    workers(echo)
    async with AsyncHoma(settings=settings) as homa:
        job = await homa.submit("Hi", model=MODEL, metadata=CARRIED)
        assert (await job.result(timeout=PATIENCE_S)).metadata == CARRIED


def test_lines_of_a_batch_carry_their_own_or_the_batch_s(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: ("invalid", "no") if prompt_of(request) == "bad" else "good")
    requests = [{"prompt": "one", "metadata": {"row": 1}}, {"prompt": "bad", "metadata": {"row": 2}}, "three"]
    batch = homa.submit_batch(requests, model=MODEL, metadata={"run": 5})
    lines = {line.custom_id: line for line in batch.results(timeout=PATIENCE_S)}
    replies = {name: line.reply or line.failure for name, line in lines.items()}
    assert {name: ended.metadata for name, ended in replies.items() if ended} == {
        "0": {"row": 1},
        "1": {"row": 2},
        "2": {"run": 5},
    }


def test_a_results_file_has_it(homa: Homa, store: Store, workers: Workers) -> None:
    workers(echo)
    batch = homa.submit_batch([{"prompt": "one", "metadata": CARRIED}, "two"], model=MODEL)
    batch.wait(PATIENCE_S)
    page = homa._driver.run(read_page(store.keys, batch.id, 0))
    parts = {line.custom_id: line.document["homa"] for line in homa._driver.run(result_lines(store.keys, page.lines))}
    assert parts["0"]["metadata"] == CARRIED
    assert "metadata" not in parts["1"]


def test_a_retry_carries_it_on(homa: Homa, store: Store, workers: Workers) -> None:
    worker = workers(lambda claim, request: ("invalid", "no"), start=False)
    job = homa.submit("Hi", model=MODEL, metadata=CARRIED)
    worker.step()
    again = store.run(admin.retry(store.keys, job.id, "jretry")).job_id
    worker.answer = echo
    worker.step()
    assert homa.job(again).result(timeout=PATIENCE_S).metadata == CARRIED


def test_a_job_is_the_same_whatever_it_carries(homa: Homa) -> None:
    first = homa.submit("Hi", model=MODEL, key="k", metadata={"try": 1})
    assert homa.submit("Hi", model=MODEL, key="k", metadata={"try": 2}).id == first.id


def test_the_provider_s_own_goes_in_its_options(homa: Homa, store: Store) -> None:
    job = homa.submit("Hi", model=MODEL, metadata={"mine": 1}, provider_options={"metadata": {"theirs": "2"}})
    assert stored(store, job.id).params["metadata"] == {"theirs": "2"}
    with pytest.raises(InvalidRequest, match=r"provider_options.metadata is \{'theirs': 2\}: expected"):
        homa.submit("Hi", model=MODEL, provider_options={"metadata": {"theirs": 2}})


LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hi"}],
        "metadata": {"theirs": "2"},
        "chat_template_kwargs": {"enable_thinking": False},
    },
}


def test_a_line_of_a_batch_file_is_sent_as_it_stands(homa: Homa, store: Store) -> None:
    batch = homa.submit_batch([LINE])
    params = stored(store, batch_job_id(batch.id, 0)).params
    assert params["metadata"] == {"theirs": "2"}
    assert params["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_run_of_a_batch_file_sends_the_same() -> None:
    body: Any = LINE["body"]
    row = Row("a", "lines.jsonl", 1, None, {}, body)
    request = RequestBuilder(PromptTemplate.parse("{{text}}"), MODEL, Fleet()).request(row)
    assert isinstance(request, dict)
    assert request["provider_options"] == {
        "metadata": {"theirs": "2"},
        "chat_template_kwargs": {"enable_thinking": False},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, r"metadata is 7: expected names and values, such as \{\"row\": 7\}"),
        ({1: "a"}, "metadata is"),
        ({"a": float("nan")}, "metadata.a is nan: expected a finite number"),
        ({"a": object()}, "metadata is no JSON"),
        ({"a": "x" * 4100}, r"metadata has 4,108 bytes as JSON: expected at most 4,096"),
    ],
)
def test_what_cannot_be_carried_is_refused(homa: Homa, given: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        homa.submit("Hi", model=MODEL, metadata=given)
    with pytest.raises(InvalidRequest, match=f"request 0: {said}"):
        homa.submit_batch([{"prompt": "Hi", "metadata": given}], model=MODEL)
