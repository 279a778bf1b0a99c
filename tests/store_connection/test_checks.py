"""A store that would lose work is refused; one that might is described; clocks and versions are read as they are."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import redis
from redis.exceptions import ConnectionError as ConnectionRefused
from redis.exceptions import ResponseError

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress, connect_async, connect_sync
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.errors import store_error
from homa_shared.store.safety_checks import (
    Level,
    StoreFacts,
    Verdict,
    read_facts,
    read_facts_async,
    require_safe,
    verdicts,
)

GOOD = StoreFacts(
    kind="valkey",
    version="9.1.2",
    maxmemory_bytes=1000,
    used_memory_bytes=100,
    maxmemory_policy="noeviction",
    appendonly=True,
    appendfsync="always",
    append_ok=True,
    role="master",
    replicas=0,
    cluster=False,
    clock_offset_ms=3,
)


def verdict_on(facts: StoreFacts, setting: str) -> Verdict:
    return next(verdict for verdict in verdicts(facts) if verdict.setting == setting)


def test_a_good_store_has_nothing_to_do() -> None:
    assert {verdict.level for verdict in verdicts(GOOD)} == {Level.OK}
    assert not any(verdict.what_to_do for verdict in verdicts(GOOD))
    require_safe(GOOD)


@pytest.mark.parametrize(
    ("facts", "setting", "what"),
    [
        (replace(GOOD, kind="redis", version="6.2.14"), "server", "upgrade it to redis 7.0 or valkey 7.2"),
        (replace(GOOD, version="7.1.9"), "server", "too old"),
        (replace(GOOD, version="unstable"), "server", "too old"),
        (replace(GOOD, role="slave"), "role", "set HOMA_REDIS_URL to its primary"),
        (replace(GOOD, maxmemory_policy="allkeys-lru"), "maxmemory-policy", "silently drop jobs"),
        (replace(GOOD, maxmemory_policy="volatile-ttl"), "maxmemory-policy", "results and idempotency keys"),
        (replace(GOOD, append_ok=False), "aof_last_write_status", "free space"),
    ],
)
def test_a_store_that_would_lose_work_is_refused(facts: StoreFacts, setting: str, what: str) -> None:
    verdict = verdict_on(facts, setting)
    assert verdict.level is Level.ERROR
    assert what in verdict.what_to_do
    assert verdicts(facts)[0] == verdict
    with pytest.raises(StoreUnavailable, match=f"{setting} is {verdict.value}"):
        require_safe(facts)


@pytest.mark.parametrize(
    ("facts", "setting", "what"),
    [
        (replace(GOOD, appendonly=False), "appendonly", "since the last snapshot"),
        (replace(GOOD, appendfsync="everysec"), "appendfsync", "up to about one second"),
        (replace(GOOD, appendfsync="no"), "appendfsync", "often 30 seconds"),
        (replace(GOOD, appendfsync=None), "appendfsync", "does not tell"),
        (replace(GOOD, maxmemory_bytes=0), "maxmemory", "kills the store"),
        (replace(GOOD, used_memory_bytes=900), "maxmemory", "new jobs are refused"),
        (replace(GOOD, replicas=1), "replicas", "asynchronous"),
        (replace(GOOD, cluster=True), "cluster-enabled", "one node"),
        (replace(GOOD, clock_offset_ms=-5000), "clock", "NTP"),
        (replace(GOOD, kind="dragonfly", version="1.2"), "server", "tested on Redis and Valkey"),
    ],
)
def test_a_store_with_a_window_is_described_and_used(facts: StoreFacts, setting: str, what: str) -> None:
    verdict = verdict_on(facts, setting)
    assert verdict.level is Level.WARNING
    assert what in verdict.what_to_do
    require_safe(facts)


@pytest.mark.parametrize("setting", ["appendonly", "appendfsync"])
def test_a_window_names_the_promises_that_it_weakens(setting: str) -> None:
    facts = replace(GOOD, appendonly=setting != "appendonly", appendfsync="everysec")
    assert "(P1)" in verdict_on(facts, setting).what_to_do
    assert "(P2)" in verdict_on(facts, setting).what_to_do


def test_release_candidates_count_by_their_numbers() -> None:
    assert verdict_on(replace(GOOD, kind="redis", version="7.0-rc1"), "server").level is Level.ERROR
    assert verdict_on(replace(GOOD, kind="redis", version="7.0.0-rc1"), "server").level is Level.OK


def test_the_embedded_store_passes_all_checks(fresh_store: EmbeddedStore) -> None:
    store = EmbeddedStore(fresh_store.directory, idle_stop_s=60, fsync="always")
    client = connect_sync(StoreAddress.parse(store.ensure()))
    facts = read_facts(client)
    assert (facts.kind, facts.role, facts.appendfsync, facts.appendonly) == ("valkey", "master", "always", True)
    assert {verdict.level for verdict in verdicts(facts)} == {Level.OK}
    client.close()


async def test_both_clients_read_the_same_facts(store_address: StoreAddress, redis_client: redis.Redis) -> None:
    client = connect_async(store_address)
    still = {"used_memory_bytes": 0, "clock_offset_ms": 0}
    assert replace(read_facts(redis_client), **still) == replace(await read_facts_async(client), **still)
    await client.aclose()


def test_settings_are_read_as_they_are(fresh_store: EmbeddedStore) -> None:
    client = connect_sync(StoreAddress.parse(fresh_store.ensure()))
    for setting, value in {"appendonly": "no", "maxmemory-policy": "allkeys-lfu", "maxmemory": 10**9}.items():
        client.config_set(setting, value)
    facts = read_facts(client)
    assert (facts.appendonly, facts.maxmemory_policy, facts.maxmemory_bytes) == (False, "allkeys-lfu", 10**9)
    client.close()


def test_a_store_that_denies_config_is_judged_by_the_rest(fresh_store: EmbeddedStore) -> None:
    admin = connect_sync(StoreAddress.parse(fresh_store.ensure()))
    admin.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "+@all", "-config")
    client = connect_sync(StoreAddress.parse(fresh_store.ensure().replace("unix://", "unix://guest:pw@")))
    facts = read_facts(client)
    assert facts.appendfsync is None
    assert facts.appendonly
    client.close()
    admin.close()


def test_without_info_nothing_is_judged() -> None:
    with pytest.raises(ResponseError, match="denied"):
        StoreFacts.parse([ResponseError("denied"), [], [0, 0]], asked_at_s=0, answered_at_s=0)


def test_raw_replies_are_understood_too() -> None:
    info = b"# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:5\r\nmaxmemory_policy:noeviction\r\n"
    facts = StoreFacts.parse(
        [info + b"# Persistence\r\naof_enabled:1\r\n", {b"appendfsync": b"no"}, [b"100", b"500000"]],
        asked_at_s=100.0,
        answered_at_s=100.4,
    )
    assert (facts.kind, facts.version, facts.maxmemory_bytes) == ("redis", "7.0.15", 5)
    assert (facts.appendonly, facts.appendfsync, facts.clock_offset_ms) == (True, "no", 300)


def test_the_clock_is_compared_in_the_middle_of_the_question(redis_client: redis.Redis) -> None:
    before_s = time.time()
    offset_ms = read_facts(redis_client).clock_offset_ms
    assert abs(offset_ms) <= (time.time() - before_s) * 1000 + 1


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ResponseError("DB index is out of range"), "it has no database of this number"),
        (
            ConnectionRefused("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"),
            "the authority's file as ?ssl_ca_certs=FILE in HOMA_REDIS_URL",
        ),
        (ConnectionRefused("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "use redis:// instead of rediss://"),
        (
            ConnectionRefused("Error 2 connecting to h:1. No such file or directory"),
            "check the files that ssl_ca_certs",
        ),
    ],
)
def test_what_is_wrong_with_an_address_is_said_with_what_to_do(error: Exception, advice: str) -> None:
    found = store_error(error, StoreAddress.parse("rediss://store.example/99"))
    assert isinstance(found, StoreUnavailable)
    assert advice in str(found)


def test_a_database_that_does_not_exist_is_named(fresh_store: EmbeddedStore) -> None:
    store = Store(StoreAddress.parse(f"{fresh_store.ensure()}?db=99"), "n")
    with pytest.raises(StoreUnavailable, match="it has no database of this number"):
        store.facts()
    store.close()
