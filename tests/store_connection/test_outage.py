"""What goes wrong at the store reaches people in two errors that say what to do; everything else stays what it is."""

from __future__ import annotations

import pytest
import redis
from redis import exceptions

from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.connection import StoreAddress, connect_async, connect_sync, store_error, store_errors
from homa_shared.store.embedded import EmbeddedStore

ADDRESS = StoreAddress.parse("redis://user:secret@store:6379/0")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            exceptions.ConnectionError("Error 111 connecting to store:6379. Connection refused."),
            "start it, or set HOMA_R",
        ),
        (exceptions.TimeoutError("Timeout reading from socket"), "did not answer in time"),
        (exceptions.BusyLoadingError("loading the dataset in memory"), "loading its data"),
        (exceptions.AuthenticationError("invalid username-password pair"), "user and password in HOMA_REDIS_URL"),
        (exceptions.NoPermissionError("this user has no permissions"), "grant them with `ACL SETUSER"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "it is a replica"),
        (exceptions.MaxConnectionsError("Too many connections"), "raise its maxclients"),
        (exceptions.MasterDownError("link with MASTER is down"), "wait for the failover"),
        (exceptions.ClusterDownError("The cluster is down"), "the cluster is down"),
        (exceptions.MovedError("3999 127.0.0.1:6381"), "another node"),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "free space"),
        (
            exceptions.ResponseError("BUSY Redis is busy running a script. You can only call SCRIPT KILL"),
            "keeps it busy",
        ),
        (exceptions.ResponseError("UNBLOCKED force unblock from blocking operation"), "its role has changed"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "bring them back"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_with_what_to_do(error: Exception, advice: str) -> None:
    translated = store_error(error, ADDRESS)
    assert isinstance(translated, StoreUnavailable)
    assert "redis://user:***@store:6379/0" in str(translated)
    assert advice in str(translated)
    assert "secret" not in str(translated)


def test_an_error_without_words_is_named_by_its_class() -> None:
    assert "ConnectionError; start it" in str(store_error(exceptions.ConnectionError(), ADDRESS))


def test_a_defect_of_ours_stays_what_it_is() -> None:
    with pytest.raises(exceptions.ResponseError, match="WRONGTYPE"), store_errors(ADDRESS):
        raise exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")


def test_the_cause_is_kept() -> None:
    with pytest.raises(StoreUnavailable) as caught, store_errors(ADDRESS):
        raise exceptions.ConnectionError("gone")
    assert isinstance(caught.value.__cause__, exceptions.ConnectionError)


async def test_a_full_store_is_full_for_commands_and_scripts(fresh_store: EmbeddedStore) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    client = connect_async(address)
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreFull, match="raise its maxmemory"), store_errors(address):
        await client.set("key", "value")
    with pytest.raises(StoreFull), store_errors(address):
        await client.eval("return redis.call('SET', KEYS[1], 'value')", 1, "key")
    await client.aclose()


def test_a_wrong_password_is_told_from_an_absent_store(fresh_store: EmbeddedStore) -> None:
    url = fresh_store.ensure()
    address = StoreAddress.parse(url.replace("unix://", "unix://nobody:secret@"))
    client = connect_sync(address)
    with pytest.raises(StoreUnavailable, match="check user and password") as caught, store_errors(address):
        client.ping()
    assert "secret" not in str(caught.value)
    client.close()


def test_a_stopped_store_is_unavailable_and_available_again_when_it_is_back(fresh_store: EmbeddedStore) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    client = connect_sync(address)
    client.set("kept", "value")
    fresh_store.stop()
    with pytest.raises(StoreUnavailable), store_errors(address):
        client.get("kept")
    fresh_store.ensure()
    with store_errors(address):
        assert client.get("kept") == b"value"
    client.close()


def test_a_replica_is_told_from_its_primary(fresh_store: EmbeddedStore) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    client: redis.Redis = connect_sync(address)
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable, match="it is a replica"), store_errors(address):
        client.set("key", "value")
    client.execute_command("REPLICAOF", "NO", "ONE")
    client.close()
