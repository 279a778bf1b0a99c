"""The store over TLS: its certificate is checked, ours is shown, and what does not fit is named with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress
from tests.store_connection.tls import Authority, Certificate, tls_in_front


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Certificate:
    return authority.issue("client")


@pytest.fixture
def port(session_store_url: str, authority: Authority) -> Iterator[int]:
    """Of a store that lets in clients of the authority alone."""
    socket = StoreAddress.parse(session_store_url).socket_path
    assert socket is not None
    with tls_in_front(socket, authority.issue("store"), authority.certificate) as port:
        yield port


def url(port: int, ca: Path, client: Certificate | None = None) -> str:
    mine = f"&ssl_certfile={client.certificate}&ssl_keyfile={client.key}" if client else ""
    return f"rediss://localhost:{port}?ssl_ca_certs={ca}{mine}"


def asked(address: str, namespace: str) -> int:
    store = Store(StoreAddress.parse(address), namespace)
    try:
        return store.run(reads.server_time(store.keys))
    finally:
        store.close()


def test_with_both_certificates_threads_are_answered(
    port: int, namespace: str, authority: Authority, client: Certificate
) -> None:
    assert asked(url(port, authority.certificate, client), namespace) > 0


async def test_and_so_is_an_event_loop(port: int, namespace: str, authority: Authority, client: Certificate) -> None:
    store = AsyncStore(StoreAddress.parse(url(port, authority.certificate, client)), namespace)
    try:
        assert await store.run(reads.server_time(store.keys)) > 0
    finally:
        await store.aclose()


def test_without_a_certificate_of_its_own_a_client_is_not_let_in(
    port: int, namespace: str, authority: Authority
) -> None:
    with pytest.raises(StoreUnavailable, match="ssl_certfile"):
        asked(url(port, authority.certificate), namespace)


def test_a_store_of_another_authority_is_not_believed(
    port: int, namespace: str, client: Certificate, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "another")
    with pytest.raises(StoreUnavailable, match="ssl_ca_certs"):
        asked(url(port, other.certificate, client), namespace)
