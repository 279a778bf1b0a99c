"""A call of which no byte was sent costs nothing, whatever stood in its way and whichever SDK would have sent it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import Charge, ProviderError
from homa_shared.calls.failures import ErrorKind as K
from homa_shared.calls.reply import Call, Delta
from homa_shared.kinds.registry import builtin_kinds
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.stub import Stub, drop, raw, reply, serving
from tests.providers.test_openai import Pieces

KINDS = sorted(builtin_kinds())
#: Any call at all: what each makes of it is the matter of other tests.
CALL = Call("some-model", [{"role": "user", "content": "Hello"}], {"max_tokens": 50})
AWS = {"region": "us-east-1", "aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "example-secret"}
PROXIES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def made(kind: str, url: str, *, key: str = "sk-secret", **fields: Any) -> Provider:
    options = {**(AWS if kind == "bedrock" else {}), **fields.pop("options", {})}
    return create(ProviderConfig(kind, kind, SecretStr(key), url, options=options, **fields))


async def failure(provider: Provider) -> ProviderError:
    try:
        with pytest.raises(ProviderError) as caught:
            await provider.complete(CALL)
    finally:
        await provider.aclose()
    return caught.value


def assert_unsent(error: ProviderError) -> None:
    assert (error.kind, error.charge) == (K.UNREACHABLE, Charge.NONE), error


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_a_provider_that_has_moved_is_found_by_the_next_call(
    stub: Stub, kind: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [closed_port(), int(stub.url.rpartition(":")[2])]

    async def moved(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", ports.pop(0)))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", moved)
    provider = made(kind, "http://provider.invalid")
    stub.answer = reply(429, {})
    kinds = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await (provider.complete(CALL) if way == "complete" else provider.stream(CALL, Pieces().emit))
        kinds.append(caught.value.kind)
    await provider.aclose()
    assert (kinds, ports) == ([K.UNREACHABLE, K.RATE_LIMITED], [])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_host_without_an_address(kind: str) -> None:
    assert_unsent(await failure(made(kind, "http://no-such-host.invalid")))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_connection(kind: str) -> None:
    assert_unsent(await failure(made(kind, f"http://127.0.0.1:{closed_port()}")))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_speaks_no_tls(kind: str) -> None:
    async with serving(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as stub:
        assert_unsent(await failure(made(kind, stub.url.replace("http:", "https:"))))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_hangs_up_before_tls_stands(kind: str) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        assert_unsent(await failure(made(kind, f"https://127.0.0.1:{port}")))
    finally:
        server.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_the_tunnel(kind: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(reply(status, b"no")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:hunter2-secret@"))
        assert_unsent(await failure(made(kind, "https://provider.invalid")))
        assert proxy.request.method == "CONNECT"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"bedrock"}))
async def test_a_proxy_without_a_tunnel_that_refuses(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(reply(407, b"no")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert_unsent(await failure(made(kind, "http://provider.invalid")))
        assert proxy.request.method == "POST"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_exempt_host_is_reached_whatever_the_proxy_speaks(
    kind: str, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    stub.answer = reply(400, {"error": {"message": "no"}})
    await failure(made(kind, stub.url))
    assert len(stub.requests) == 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"bedrock"}))
async def test_a_proxy_that_hangs_up_on_the_tunnel(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(drop()) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert_unsent(await failure(made(kind, "https://provider.invalid")))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"bedrock"}))
async def test_a_header_that_cannot_be_written(kind: str, stub: Stub) -> None:
    assert_unsent(await failure(made(kind, stub.url, options={"headers": {"x-odd": "a\r\nb"}})))
    assert stub.requests == []


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"bedrock"}))
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_header_outside_ascii(kind: str, streamed: bool, stub: Stub) -> None:
    async def nowhere(_: Delta) -> None:
        """Nothing arrives."""

    provider = made(kind, stub.url, options={"headers": {"x-odd": "\N{SNOWMAN}"}})
    stub.answer = reply(500, b"it was sent")
    with pytest.raises(ProviderError) as caught:
        await (provider.stream(CALL, nowhere) if streamed else provider.complete(CALL))
    await provider.aclose()
    if stub.requests:
        assert caught.value.kind is K.AMBIGUOUS
    else:
        assert_unsent(caught.value)


async def test_a_credential_that_cannot_be_written(stub: Stub) -> None:
    assert_unsent(await failure(made("bedrock", stub.url, options={"aws_session_token": "a\r\nb"})))
    assert stub.requests == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_sent_and_not_answered_stays_open(kind: str) -> None:
    async with serving(drop()) as stub:
        error = await failure(made(kind, stub.url))
        assert (error.kind, error.charge) == (K.AMBIGUOUS, Charge.UNRESOLVED)
        assert len(stub.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_idle_connection_is_not_kept_until_its_server_closes_it(kind: str) -> None:
    async with serving(reply(400, {"error": {"message": "no"}})) as stub:
        provider = made(kind, stub.url, keep_alive_s=0.02)
        for _ in range(2):
            with pytest.raises(ProviderError):
                await provider.complete(CALL)
            await asyncio.sleep(0.2)
        await provider.aclose()
        assert stub.connections == 2


def test_idle_connections_are_kept_shorter_than_the_common_five_seconds() -> None:
    assert ProviderConfig("p", "openai").keep_alive_s < 5


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_a_connection_that_its_server_closed_while_idle_is_not_used(kind: str) -> None:
    async def refuse_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply(400, {"error": {"message": "no"}})(reader, writer)
        writer.close()

    async with serving(refuse_and_close) as stub:
        provider = made(kind, stub.url)
        for _ in range(3):
            with pytest.raises(ProviderError) as caught:
                await provider.complete(CALL)
            assert caught.value.kind is not K.AMBIGUOUS
            await asyncio.sleep(0.05)
        await provider.aclose()
