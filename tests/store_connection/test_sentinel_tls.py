"""Sentinels and their store over TLS, as real servers that let in nobody without a certificate of the authority."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress
from tests.fixtures.store import eventually
from tests.store_connection.test_sentinel import free_port
from tests.store_connection.tls import Authority
from tests.store_connection.tls_servers import TlsServers


class TlsFleet(TlsServers):
    """A primary and a sentinel that speak nothing but TLS; `elsewhere` shows a certificate of another host."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        super().__init__(directory, stack)
        good = self.authority.issue("server")
        wrong = self.authority.issue("wrong", host="other.example", address="192.0.2.1")
        self.primary, self.elsewhere, self.sentinel = free_port(), free_port(), free_port()
        self.start("primary", self.primary, good)
        self.start("elsewhere", self.elsewhere, wrong)
        services = {"main": self.primary, "elsewhere": self.elsewhere}
        watched = [f"sentinel monitor {name} 127.0.0.1 {port} 1" for name, port in services.items()]
        self.start("sentinel", self.sentinel, good, *watched, options=("--sentinel",))
        for port in (self.primary, self.elsewhere, self.sentinel):
            eventually(lambda port=port: self.answers(port))

    def url(self, service: str = "main", *, ca: Path | None = None, mine: bool = True, options: str = "") -> str:
        return f"rediss+sentinel://127.0.0.1:{self.sentinel}/{service}?{self.query(ca=ca, mine=mine)}{options}"


@pytest.fixture(scope="module")
def fleet() -> Iterator[TlsFleet]:
    directory = Path(tempfile.mkdtemp(prefix="homa-test-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        yield TlsFleet(directory, stack)


def asked(url: str, namespace: str) -> int:
    store = Store(StoreAddress.parse(url), namespace)
    try:
        return store.run(reads.server_time(store.keys))
    finally:
        store.close()


async def asked_by_loop(url: str, namespace: str) -> int:
    store = AsyncStore(StoreAddress.parse(url), namespace)
    try:
        return await store.run(reads.server_time(store.keys))
    finally:
        await store.aclose()


async def test_with_certificates_of_both_sides_the_store_is_found_and_answers(fleet: TlsFleet, namespace: str) -> None:
    assert asked(fleet.url(), namespace) > 0
    assert await asked_by_loop(fleet.url(), namespace) > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("authority", "an authority that is not known here"),
        ("host", r"names another host.*announce-hostnames yes"),
        ("certificate", r"ssl_certfile=FILE&ssl_keyfile=FILE"),
        ("key", "check the files that ssl_ca_certs, ssl_certfile and ssl_keyfile name"),
        ("scheme", r"start it, or set HOMA_REDIS_URL|closed"),
    ],
)
async def test_what_does_not_fit_is_told_with_the_next_step(
    fleet: TlsFleet, namespace: str, tmp_path: Path, wrong: str, said: str
) -> None:
    stranger = Authority(tmp_path, "stranger")
    url = {
        "authority": fleet.url(ca=stranger.certificate),
        "host": fleet.url("elsewhere"),
        "certificate": fleet.url(mine=False),
        "key": fleet.url().replace(str(fleet.client.key), str(stranger.issue("other").key)),
        "scheme": f"redis+sentinel://127.0.0.1:{fleet.sentinel}/main",
    }[wrong]
    with pytest.raises(StoreUnavailable, match=said):
        asked(url, namespace)
    with pytest.raises(StoreUnavailable, match=said):
        await asked_by_loop(url, namespace)


async def test_a_name_that_is_not_checked_is_another_matter(fleet: TlsFleet, namespace: str) -> None:
    url = fleet.url("elsewhere", options="&ssl_check_hostname=false")
    assert asked(url, namespace) > 0
    assert await asked_by_loop(url, namespace) > 0


def test_the_servers_speak_nothing_but_tls(fleet: TlsFleet) -> None:
    with closing(redis.Redis(port=fleet.primary, protocol=2)) as plain, pytest.raises(redis.ConnectionError):
        plain.ping()


def test_addresses_of_tls_by_sentinels_are_read_and_masked() -> None:
    url = "rediss+sentinel://:secret@a.example,b.example:26380/main/3?sentinel_password=hidden&ssl_ca_certs=/ca.pem"
    found = StoreAddress.parse(url)
    assert (found.hosts, found.service, found.db) == ((("a.example", 26379), ("b.example", 26380)), "main", 3)
    assert found.is_tls
    assert "secret" not in str(found)
    assert "hidden" not in str(found)
