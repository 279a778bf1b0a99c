"""A call that goes straight to the wire is the call that its SDK would have made, and ends as that would have ended."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import httpx2
import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.direct_exchange import ONE_PIECE_BYTES, DirectExchange
from homa_workers.providers.recorded_calls import RecordedCalls
from homa_workers.providers.transport import AiohttpClient, AiohttpTransport
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT
from tests.providers.stub import Answer, Request, Stub, raw, reply

KINDS = ["openai", "azure", "ollama", "cohere", "mistral", "anthropic", "gemini"]
#: What an account's settings may add.
OPTIONS = {"headers": {"x-team": "a", "anthropic-beta": "some-beta"}}

REFUSALS: dict[str, Answer] = {
    **{
        f"status {status}": reply(status, {"error": {"message": "no", "code": "c", "type": "t"}})
        for status in (
            302,
            400,
            401,
            403,
            404,
            408,
            409,
            413,
            422,
            429,
            500,
            503,
            529,
        )
    },
    "with a wait": reply(429, {"error": {"message": "slow down"}}, {"retry-after": "7", "x-request-id": "req_1"}),
    "of a list": reply(400, [{"error": {"message": "no", "status": "INVALID"}}]),
    "of a text": reply(400, {"error": "no"}),
    "of details": reply(422, {"detail": [{"loc": ["body", "n"], "msg": "too many"}]}),
    "in another encoding": reply(
        429, '{"error": {"message": "café", "code": "c"}}'.encode("latin-1"), {"retry-after": "7"}
    ),
    "with a header twice": raw(
        b"HTTP/1.1 429 X\r\nretry-after: 9\r\nx-request-id: a\r\nretry-after: 7\r\nx-request-id: b\r\n"
        b"content-length: 2\r\n\r\n{}"
    ),
    "as a page": reply(502, b"<html>Bad Gateway</html>"),
    "compressed": reply(503, gzip.compress(b'{"error": {"message": "busy"}}'), {"content-encoding": "gzip"}),
    "that breaks off": raw(b"HTTP/1.1 500 X\r\ncontent-length: 50\r\n\r\nhalf"),
    "not at all": raw(b""),
    "half a reply": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"),
    "nothing with 200": reply(200, b""),
    "an error with 200": reply(200, {"error": {"message": "no", "code": 429}}),
}


@pytest.fixture(params=[True, False], ids=["direct", "by the SDK"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """How calls of this test are made."""
    return bool(request.param) or by_the_sdk(monkeypatch)


def by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(AiohttpTransport, "direct", None)
    return False


async def asked(connect: Connect, kind: str, stub: Stub, call: Call) -> Any:
    provider = connect(kind, stub.url, options=OPTIONS)
    try:
        return await provider.complete(call)
    except ProviderError as error:
        return error


def facts(error: ProviderError) -> tuple[object, ...]:
    return error.kind, error.charge, error.status, error.code, error.retry_after_s, error.request_id


def assert_alike(direct: Request, own: Request) -> None:
    """The same JSON, with its fields in the same order."""
    assert orjson.dumps(direct.json) == orjson.dumps(own.json)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_request_is_that_of_the_sdk(
    kind: str, connect: Connect, stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer = reply(400, {"error": {"message": "no"}})
    await asked(connect, kind, stub, hello)
    direct = stub.requests.pop()
    by_the_sdk(monkeypatch)
    await asked(connect, kind, stub, hello)
    own = stub.requests.pop()
    assert (direct.method, direct.path) == (own.method, own.path)
    assert_alike(direct, own)
    own.headers["content-length"] = str(len(direct.content))
    # HTTP/1.1 stays connected unless it is told otherwise.
    own.headers.pop("connection", None)
    assert direct.headers == own.headers
    assert {"x-team", "host", "content-type"} <= direct.headers.keys()


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1, "top_p": 0.5, "top_k": 40, "seed": 7, "n": 2, "stop": "END", "max_completion_tokens": 9},
        {"temperature": "0.25", "presence_penalty": 1, "frequency_penalty": 0.5, "logprobs": True, "top_logprobs": 3},
        {"response_format": {"type": "json_object"}, "reasoning_effort": "high"},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}},
        {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        {"temperature": "warm"},
        {"service_tier": "flex"},
    ],
)
@pytest.mark.parametrize("model", ["gemini-3.5-flash-lite", "gemini-3-flash"])
async def test_geminis_settings_are_written_as_its_sdk_writes_them(
    model: str, params: dict[str, Any], connect: Connect, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [
        {"role": "system", "content": "Grüße"},
        *({"role": role, "content": f"{n} “texts”"} for n, role in enumerate(("user", "user", "assistant", "user"))),
    ]
    call = Call(model, messages, params)
    stub.answer = reply(400, {"error": {"message": "no"}})
    direct = await asked(connect, "gemini", stub, call)
    by_the_sdk(monkeypatch)
    own = await asked(connect, "gemini", stub, call)
    assert facts(direct) == facts(own)
    if stub.requests:
        first, second = stub.requests
        assert first.path == second.path
        assert_alike(first, second)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_a_failure_is_that_of_the_sdk(
    kind: str, refusal: str, connect: Connect, stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer = REFUSALS[refusal]
    direct = await asked(connect, kind, stub, hello)
    by_the_sdk(monkeypatch)
    own = await asked(connect, kind, stub, hello)
    assert isinstance(direct, ProviderError)
    assert facts(direct) == facts(own)
    assert len(stub.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_that_is_not_utf8_keeps_status_and_wait(
    kind: str, way: bool, connect: Connect, stub: Stub, hello: Call
) -> None:
    stub.answer = REFUSALS["in another encoding"]
    error = await asked(connect, kind, stub, hello)
    assert (error.kind, error.charge, error.status) == (ErrorKind.RATE_LIMITED, Charge.NONE, 429), way
    assert error.retry_after_s == 7
    assert "caf" in error.message


async def test_both_ways_read_a_reply_alike(way: bool, connect: Connect, stub: Stub, hello: Call) -> None:
    stub.answer = reply(200, gzip.compress(orjson.dumps(CHAT)), {"content-encoding": "gzip", "x-request-id": "req_2"})
    completion = await asked(connect, "openai", stub, hello)
    assert (completion.text, completion.request_id) == ("Hi there", "req_2"), way


async def test_an_sdk_is_asked_once_what_it_sends(
    connect: Connect, stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    build = AiohttpClient.build_request

    def counted(self: AiohttpClient, method: str, url: Any, **options: Any) -> httpx2.Request:
        built.append(method)
        return build(self, method, url, **options)

    monkeypatch.setattr(AiohttpClient, "build_request", counted)
    stub.answer = reply(200, CHAT)
    provider = connect("openai", stub.url)
    for _ in range(5):
        assert (await provider.complete(hello)).text == "Hi there"
    assert len(stub.requests) == 5
    assert len(built) == 2


async def test_a_large_request_goes_by_the_sdk(connect: Connect, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("a large body would go out in one piece")

    monkeypatch.setattr(DirectExchange, "send", never)
    stub.answer = reply(200, CHAT)
    call = Call("m", [{"role": "user", "content": "x" * ONE_PIECE_BYTES}])
    assert (await connect("openai", stub.url).complete(call)).text == "Hi there"


def client_of(url: str) -> AiohttpClient:
    return AiohttpClient(ProviderConfig("p", "openai").http(url))


async def recorded(url: str, headers: Callable[[bytes], dict[str, str]]) -> tuple[object, bool]:
    """What becomes of a call whose headers depend on its body, and whether it was recorded."""
    http = client_of(url)

    async def post(url: str, content: bytes) -> httpx2.Response:
        return await http.send(http.build_request("POST", url, headers=list(headers(content).items()), content=content))

    calls = RecordedCalls(http, post)
    try:
        return await calls.post(f"{url}/v1", b"{}"), calls._recordings.get(f"{url}/v1") is not None
    finally:
        await http.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        lambda content: {"x-signature": str(hash(content))},
        lambda content: {"x-length": str(len(content))},
        lambda _: {"connection": "close"},
        lambda _: {"expect": "100-continue"},
        lambda _: {"transfer-encoding": "chunked"},
        lambda _: {"host": "elsewhere"},
        lambda _: {"x-odd": "a\r\nx-smuggled: b"},
        lambda _: {"x-odd": "a\x00b"},
        lambda _: {"x odd": "a"},
        lambda _: {"x-odd": "\N{SNOWMAN}"},
    ],
)
async def test_what_is_not_the_same_each_time_or_not_plain_is_left_to_the_sdk(
    headers: Callable[[bytes], dict[str, str]], stub: Stub
) -> None:
    assert await recorded(stub.url, headers) == (None, False)
    assert stub.requests == []


async def test_plain_headers_are_recorded(stub: Stub) -> None:
    found, is_recorded = await recorded(stub.url, lambda _: {"x-team": "a", "connection": "keep-alive"})
    assert found is not None
    assert is_recorded
    assert stub.request.headers["x-team"] == "a"


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1:1", "ftp://127.0.0.1", "unix:/socket"])
def test_odd_addresses_are_left_to_the_sdk(url: str) -> None:
    assert client_of(url).direct is None


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxied_server_is_left_to_the_sdk(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert client_of("https://provider.invalid").direct is None


def test_another_server_is_left_to_the_sdk() -> None:
    http = client_of("http://127.0.0.1:1/v1")
    assert http.direct is not None
    for url in ("http://127.0.0.1:2/v1", "https://127.0.0.1:1/v1", "http://localhost:1/v1", "http://a@127.0.0.1:1/v1"):
        assert http.direct.head(httpx2.Request("POST", url)) is None
    assert http.direct.head(httpx2.Request("POST", "http://127.0.0.1:1/v2?a=b")) is not None
