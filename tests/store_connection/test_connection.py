"""Clients of the store wait where redis-py would raise, notice what it would not, and answer in one shape."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store import connection
from homa_shared.store.connection import StoreAddress, connect_async, connect_sync, store_errors
from homa_shared.store.embedded import EmbeddedStore


def options_of(url: str, **arguments: object) -> dict[str, object]:
    client = connect_sync(StoreAddress.parse(url), **arguments)  # type: ignore[arg-type]
    return dict(client.connection_pool.connection_kwargs)


def test_replies_are_bytes_whatever_the_command(redis_client: redis.Redis, namespace: str) -> None:
    redis_client.hset(namespace, mapping={"field": "value"})
    assert redis_client.hgetall(namespace) == {b"field": b"value"}
    reply = redis_client.eval("return {1, 'two', {3}, false}", 0)
    assert reply == [1, b"two", [3], None]


async def test_an_async_client_answers_in_the_same_shape(store_address: StoreAddress, namespace: str) -> None:
    client = connect_async(store_address)
    await client.hset(namespace, mapping={"field": "value"})
    assert await client.hgetall(namespace) == {b"field": b"value"}
    assert await client.eval("return {1, 'two', {3}, false}", 0) == [1, b"two", [3], None]
    await client.aclose()


def test_the_store_sees_who_is_connected(store_address: StoreAddress) -> None:
    client = connect_sync(store_address, role="worker")
    assert client.client_getname() == "homa-worker"
    client.close()


def test_threads_wait_for_a_connection_instead_of_failing(store_address: StoreAddress, namespace: str) -> None:
    client = connect_sync(store_address, max_connections=2)
    threads = [threading.Thread(target=client.incr, args=(namespace,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get(namespace) == b"20"
    client.close()


async def test_tasks_wait_for_a_connection_instead_of_failing(store_address: StoreAddress, namespace: str) -> None:
    client = connect_async(store_address, max_connections=2)
    await asyncio.gather(*(client.incr(namespace) for _ in range(100)))
    assert await client.get(namespace) == b"100"
    await client.aclose()


def test_a_pool_that_stays_busy_is_told_from_a_store_that_is_away(
    store_address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "POOL_WAIT_S", 0.01)
    client = connect_sync(store_address, max_connections=1)
    taken = client.connection_pool.get_connection()
    with pytest.raises(StoreUnavailable, match="all connections of this process are busy"), store_errors(store_address):
        client.ping()
    client.connection_pool.release(taken)
    client.close()


def test_a_dropped_connection_is_bridged(store_address: StoreAddress, redis_client: redis.Redis) -> None:
    client = connect_sync(store_address, max_connections=1, role="dropped")
    me = client.client_id()
    redis_client.client_kill_filter(_id=str(me))
    assert client.ping()
    assert client.client_id() != me
    client.close()


async def test_a_dropped_connection_is_bridged_in_a_loop(
    store_address: StoreAddress, redis_client: redis.Redis
) -> None:
    client = connect_async(store_address, max_connections=1)
    me = await client.client_id()
    redis_client.client_kill_filter(_id=str(me))
    assert await client.ping()
    await client.aclose()


def test_a_blocking_client_waits_longer_than_any_read_timeout(store_address: StoreAddress, namespace: str) -> None:
    patient = connect_sync(store_address, blocking=True, read_timeout_s=0.05)
    hasty = connect_sync(store_address, read_timeout_s=0.05)
    assert patient.blpop([namespace], timeout=0.3) is None
    with pytest.raises(redis.TimeoutError):
        hasty.blpop([namespace], timeout=5)
    patient.close()
    hasty.close()


async def test_a_blocking_async_client_waits_too(store_address: StoreAddress, namespace: str) -> None:
    patient = connect_async(store_address, blocking=True, read_timeout_s=0.05)
    assert await patient.blpop([namespace], timeout=0.3) is None
    await patient.aclose()


@contextmanager
def mute_server() -> Iterator[tuple[StoreAddress, list[bytes]]]:
    """A server that reads and never answers; the list fills with what arrived, one entry a connection."""
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                data = b""
                while piece := peer.recv(4096):
                    data += piece
                received.append(data)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield StoreAddress.parse(f"redis://127.0.0.1:{listener.getsockname()[1]}"), received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_mute_store_is_tried_three_times_and_then_named() -> None:
    with mute_server() as (address, received):
        client = connect_sync(address, read_timeout_s=0.05)
        with pytest.raises(StoreUnavailable, match="did not answer in time"), store_errors(address):
            client.ping()
        client.close()
    assert len(received) == 3


async def test_an_unreachable_store_is_named_with_what_to_set() -> None:
    address = StoreAddress.parse("unix:///nowhere/store.sock")
    client = connect_async(address)
    with pytest.raises(StoreUnavailable, match=r"unix:///nowhere/store\.sock.*HOMA_REDIS_URL"), store_errors(address):
        await client.ping()
    await client.aclose()


def child(work: object) -> int:
    """Run a function in a forked child; returns its exit status, 0 when it returned true."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 2  # type: ignore[operator]
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_client_works_after_a_fork(store_address: StoreAddress) -> None:
    client = connect_sync(store_address, max_connections=1)
    mine = client.client_id()
    assert child(lambda: client.client_id() != mine) == 0
    assert client.client_id() == mine
    client.close()


async def test_an_async_client_works_after_a_fork_and_so_does_its_parents(store_address: StoreAddress) -> None:
    client = connect_async(store_address, max_connections=1)
    mine = await client.client_id()

    def in_child() -> bool:
        asyncio.events._set_running_loop(None)
        with asyncio.Runner() as runner:
            return runner.run(client.client_id()) != mine

    assert child(in_child) == 0
    assert await client.client_id() == mine
    await client.aclose()


def test_tcp_connections_notice_a_vanished_peer() -> None:
    options = options_of("redis://user:pw@store:7000/2")
    assert (options["host"], options["port"], options["db"]) == ("store", 7000, 2)
    assert (options["username"], options["password"]) == ("user", "pw")
    keepalive = options["socket_keepalive_options"]
    assert isinstance(keepalive, dict)
    assert keepalive[socket.TCP_KEEPINTVL] == 5


def test_tls_options_reach_the_connection() -> None:
    client = connect_sync(StoreAddress.parse("rediss://store?ssl_ca_certs=/ca.pem&ssl_check_hostname=False"))
    assert client.connection_pool.connection_class is redis.SSLConnection
    options = client.connection_pool.connection_kwargs
    assert (options["ssl_ca_certs"], options["ssl_check_hostname"]) == ("/ca.pem", False)


def test_a_certificate_that_is_not_looked_at_is_not_compared_with_a_name() -> None:
    assert options_of("rediss://store?ssl_cert_reqs=none")["ssl_check_hostname"] is False
    assert "ssl_check_hostname" not in options_of("rediss://store")


async def test_async_tls_uses_tls() -> None:
    client = connect_async(StoreAddress.parse("rediss://store"))
    assert issubclass(client.connection_pool.connection_class, redis.asyncio.SSLConnection)
    await client.aclose()


async def test_a_mute_store_is_tried_three_times_in_a_loop_too() -> None:
    with mute_server() as (address, received):
        client = connect_async(address, read_timeout_s=0.05)
        with pytest.raises(StoreUnavailable, match="did not answer in time"), store_errors(address):
            await client.ping()
        await client.aclose()
    assert len(received) == 3


def test_a_store_that_falls_mute_gets_a_command_three_times(fresh_store: EmbeddedStore) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    client, other = connect_sync(address, read_timeout_s=0.1), connect_sync(address)
    client.ping()
    before = other.info("stats")["total_connections_received"]
    # The store reads on, but answers no write for as long as it is paused.
    other.client_pause(60_000, all=False)
    with pytest.raises(StoreUnavailable, match="did not answer in time"), store_errors(address):
        client.set("key", "value")
    other.client_unpause()
    # The first try has its connection already; each further one connects once.
    assert other.info("stats")["total_connections_received"] == before + 2
    client.close()
    other.close()
