"""`homa tenants erase`: nothing of a tenant is left but what the ledger says, and nothing of others is touched."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import orjson

from homa_shared.model.ids import unique_id
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.audit_trail import trail
from homa_shared.store.gateway_batches import Created, create_batch
from homa_shared.store.gateway_files import GatewayFile, Part, put_file
from homa_shared.store.gateway_keys import all_keys
from homa_shared.store.transitions.deliveries import make_webhooks
from tests.commands_b.stand import MODEL, Stand
from tests.commands_b.whole_store import keys_with, whole_store

#: Where a tenant may still be named: lines and sums of the ledger, fairness, the trail of who erased it, revoked keys.
KEPT = ("led", "day:", "au", "own:gateway:keys", "bu:", "m:")


def busy(stand: Stand, tenant: str, words: str) -> dict[str, str]:
    """What has ended of a tenant that uses whatever there is."""
    said: dict[str, Any] = {"tenant": tenant, "metadata": {"of": words}, "prompt": f"about {words}"}
    jobs = {
        "succeeded": stand.succeeded(f"answer {words}", **said, key=f"{tenant}-key"),
        "cached": stand.succeeded(f"answer {words}", **said, cache=True),
        "failed": stand.failed(**said, webhook=f"https://example.com/{words}"),
    }
    stand.homa.cancel(jobs.setdefault("cancelled", stand.queued(**said)))
    batch = stand.homa.submit_batch(
        [{"prompt": words, "custom_id": f"{words}-{n}"} for n in range(3)], model=MODEL, tenant=tenant, name=words
    )
    for claim in stand.take():
        stand.settle(claim, words)
    stand.store.run(make_webhooks(stand.store.keys, 100))
    stand.homa.schedule(f"s-{tenant}", words, model=MODEL, every_s=86_400, tenant=tenant)
    stand.said("keys", "create", "--tenant", tenant, "--name", words)
    batch_file(stand, tenant, words)
    return jobs | {"batch": batch.id}


def batch_file(stand: Stand, tenant: str, words: str) -> None:
    """A file that the tenant gave the gateway, and a batch of it that goes on."""
    file = GatewayFile(f"file-{unique_id()}", tenant, words, "batch", 3, 0, None)
    stand.store.run(put_file(stand.store.keys, file, [Part("p", 3)], listed=True, ttl_ms=None))
    facts = {"endpoint": "/v1/chat/completions", "name": words, "output": "file-o", "error": "file-e"}
    making = create_batch(
        stand.store.keys,
        f"b{unique_id()}",
        tenant=tenant,
        api="openai",
        input_id=file.id,
        digest=words,
        window_ms=3_600_000,
        facts=facts,
    )
    assert stand.store.run(making) is Created.OK


def waits(stand: Stand, tenant: str, words: str) -> dict[str, str]:
    """What waits of a tenant."""
    said: dict[str, Any] = {"tenant": tenant, "metadata": {"of": words}, "prompt": f"about {words}"}
    batch = stand.homa.submit_batch([words], model=MODEL, tenant=tenant)
    turn = stand.homa.conversation(f"c_{tenant}", tenant=tenant, system=words).submit(words, model=MODEL)
    queued, due = stand.queued(**said), stand.queued(**said, delay_s=3600)
    return {"queued": queued, "due": due, "open": batch.id, "turn": turn.id}


def sums(stand: Stand) -> Any:
    return stand.json("costs", "--by", "tenant")


def test_nothing_is_left_of_a_tenant_and_all_of_the_others(stand: Stand) -> None:
    mine, other = unique_id(), unique_id()
    gone, stays = busy(stand, "acme", mine), busy(stand, "beta", other)
    gone |= waits(stand, "acme", mine)
    stays |= waits(stand, "beta", other)
    before, others = sums(stand), keys_with(stand.store, other)
    assert len(keys_with(stand.store, mine)) > 10

    told = stand.json("tenants", "erase", "acme")
    assert told["erased"]["jobs"] >= 10
    assert {"batches", "conversations", "schedules", "keys", "events"} <= told["erased"].keys()
    assert (told["kept_for_unresolved_cost"], told["still_running"]) == (0, 0)

    assert keys_with(stand.store, mine) == []
    named = [key for key in keys_with(stand.store, "acme") if not key.startswith(KEPT)]
    assert named == []
    left = {(key, what) for what, job in gone.items() for key in keys_with(stand.store, job)}
    # Events of batches, and what a cancelled one's lines waited for until the next sweep, say its id and nothing else.
    ids_only = {("ev", "batch"), ("ev", "open"), ("wr", "open")}
    assert {(key, what) for key, what in left if not key.startswith(("led", "au"))} <= ids_only
    assert sums(stand) == before
    assert keys_with(stand.store, other) == others
    assert stand.store.run(reads.state(stand.store.keys, stays["queued"])) is not None
    assert [str(finding) for finding in audit(stand.store)] == []
    assert {key.tenant: key.revoked_ms is not None for key in stand.store.run(all_keys(stand.store.keys))} == {
        "acme": True,
        "beta": False,
    }


def test_the_receipt_stands_in_the_audit_trail_and_fits_its_digest(stand: Stand) -> None:
    busy(stand, "acme", unique_id())
    told = stand.json("tenants", "erase", "acme")
    digest = told.pop("digest")
    assert hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest() == digest
    last = stand.store.run(trail(stand.store.keys))[-1]
    assert (last.action, last.subject, last.details["digest"]) == ("tenant.erased", "acme", digest)
    assert stand.said("audit", "verify").status == 0


def test_a_dry_run_counts_and_changes_nothing(stand: Stand) -> None:
    busy(stand, "acme", unique_id())
    waits(stand, "acme", unique_id())
    before = list(whole_store(stand.store))
    told = stand.json("tenants", "erase", "acme", "--dry-run")
    assert list(whole_store(stand.store)) == before
    assert told["dry_run"] is True
    assert told["erased"]["jobs"] == stand.json("tenants", "erase", "acme")["erased"]["jobs"]


def test_it_may_be_done_again_and_then_finds_nothing(stand: Stand) -> None:
    busy(stand, "acme", unique_id())
    waits(stand, "acme", unique_id())
    stand.json("tenants", "erase", "acme")
    told = stand.json("tenants", "erase", "acme")
    assert {kind: count for kind, count in told["erased"].items() if count} == {}


def test_a_job_that_runs_is_cancelled_and_erased_once_it_has_ended(stand: Stand) -> None:
    job = stand.running(tenant="acme")
    said = stand.said("tenants", "erase", "acme", "--wait", "0")
    assert said.status == 3
    assert "1 jobs still run" in said.stderr
    (claim,) = stand.claims
    stand.fail(claim, "cancelled")
    assert stand.json("tenants", "erase", "acme")["erased"]["jobs"] == 1
    assert stand.store.run(reads.state(stand.store.keys, job)) is None


def test_unresolved_cost_keeps_a_record_without_content_that_can_be_resolved(stand: Stand) -> None:
    words = unique_id()
    job = stand.failed(unresolved=True, tenant="acme", prompt=words, metadata={"of": words})
    told = stand.json("tenants", "erase", "acme")
    assert told["kept_for_unresolved_cost"] == 1
    assert keys_with(stand.store, words) == []
    assert "it broke" not in repr([value for key, value in whole_store(stand.store) if job in key])
    assert stand.said("jobs", "resolve", job, "--usd", "0.001").status == 0
    assert 0 < stand.redis("PTTL", stand.store.keys.job(job)) <= 8 * 86_400_000
    assert Decimal(sums(stand)["total_usd"]) == Decimal("0.001")


def test_more_jobs_than_a_slice_takes(stand: Stand) -> None:
    stand.homa.submit_batch(["hello"] * 1200, model=MODEL, tenant="acme")
    assert stand.json("tenants", "erase", "acme")["erased"]["jobs"] == 1200
    assert stand.redis("ZCARD", stand.store.keys.ended()) == 0


def test_a_tenant_that_is_not_there(stand: Stand) -> None:
    said = stand.said("tenants", "erase", "nobody")
    assert said.status == 0
    assert "nothing is kept of tenant 'nobody'" in said.stderr


def test_a_fleet_without_keys_lists_none(stand: Stand) -> None:
    assert stand.json("keys", "list") == {"keys": []}


def test_jobs_of_no_tenant_are_not_erased_by_an_empty_name(stand: Stand) -> None:
    job = stand.succeeded()
    said = stand.said("tenants", "erase", "")
    assert said.status == 2
    assert "expected the name of a tenant" in said.stderr
    assert stand.store.run(reads.state(stand.store.keys, job)) is not None
