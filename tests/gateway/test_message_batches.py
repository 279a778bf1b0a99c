"""Anthropic's Message Batches by the official client, with any provider behind them."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.types.messages import MessageBatch

from homa.gateway.anthropic.batches.document import PREFIX
from homa_shared.store.gateway_files import ended_files
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_shared.store.operation import read
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, MODEL, Cell


def request(custom_id: str, model: str = CLAUDE, **params: Any) -> Any:
    said = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": f"say {custom_id}"}], **params}
    return {"custom_id": custom_id, "params": {name: value for name, value in said.items() if value is not None}}


def ended(client: anthropic.Anthropic, batch: MessageBatch) -> MessageBatch:
    found = [batch]

    def is_over() -> bool:
        found.append(client.messages.batches.retrieve(batch.id))
        return found[-1].processing_status == "ended"

    eventually(is_over)
    return found[-1]


def test_a_batch_is_run_read_listed_and_deleted(cell: Cell) -> None:
    client = cell.anthropic()
    asked = [request("a"), request("b", MODEL), request("none", "nobody"), request("short", max_tokens=None)]
    batch = client.messages.batches.create(requests=asked)
    assert (batch.type, batch.processing_status, batch.results_url) == ("message_batch", "in_progress", None)
    assert batch.request_counts.processing == 4
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * 3600
    batch = ended(client, batch)
    counts = batch.request_counts
    assert (counts.processing, counts.succeeded, counts.errored, counts.canceled, counts.expired) == (0, 2, 2, 0, 0)
    assert batch.ended_at
    results = {row.custom_id: row.result for row in client.messages.batches.results(batch.id)}
    assert {name: result.type for name, result in results.items()} == {
        "a": "succeeded",
        "b": "succeeded",
        "none": "errored",
        "short": "errored",
    }
    message = results["a"].message  # type: ignore[union-attr]
    assert message.model == CLAUDE
    assert "say a" in message.content[0].text  # type: ignore[union-attr]
    assert results["none"].error.error.type == "not_found_error"  # type: ignore[union-attr]
    assert "max_tokens is missing" in results["short"].error.error.message  # type: ignore[union-attr]
    assert batch.id in [row.id for row in client.messages.batches.list()]
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_a_batch_that_is_cancelled_answers_every_request(cell: Cell) -> None:
    client = cell.anthropic()
    cell.simulator.configure(latency_ms=500.0)
    batch = client.messages.batches.create(requests=[request(f"r{number}") for number in range(1500)])
    with pytest.raises(anthropic.BadRequestError, match="while it goes on"):
        client.messages.batches.delete(batch.id)
    cancelled = client.messages.batches.cancel(batch.id)
    assert cancelled.cancel_initiated_at
    batch = ended(client, batch)
    kinds = [(row.custom_id, row.result.type) for row in client.messages.batches.results(batch.id)]
    assert len(dict(kinds)) == len(kinds) == 1500
    assert batch.request_counts.canceled == [kind for _, kind in kinds].count("canceled") > 0
    assert client.messages.batches.cancel(batch.id).processing_status == "ended"


def test_batches_come_in_pages_both_ways(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    client = bare_cell.anthropic()
    made = [client.messages.batches.create(requests=[request("a")]).id for _ in range(4)]
    page = client.messages.batches.list(limit=2)
    assert ([row.id for row in page.data], page.has_more) == ([made[3], made[2]], True)
    assert [row.id for row in page] == made[::-1]
    back = client.messages.batches.list(limit=2, before_id=made[0])
    assert ([row.id for row in back.data], back.has_more) == ([made[2], made[1]], True)
    with pytest.raises(anthropic.BadRequestError, match="msgbatch_none"):
        client.messages.batches.list(after_id="msgbatch_none")


def test_another_tenants_batch_does_not_exist(bare_cell: Cell) -> None:
    shown = []
    for tenant in ("acme", "other"):
        key, text = new_key(Role.TENANT, tenant, (), "")
        bare_cell.store.run(put_key(bare_cell.store.keys, key))
        shown.append(text)
    bare_cell.start_gateway()
    mine, theirs = (bare_cell.anthropic(text).messages.batches for text in shown)
    batch = mine.create(requests=[request("a")])
    for ask in (theirs.retrieve, theirs.cancel, theirs.delete):
        with pytest.raises(anthropic.NotFoundError):
            ask(batch.id)
    assert not theirs.list().data


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        ([], "requests is"),
        ([request("a"), request("a")], r"requests\[1\]\.custom_id is 'a', which"),
        ([request("a b")], r"requests\[0\]\.custom_id is 'a b'"),
        ([{"custom_id": "a"}], r"requests\[0\] is"),
    ],
)
def test_requests_that_are_none_are_refused(cell: Cell, requests: list[Any], says: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=says):
        cell.anthropic().messages.batches.create(requests=requests)


def test_the_same_key_is_the_same_batch(cell: Cell) -> None:
    batches, headers = cell.anthropic().messages.batches, {"idempotency-key": "mb1"}
    made = [batches.create(requests=[request("a")], extra_headers=headers).id for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(anthropic.UnprocessableEntityError):
        batches.create(requests=[request("b")], extra_headers=headers)


def test_the_key_of_one_that_was_deleted_makes_no_other(cell: Cell) -> None:
    client, headers = cell.anthropic(), {"idempotency-key": "deleted"}
    batch = ended(client, client.messages.batches.create(requests=[request("a")], extra_headers=headers))
    client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.UnprocessableEntityError, match="or for one that has been deleted"):
        client.messages.batches.create(requests=[request("a")], extra_headers=headers)


def test_requests_that_no_batch_reads_expire_and_no_others(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=2000.0)
    client, keys = cell.anthropic(), cell.store.keys
    batch = client.messages.batches.create(requests=[request("a")])
    name = keys.gateway_batch(batch.id.removeprefix(PREFIX))
    file = cell.store.run(read((("HGET", name, "input"),), lambda told: told[0].decode()))
    # A gateway that dies before the batch is made leaves it so.
    assert cell.store.run(read((("ZSCORE", keys.gateway_file_ends(), file),), lambda told: told[0])) is not None
    cell.store.run(read((("ZADD", keys.gateway_file_ends(), 1, file),), lambda told: told[0]))
    assert file not in cell.store.run(ended_files(keys, 100))
    assert ended(client, batch).request_counts.succeeded == 1


def test_rows_of_batches_that_are_kept_no_more_are_passed_over_and_go(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    client, keys = bare_cell.anthropic(), bare_cell.store.keys
    made = [client.messages.batches.create(requests=[request("a")]).id for _ in range(5)]
    lost = [keys.gateway_batch(name.removeprefix(PREFIX)) for name in made[:3]]
    bare_cell.store.run(read((("DEL", *lost),), lambda told: told))
    page = client.messages.batches.list(limit=1, before_id=made[3])
    assert (page.data, page.has_more) == ([client.messages.batches.retrieve(made[4])], False)
    assert [row.id for row in client.messages.batches.list(limit=1)] == [made[4], made[3]]
    assert [row.id for row in client.messages.batches.list(limit=2)] == [made[4], made[3]]
    made.append(client.messages.batches.create(requests=[request("a")]).id)
    index = read((("ZCARD", keys.gateway_batches("anthropic", "")),), lambda told: int(told[0]))
    assert bare_cell.store.run(index) == 3
