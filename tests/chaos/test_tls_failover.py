"""Sentinels promote a replica over TLS while jobs are submitted and called: nothing is lost or called twice."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis

from homa import HomaError
from tests.chaos.processes import until
from tests.chaos.servers import Server
from tests.chaos.world import MODEL, World
from tests.store_connection.test_sentinel import free_port
from tests.store_connection.tls_servers import TlsServers

JOBS, SENTINELS = 150, 3
#: After which silence sentinels take the primary for dead, ms. A busy machine must not look like one.
DOWN_AFTER_MS = 3000


class Watched(TlsServers):
    """A primary, its replica, and three sentinels, two of which have to agree."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        super().__init__(directory, stack)
        shown = self.authority.issue("server")
        self.primary, self.replica = free_port(), free_port()
        kept = "appendonly yes\nappendfsync always\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0"
        self.start("primary", self.primary, shown, kept, "appenddirname primary")
        following = f"replicaof 127.0.0.1 {self.primary}"
        self.start("replica", self.replica, shown, kept, "appenddirname replica", following)
        until(lambda: self.replication().get("master_link_status") == "up", "the replica follows")
        self.sentinels = [free_port() for _ in range(SENTINELS)]
        for number, port in enumerate(self.sentinels):
            own = (
                f"sentinel monitor main 127.0.0.1 {self.primary} 2",
                f"sentinel down-after-milliseconds main {DOWN_AFTER_MS}",
                "sentinel failover-timeout main 10000",
            )
            self.start(f"sentinel-{number}", port, shown, *own, options=("--sentinel",))
            until(lambda port=port: self.answers(port), "a sentinel answers")
            self.ask(port, "SENTINEL", "DEBUG", "INFO-PERIOD", "1000")
        for port in self.sentinels:
            until(lambda port=port: self._knows(port), "each sentinel knows the replica and the other sentinels")

    def replication(self) -> dict[str, Any]:
        """What the replica says of its part."""
        return dict(self.ask(self.replica, "INFO", "replication")) if self.answers(self.replica) else {}

    def _knows(self, port: int) -> bool:
        others = len(self.ask(port, "SENTINEL", "SENTINELS", "main"))
        return others == SENTINELS - 1 and len(self.ask(port, "SENTINEL", "REPLICAS", "main")) == 1

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"rediss+sentinel://{hosts}/main/0?{self.query()}"


class Primary(Server):
    """The primary as campaigns know their store."""

    def __init__(self, watched: Watched) -> None:
        self._watched, self.port = watched, watched.primary

    def kill(self) -> None:
        self._watched.kill(self.port)


class Submitting:
    """A thread that submits jobs one after another, and remembers those that were accepted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.accepted: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                job = self._world.homa.submit(f"One more, {number}", model=MODEL, max_tokens=50, key=f"k{number}")
            except HomaError:
                # The store was away for longer than a submission waits; under its key it may be said again.
                number -= 1
                self._stop.wait(0.2)
            else:
                self.accepted.append(job.id)
                self._stop.wait(0.02)

    def stop(self) -> list[str]:
        self._stop.set()
        self._thread.join()
        return self.accepted


@pytest.fixture
def watched() -> Iterator[Watched]:
    directory = Path(tempfile.mkdtemp(prefix="homa-test-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        yield Watched(directory, stack)


def test_a_failover_over_tls_loses_nothing(watched: Watched) -> None:
    with World(seed=3, server=Primary(watched), url=watched.url, latency_ms=300) as world:
        batch = world.submit(JOBS)
        crew = world.spawn(2, concurrency=8)
        submitting = Submitting(world)
        try:
            until(lambda: world.ended() > JOBS // 10 and len(submitting.accepted) > 10, "work is under way")
            before = len(submitting.accepted)
            watched.kill(watched.primary)
            until(lambda: watched.replication().get("role") == "master", "sentinels promote the replica")
            ended = world.ended()
            until(lambda: world.ended() > ended, "work goes on")
            until(lambda: len(submitting.accepted) > before + 5, "jobs are accepted again")
        finally:
            accepted = submitting.stop()
        world.until_idle(120)
        assert all(worker.alive for worker in crew)
        tally = world.tally(batch)
        singles = world.tally_of(accepted)
        billed = world.simulator.get("/bill")["total"]["requests"]
    assert (tally.lost, tally.called_twice, singles.lost) == (0, 0, 0)
    assert len(set(accepted)) == len(accepted)
    assert billed == JOBS + len(accepted)


def test_a_server_lets_in_nobody_without_a_certificate(watched: Watched) -> None:
    ways: tuple[dict[str, Any], ...] = ({}, {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False})
    for options in ways:
        with (
            closing(redis.Redis(port=watched.replica, protocol=2, **options)) as stranger,
            pytest.raises(redis.RedisError),
        ):
            stranger.ping()
