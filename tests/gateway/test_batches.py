"""Batches of files by the official client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
import orjson
import pytest
from openai.types import Batch

from homa_shared.store import reads
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_shared.store.operation import read
from homa_shared.store.transitions import admin
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, EMBEDDER, MODEL, Cell

CHAT = "/v1/chat/completions"
OVER = {"failed", "completed", "expired", "cancelled"}


def line(custom_id: str, url: str = CHAT, **body: Any) -> dict[str, Any]:
    said = {"model": MODEL, "messages": [{"role": "user", "content": f"say {custom_id}"}], "max_tokens": 20}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body or said}


def upload(client: openai.OpenAI, lines: Sequence[Any]) -> str:
    data = b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in lines)
    return client.files.create(file=("lines.jsonl", data), purpose="batch").id


def create(client: openai.OpenAI, lines: Sequence[Any], endpoint: str = CHAT, **options: Any) -> Batch:
    asked = {"completion_window": "24h", **options}
    return client.batches.create(input_file_id=upload(client, lines), endpoint=endpoint, **asked)  # type: ignore[arg-type]


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    found: list[Batch] = []

    def is_over() -> bool:
        found.append(client.batches.retrieve(batch.id))
        return found[-1].status in OVER

    eventually(is_over)
    return found[-1]


def rows(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    """The lines of a file by their ids, each of which it must have once."""
    if file_id is None:
        return {}
    found = [orjson.loads(row) for row in client.files.content(file_id).read().splitlines()]
    by_id = {row["custom_id"]: row for row in found}
    assert len(by_id) == len(found)
    return by_id


def test_a_batch_is_validated_run_and_read(cell: Cell) -> None:
    client = cell.openai()
    asked = [line(str(number)) for number in range(30)]
    batch = create(client, asked, metadata={"team": "x"})
    assert (batch.object, batch.endpoint, batch.completion_window) == ("batch", CHAT, "24h")
    assert batch.metadata == {"team": "x"}
    assert batch.expires_at == batch.created_at + 24 * 3600
    batch = ended(client, batch)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (30, 30, 0)
    assert batch.error_file_id is None
    found = rows(client, batch.output_file_id)
    assert found.keys() == {str(number) for number in range(30)}
    for custom_id, row in found.items():
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        assert f"say {custom_id}" in row["response"]["body"]["choices"][0]["message"]["content"]
    used = sum(row["response"]["body"]["usage"]["total_tokens"] for row in found.values())
    assert batch.usage is not None
    assert batch.usage.total_tokens == used
    assert batch.in_progress_at
    assert batch.finalizing_at
    assert batch.completed_at
    made = client.files.retrieve(str(batch.output_file_id))
    assert made.purpose == "batch_output"
    assert made.expires_at == made.created_at + 30 * 24 * 3600


def test_lines_that_fail_stand_in_the_file_of_errors(cell: Cell) -> None:
    client = cell.openai()
    wrong = [
        line("no-model", model="nobody", messages=[{"role": "user", "content": "a"}]),
        line("no-messages", model=MODEL),
        line("stream", model=MODEL, stream=True, messages=[{"role": "user", "content": "a"}]),
        line("own", model=MODEL, tenant="other", messages=[{"role": "user", "content": "a"}]),
    ]
    batch = ended(client, create(client, [line("good"), *wrong]))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (5, 1, 4)
    assert rows(client, batch.output_file_id).keys() == {"good"}
    errors = rows(client, batch.error_file_id)
    told = {
        name: (row["response"]["status_code"], row["response"]["body"]["error"]["code"]) for name, row in errors.items()
    }
    assert told == {
        "no-model": (404, "model_not_found"),
        "no-messages": (400, "invalid_request"),
        "stream": (400, "invalid_request"),
        "own": (400, "unknown_parameter"),
    }
    assert "expected false" in errors["stream"]["response"]["body"]["error"]["message"]


def test_one_whose_lines_all_fail_completes_with_a_file_of_errors(cell: Cell) -> None:
    client = cell.openai()
    cell.simulator.configure(faults={"invalid": 1.0})
    batch = ended(client, create(client, [line("a"), line("b")]))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    errors = rows(client, batch.error_file_id)
    assert {row["response"]["status_code"] for row in errors.values()} == {400}
    assert errors.keys() == {"a", "b"}


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ([], [("empty_file", None)]),
        ([line("a"), b"{", b"[]", line("b")], [("invalid_json_line", 2), ("invalid_json_line", 3)]),
        ([line("a"), b"", line("b"), line("a")], [("duplicate_custom_id", 4)]),
        ([{**line("a"), "method": "GET"}], [("invalid_method", 1)]),
        ([line("a", url="/v1/embeddings")], [("mismatched_endpoint", 1)]),
        ([{**line("a"), "body": "text"}], [("invalid_body", 1)]),
        ([{**line("a"), "custom_id": 7}], [("missing_custom_id", 1)]),
    ],
)
def test_a_file_that_is_none_of_requests_fails_the_batch(
    cell: Cell, lines: list[Any], errors: list[tuple[str, int | None]]
) -> None:
    client, before = cell.openai(), cell.jobs()
    batch = ended(client, create(client, lines or [b"\n"]))
    assert batch.status == "failed"
    assert batch.failed_at
    assert batch.errors is not None
    assert [(error.code, error.line) for error in batch.errors.data or ()] == errors
    assert all(error.message for error in batch.errors.data or ())
    assert cell.jobs() == before


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/responses", {"model": CLAUDE, "input": "hi", "max_output_tokens": 20}, "response"),
        ("/v1/embeddings", {"model": EMBEDDER, "input": ["a", "b"]}, "list"),
        ("/v1/completions", {"model": MODEL, "prompt": "hi", "max_tokens": 20}, "text_completion"),
        ("/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}, "chat.completion"),
    ],
)
def test_every_endpoint_answers_in_its_own_shape(cell: Cell, endpoint: str, body: dict[str, Any], kind: str) -> None:
    client = cell.openai()
    batch = ended(client, create(client, [line("a", url=endpoint, **body)], endpoint))
    assert (batch.status, batch.endpoint) == ("completed", endpoint)
    answer = rows(client, batch.output_file_id)["a"]["response"]["body"]
    assert answer["object"] == kind
    if kind == "response":
        assert client.responses.retrieve(answer["id"]).output_text
    if kind == "list":
        assert [len(item["embedding"]) > 1 for item in answer["data"]] == [True, True]
        assert isinstance(answer["data"][0]["embedding"][0], float)
    if kind == "text_completion":
        openai.types.Completion.model_validate(answer)
        assert answer["choices"][0]["text"]


def test_a_batch_that_is_cancelled_keeps_what_was_done_and_answers_the_rest(cell: Cell) -> None:
    client = cell.openai()
    cell.simulator.configure(latency_ms=300.0)
    asked = [line(str(number)) for number in range(2500)]
    batch = create(client, asked)
    eventually(lambda: client.batches.retrieve(batch.id).request_counts.completed > 5)  # type: ignore[union-attr]
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert batch.cancelling_at
    assert batch.cancelled_at
    done, left = rows(client, batch.output_file_id), rows(client, batch.error_file_id)
    assert done
    assert {row["error"]["code"] for row in left.values()} == {"batch_cancelled"}
    assert sorted([*done, *left], key=int) == [str(number) for number in range(2500)]
    with pytest.raises(openai.ConflictError, match="is cancelled already"):
        client.batches.cancel(batch.id)


def test_a_batch_that_expires_says_so_line_by_line(cell: Cell) -> None:
    client = cell.openai()
    cell.simulator.configure(latency_ms=1500.0)
    asked = [line(str(number)) for number in range(3000)]
    batch = ended(client, create(client, asked, completion_window="4s"))
    assert batch.status == "expired"
    assert batch.expired_at
    done, left = rows(client, batch.output_file_id), rows(client, batch.error_file_id)
    assert done
    assert {row["error"]["code"] for row in left.values()} == {"batch_expired"}
    assert sorted([*done, *left], key=int) == [str(number) for number in range(3000)]


def test_batches_come_in_pages(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    client = bare_cell.openai()
    file_id = upload(client, [line("a")])
    made = [client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h").id for _ in range(5)]
    page = client.batches.list(limit=2)
    assert ([batch.id for batch in page.data], page.has_more) == ([made[4], made[3]], True)
    assert [batch.id for batch in page] == made[::-1]
    with pytest.raises(openai.BadRequestError, match="after is 'batch_none'"):
        client.batches.list(after="batch_none")
    with pytest.raises(openai.ConflictError, match="is read by a batch"):
        client.files.delete(file_id)


def test_another_tenants_batch_does_not_exist(bare_cell: Cell) -> None:
    shown = []
    for tenant in ("acme", "other"):
        key, text = new_key(Role.TENANT, tenant, (), "")
        bare_cell.store.run(put_key(bare_cell.store.keys, key))
        shown.append(text)
    bare_cell.start_worker("openai")
    bare_cell.start_gateway()
    mine, theirs = (bare_cell.openai(text) for text in shown)
    batch = ended(mine, create(mine, [line("a")]))
    assert batch.output_file_id
    for ask in (theirs.batches.retrieve, theirs.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            ask(batch.id)
    with pytest.raises(openai.NotFoundError):
        theirs.files.content(batch.output_file_id)
    with pytest.raises(openai.NotFoundError):
        theirs.batches.create(input_file_id=batch.input_file_id, endpoint=CHAT, completion_window="24h")
    assert not theirs.batches.list().data
    job = rows(mine, batch.output_file_id)["a"]["homa"]["job"]
    tenant = bare_cell.store.run(read((("HGET", bare_cell.store.keys.job(job), "tn"),), lambda told: told[0]))
    assert tenant == b"acme"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"endpoint": "/v1/images"}, "endpoint is '/v1/images'"),
        ({"completion_window": "soon"}, "completion_window is 'soon'"),
        ({"input_file_id": ""}, "input_file_id is ''"),
        ({"metadata": {"a": "b" * 600}}, "metadata has 'a'"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}}, "output_expires_after.seconds is 5"),
        ({"extra_body": {"model": "x"}}, "model is no parameter of a batch"),
    ],
)
def test_a_wrong_batch_is_refused(cell: Cell, wrong: dict[str, Any], says: str) -> None:
    client = cell.openai()
    asked = {"input_file_id": upload(client, [line("a")]), "endpoint": CHAT, "completion_window": "24h", **wrong}
    with pytest.raises(openai.BadRequestError, match=says):
        client.batches.create(**asked)  # type: ignore[arg-type]
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_the_same_key_is_the_same_batch(cell: Cell) -> None:
    client = cell.openai()
    file_id = upload(client, [line("a")])
    asked: dict[str, Any] = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    made = [client.batches.create(**asked, extra_headers={"idempotency-key": "k1"}).id for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(openai.UnprocessableEntityError):
        client.batches.create(**{**asked, "completion_window": "2h"}, extra_headers={"idempotency-key": "k1"})


def test_a_budget_of_the_batch_holds(cell: Cell) -> None:
    client = cell.openai()
    file_id = upload(client, [line("a"), line("b")])
    batch = client.batches.create(
        input_file_id=file_id,
        endpoint=CHAT,
        completion_window="24h",
        extra_headers={"x-homa-budget-usd": "0.0000001"},
    )
    batch = ended(client, batch)
    assert batch.output_file_id is None
    errors = rows(client, batch.error_file_id)
    assert {row["response"]["body"]["error"]["code"] for row in errors.values()} == {"insufficient_quota"}


def test_one_that_is_cancelled_by_its_jobs_batch_ends_too(cell: Cell) -> None:
    client = cell.openai()
    cell.simulator.configure(latency_ms=500.0)
    batch = create(client, [line(str(number)) for number in range(400)])
    eventually(lambda: client.batches.retrieve(batch.id).status == "in_progress")
    name = batch.id.removeprefix("batch_")
    eventually(lambda: cell.store.run(reads.batch(cell.store.keys, name)) is not None)
    cell.store.run(admin.cancel_batch(cell.store.keys, name))
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    found = rows(client, batch.output_file_id).keys() | rows(client, batch.error_file_id).keys()
    assert found == {str(number) for number in range(400)}


def test_a_budget_of_the_key_holds_for_lines(bare_cell: Cell) -> None:
    key, text = new_key(Role.TENANT, "acme", ("openai:*",), "", cap_nano_usd=1, period="total")
    bare_cell.store.run(put_key(bare_cell.store.keys, key))
    bare_cell.start_worker("openai")
    bare_cell.start_gateway()
    client, before = bare_cell.openai(text), bare_cell.billed()
    other = line("other", model=CLAUDE, messages=[{"role": "user", "content": "a"}])
    batch = ended(client, create(client, [line("a"), other]))
    assert batch.status == "completed"
    errors = rows(client, batch.error_file_id)
    codes = {name: row["response"]["body"]["error"]["code"] for name, row in errors.items()}
    assert codes == {"a": "insufficient_quota", "other": "model_not_allowed"}
    assert bare_cell.billed() == before


def test_a_webhook_is_told_of_once_the_files_can_be_read(cell: Cell) -> None:
    client, keys = cell.openai(), cell.store.keys
    file_id = upload(client, [line("a")])
    batch = client.batches.create(
        input_file_id=file_id,
        endpoint=CHAT,
        completion_window="24h",
        extra_headers={"x-homa-webhook": "https://example.com/hook"},
    )
    ended(client, batch)
    name = batch.id.removeprefix("batch_")
    told = cell.store.run(read((("HGET", keys.batch(name), "webhook"),), lambda replies: replies[0]))
    assert told == b"https://example.com/hook"
    job = rows(client, client.batches.retrieve(batch.id).output_file_id)["a"]["homa"]["job"]
    assert cell.store.run(read((("HGET", keys.job(job), "wh"),), lambda replies: replies[0])) is None
