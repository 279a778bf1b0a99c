"""`homa tenants erase` that dies anywhere and is done again leaves as little as one that went through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa.client.management.erasure import Erasure, Receipt
from homa.drivers.effects import Sleep
from homa_shared.model.constants import DELIVERIES
from homa_shared.model.ids import new_nonce, unique_id
from homa_shared.store.reads.schedules import schedule_names
from homa_shared.store.transitions.attempts import Report, fail, take
from homa_shared.store.transitions.schedules import close_runs
from tests.commands_b.stand import MODEL, WORKER, Stand
from tests.commands_b.test_tenants import KEPT, busy, waits
from tests.commands_b.test_tenants_everywhere import flow_run
from tests.commands_b.whole_store import keys_with


def dumped(stand: Stand) -> dict[bytes, bytes]:
    """Every key of the namespace, as the store writes it down."""
    return {key: stand.redis("DUMP", key) for key in stand.redis("KEYS", f"{stand.store.keys.prefix}*")}


def restore(stand: Stand, dump: Mapping[bytes, bytes]) -> None:
    stand.redis("DEL", *stand.redis("KEYS", f"{stand.store.keys.prefix}*"))
    for key, value in dump.items():
        stand.redis("RESTORE", key, 0, value)


def delivered(stand: Stand, words: str) -> str:
    """A schedule with a cap, whose first run is to be delivered; its key."""
    schedule = stand.homa.schedule("nightly", words, model=MODEL, every_s=86_400, tenant="acme", budget_usd=1)
    key = stand.store.keys.schedule(stand.store.run(schedule_names(stand.store.keys))["nightly"])
    stand.redis("HSET", key, "deliver", orjson.dumps([f"https://example.com/{words}"]))
    stand.settle(stand.claimed(schedule.run().id), words)
    stand.store.run(close_runs(stand.store.keys, 10))
    return key


def erase(stand: Stand, most: int = -1) -> Receipt | None:
    """Erases, and dies where the store was asked so often; None: it has died."""
    flow = Erasure(stand.store.keys, "acme", patience_s=0).erase()
    answer: Any = None
    asked = 0
    while asked != most:
        try:
            effect = flow.send(answer)
        except StopIteration as end:
            found: Receipt = end.value
            return found
        answer = None if isinstance(effect, Sleep) else stand.store.run(effect)
        asked += 1
    flow.close()
    return None


def test_killed_behind_any_step_and_done_again_it_leaves_nothing(stand: Stand) -> None:
    words = unique_id()
    schedule = delivered(stand, words)
    busy(stand, "acme", words)
    waits(stand, "acme", words)
    flow_run(stand, "r1", "acme", words, 3)
    stand.redis("ZADD", stand.store.keys.own("table", f"acme:{words}"), 1, "b1")
    dump = dumped(stand)
    killed = 0
    while erase(stand, killed) is None:
        assert erase(stand) is not None
        left = [key for key in keys_with(stand.store, words) if key != "au"]
        named = [key for key in keys_with(stand.store, "acme") if not key.startswith(KEPT)]
        assert (killed, left, named) == (killed, [], [])
        assert stand.redis("HGETALL", schedule).keys() == {b"cap", b"period", b"state"}
        killed += 1
        restore(stand, dump)
    assert killed > 40


def test_a_delivery_under_way_is_told_and_erased_once_it_has_ended(stand: Stand) -> None:
    words = unique_id()
    delivered(stand, words)
    taking = take(
        stand.store.keys,
        worker=WORKER,
        nonce=new_nonce(),
        slots=1,
        lease_ms=30_000,
        provider="",
        suspects=0,
        queues=[DELIVERIES],
    )
    (claim,) = stand.store.run(taking).claims
    receipt = erase(stand)
    assert receipt is not None
    assert receipt.running == 1
    name = (claim.id, claim.attempt)
    stand.store.run(fail(stand.store.keys, name, "cancelled", b"{}", Report("cancelled"), ""))
    receipt = erase(stand)
    assert receipt is not None
    assert (receipt.running, receipt.counts["deliveries"], receipt.counts["schedules"]) == (0, 1, 1)
    assert [key for key in keys_with(stand.store, words) if key != "au"] == []
