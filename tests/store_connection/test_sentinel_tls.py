"""Sentinels and their store over TLS, as real servers that let in nobody without a certificate of the authority."""

from __future__ import annotations

import shutil
import subprocess
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
from tests.store_connection.tls import Authority, Certificate


def server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed: Debian's package redis-server has it, with TLS")
    return found


class TlsFleet:
    """A primary and a sentinel that speak nothing but TLS; `elsewhere` shows a certificate of another host."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.authority = Authority(directory, "authority")
        self.client = self.authority.issue("client")
        good = self.authority.issue("server")
        wrong = self.authority.issue("wrong", host="other.example", address="192.0.2.1")
        self.primary, self.elsewhere, self.sentinel = free_port(), free_port(), free_port()
        self._start("primary", self.primary, good)
        self._start("elsewhere", self.elsewhere, wrong)
        watched = [f"sentinel monitor {name} 127.0.0.1 {port} 1" for name, port in self.services.items()]
        self._start("sentinel", self.sentinel, good, *watched, options=("--sentinel",))
        for port in (self.primary, self.elsewhere, self.sentinel):
            eventually(lambda port=port: self.answers(port))

    @property
    def services(self) -> dict[str, int]:
        return {"main": self.primary, "elsewhere": self.elsewhere}

    def _start(self, name: str, port: int, shown: Certificate, *lines: str, options: tuple[str, ...] = ()) -> None:
        file = self._directory / f"{name}.conf"
        tls = [
            f"port 0\ntls-port {port}\nbind 127.0.0.1\ndir {self._directory}\nlogfile {name}.log",
            f"tls-cert-file {shown.certificate}\ntls-key-file {shown.key}",
            f"tls-ca-cert-file {self.authority.certificate}\ntls-auth-clients yes\ntls-replication yes",
        ]
        plain = [] if options else ["save ''"]
        file.write_text("\n".join([*tls, *plain, *lines, ""]))
        process = subprocess.Popen([server(), file, *options], cwd=self._directory, stdout=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def answers(self, port: int) -> bool:
        with closing(
            redis.Redis(
                port=port,
                protocol=2,
                ssl=True,
                ssl_ca_certs=str(self.authority.certificate),
                ssl_certfile=str(self.client.certificate),
                ssl_keyfile=str(self.client.key),
                ssl_check_hostname=False,
            )
        ) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def url(self, service: str = "main", *, ca: Path | None = None, mine: bool = True, options: str = "") -> str:
        files = f"&ssl_certfile={self.client.certificate}&ssl_keyfile={self.client.key}" if mine else ""
        known = ca or self.authority.certificate
        return f"rediss+sentinel://127.0.0.1:{self.sentinel}/{service}?ssl_ca_certs={known}{files}{options}"


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
