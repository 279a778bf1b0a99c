"""A webhook of a job, batch or tenant is told of its end: signed, tried for a day, listed, and sent again on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from homa_shared.model.constants import DELIVERY_MS, WEBHOOKS_DELIVERED_KEPT
from homa_shared.store import reads
from homa_shared.store.reads.webhooks import Webhook, webhook_tenants, webhooks
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.deliveries import end_delivery, make_webhooks, redeliver
from homa_workers.deliveries import webhook
from tests.schedules.receivers import Receiver, web_receiver
from tests.schedules.stand import Stand
from tests.schedules.test_deliveries import KEY, OPEN, deliver, taken


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with web_receiver() as found:
        yield found


def submit(stand: Stand, **fields: Any) -> str:
    """Id of a plain job."""
    job = f"j{stand.counters().get('submitted', 0)}"
    stand.submit(job, **fields)
    return job


def hooks(stand: Stand, tenant: str = "acme") -> list[Webhook]:
    return stand.run(webhooks(stand.keys, tenant))


async def test_a_job_that_succeeds_is_told_of_signed_with_its_reply(stand: Stand, receiver: Receiver) -> None:
    job = submit(stand, webhook=receiver.url, tenant="acme", tags="team=a", metadata='{"n":1}')
    await stand.do_all()
    await stand.turn()
    assert await deliver(stand) == 1
    ((headers, body),) = receiver.got
    signed = webhook.signed_headers([KEY], headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed["webhook-signature"]
    told = orjson.loads(body)
    assert told["type"] == "job.succeeded"
    data = told["data"]
    assert (data["id"], data["state"], data["tenant"], data["error"]) == (job, "succeeded", "acme", None)
    assert (data["tags"], data["metadata"]) == ({"team": "a"}, {"n": 1})
    assert data["reply"]["body"]
    assert data["cost_usd"] == "0.00000007"
    (hook,) = hooks(stand)
    assert (hook.of, hook.came, hook.state, hook.tries) == (job, "succeeded", "delivered", 1)
    assert receiver.url not in hook.target, "what stands behind the host may be a secret"
    await stand.turn()
    assert await deliver(stand) == 0, "once"


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_other_ends_are_told_of_with_their_reason(stand: Stand, receiver: Receiver, end: str) -> None:
    job = submit(stand, webhook=receiver.url, tenant="acme")
    if end == "failed":
        stand.fail(stand.claim())
    else:
        stand.run(admin.cancel(stand.keys, [job]))
    await stand.turn()
    await deliver(stand)
    told = orjson.loads(receiver.got[0][1])
    assert told["type"] == f"job.{end}"
    assert told["data"]["error"]["kind"]
    assert told["data"]["reply"] is None


async def test_a_batch_is_told_of_once_it_is_complete_and_anew_after_a_retry(stand: Stand, receiver: Receiver) -> None:
    stand.run(admin.open_batch(stand.keys, "b1", {"tenant": "acme", "name": "digest", "webhook": receiver.url}))
    lines = ["b1-0", "b1-1"]
    stand.submit(*lines, batch="b1", tenant="acme")
    stand.run(admin.seal_batch(stand.keys, "b1", 2))
    stand.fail(stand.claim())
    await stand.turn()
    assert await deliver(stand) == 0, "not before its last line"
    await stand.do_all()
    await stand.turn()
    assert await deliver(stand) == 1
    told = orjson.loads(receiver.got[0][1])
    assert told["type"] == "batch.completed"
    counts = {"total": 2, "succeeded": 1, "failed": 1, "cancelled": 0, "expired": 0}
    assert {name: told["data"][name] for name in counts} == counts
    assert (told["data"]["id"], told["data"]["name"]) == ("b1", "digest")
    failed = next(job for job in lines if stand.run(reads.state(stand.keys, job)) == "failed")
    stand.clock.set(stand.now() + 1000)
    stand.run(admin.retry(stand.keys, failed, "b1-again"))
    await stand.do_all()
    await stand.turn()
    await deliver(stand)
    assert [orjson.loads(body)["data"]["succeeded"] for _, body in receiver.got] == [1, 2]
    first, second = (headers["webhook-id"] for headers, _ in receiver.got)
    assert first != second


async def test_one_that_fails_for_a_day_is_kept_told_of_and_sent_again_under_its_id(
    stand: Stand, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    submit(stand, webhook=receiver.url, tenant="acme")
    await stand.do_all()
    await stand.turn()
    await deliver(stand)
    (hook,) = hooks(stand)
    assert (hook.state, hook.tries) == ("waiting", 1)
    assert hook.next_ms is not None
    assert "500" in hook.error
    await stand.go_to(stand.now() + DELIVERY_MS + 1)
    await stand.turn()
    await deliver(stand)
    (hook,) = hooks(stand)
    assert (hook.state, hook.tries) == ("failed", 2)
    assert stand.events().count("webhook.failed") == 1
    assert stand.run(webhook_tenants(stand.keys)) == ["acme"]
    receiver.statuses = [200]
    assert stand.run(redeliver(stand.keys, "@acme", None, "another")) == (0, 0)
    assert stand.run(redeliver(stand.keys, "@acme", None, hook.id)) == (1, 0)
    assert stand.run(redeliver(stand.keys, "@acme", None)) == (0, 0)
    await deliver(stand)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert [hook.state for hook in hooks(stand)] == ["delivered"]


async def test_private_addresses_and_redirects_are_refused(stand: Stand, receiver: Receiver) -> None:
    submit(stand, webhook=receiver.url, tenant="acme")
    await stand.do_all()
    await stand.turn()
    await deliver(stand, replace(OPEN, private=False))
    (hook,) = hooks(stand)
    assert (hook.state, receiver.got) == ("failed", [])
    assert "public" in hook.error
    receiver.statuses = [302]
    submit(stand, webhook=receiver.url, tenant="other")
    await stand.do_all()
    await stand.turn()
    await deliver(stand)
    assert len(receiver.got) == 1
    assert "redirects" in hooks(stand, "other")[0].error


async def test_a_kill_between_end_and_webhook_loses_and_repeats_none(stand: Stand) -> None:
    jobs = [submit(stand, webhook="https://example.com/hook", tenant="acme") for _ in range(3)]
    for claim in stand.take(10).claims:
        stand.settle(claim)
    # Nobody has looked: the list of those that have ended is what survives.
    assert stand.run(make_webhooks(stand.keys, 2)) == 2
    assert stand.run(make_webhooks(stand.keys, 2)) == 1
    assert stand.run(make_webhooks(stand.keys, 2)) == 0
    assert sorted(hook.of for hook in hooks(stand)) == sorted(jobs)
    claims = taken(stand)
    assert len(claims) == 3
    assert len({claim.id for claim in claims}) == 3


async def test_what_arrived_makes_room_and_what_did_not_stays(
    stand: Stand, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WEBHOOKS_DELIVERED_KEPT < 1000
    submit(stand, webhook="https://example.com/hook", tenant="acme")
    await stand.do_all()
    await stand.turn()
    (never,) = taken(stand)
    stand.run(end_delivery(stand.keys, (never.id, never.attempt), "refused", "no"))
    await stand.turn()
    ids = [f"k{number}" for number in range(WEBHOOKS_DELIVERED_KEPT + 5)]
    stand.submit(*ids, webhook="https://example.com/hook", tenant="acme")
    while await stand.do_all():
        for claim in taken(stand):
            stand.run(end_delivery(stand.keys, (claim.id, claim.attempt), "delivered"))
    states = [hook.state for hook in hooks(stand)]
    assert (states.count("failed"), states.count("delivered")) == (1, WEBHOOKS_DELIVERED_KEPT)
