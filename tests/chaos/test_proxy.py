"""The proxy loses replies as campaigns need it: carried out, but not told."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.chaos.proxy import LossyProxy
from tests.chaos.servers import Server
from tests.chaos.world import directory
from tests.patience import PATIENCE_S


@pytest.fixture
def proxy() -> Iterator[LossyProxy]:
    with directory() as own:
        server = Server(own, fsync="no").start()
        proxy = LossyProxy(server.port).start()
        yield proxy
        proxy.stop()
        server.kill()


def client(proxy: LossyProxy) -> redis.Redis:
    return redis.Redis(port=proxy.port, protocol=2, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))


def test_without_losses_it_only_passes_on(proxy: LossyProxy) -> None:
    with client(proxy) as through:
        assert [through.incr("n") for _ in range(50)] == list(range(1, 51))
        assert through.set("large", "x" * 3_000_000)
        assert len(through.get("large")) == 3_000_000
    assert proxy.dropped == 0


@pytest.mark.parametrize(("mute", "error"), [(0.0, redis.ConnectionError), (1.0, redis.TimeoutError)])
def test_a_lost_reply_was_carried_out(proxy: LossyProxy, mute: float, error: type[Exception]) -> None:
    with client(proxy) as through:
        through.ping()
        proxy.drop, proxy.mute = 1.0, mute
        with pytest.raises(error):
            through.incr("n")
        proxy.drop = 0.0
        assert through.get("n") == b"1"
    assert (proxy.dropped, proxy.muted) == (1, int(mute))


def test_cut_connections_are_made_anew(proxy: LossyProxy) -> None:
    # A socket of its own: the client makes an idle connection that was cut anew before anybody sees it fail.
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(64) == b"+PONG\r\n"
        proxy.cut()
        assert connection.recv(64) == b"", "the other side has closed it"
    with client(proxy) as through:
        assert through.ping()
