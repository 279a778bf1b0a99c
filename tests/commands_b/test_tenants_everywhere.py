"""`homa tenants erase` finds what is kept beside jobs: flows, files and batches of files, webhooks, deliveries."""

from __future__ import annotations

import orjson

from homa_shared.calls.failures import Charge
from homa_shared.calls.request import JobRequest, Option
from homa_shared.model.ids import unique_id
from homa_shared.store.audit import audit
from homa_shared.store.gateway_batches import create_batch
from homa_shared.store.gateway_files import GatewayFile, Part, put_file
from homa_shared.store.operation import Op
from homa_shared.store.transitions.flows import FlowStep, Section, open_flow, put_items
from homa_shared.store.transitions.submit import Common, Entry
from tests.commands_b.stand import MODEL, Stand
from tests.commands_b.whole_store import keys_with
from tests.flows.runs import DOCUMENTS


def flow_run(stand: Stand, run: str, tenant: str, words: str, items: int) -> None:
    """A run of a flow with items, some of which have parts."""
    keys = stand.store.keys
    request = JobRequest([{"role": "user", "content": f"{words} {{{{answer}}}}"}], options=(Option(MODEL, 9),)).encode()
    common, entry = Common("openai", "default", MODEL, batch=run, tenant=tenant), Entry("-", b"", bound=9)
    record = orjson.dumps(orjson.loads(common.encode()) | orjson.loads(entry.encode()))
    steps = [FlowStep(name, record, request) for name, said in DOCUMENTS.items() if said["kind"] != "source"]
    facts = {"name": words, "tenant": tenant, "cap": ""}
    stand.store.run(open_flow(keys, run, facts, "d", orjson.dumps(DOCUMENTS), steps, {"name": words}))
    encoded = [orjson.dumps({"text": f"{words} {number}"}) for number in range(items)]
    for start in range(0, items, 200):
        some = encoded[start : start + 200]
        assert stand.store.run(put_items(keys, run, [Section("inputs", "", start, some, False)])) == "ok"
    assert stand.store.run(put_items(keys, run, [Section("parts", "0", 0, encoded[:3], True)])) == "ok"


def batch_of_a_file(stand: Stand, tenant: str, words: str) -> None:
    keys = stand.store.keys
    for name, listed in (("input", True), ("other", True)):
        file = GatewayFile(f"file-{tenant}-{name}", tenant, f"{words}.jsonl", "batch", 3, 0, None)
        stand.store.run(put_file(keys, file, [Part(f"{tenant}/{name}/0", 3)], listed=listed, ttl_ms=None))
    facts = {"name": words, "output": f"file-{tenant}-out", "error": f"file-{tenant}-err"}
    asked = {"api": "openai", "input_id": f"file-{tenant}-input", "digest": "d", "window_ms": 1000, "facts": facts}
    stand.store.run(create_batch(keys, f"fb-{tenant}", tenant=tenant, **asked))  # type: ignore[arg-type]


def test_runs_of_flows_go_with_their_items(stand: Stand) -> None:
    mine, other = unique_id(), unique_id()
    flow_run(stand, "r1", "acme", mine, 1100)
    flow_run(stand, "r2", "beta", other, 5)
    others = keys_with(stand.store, other)
    told = stand.json("tenants", "erase", "acme")
    assert told["erased"]["flow_items"] == 1103
    assert keys_with(stand.store, mine) == []
    assert [key for key in keys_with(stand.store, "r1") if key.startswith("fl")] == []
    assert keys_with(stand.store, other) == others


def test_a_run_whose_cost_is_unresolved_keeps_nothing_that_its_flow_says(stand: Stand) -> None:
    words = unique_id()
    flow_run(stand, "r1", "acme", words, 3)
    open_cost, *others = stand.take()
    stand.fail(open_cost, charge=Charge.UNRESOLVED)
    for claim in others:
        stand.settle(claim, words)
    told = stand.json("tenants", "erase", "acme")
    assert told["kept_for_unresolved_cost"] == 1
    assert keys_with(stand.store, words) == []
    assert stand.said("jobs", "resolve", open_cost.id, "--usd", "0.001").status == 0
    assert [str(finding) for finding in audit(stand.store)] == []


def test_files_and_batches_of_files_go_and_their_parts_are_left_to_the_sweep(stand: Stand) -> None:
    mine, other = unique_id(), unique_id()
    batch_of_a_file(stand, "acme", mine)
    batch_of_a_file(stand, "beta", other)
    others = keys_with(stand.store, other)
    told = stand.json("tenants", "erase", "acme")["erased"]
    assert (told["file_batches"], told["files"]) == (1, 2)
    assert keys_with(stand.store, mine) == []
    assert keys_with(stand.store, other) == others
    left = set(keys_with(stand.store, "file-acme"))
    assert left == {"gf.ends"}
    assert stand.redis("ZCARD", stand.store.keys.gateway_batch_work()) == 1


def test_webhooks_that_wait_are_not_told_any_more(stand: Stand) -> None:
    words = unique_id()
    hook = {"webhook": f"https://example.com/{words}", "metadata": {"of": words}}
    for tenant in ("acme", "beta"):
        stand.succeeded(words, tenant=tenant, **hook)
    make = Op((("ZCARD", stand.store.keys.webhooks_due()),), lambda replies: int(replies[0]))
    assert stand.store.run(make) == 2
    stand.json("tenants", "erase", "acme")
    assert stand.store.run(make) == 1
    assert [key for key in keys_with(stand.store, "acme") if key.startswith(("wh", "sc"))] == []
